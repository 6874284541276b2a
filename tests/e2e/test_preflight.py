"""What a preview tells of EnOS before anything is cancelled, what stops it, and that it never writes."""

from __future__ import annotations

import os
import signal
import textwrap
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.engine import Result
from tests.harness.simulator import JOB, running_simulator
from tests.harness.stack import a_set, sent, wait_until

if TYPE_CHECKING:
    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack import Stack

RUN = "enos-ota-dev"
"""Where messages stand that are about no set in particular."""

REST = "job 'Pump firmware 2.3.0', firmware 2.3.0, started"
NO_CREDENTIALS = "EnOS could not be asked what `pulumi up` would do: no credentials for EnOS: set ENOS_APP_KEY"


def told(result: Result) -> dict[str, list[str]]:
    """What is said under "Diagnostics", by the name of the resource it is about; lines as they are printed."""
    said: defaultdict[str, list[str]] = defaultdict(list)
    name = ""
    for line in result.output.partition("Diagnostics:\n")[2].partition("\nResources:")[0].splitlines():
        if line.endswith("):") and not line.startswith("    "):
            name = line.rpartition(" (")[2][:-2]
        elif line.strip() and "program exited with non-zero exit code" not in line:
            said[name].append(line.strip())
    return dict(said)


@pytest.fixture
def read_only(simulator: RunningSimulator) -> Any:
    """Nothing may reach the simulator that writes."""
    yield
    assert simulator.journal() == []


@pytest.mark.usefixtures("read_only")
def test_a_preview_tells_what_an_up_would_meet(stack_of_each_sdk: Stack, simulator: RunningSimulator) -> None:
    stack = stack_of_each_sdk
    stack.declare(a_set("dk-01", "dk-07", "dk-08", "dk-11"), a_set("dk-02", "nobody", name="valves"))
    said = told(stack.run("preview"))
    assert said["pumps"] == [
        "preview of set 'pumps': 2 will be cancelled (1 published already), 1 cancelled already, "
        f"1 too late (dk-08 upgrading); {REST}; 5 other waiting tasks are not in this set"
    ]
    assert said["valves"][0] == (
        f"preview of set 'valves': 1 will be cancelled, 1 missing (nobody); {REST}; "
        "6 other waiting tasks are not in this set"
    )
    missing = (
        f"warning: set 'valves' (job {JOB}): 1 key without a task in this job, so there is nothing to cancel (nobody)"
    )
    assert said["valves"][1].startswith(missing)
    assert set(said) == {"pumps", "valves"}
    # One token for both; for each the job, two counts and its keys, one of which is asked for twice.
    assert simulator.counters() == {"token/get": 1, "get": 2, "searchTask": 2 * 3 + 1}


def test_a_change_is_looked_at_as_far_as_it_adds_keys(stack: Stack, simulator: RunningSimulator) -> None:
    stack.declare(a_set("dk-01"), a_set("dk-02", name="valves"))
    stack.up()
    # One set gets keys, one loses one and has its reason changed.
    stack.declare(a_set("dk-01", "dk-03", "dk-09"), a_set("dk-04", name="valves", reason="INC-4711"))
    before = simulator.counters()
    said = told(stack.run("preview", "--refresh=false"))
    assert said["pumps"] == [
        "preview of set 'pumps': 1 will be cancelled, 1 too late (dk-09 succeeded); "
        f"{REST}; 4 other waiting tasks are not in this set"
    ]
    stack.declare(a_set("dk-01"), a_set("dk-02", name="valves", reason="INC-4711"))
    between = simulator.counters()
    assert between["get"] == before["get"] + 2
    assert told(stack.run("preview", "--refresh=false")) == {}
    assert simulator.counters() == between
    assert sorted(sent(simulator)) == [["dk-01"], ["dk-02"]]


@pytest.mark.usefixtures("read_only")
def test_the_stacks_guard_counts_what_would_be_sent(stack: Stack) -> None:
    stack.config["enos-ota:guard"] = {"maxDevices": 1}
    stack.declare(
        a_set("dk-01", "dk-08", "dk-09", "dk-11"), a_set("dk-02", "dk-03", name="more", guard={"maxDevices": 2})
    )
    assert RUN not in told(stack.run("preview"))


