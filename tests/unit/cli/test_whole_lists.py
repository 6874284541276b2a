"""No command takes a part of a list for all of it: exit 3 in every format, and no key file is written."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.harness.reconciling import fleet_of, many
from tests.harness.scripted_server import ScriptedServer, ok, rows
from tests.harness.simulator import JOB, running_simulator

if TYPE_CHECKING:
    from tests.harness.stack_project import Project
    from tests.unit.cli.conftest import Reach, Run

FORMATS = ["table", "csv", "json", "keys", "yaml"]
KEY_FILES = ["keys", "yaml"]
BILLION = 10**9


def reaching(server: ScriptedServer) -> dict[str, str]:
    return {"ENOS_API_GATEWAY": server.url, "ENOS_ORG_ID": "o1", "ENOS_APP_KEY": "key", "ENOS_APP_SECRET": "secret"}


def a_page(first: int, number: int, *, total: int) -> bytes:
    tasks = (
        {"deviceKey": f"dk-{at}", "taskId": f"t-{at}", "jobId": JOB, "status": "init"}
        for at in range(first, first + number)
    )
    return rows(*tasks, total=total)


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize(
    ("pages", "why"),
    [
        pytest.param(
            [a_page(0, 200, total=1000)] * 2,
            "page 2 repeats rows of the pages before it",
            id="a service that ignores pageNo",
        ),
        pytest.param(
            [a_page(0, 200, total=BILLION), a_page(0, 0, total=BILLION)],
            f"EnOS reports {BILLION}, but its pages have 200",
            id="empty pages below a total without sense",
        ),
        pytest.param([a_page(0, 7, total=8)], "EnOS reports 8, but its pages have 7", id="one row too few"),
    ],
)
def test_tasks_whose_pages_do_not_add_up_after_a_second_look_are_no_list(
    run: Run, pages: list[bytes], why: str, output: str
) -> None:
    with ScriptedServer([ok({"jobId": JOB}), *pages, *pages]) as server:
        result = run("tasks", "-j", JOB, "--format", output, **reaching(server))
    assert result.exit_code == 3
    assert result.stderr.startswith(f"Error: The list of tasks of job {JOB} is not complete: {why}.")
    if output in KEY_FILES:
        assert result.stdout == ""


@pytest.mark.parametrize("output", FORMATS)
def test_tasks_that_moved_while_they_were_read_are_whole_after_a_second_look(run: Run, output: str) -> None:
    pages = [a_page(0, 200, total=201), a_page(0, 0, total=201), a_page(0, 200, total=201), a_page(200, 1, total=201)]
    with ScriptedServer([ok({"jobId": JOB}), *pages]) as server:
        result = run("tasks", "-j", JOB, "--format", output, **reaching(server))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("dk-200") == 1
    assert len(re.findall(r"\bdk-7\b", result.stdout)) == 1


@pytest.mark.parametrize("total_cap", [0, 200])
@pytest.mark.parametrize("output", FORMATS)
def test_tasks_beyond_a_search_window_are_an_error_that_says_what_to_do(
    run: Run, reach: Reach, output: str, total_cap: int
) -> None:
    with running_simulator(many(500), max_window=200, total_cap=total_cap) as simulator:
        reach(simulator)
        result = run("tasks", "-j", JOB, "--status", "init", "--format", output)
    at_least = total_cap or 500
    assert result.exit_code == 3
    assert f"is not complete: EnOS refused rows beyond row 200 of at least {at_least}. " in result.stderr
    assert "99400" in result.stderr
    assert result.stderr.endswith("Read fewer rows (`enos-ota tasks --status …`), or have this limit of EnOS raised.\n")
    if output in KEY_FILES:
        assert result.stdout == ""


@pytest.mark.parametrize("output", FORMATS)
def test_a_total_that_is_capped_ends_no_list(run: Run, reach: Reach, output: str) -> None:
    with running_simulator(many(500), total_cap=200) as simulator:
        reach(simulator)
        result = run("tasks", "-j", JOB, "--format", output)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "k0499" in result.stdout


@pytest.mark.parametrize("output", ["table", "json"])
def test_jobs_beyond_a_search_window_are_an_error(run: Run, reach: Reach, output: str) -> None:
    fleet = {"jobs": [{"jobId": f"j{number}", "tasks": []} for number in range(3)]}
    with running_simulator(fleet, max_window=2) as simulator:
        reach(simulator)
        result = run("jobs", "--format", output)
    assert result.exit_code == 3
    assert "The list of jobs is not complete: EnOS refused rows beyond row 2 of at least 3. " in result.stderr


def test_jobs_of_a_service_that_ignores_the_page_are_an_error(run: Run) -> None:
    page = rows(*({"jobId": f"j{number}"} for number in range(200)), total=1000)
    with ScriptedServer([page] * 4) as server:
        result = run("jobs", "--format", "json", **reaching(server))
    assert (result.exit_code, result.stderr.count("The list of jobs is not complete: page 2 repeats rows")) == (3, 1)


def test_a_set_of_a_part_of_what_is_cancelled_is_not_adopted(run: Run, reach: Reach, project: Project) -> None:
    project.write("enos:batchSize: 200\n")
    before = project.file.read_bytes()
    tasks = [{"deviceKey": f"k{number}", "status": "cancelled"} for number in range(3)]
    with running_simulator(fleet_of(*tasks), max_window=2) as simulator:
        reach(simulator)
        result = run("adopt", "--job", JOB)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "EnOS refused rows beyond row 2 of at least 3." in result.stderr
    assert (project.file.read_bytes(), list(project.root.glob("stacks/keys/*"))) == (before, [])


def test_a_key_that_only_the_whole_job_shows_is_not_retried_while_the_job_cannot_be_read_whole(
    run: Run, reach: Reach, project: Project
) -> None:
    project.write("enos:batchSize: 200\n")
    (project.root / "these.txt").write_text("it's\n")
    tasks = [{"deviceKey": key, "status": "cancelled"} for key in ("a", "it's", "z")]
    with running_simulator(fleet_of(*tasks), max_window=2) as simulator:
        reach(simulator)
        result = run("retry", "--job", JOB, "--keys", "these.txt", "--expect", "1", "--reason", "INC-4711 is over")
        assert simulator.journal() == []
    assert result.exit_code == 3
    assert "1 key that no search can name could not be looked up: The list of tasks of job" in result.stderr


def test_the_doctor_says_that_it_saw_the_texts_of_a_part_of_the_failed_tasks(
    run: Run, reach: Reach, project: Project
) -> None:
    project.write("enos:batchSize: 200\n")
    tasks = [{"deviceKey": f"k{number}", "status": "failed"} for number in range(3)]
    with running_simulator(fleet_of(*tasks), max_window=2) as simulator:
        reach(simulator)
        result = run("doctor", "--job", JOB, "--format", "json")
    (found,) = [each for each in json.loads(result.stdout)["checks"] if each["check"] == "marker text"]
    assert found["text"].endswith("(of the first 2)")
