"""What must hold with the oldest engine that is accepted as with the current one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.e2e.test_reading_commands import enos_ota
from tests.harness.engine import PulumiEngine
from tests.harness.simulator import JOB
from tests.harness.stack import Stack, a_set, make_stack, sent
from toolchain import build

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.engine import Result
    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack import Sealed

OLDEST = build.OLDEST.cached(os.environ) / "bin"


@pytest.fixture(params=["oldest engine", "current engine"])
def stack(
    request: pytest.FixtureRequest,
    engine: PulumiEngine,
    tmp_path: Path,
    simulator: RunningSimulator,
    sealed: Sealed,
) -> Stack:
    """A stack of our own program that each engine runs."""
    if request.param == "oldest engine":
        if not (OLDEST / "pulumi").exists():
            pytest.skip("the oldest engine is not built: `make test` builds it")
        engine = PulumiEngine(OLDEST, build.OLDEST.version)
    return make_stack(engine, tmp_path, simulator, sealed)


def state_check(result: Result) -> tuple[str, str]:
    """The check of the state among those of `doctor`: its state and its text."""
    return next((each["state"], each["text"]) for each in result.json()["checks"] if each["check"] == "state")


def doctor(stack: Stack, **environ: str) -> Result:
    return enos_ota(stack, "doctor", "--format", "json", **environ)


def test_a_set_is_previewed_cancelled_and_reviewed(stack: Stack, simulator: RunningSimulator) -> None:
    stack.declare(a_set("dk-01", "dk-02"))
    assert stack.preview().ops == {"pumps": "create"}
    stack.up()
    simulator.retry(JOB, ["dk-02"])
    assert stack.diff() == ["+ dk-02"]
    review = enos_ota(stack, "review", "--expect-no-changes", "--format", "json")
    assert (review.code, review.json()["jobs"][0]["willCancel"]) == (1, 1)
    stack.up()
    stack.stands()
    assert sent(simulator) == [["dk-01", "dk-02"], ["dk-02"]]


def test_doctor_says_whether_the_state_can_be_read(stack: Stack) -> None:
    """It calls `pulumi` with commands and flags of which a version may know nothing."""
    stack.declare(a_set("dk-01"))
    readable = "ok", "Pulumi can read the state of stack dev"
    assert state_check(doctor(stack)) == readable, "before the first up"
    stack.up()
    assert state_check(doctor(stack)) == readable
    assert "incorrect passphrase" in state_check(doctor(stack, PULUMI_CONFIG_PASSPHRASE="another"))[1]
    checkpoint = next((stack.home / "state").rglob("dev.json"))
    checkpoint.write_text("{", encoding="utf-8")
    damaged = state_check(doctor(stack))
    assert (damaged[0], damaged[1] != "") == ("warning", True)
    checkpoint.unlink()
    assert state_check(doctor(stack)) == ("warning", "no stack named 'dev' found")
