"""What an `up` refuses by itself, without the preview before it that would have stopped everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.harness.simulator import JOB
from tests.harness.stack import a_set, diagnostics, recorded, sent

if TYPE_CHECKING:
    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack import Stack


def test_an_up_refuses_what_its_preview_would_have_and_goes_on_with_the_other_sets(
    stack: Stack, simulator: RunningSimulator
) -> None:
    stack.declare(
        a_set("dk-01", "dk-02", name="guarded", guard={"maxDevices": 1}),
        a_set("dk-03", name="expected", expect={"firmwareVersion": "9.9"}),
        a_set("nobody", "none", name="missing"),
        a_set("dk-04", name="fine"),
    )
    ended = stack.up(code=1)
    (told, *_) = [text for text in diagnostics(ended) if "sets did not come out as declared" in text]
    headline, *lines = told.splitlines()
    assert headline == "error: 3 of 4 sets did not come out as declared:"
    assert [line.partition(": ")[2] for line in lines] == [
        "the guard stops this change, which would cancel 2 devices: at most 1 may be (maxDevices); raise the guard in "
        "the stack file, split the change, or set ENOS_OTA_BREAK_GLASS=<reason> for this run; nothing was sent "
        "(0 cancelled, 2 pending (dk-01 init, dk-02 init); `pulumi up` sends just these as soon as it can)",
        "firmware 9.9 is expected, but the job is about 2.3.0: check jobId and `expect`; nothing was sent "
        "(0 cancelled, 1 pending (dk-03); `pulumi up` sends just these as soon as it can)",
        "2 keys without a task in this job, so there is nothing to cancel (nobody, none): check the key and the job, "
        "or take it out of the set (or set onMissing: report)",
    ]
    assert sent(simulator) == [["dk-04"]]
    assert stack.resource("fine")["cancelledCount"] == 1


def test_break_glass_lets_one_run_through_and_says_so(stack: Stack, simulator: RunningSimulator) -> None:
    stack.declare(a_set("dk-01", "dk-02", guard={"maxDevices": 1}))
    ended = stack.up(environ={"ENOS_OTA_BREAK_GLASS": "fire in site 7"})
    told = f"set 'pumps' (job {JOB}): guard overridden (break-glass reason: fire in site 7): cancelling 2 tasks"
    assert told in ended.output.partition("Diagnostics:")[2]
    assert sent(simulator) == [["dk-01", "dk-02"]]

    stack.declare(a_set("dk-01", "dk-02", "dk-03", "dk-04", guard={"maxDevices": 1}))
    assert "the guard stops this change" in stack.up(code=1).output
    assert sent(simulator) == [["dk-01", "dk-02"]]


def test_without_credentials_a_recorded_set_cannot_be_read_and_the_ways_out_are_told(
    stack: Stack, simulator: RunningSimulator
) -> None:
    """The last `up` had them from its environment, so that no state holds them."""
    credentials = {"ENOS_APP_KEY": simulator.app_key, "ENOS_APP_SECRET": simulator.app_secret}
    del stack.config["enos:appKey"], stack.config["enos:appSecret"]
    stack.declare(a_set("dk-01"))
    stack.up(environ=credentials)
    ended = stack.run("preview", code=None)
    (told,) = [text for text in diagnostics(ended) if "set 'pumps'" in text]
    assert f"set 'pumps' (job {JOB}): the tasks could not be read; the recorded state is unchanged: " in told
    assert "ENOS_APP_KEY" in told
    assert "With --refresh=false a preview shows the declared change without asking EnOS." in told
    assert sent(simulator) == [["dk-01"]]


def test_a_missing_key_that_the_job_takes_up_later_is_cancelled(stack: Stack, simulator: RunningSimulator) -> None:
    """As a job with the upgrade policy `incremental` does with devices that match later."""
    job = "65a1b2c3d4e5f60718293a4c"

    def job_with(*keys: str) -> dict[str, object]:
        return {"jobId": job, "status": "started", "tasks": [{"deviceKey": key, "status": "init"} for key in keys]}

    simulator.add_job(job_with("v-1"))
    stack.declare(a_set("v-1", "v-2", job_id=job))
    stack.up(code=1)
    assert recorded(stack) == {"v-2": "missing"}

    simulator.delete_job(job)
    simulator.add_job(job_with("v-1", "v-2"))
    simulator.set_tasks(job, ["v-1"], "cancelled")
    assert stack.diff() == ["+ v-2"]
    stack.up()
    assert sent(simulator) == [["v-1"], ["v-2"]]
    assert recorded(stack) == {}
