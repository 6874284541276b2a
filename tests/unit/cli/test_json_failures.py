"""With `--format json` a machine finds one JSON document on stdout, also when a command fails."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
import pytest

from enos_ota import enos
from enos_ota.cli import COMMANDS, main
from enos_ota.cli.failures import Misconfigured, Refused, as_json, exit_with_message
from tests.harness.scripted_server import ScriptedServer, ok, refusal, rows
from tests.harness.simulator import JOB, RunningSimulator, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result

    from tests.harness.stack_project import Project
    from tests.unit.cli.conftest import Reach, Run

KEYS = "stacks/keys/these.txt"
LINES = {
    "jobs": (),
    "tasks": ("--job", JOB),
    "stop": ("--job", JOB, "--reason", "INC-4711"),
    "cancel": ("--job", JOB, "--reason", "INC-4711", "--keys", KEYS, "--yes", "--expect", "1"),
    "adopt": ("--job", JOB),
    "retry": ("--job", JOB, "--keys", KEYS, "--expect", "1"),
}
"""What works, of each command that has nothing to say of its own when it fails."""
OF_A_JOB = sorted(LINES.keys() - {"jobs"})
WITH_A_FORM_OF_THEIR_OWN = {"review", "validate", "doctor", "simulate"}
SECRET = "99998888-7777"


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningSimulator]:
    with running_simulator() as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def there(project: Project) -> Project:
    project.write("{}")
    (project.root / KEYS).write_text("dk-01\n")
    return project


def failure(result: Result) -> dict[str, Any]:
    """What is on stdout, which says the same as stderr and the exit code."""
    document = json.loads(result.stdout)
    assert document.keys() == {"error", "exitCode"}
    assert document["exitCode"] == result.exit_code
    # stderr may have remarks before it.
    assert result.stderr.endswith(f"Error: {document['error']['message']}\n")
    assert SECRET not in result.output
    assert None not in document["error"].values()
    error: dict[str, Any] = document["error"]
    return error


def has_json(name: str) -> bool:
    command = main.get_command(click.Context(main), name)
    assert command
    return any("json" in getattr(parameter.type, "choices", ()) for parameter in command.params)


def test_every_command_with_json_is_looked_at_here() -> None:
    assert {name for name in COMMANDS if has_json(name)} == LINES.keys() | WITH_A_FORM_OF_THEIR_OWN


@pytest.mark.parametrize("name", sorted(LINES.keys() | WITH_A_FORM_OF_THEIR_OWN))
def test_wrong_usage_is_told(run: Run, name: str) -> None:
    result = run(name, "--nonsense", "--format", "json")
    error = failure(result)
    assert (result.exit_code, [*error]) == (2, ["message"])
    assert error["message"].startswith("No such option")


def test_a_command_that_there_is_not_is_told(run: Run) -> None:
    assert failure(run("jbos", "--format", "json"))["message"].startswith("No such command 'jbos'.")


@pytest.mark.parametrize("name", [*OF_A_JOB, "doctor"])
def test_a_job_that_an_unset_variable_leaves_empty_is_wrong_usage(run: Run, name: str) -> None:
    line = ["" if word == JOB else word for word in LINES.get(name, ("--job", JOB))]
    result = run(name, *line, "--format", "json")
    assert result.exit_code == 2
    assert failure(result)["message"] == "Invalid value for '-j' / '--job': it is empty"


@pytest.mark.parametrize("name", LINES)
def test_a_wrong_configuration_is_told(run: Run, name: str) -> None:
    result = run(name, *LINES[name], "--format", "json")
    assert result.exit_code == 2
    assert "no gateway: set enos:apiGateway" in failure(result)["message"]


@pytest.mark.parametrize("name", LINES)
def test_what_could_not_be_found_out_is_told(shared: RunningSimulator, reach: Reach, run: Run, name: str) -> None:
    reach(shared, ENOS_APP_SECRET=SECRET)
    result = run(name, *LINES[name], "--format", "json")
    error = failure(result)
    assert (result.exit_code, error["code"]) == (3, 1003)
    assert error["message"].startswith("EnOS refused token/get: 1003")


@pytest.mark.parametrize("name", OF_A_JOB)
def test_a_no_of_enos_is_told_with_its_code_and_request_id(
    shared: RunningSimulator, reach: Reach, run: Run, name: str
) -> None:
    reach(shared)
    line = ["nope" if word == JOB else word for word in LINES[name]]
    result = run(name, *line, "--format", "json")
    error = failure(result)
    assert (result.exit_code, error["code"]) == (1, 24404)
    assert error["requestId"] in error["message"]


@pytest.mark.parametrize("name", ["doctor", "validate"])
def test_a_command_with_a_form_of_its_own_keeps_to_it(run: Run, there: Project, name: str) -> None:
    there.write("enos:orgId: 7")
    result = run(name, "--format", "json")
    document = json.loads(result.stdout)
    assert (result.exit_code, "error" in document) == (2, False)


@pytest.mark.parametrize("typed", [("--format", "table"), ("--format=csv",), ("--format", "json", "--format", "keys")])
def test_in_any_other_format_stdout_stays_empty(run: Run, typed: tuple[str, ...]) -> None:
    result = run("tasks", "--job", JOB, *typed)
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("typed", [("--format=json",), ("--format", "table", "--format", "json")])
def test_json_may_be_asked_for_as_click_lets_one(run: Run, typed: tuple[str, ...]) -> None:
    assert "no gateway" in failure(run("jobs", *typed))["message"]


def test_a_list_that_breaks_off_is_not_followed_by_another_document(reach: Reach, run: Run) -> None:
    first = rows({"taskId": "1", "deviceKey": "dk-01", "jobId": JOB, "status": "init"}, total=300, page_size=200)
    with ScriptedServer([ok({"jobId": JOB, "orgId": "o1", "status": "started"}), first, refusal(99403)]) as server:
        scripted = RunningSimulator(server.url, "o1", "key", "secret", 0)
        reach(scripted)
        result = run("tasks", "--job", JOB, "--format", "json")
    assert (result.exit_code, result.stdout.splitlines()[0], "error" in result.stdout) == (3, "[", False)
    assert "99403" in result.stderr


def test_a_mistake_of_ours_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    command = main.get_command(click.Context(main), "jobs")
    assert command

    def fail(**_: object) -> None:
        raise ZeroDivisionError("\x1b[31mred")

    monkeypatch.setattr(command, "callback", fail)
    result = run("jobs", "--format", "json")
    assert (result.exit_code, "This is a mistake in enos-ota" in failure(result)["message"]) == (3, True)


def test_what_is_not_known_is_left_out() -> None:
    assert as_json(Refused("no")) == {"error": {"message": "no"}, "exitCode": 1}
    with pytest.raises(Misconfigured) as caught, exit_with_message():
        raise enos.ConfigurationError("wrong")
    assert as_json(caught.value) == {"error": {"message": "wrong"}, "exitCode": 2}
