"""`enos-ota tasks`: the tasks of a job, for people, spreadsheets, programs, and as a key file."""

from __future__ import annotations

import csv
import io
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from enos_ota.devicekeys import reader as keyfiles
from tests.harness.scripted_server import ScriptedServer, ok, refusal, rows
from tests.harness.simulator import JOB, RunningSimulator, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.cli.conftest import Reach, Run

WAITING = [f"dk-{number:02}" for number in range(1, 8)]
EVERYTHING = [f"dk-{number:02}" for number in range(1, 12)]
HOUR = 3_600_000
"""In ms, as EnOS counts."""

HOSTILE = "[red]\x1b[31mred\n=1+1"


def fleet_of(*tasks: dict[str, Any]) -> dict[str, Any]:
    return {"jobs": [{"jobId": JOB, "firmwareVersion": "2.3.0", "tasks": list(tasks)}]}


@pytest.fixture(scope="module")
def fleet() -> Iterator[RunningSimulator]:
    with running_simulator() as simulator:
        yield simulator


def keys_of(output: str) -> list[str]:
    return [line for line in output.splitlines() if not line.startswith("#")]


def test_a_table_tells_state_and_text_of_every_task(fleet: RunningSimulator, reach: Reach, run: Run) -> None:
    reach(fleet)
    result = run("tasks", "--job", JOB)
    lines = result.stdout.splitlines()
    assert (result.exit_code, result.stderr) == (0, "")
    assert lines[0].split() == ["DEVICE", "STATUS", "PROGRESS", "FROM", "TO", "TEXT", "AGE"]
    assert [line.split()[0] for line in lines[1:]] == EVERYTHING
    # What reads as cancelled is called so: EnOS has no state for it.
    assert [line.split()[1] for line in lines[-2:]] == ["failed", "cancelled"]


@pytest.mark.parametrize(
    ("statuses", "found"),
    [
        ((), EVERYTHING),
        (("init", "published"), WAITING),
        (("upgrading",), ["dk-08"]),
        (("failed",), ["dk-10", "dk-11"]),
        (("cancelled",), ["dk-11"]),
        (("cancelled", "succeeded"), ["dk-09", "dk-11"]),
    ],
)
def test_only_tasks_in_the_states_that_were_asked_for(
    fleet: RunningSimulator, reach: Reach, run: Run, statuses: tuple[str, ...], found: list[str]
) -> None:
    reach(fleet)
    result = run(
        "tasks", "-j", JOB, "--format", "json", *(word for status in statuses for word in ("--status", status))
    )
    assert [task["deviceKey"] for task in json.loads(result.stdout)] == found


def test_a_literal_cancelled_status_counts_as_cancelled(reach: Reach, run: Run) -> None:
    with running_simulator(cancelled_as="canceled") as simulator:
        reach(simulator)
        result = run("tasks", "-j", JOB, "--status", "cancelled", "--format", "json")
    assert [(task["deviceKey"], task["status"], task["cancelled"]) for task in json.loads(result.stdout)] == [
        ("dk-11", "canceled", True)
    ]


def test_a_job_that_does_not_exist_is_a_no(fleet: RunningSimulator, reach: Reach, run: Run) -> None:
    reach(fleet)
    result = run("tasks", "-j", "nope", "--format", "csv")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: EnOS refused get (job nope): 24404 Job not found")


# Key files.


@pytest.mark.parametrize("output", ["keys", "yaml"])
def test_a_key_file_of_everything_that_waits_can_be_declared_as_it_is(
    fleet: RunningSimulator, reach: Reach, run: Run, tmp_path: Path, output: str
) -> None:
    name = {"keys": "j.txt", "yaml": "j.yaml"}[output]
    reach(fleet)
    result = run("tasks", "-j", JOB, "--status", "init", "--status", "published", "--format", output)
    (tmp_path / name).write_bytes(result.stdout_bytes)
    assert (result.exit_code, result.stderr) == (0, "")
    assert list(keyfiles.read_key_file(tmp_path / name)) == WAITING


def test_a_key_file_says_where_its_keys_come_from(fleet: RunningSimulator, reach: Reach, run: Run) -> None:
    reach(fleet)
    first = run(
        "tasks", "-j", JOB, "--status", "published", "--status", "init", "--format", "keys"
    ).stdout.splitlines()[0]
    assert first == f"# Tasks of job {JOB} that were init or published, on {fleet.url}; by `enos-ota tasks`"


