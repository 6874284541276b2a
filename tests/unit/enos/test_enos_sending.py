"""Requests as the server receives them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from enos_ota.enos import (
    JobNotFound,
)
from tests.harness.scripted_server import (
    ScriptedServer,
    http,
    ok,
    refusal,
    token,
)

if TYPE_CHECKING:
    from tests.harness.clock import FakeClock
    from tests.unit.enos.conftest import Connect

JOB = ok({"jobId": "j", "status": "started"})


def test_no_request_is_made_before_the_first_call(connect: Connect) -> None:
    with ScriptedServer() as server:
        connect(server)

    assert server.connections == 0


def test_a_call_is_signed_over_what_arrives(connect: Connect) -> None:
    with ScriptedServer([ok()]) as server:
        connect(server, org_id="o 1&x=/ü+%").cancel_tasks("j?1", ['a"b', "泵"])

    (sent,) = server.calls
    parameters = "".join(name + sent.query[name] for name in sorted(sent.query))
    signed = f"token-1{parameters}".encode() + sent.body + f"{sent.headers['apim-timestamp']}secret".encode()
    assert sent.query == {"action": "cancelTask", "orgId": "o 1&x=/ü+%", "jobId": "j?1"}
    assert sent.headers["apim-signature"] == sha256(signed).hexdigest()
    assert sent.headers["apim-accesstoken"] == "token-1"


def test_a_body_is_compact_json_in_utf_8(connect: Connect) -> None:
    with ScriptedServer([ok()]) as server:
        connect(server).cancel_tasks("j", ["a", "泵"])

    (sent,) = server.calls
    assert sent.body == '{"deviceKeys":["a","泵"]}'.encode()
    assert sent.headers["content-type"] == "application/json;charset=UTF-8"


def test_a_get_has_no_body(connect: Connect) -> None:
    with ScriptedServer([JOB]) as server:
        connect(server).get_job("j")

    (sent,) = server.calls
    assert (sent.method, sent.body, "content-type" in sent.headers) == ("GET", b"", False)


def test_the_token_service_gets_key_proof_and_timestamp_but_not_the_secret(connect: Connect) -> None:
    with ScriptedServer([JOB]) as server:
        connect(server).get_job("j")

    asked = server.requests[0]
    assert asked.json() == {
        "appKey": "key",
        "encryption": sha256(b"key1700000000000secret").hexdigest(),
        "timestamp": 1_700_000_000_000,
    }


def test_a_token_is_refreshed_with_the_old_one(connect: Connect, clock: FakeClock) -> None:
    with ScriptedServer([JOB, JOB], tokens=[token("first"), token("second")]) as server:
        client = connect(server)
        client.get_job("j")
        clock.advance(7000)
        client.get_job("j")

    assert server.names == ["token/get", "get", "token/refresh", "get"]
    assert server.requests[2].json()["accessToken"] == "first"
    assert server.requests[3].headers["apim-accesstoken"] == "second"


def test_threads_share_one_token_and_no_timestamp(connect: Connect) -> None:
    with ScriptedServer([JOB] * 64) as server:
        client = connect(server)
        with ThreadPoolExecutor(16) as threads:
            list(threads.map(lambda _: client.get_job("j"), range(64)))

    stamps = [request.headers.get("apim-timestamp") for request in server.calls]
    assert server.names.count("token/get") == 1
    assert len(set(stamps)) == 64


def test_each_attempt_has_its_own_signature(connect: Connect) -> None:
    with ScriptedServer([http(503), http(503), JOB]) as server:
        connect(server).get_job("j")

    stamps = [int(request.headers["apim-timestamp"]) for request in server.calls]
    assert stamps == sorted(set(stamps))
    assert len({request.headers["apim-signature"] for request in server.calls}) == 3


def test_a_thread_reuses_its_connection(connect: Connect) -> None:
    with ScriptedServer([JOB, JOB, refusal(24404), JOB]) as server:
        client = connect(server)
        client.get_job("j")
        client.get_job("j")
        with pytest.raises(JobNotFound):
            client.get_job("j")
        client.get_job("j")

    assert server.connections == 1