@pytest.mark.usefixtures("read_only")
def test_every_set_that_must_not_be_changed_is_named_in_one_error(stack_of_each_sdk: Stack) -> None:
    stack = stack_of_each_sdk
    stack.declare(
        a_set("dk-01", "dk-02", "dk-11", name="guarded", guard={"maxDevices": 1, "maxShare": 0.1}),
        a_set("nobody", "no-one", name="missing"),
        a_set("dk-03", name="expected", expect={"firmwareVersion": "9"}),
        a_set("dk-04", name="fine", guard={"maxDevices": 1, "maxShare": 0.1}, expect={"firmwareVersion": "2.3.0"}),
    )
    said = told(stack.run("preview", code=1))
    assert said[RUN] == [
        "error: 3 of 4 sets would be refused by `pulumi up`:",
        f"set 'expected' (job {JOB}): firmware 9 is expected, but the job is about 2.3.0: check jobId and `expect`",
        f"set 'guarded' (job {JOB}): the guard stops this change, which would cancel 2 devices: at most 1 may be "
        "(maxDevices) and at most 1 of the job's 11 tasks may be (maxShare 0.1); raise the guard in the stack file, "
        "split the change, or set ENOS_OTA_BREAK_GLASS=<reason> for this run",
        f"set 'missing' (job {JOB}): the job has no task for any key of the set (no-one, nobody): check jobId and the "
        "keys",
    ]
    # What was seen is told all the same.
    assert set(said) == {RUN, "guarded", "missing", "expected", "fine"}


@pytest.mark.usefixtures("read_only")
def test_break_glass_overrides_the_guard_with_its_reason(stack: Stack) -> None:
    stack.declare(a_set("dk-01", "dk-02", guard={"maxDevices": 1}))
    said = told(stack.run("preview", environ={"ENOS_OTA_BREAK_GLASS": "fire in site 7"}))
    assert said["pumps"][1] == (
        f"warning: set 'pumps' (job {JOB}): the guard is overridden by ENOS_OTA_BREAK_GLASS (fire in site 7); this "
        "change would cancel 2 devices: at most 1 may be (maxDevices)"
    )


def test_a_job_that_nobody_knows_keeps_no_other_set_from_being_changed(
    stack: Stack, simulator: RunningSimulator
) -> None:
    stack.declare(a_set("dk-01", name="wrong", job_id="no-such-job"), a_set("dk-02"))
    said = told(stack.run("preview"))
    (line,) = said["wrong"]
    assert line.startswith("warning: set 'wrong' (job no-such-job): EnOS refused get (job no-such-job): 24404")
    assert line.endswith("(0 cancelled, 1 pending (dk-01); `pulumi up` sends just these as soon as it can)")
    stack.run("up", "--yes", code=1)
    assert sent(simulator) == [["dk-02"]]


@pytest.mark.usefixtures("read_only")
def test_a_stopped_job_and_one_that_retries_by_itself_are_warned_of(stack: Stack, simulator: RunningSimulator) -> None:
    simulator.add_job(
        {
            "jobId": "retrying",
            "status": "started",
            "retryPolicy": {"enableRetry": True, "retryInterval": 60, "retryCount": 3},
            "tasks": [{"deviceKey": "v-1", "status": "init"}],
        }
    )
    simulator.set_job(JOB, "stopped")
    stack.declare(a_set("dk-01", "dk-08"), a_set("v-1", name="valves", job_id="retrying"))
    said = told(stack.run("preview"))
    assert "nothing will be cancelled, 1 too late (dk-08 upgrading), 1 held (dk-01 init)" in said["pumps"][0]
    assert "the job is stopped" in said["pumps"][1]
    assert "not durable" in said["valves"][1]


# Where nobody can look


@pytest.fixture
def blind(stack: Stack) -> Stack:
    """A stack without credentials, and two new sets."""
    del stack.config["enos:appKey"], stack.config["enos:appSecret"]
    stack.declare(a_set("dk-01"), a_set("dk-02", name="valves"))
    return stack


def test_without_credentials_a_preview_says_once_that_it_could_not_look(
    blind: Stack, simulator: RunningSimulator
) -> None:
    said = told(blind.run("preview"))
    (line,) = said.pop(RUN)
    assert line.startswith(f"warning: sets 'pumps', 'valves': {NO_CREDENTIALS}")
    assert said == {}
    assert simulator.counters() == {}


def test_a_preview_that_must_look_fails_without_credentials(blind: Stack) -> None:
    blind.config["enos-ota:preflight"] = "on"
    blind.write()
    (line,) = told(blind.run("preview", code=1))[RUN]
    assert line.startswith(f"error: sets 'pumps', 'valves': {NO_CREDENTIALS}")
    assert line.endswith("(enos-ota:preflight is on)")


def test_a_preview_that_must_not_look_says_nothing(stack: Stack, simulator: RunningSimulator) -> None:
    stack.config["enos-ota:preflight"] = "off"
    stack.declare(a_set("nobody", guard={"maxDevices": 0}))
    assert told(stack.run("preview")) == {}
    assert simulator.counters() == {}


def test_a_gateway_that_is_down_is_a_warning_and_shows_the_change_all_the_same(stack: Stack) -> None:
    with running_simulator() as gone:
        pass
    stack.config["enos:apiGateway"] = gone.url
    stack.declare(a_set("dk-01"), a_set("dk-02", name="valves"))
    preview = stack.preview()
    assert preview.ops == {"pumps": "create", "valves": "create"}
    (line,) = preview.messages
    assert f"EnOS could not be asked what `pulumi up` would do: Cannot connect to {gone.url}" in line


