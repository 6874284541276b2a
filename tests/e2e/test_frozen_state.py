"""The state format is frozen: what this version wrote every later version must refresh, update and destroy.

`tests/data/state-1.json` is an export of a stack that has everything a state can hold. It is not to be changed. Should
the format ever have to grow, a second file is added beside it: `WRITE_FROZEN_STATE=tests/data/state-2.json` has the
first test write one.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.harness.engine import CHECKOUT
from tests.harness.simulator import JOB, SMALL_FLEET, RunningSimulator, running_simulator
from tests.harness.stack import Stack, a_set, make_stack, sent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.engine import PulumiEngine
    from tests.harness.stack import Sealed

FROZEN: Final = CHECKOUT / "tests" / "data" / "state-1.json"
GATEWAY: Final = "http://127.0.0.1:8480"
"""Stands in the file for the address of a simulator."""

STOPPED, GONE, TWINS = "65a1b2c3d4e5f60718290001", "65a1b2c3d4e5f60718290002", "65a1b2c3d4e5f60718290003"

ODD_MARKER: Final = "已被用户撤销"
"""The text of a cancelled task that no configuration knows."""

FLEET: Final[dict[str, Any]] = {
    "jobs": [
        *SMALL_FLEET["jobs"],
        {"jobId": STOPPED, "status": "stopped", "firmwareVersion": "2.3.0", "tasks": [{"deviceKey": "st-01"}]},
        {"jobId": GONE, "firmwareVersion": "2.2.0", "tasks": [{"deviceKey": "go-01"}]},
        {
            "jobId": TWINS,
            "retryPolicy": {"enableRetry": True, "retryInterval": 60, "retryCount": 3},
            "tasks": [
                {"deviceKey": "tw-01", "productKey": "Pk12aB34"},
                {"deviceKey": "tw-01", "productKey": "Zz98yX76"},
                {"deviceKey": "tw-02"},
                {"deviceKey": "tw-03"},
                {"deviceKey": "tw-04"},
                {"deviceKey": '泵 "2"'},
            ],
        },
    ]
}

SETS: Final = (
    a_set("dk-01", "dk-07", "dk-08", "dk-09", "dk-10", "dk-11", name="plain", reason="INC-1: 漏电", protect=False),
    a_set("dk-02", "dk-03", name="slips", onTooLate="fail", expires="2999-12-31"),
    a_set("dk-04", "nobody", name="missing", onMissing="report", expect={"firmwareVersion": "2.3.0"}),
    a_set("dk-05", "dk-06", name="guarded", guard={"maxDevices": 1, "maxShare": 0.5}),
    a_set("st-01", name="held", job_id=STOPPED),
    a_set("go-01", name="deleted", job_id=GONE),
    a_set("tw-01", "tw-02", '泵 "2"', name="twins", job_id=TWINS),
    a_set("tw-03", name="odd", job_id=TWINS),
    a_set("tw-04", name="lagging", job_id=TWINS),
    a_set("un-01", name="unknown", job_id="no-such-job"),
)


def write_everything(stack: Stack, simulator: RunningSimulator) -> None:
    """Bring a stack to where the frozen one is: every category, every status of a job, every property."""
    stack.declare(*(each for each in SETS if each["name"] not in {"odd", "lagging"}))
    stack.up(code=None)
    simulator.switch(cancelled_marker=ODD_MARKER)
    stack.declare(*(each for each in SETS if each["name"] != "lagging"))
    stack.up(code=None)
    simulator.switch(cancelled_marker="Cancelled by user")
    simulator.set_tasks(JOB, ["dk-02"], "upgrading")
    simulator.retry(JOB, ["dk-03"])
    simulator.delete_job(GONE)
    stack.run("refresh", "--yes", "--skip-preview")
    # A cancel that EnOS accepted and that no search shows before the settle time is over.
    simulator.switch(index_delay=600)
    stack.declare(*SETS)
    stack.up("--refresh=false", "--target", "**::lagging", code=None)
    simulator.switch(index_delay=0)


def without_places(value: Any) -> Any:
    """The same without where on the machine and when it was made."""
    if isinstance(value, dict):
        gone = {"sourcePosition", "stackTrace", "created", "modified", "manifest", "metadata"}
        return {name: without_places(inner) for name, inner in value.items() if name not in gone}
    return [without_places(inner) for inner in value] if isinstance(value, list) else value


def sets_of(exported: str) -> dict[str, dict[str, Any]]:
    """Each set of an export by name."""
    resources = json.loads(exported)["deployment"]["resources"]
    return {
        each["urn"].rpartition("::")[2]: format_of(each) for each in resources if ":CancelledTaskSet::" in each["urn"]
    }


def format_of(resource: dict[str, Any]) -> dict[str, Any]:
    """What of a set in the state is frozen; what is new in each run made alike."""
    text = json.dumps({name: resource[name] for name in ("id", "type", "inputs", "outputs")})
    alike: dict[str, Any] = json.loads(re.sub(r"requestId [0-9a-f-]{36}", "requestId …", text))
    return alike


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator(FLEET) as running:
        yield running


@pytest.fixture
def stack(engine: PulumiEngine, tmp_path: Path, simulator: RunningSimulator, sealed: Sealed) -> Stack:
    return make_stack(engine, tmp_path, simulator, sealed)


@pytest.fixture
def frozen(stack: Stack, simulator: RunningSimulator) -> Stack:
    """A stack with the frozen state, and an EnOS that is where the state left it."""
    simulator.set_tasks(JOB, ["dk-01", "dk-07", "dk-04"], "cancelled")
    simulator.set_tasks(JOB, ["dk-02"], "upgrading")
    simulator.set_tasks(TWINS, ["tw-02", '泵 "2"'], "cancelled")
    simulator.set_tasks(TWINS, ["tw-03"], "failed", ODD_MARKER)
    simulator.set_tasks(TWINS, ["tw-04"], "cancelled")
    simulator.delete_job(GONE)
    restore(stack, simulator)
    stack.declare(*SETS)
    return stack


def restore(stack: Stack, simulator: RunningSimulator) -> None:
    """Give the stack the frozen state."""
    copy = stack.home / "state.json"
    copy.write_text(FROZEN.read_text(encoding="utf-8").replace(GATEWAY, simulator.url), encoding="utf-8")
    stack.run("stack", "import", "--file", str(copy))


def test_this_version_writes_the_frozen_format(stack: Stack, simulator: RunningSimulator) -> None:
    write_everything(stack, simulator)
    exported = stack.export().replace(simulator.url, GATEWAY)
    if path := os.environ.get("WRITE_FROZEN_STATE"):
        text = json.dumps(without_places(json.loads(exported)), ensure_ascii=False, indent=2)
        Path(path).write_text(text + "\n", encoding="utf-8")
    assert sets_of(exported) == sets_of(FROZEN.read_text(encoding="utf-8"))


def test_the_frozen_state_holds_every_category_and_every_status_of_a_job() -> None:
    sets = sets_of(FROZEN.read_text(encoding="utf-8"))
    rows = [line.split("\t") for each in sets.values() for line in each["outputs"]["exceptions"].splitlines()]
    assert {category for _, category, _ in rows} == {
        "cancelled", "too late", "escaped", "missing", "ambiguous", "held", "pending",
    }  # fmt: skip
    assert {each["outputs"]["job"]["status"] for each in sets.values()} == {"started", "stopped", "deleted", "unknown"}
    memories = {status.partition(", ")[2] for *_, status in rows}
    assert memories >= {"was cancelled", "cancel accepted"}


def test_the_frozen_state_can_be_refreshed_updated_and_destroyed(frozen: Stack, simulator: RunningSimulator) -> None:
    frozen.run("refresh", "--yes", "--skip-preview")
    before, after = sets_of(FROZEN.read_text(encoding="utf-8").replace(GATEWAY, simulator.url)), frozen.resources()
    assert after.pop("lagging")["outputs"]["cancelledCount"] == 1, "what was accepted shows by now"
    before.pop("lagging")
    assert {name: format_of(each) for name, each in after.items()} == before
    assert sent(simulator) == []

    restore(frozen, simulator)
    sets = [dict(each) for each in SETS]
    sets[3]["guard"] = {"maxDevices": 2}
    frozen.declare(*(each for each in sets if each["name"] not in {"unknown", "deleted"}))
    frozen.up(code=None)
    assert sorted(sent(simulator)) == [["dk-03"], ["dk-05", "dk-06"]]
    frozen.declare(a_set("dk-01", name="plain"))
    frozen.up()
    assert set(frozen.resources()) == {"plain"}

    restore(frozen, simulator)
    frozen.destroy()
    assert frozen.resources() == {}
    assert len(sent(simulator)) == 2
