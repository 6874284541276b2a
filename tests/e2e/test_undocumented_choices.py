"""Where the documentation of EnOS is silent [U], any answer will do: the set comes out the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.simulator import JOB, running_simulator
from tests.support.stack import a_set, sent

if TYPE_CHECKING:
    from tests.support.simulator import RunningSimulator
    from tests.support.stack import Stack

ODD = ["a'b", 'a"b', "a'\"b", "x y", "ключ", "泵-1", "a\\b", "(a,b)", "-", "#x", "<b>", "%s", "{0}", "$HOME", " first"]
"""Keys that may trip quoting, templates, shells, YAML or a terminal."""


def test_all_alternatives_at_once_come_to_the_same(stack: Stack, simulator: RunningSimulator) -> None:
    simulator.switch(
        cancel_mode="partial",
        unknown_key="ignore",
        repeat_cancel="ok",
        cancelled_as="canceled",
        retry_to="published",
        index_delay=2,
        max_keys=2,
        task_order="random",
        business_http=400,
        gateway_http=401,
        old_token="dies",
        strict_method="on",
    )
    stack.declare(a_set("dk-01", "dk-02", "dk-03", "dk-07", "dk-08", "dk-11", "nobody", onMissing="report"))
    stack.up()
    recorded = stack.resource()
    assert recorded["cancelledCount"] == 5
    assert recorded["exceptions"] == "dk-07\tcancelled\tpublished\ndk-08\ttoo late\tupgrading\nnobody\tmissing\t\n"
    assert recorded["problem"] == ""
    cancelled = {key for key, (status, _) in simulator.states().items() if status == "canceled"}
    assert cancelled == {"dk-01", "dk-02", "dk-03", "dk-07"}
    before = sent(simulator)
    stack.stands()

    simulator.switch(index_delay=0)
    simulator.retry(JOB, ["dk-02"])
    assert stack.diff() == ["+ dk-02"]
    stack.up()
    assert sent(simulator)[len(before) :] == [["dk-02"]]
    assert stack.resource()["cancelledCount"] == 5


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
        stack.stands()
