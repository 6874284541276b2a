"""How messages name device keys and tasks: the first few, each distinct from any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from enos_ota.devicekeys.visible import is_visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enos_ota.enos import Task

_MOST: Final = 3


def shown(key: str) -> str:
    """The key, escaped if parts of it would not show: two keys must not look alike."""
    return key if is_visible(key) else ascii(key)


def name_of(task: Task) -> str:
    """The device key of a task, or the id of one that has no device key."""
    return shown(task.device_key) if task.device_key.strip() else f"task {shown(task.task_id)} without a device key"


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:_MOST]) + (f", … {len(names) - _MOST} more" if len(names) > _MOST else "")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 device key`, `2 device keys`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def one_line(text: str) -> str:
    """A text from outside made fit for a message: one line, no character that a terminal acts on."""
    return "".join(character if is_visible(character) else " " for character in " ".join(text.split()))
