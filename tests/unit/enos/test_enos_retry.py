"""What is sent again, and when."""

from __future__ import annotations

import pytest

from enos_ota.enos import (
    AnswerLost,
    ApiError,
    AuthenticationError,
    ConfigurationError,
    ConnectError,
    EnosError,
    GatewayRefusal,
    InvalidAnswer,
    InvalidArgument,
    JobHasStarted,
    JobHasStopped,
    JobNotFound,
    JobNotRunning,
    PermissionDenied,
    RequestTooLarge,
    RetryPolicy,
    ServerError,
    TasksNotCancellable,
    TasksNotRetryable,
    Throttled,
    TransportError,
    UnquotableValue,
)
from enos_ota.enos.retry import RetryBudget, backoff, is_token_rejection, may_be_sent_again

CERTAINLY_NOT_PROCESSED = [ConnectError("x"), Throttled("x"), AuthenticationError("x", code=1001)]
PASSING = [AnswerLost("x"), InvalidAnswer("x"), ServerError("x"), TransportError("x")]
FINAL = [
    ConnectError("x", permanent=True),
    InvalidAnswer("x", permanent=True),
    AuthenticationError("x", code=1003),
    ConfigurationError("x"),
    UnquotableValue("x"),
    ApiError("x", code=24605),
    *(
        kind("x")
        for kind in (JobNotFound, JobHasStarted, JobHasStopped, JobNotRunning, TasksNotCancellable, TasksNotRetryable)
    ),
    InvalidArgument("x"),
    PermissionDenied("x"),
    GatewayRefusal("x"),
    RequestTooLarge("x"),
]


def named(error: EnosError) -> str:
    return type(error).__name__


@pytest.mark.parametrize("error", CERTAINLY_NOT_PROCESSED, ids=named)
@pytest.mark.parametrize("writes", [True, False])
def test_a_request_that_was_certainly_not_processed_is_sent_again(error: EnosError, writes: bool) -> None:  # noqa: FBT001 - a table
    assert may_be_sent_again(error, writes=writes)


@pytest.mark.parametrize("error", PASSING, ids=named)
def test_a_read_is_sent_again_after_what_may_pass(error: EnosError) -> None:
    assert may_be_sent_again(error, writes=False)


@pytest.mark.parametrize("error", PASSING, ids=named)
def test_a_write_is_not_sent_again_when_it_may_have_been_processed(error: EnosError) -> None:
    assert not may_be_sent_again(error, writes=True)


@pytest.mark.parametrize("error", FINAL, ids=named)
@pytest.mark.parametrize("writes", [True, False])
def test_what_would_end_the_same_is_not_sent_again(error: EnosError, writes: bool) -> None:  # noqa: FBT001 - a table
    assert not may_be_sent_again(error, writes=writes)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (AuthenticationError("x", code=1203), True),
        (AuthenticationError("x", code=4011), True),
        (AuthenticationError("x", code=4012), True),
        (AuthenticationError("x", http_status=401), True),
        (AuthenticationError("x", code=1003, http_status=401), True),
        (AuthenticationError("x", code=1003), False),
        (AuthenticationError("x", code=1002), False),
        (PermissionDenied("x"), False),
        (ServerError("x"), False),
    ],
)
def test_a_new_token_is_requested_for_a_stale_one_only(error: EnosError, expected: bool) -> None:  # noqa: FBT001 - a table
    assert is_token_rejection(error) is expected


def test_waits_double_up_to_the_cap() -> None:
    waits = [backoff(RetryPolicy(), attempt, 1.0) for attempt in range(1, 9)]

    assert waits == [0.5, 1, 2, 4, 8, 16, 20, 20]


def test_a_wait_is_spread_over_its_whole_length() -> None:
    assert [backoff(RetryPolicy(), 3, random) for random in (0.0, 0.5)] == [0.0, 1.0]


def test_a_wait_after_very_many_attempts_is_the_cap() -> None:
    assert backoff(RetryPolicy(), 100_000, 1.0) == 20


def test_a_budget_ends() -> None:
    budget = RetryBudget(2)

    assert [budget.take() for _ in range(3)] == [True, True, False]


def test_a_success_gives_back_its_retries() -> None:
    budget = RetryBudget(2)
    budget.take()
    budget.take()

    budget.give_back(2)

    assert [budget.take() for _ in range(3)] == [True, True, False]


def test_ten_plain_successes_earn_a_retry_in_an_exhausted_budget() -> None:
    budget = RetryBudget(1)
    budget.take()

    for _ in range(11):
        budget.give_back(0)

    assert budget.take()


def test_a_budget_never_grows_beyond_its_size() -> None:
    budget = RetryBudget(1)

    budget.give_back(5)

    assert [budget.take() for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    "settings",
    [{"attempts": 0}, {"base": -1}, {"cap": -1}, {"budget": -1}, {"standstill": -1}],
)
def test_a_policy_that_makes_no_sense_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        RetryPolicy(**settings)
