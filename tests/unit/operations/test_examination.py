"""`enos-ota doctor`: what it finds, in order, and what it says to do."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from enos_ota.cli import main
from enos_ota.operations.doctor import Finding, FindingState, exit_code
from enos_ota.operations.doctor import examine as run_checks
from enos_ota.operations.doctor.engine import OLDEST, check_engine
from enos_ota.operations.doctor.findings import CONFIGURATION, UNDETERMINED
from tests.harness.authority import Authority
from tests.harness.clock import FakeClock
from tests.harness.scripted_server import ScriptedServer, envelope, free_port, http, ok, refusal, rejection, rows
from tests.harness.simulator import JOB, RunningSimulator, running_simulator
from tests.harness.stack_project import BASE, Project
from toolchain import engine as toolchain_engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from enos_ota.enos import Clock
    from tests.harness.scripted_server import Step

NOT_ALLOWED = envelope({"message": "Your IP address is not allowed"}, 403)
CHECKS = [
    "configuration",
    "stack file",
    "network",
    "TLS",
    "clock",
    "credentials",
    "permission",
    "job",
    "marker text",
    "pulumi",
    "state",
]


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningSimulator]:
    with running_simulator() as simulator:
        yield simulator


def surroundings(simulator: RunningSimulator | ScriptedServer, **other: str) -> dict[str, str]:
    org_id, app_key, app_secret = "o1", "key", "secret"
    if isinstance(simulator, RunningSimulator):
        org_id, app_key, app_secret = simulator.org_id, simulator.app_key, simulator.app_secret
    return {
        "ENOS_API_GATEWAY": simulator.url,
        "ENOS_ORG_ID": org_id,
        "ENOS_APP_KEY": app_key,
        "ENOS_APP_SECRET": app_secret,
        **other,
    }


def examine(
    directory: Path, environ: dict[str, str], job: str | None = None, clock: Clock | None = None
) -> dict[str, Finding]:
    more = {"clock": clock} if clock else {}
    findings = list(run_checks(directory, None, job, environ, **more))
    assert [finding.check for finding in findings] == CHECKS
    return {finding.check: finding for finding in findings}


def state_of(found: dict[str, Finding], *checks: str) -> list[str]:
    return [found[check].state.value for check in checks]


# Everything is fine.


def test_with_everything_in_order_nothing_fails(shared: RunningSimulator, tmp_path: Path) -> None:
    found = examine(tmp_path, surroundings(shared), JOB)
    assert state_of(found, "configuration", "network", "clock", "credentials", "permission", "job", "marker text") == (
        ["ok"] * 7
    )


def test_it_never_writes(tmp_path: Path) -> None:
    with running_simulator() as simulator:
        examine(tmp_path, surroundings(simulator), JOB)
        assert simulator.journal() == []
        # What is unknown to it is the HEAD by which one learns its time.
        assert simulator.counters() == {"unknown": 1, "token/get": 1, "search": 1, "get": 1, "searchTask": 1}


# Configuration.


def test_it_says_where_each_value_comes_from_and_never_a_secret(project: Project) -> None:
    project.write(BASE + "enos:appKey: the-key\nenos:appSecret: {secure: v1:abc}\n")
    environ = {"ENOS_APP_KEY": "outer-key", "ENOS_APP_SECRET": "hunter2", "ENOS_ORG_ID": "o16172478070561926"}
    found = examine(project.root, environ)["configuration"]
    assert found.details == (
        "enos:apiGateway: stacks/Pulumi.prod.yaml:2",
        "enos:orgId: ENOS_ORG_ID in the environment; stacks/Pulumi.prod.yaml:3",
        "enos:appKey: ENOS_APP_KEY in the environment; stacks/Pulumi.prod.yaml:4, not used",
        "enos:appSecret: ENOS_APP_SECRET in the environment; stacks/Pulumi.prod.yaml:5, encrypted, not used",
        "enos:caBundle: not set",
    )
    assert not {word for word in ("the-key", "outer-key", "hunter2", "v1:abc") if word in str(found)}


def test_a_configuration_that_lacks_something_fails_and_the_rest_is_skipped(tmp_path: Path) -> None:
    found = examine(tmp_path, {}, JOB)
    assert state_of(found, *CHECKS[:-2]) == ["failed", *["skipped"] * 8]
    assert "no gateway: set enos:apiGateway in the stack file" in found["configuration"].details[0]


def test_without_credentials_the_way_to_the_gateway_is_still_looked_at(
    shared: RunningSimulator, tmp_path: Path
) -> None:
    environ = {"ENOS_API_GATEWAY": shared.url, "ENOS_ORG_ID": shared.org_id}
    found = examine(tmp_path, environ, JOB)
    assert state_of(found, "configuration", "network", "credentials") == ["failed", "ok", "skipped"]


def test_several_stacks_of_which_none_was_named_are_told(project: Project) -> None:
    for name in ("dev", "prod"):
        project.write(BASE)
        (project.root / "stacks" / f"Pulumi.{name}.yaml").write_text(project.file.read_text())
    found = examine(project.root, {})["configuration"]
    assert "no stack was named; there are dev, prod" in found.details


def test_problems_of_the_stack_file_are_told(project: Project) -> None:
    project.write(BASE, sets='- {name: pump, jobId: "1", deviceKeysFile: keys/gone.txt}')
    found = examine(project.root, {"ENOS_APP_KEY": "k", "ENOS_APP_SECRET": "s"})
    assert state_of(found, "stack file") == ["failed"]
    assert "there is no such file" in found["stack file"].details[0]


def test_every_problem_of_a_stack_file_is_told_once_whatever_keeps_it_from_being_used(project: Project) -> None:
    project.write(BASE + "enos:batchSize: many\n", sets='- {name: pump, jobId: "1", deviceKeysFile: keys/gone.txt}')
    found = examine(project.root, {"ENOS_APP_KEY": "k", "ENOS_APP_SECRET": "s"})
    assert state_of(found, "configuration", "stack file") == ["failed", "failed"]
    assert found["configuration"].text == "the stack file has problems, which are listed below"
    assert found["configuration"].details == ()
    batch_size, key_file = found["stack file"].details
    assert ("enos:batchSize must be a whole number" in batch_size, "there is no such file" in key_file) == (True, True)


BROKEN = "config:\n  enos-ota:gaurd: {}\n"


def test_what_lies_behind_a_broken_stack_file_is_looked_at_by_the_environment(
    shared: RunningSimulator, project: Project
) -> None:
    project.file.write_text(BROKEN)
    found = examine(project.root, surroundings(shared), JOB)
    assert state_of(found, "configuration", "stack file", "network", "credentials", "permission", "job") == [
        *["failed"] * 2,
        *["ok"] * 4,
    ]
    assert found["configuration"].advice == "Until then, jobs, tasks, stop and cancel use the environment."


def test_a_broken_stack_file_and_half_an_environment_say_what_would_do(project: Project) -> None:
    project.file.write_text(BROKEN)
    found = examine(project.root, {"ENOS_APP_KEY": "k", "ENOS_APP_SECRET": "s"})
    assert found["network"].text == found["credentials"].text == "the configuration is invalid"
    assert found["configuration"].advice == (
        "To run without the stack file, set ENOS_API_GATEWAY, ENOS_ORG_ID, ENOS_APP_KEY and ENOS_APP_SECRET."
    )


def test_of_very_many_problems_the_rest_is_a_command_away(project: Project) -> None:
    project.write(BASE, sets="\n".join(["- {}"] * 30))
    details = examine(project.root, {"ENOS_APP_KEY": "k", "ENOS_APP_SECRET": "s"})["stack file"].details
    assert (len(details), details[-1]) == (21, "… and 70 more: `enos-ota validate prod`")


def test_a_bundle_that_cannot_be_used_is_a_matter_of_tls(tmp_path: Path) -> None:
    environ = {
        "ENOS_API_GATEWAY": "https://127.0.0.1:1",
        "ENOS_ORG_ID": "o1",
        "ENOS_APP_KEY": "k",
        "ENOS_APP_SECRET": "s",
        "ENOS_CA_BUNDLE": str(tmp_path / "gone.pem"),
    }
    found = examine(tmp_path, environ)
    assert state_of(found, "network", "TLS", "credentials") == ["skipped", "failed", "skipped"]


# Credentials and permission.


def test_a_wrong_secret_is_a_no(shared: RunningSimulator, tmp_path: Path) -> None:
    found = examine(tmp_path, surroundings(shared, ENOS_APP_SECRET="9999-8888"), JOB)
    assert state_of(found, "credentials", "permission", "job") == ["failed", "skipped", "skipped"]
    assert "1003" in found["credentials"].text
    assert "Check enos:appSecret" in found["credentials"].text


class WrongClock:
    """This machine's clock, set wrong."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def time(self) -> float:
        return time.time() + self._seconds

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        raise AssertionError(f"it waits {seconds} s")


