"""Summary of the requests that a command sent, for its last message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from enos_ota.reconciler.sent import SentRequest, SentRequests

_VERBS: Final = {"stopJob": "stop", "cancelTask": "cancel", "retryTask": "retry"}


def describe_sent(requests: SentRequests) -> str:
    """Summarise the writing requests of a command that ends before it can read the result."""
    if not requests and requests.refused:
        return f"EnOS refused {_counted(requests.refused)}, so nothing was changed."
    if not requests:
        return "No request that changes anything in EnOS was sent."
    accepted, unknown = requests.accepted, requests.unknown
    lines = [f"EnOS accepted {_counted(accepted)}."] if accepted else []
    if unknown:
        sent = f"{_counted(unknown)} {'was' if len(unknown) == 1 else 'were'} sent"
        lines.append(f"{sent[0].upper()}{sent[1:]}; {_what_is_unknown(unknown[0], len(unknown))}.")
    lines.append(_advice((accepted or unknown)[0]))
    return " ".join(lines)


def _counted(requests: list[SentRequest]) -> str:
    """`the stop request for job 'J'`, `2 cancel requests for job 'J' (400 device keys)`."""
    first = requests[0]
    verb, number, keys = _VERBS[first.operation], len(requests), sum(each.keys for each in requests)
    which = f"the {verb} request" if number == 1 else f"{number} {verb} requests"
    devices = "" if not keys else " (1 device key)" if keys == 1 else f" ({keys} device keys)"
    return f"{which} for job {first.job_id!r}{devices}"


def _what_is_unknown(request: SentRequest, number: int) -> str:
    if request.operation == "stopJob":
        return f"whether EnOS stopped job {request.job_id!r} is unknown"
    return f"whether EnOS processed {'it' if number == 1 else 'them'} is unknown"


def _advice(request: SentRequest) -> str:
    if request.operation == "stopJob":
        return "Check with `enos-ota jobs`."
    return "Check with `enos-ota tasks`, or run the same command again: it reads the tasks and sends only what is left."