@pytest.mark.parametrize("output", ["keys", "yaml"])
def test_a_key_file_without_a_key_is_not_written(fleet: RunningSimulator, reach: Reach, run: Run, output: str) -> None:
    fleet.set_tasks(JOB, ["dk-08"], "succeeded")
    reach(fleet)
    result = run("tasks", "-j", JOB, "--status", "upgrading", "--format", output)
    fleet.set_tasks(JOB, ["dk-08"], "upgrading")
    assert (result.exit_code, result.stdout, result.stderr) == (
        1,
        "",
        f"Error: Job {JOB} has no task that is upgrading: there is nothing to write.\n",
    )


@pytest.mark.parametrize("key", ["#1", " dk", "dk "])
def test_a_key_that_a_txt_cannot_hold_is_refused_and_fits_into_yaml(
    reach: Reach, run: Run, tmp_path: Path, key: str
) -> None:
    with running_simulator(fleet_of({"deviceKey": key}, {"deviceKey": "dk-01"})) as simulator:
        reach(simulator)
        refused, written = run("tasks", "-j", JOB, "--format", "keys"), run("tasks", "-j", JOB, "--format", "yaml")
    (tmp_path / "j.yaml").write_bytes(written.stdout_bytes)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "Use --format yaml." in refused.stderr
    assert list(keyfiles.read_key_file(tmp_path / "j.yaml")) == sorted([key, "dk-01"])


@pytest.mark.parametrize("output", ["table", "keys", "yaml"])
def test_a_task_without_a_device_key_is_named_by_its_id(run: Run, output: str) -> None:
    keyless = {"jobId": JOB, "taskId": "t-17", "status": "init"}
    with ScriptedServer([ok({"jobId": JOB}), rows(keyless, total=1)]) as server:
        result = run("tasks", "-j", JOB, "--format", output, **reaching(server))
    assert "task t-17 without a device key" in result.output


@pytest.mark.parametrize("output", ["keys", "yaml"])
def test_a_key_that_no_set_may_have_is_refused(run: Run, output: str) -> None:
    with ScriptedServer(
        [ok({"jobId": JOB}), rows({"deviceKey": "a\nb", "jobId": JOB, "taskId": "t", "status": "init"}, total=1)]
    ) as server:
        result = run("tasks", "-j", JOB, "--format", output, **reaching(server))
    assert (result.exit_code, result.stdout) == (1, "")
    assert r"1 task of job 65a1b2c3d4e5f60718293a4b cannot be in a set ('a\nb')" in result.stderr


def test_one_key_of_two_products_is_written_once_and_said(reach: Reach, run: Run) -> None:
    with running_simulator(same_key_two_products="on") as simulator:
        reach(simulator)
        result = run("tasks", "-j", JOB, "--status", "init", "--status", "published", "--format", "keys")
    assert keys_of(result.stdout) == WAITING
    assert result.stderr == (
        "1 device key of this job with several products ('dk-01'). A cancel cannot tell them apart:"
        " `pulumi up` will call this ambiguous and not send it.\n"
    )


# Tables for machines.


def test_csv_has_a_row_a_task_in_utf_8_with_a_devicekey_column(reach: Reach, run: Run, tmp_path: Path) -> None:
    with running_simulator(fleet_of({"deviceKey": "泵,01"}, {"deviceKey": 'say "hi"'})) as simulator:
        reach(simulator)
        result = run("tasks", "-j", JOB, "--format", "csv", LC_ALL="C", PYTHONIOENCODING="ascii")
    (tmp_path / "j.csv").write_bytes(result.stdout_bytes)
    assert (result.exit_code, result.stderr) == (0, "")
    assert set(keyfiles.read_key_file(tmp_path / "j.csv")) == {"泵,01", 'say "hi"'}


def tasks_updated(*moments: int | None) -> list[bytes]:
    tasks = (
        {"deviceKey": f"dk-{at}", "jobId": JOB, "taskId": f"t-{at}", "status": "upgrading", "updateTime": moment}
        for at, moment in enumerate(moments)
    )
    return [ok({"jobId": JOB}), rows(*tasks, total=len(moments))]


def test_the_table_tells_how_long_ago_a_task_changed(run: Run) -> None:
    """So that `--status upgrading` says since when; a time that EnOS does not tell is left out."""
    now = int(time.time() * 1000)
    with ScriptedServer(tasks_updated(now - 3 * HOUR - 10_000, now - 2 * 24 * HOUR - 10_000, None)) as server:
        lines = run("tasks", "--job", JOB, "--status", "upgrading", **reaching(server)).stdout.splitlines()
    assert lines[0].endswith("  AGE")
    assert [line[lines[0].index("AGE") :] for line in lines[1:]] == ["3 h", "2 d", ""]


