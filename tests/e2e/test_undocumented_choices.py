"""Where the documentation of EnOS is silent [U], any answer will do: the life of a set comes out the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from enos_simulator.switches import Switches
from tests.harness.simulator import JOB, running_simulator
from tests.harness.stack import a_set, changes, recorded, sent, touched

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack import JumpingClock, Stack

ALTERNATIVES: dict[str, Any] = {
    "cancel_mode": "partial",
    "unknown_key": "ignore",
    "repeat_cancel": "ok",
    "cancelled_as": "canceled",
    "retry_to": "published",
    "index_delay": 2,
    "max_keys": 2,
    "max_page": 3,
    "max_window": 10_000,
    "total_cap": 10_000,
    "max_body": 65_536,
    "task_order": "random",
    "same_key_two_products": "on",  # dk-01, which the set leaves alone
    "business_http": 400,
    "gateway_http": 401,
    "gateway_form": "envelope",
    "throttle": 10,
    "throttle_retry_after": 1,
    "clock_skew": 60,
    "old_token": "dies",
    "auth": "both",
    "strict_method": "on",
}
LEFT_OUT = {
    "cancelled_marker": "shows only while a cancelled task is `failed`; test_doubtful_cancellations.py",
    "cancel_published": "its devices escape, which is another life; test_doubtful_cancellations.py",
    "late_after": "goes with cancel_published",
    "auto_retry_cancelled": "undoes every cancel, which is another life; test_doubtful_cancellations.py",
    "job_initial": "no job is added",
}
PLATFORMS = {"all defaults": {}, "all alternatives at once": ALTERNATIVES}
"""Each alternative alone is in tests/crash/test_crash_switches.py, without the engine."""

ODD = ["a'b", 'a"b', "a'\"b", "x y", "ключ", "泵-1", "a\\b", "(a,b)", "-", "#x", "<b>", "%s", "{0}", "$HOME", " first"]
"""Keys that may trip quoting, templates, shells, YAML or a terminal."""


def test_every_switch_has_its_alternative_or_a_reason_why_not() -> None:
    defaults = Switches()
    assert {*ALTERNATIVES, *LEFT_OUT} == set(Switches.model_fields)
    assert not ALTERNATIVES.keys() & LEFT_OUT
    changed = defaults.changed(ALTERNATIVES)
    assert [name for name in ALTERNATIVES if getattr(changed, name) == getattr(defaults, name)] == []


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS.keys())
def test_the_life_of_a_set_is_the_same_on_every_platform(
    stack: Stack, simulator: RunningSimulator, clock: JumpingClock, platform: Mapping[str, Any]
) -> None:
    """Create, nothing changed, drift, heal, add and drop, remove."""
    simulator.switch(**platform)
    simulator.set_tasks(JOB, ["dk-11"], "cancelled")  # as that looks here
    clock.jump(5)  # that is no news any more
    keys = ["dk-02", "dk-03", "dk-07", "dk-08", "dk-11", "nobody"]

    stack.declare(a_set(*keys, onMissing="report"))
    plan = stack.preview()
    assert plan.ops == {"pumps": "create"}
    assert touched(simulator) == []
    stack.up()
    assert stack.resource()["cancelledCount"] == 4
    assert stack.resource()["problem"] == ""
    exceptions = {"dk-07": "cancelled published", "dk-08": "too late upgrading", "nobody": "missing"}
    assert recorded(stack) == exceptions
    assert touched(simulator) == [["dk-07"], ["dk-02", "dk-03"]], "what had been notified goes first"

    # The same keys in another order, one of them twice: no change, and nothing is sent for none.
    stack.declare(a_set(*reversed(keys), "dk-03", onMissing="report"))
    assert "1 task was cancelled after the device had been notified (dk-07)" in stack.stands().output
    assert "2 unchanged" in stack.up().output
    assert len(touched(simulator)) == 2

    # A key in the middle, and the last of those recorded, whose line is the end of the text.
    simulator.retry(JOB, ["dk-02", "dk-11"])
    clock.jump(5)
    drift = stack.run("preview", "--diff", "--expect-no-changes", code=None)
    assert "no changes were expected" in drift.output
    assert changes(drift) == ["+ dk-02", "+ dk-11"]
    stack.up()
    assert touched(simulator)[2:] == [["dk-02", "dk-11"]]
    if platform.get("retry_to") == "published":
        exceptions |= dict.fromkeys(("dk-02", "dk-11"), "cancelled published")
    assert recorded(stack) == exceptions

    # A colleague retries a key that is un-declared then: the device may have the firmware after all.
    simulator.retry(JOB, ["dk-11"])
    clock.jump(5)
    left = [key for key in keys if key not in {"dk-02", "dk-11"}]
    stack.declare(a_set(*left, "dk-04", onMissing="report"))
    assert stack.diff() == ["- dk-02", "+ dk-04"]
    assert f"(job {JOB}): no longer declared: 1 cancelled task stays cancelled, no request was" in stack.up().output
    assert touched(simulator)[3:] == [["dk-04"]]
    for key in ("dk-02", "dk-11"):
        exceptions.pop(key, None)
    assert recorded(stack) == exceptions
    assert stack.resource()["cancelledCount"] == 3

    stack.declare()
    assert f"set 'pumps' (job {JOB}): 3 cancelled tasks stay cancelled, no request was sent" in stack.up().output
    assert stack.resources() == {}
    assert len(touched(simulator)) == 4
    untouched = {"dk-01": "init", "dk-05": "init", "dk-06": "init", "dk-09": "succeeded", "dk-10": "failed"}
    states = {key: status for key, (status, _) in simulator.states().items()}
    assert {key: states[key] for key in untouched} == untouched
    assert states["dk-11"] == platform.get("retry_to", "init")
    ended = {states[key] for key in ("dk-02", "dk-03", "dk-04", "dk-07")}
    assert ended == {platform.get("cancelled_as", "failed")}


def test_keys_with_any_printable_characters_are_cancelled_and_watched(stack: Stack) -> None:
    tasks = [{"deviceKey": key, "status": "init"} for key in [*ODD, "not declared"]]
    with running_simulator({"jobs": [{"jobId": JOB, "tasks": tasks}]}) as simulator:
        stack.config["enos:apiGateway"] = simulator.url
        stack.declare(a_set(*ODD))
        stack.up()
        assert sent(simulator) == [sorted(ODD)]
        assert simulator.states()["not declared"] == ("init", "")

        simulator.retry(JOB, ["a'\"b", "泵-1"])
        assert stack.diff() == ["+ a'\"b", "+ 泵-1"]
        stack.up()
        assert sent(simulator)[1:] == [["a'\"b", "泵-1"]]
