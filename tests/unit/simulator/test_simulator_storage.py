"""A simulator that is kept in a file: what survives a restart, and which files are refused."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import requests

from enos_simulator.fleet import parse_fleet
from enos_simulator.storage import Storage, StorageError
from tests.harness.simulator import JOB, SMALL_FLEET, simulator_process
from tests.harness.simulator_harness import Caller, make_caller

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "enos.db"


@contextlib.contextmanager
def running(file: Path, fleet: dict[str, Any] | None = None, **switches: object) -> Iterator[Caller]:
    """A simulator on this file, from the start or from what is kept there; its end is as sudden as a crash."""
    storage = Storage(file)
    try:
        yield make_caller(SMALL_FLEET if fleet is None else fleet, storage=storage, **switches)
    finally:
        storage._db.rollback()
        storage._db.close()


def everything(caller: Caller) -> list[Any]:
    """All that is to survive."""
    simulator = caller.simulator
    jobs = [(held.job, list(held.tasks()), held.counts()) for held in simulator.jobs()]
    return [jobs, simulator.switches, [one.as_json() for one in simulator.faults.active], simulator.movement]


def test_the_start_survives(file: Path) -> None:
    with running(file) as caller:
        before = everything(caller)
    assert before == everything(make_caller(SMALL_FLEET))
    with running(file) as caller:
        assert everything(caller) == before


def test_what_a_call_changed_survives_a_crash_right_after_its_answer(file: Path) -> None:
    with running(file) as caller:
        caller.cancel(JOB, "dk-01", "dk-07")
        caller.retry(JOB, "dk-10")
        caller.call("stop", jobId=JOB)
        before = everything(caller)
    with running(file) as caller:
        assert everything(caller) == before
        assert (caller.states(JOB)["dk-01"], caller.simulator.job(JOB).job.status) == (
            ("failed", "Cancelled by user"),
            "stopped",
        )


def test_what_the_control_api_changed_survives(file: Path) -> None:
    with running(file) as caller:
        simulator = caller.simulator
        simulator.set_tasks(JOB, ["dk-02"], "upgrading")
        simulator.add_job({"jobId": "a", "name": {"defaultValue": "x", "i18nValue": {"zh_CN": "水"}}})
        simulator.add_job({"jobId": "b", "devices": {"count": 700, "key": "b{}"}, "retryPolicy": {"enableRetry": True}})
        simulator.delete_job("a")
        simulator.add_fault("close-after cancelTask nth=2")
        simulator.change_switches({"cancelMode": "partial", "throttle": 50, "sameKeyTwoProducts": "on"})
        simulator.save()
        before = everything(caller)
    with running(file) as caller:
        assert everything(caller) == before
        assert caller.call("search", {})["pagination"]["totalSize"] == 2


def test_a_fault_continues_its_count(file: Path) -> None:
    with running(file) as caller:
        caller.simulator.add_fault("throttle get nth=3")
        assert [caller.call("get", jobId=JOB)["code"] for _ in range(2)] == [0, 0]
    with running(file) as caller:
        assert [caller.call("get", jobId=JOB).get("code") for _ in range(2)] == [None, 0]
        assert caller.simulator.add_fault("html").seen == 0


def test_searches_see_after_a_restart_what_they_did_not_see_before(file: Path) -> None:
    with running(file, index_delay=1000) as caller:
        caller.cancel(JOB, "dk-01")
        assert caller.find("deviceKey = 'dk-01'")[0][0]["status"] == "init"
    with running(file) as caller:
        assert caller.find("deviceKey = 'dk-01'")[0][0]["status"] == "failed"


def test_devices_that_move_go_on_from_where_they_are(file: Path) -> None:
    movement = {"push": 0, "begin": 2, "finish": 3, "failures": 0}
    with running(file, {**SMALL_FLEET, "movement": movement}) as caller:
        caller.clock.forward(2)
        caller.call("get", jobId=JOB)
        assert caller.states(JOB)["dk-01"][0] == "upgrading"
    with running(file) as caller:
        assert caller.states(JOB)["dk-01"][0] == "upgrading"
        caller.clock.forward(3)
        assert caller.states(JOB)["dk-01"][0] == "succeeded"


def test_tokens_are_void_and_the_journal_is_empty_after_a_restart(file: Path) -> None:
    with running(file) as caller:
        caller.cancel(JOB, "dk-01")
        token = caller.token()
    with running(file) as caller:
        assert caller.simulator.journal.entries == []
        caller._token = token
        assert caller.call("get", jobId=JOB)["status"] == 1203


def test_a_reset_is_kept_too(file: Path) -> None:
    with running(file) as caller:
        before = everything(caller)
        caller.cancel(JOB, "dk-01")
        caller.simulator.add_job({"jobId": "more"})
        caller.simulator.reset()
    with running(file) as caller:
        assert everything(caller) == before


def test_the_fleet_is_kept_with_the_rest(file: Path) -> None:
    fleet = {
        "tokenSeconds": 60,
        "orgs": ["o1", "o2"],
        "apps": [{"appKey": "k", "appSecret": "s", "orgs": ["o2"]}],
        "faults": ["latency"],
        "movement": {"begin": [1, 2]},
        "jobs": [{"jobId": "j", "name": "泵", "devices": {"count": 2, "key": "a{}", "fromVersion": "1"}}],
    }
    with running(file, fleet):
        pass
    with contextlib.closing(Storage(file)) as storage:
        assert storage.fleet == parse_fleet(fleet)


def test_a_new_file_holds_no_fleet(file: Path) -> None:
    with contextlib.closing(Storage(file)) as storage:
        assert storage.fleet is None


def test_a_file_in_use_is_refused(file: Path) -> None:
    with running(file), pytest.raises(StorageError) as caught:
        Storage(file)
    assert str(caught.value) == f"{file}: another simulator uses it"


def test_a_file_of_another_version_is_refused_and_not_changed(file: Path) -> None:
    with running(file):
        pass
    with contextlib.closing(sqlite3.connect(file)) as other:
        other.execute("PRAGMA user_version = 7")
    before = file.read_bytes()
    with pytest.raises(StorageError) as caught:
        Storage(file)
    assert str(caught.value) == (
        f"{file}: written by another version of the simulator (format 7, expected 2); use another file"
    )
    assert file.read_bytes() == before


def test_a_database_of_something_else_is_refused_and_not_changed(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE jobs (mine TEXT)")
    before = file.read_bytes()
    with pytest.raises(StorageError) as caught:
        Storage(file)
    assert str(caught.value) == f"{file}: not a database of the simulator; use another file"
    assert file.read_bytes() == before


def test_what_is_no_database_is_refused_and_not_changed(file: Path) -> None:
    file.write_text("jobs:\n  - jobId: j\n" * 100)
    before = file.read_bytes()
    with pytest.raises(StorageError) as caught:
        Storage(file)
    assert (str(caught.value), file.read_bytes()) == (f"{file}: file is not a database", before)


def test_a_file_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        Storage(tmp_path / "none" / "enos.db")
    assert str(caught.value) == f"{tmp_path / 'none' / 'enos.db'}: unable to open database file"


def test_a_killed_command_continues_after_a_restart(file: Path, tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text('jobs: [{jobId: "j", tasks: [{deviceKey: a}, {deviceKey: b}]}]\n')
    command = [sys.executable, "-m", "enos_ota.cli", "simulate", "--db", str(file), "--fleet", str(fleet)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().split()[3]
        control(url, "jobs/j/tasks", {"deviceKeys": ["a"], "status": "upgrading"})
        control(url, "switches", {"cancelMode": "partial", "maxKeys": 5})
        control(url, "faults", {"what": "latency", "operations": ["stop"]})
        os.kill(process.pid, signal.SIGKILL)
    with simulator_process("--db", str(file), "--fleet", str(fleet), "--max-keys", "9") as simulator:
        assert {key: status for key, (status, _) in simulator.states("j").items()} == {"a": "upgrading", "b": "init"}
        switches = simulator.control("GET", "switches")
        assert (switches["cancelMode"], switches["maxKeys"]) == ("partial", 9)
        assert [fault["what"] for fault in simulator.control("GET", "faults")["faults"]] == ["latency"]
    # Without a fleet it is the one that is kept, and faults of the command line are there instead of the kept ones.
    with simulator_process("--db", str(file), "--fault", "html", "--movement", "on") as simulator:
        assert [job["jobId"] for job in simulator.control("GET", "jobs")["jobs"]] == ["j"]
        assert simulator.control("GET", "movement")["moving"] is True
        assert [fault["what"] for fault in simulator.control("GET", "faults")["faults"]] == ["html"]


def test_a_fleet_that_differs_from_the_stored_one_is_refused(file: Path, tmp_path: Path) -> None:
    with running(file):
        pass
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text('jobs: [{jobId: "j"}]\n')
    assert refused("--db", str(file), "--fleet", str(fleet)) == (
        2,
        f"Error: {fleet}: not the fleet that the --db file was created with; omit one of them\n",
    )


def test_a_file_that_is_not_usable_is_reported_by_the_command(file: Path) -> None:
    file.write_text("no database, " * 100)
    assert refused("--db", str(file)) == (2, f"Error: {file}: file is not a database\n")


def refused(*arguments: str) -> tuple[int, str]:
    """Exit code and text of a command that does not start."""
    command = [sys.executable, "-m", "enos_ota.cli", "simulate", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def control(url: str, path: str, body: object) -> None:
    """One POST to the control API."""
    assert requests.post(f"{url}/_simulator/{path}", json=body, timeout=9).ok
