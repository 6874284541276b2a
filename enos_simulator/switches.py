"""How the simulator behaves where the documentation of EnOS is silent: one switch a choice.

The first value of a switch is the default. Its name is `cancel_mode` here, `--cancel-mode` on the command line and
`cancelMode` in a fleet file and over the control API. A switch that is not built is not accepted.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


class SwitchError(ValueError):
    """A switch is unknown or its value is not one it takes; `problems` has one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def _one_of(*values: str | int, says: str) -> Any:
    return field(default=values[0], metadata={"choices": values, "says": says})


def _number(default: float, *, unit: str, says: str) -> Any:
    return field(default=default, metadata={"number": type(default), "unit": unit, "says": says})


def _rate(*, says: str) -> Any:
    return field(default="off", metadata={"rate": True, "unit": "off|n/s|n/min|n/h", "says": says})


def _text(default: str, *, says: str) -> Any:
    return field(default=default, metadata={"says": says})


@dataclass(frozen=True, slots=True)
class Switches:
    """One value a switch; the names and first values are those of section 9 of the API reference."""

    cancel_mode: Literal["atomic", "partial"] = _one_of(
        "atomic", "partial", says="one ineligible key refuses the whole call, or the eligible ones are cancelled first"
    )
    unknown_key: Literal["error", "ignore"] = _one_of(
        "error", "ignore", says="a key without a task in the job: 99400 and nothing changes, or passed over"
    )
    repeat_cancel: Literal["refuse", "ok"] = _one_of(
        "refuse", "ok", says="cancelling what is cancelled already: 24620, or accepted"
    )
    cancelled_as: Literal["failed", "canceled"] = _one_of(
        "failed", "canceled", says="status of a cancelled task: failed with the marker text, or a status of its own"
    )
    cancelled_marker: str = _text("Cancelled by user", says="desc of a cancelled task")
    cancel_published: Literal["stops", "late"] = _one_of(
        "stops", "late", says="a published task that is cancelled stays so, or its device upgrades all the same later"
    )
    late_after: float = _number(
        5.0, unit="seconds", says="a late device begins so long after, and ends as long after that"
    )
    auto_retry_cancelled: Literal["off", "on"] = _one_of(
        "off", "on", says="whether a job's retryPolicy publishes cancelled tasks again"
    )
    retry_to: Literal["init", "published"] = _one_of("init", "published", says="status of a task after retryTask")
    index_delay: float = _number(0.0, unit="seconds", says="searches lag behind changes by this long")
    max_keys: int = _number(0, unit="keys", says="device keys that one call may carry; 0: any number")
    max_page: int = _number(200, unit="rows", says="largest pageSize")
    max_window: int = _number(0, unit="rows", says="rows that a search can reach, whatever its pages; 0: all of them")
    total_cap: int = _number(0, unit="rows", says="largest totalSize; a search with more rows gives this; 0: no cap")
    max_body: int = _number(16 * 1024 * 1024, unit="bytes", says="requests with a larger body get HTTP 413")
    task_order: Literal["taskId", "updateTime", "random"] = _one_of(
        "taskId", "updateTime", "random", says="order of the rows of searchTask"
    )
    job_initial: Literal["stopped", "started"] = _one_of(
        "stopped", "started", says="status of a job that is added without one"
    )
    same_key_two_products: Literal["off", "on"] = _one_of(
        "off", "on", says="whether each job holds one of its device keys under a second product too"
    )
    business_http: Literal[200, 400] = _one_of(200, 400, says="HTTP status of a refused call")
    gateway_http: Literal[200, 401] = _one_of(200, 401, says="HTTP status when the gateway turns a call away")
    gateway_form: Literal["message", "envelope"] = _one_of(
        "message", "envelope", says='HTTP errors of the gateway itself: {"message": "…"}, or an envelope with a code'
    )
    throttle: str = _rate(says="more OTA calls than this are answered with HTTP 429")
    throttle_retry_after: int = _number(0, unit="seconds", says="Retry-After in such an answer; 0: no such header")
    clock_skew: float = _number(300.0, unit="seconds", says="how far a timestamp may be off")
    old_token: Literal["lives", "dies"] = _one_of("lives", "dies", says="the old token after a refresh")
    auth: Literal["token", "legacy", "both"] = _one_of(
        "token", "legacy", "both", says="schemes that are accepted: signed calls, the old client's token, or either"
    )
    strict_method: Literal["off", "on"] = _one_of("off", "on", says="accept only the documented HTTP method")

    def changed(self, values: Mapping[str, object]) -> Switches:
        """These switches with some set anew; `values` by any of the three spellings of a name (with or without `--`).

        Raises:
            SwitchError: With all that is wrong at once.
        """
        found: dict[str, Any] = {}
        problems = []
        for name, value in values.items():
            known = _BY_SPELLING.get(name.removeprefix("--"))
            if known is None:
                problems.append(_unknown(name))
                continue
            try:
                found[known.name] = _read(known, value)
            except ValueError as error:
                problems.append(f"{name} {error}")
        if problems:
            raise SwitchError(problems)
        return dataclasses.replace(self, **found)

    def as_json(self) -> dict[str, object]:
        """All switches by their name in JSON."""
        return {camel(known.name): getattr(self, known.name) for known in dataclasses.fields(self)}


