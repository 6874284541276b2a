"""Makes directories that look like a Pulumi engine, good ones and bad ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

OFFICIAL = ("pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python")


def script(path: Path, text: str = "exit 0") -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def bundle(folder: Path, version: str = "v3.260.1", beside: tuple[str, ...] = OFFICIAL) -> Path:
    """A directory with a `pulumi` that says `version`, and the named files beside it; gives the path of `pulumi`."""
    for name in beside:
        script(folder / name)
    return script(folder / "pulumi", f'[ "$1" = version ] && echo {version}')
