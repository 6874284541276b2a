"""Policy packs that a preview runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_FILE: Final = "PulumiPolicy.yaml"


@dataclass(frozen=True, slots=True)
class Packs:
    """The packs of one preview.

    Attributes:
        directories: Where they are.
        configs: Their settings, in the same order; for the first ones, or none.
    """

    directories: Sequence[Path] = ()
    configs: Sequence[Path] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What they are called here: as their directories."""
        return tuple(each.name for each in self.directories)

    def options(self) -> Iterator[str]:
        """For Pulumi. Whole paths, as it runs in the project's directory."""
        yield from (f"--policy-pack={each.resolve()}" for each in self.directories)
        yield from (f"--policy-pack-config={each.resolve()}" for each in self.configs)

    def obstacles(self) -> tuple[str, ...]:
        """Why packs cannot start, a sentence each."""
        return tuple(filter(None, map(obstacle, self.directories)))


def obstacle(pack: Path) -> str:
    """Why a pack cannot start, or nothing.

    Pulumi (3.259, with its own language host) waits for ever for a pack whose virtual environment is missing, and a
    review with it; so this is looked at before. A pack that it could not read here is left to Pulumi.
    """
    virtualenv = _virtualenv(pack)
    if not virtualenv:
        return ""
    place = pack.resolve() / virtualenv
    if (place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")).exists():
        return ""
    return (
        f"policy pack {str(pack)!r} cannot start: the 'virtualenv' option in its {_FILE} means"
        f" {os.path.normpath(place)}, which is no virtual environment. Make it, or change the option, and install the"
        " pack's requirements.txt into it"
    )


def _virtualenv(pack: Path) -> str:
    """What a pack's own file says, relative to its directory; empty where it says nothing."""
    try:
        said: Any = yaml.safe_load((pack / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return ""
    for name in ("runtime", "options"):
        said = said.get(name) if isinstance(said, dict) else None
    virtualenv = said.get("virtualenv") if isinstance(said, dict) else None
    return virtualenv if isinstance(virtualenv, str) else ""