def parse_rate(text: str) -> tuple[float, int]:
    """A rate `n/s`, `n/min` or `n/h` as a number of requests and the seconds that they are for; `n` alone is `n/s`.

    Raises:
        ValueError: The text is none of these, or the number is not greater than 0.
    """
    number, slash, unit = text.partition("/")
    count = float(number)
    if (slash and unit not in _UNITS) or not 0 < count < math.inf:
        raise ValueError(text)
    return count, _UNITS.get(unit, 1)


def camel(name: str) -> str:
    """`cancel_mode` → `cancelMode`."""
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def kebab(name: str) -> str:
    """`cancel_mode` → `cancel-mode`."""
    return name.replace("_", "-")


def _read(known: dataclasses.Field[Any], value: object) -> object:
    """The value of one switch. Texts stand for numbers too, as the command line has nothing else."""
    if isinstance(value, bool) and {"off", "on"} & {known.default}:
        value = "on" if value else "off"  # what YAML makes of a bare off and on
    if known.metadata.get("rate"):
        return _rate_of(value)
    if choices := known.metadata.get("choices"):
        for choice in choices:
            if not isinstance(value, bool) and (value == choice or value == str(choice)):
                return choice
        raise ValueError(f"takes {' or '.join(str(choice) for choice in choices)}, not {value!r}")
    if kind := known.metadata.get("number"):
        return _number_of(kind, value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"takes a text that is not empty, not {value!r}")
    return value


def _rate_of(value: object) -> str:
    if value == "off":
        return "off"
    try:
        parse_rate(str(value))
    except ValueError:
        raise ValueError(f"takes off, or a number greater than 0 with /s, /min or /h, not {value!r}") from None
    return str(value) if "/" in str(value) else f"{value}/s"


def _number_of(kind: type[int | float], value: object) -> int | float:
    try:
        number = None if isinstance(value, bool) or not isinstance(value, int | float | str) else kind(value)
    except (ValueError, OverflowError):
        number = None
    if number is None or number < 0 or not math.isfinite(number) or (isinstance(value, float) and number != value):
        what = "whole number" if kind is int else "number"
        raise ValueError(f"takes a {what} that is not negative, not {value!r}")
    return number


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(camel(name.removeprefix("--").replace("-", "_")), _CAMEL, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(_CAMEL)}"
    return f"{name}: there is no such switch{hint}"


_UNITS: Final = {"s": 1, "min": 60, "h": 3600}
_CAMEL: Final = [camel(known.name) for known in dataclasses.fields(Switches)]
_BY_SPELLING: Final = {
    spelling: known
    for known in dataclasses.fields(Switches)
    for spelling in (known.name, camel(known.name), kebab(known.name))
}
