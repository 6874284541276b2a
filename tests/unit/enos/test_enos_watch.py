"""A watch is called right before and right after each attempt of a write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enos_ota.enos import AnswerLost, EnosClient, EnosError, TasksNotCancellable, Throttled
from tests.harness.clock import FakeClock
from tests.harness.scripted_server import DROP, Request, ScriptedServer, Step, http, ok, refusal, rejection

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.enos.conftest import Connect


class Account:
    """Writes down what it hears of, and what else the test puts in."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.objection: BaseException | None = None

    def before(self) -> None:
        self.lines.append("before")
        if self.objection:
            raise self.objection

    def after(self, outcome: str | EnosError, /) -> None:
        self.lines.append(f"after {outcome if isinstance(outcome, str) else type(outcome).__name__}")


class DeadError(Exception):
    """A reason of the caller's own."""


@pytest.fixture
def account() -> Account:
    return Account()


def test_an_attempt_is_announced_then_checked_then_sent_then_reported(connect: Connect, account: Account) -> None:
    def answer(_: Request) -> bytes:
        account.lines.append("sent")
        return ok(request_id="r-1")

    with ScriptedServer([answer]) as server:
        client = connect(server, before_write=lambda: account.lines.append("checked"))
        client.cancel_tasks("j", ["a"], watch=account)

    assert account.lines == ["before", "checked", "sent", "after r-1"]


def test_a_retry_of_tasks_is_watched_as_well(connect: Connect, account: Account) -> None:
    with ScriptedServer([ok(request_id="r-1")]) as server:
        connect(server).retry_tasks("j", ["a"], watch=account)

    assert account.lines == ["before", "after r-1"]


@pytest.mark.parametrize("act", [EnosClient.start_job, EnosClient.stop_job])
def test_starting_and_stopping_a_job_is_watched_as_well(
    connect: Connect, account: Account, act: Callable[..., str]
) -> None:
    with ScriptedServer([ok(request_id="r-1")]) as server:
        act(connect(server), "j", watch=account)

    assert account.lines == ["before", "after r-1"]


@pytest.mark.parametrize(("step", "error"), [(DROP, AnswerLost), (refusal(24620), TasksNotCancellable)])
def test_an_error_is_reported(connect: Connect, account: Account, step: Step, error: type[EnosError]) -> None:
    with ScriptedServer([step]) as server, pytest.raises(error):
        connect(server).cancel_tasks("j", ["a"], watch=account)

    assert account.lines == ["before", f"after {error.__name__}"]


def test_each_attempt_is_announced_after_its_wait(connect: Connect, account: Account) -> None:
    class Telling(FakeClock):
        def sleep(self, seconds: float) -> None:
            account.lines.append(f"wait {seconds:g}")
            super().sleep(seconds)

    with ScriptedServer([http(429, retry_after="7"), ok(request_id="r-1")]) as server:
        connect(server, clock=Telling()).cancel_tasks("j", ["a"], watch=account)

    assert account.lines == ["before", "after Throttled", "wait 7", "before", "after r-1"]


def test_a_token_is_got_before_an_attempt_is_announced(connect: Connect, account: Account) -> None:
    with ScriptedServer(tokens=[rejection(1003)]) as server, pytest.raises(EnosError):
        connect(server).cancel_tasks("j", ["a"], watch=account)

    assert account.lines == []


def test_a_rejected_token_makes_two_attempts(connect: Connect, account: Account) -> None:
    with ScriptedServer([rejection(1203), ok(request_id="r-1")]) as server:
        connect(server).cancel_tasks("j", ["a"], watch=account)

    assert account.lines == ["before", "after AuthenticationError", "before", "after r-1"]


@pytest.mark.parametrize("objection", [DeadError(), Throttled("x"), KeyboardInterrupt()])
def test_an_exception_of_before_prevents_the_attempt(
    connect: Connect, account: Account, objection: BaseException
) -> None:
    account.objection = objection
    with ScriptedServer() as server, pytest.raises(type(objection)):
        connect(server).cancel_tasks("j", ["a"], watch=account)

    assert (account.lines, server.names) == (["before"], ["token/get"])


@pytest.mark.parametrize(
    ("objection", "lines"), [(EnosError("x"), ["before", "after EnosError"]), (DeadError(), ["before"])]
)
def test_an_announced_attempt_that_an_error_of_the_client_prevents_is_reported(
    connect: Connect, account: Account, objection: Exception, lines: list[str]
) -> None:
    def object_() -> None:
        raise objection

    with ScriptedServer() as server, pytest.raises(type(objection)):
        connect(server, before_write=object_).cancel_tasks("j", ["a"], watch=account)

    assert (account.lines, server.names) == (lines, ["token/get"])


def test_after_an_interrupt_nothing_is_reported(connect: Connect, account: Account) -> None:
    class Interrupted(FakeClock):
        def monotonic(self) -> float:
            if server.calls:
                raise KeyboardInterrupt
            return super().monotonic()

    with ScriptedServer([ok()]) as server, pytest.raises(KeyboardInterrupt):
        connect(server, clock=Interrupted()).cancel_tasks("j", ["a"], watch=account)

    assert account.lines == ["before"]