def test_a_wrong_clock_is_named_as_the_first_thing_to_set_right(shared: RunningSimulator, tmp_path: Path) -> None:
    found = examine(tmp_path, surroundings(shared), clock=WrongClock(3600))
    assert state_of(found, "clock", "credentials") == ["warning", "failed"]
    assert found["credentials"].advice.startswith("First set this machine's clock: it is 60 min ahead of the gateway's")


def test_an_organization_that_enos_does_not_know_is_a_no(shared: RunningSimulator, tmp_path: Path) -> None:
    found = examine(tmp_path, surroundings(shared, ENOS_ORG_ID="o404"), JOB)
    assert state_of(found, "credentials", "permission", "job") == ["ok", "failed", "skipped"]
    assert found["permission"].advice == "Check enos:orgId (ENOS_ORG_ID)."


def test_an_application_without_permission_is_a_no(tmp_path: Path) -> None:
    app: dict[str, Any] = {"appKey": "key", "appSecret": "secret", "permissions": ["control"]}
    with running_simulator({"apps": [app], "jobs": [{"jobId": JOB, "tasks": []}]}) as simulator:
        found = examine(tmp_path, surroundings(simulator))
    assert state_of(found, "credentials", "permission") == ["ok", "failed"]
    assert "99403" in found["permission"].text


