"""One attempt has one clock: no part of an answer, however slowly it comes, makes it longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enos_ota.enos import AnswerLost, ConnectError, RetryPolicy, Timeout
from tests.harness.authority import Authority
from tests.harness.scripted_server import Request, ScriptedServer, Step, drip, http, ok

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.clock import FakeClock
    from tests.unit.enos.conftest import Connect

JOB = ok({"jobId": "j", "status": "started"})
TWICE = RetryPolicy(attempts=2, standstill=1e9)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

SLOW = pytest.mark.parametrize(
    ("before", "each"),
    [
        pytest.param(b"HTTP/1.1 200 ", b"a", id="status line"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-A: ", b"a", id="header"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n", id="headers"),
        pytest.param(b"", CONTINUE, id="100 Continue"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n", b"X-A: b\r\n", id="headers of 100 Continue"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", b" ", id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", b" ", id="body without a length"),
        pytest.param(CHUNKED, b"1\r\n \r\n", id="chunks"),
        pytest.param(CHUNKED, b"0", id="size of a chunk"),
        pytest.param(CHUNKED + b"0\r\n", b"X-A: b\r\n", id="trailers"),
    ],
)


@SLOW
def test_an_answer_that_comes_slowly_is_lost_and_asked_for_on_another_connection(
    connect: Connect, clock: FakeClock, before: bytes, each: bytes
) -> None:
    step = drip(clock, before, each)
    with ScriptedServer([step, step]) as server:
        client = connect(server, retry=TWICE, timeout=Timeout(connect=5, read=30))
        with pytest.raises(
            AnswerLost, match=r"did not (answer|finish its answer to) get \(job j\) within 30 s\. Tried"
        ):
            client.get_job("j")

    assert (len(server.calls), server.connections) == (2, 2)


@SLOW
def test_a_token_that_comes_slowly_is_lost(connect: Connect, clock: FakeClock, before: bytes, each: bytes) -> None:
    step = drip(clock, before, each)
    with (
        ScriptedServer(tokens=[step, step]) as server,
        pytest.raises(AnswerLost, match=r"token/get within 5 s\. Tried"),
    ):
        connect(server, retry=TWICE).get_job("j")

    assert server.names == ["token/get", "token/get"]


@SLOW
def test_a_write_whose_answer_comes_slowly_may_have_been_processed_and_is_sent_once(
    connect: Connect, clock: FakeClock, before: bytes, each: bytes
) -> None:
    with ScriptedServer([drip(clock, before, each)]) as server, pytest.raises(AnswerLost) as caught:
        connect(server, retry=TWICE).cancel_tasks("j", ["a"])

    assert caught.value.may_have_been_processed
    assert len(server.calls) == 1


@pytest.mark.parametrize("each", [CONTINUE, b"X-A: b\r\n"], ids=["100 Continue", "headers"])
def test_over_tls_as_well(connect: Connect, clock: FakeClock, tmp_path: Path, each: bytes) -> None:
    authority = Authority(tmp_path)
    step = drip(clock, b"HTTP/1.1 100 Continue\r\n\r\n", each)
    with ScriptedServer(tokens=[step, step], tls=authority.server()) as server, pytest.raises(AnswerLost):
        connect(server, retry=TWICE, ca_bundle=authority.bundle).get_job("j")

    assert server.names == ["token/get", "token/get"]


@pytest.mark.parametrize("before", [b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\nX-A: "], ids=["status line", "header"])
def test_a_proxy_that_answers_slowly_gets_the_time_to_connect_and_nothing_was_sent(
    connect: Connect, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, before: bytes
) -> None:
    step = drip(clock, before, b"a")
    with ScriptedServer([step, step]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        client = connect("https://apim.example.com", retry=TWICE, timeout=Timeout(connect=5, read=30))
        with pytest.raises(ConnectError, match=r"no connection within 5 s\. No request was sent\. Tried 2 times\."):
            client.cancel_tasks("j", ["a"])


def test_headers_are_not_read_without_end(connect: Connect) -> None:
    with ScriptedServer([drip(None, b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n")]) as server, pytest.raises(AnswerLost):
        connect(server, retry=RetryPolicy(attempts=1)).get_job("j")


def test_a_body_is_no_header(connect: Connect) -> None:
    large = ok({"jobId": "j", "name": {"en": "x" * 2**20}})
    with ScriptedServer([large]) as server:
        assert connect(server).get_job("j").job_id == "j"


def test_each_attempt_gets_the_whole_time(connect: Connect, clock: FakeClock) -> None:
    def late(answer: bytes) -> Step:
        def step(_: Request) -> bytes:
            clock.advance(4)
            return answer

        return step

    with ScriptedServer([late(http(503)), late(JOB)]) as server:
        assert connect(server, timeout=Timeout(connect=5, read=5)).get_job("j").job_id == "j"


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_an_interim_answer_is_not_taken_for_the_answer_to_this_request_or_the_next(
    connect: Connect, status: int
) -> None:
    interim = f"HTTP/1.1 {status} Interim\r\nLink: </a>\r\n\r\n".encode()
    others = [interim + ok({"jobId": job, "status": "started"}) for job in ("j1", "j2")]
    with ScriptedServer(others) as server:
        client = connect(server)
        assert [client.get_job(job).job_id for job in ("j1", "j2")] == ["j1", "j2"]

    assert server.connections <= 2, "the connection stays in use"