def test_csv_has_times_in_utc_and_json_those_of_enos(run: Run) -> None:
    found = {}
    for output in ("csv", "json"):
        with ScriptedServer(tasks_updated(1_796_099_761_250, None)) as server:
            found[output] = run("tasks", "--job", JOB, "--format", output, **reaching(server)).stdout
    assert [row["updateTime"] for row in csv.DictReader(io.StringIO(found["csv"]))] == ["2026-12-01T04:36:01.250Z", ""]
    assert [row["updateTime"] for row in json.loads(found["json"])] == [1_796_099_761_250, None]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_no_spreadsheet_computes_what_is_in_a_text(reach: Reach, run: Run, text: str) -> None:
    with running_simulator(fleet_of({"deviceKey": "dk-01", "status": "failed", "desc": text})) as simulator:
        reach(simulator)
        (row,) = csv.DictReader(io.StringIO(run("tasks", "-j", JOB, "--format", "csv").stdout))
    assert row["desc"] == f"'{text}"


def test_a_key_that_had_to_be_changed_for_spreadsheets_is_said(reach: Reach, run: Run) -> None:
    with running_simulator(fleet_of({"deviceKey": "=1+1"}, {"deviceKey": "dk-01"})) as simulator:
        reach(simulator)
        result = run("tasks", "-j", JOB, "--format", "csv")
    assert "'=1+1," in result.stdout
    assert result.stderr.startswith("1 device key changed in this table: a ' was added")
    assert "The table is no key file; --format keys writes one." in result.stderr


@pytest.mark.parametrize("output", ["table", "csv", "json"])
def test_nothing_in_a_text_is_obeyed(reach: Reach, run: Run, output: str) -> None:
    with running_simulator(fleet_of({"deviceKey": "dk-01", "status": "failed", "desc": HOSTILE})) as simulator:
        reach(simulator)
        result = run("tasks", "-j", JOB, "--format", output)
    assert result.stdout.replace("\n", "").isprintable()
    assert "[red]" in result.stdout
    if output != "json":
        assert len(result.stdout.splitlines()) == 2
    else:
        assert json.loads(result.stdout)[0]["desc"] == HOSTILE


def test_no_task_is_said_beside_the_output(fleet: RunningSimulator, reach: Reach, run: Run) -> None:
    reach(fleet)
    fleet.add_job({"jobId": "empty", "tasks": []})
    result = run("tasks", "-j", "empty")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "Job empty has no task.\n")


# Long jobs.


def reaching(server: ScriptedServer) -> dict[str, str]:
    return {"ENOS_API_GATEWAY": server.url, "ENOS_ORG_ID": "o1", "ENOS_APP_KEY": "key", "ENOS_APP_SECRET": "secret"}


def a_page(first: int, number: int, *, total: int) -> bytes:
    tasks = ({"deviceKey": f"dk-{at}", "taskId": f"t-{at}", "jobId": JOB} for at in range(first, first + number))
    return rows(*tasks, total=total)


def test_a_service_with_smaller_pages_is_read_too(reach: Reach, run: Run) -> None:
    with running_simulator(max_page=30) as simulator:
        reach(simulator)
        assert len(json.loads(run("tasks", "-j", JOB, "--format", "json").stdout)) == 11
        assert len(json.loads(run("jobs", "--format", "json").stdout)) == 1


@pytest.mark.parametrize(("output", "written"), [("table", 201), ("csv", 201), ("json", 201), ("keys", 0), ("yaml", 0)])
def test_rows_are_written_as_they_come_but_a_key_file_is_never_half_of_one(run: Run, output: str, written: int) -> None:
    with ScriptedServer([ok({"jobId": JOB}), a_page(0, 200, total=400), refusal(99403)]) as server:
        result = run("tasks", "-j", JOB, "--format", output, **reaching(server))
    assert (result.exit_code, len(result.stdout.splitlines())) == (3, written)
    assert result.stderr.startswith("Error: EnOS refused searchTask (job 65a1b2c3d4e5f60718293a4b): 99403")


def test_json_that_was_cut_off_is_no_json(run: Run) -> None:
    with ScriptedServer([ok({"jobId": JOB}), a_page(0, 200, total=400), refusal(99403)]) as server:
        result = run("tasks", "-j", JOB, "--format", "json", **reaching(server))
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(result.stdout)