def test_an_enos_that_has_trouble_leaves_it_open(tmp_path: Path) -> None:
    with ScriptedServer([http(404), refusal(99500), refusal(99500)]) as server:
        found = examine(tmp_path, surroundings(server), JOB, clock=FakeClock(time.time()))
    assert state_of(found, "credentials", "permission", "job") == ["ok", "unknown", "skipped"]


def test_a_token_service_that_has_trouble_leaves_it_open(tmp_path: Path) -> None:
    with ScriptedServer([http(404)], tokens=[rejection(1005), rejection(1005)]) as server:
        found = examine(tmp_path, surroundings(server), JOB, clock=FakeClock(time.time()))
    assert state_of(found, "credentials", "permission", "job") == ["unknown", "skipped", "skipped"]


@pytest.mark.parametrize(
    ("script", "tokens", "check", "states"),
    [
        ([http(404)], [NOT_ALLOWED], "credentials", ["failed", "skipped", "skipped"]),
        ([http(404), NOT_ALLOWED], None, "permission", ["ok", "failed", "skipped"]),
        ([http(404), rows(total=0), NOT_ALLOWED], None, "job", ["ok", "ok", "failed"]),
    ],
    ids=["token", "search", "job"],
)
def test_a_refusal_of_the_gateway_is_named(
    tmp_path: Path, script: list[Step], tokens: list[Step] | None, check: str, states: list[str]
) -> None:
    with ScriptedServer(script, tokens=tokens) as server:
        found = examine(tmp_path, surroundings(server), JOB, clock=FakeClock(time.time()))
    assert state_of(found, "credentials", "permission", "job") == states
    assert "HTTP 403 'Your IP address is not allowed'. It was not processed. Have the IP" in found[check].text


