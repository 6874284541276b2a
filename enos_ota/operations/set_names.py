"""Names of new sets, which are the names of their files too."""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_PART: Final = 60
_LONGEST: Final = 100
"""Characters that the name of a set may have."""


def suggested_name(job_name: str, firmware_version: str, job_id: str) -> str:
    """Return a name for a set, made of the job's name and firmware version: `pump-firmware-2.3.0`."""
    parts = [_slug(job_name) or _slug(f"job-{job_id}")]
    version = _slug(firmware_version)
    if version and version not in parts[0]:
        parts.append(version)
    return "-".join(filter(None, parts))[:_LONGEST] or "set"


def free_names(name: str) -> Iterator[str]:
    """Return the name, then without end `name-2`, `name-3`."""
    yield name
    for number in count(2):
        yield f"{name}-{number}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-._")[:_LONGEST_PART].rstrip("-._")
