"""Waits by a function of the caller, which may end them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enos_ota.enos import AnswerLost, EnosClient, RetryPolicy, Timeout
from tests.harness.scripted_server import DROP, ScriptedServer, Step, drip, http, ok, refusal, rejection, token

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.clock import FakeClock
    from tests.unit.enos.conftest import Connect

JOB = ok({"jobId": "j", "status": "started"})


class EnoughError(BaseException):
    """The caller's reason to wait no longer."""


class Patience:
    """Waits on a fake clock, up to a number of waits."""

    def __init__(self, clock: FakeClock, waits: int = 1000) -> None:
        self.clock = clock
        self.waits = waits
        self.asked: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        if len(self.asked) > self.waits:
            raise EnoughError
        self.clock.advance(seconds)


@pytest.mark.parametrize(
    ("tokens", "script", "waits"),
    [
        pytest.param(None, [http(503), http(503), JOB], [0.5, 1], id="back-off"),
        pytest.param(None, [http(503, retry_after="7"), JOB], [7], id="pause"),
        pytest.param([http(503), http(503), token("t")], [JOB], [0.5, 1], id="back-off for a token"),
        pytest.param([http(503, retry_after="7"), token("t")], [JOB], [7], id="pause for a token"),
    ],
)
def test_every_wait_of_a_view_is_its_own(
    connect: Connect, clock: FakeClock, tokens: list[Step] | None, script: list[Step], waits: list[float]
) -> None:
    patience = Patience(clock)
    with ScriptedServer(script, tokens=tokens) as server:
        connect(server).waiting_by(patience.sleep).get_job("j")

    assert (patience.asked, clock.sleeps) == (waits, [])


def test_the_pace_is_waited_for_by_the_views_own_sleep(connect: Connect, clock: FakeClock) -> None:
    patience = Patience(clock)
    with ScriptedServer([JOB, JOB]) as server:
        view = connect(server, max_requests_per_second=0.5).waiting_by(patience.sleep)
        view.get_job("j")
        view.get_job("j")

    assert (patience.asked, clock.sleeps) == ([2, 2], [])


@pytest.mark.parametrize(
    "step",
    [refusal(429), http(429, retry_after="7"), rejection(1001)],
    ids=["throttled", "throttled for long", "taken for a replay"],
)
def test_a_write_whose_wait_is_ended_was_not_processed_and_is_not_sent_again(
    connect: Connect, clock: FakeClock, step: Step
) -> None:
    with ScriptedServer([step]) as server, pytest.raises(EnoughError):
        connect(server).waiting_by(Patience(clock, 0).sleep).cancel_tasks("j", ["a"])

    assert server.names == ["token/get", "cancelTask"]


@pytest.mark.parametrize("step", [DROP, http(502), http(200, "<html>"), refusal(24500)])
def test_a_write_that_may_have_been_processed_leads_to_no_wait(connect: Connect, clock: FakeClock, step: Step) -> None:
    patience = Patience(clock)
    with ScriptedServer([step]) as server, pytest.raises(Exception, match="may have been processed"):
        connect(server).waiting_by(patience.sleep).cancel_tasks("j", ["a"])

    assert patience.asked == []


def test_a_wait_for_a_token_that_is_ended_sends_no_write(connect: Connect, clock: FakeClock) -> None:
    with ScriptedServer(tokens=[http(503)]) as server, pytest.raises(EnoughError):
        connect(server).waiting_by(Patience(clock, 0).sleep).cancel_tasks("j", ["a"])

    assert server.names == ["token/get"]


def test_an_ended_wait_for_a_token_blocks_no_other_call(connect: Connect, clock: FakeClock) -> None:
    with ScriptedServer([JOB], tokens=[http(503), token("t")]) as server:
        client = connect(server)
        with pytest.raises(EnoughError):
            client.waiting_by(Patience(clock, 0).sleep).get_job("j")
        client.get_job("j")

    assert server.names == ["token/get", "token/get", "get"]


@pytest.mark.parametrize(
    ("call", "limit"),
    [
        pytest.param(lambda client: client.get_job("j"), 12, id="read"),
        pytest.param(lambda client: client.cancel_tasks("j", ["a"]), 15, id="write, with three seconds more"),
    ],
)
def test_no_attempt_of_a_view_takes_longer_than_is_left(
    connect: Connect, clock: FakeClock, call: Callable[[EnosClient], object], limit: int
) -> None:
    with ScriptedServer([drip(clock, b"HTTP/1.1 200 OK\r\nX-A: ", b"a")]) as server:
        client = connect(server, timeout=Timeout(connect=5, read=30), retry=RetryPolicy(attempts=1))
        with pytest.raises(AnswerLost, match=rf" within {limit} s\."):
            call(client.waiting_by(clock.sleep, lambda: 12.0, grace=3.0))


def test_a_view_without_time_left_sends_nothing_and_ends_with_the_next_wait(connect: Connect, clock: FakeClock) -> None:
    with ScriptedServer() as server, pytest.raises(EnoughError):
        connect(server).waiting_by(Patience(clock, 0).sleep, lambda: 0.0).get_job("j")

    assert server.requests == []


def test_a_view_shares_token_connection_and_timestamps(connect: Connect, clock: FakeClock) -> None:
    with ScriptedServer([JOB, JOB]) as server:
        client = connect(server)
        client.get_job("j")
        client.waiting_by(Patience(clock).sleep).get_job("j")

    stamps = [request.headers["apim-timestamp"] for request in server.calls]
    assert (server.names, server.connections, len(set(stamps))) == (["token/get", "get", "get"], 1, 2)


def test_a_view_shares_pauses_and_the_retry_budget(connect: Connect, clock: FakeClock) -> None:
    patience = Patience(clock)
    with ScriptedServer([http(503, retry_after="7"), http(503)]) as server:
        client = connect(server, retry=RetryPolicy(budget=1))
        with pytest.raises(Exception, match="503"):
            client.waiting_by(patience.sleep).get_job("j")

    assert (patience.asked, client.pause().seconds) == ([7], 0)


def test_the_client_reports_its_pause(connect: Connect) -> None:
    with ScriptedServer([http(503, retry_after="60")]) as server:
        client = connect(server, retry=RetryPolicy(attempts=1))
        with pytest.raises(Exception, match="503"):
            client.get_job("j")

    assert client.pause().seconds == 60


def test_closing_a_view_closes_nothing(connect: Connect, clock: FakeClock) -> None:
    with ScriptedServer([JOB, JOB]) as server:
        client = connect(server)
        with client.waiting_by(Patience(clock).sleep) as view:
            view.get_job("j")
        client.get_job("j")

    assert server.connections == 1


def test_closing_the_client_closes_its_views(connect: Connect, clock: FakeClock) -> None:
    client: EnosClient = connect("https://apim.example.com")
    view = client.waiting_by(Patience(clock).sleep)
    client.close()

    with pytest.raises(RuntimeError, match="closed"):
        view.get_job("j")
