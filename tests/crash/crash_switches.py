"""Every other way in which the simulator can behave, taken from its switches: what is added there is tried here."""

from __future__ import annotations

from itertools import combinations, product
from typing import TYPE_CHECKING, Final, get_args

from enos_simulator.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_TEN: Final = (
    "cancel_mode",
    "unknown_key",
    "repeat_cancel",
    "cancelled_as",
    "cancelled_marker",
    "cancel_published",
    "auto_retry_cancelled",
    "retry_to",
    "index_delay",
    "max_keys",
)
"""The first ten of the table in section 9 of the API reference: tried in pairs."""

_VALUES: Final[dict[str, tuple[object, ...]]] = {
    "cancelled_marker": ("用户已取消", "Called off"),  # one that the client is told of, and one that it is not
    "index_delay": (2.0,),
    "max_keys": (1, 2),
    "max_page": (3, 100),
    "max_window": (10_000,),
    "total_cap": (10_000,),
    "max_body": (65_536,),
    "throttle": ("5/s",),
    "throttle_retry_after": (2,),  # does nothing without the one before; see `WITH`
    "clock_skew": (1.0,),
}
_WITH: Final[dict[str, dict[str, object]]] = {"throttle_retry_after": {"throttle": "5/s"}}
NOT_OURS: Final = {("auth", "legacy")}
"""Values with which the client has nothing to say: it knows the documented scheme alone."""


def alternatives(name: str) -> list[dict[str, object]]:
    """The switch at each of its other values."""
    return [
        {**_WITH.get(name, {}), name: value}
        for value in _VALUES.get(name) or _others(name)
        if (name, value) not in NOT_OURS
    ]


def single() -> list[dict[str, object]]:
    """Each switch alone at each of its other values."""
    return [switches for name in Switches.model_fields for switches in alternatives(name)]


def pairs() -> list[dict[str, object]]:
    """All pairs of the first ten, at each of their other values."""
    return [
        one | other
        for first, second in combinations([name for name in FIRST_TEN if name in Switches.model_fields], 2)
        for one, other in product(alternatives(first), alternatives(second))
    ]


def named(switches: dict[str, object]) -> str:
    """For the name of a test."""
    return ",".join(f"{name}={value}" for name, value in switches.items()).replace(" ", "-")


def _others(name: str) -> Iterator[object]:
    switch = Switches.model_fields[name]
    if choices := get_args(switch.annotation):
        yield from choices[1:]
    elif isinstance(switch.default, int | float):
        yield switch.default + 1
    else:
        raise LookupError(f"no other value is known for the switch {name}: give one in _VALUES")