def test_through_tls_the_same_is_found(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with ScriptedServer([http(404), rows(total=0)], tls=authority.server()) as server:
        found = examine(tmp_path, surroundings(server, ENOS_CA_BUNDLE=authority.bundle))
    assert state_of(found, "TLS", "credentials", "permission") == ["ok", "ok", "ok"]
    assert found["permission"].text.startswith("jobs of the organization can be read; it has none")


# Whatever EnOS turns out to do where its documentation says nothing.


@pytest.mark.parametrize(
    "switches",
    [{"strict_method": "on"}, {"business_http": "400"}, {"gateway_http": "401"}, {"max_page": 50}, {"index_delay": 2}],
    ids=str,
)
def test_it_finds_everything_in_order_whatever_enos_chose(tmp_path: Path, switches: dict[str, Any]) -> None:
    with running_simulator(**switches) as simulator:
        found = examine(tmp_path, surroundings(simulator), JOB)
    assert state_of(found, "network", "clock", "credentials", "permission", "job", "marker text") == ["ok"] * 6


@pytest.mark.parametrize("status", ["200", "400"])
def test_a_refusal_is_a_no_with_any_http_status(tmp_path: Path, status: str) -> None:
    with running_simulator(business_http=status) as simulator:
        found = examine(tmp_path, surroundings(simulator), "nope")
    assert state_of(found, "permission", "job") == ["ok", "failed"]


@pytest.mark.parametrize("status", ["200", "401"])
def test_a_rejection_by_the_gateway_is_a_no_with_any_http_status(tmp_path: Path, status: str) -> None:
    with running_simulator(gateway_http=status, auth="legacy") as simulator:
        found = examine(tmp_path, surroundings(simulator), JOB)
    assert state_of(found, "credentials", "permission", "job") == ["failed", "skipped", "skipped"]


def test_an_enos_that_throttles_everything_leaves_it_open(tmp_path: Path) -> None:
    with running_simulator() as simulator:
        simulator.fault("throttle", "search")
        found = examine(tmp_path, surroundings(simulator), JOB, clock=FakeClock(time.time()))
    assert state_of(found, "credentials", "permission", "job") == ["ok", "unknown", "skipped"]


# The job and its texts.


def test_a_job_that_does_not_exist_is_a_no(shared: RunningSimulator, tmp_path: Path) -> None:
    found = examine(tmp_path, surroundings(shared), "nope")
    assert state_of(found, "job", "marker text") == ["failed", "skipped"]


@pytest.mark.parametrize(
    ("more", "advice"),
    [
        ({"status": "stopped"}, "The job is stopped: its waiting tasks are on hold"),
        ({"retryPolicy": {"enableRetry": True}}, "EnOS may push cancelled tasks again"),
        ({"upgradePolicy": "incremental"}, "New devices join this job"),
    ],
)
def test_what_is_special_about_a_job_is_told(tmp_path: Path, more: dict[str, Any], advice: str) -> None:
    with running_simulator({"jobs": [{"jobId": JOB, "name": "Pumps", "tasks": [], **more}]}) as simulator:
        found = examine(tmp_path, surroundings(simulator), JOB)["job"]
    assert (found.state, found.advice.startswith(advice)) == (FindingState.WARNING, True)


def failed_tasks(*texts: str) -> dict[str, Any]:
    tasks = [{"deviceKey": f"dk-{at}", "status": "failed", "desc": text} for at, text in enumerate(texts)]
    return {"jobs": [{"jobId": JOB, "tasks": tasks}]}


def markers_of(fleet: dict[str, Any], tmp_path: Path, **switches: Any) -> Finding:
    with running_simulator(fleet, **switches) as simulator:
        return examine(tmp_path, surroundings(simulator), JOB)["marker text"]


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("已取消", FindingState.FAILED),
        ("Upgrade CANCELED", FindingState.FAILED),
        ("download failed", FindingState.OK),
    ],
)
def test_a_text_that_nobody_knows_is_shown_with_the_setting_to_add(
    tmp_path: Path, text: str, state: FindingState
) -> None:
    found = markers_of(failed_tasks(text, text, "flash"), tmp_path)
    assert found.state is state
    assert found.details == (f'2 failed: "{text}"', '1 failed: "flash"')
    assert found.advice.endswith("""pulumi config set enos:cancelledMarkers '["Cancelled by user", "…"]'""")


def test_a_second_text_that_reads_like_a_cancel_is_told_too(tmp_path: Path) -> None:
    assert markers_of(failed_tasks("Cancelled by user", "cancelled by system"), tmp_path).state is FindingState.WARNING


def test_where_a_marker_is_known_other_failures_are_the_devices_own(tmp_path: Path) -> None:
    found = markers_of(failed_tasks("cancelled by USER ", "flash", ""), tmp_path)
    assert (found.state, found.advice) == (FindingState.OK, "")
    assert found.details == ('1 cancelled: "cancelled by USER"', '1 failed: "flash"', "1 failed: no text")


def test_a_literal_cancelled_status_counts_as_known(tmp_path: Path) -> None:
    fleet = {"jobs": [{"jobId": JOB, "tasks": [{"deviceKey": "dk-01", "status": "cancelled"}]}]}
    found = markers_of(fleet, tmp_path, cancelled_as="canceled")
    assert (found.state, found.details) == (FindingState.OK, ('1 cancelled: "canceled"',))


def test_without_a_failed_task_there_is_no_text_to_judge(tmp_path: Path) -> None:
    assert markers_of(failed_tasks(), tmp_path).state is FindingState.SKIPPED


