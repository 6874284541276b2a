"""`enos-ota adopt` declares what is cancelled already, and sends nothing."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from enos_ota.settings import read_stack_file
from tests.harness.reconciling import fleet_of
from tests.harness.simulator import JOB, running_simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack_project import Project

    Run = Callable[..., Result]
    Reach = Callable[..., None]


@pytest.fixture
def simulator(reach: Reach, project: Project) -> Iterator[RunningSimulator]:
    project.write("enos-ota:preflight: auto # as usual\n")
    with running_simulator() as running:
        reach(running)
        yield running


def declared(project: Project) -> dict[str, tuple[str, ...]]:
    sets, problems = read_stack_file(project.file, {})
    assert problems == ()
    return {each.name: each.device_keys for each in sets}


def task(key: str, status: str, **more: Any) -> dict[str, Any]:
    return {"deviceKey": key, "status": status, **more}


def test_what_reads_as_cancelled_becomes_a_set_and_nothing_is_sent(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    simulator.set_tasks(JOB, ["dk-03"], "cancelled")
    ended = run("adopt", "--job", JOB, "--reason", "INC-4711")
    assert ended.exit_code == 0
    assert declared(project) == {"pump-firmware-2.3.0": ("dk-03", "dk-11")}
    assert simulator.journal() == []
    (found,), _ = read_stack_file(project.file, {})
    assert (found.job_id, found.reason, found.expect_firmware_version) == (JOB, "INC-4711", "2.3.0")


@pytest.mark.usefixtures("simulator")
def test_it_says_what_to_commit(run: Run) -> None:
    ended = run("adopt", "--job", JOB)
    files = "stacks/prod/pump-firmware-2.3.0.txt stacks/prod/pump-firmware-2.3.0.yaml"
    assert f"git add -- {files}\n" in ended.stdout


@pytest.mark.usefixtures("simulator")
def test_a_dry_run_shows_what_would_be_written_and_writes_nothing(run: Run, project: Project) -> None:
    before = project.file.read_bytes()
    ended = run("adopt", "--job", JOB, "--dry-run")
    assert ended.exit_code == 0
    assert "\n  dk-11\n" in ended.stdout
    assert f'\n  jobId: "{JOB}"\n' in ended.stdout
    assert (project.file.read_bytes(), (project.root / "stacks" / "prod").exists()) == (before, False)


def test_nothing_cancelled_is_a_no_and_nothing_is_written(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    simulator.set_tasks(JOB, ["dk-11"], "failed")
    before = project.file.read_bytes()
    ended = run("adopt", "--job", JOB)
    assert (ended.exit_code, project.file.read_bytes()) == (1, before)
    assert "no task reads as cancelled, so there is nothing to adopt" in ended.stderr


def test_what_a_set_declares_already_is_left_there_and_told(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    project.write("", sets=f'- {{name: mine, jobId: "{JOB}", deviceKeys: [dk-11, dk-01]}}')
    simulator.set_tasks(JOB, ["dk-03"], "cancelled")
    ended = run("adopt", "--job", JOB)
    assert "1 device key declared already, in set 'mine'\n" in ended.stdout
    assert declared(project) == {"mine": ("dk-01", "dk-11"), "pump-firmware-2.3.0": ("dk-03",)}


@pytest.mark.usefixtures("simulator")
def test_a_second_time_there_is_nothing_left_to_adopt(run: Run, project: Project) -> None:
    run("adopt", "--job", JOB)
    before = project.file.read_bytes()
    ended = run("adopt", "--job", JOB)
    assert (ended.exit_code, project.file.read_bytes()) == (0, before)
    assert "Nothing to adopt: sets declare all of them already." in ended.stdout


@pytest.mark.usefixtures("simulator")
def test_a_machine_gets_one_line_of_json(run: Run) -> None:
    assert json.loads(run("adopt", "--job", JOB, "--format", "json").stdout) == {
        "stack": "prod",
        "job": JOB,
        "cancelled": 1,
        "set": "pump-firmware-2.3.0",
        "adopted": ["dk-11"],
        "declaredAlready": {},
        "files": ["stacks/prod/pump-firmware-2.3.0.txt", "stacks/prod/pump-firmware-2.3.0.yaml"],
        "dryRun": False,
        "programReadsSets": None,
        "exitCode": 0,
    }


@pytest.mark.usefixtures("simulator")
def test_a_job_that_is_not_there_is_a_no(run: Run) -> None:
    ended = run("adopt", "--job", "nowhere")
    assert (ended.exit_code, "24404" in ended.stderr) == (1, True)


@pytest.mark.usefixtures("simulator")
def test_a_hostile_job_id_is_never_obeyed(run: Run) -> None:
    ended = run("adopt", "--job", "\x1b[31m\u202e")
    assert (ended.exit_code, "U+001B" in ended.stderr) == (2, True)


@pytest.mark.usefixtures("simulator")
def test_a_stack_that_is_not_there_is_no_new_one(run: Run, project: Project) -> None:
    ended = run("adopt", "--job", JOB, "--stack", "prdo")
    assert ended.exit_code == 2
    assert "Pulumi.prdo.yaml: there is no such file; the stacks here are prod" in ended.stderr
    assert not project.file.with_name("Pulumi.prdo.yaml").exists()


@pytest.mark.usefixtures("simulator")
def test_a_set_of_a_stack_without_a_stack_file_is_written_and_no_stack_file(run: Run, project: Project) -> None:
    project.file.unlink()
    assert run("adopt", "--job", JOB, "--stack", "prod").exit_code == 0
    (found,), _ = read_stack_file(project.file, {})
    assert (found.device_keys, project.file.exists()) == (("dk-11",), False)


@pytest.mark.usefixtures("simulator")
def test_a_broken_stack_file_is_configuration_and_nothing_is_written(run: Run, project: Project) -> None:
    project.write("", sets="- {name: a}")
    before = project.file.read_bytes()
    ended = run("adopt", "--job", JOB)
    assert (ended.exit_code, project.file.read_bytes()) == (2, before)
    assert "jobId is missing" in ended.stderr


def test_a_key_under_two_products_is_adopted_if_all_its_tasks_are_cancelled(
    run: Run, reach: Reach, project: Project
) -> None:
    project.write("enos-ota:preflight: auto\n")
    fleet = fleet_of(task("k1", "cancelled"), task("k2", "cancelled"))
    with running_simulator(fleet, same_key_two_products="on") as running:
        reach(running)
        assert run("adopt", "--job", JOB).exit_code == 0
    assert [*declared(project).values()] == [("k1", "k2")]


@pytest.mark.parametrize("other", ["init", "upgrading", "succeeded", "failed"])
def test_a_key_that_is_cancelled_under_one_product_and_not_under_another_is_skipped_and_reported(
    run: Run, reach: Reach, project: Project, other: str
) -> None:
    project.write("enos-ota:preflight: auto\n")
    tasks = [task("k1", "cancelled"), task("k1", other, productKey="Other123"), task("k2", "cancelled")]
    with running_simulator(fleet_of(*tasks)) as running:
        reach(running)
        ended = run("adopt", "--job", JOB)
    assert (ended.exit_code, [*declared(project).values()]) == (0, [("k2",)])
    assert "k1 skipped: the job has it under several products, and not all of its tasks are cancelled" in ended.stderr


def test_only_keys_of_which_one_of_two_tasks_is_cancelled_are_a_no_and_nothing_is_written(
    run: Run, reach: Reach, project: Project
) -> None:
    project.write("enos-ota:preflight: auto\n")
    before = project.file.read_bytes()
    with running_simulator(fleet_of(task("k1", "cancelled"), task("k1", "init", productKey="Other123"))) as running:
        reach(running)
        ended = run("adopt", "--job", JOB)
    assert (ended.exit_code, project.file.read_bytes()) == (1, before)
    assert "k1 skipped: " in ended.stderr
    assert "no other cancelled task. No file was written." in ended.stderr


@pytest.mark.parametrize("switches", [{"cancelled_marker": "用户取消"}, {"cancelled_as": "canceled"}])
def test_another_text_for_cancelled_and_a_literal_status_are_known(
    run: Run, reach: Reach, project: Project, switches: dict[str, Any]
) -> None:
    project.write('enos:cancelledMarkers: ["用户取消"]\n')
    with running_simulator(**switches) as running:
        reach(running)
        assert run("adopt", "--job", JOB).exit_code == 0
    assert [*declared(project).values()] == [("dk-11",)]


def test_hostile_keys_and_names_are_written_as_they_are_and_never_obeyed(
    run: Run, reach: Reach, project: Project
) -> None:
    keys = ["# no comment", " blank ", "0012345", "no", "a: b", 'x"y', "x'y", "a\u00a0bc", "<b>&"]
    tasks = [task(key, "cancelled") for key in [*keys, "\u202eabc"]]
    fleet = fleet_of(*tasks, name="\x1b[31mPump\n- {name: 'x'}\u202e")
    project.write("enos-ota:preflight: auto\n")
    with running_simulator(fleet) as running:
        reach(running)
        ended = run("adopt", "--job", JOB, "--reason", "\u202eno: '0x1F' # \"x\"")
    assert ended.exit_code == 0
    assert [*declared(project).values()] == [tuple(sorted(keys))]
    assert not set("\x1b\u202e") & set(ended.output)


def test_a_cancelled_task_without_a_device_key_is_skipped_and_named_by_its_id(
    run: Run, reach: Reach, project: Project
) -> None:
    project.write("enos-ota:preflight: auto\n")
    with running_simulator(fleet_of(task(" ", "cancelled"), task("dk-01", "cancelled"))) as running:
        reach(running)
        ended = run("adopt", "--job", JOB)
    assert (ended.exit_code, [*declared(project).values()]) == (0, [("dk-01",)])
    assert re.search(r"^task \S+ without a device key skipped: its key is empty$", ended.stderr, re.MULTILINE)


def test_keys_that_no_set_can_hold_are_skipped_and_reported(run: Run, reach: Reach, project: Project) -> None:
    fleet = fleet_of(task("a\x1b[31m", "cancelled"), task("b", "cancelled"), task("x" * 300, "cancelled"))
    project.write("enos-ota:preflight: auto\n")
    with running_simulator(fleet) as running:
        reach(running)
        ended = run("adopt", "--job", JOB)
    assert (ended.exit_code, [*declared(project).values()]) == (0, [("b",)])
    assert "skipped: its key has control characters" in ended.stderr
    assert "\x1b" not in ended.output


def test_a_service_that_allows_small_pages_only_is_read_too(run: Run, reach: Reach, project: Project) -> None:
    project.write("enos-ota:preflight: auto\n")
    fleet = fleet_of(*(task(f"k{n:02}", "cancelled") for n in range(40)))
    with running_simulator(fleet, max_page=7) as running:
        reach(running)
        assert run("adopt", "--job", JOB).exit_code == 0
    assert [len(keys) for keys in declared(project).values()] == [40]


def test_a_set_that_exists_gets_no_keys_but_the_new_set_a_number(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    project.write("", sets=f'- {{name: mine, jobId: "{JOB}", deviceKeys: [dk-01]}}')
    before = project.file.read_bytes()
    assert run("adopt", "--job", JOB, "--name", "mine").exit_code == 0
    assert declared(project) == {"mine": ("dk-01",), "mine-2": ("dk-11",)}
    assert (project.file.read_bytes(), simulator.journal()) == (before, [])
