"""The simulator behind a real socket: the bytes that go over it, its beginning and its end."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import pytest
import requests

from enos_simulator import signing
from enos_simulator.gateway import OTA_JOBS, TOKEN_GET
from enos_simulator.server import url_of
from tests.harness.simulator import JOB, RunningSimulator, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator() as running:
        yield running


def now() -> int:
    return time.time_ns() // 1_000_000


def token(simulator: RunningSimulator) -> str:
    timestamp = now()
    encryption = signing.encryption(simulator.app_key, str(timestamp), simulator.app_secret)
    body = {"appKey": simulator.app_key, "timestamp": timestamp, "encryption": encryption}
    answer = requests.post(simulator.url + TOKEN_GET, json=body, timeout=9).json()
    return str(answer["data"]["accessToken"])


def post(simulator: RunningSimulator, access: str, query: dict[str, str], body: bytes) -> requests.Response:
    timestamp = str(now())
    headers = {
        "apim-accesstoken": access,
        "apim-timestamp": timestamp,
        "apim-signature": signing.signature(access, query.items(), body, timestamp, simulator.app_secret),
        "content-type": "application/json",
    }
    return requests.post(f"{simulator.url}{OTA_JOBS}?{urlencode(query)}", data=body, headers=headers, timeout=9)


def raw(simulator: RunningSimulator, sent: bytes) -> bytes:
    address = urlsplit(simulator.url)
    assert address.hostname
    assert address.port
    with socket.create_connection((address.hostname, address.port), timeout=9) as connection:
        connection.sendall(sent)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


def test_an_answer_is_json_in_utf_8(simulator: RunningSimulator) -> None:
    answer = requests.get(simulator.url + "/nothing-水", timeout=9)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    assert "水" in answer.content.decode()


@pytest.mark.parametrize("key", ["水泵 1", "a&b=c+d%20", "it's", 'so "it" is', "ä\u0301", "\ud800"], ids=ascii)
def test_a_key_of_any_text_comes_through_signature_and_json(simulator: RunningSimulator, key: str) -> None:
    simulator.reset()
    query = {"action": "cancelTask", "orgId": simulator.org_id, "jobId": JOB}
    answer = post(simulator, token(simulator), query, json.dumps({"deviceKeys": [key]}).encode())
    assert (answer.json()["code"], answer.json()["msg"][:24]) == (99400, "Invalid Argument deviceK")
    assert simulator.journal()[0]["keys"] == [key.encode(errors="replace").decode()]


def test_a_query_value_is_signed_decoded(simulator: RunningSimulator) -> None:
    query = {"action": "get", "orgId": "o 1+2&水", "jobId": JOB}
    assert post(simulator, token(simulator), query, b"").json()["code"] == 99400


def test_a_body_that_is_too_large_is_answered(simulator: RunningSimulator) -> None:
    query = {"action": "cancelTask", "orgId": simulator.org_id, "jobId": JOB}
    assert post(simulator, token(simulator), query, b" " * (16 * 1024 * 1024 + 1)).status_code == 413


def test_the_control_api_reads_a_body_that_is_larger_than_max_body(simulator: RunningSimulator) -> None:
    simulator.switch(max_body=1)
    simulator.switch(max_body=16 * 1024 * 1024)


def test_a_body_in_chunks_without_a_length_is_read(simulator: RunningSimulator) -> None:
    chunks = iter([b'{"appKey":', b'"nobody","timestamp":1,"encryption":"x"}'])
    headers = {"content-type": "application/json"}
    answer = requests.post(simulator.url + TOKEN_GET, data=chunks, headers=headers, timeout=9)
    assert answer.json()["status"] == 1002


def test_what_is_no_http_is_refused_and_the_simulator_continues(
    simulator: RunningSimulator, capfd: pytest.CaptureFixture[str]
) -> None:
    assert raw(simulator, b"\x16\x03\x01\x02\x00hello\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert simulator.control("GET", "health")["status"] == "ok"
    assert capfd.readouterr() == ("", "")


def test_a_caller_that_leaves_in_the_middle_is_forgotten(
    simulator: RunningSimulator, capfd: pytest.CaptureFixture[str]
) -> None:
    address = urlsplit(simulator.url)
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=9) as connection:
        connection.sendall(f"POST {TOKEN_GET} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
    assert simulator.control("GET", "health")["status"] == "ok"
    assert capfd.readouterr() == ("", "")


def test_a_method_that_has_no_body_in_its_answer_is_answered(simulator: RunningSimulator) -> None:
    assert requests.head(simulator.url + OTA_JOBS, timeout=9).status_code == 200


def test_requests_at_the_same_time_are_each_done_once(simulator: RunningSimulator) -> None:
    simulator.reset()
    access = token(simulator)
    query = {"action": "cancelTask", "orgId": simulator.org_id, "jobId": JOB}

    def cancel(number: int) -> int:
        body = json.dumps({"deviceKeys": [f"dk-{number % 6 + 1:02}"]}).encode()
        return int(post(simulator, access, query, body).json()["code"])

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(cancel, range(24)))
    assert (codes.count(0), codes.count(24620)) == (6, 18)
    journal = simulator.journal()
    assert [entry["sequence"] for entry in journal] == list(range(1, 25))
    assert sum(len(entry["changes"]) for entry in journal) == 6


def test_several_simulators_run_beside_each_other() -> None:
    with running_simulator() as one, running_simulator({"jobs": [{"jobId": "j"}]}) as other:
        one.set_job(JOB, "stopped")
        assert one.url != other.url
        assert [job["jobId"] for job in other.control("GET", "jobs")["jobs"]] == ["j"]


def test_at_the_end_nothing_is_left() -> None:
    threads = threading.active_count()
    with running_simulator() as running:
        # An idle connection does not hold up the end.
        idle = requests.Session()
        idle.get(running.url + "/_simulator/health", timeout=9)
    assert threading.active_count() == threads
    with pytest.raises(requests.ConnectionError):
        requests.get(running.url, timeout=9)
    idle.close()


@pytest.mark.parametrize(
    ("family", "address", "url"),
    [
        (socket.AF_INET, "127.0.0.1", "http://127.0.0.1:"),
        (socket.AF_INET, "0.0.0.0", "http://127.0.0.1:"),  # noqa: S104 - bound, but nothing listens
        (socket.AF_INET6, "::1", "http://[::1]:"),
    ],
)
def test_the_printed_address_is_reachable(family: socket.AddressFamily, address: str, url: str) -> None:
    with socket.socket(family) as bound:
        try:
            bound.bind((address, 0))
        except OSError:
            pytest.skip(f"this machine has no {address}")
        assert url_of(bound).startswith(url)
