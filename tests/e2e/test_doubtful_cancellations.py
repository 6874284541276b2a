"""What a cancellation is worth where EnOS says nothing about it [U].

The device had been told, the job retries by itself, the text is another, the key stands for two devices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.harness.simulator import JOB
from tests.harness.stack import a_set, diagnostics, recorded, touched

if TYPE_CHECKING:
    from tests.harness.engine import Result
    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack import JumpingClock, Stack

PUMPS = f"set 'pumps' (job {JOB}): "
AFTER_PUSH = (
    f"warning: {PUMPS}1 task was cancelled after the device had been notified (dk-07); this device may still upgrade"
)
RETRYING_JOB = "65a1b2c3d4e5f60718293a4c"
MARKER = "已被用户取消"


def told(ended: Result) -> list[str]:
    """What the run says about the set, at its end."""
    return [text for text in diagnostics(ended) if PUMPS in text]


def test_a_device_that_goes_on_all_the_same_has_escaped_and_fails_every_up_until_it_is_taken_out(
    stack: Stack, simulator: RunningSimulator, clock: JumpingClock
) -> None:
    """On a platform where cancelling does not stop a device that had been told."""
    simulator.switch(cancel_published="late")
    stack.declare(a_set("dk-01", "dk-07"))
    assert told(stack.up()) == [AFTER_PUSH]

    clock.jump(60)
    assert simulator.states()["dk-07"][0] == "succeeded"
    escaped = (
        f"{PUMPS}1 key cancelled before and escaped since (dk-07 succeeded): the device upgrades or has "
        "upgraded and no cancel can reach it; handle it in the EnOS console, then take it out of the set"
    )
    assert told(stack.stands()) == [f"warning: {escaped}"], "a preview only warns: there is nothing to do"
    assert told(stack.up(code=1)) == [f"error: {escaped}"]
    assert recorded(stack) == {"dk-07": "escaped succeeded"}

    stack.declare(a_set("dk-01"))
    assert told(stack.up()) == []
    assert touched(simulator) == [["dk-07"], ["dk-01"]]
    stack.stands()


def test_a_job_that_retries_by_itself_is_not_durable_and_the_next_up_cancels_again(
    stack: Stack, simulator: RunningSimulator, clock: JumpingClock
) -> None:
    """On a platform whose retryPolicy takes a cancelled task for a failed one."""
    simulator.switch(auto_retry_cancelled="on")
    policy = {"enableRetry": True, "retryInterval": 30, "retryCount": 5}
    tasks = [{"deviceKey": "dk-01", "status": "init"}]
    simulator.add_job({"jobId": RETRYING_JOB, "status": "started", "retryPolicy": policy, "tasks": tasks})
    subject = f"set 'pumps' (job {RETRYING_JOB}): "
    not_durable = (
        f"warning: {subject}not durable: the job's retryPolicy re-publishes failed tasks, and a cancelled task may "
        "count as one"
    )
    stack.declare(a_set("dk-01", job_id=RETRYING_JOB))
    ended = stack.up()
    assert diagnostics(ended) == [f"{not_durable}; stop the job, or run `pulumi up` again later"]

    clock.jump(60)
    assert simulator.states(RETRYING_JOB)["dk-01"][0] == "published"
    assert stack.preview().ops == {"pumps": "update"}
    ended = stack.up()
    assert f"{not_durable}; stop the job, or run `pulumi up` again later" in diagnostics(ended)
    assert touched(simulator) == [["dk-01"], ["dk-01"]]
    assert recorded(stack) == {"dk-01": "cancelled published"}


def test_a_text_that_nobody_knows_is_a_warning_that_names_the_setting_until_it_is_added(
    stack: Stack, simulator: RunningSimulator
) -> None:
    """On a platform that speaks Chinese. dk-11 was cancelled by somebody else: only its text could tell."""
    simulator.switch(cancelled_marker=MARKER)
    simulator.set_tasks(JOB, ["dk-11"], "cancelled")
    stack.declare(a_set("dk-01", "dk-11"))
    ended = stack.up()
    assert told(ended) == [
        f"warning: {PUMPS}1 key too late to cancel (dk-11 failed)",
        f"warning: {PUMPS}1 key whose cancel EnOS accepted, but whose task failed with an unknown text "
        "(dk-01): look up the task's `desc`; only if it is EnOS's word for a cancel add it to enos:cancelledMarkers, "
        "as a failure of the device's own may look the same",
    ]
    assert stack.resource()["cancelledCount"] == 1
    stack.stands()

    stack.config["enos:cancelledMarkers"] = [MARKER]
    stack.declare(a_set("dk-01", "dk-11"))
    # A refresh goes by the settings of the last `up`, unless it runs the program.
    assert told(stack.up("--run-program")) == []
    assert recorded(stack) == {}
    assert stack.resource()["cancelledCount"] == 2
    assert touched(simulator) == [["dk-01"]]
    stack.stands()


def test_a_key_under_two_products_is_not_sent_and_fails_every_up_until_it_is_taken_out(
    stack: Stack, simulator: RunningSimulator
) -> None:
    simulator.switch(same_key_two_products="on")  # dk-01
    stack.declare(a_set("dk-01", "dk-02"))
    ambiguous = (
        f"error: {PUMPS}1 key with tasks in several products (dk-01 init): a cancel cannot tell them apart; "
        "cancel it in the EnOS console, then take it out of the set"
    )
    assert told(stack.up(code=1)) == [ambiguous]
    assert recorded(stack) == {"dk-01": "ambiguous init"}
    assert touched(simulator) == [["dk-02"]]
    stack.stands()

    stack.declare(a_set("dk-02"))
    assert told(stack.up()) == []
    assert touched(simulator) == [["dk-02"]]
    assert simulator.states()["dk-01"] == ("init", "")
