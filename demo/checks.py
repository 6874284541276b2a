"""Checks of each step: compare what it claims with the tasks and the journal of the simulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

MARKER: Final = "Cancelled by user"
"""The text of a cancelled task; its status is `failed` [I]."""

CANCELLABLE: Final = frozenset({"init", "published"})
"""The states in which EnOS cancels a task [D]."""


class CheckFailedError(Exception):
    """A step did not do what it claims."""


class CannotRunError(Exception):
    """The engine or the simulator is not available."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task of EnOS."""

    device_key: str
    status: str
    desc: str

    @property
    def state(self) -> str:
        """The status, or `cancelled`."""
        return "cancelled" if (self.status, self.desc) == ("failed", MARKER) else self.status


@dataclass(frozen=True, slots=True)
class Write:
    """A request for a change that reached EnOS; code 0 is accepted."""

    operation: str
    device_keys: tuple[str, ...]
    code: int


def nothing_sent(before: Sequence[Write], after: Sequence[Write]) -> None:
    """Check that no request for a change was sent since `before`."""
    if new := after[len(before) :]:
        raise CheckFailedError(f"expected no request, but EnOS received {_format_writes(new)}")


def sent_once_each(before: Sequence[Write], after: Sequence[Write], keys: Collection[str]) -> None:
    """Check that since `before` exactly these keys were sent in cancelTask, each once, and that EnOS accepted them."""
    new = after[len(before) :]
    sent = sorted(key for write in new for key in write.device_keys)
    accepted = all(write.operation == "cancelTask" and write.code == 0 for write in new)
    if not accepted or sent != sorted(keys):
        raise CheckFailedError(
            f"expected cancelTask for {_keys(keys)}, but EnOS received {_format_writes(new) or 'nothing'}"
        )


def became_cancelled(before: Mapping[str, Task], after: Mapping[str, Task], keys: Collection[str]) -> None:
    """Check that these tasks are cancelled now, and that no other task changed."""
    not_cancelled = [key for key in keys if after[key].state != "cancelled"]
    if not_cancelled:
        raise CheckFailedError(f"{_keys(not_cancelled)} should be cancelled, but EnOS shows another state")
    touched = [key for key in before if key not in keys and after.get(key) != before[key]]
    if touched or set(before) != set(after):
        raise CheckFailedError(f"expected no change of other tasks, but {_keys(touched) or 'the list of tasks'} did")


def is_waiting(tasks: Mapping[str, Task], key: str) -> None:
    """Check that the device's task waits again."""
    if tasks[key].state not in CANCELLABLE:
        raise CheckFailedError(f"{key} should be waiting again, but it is {tasks[key].state}")


def previews_only(output: str, key: str) -> None:
    """Check that this key is the only change in a preview's text."""
    changes = [line.strip() for line in output.splitlines() if _is_key_change(line.strip())]
    if changes != [f"+ {key}"]:
        raise CheckFailedError(f"the preview should show only '+ {key}', but it shows {', '.join(changes) or 'no key'}")


def output_contains(output: str, words: str) -> None:
    """Check that pulumi's output contains these words."""
    if words not in " ".join(output.split()):
        raise CheckFailedError(f"the output of pulumi should contain '{words}'")


def _is_key_change(line: str) -> bool:
    sign, _, rest = line.partition(" ")
    # Lines of resources and properties contain a colon, keys of this fleet do not.
    return sign in {"+", "-", "~"} and bool(rest) and ":" not in rest and not rest[0].isdigit()


def _keys(keys: Collection[str]) -> str:
    shown = sorted(keys)
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")  # noqa: PLR2004 - enough to see


def _format_writes(writes: Sequence[Write]) -> str:
    return ", ".join(f"{write.operation} {_keys(write.device_keys)} (answer {write.code})" for write in writes)
