"""Switches: how the simulator behaves where the documentation of EnOS is silent, one switch per choice.

The first value of a switch is the default. Its name is `cancel_mode` here, `--cancel-mode` on the command line and
`cancelMode` in a fleet file and over the control API.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from enos_simulator.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping


def _one_of(*values: str | int, about: str) -> Any:
    return field(default=values[0], metadata={"choices": values, "help": about})


def _number(default: float, *, unit: str, about: str) -> Any:
    return field(default=default, metadata={"number": type(default), "unit": unit, "help": about})


def _rate(*, about: str) -> Any:
    return field(default="off", metadata={"rate": True, "unit": "off|n/s|n/min|n/h", "help": about})


def _text(default: str, *, about: str) -> Any:
    return field(default=default, metadata={"help": about})


@dataclass(frozen=True, slots=True)
class Switches:
    """One attribute per switch."""

    cancel_mode: Literal["atomic", "partial"] = _one_of(
        "atomic",
        "partial",
        about="a key that cannot be cancelled: refuse the whole call, or cancel the others first",
    )
    unknown_key: Literal["error", "ignore"] = _one_of(
        "error", "ignore", about="a key without a task in the job: refuse the whole call with 99400, or ignore the key"
    )
    repeat_cancel: Literal["refuse", "ok"] = _one_of(
        "refuse", "ok", about="cancelling a cancelled task: 24620, or accepted"
    )
    cancelled_as: Literal["failed", "canceled"] = _one_of(
        "failed", "canceled", about="status of a cancelled task: failed with the marker text, or canceled"
    )
    cancelled_marker: str = _text("Cancelled by user", about="desc of a cancelled task")
    cancel_published: Literal["stops", "late"] = _one_of(
        "stops", "late", about="a cancelled task that was published stays cancelled, or its device upgrades later"
    )
    late_after: float = _number(
        5.0, unit="seconds", about="delay until the device of cancel-published=late begins, and again until it ends"
    )
    auto_retry_cancelled: Literal["off", "on"] = _one_of(
        "off", "on", about="whether a job's retryPolicy also retries cancelled tasks"
    )
    retry_to: Literal["init", "published"] = _one_of("init", "published", about="status of a task after retryTask")
    index_delay: float = _number(0.0, unit="seconds", about="delay until searches show a change")
    max_keys: int = _number(0, unit="keys", about="largest number of device keys in one call; 0: no limit")
    max_page: int = _number(200, unit="rows", about="largest pageSize")
    max_window: int = _number(0, unit="rows", about="rows that a search can reach by paging; 0: all")
    total_cap: int = _number(0, unit="rows", about="largest totalSize that a search reports; 0: no cap")
    max_body: int = _number(16 * 1024 * 1024, unit="bytes", about="requests with a larger body get HTTP 413")
    task_order: Literal["taskId", "updateTime", "random"] = _one_of(
        "taskId", "updateTime", "random", about="order of the rows of searchTask"
    )
    job_initial: Literal["stopped", "started"] = _one_of(
        "stopped", "started", about="status of a job that the control API adds without one"
    )
    same_key_two_products: Literal["off", "on"] = _one_of(
        "off", "on", about="on: each job gets a second task for one of its device keys, under another product"
    )
    business_http: Literal[200, 400] = _one_of(200, 400, about="HTTP status of a refused call")
    gateway_http: Literal[200, 401] = _one_of(200, 401, about="HTTP status when the gateway rejects a call")
    gateway_form: Literal["message", "envelope"] = _one_of(
        "message", "envelope", about='body of the gateway\'s own errors: {"message": "…"}, or an envelope with a code'
    )
    throttle: str = _rate(about="rate limit; OTA calls beyond it get HTTP 429")
    throttle_retry_after: int = _number(0, unit="seconds", about="Retry-After of such an answer; 0: no such header")
    clock_skew: float = _number(300.0, unit="seconds", about="accepted difference of a timestamp")
    old_token: Literal["lives", "dies"] = _one_of("lives", "dies", about="the old token after a refresh")
    auth: Literal["token", "legacy", "both"] = _one_of(
        "token", "legacy", "both", about="accepted authentication: signed calls, the legacy client's token, or both"
    )
    strict_method: Literal["off", "on"] = _one_of("off", "on", about="accept only the documented HTTP method")

    def changed(self, values: Mapping[str, object]) -> Switches:
        """Return a copy with new values, by any of the three spellings of a name (with or without `--`).

        Raises:
            SetupError: With every problem.
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
            raise SetupError(problems)
        return dataclasses.replace(self, **found)

    def as_json(self) -> dict[str, object]:
        """Return the form of the control API."""
        return {camel(known.name): getattr(self, known.name) for known in dataclasses.fields(self)}


def parse_rate(text: str) -> tuple[float, int]:
    """Parse `n/s`, `n/min` or `n/h` into a number of requests and its period in seconds; `n` alone is `n/s`.

    Raises:
        ValueError: The text is none of these, or the number is not greater than 0.
    """
    number, slash, unit = text.partition("/")
    count = float(number)
    if (slash and unit not in _UNITS) or not 0 < count < math.inf:
        raise ValueError(text)
    return count, _UNITS.get(unit, 1)


def camel(name: str) -> str:
    """Convert `cancel_mode` to `cancelMode`."""
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def kebab(name: str) -> str:
    """Convert `cancel_mode` to `cancel-mode`."""
    return name.replace("_", "-")


def _read(known: dataclasses.Field[Any], value: object) -> object:
    """Return the value of one switch. A number may be a text: the command line has texts only."""
    if isinstance(value, bool) and {"off", "on"} & {known.default}:
        value = "on" if value else "off"  # YAML reads a bare off and on as booleans
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
        raise ValueError(f"takes a non-empty text, not {value!r}")
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
        raise ValueError(f"takes a non-negative {what}, not {value!r}")
    return number


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(camel(name.removeprefix("--").replace("-", "_")), _CAMEL, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; the switches are {', '.join(_CAMEL)}"
    return f"{name}: unknown switch{hint}"


_UNITS: Final = {"s": 1, "min": 60, "h": 3600}
_CAMEL: Final = [camel(known.name) for known in dataclasses.fields(Switches)]
_BY_SPELLING: Final = {
    spelling: known
    for known in dataclasses.fields(Switches)
    for spelling in (known.name, camel(known.name), kebab(known.name))
}
