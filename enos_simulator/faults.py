"""Faults: what goes wrong between a caller and EnOS, as a mapping or one text such as `close-after cancelTask nth=3`.

The errors of the gateway are documented [D], their form is inferred [I]. Which other faults EnOS shows is unknown [U].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel

from enos_simulator.errors import GATEWAY_ERRORS
from enos_simulator.parsing import AsNumber, InputModel, Seconds, from_words

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

Operation = Literal[
    "token/get", "token/refresh", "get", "search", "searchTask", "cancelTask", "retryTask", "start", "stop", "any"
]
What = Literal["latency", "throttle", "gateway", "error", "html", "close-before", "close-after", "truncate", "cut"]

_OWN_SETTINGS: Final[dict[str, frozenset[str]]] = {
    "latency": frozenset({"seconds"}),
    "throttle": frozenset({"retryAfter"}),
    "gateway": frozenset({"status"}),
    "error": frozenset({"status", "envelope", "code", "processed"}),
    "html": frozenset({"status", "processed"}),
}
_SHARED_SETTINGS: Final = frozenset({"what", "operations", "probability", "nth", "times"})
_DEFAULT_STATUS: Final = {"throttle": 429, "gateway": 403, "error": 500, "html": 502}
_ALWAYS_PROCESSED: Final = frozenset({"latency", "close-after", "truncate", "cut"})


class Fault(InputModel):
    """One fault; docs/simulator.md explains its settings."""

    what: What
    operations: Annotated[tuple[Operation, ...], Field(min_length=1)] = ("any",)
    probability: Annotated[float, Field(gt=0, le=1)] | None = None
    nth: Annotated[int, Field(ge=1)] | None = None
    times: Annotated[int, Field(ge=1)] | None = None
    seconds: Seconds = (1.0, 1.0)
    retry_after: Annotated[int, Field(ge=0)] | None = None
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    envelope: bool = True
    code: Annotated[Literal[99500, 24500], AsNumber] = 99500
    processed: bool = False

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: object) -> object:
        return from_words(value, "what", "operations") if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_settings(self) -> Fault:
        settable = _SHARED_SETTINGS | _OWN_SETTINGS.get(self.what, frozenset())
        given = {to_camel(name) for name in self.model_fields_set}
        if foreign := sorted(given - settable):
            raise ValueError(f"{self.what} takes no {', '.join(foreign)}")
        if self.probability is not None and self.nth is not None:
            raise ValueError("takes probability or nth, not both")
        if self.what == "gateway" and self.http not in GATEWAY_ERRORS:
            raise ValueError(f"gateway takes status {', '.join(map(str, GATEWAY_ERRORS))}, not {self.status}")
        return self

    @property
    def reaches_enos(self) -> bool:
        """Whether the request is processed, whatever happens to its answer."""
        return self.what in _ALWAYS_PROCESSED or self.processed

    @property
    def http(self) -> int:
        """HTTP status of an answer that the fault replaces."""
        return _DEFAULT_STATUS[self.what] if self.status is None else self.status

    def concerns(self, operation: str) -> bool:
        """Return whether the fault can affect a request of this operation."""
        return "any" in self.operations or operation in self.operations

    def as_json(self) -> dict[str, Any]:
        """Return the settings that were given."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


@dataclass(slots=True)
class ActiveFault:
    """A fault that is set. `seen`: requests it concerned since; `fired`: how many of them it affected."""

    fault: Fault
    seen: int = 0
    fired: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the form of the control API."""
        return {**self.fault.as_json(), "seen": self.seen, "fired": self.fired}


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """The faults of one request: seconds that its answer is late, what else goes wrong, and the names of both."""

    delay: float
    fault: Fault | None
    names: list[str]


class Faults:
    """The faults that are set, in the order they were; `rng` decides probabilities and delays."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.active: list[ActiveFault] = []
        """Includes those that will not fire again."""

    def add(self, fault: Fault) -> ActiveFault:
        """Set a fault; it counts requests from now on."""
        self.active.append(ActiveFault(fault))
        return self.active[-1]

    def restore(self, data: Mapping[str, Any]) -> None:
        """Set a fault with its counts, from the form of `ActiveFault.as_json`."""
        settings = dict(data)
        seen, fired = (int(settings.pop(name)) for name in ("seen", "fired"))
        self.active.append(ActiveFault(Fault.parse(settings), seen, fired))

    def clear(self) -> int:
        """Remove all faults; return how many there were."""
        count = len(self.active)
        self.active.clear()
        return count

    def draw(self, operation: str) -> InjectedFault:
        """Decide the faults of one request: every latency that fires, and the first other fault that does."""
        delay, latency, chosen = 0.0, [], None
        for one in self.active:
            if not one.fault.concerns(operation):
                continue
            one.seen += 1
            if not self._fires(one) or (chosen is not None and one.fault.what != "latency"):
                continue
            one.fired += 1
            if one.fault.what == "latency":
                latency = ["latency"]
                delay += self._rng.uniform(*one.fault.seconds)
            else:
                chosen = one.fault
        return InjectedFault(delay, chosen, latency + ([chosen.what] if chosen else []))

    def _fires(self, one: ActiveFault) -> bool:
        fault = one.fault
        # Always draw, so that the limit of one fault does not shift the random numbers of another.
        chance = fault.probability is None or self._rng.random() < fault.probability
        limit = 1 if fault.nth is not None and fault.times is None else fault.times
        return chance and (limit is None or one.fired < limit) and one.seen >= (fault.nth or 1)
