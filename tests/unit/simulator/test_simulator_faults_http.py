"""Faults over a real socket: what `requests`, which knows nothing of the simulator, makes of them."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
import requests

from enos_simulator import signing
from enos_simulator.app import create_app
from enos_simulator.fleet import parse_fleet
from enos_simulator.gateway import OTA_JOBS, TOKEN_GET
from enos_simulator.simulator import Simulator
from tests.harness.simulator import JOB, SMALL_FLEET, RunningSimulator, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningSimulator]:
    with running_simulator() as running:
        yield running


@pytest.fixture
def simulator(shared: RunningSimulator) -> RunningSimulator:
    shared.reset()
    return shared


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def cancel(simulator: RunningSimulator, session: requests.Session, key: str = "dk-01") -> requests.Response:
    timestamp = time.time_ns() // 1_000_000
    encryption = signing.encryption(simulator.app_key, str(timestamp), simulator.app_secret)
    asked = {"appKey": simulator.app_key, "timestamp": timestamp, "encryption": encryption}
    access = session.post(simulator.url + TOKEN_GET, json=asked, timeout=9).json()["data"]["accessToken"]
    query = {"action": "cancelTask", "orgId": simulator.org_id, "jobId": JOB}
    body = json.dumps({"deviceKeys": [key]}).encode()
    headers = {
        "apim-accesstoken": access,
        "apim-timestamp": str(timestamp),
        "apim-signature": signing.signature(access, query.items(), body, str(timestamp), simulator.app_secret),
        "content-type": "application/json",
    }
    return session.post(f"{simulator.url}{OTA_JOBS}?{urlencode(query)}", data=body, headers=headers, timeout=9)


@pytest.mark.parametrize(
    ("what", "error", "status"),
    [
        ("close-before", "Connection aborted", "init"),
        ("close-after", "Connection aborted", "failed"),
        ("truncate", "IncompleteRead", "failed"),
    ],
)
def test_a_connection_that_is_broken_off_is_an_error_and_the_simulator_continues(
    simulator: RunningSimulator,
    session: requests.Session,
    capfd: pytest.CaptureFixture[str],
    *,
    what: str,
    error: str,
    status: str,
) -> None:
    simulator.fault(what, "cancelTask", nth=1)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError), match=error):
        cancel(simulator, session)
    assert simulator.states(JOB)["dk-01"][0] == status
    assert cancel(simulator, session, "dk-02").json()["code"] == 0
    assert simulator.fired() == {f"cancelTask {what}": 1}
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("what", "settings", "told"),
    [
        ("throttle", {}, (429, "application/json", None)),
        ("throttle", {"retryAfter": 7}, (429, "application/json", "7")),
        ("gateway", {"status": 503}, (503, "application/json", None)),
        ("error", {"status": 503}, (503, "application/json", None)),
        ("error", {"status": 503, "envelope": False}, (503, "text/plain", None)),
        ("html", {}, (502, "text/html", None)),
        ("html", {"status": 200, "processed": True}, (200, "text/html", None)),
        ("cut", {}, (200, "application/json", None)),
    ],
)
def test_a_replaced_answer_has_the_documented_form(
    simulator: RunningSimulator, session: requests.Session, *, what: str, settings: dict[str, Any], told: Any
) -> None:
    simulator.fault(what, "cancelTask", **settings)
    answer = cancel(simulator, session)
    headers = answer.headers
    assert (answer.status_code, headers["content-type"], headers.get("retry-after")) == told
    assert int(headers["content-length"]) == len(answer.content)


def test_an_answer_that_ends_in_the_middle_is_no_json(simulator: RunningSimulator, session: requests.Session) -> None:
    simulator.fault("cut", "cancelTask")
    with pytest.raises(requests.JSONDecodeError):
        cancel(simulator, session).json()
    assert simulator.states(JOB)["dk-01"][0] == "failed"


def test_a_fault_does_not_affect_the_control_api(simulator: RunningSimulator) -> None:
    simulator.fault("close-before")
    assert simulator.control("GET", "health")["status"] == "ok"


def test_faults_are_read_and_removed(simulator: RunningSimulator, session: requests.Session) -> None:
    simulator.fault("latency", "cancelTask", seconds=[0, 0], times=5)
    simulator.fault("throttle", nth=9)
    cancel(simulator, session)
    assert simulator.control("GET", "faults")["faults"] == [
        {
            "what": "latency",
            "operations": ["cancelTask"],
            "seconds": [0, 0],
            "times": 5,
            "seen": 1,
            "fired": 1,
        },
        {"what": "throttle", "nth": 9, "seen": 2, "fired": 0},
    ]
    assert simulator.control("DELETE", "faults") == {"cleared": 2}
    assert simulator.control("GET", "faults") == {"faults": []}


def test_a_fault_that_is_none_is_refused(simulator: RunningSimulator) -> None:
    answer = requests.post(f"{simulator.url}/_simulator/faults", json={"what": "throttle", "status": 5}, timeout=9)
    assert (answer.status_code, answer.json()["error"]) == (400, "status: Input should be greater than or equal to 200")


def test_an_answer_that_is_late_when_the_server_ends_never_comes(capfd: pytest.CaptureFixture[str]) -> None:
    with ThreadPoolExecutor(1) as pool, requests.Session() as session:
        with running_simulator() as simulator:
            simulator.fault("latency", "cancelTask", seconds=3600)
            asked = pool.submit(cancel, simulator, session)
            while not simulator.journal():
                assert not asked.done()
        assert isinstance(asked.exception(timeout=9), requests.ConnectionError)
    assert capfd.readouterr() == ("", "")


def test_while_an_answer_is_late_others_are_answered() -> None:
    simulator = Simulator(parse_fleet({**SMALL_FLEET, "faults": ["latency get seconds=60"]}))
    sent: list[str] = []

    async def run() -> None:
        waiting, over = asyncio.Event(), asyncio.Event()

        async def sleep(seconds: float) -> None:
            assert seconds == 60
            waiting.set()
            await over.wait()

        app = create_app(simulator, sleep)

        async def request(action: str) -> None:
            async def receive() -> Any:
                return {"type": "http.request", "body": b"", "more_body": False}

            async def send(message: Any) -> None:
                sent.append(f"{action} {message['type']}")

            query = f"action={action}".encode()
            await app(
                {"type": "http", "method": "GET", "path": OTA_JOBS, "query_string": query, "headers": [], "state": {}},
                receive,
                send,
            )

        late = asyncio.create_task(request("get"))
        await waiting.wait()
        await request("stop")
        over.set()
        await late

    asyncio.run(run())
    assert sent == [
        "stop http.response.start",
        "stop http.response.body",
        "get http.response.start",
        "get http.response.body",
    ]
