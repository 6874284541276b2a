"""Missing connections, and answers that EnOS does not give."""

from __future__ import annotations

import gzip
import io
import json
import socket
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from urllib3 import HTTPResponse

from enos_ota.enos import (
    AnswerLost,
    ConnectError,
    InvalidAnswer,
    RetryPolicy,
    Timeout,
)
from enos_ota.enos import transport as transport_module
from tests.harness.clock import FakeClock
from tests.harness.scripted_server import (
    ScriptedServer,
    free_port,
    http,
    ok,
)

if TYPE_CHECKING:
    from tests.unit.enos.conftest import Connect

JOB = ok({"jobId": "j", "status": "started"})


def test_a_refused_connection_is_a_connect_error(connect: Connect) -> None:
    client = connect(f"http://127.0.0.1:{free_port()}")

    with pytest.raises(ConnectError, match=r"connection refused\. No request was sent\. Tried 5 times\.$"):
        client.cancel_tasks("j", ["a"])


def test_a_write_is_sent_again_when_the_connection_could_not_be_made(connect: Connect) -> None:
    port = free_port()
    before, after = ScriptedServer([JOB], port=port), ScriptedServer([ok()], port=port)

    class Patient(FakeClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            after.__enter__()

    clock = Patient()
    with before:
        client = connect(before, clock=clock)
        client.get_job("j")
    client.cancel_tasks("j", ["a"])
    after.__exit__(None)

    assert (clock.sleeps, after.names) == ([0.5], ["cancelTask"])


def test_a_silent_server_is_an_answer_lost(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = connect(
            f"http://127.0.0.1:{silent.getsockname()[1]}",
            timeout=Timeout(connect=5, read=0.05),
            retry=RetryPolicy(attempts=1),
        )
        with pytest.raises(AnswerLost, match=r"did not answer token/get within 0\.05 s\.$"):
            client.get_job("j")


def test_a_redirect_is_not_followed_and_not_tried_again(connect: Connect) -> None:
    with (
        ScriptedServer([http(302, location="/login")]) as server,
        pytest.raises(InvalidAnswer, match="with a redirect, which is not followed") as caught,
    ):
        connect(server).get_job("j")

    assert caught.value.http_status == 302


def test_an_answer_that_is_too_large_is_not_read_to_its_end(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "MAX_ANSWER", 2**20)
    with (
        ScriptedServer([http(200, b" " * 2**22)]) as server,
        pytest.raises(InvalidAnswer, match=r"with more than 1 MiB, which were not read") as caught,
    ):
        connect(server, retry=RetryPolicy(attempts=1)).get_job("j")

    assert caught.value.http_status == 200


def test_a_redirect_is_not_read_to_its_end_either(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "MAX_ANSWER", 2**20)
    large = http(302, b" " * 2**22, location="/login")
    with ScriptedServer([large]) as server, pytest.raises(InvalidAnswer, match=r"with more than 1 MiB"):
        connect(server, retry=RetryPolicy(attempts=1)).get_job("j")


@pytest.mark.parametrize("codings", [["gzip"], ["gzip", "gzip"]], ids=" in ".join)
def test_a_small_answer_that_unpacks_to_a_large_one_is_too_large(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, codings: list[str]
) -> None:
    monkeypatch.setattr(transport_module, "MAX_ANSWER", 2**20)
    bomb = b" " * 2**24
    for _ in codings:
        bomb = gzip.compress(bomb)
    with (
        ScriptedServer([http(200, bomb, content_encoding=", ".join(codings))]) as server,
        pytest.raises(InvalidAnswer, match="with more than 1 MiB"),
    ):
        connect(server, retry=RetryPolicy(attempts=1)).get_job("j")


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
def test_an_answer_with_coding_identity_is_understood(connect: Connect, coding: str) -> None:
    plain = b'{"code": 0, "data": {"jobId": "j"}}'
    with ScriptedServer([http(200, plain, content_encoding=coding)]) as server:
        assert connect(server).get_job("j").job_id == "j"


@pytest.mark.parametrize("codings", [["gzip"], ["gzip", "gzip"]], ids=" in ".join)
def test_urllib3_unpacks_no_more_than_it_is_asked_for(codings: list[str]) -> None:
    """The lowest version that is allowed is the first of which this holds for gzip in gzip."""
    bomb = b" " * 2**27
    for _ in codings:
        bomb = gzip.compress(bomb)
    raw = HTTPResponse(io.BytesIO(bomb), {"Content-Encoding": ", ".join(codings)}, preload_content=False)
    tracemalloc.start()
    try:
        raw.read1(2**16, decode_content=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 2**25


def test_a_compressed_answer_is_understood(connect: Connect) -> None:
    packed = gzip.compress(b'{"code": 0, "data": {"jobId": "j"}}')
    with ScriptedServer([http(200, packed, content_encoding="gzip")]) as server:
        assert connect(server).get_job("j").job_id == "j"


@pytest.mark.parametrize("size", [2**16 - 1, 2**16, 2**22])
def test_a_compressed_answer_is_read_whole_however_large(connect: Connect, size: int) -> None:
    packed = gzip.compress(json.dumps({"code": 0, "data": {"jobId": "j", "name": {"x": "a" * size}}}).encode())
    in_chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in packed) + b"0\r\n\r\n"
    chunked = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + in_chunks
    with ScriptedServer([http(200, packed, content_encoding="gzip"), chunked]) as server:
        client = connect(server)
        for _ in range(2):
            assert client.get_job("j").job_id == "j"


def test_an_answer_in_chunks_is_understood(connect: Connect) -> None:
    body = b'{"code": 0, "data": {"jobId": "j"}}'
    parts = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    with ScriptedServer([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + parts, JOB]) as server:
        client = connect(server)
        assert client.get_job("j").job_id == "j"
        client.get_job("j")

    assert server.connections == 1


@pytest.mark.parametrize(
    "broken",
    [
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
def test_broken_http_is_an_answer_lost(connect: Connect, broken: bytes) -> None:
    with ScriptedServer([broken]) as server, pytest.raises(AnswerLost):
        connect(server, retry=RetryPolicy(attempts=1)).get_job("j")
