"""`python -m reference` writes the parts anew; with `--check` it says which are not up to date, and exits 1."""

from __future__ import annotations

import sys
from pathlib import Path

from reference.documents import documents

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: list[str]) -> int:
    """Write or check; returns the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m reference [--check]\n")
        return 2
    stale = []
    for document in documents():
        file = ROOT / document.path
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        if text == (new := document.written(text)):
            continue
        stale.append(document.path)
        if not arguments:
            file.write_text(new, encoding="utf-8")
    for path in stale:
        sys.stderr.write(f"{path} is not up to date: make docs\n" if arguments else f"{path} is written anew\n")
    return 1 if stale and arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
