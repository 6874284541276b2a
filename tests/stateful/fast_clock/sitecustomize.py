"""Read by the interpreter of a provider process that has this folder on PYTHONPATH: its waits are fifty times shorter.

The product's clock is an argument everywhere, but nobody can hand one to `python -m pulumi.dynamic`. Back-off, settle
time and deadline keep their proportions; Unix time stays what it is.
"""

from __future__ import annotations

import time

from enos_ota.enos import clock
from enos_ota.reconciler import Stop

_FASTER = 50


def _monotonic(_: object) -> float:
    return time.monotonic() * _FASTER


def _sleep(_: object, seconds: float) -> None:
    time.sleep(seconds / _FASTER)


_wait = Stop.wait


def _wait_faster(stop: Stop, seconds: float) -> None:
    _wait(stop, seconds / _FASTER)


# setattr, because mypy refuses a method that is assigned.
setattr(clock._SystemClock, "monotonic", _monotonic)  # noqa: B010 - see above
setattr(clock._SystemClock, "sleep", _sleep)  # noqa: B010 - see above
setattr(Stop, "wait", _wait_faster)  # noqa: B010 - see above
