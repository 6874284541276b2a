"""`enos-ota jobs`: which OTA jobs there are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.simulator import JOB, RunningSimulator, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.stack_project import Project
    from tests.unit.cli.conftest import Reach, Run

HOSTILE = "[red]\x1b[31mred\x1b[0m[/]\n=1+1 \u202elast"
SHOWN = r"[red]\x1b[31mred\x1b[0m[/]\n=1+1 \u202elast"


def a_job(job_id: str, version: str, **more: Any) -> dict[str, Any]:
    return {"jobId": job_id, "name": f"Pumps {version}", "firmwareVersion": version, "tasks": [], **more}


FLEET: dict[str, Any] = {
    "jobs": [
        a_job(JOB, "2.3.0", createTime=3, upgradePolicy="incremental", retryPolicy={"enableRetry": True}),
        a_job("j-stopped", "2.3.0", createTime=2, status="stopped"),
        a_job("j-quote", "it's", createTime=1),
    ]
}


@pytest.fixture(scope="module")
def fleet() -> Iterator[RunningSimulator]:
    with running_simulator(FLEET) as simulator:
        yield simulator


def ids(output: str) -> list[str]:
    return [job["jobId"] for job in json.loads(output)]


def test_it_lists_jobs_newest_first_with_what_one_chooses_by(fleet: RunningSimulator, reach: Reach, run: Run) -> None:
    reach(fleet)
    result = run("jobs")
    lines = result.stdout.splitlines()
    assert (result.exit_code, result.stderr) == (0, "")
    assert lines[0].split() == ["NAME", "JOB", "FIRMWARE", "PRODUCT", "STATUS", "POLICY", "AGE"]
    assert [line.split()[2] for line in lines[1:]] == [JOB, "j-stopped", "j-quote"]
    assert "started  incremental, retries  " in lines[1]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ((), [JOB, "j-stopped", "j-quote"]),
        (("--firmware-version", "2.3.0"), [JOB, "j-stopped"]),
        (("--status", "stopped"), ["j-stopped"]),
        (("--firmware-version", "2.3.0", "--status", "started"), [JOB]),
        (("--firmware-version", "it's"), ["j-quote"]),  # no search can hold both kinds of quotes; one it can
        (("--firmware-version", "'\""), []),
        (("--firmware-version", "9"), []),
    ],
)
def test_json_is_one_list_of_what_was_asked_for(
    fleet: RunningSimulator, reach: Reach, run: Run, arguments: tuple[str, ...], found: list[str]
) -> None:
    reach(fleet)
    result = run("jobs", "--format", "json", *arguments)
    assert (result.exit_code, result.stderr, ids(result.stdout)) == (0, "", found)


def test_a_job_in_json_has_enoss_own_names(fleet: RunningSimulator, reach: Reach, run: Run) -> None:
    reach(fleet)
    job = json.loads(run("jobs", "--format", "json").stdout)[0]
    assert {name: job[name] for name in ("name", "status", "upgradePolicy", "automaticRetry", "createTime")} == {
        "name": "Pumps 2.3.0",
        "status": "started",
        "upgradePolicy": "incremental",
        "automaticRetry": True,
        "createTime": 3,
    }


def test_no_job_is_said_beside_the_output(fleet: RunningSimulator, reach: Reach, run: Run) -> None:
    reach(fleet)
    result = run("jobs", "--firmware-version", "9")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No job was found.\n")


def test_nothing_in_a_name_is_obeyed(reach: Reach, run: Run) -> None:
    with running_simulator({"jobs": [a_job("j", "1", name=HOSTILE)]}) as simulator:
        reach(simulator)
        table, listed = run("jobs").stdout, run("jobs", "--format", "json").stdout
    assert SHOWN in table
    assert (table + listed).replace("\n", "").isprintable()
    assert json.loads(listed)[0]["name"] == HOSTILE


def on_a_terminal(columns: int) -> str:
    """What `enos-ota jobs` shows on a terminal of this width."""
    terminal, stdout = os.openpty()
    command = [sys.executable, "-m", "enos_ota.cli", "jobs"]
    done = subprocess.run(command, stdout=stdout, env=os.environ | {"COLUMNS": str(columns)}, timeout=60, check=False)
    os.write(stdout, b"|")
    shown = b""
    while not shown.endswith(b"|"):
        shown += os.read(terminal, 4096)
    os.close(stdout)
    os.close(terminal)
    assert done.returncode == 0
    return shown.decode()


def test_on_a_terminal_nothing_in_a_name_is_obeyed_either(reach: Reach) -> None:
    with running_simulator({"jobs": [a_job("j", "1", name=HOSTILE)]}) as simulator:
        reach(simulator)
        shown = on_a_terminal(200)
    assert SHOWN in shown
    assert "\x1b[31m" not in shown


def test_on_a_narrow_terminal_an_id_can_still_be_copied(reach: Reach) -> None:
    with running_simulator({"jobs": [a_job(JOB, "2.3.0", name="A firmware for every pump " * 4)]}) as simulator:
        reach(simulator)
        assert JOB in on_a_terminal(80)


def test_without_a_gateway_it_is_a_matter_of_configuration(project: Project, run: Run) -> None:
    project.write("{}")
    result = run("jobs")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no gateway: set enos:apiGateway in the stack file or ENOS_API_GATEWAY in the environment" in result.stderr


def test_of_several_stacks_one_must_be_named_where_the_environment_does_not_do(project: Project, run: Run) -> None:
    for name in ("dev", "prod"):
        project.write("{}")
        (project.root / "stacks" / f"Pulumi.{name}.yaml").write_text("config: {}\n")
    result = run("jobs")
    assert result.exit_code == 2
    assert "stacks has several stacks (dev, prod): name one with --stack, or set PULUMI_STACK" in result.stderr


def test_with_a_wrong_secret_nothing_is_found_out_and_nothing_is_written(
    fleet: RunningSimulator, reach: Reach, run: Run
) -> None:
    reach(fleet, ENOS_APP_SECRET="99998888-7777")
    result = run("jobs")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("Error: EnOS refused token/get: 1003")
    assert "99998888" not in result.stderr


def test_the_stack_file_alone_does(fleet: RunningSimulator, project: Project, run: Run) -> None:
    settings = {"apiGateway": fleet.url, "orgId": fleet.org_id, "appKey": fleet.app_key, "appSecret": fleet.app_secret}
    project.write("".join(f"enos:{name}: {value}\n" for name, value in settings.items()))
    assert ids(run("jobs", "--stack", "prod", "--format", "json").stdout) == [JOB, "j-stopped", "j-quote"]
