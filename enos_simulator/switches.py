"""Switches: how the simulator behaves where the documentation of EnOS is silent, one switch per choice.

The name of a switch is `cancel_mode` here, `--cancel-mode` on the command line and `cancelMode` in a fleet file and
over the control API.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from enos_simulator.parsing import AsNumber, InputModel, NotNegative

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNITS: Final = {"s": 1, "min": 60, "h": 3600}


def parse_rate(text: str) -> tuple[float, int]:
    """Parse `n/s`, `n/min` or `n/h` into a number of requests and its period in seconds; `n` alone is `n/s`."""
    number, slash, unit = text.partition("/")
    try:
        count = float(number)
    except ValueError:
        count = 0
    if (slash and unit not in _UNITS) or not 0 < count < math.inf:
        raise ValueError(f"takes off, or a number greater than 0 with /s, /min or /h, not {text!r}")
    return count, _UNITS.get(unit, 1)


def _check_rate(value: object) -> str:
    if value is False or value == "off":
        return "off"
    parse_rate(str(value))
    return str(value)


def _as_off_on(value: object) -> object:
    # YAML reads a bare off and on as booleans.
    return {False: "off", True: "on"}[value] if isinstance(value, bool) else value


Count = Annotated[int, Field(ge=0)]
Rate = Annotated[str, BeforeValidator(_check_rate)]
OffOn = Annotated[Literal["off", "on"], BeforeValidator(_as_off_on)]


class Switches(InputModel):
    """One field per switch. The first of several values is the default."""

    cancel_mode: Literal["atomic", "partial"] = Field(
        default="atomic",
        description="a key that cannot be cancelled: refuse the whole call, or cancel the others first",
    )
    unknown_key: Literal["error", "ignore"] = Field(
        default="error",
        description="a key without a task in the job: refuse the whole call with 99400, or ignore the key",
    )
    repeat_cancel: Literal["refuse", "ok"] = Field(
        default="refuse", description="cancelling a cancelled task: 24620, or accepted"
    )
    cancelled_as: Literal["failed", "canceled"] = Field(
        default="failed", description="status of a cancelled task: failed with the marker text, or canceled"
    )
    cancelled_marker: Annotated[str, StringConstraints(pattern=r"\S")] = Field(
        default="Cancelled by user", description="desc of a cancelled task"
    )
    cancel_published: Literal["stops", "late"] = Field(
        default="stops", description="a cancelled task that was published stays cancelled, or its device upgrades later"
    )
    late_after: NotNegative = Field(
        default=5, description="seconds until the device of cancel-published=late begins, and again until it ends"
    )
    auto_retry_cancelled: OffOn = Field(
        default="off", description="whether a job's retryPolicy also retries cancelled tasks"
    )
    retry_to: Literal["init", "published"] = Field(default="init", description="status of a task after retryTask")
    index_delay: NotNegative = Field(default=0, description="seconds until searches show a change")
    max_keys: Count = Field(default=0, description="largest number of device keys in one call; 0: no limit")
    max_page: Count = Field(default=200, description="largest pageSize")
    max_window: Count = Field(default=0, description="rows that a search can reach by paging; 0: all")
    total_cap: Count = Field(default=0, description="largest totalSize that a search reports; 0: no cap")
    max_body: Count = Field(default=16 * 1024 * 1024, description="bytes; requests with a larger body get HTTP 413")
    task_order: Literal["taskId", "updateTime", "random"] = Field(
        default="taskId", description="order of the rows of searchTask"
    )
    job_initial: Literal["stopped", "started"] = Field(
        default="stopped", description="status of a job that the control API adds without one"
    )
    same_key_two_products: OffOn = Field(
        default="off", description="on: each job gets a second task for one of its device keys, under another product"
    )
    business_http: Annotated[Literal[200, 400], AsNumber] = Field(
        default=200, description="HTTP status of a refused call"
    )
    gateway_http: Annotated[Literal[200, 401], AsNumber] = Field(
        default=200, description="HTTP status when the gateway rejects a call"
    )
    gateway_form: Literal["message", "envelope"] = Field(
        default="message", description='body of the gateway\'s own errors: {"message": "…"}, or an envelope with a code'
    )
    throttle: Rate = Field(
        default="off", description="rate limit (off, n/s, n/min or n/h); OTA calls beyond it get HTTP 429"
    )
    throttle_retry_after: Count = Field(
        default=0, description="seconds in the Retry-After of such an answer; 0: no such header"
    )
    clock_skew: NotNegative = Field(default=300, description="accepted difference of a timestamp, in seconds")
    old_token: Literal["lives", "dies"] = Field(default="lives", description="the old token after a refresh")
    auth: Literal["token", "legacy", "both"] = Field(
        default="token", description="accepted authentication: signed calls, the legacy client's token, or both"
    )
    strict_method: OffOn = Field(default="off", description="accept only the documented HTTP method")

    def changed(self, values: Mapping[str, object]) -> Switches:
        """Return a copy with new values, by their names here or in JSON. Raises SetupError with every problem."""
        return self.model_copy(update=Switches.parse(values).model_dump(exclude_unset=True))