def test_an_expired_set_is_not_looked_at_and_is_said_to_be_left_alone(
    stack: Stack, simulator: RunningSimulator
) -> None:
    stack.declare(a_set("dk-01", expires="2020-01-31"))
    (said,) = told(stack.run("preview"))["pumps"]
    assert said.startswith(f"warning: set 'pumps' (job {JOB}): expired on 2020-01-31: neither read nor written")
    assert simulator.counters() == {}


def test_keys_that_are_known_only_later_are_not_looked_at(stack: Stack, simulator: RunningSimulator) -> None:
    (stack.project / "__main__.py").write_text(
        textwrap.dedent(
            f"""\
            from enos_ota import CancelledTaskSet, require_converged

            pumps = CancelledTaskSet("pumps", "{JOB}", ["dk-01"])
            valves = CancelledTaskSet("valves", "{JOB}", pumps.cancelled_count.apply(lambda n: [f"dk-0{{n + 1}}"]))
            require_converged(pumps, valves)
            """
        ),
        encoding="utf-8",
    )
    said = told(stack.run("preview"))
    assert said["valves"] == [
        "set 'valves': the job or the device keys are not known until `pulumi up`; tasks were not checked"
    ]
    assert simulator.counters()["get"] == 1
    stack.run("up", "--yes")
    assert sent(simulator) == [["dk-01"], ["dk-02"]]


# A program of one's own


def test_a_program_that_requires_nothing_is_stopped_too(stack: Stack, simulator: RunningSimulator) -> None:
    (stack.project / "__main__.py").write_text(
        textwrap.dedent(
            f"""\
            from enos_ota import CancelledTaskSet

            CancelledTaskSet("pumps", "{JOB}", ["dk-01", "dk-02"], max_devices=1)
            CancelledTaskSet("valves", "{JOB}", ["dk-03"], expect_firmware_version="9")
            """
        ),
        encoding="utf-8",
    )
    headline, *lines = told(stack.run("preview", code=1))[RUN]
    assert headline == "error: 2 of 2 sets would be refused by `pulumi up`:"
    assert [line.partition(" (job")[0] for line in lines] == ["set 'pumps'", "set 'valves'"]
    stack.run("up", "--yes", code=1)
    assert simulator.journal() == []


# Hooks


def test_more_sets_than_pulumi_runs_at_once_do_not_wait_for_each_other(
    stack: Stack, simulator: RunningSimulator
) -> None:
    """Each hook keeps one of the program's threads waiting; were the look to need one of them too, it would hang."""
    stack.declare(*(a_set(f"dk-0{number}", name=f"site-{number}") for number in range(1, 10)))
    said = told(stack.run("preview", "--parallel", "1"))
    assert set(said) == {f"site-{number}" for number in range(1, 10)}
    assert simulator.journal() == []


def test_hooks_leave_no_trace_in_the_state_and_nothing_needs_the_program_afterwards(stack: Stack) -> None:
    stack.declare(a_set("dk-01", guard={"maxDevices": 1}))
    stack.run("up", "--yes")
    assert "hook" not in stack.export().lower()
    stack.run("refresh", "--yes", "--skip-preview")
    (stack.project / "__main__.py").unlink()
    stack.destroy()
    assert stack.resources() == {}


def test_a_preview_that_is_interrupted_while_it_looks_ends_at_once(stack: Stack, simulator: RunningSimulator) -> None:
    simulator.fault("latency", "get", seconds=60)
    stack.declare(a_set("dk-01"))
    process = stack.start("preview")
    wait_until(lambda: simulator.counters().get("get", 0) > 0, process)
    # As a terminal does it: the whole group hears of Ctrl-C.
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    stack.inspect(Result(("preview",), process.returncode, stdout, stderr))
    assert process.returncode != 0
    assert simulator.journal() == []


def test_a_preview_of_an_update_tells_of_the_keys_that_it_does_not_work_on_too(
    stack: Stack, simulator: RunningSimulator
) -> None:
    """An update's outputs are not known in a preview, so the set itself cannot say it there."""
    stack.declare(a_set("dk-01", "dk-02", "dk-08"))
    stack.up()
    simulator.retry(JOB, ["dk-01"])
    simulator.set_tasks(JOB, ["dk-02"], "succeeded")
    said = told(stack.run("preview"))["pumps"]
    assert said[0].startswith("preview of set 'pumps': 1 will be cancelled")
    assert said[1].startswith(f"warning: set 'pumps' (job {JOB}): 1 key cancelled before and escaped since (dk-02 ")
    assert said[2] == f"warning: set 'pumps' (job {JOB}): 1 key too late to cancel (dk-08 upgrading)"
