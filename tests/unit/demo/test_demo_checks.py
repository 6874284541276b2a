"""The demo's checks: each lets the truth pass and finds what is not so."""

from __future__ import annotations

import pytest

from demo import checks
from demo.checks import MARKER, CheckFailedError, Task, Write

CANCEL_A = Write("cancelTask", ("a",), 0)


def tasks(**states: str) -> dict[str, Task]:
    """Tasks by key; `cancelled` stands for what such a task looks like."""
    return {
        key: Task(key, "failed", MARKER) if state == "cancelled" else Task(key, state, "")
        for key, state in states.items()
    }


def test_a_failed_task_counts_as_cancelled_by_its_text_alone() -> None:
    assert Task("a", "failed", MARKER).state == "cancelled"
    assert Task("a", "failed", "download failed").state == "failed"


def test_nothing_sent_looks_at_what_came_since() -> None:
    checks.nothing_sent([CANCEL_A], [CANCEL_A])
    with pytest.raises(CheckFailedError, match=r"EnOS received cancelTask a \(answer 0\)"):
        checks.nothing_sent([], [CANCEL_A])


def test_keys_may_be_sent_in_several_requests() -> None:
    checks.sent_once_each([], [Write("cancelTask", ("b",), 0), CANCEL_A], ["a", "b"])


@pytest.mark.parametrize(
    "writes",
    [
        [],
        [CANCEL_A],
        [CANCEL_A, Write("cancelTask", ("b", "c"), 0)],
        [CANCEL_A, CANCEL_A, Write("cancelTask", ("b",), 0)],
        [CANCEL_A, Write("cancelTask", ("b",), 24620)],
        [CANCEL_A, Write("retryTask", ("b",), 0)],
    ],
    ids=["none", "one missing", "one too many", "one twice", "one refused", "another operation"],
)
def test_anything_but_each_key_once_and_accepted_is_found(writes: list[Write]) -> None:
    with pytest.raises(CheckFailedError, match="expected cancelTask for a, b"):
        checks.sent_once_each([], writes, ["a", "b"])


def test_the_declared_tasks_are_cancelled_and_no_other_changed() -> None:
    checks.became_cancelled(tasks(a="init", b="init"), tasks(a="cancelled", b="init"), ["a"])


def test_a_declared_task_that_is_not_cancelled_is_found() -> None:
    with pytest.raises(CheckFailedError, match="a should be cancelled"):
        checks.became_cancelled(tasks(a="init"), tasks(a="init"), ["a"])


def test_another_task_that_changed_is_found() -> None:
    with pytest.raises(CheckFailedError, match="expected no change of other tasks, but b did"):
        checks.became_cancelled(tasks(a="init", b="init"), tasks(a="cancelled", b="cancelled"), ["a"])


def test_a_retried_task_is_waiting_again() -> None:
    checks.is_waiting(tasks(a="init"), "a")
    with pytest.raises(CheckFailedError, match="a should be waiting again, but it is cancelled"):
        checks.is_waiting(tasks(a="cancelled"), "a")


PREVIEW = """\
~ pulumi:pulumi:Stack: (refresh)
  pulumi:pulumi:Stack: (same)
    ~ pulumi-python:dynamic/enos_ota:CancelledTaskSet: (update)
      ~ deviceKeys:
            pump-00015
          + pump-00016
            pump-00017
Resources:
    ~ 1 to update
    1 unchanged
"""


def test_the_one_key_of_a_preview_is_told_from_resources_and_counts() -> None:
    checks.previews_only(PREVIEW, "pump-00016")


@pytest.mark.parametrize("other", ["          + pump-00017\n", "          - pump-00018\n"], ids=["added", "removed"])
def test_a_second_key_in_a_preview_is_found(other: str) -> None:
    with pytest.raises(CheckFailedError, match=r"should show only '\+ pump-00016'"):
        checks.previews_only(PREVIEW + other, "pump-00016")


def test_what_pulumi_says_is_found_across_line_breaks() -> None:
    checks.output_contains("2 keys too late\n   to cancel", "keys too late to cancel")
    with pytest.raises(CheckFailedError, match="the output of pulumi should contain 'too late'"):
        checks.output_contains("all is well", "too late")