def test_many_texts_are_counted_and_few_are_shown(tmp_path: Path) -> None:
    found = markers_of(failed_tasks(*(f"error {at}" for at in range(30))), tmp_path)
    assert found.details[5:] == ("… and 25 more texts of failed tasks",)


def test_of_a_large_job_a_bounded_number_of_tasks_is_read(tmp_path: Path) -> None:
    devices = {"count": 4500, "key": "dk-{:05d}", "states": {"cancelled": 4500}}
    with running_simulator({"jobs": [{"jobId": JOB, "devices": devices}]}) as simulator:
        found = examine(tmp_path, surroundings(simulator), JOB)["marker text"]
        assert simulator.counters()["searchTask"] <= 21
    assert found.text == "failed tasks that read as cancelled: 4000, that do not: 0 (of the first 4000)"


# Pulumi.


def pulumi(folder: Path, script: str, *, host: bool = True) -> dict[str, str]:
    for name in ("pulumi", *(["pulumi-language-python"] if host else [])):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return {"PATH": str(folder)}


@pytest.mark.parametrize(
    ("script", "state", "said"),
    [
        ("echo v3.259.0", FindingState.OK, "is 3.259.0"),
        ("echo 3.250.0", FindingState.OK, "is 3.250.0"),
        ("echo v3.249.9", FindingState.WARNING, "is 3.249.9"),
        ("echo nothing", FindingState.WARNING, "prints no version"),
        ("exit 1", FindingState.WARNING, "prints no version"),
    ],
)
def test_the_engine_is_judged_by_its_version(tmp_path: Path, script: str, state: FindingState, said: str) -> None:
    found = check_engine(pulumi(tmp_path, script))
    assert (found.state, found.text.endswith(said)) == (state, True)


def test_an_engine_without_a_host_for_python_cannot_run_the_program(tmp_path: Path) -> None:
    found = check_engine(pulumi(tmp_path, "echo v3.259.0", host=False))
    assert (found.state, "without pulumi-language-python" in found.text) == (FindingState.WARNING, True)


def test_without_an_engine_that_is_told(tmp_path: Path) -> None:
    found = check_engine({"PATH": str(tmp_path)})
    assert (found.state, found.text) == (FindingState.WARNING, "there is no pulumi on the PATH")


def state(project: Project, folder: Path, script: str) -> Finding:
    """What is said of the state by an engine whose commands but `version` do this."""
    folder.mkdir()
    project.write(BASE)
    script = f'[ "$1" = version ] && echo v3.259.0 && exit\n{script}'
    return examine(project.root, {**pulumi(folder, script), "ENOS_APP_KEY": "k", "ENOS_APP_SECRET": "s"})["state"]


def test_a_state_that_can_be_read_is_fine(project: Project) -> None:
    assert state(project, project.root / "bin", "exit 0").state is FindingState.OK


def test_a_state_that_cannot_be_read_is_told_in_the_words_of_a_review(project: Project) -> None:
    found = state(project, project.root / "bin", "echo 'error: incorrect passphrase' >&2; exit 255")
    assert (found.state, found.text) == (FindingState.WARNING, "incorrect passphrase")
    assert found.advice.startswith("Set PULUMI_CONFIG_PASSPHRASE or ")


def test_a_stack_that_is_not_made_yet_is_a_hint(project: Project) -> None:
    found = state(project, project.root / "bin", "echo \"error: no stack named 'prod' found\" >&2; exit 255")
    assert (found.exit_code, "`pulumi stack init prod`" in found.advice) == (0, True)


def test_an_engine_that_looks_at_the_state_cannot_write_into_the_stack_file(project: Project) -> None:
    adds = 'for a in "$@"; do case $a in --config-file=*) echo "salt: x" >> "${a#*=}";; esac; done'
    found = state(project, project.root / "bin", adds)
    assert (found.state, "salt" in project.file.read_text()) == (FindingState.OK, False)


def test_the_oldest_engine_is_the_one_that_make_takes() -> None:
    assert OLDEST == toolchain_engine.OLDEST


# The command.

FINE, WARNED, SKIPPED, OPEN, NO = (
    Finding("check", state, "")
    for state in (
        FindingState.OK,
        FindingState.WARNING,
        FindingState.SKIPPED,
        FindingState.UNKNOWN,
        FindingState.FAILED,
    )
)
WRONG, NO_WAY = (replace(NO, failure_code=code) for code in (CONFIGURATION, UNDETERMINED))


