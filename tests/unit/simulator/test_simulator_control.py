"""The control API under `/_simulator/`, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from enos_ota import __version__
from enos_simulator import control
from enos_simulator.fleet import parse_fleet
from enos_simulator.gateway import Request
from enos_simulator.simulator import Simulator
from tests.harness.simulator import JOB, SMALL_FLEET, RunningSimulator, running_simulator
from tests.harness.simulator_harness import Clock

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


def test_health_tells_that_it_runs(simulator: RunningSimulator) -> None:
    expected = {"status": "ok", "version": __version__, "jobs": 1, "tasks": 11}
    assert simulator.control("GET", "health") == expected


def test_jobs_are_listed_with_their_counts(simulator: RunningSimulator) -> None:
    (job,) = simulator.control("GET", "jobs")["jobs"]
    counts = {"init": 6, "published": 1, "upgrading": 1, "succeeded": 1, "failed": 2}
    assert (job["jobId"], job["status"], job["tasks"], job["counts"]) == (JOB, "started", 11, counts)


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("", 11),
        ("?status=published", ["dk-07"]),
        ("?status=published&status=upgrading", ["dk-07", "dk-08"]),
        ("?deviceKey=dk-10&deviceKey=dk-01&deviceKey=none", ["dk-10", "dk-01"]),
        ("?deviceKey=dk-10&deviceKey=dk-01&status=init", ["dk-01"]),
    ],
)
def test_tasks_are_listed_by_status_and_key(simulator: RunningSimulator, query: str, keys: int | list[str]) -> None:
    tasks = simulator.control("GET", f"jobs/{JOB}/tasks{query}")["tasks"]
    assert (len(tasks) if isinstance(keys, int) else [task["deviceKey"] for task in tasks]) == keys


def test_tasks_are_set_whatever_they_are(simulator: RunningSimulator) -> None:
    before = simulator.states(JOB)
    simulator.set_tasks(JOB, ["dk-01", "dk-09"], "failed", "broken on purpose")
    simulator.set_tasks(JOB, ["dk-02"], "cancelled")
    simulator.set_tasks(JOB, ["dk-03"], "upgrading")
    broken = ("failed", "broken on purpose")
    assert simulator.states(JOB) == before | {
        "dk-01": broken,
        "dk-09": broken,
        "dk-02": ("failed", "Cancelled by user"),
        "dk-03": ("upgrading", "downloading"),
    }
    assert simulator.journal() == []


def test_tasks_are_listed_in_their_current_state_whatever_searches_find(simulator: RunningSimulator) -> None:
    simulator.switch(index_delay=1000)
    simulator.set_tasks(JOB, ["dk-01"], "upgrading")
    (task,) = simulator.control("GET", f"jobs/{JOB}/tasks?deviceKey=dk-01")["tasks"]
    assert (task["status"], simulator.states(JOB)["dk-01"][0], simulator.counts(JOB)["upgrading"]) == (
        "upgrading",
        "upgrading",
        2,
    )


def test_a_colleague_retries_by_the_real_rules_and_the_journal_tells_who(simulator: RunningSimulator) -> None:
    simulator.retry(JOB, ["dk-11"])
    (entry,) = simulator.journal()
    assert (entry["operation"], entry["by"], entry["keys"], entry["code"]) == ("retryTask", "control", ["dk-11"], 0)
    assert (simulator.states(JOB)["dk-11"], simulator.counters()) == (("init", ""), {})


def test_a_colleague_is_refused_by_the_real_rules_too(simulator: RunningSimulator) -> None:
    answer = requests.post(f"{simulator.url}/_simulator/jobs/{JOB}/retry", json={"deviceKeys": ["dk-01"]}, timeout=9)
    told = {"error": "Only failed tasks can be retried", "code": 24621}
    assert (answer.status_code, answer.json(), simulator.journal()[0]["code"]) == (409, told, 24621)


def test_a_job_is_stopped_and_started(simulator: RunningSimulator) -> None:
    simulator.set_job(JOB, "stopped")
    stopped = simulator.control("GET", f"jobs/{JOB}")["status"]
    simulator.set_job(JOB, "started")
    assert (stopped, simulator.control("GET", f"jobs/{JOB}")["status"]) == ("stopped", "started")


@pytest.mark.parametrize(
    ("switch", "given", "status"),
    [("stopped", {}, "stopped"), ("started", {}, "started"), ("started", {"status": "stopped"}, "stopped")],
)
def test_a_job_is_added_in_its_own_status_or_that_of_the_switch(
    simulator: RunningSimulator, switch: str, given: dict[str, str], status: str
) -> None:
    simulator.switch(job_initial=switch)
    simulator.add_job({"jobId": "new", "devices": {"count": 3, "key": "n{}"}, **given})
    assert simulator.control("GET", "jobs/new")["status"] == status
    assert simulator.counts("new")["init"] == 3


def test_a_job_is_deleted(simulator: RunningSimulator) -> None:
    simulator.delete_job(JOB)
    assert simulator.control("GET", "jobs") == {"jobs": []}


def test_switches_are_read_and_set(simulator: RunningSimulator) -> None:
    before = simulator.control("GET", "switches")
    assert simulator.control("POST", "switches", {"cancelMode": "partial"}) == before | {"cancelMode": "partial"}
    assert simulator.control("GET", "switches") == before | {"cancelMode": "partial"}


def test_movement_is_read_and_set(simulator: RunningSimulator) -> None:
    assert simulator.control("GET", "movement")["moving"] is False
    simulator.move(begin=[2, 3], finish=4)
    assert simulator.control("GET", "movement") == {
        "moving": True,
        "push": [0, 1],
        "begin": [2, 3],
        "finish": [4, 4],
        "failures": 0.05,
    }
    simulator.move(moving=False)
    assert simulator.control("GET", "movement")["moving"] is False


def test_devices_move_between_requests() -> None:
    clock = Clock()
    with running_simulator(clock=clock) as running:
        running.move(push=0, begin=1, finish=1, failures=0)
        clock.forward(3)
        assert running.counts(JOB) == {"init": 0, "published": 0, "upgrading": 0, "succeeded": 9, "failed": 2}


def test_a_reset_brings_everything_back(simulator: RunningSimulator) -> None:
    states = simulator.states(JOB)
    simulator.retry(JOB, ["dk-11"])
    simulator.add_job({"jobId": "new"})
    simulator.switch(retry_to="published", index_delay=2)
    simulator.reset()
    assert (simulator.states(JOB), simulator.journal(), simulator.counters()) == (states, [], {})
    assert [job["jobId"] for job in simulator.control("GET", "jobs")["jobs"]] == [JOB]
    assert simulator.control("GET", "switches")["retryTo"] == "init"


def test_a_reset_takes_back_faults_and_movement(simulator: RunningSimulator) -> None:
    simulator.fault("close-before")
    simulator.move()
    simulator.reset()
    assert simulator.control("GET", "faults") == {"faults": []}
    assert simulator.control("GET", "movement")["moving"] is False
    assert simulator.control("GET", "counters")["faults"] == {}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("GET", "nothing", None, 404, "the control API has no GET /_simulator/nothing"),
        ("DELETE", "journal", None, 404, "the control API has no DELETE /_simulator/journal"),
        ("GET", f"jobs/{JOB}/tasks/more", None, 404, "the control API has no GET"),
        ("GET", "jobs/none", None, 404, f"no job none; the jobs are: {JOB}"),
        ("DELETE", "jobs/none", None, 404, "no job none"),
        ("POST", "jobs", {"jobId": JOB}, 400, f"jobId: job {JOB} exists"),
        ("POST", "jobs", {"jobId": "n", "orgId": "o9"}, 400, "orgId: no organization o9"),
        ("POST", "jobs", {}, 400, "jobId: Field required"),
        ("POST", f"jobs/{JOB}", {"status": "paused"}, 400, "status: Input should be 'started' or 'stopped'"),
        ("POST", f"jobs/{JOB}", {"state": "stopped"}, 400, "status: Field required; state: Extra inputs"),
        ("POST", f"jobs/{JOB}", [], 400, "jobchange: Input should be a valid dictionary"),
        ("POST", f"jobs/{JOB}/tasks", {"deviceKeys": ["dk-01"]}, 400, "status: Field required"),
        (
            "POST",
            f"jobs/{JOB}/tasks",
            {"deviceKeys": [], "status": "init"},
            400,
            "deviceKeys: Tuple should have at least 1 item",
        ),
        ("POST", f"jobs/{JOB}/tasks", {"deviceKeys": ["x"], "status": "init"}, 400, "deviceKeys: no task in job"),
        ("POST", f"jobs/{JOB}/tasks", {"deviceKeys": ["dk-01"], "status": "done"}, 400, "status: one of init, "),
        (
            "POST",
            f"jobs/{JOB}/tasks",
            {"deviceKeys": ["dk-01"], "status": "init", "desc": 1},
            400,
            "desc: must be a text: put it in quotes",
        ),
        (
            "POST",
            f"jobs/{JOB}/tasks",
            {"deviceKeys": ["dk-01"], "status": "init", "progress": "much"},
            400,
            "progress: Input should be a valid integer",
        ),
        ("POST", "movement", {"begin": "soon"}, 400, "begin[0]: Input should be a valid number"),
        ("POST", "switches", {"cancelMode": "x"}, 400, "cancelMode: Input should be 'atomic' or 'partial'"),
    ],
)
def test_a_refused_call_is_answered_in_json_and_changes_nothing(
    simulator: RunningSimulator, *, method: str, path: str, body: Any, status: int, error: str
) -> None:
    before = (simulator.states(JOB), simulator.control("GET", "switches"))
    answer = requests.request(method, f"{simulator.url}/_simulator/{path}", json=body, timeout=9)
    assert (answer.status_code, answer.json()["error"][: len(error)]) == (status, error)
    assert (simulator.states(JOB), simulator.control("GET", "switches")) == before


def stop(simulator: RunningSimulator, **headers: str) -> requests.Response:
    """Stop the job; headers by their Python names."""
    sent = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"{simulator.url}/_simulator/jobs/{JOB}"
    return requests.post(url, data=b'{"status": "stopped"}', headers=sent, timeout=9)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:{port}", "LOCALHOST", "127.0.0.1:{port}", "127.9.8.7", "[::1]:{port}", "[::1]"]
)
def test_a_request_to_a_loopback_name_is_answered(simulator: RunningSimulator, host: str) -> None:
    port = simulator.url.rpartition(":")[2]
    assert stop(simulator, host=host.format(port=port)).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example.com",
        "localhost.evil.example.com",
        "127.0.0.1.evil.example.com",
        "10.0.0.1",
        "0.0.0.0",  # noqa: S104 - not bound, but sent by a page: to many systems it is this machine
        "",
        "[",
        "%",
    ],
)
def test_a_request_to_any_other_host_is_refused(simulator: RunningSimulator, host: str) -> None:
    answer = stop(simulator, host=host)
    error = f"the control API answers requests to localhost, a loopback address or 127.0.0.1, not to {host!r}"
    assert (answer.status_code, answer.json()) == (403, {"error": error})
    assert simulator.control("GET", f"jobs/{JOB}")["status"] == "started"


def test_reading_needs_a_loopback_name_too(simulator: RunningSimulator) -> None:
    headers = {"host": "evil.example.com"}
    assert requests.get(f"{simulator.url}/_simulator/jobs", headers=headers, timeout=9).status_code == 403


def test_the_address_at_which_a_request_arrives_is_answered_though_it_is_not_loopback() -> None:
    app = Simulator(parse_fleet(SMALL_FLEET))
    codes = {
        host: control.answer(app, Request("GET", "/_simulator/jobs", (), {"host": host}, b""), "192.0.2.7").http
        for host in ("192.0.2.7:8480", "192.0.2.8", "localhost", "build.example.com")
    }
    assert codes == {"192.0.2.7:8480": 200, "192.0.2.8": 403, "localhost": 200, "build.example.com": 403}


@pytest.mark.parametrize("origin", ["http://evil.example.com", "null", "http://localhost:1", "https://127.0.0.1"])
def test_a_request_of_a_foreign_web_page_is_refused(simulator: RunningSimulator, origin: str) -> None:
    answer = stop(simulator, origin=origin)
    error = f"the control API does not answer web pages of {origin}"
    assert (answer.status_code, answer.json()) == (403, {"error": error})
    assert simulator.control("GET", f"jobs/{JOB}")["status"] == "started"


def test_a_call_without_a_body_is_refused_to_a_foreign_web_page_too(simulator: RunningSimulator) -> None:
    headers = {"origin": "http://evil.example.com"}
    assert requests.post(f"{simulator.url}/_simulator/reset", headers=headers, timeout=9).status_code == 403


def test_a_request_of_its_own_origin_is_answered(simulator: RunningSimulator) -> None:
    assert stop(simulator, origin=simulator.url).status_code == 200


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_a_body_that_is_not_declared_as_json_is_refused(simulator: RunningSimulator, content_type: str) -> None:
    answer = stop(simulator, content_type=content_type)
    told = content_type.partition(";")[0]
    error = f"a body needs the header 'content-type: application/json', not {told!r}"
    assert (answer.status_code, answer.json()) == (415, {"error": error})
    assert simulator.control("GET", f"jobs/{JOB}")["status"] == "started"


def test_a_charset_beside_the_content_type_is_fine(simulator: RunningSimulator) -> None:
    assert stop(simulator, content_type="Application/JSON; charset=utf-8").status_code == 200


def test_a_body_that_is_no_json_is_reported(simulator: RunningSimulator) -> None:
    headers = {"content-type": "application/json"}
    answer = requests.post(f"{simulator.url}/_simulator/switches", data=b"{", headers=headers, timeout=9)
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"},
    )
