"""After every lost answer nothing is sent again before searches have had 3 s to show what was done."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from enos_ota.operations.retry_batches import RetryOperation, RetryState
from enos_ota.plan.classify import normalise_markers
from enos_ota.reconciler import Limits, SerialWorkers
from enos_ota.reconciler.cancellation import Runtime
from enos_ota.reconciler.reading import ServiceLimits
from tests.harness.reconciling import World, keys, many, world
from tests.harness.simulator import JOB

if TYPE_CHECKING:
    from collections.abc import Sequence

LAG_MS = 3_000

NEVER_ARRIVED, DONE = "close-before", "close-after"


def lose(here: World, operation: str, faults: Sequence[str]) -> None:
    """Lose the answers to the first requests of an operation."""
    for number, what in enumerate(faults, start=1):
        here.simulator.fault(what, operation, nth=number, times=1)


def sent(here: World, operation: str) -> list[dict[str, Any]]:
    return [entry for entry in here.simulator.journal() if entry["operation"] == operation]


def check_that_each_was_waited_for(entries: Sequence[dict[str, Any]], lost: int) -> None:
    waits = [after["time"] - before["time"] for before, after in itertools.pairwise(entries)]
    assert [wait for wait in waits[:lost] if wait < LAG_MS] == []


@pytest.mark.parametrize(
    ("faults", "requests"),
    [
        ([DONE], 1),
        ([NEVER_ARRIVED, DONE], 2),
        ([NEVER_ARRIVED, NEVER_ARRIVED, DONE], 3),
        ([NEVER_ARRIVED, NEVER_ARRIVED], 3),
    ],
)
def test_no_cancel_is_sent_again_within_three_seconds_of_one_whose_answer_was_lost(
    faults: list[str], requests: int
) -> None:
    with world(many(50), index_delay=2) as here:
        lose(here, "cancelTask", faults)
        record = here.apply(*keys(50))
        entries = sent(here, "cancelTask")
    assert (record.cancelled_count, record.problem, len(entries)) == (50, "", requests)
    assert sum(entry["processed"] for entry in entries) == 1
    check_that_each_was_waited_for(entries, len(faults))


@pytest.mark.parametrize(("faults", "requests"), [([DONE], 1), ([NEVER_ARRIVED, DONE], 2), ([NEVER_ARRIVED] * 2, 3)])
def test_no_retry_is_sent_again_within_three_seconds_of_one_whose_answer_was_lost(
    faults: list[str], requests: int
) -> None:
    with world(many(50, **dict.fromkeys(keys(50), "cancelled")), index_delay=2) as here:
        lose(here, "retryTask", faults)
        runtime = Runtime(
            normalise_markers(["Cancelled by user"]), Limits(), ServiceLimits(), SerialWorkers(), here.clock, here.stop
        )
        operation = RetryOperation(here.client, JOB, runtime, lambda _: None)
        check = operation.check(keys(50))
        outcome = operation.run(check, check.of(RetryState.CANCELLED))
        entries = sent(here, "retryTask")
    assert (len(outcome.retried), outcome.problem, len(entries)) == (50, "", requests)
    assert sum(entry["processed"] for entry in entries) == 1
    check_that_each_was_waited_for(entries, len(faults))