def run(*arguments: str, **environ: str) -> Any:
    return CliRunner().invoke(main, ["doctor", *arguments], env={"PATH": os.defpath, **environ}, prog_name="enos-ota")


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([FINE, WARNED, SKIPPED], 0),
        ([FINE, NO], 1),
        ([FINE, WRONG], 2),
        ([FINE, OPEN], 3),
        ([FINE, NO_WAY], 3),
        ([OPEN, NO_WAY, NO], 1),
        ([OPEN, NO, WRONG], 2),
    ],
)
def test_wrong_configuration_goes_before_a_no_and_a_no_before_what_stays_open(found: list[Finding], code: int) -> None:
    assert exit_code(found) == code


def test_json_has_every_check_and_the_verdict(
    shared: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("--job", JOB, "--format", "json", **surroundings(shared))
    told = json.loads(result.stdout)
    assert (result.exit_code, result.stderr, told["verdict"]) == (0, "", "ok")
    assert [each["check"] for each in told["checks"]] == CHECKS
    assert set(told["checks"][0]) == {"check", "state", "exitCode", "text", "details", "advice"}
    assert shared.app_secret not in result.stdout


def test_a_failed_check_is_told_with_what_to_do(
    shared: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(**surroundings(shared, ENOS_ORG_ID="o404"))
    assert result.exit_code == 1
    assert "failed   permission     EnOS refused search: 99400" in result.stdout
    assert "\n" + " " * 24 + "-> Check enos:orgId (ENOS_ORG_ID).\n" in result.stdout


def test_nothing_in_a_text_is_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fleet = failed_tasks("\x1b[31mred\x1b[0m\nnext [bold]")
    fleet["jobs"][0]["name"] = "\x1b]0;title\x07"
    with running_simulator(fleet) as simulator:
        output = run("--job", JOB, **surroundings(simulator)).stdout
    assert output.replace("\n", "").isprintable()
    assert r"\x1b[31mred\x1b[0m\nnext [bold]" in output


def test_an_answer_that_is_no_answer_leaves_the_job_open(tmp_path: Path) -> None:
    with ScriptedServer([http(404), rows(total=0), ok([])]) as server:
        found = examine(tmp_path, surroundings(server), JOB, clock=FakeClock(time.time()))
    assert state_of(found, "permission", "job", "marker text") == ["ok", "unknown", "skipped"]


# Its exit codes, one cause each: those of every other command.


@pytest.mark.parametrize(
    ("arguments", "environ", "code"),
    [
        (("--job", JOB), {}, 0),
        (("--job", "nope"), {}, 1),
        ((), {"ENOS_ORG_ID": "o404"}, 1),
        ((), {"ENOS_APP_SECRET": "9999-8888"}, 1),
        ((), {"ENOS_APP_SECRET": ""}, 2),
        ((), {"ENOS_API_GATEWAY": ""}, 2),
        ((), {"ENOS_API_GATEWAY": "https://127.0.0.1:1", "ENOS_CA_BUNDLE": "/nowhere/ca.pem"}, 2),
        (("--stack", "prod"), {}, 2),  # there is no project
        ((), {"ENOS_API_GATEWAY": f"http://127.0.0.1:{free_port()}"}, 3),
    ],
)
def test_it_ends_as_other_commands_do(  # noqa: PLR0917 - three of them are fixtures
    shared: RunningSimulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    environ: dict[str, str],
    code: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments, **surroundings(shared, **environ)).exit_code == code


def test_a_stack_file_with_a_problem_is_2(shared: RunningSimulator, project: Project) -> None:
    project.write(
        f"enos:apiGateway: {shared.url}\nenos:orgId: {shared.org_id}\n",
        sets='- {name: pump, jobId: "1", deviceKeys: [""]}',
    )
    result = run(**surroundings(shared))
    assert (result.exit_code, result.stdout.count("failed ")) == (2, 1)


def test_a_certificate_that_is_not_trusted_is_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    authority = Authority(tmp_path)
    with ScriptedServer(tls=authority.server()) as server:
        result = run(**surroundings(server))
    assert (result.exit_code, "failed   TLS" in result.stdout) == (3, True)


def test_marks_of_a_cancel_that_nobody_knows_are_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with running_simulator(failed_tasks("已取消")) as simulator:
        result = run("--job", JOB, **surroundings(simulator))
    assert (result.exit_code, "failed   marker text" in result.stdout) == (1, True)
