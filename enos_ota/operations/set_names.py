"""Names for sets and their key files: made of what a job says of itself, or of a name that may be any text."""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST: Final = 60


def suggested_name(job_name: str, firmware_version: str, job_id: str) -> str:
    """A set's name made of what a job says of itself: `pump-firmware-2.3.0`."""
    parts = [_slug(job_name) or _slug(f"job-{job_id}")]
    version = _slug(firmware_version)
    if version and version not in parts[0]:
        parts.append(version)
    return "-".join(filter(None, parts)) or "set"


def stem_of(name: str) -> str:
    """What the key file of a set is called, without its suffix."""
    return name if _PLAIN.fullmatch(name) else _slug(name) or "set"


def numbered(name: str) -> Iterator[str]:
    """The name, and then without end `name-2`, `name-3`."""
    yield name
    for number in count(2):
        yield f"{name}-{number}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-._")[:_LONGEST].rstrip("-._")
