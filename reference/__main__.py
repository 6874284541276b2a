"""`python -m reference` generates the documents; with `--check` it lists the outdated ones and exits 1."""

from __future__ import annotations

import sys
from pathlib import Path

from reference.documents import documents

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: list[str]) -> int:
    """Write or check; return the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m reference [--check]\n")
        return 2
    outdated = []
    for document in documents():
        file = ROOT / document.path
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        if text == (new := document.update(text)):
            continue
        outdated.append(document.path)
        if not arguments:
            file.write_text(new, encoding="utf-8")
    for path in outdated:
        sys.stderr.write(f"{path} is out of date: run `make docs`\n" if arguments else f"{path} updated\n")
    return 1 if outdated and arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
