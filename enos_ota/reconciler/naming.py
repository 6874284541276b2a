"""How messages name device keys: a few of them, each so that it can be told from any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from enos_ota.visible import is_visible

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST: Final = 3


def shown(key: str) -> str:
    """The key, escaped if parts of it would not show: two keys must not look alike."""
    return key if is_visible(key) else ascii(key)


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:_MOST]) + (f", … {len(names) - _MOST} more" if len(names) > _MOST else "")
