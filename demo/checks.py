"""What each step claims, held against what the simulator saw. Nothing here talks to anyone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

MARKER: Final = "Cancelled by user"
"""The text by which EnOS marks a cancelled task, which it otherwise lists among the failed ones [I]."""

CANCELLABLE: Final = frozenset({"init", "published"})
"""The states in which EnOS lets a task be cancelled [D]."""


class NotSoError(Exception):
    """A step claimed something that the simulator saw otherwise."""


class CannotTellError(Exception):
    """Something that is needed cannot be had, so that nothing can be shown."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task as EnOS shows it."""

    device_key: str
    status: str
    desc: str

    @property
    def state(self) -> str:
        """Its status, or `cancelled`."""
        return "cancelled" if (self.status, self.desc) == ("failed", MARKER) else self.status


@dataclass(frozen=True, slots=True)
class Write:
    """A request that reached EnOS and was meant to change something; code 0 is accepted."""

    operation: str
    device_keys: tuple[str, ...]
    code: int


def nothing_sent(before: Sequence[Write], after: Sequence[Write]) -> None:
    """No request that writes since `before`.

    Raises:
        NotSoError: there was one.
    """
    if new := after[len(before) :]:
        raise NotSoError(f"nothing was to be sent, but EnOS got {_listed(new)}")


def sent_once_each(before: Sequence[Write], after: Sequence[Write], keys: Collection[str]) -> None:
    """Since `before` each of these keys, and no other, was sent to be cancelled, once, and EnOS accepted it.

    Raises:
        NotSoError: it was otherwise.
    """
    new = after[len(before) :]
    sent = sorted(key for write in new for key in write.device_keys)
    plain = all(write.operation == "cancelTask" and write.code == 0 for write in new)
    if not plain or sent != sorted(keys):
        raise NotSoError(f"cancelTask was to be sent for {_keys(keys)}, but EnOS got {_listed(new) or 'nothing'}")


def became_cancelled(before: Mapping[str, Task], after: Mapping[str, Task], keys: Collection[str]) -> None:
    """These tasks read as cancelled now, and every other task is what it was.

    Raises:
        NotSoError: it is otherwise.
    """
    not_cancelled = [key for key in keys if after[key].state != "cancelled"]
    if not_cancelled:
        raise NotSoError(f"{_keys(not_cancelled)} should be cancelled, but EnOS says otherwise")
    touched = [key for key in before if key not in keys and after.get(key) != before[key]]
    if touched or set(before) != set(after):
        raise NotSoError(f"no other task was to change, but {_keys(touched) or 'the list of tasks'} did")


def is_waiting(tasks: Mapping[str, Task], key: str) -> None:
    """The device is to be updated again.

    Raises:
        NotSoError: it is not.
    """
    if tasks[key].state not in CANCELLABLE:
        raise NotSoError(f"{key} should be waiting again, but it is {tasks[key].state}")


def plans_only(output: str, key: str) -> None:
    """A preview's text has this key as its one change.

    Raises:
        NotSoError: it has others, or none.
    """
    changes = [line.strip() for line in output.splitlines() if _is_key_change(line.strip())]
    if changes != [f"+ {key}"]:
        raise NotSoError(f"the preview should show '+ {key}' alone, but it shows {', '.join(changes) or 'no key'}")


def says(output: str, words: str) -> None:
    """Pulumi told the operator.

    Raises:
        NotSoError: it did not.
    """
    if words not in " ".join(output.split()):
        raise NotSoError(f"pulumi should have said '{words}', and did not")


def _is_key_change(line: str) -> bool:
    sign, _, rest = line.partition(" ")
    # Resources and properties have a colon in their lines, keys of this fleet have none.
    return sign in {"+", "-", "~"} and bool(rest) and ":" not in rest and not rest[0].isdigit()


def _keys(keys: Collection[str]) -> str:
    shown = sorted(keys)
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")  # noqa: PLR2004 - enough to see


def _listed(writes: Sequence[Write]) -> str:
    return ", ".join(f"{write.operation} {_keys(write.device_keys)} (answer {write.code})" for write in writes)
