"""The policy pack of this repository, in its place, through the real `pulumi`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import textwrap
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.harness.engine import CHECKOUT, VENV, Result
from tests.harness.simulator import JOB
from tests.harness.stack import Stack, a_set, sent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.harness.simulator import RunningSimulator

PACK = CHECKOUT / "policy"
HERE = {"guard-and-expectation": {"stacks": ["dev"]}}
"""Protects the stack of the tests."""


def in_days(days: int) -> str:
    """A day from today."""
    return str(datetime.now(timezone.utc).date() + timedelta(days=days))


def proper(*keys: str, **other: object) -> dict[str, object]:
    """A set that no policy objects to, but for what is given otherwise; None: not at all."""
    usual = {
        "reason": "INC-4711: drains the battery",
        "expires": in_days(30),
        "guard": {"maxDevices": 500},
        "expect": {"firmwareVersion": "2.3.0"},
    }
    declared = a_set(*keys) | usual | other
    return {setting: value for setting, value in declared.items() if value is not None}


class Violation(NamedTuple):
    """What `pulumi` says of a violated policy."""

    level: str
    policy: str
    resource: str


def violations(result: Result) -> dict[Violation, str]:
    """The violations that a run ends with, each with its message."""
    shown = result.stdout.rpartition("\nPolicies:\n")[2].partition("\n\n")[0]
    found = re.findall(r"- \[(\w+)\]  (\S+)  \(\S+: (\S+)\)\n.*\n +(.*)", shown)
    return {Violation(level, policy, resource): message for level, policy, resource, message in found}


def configured(stack: Stack, config: Mapping[str, object]) -> list[str]:
    """The options that run the pack with a configuration."""
    file = stack.home / "policies.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    return ["--policy-pack", str(PACK), "--policy-pack-config", str(file)]


def limited(stack: Stack, keys: int) -> list[str]:
    """The options that run the pack with a limit on keys and nothing else."""
    return configured(
        stack, {"all": "disabled", "max-keys-per-change": {"enforcementLevel": "mandatory", "maxKeys": keys}}
    )


def test_proper_sets_pass_and_go_on_passing(stack: Stack, simulator: RunningSimulator) -> None:
    """First, without a change, and when the last set is gone."""
    pack = configured(stack, HERE)
    stack.declare(proper("dk-01", "dk-02"))
    stack.run("up", "--yes", *pack)
    assert sent(simulator) == [["dk-01", "dk-02"]]
    stack.run("up", "--yes", "--expect-no-changes", *pack)
    stack.declare()
    stack.run("up", "--yes", *pack)
    assert stack.resources() == {}


def test_a_set_that_violates_a_policy_fails_the_preview(stack: Stack) -> None:
    sets: dict[str, tuple[dict[str, object], str, str]] = {
        "reason": (
            {"reason": "drains the battery"},
            "reason-pattern",
            "its reason 'drains the battery' does not match",
        ),
        "guard": ({"guard": None}, "guard-and-expectation", "stack dev is protected (by 'dev'), so add a guard ("),
        "expectation": ({"expect": None}, "guard-and-expectation", "stack dev is protected (by 'dev'), so add the fir"),
        "last-day": ({"expires": in_days(190)}, "expires-within", "180 are allowed"),
    }
    stack.declare(
        *(proper(f"dk-0{n}", name=name, **other) for n, (name, (other, _, _)) in enumerate(sets.items(), start=1))
    )
    found = violations(stack.run("preview", *configured(stack, HERE), code=None))
    assert found.keys() == {Violation("mandatory", policy, name) for name, (_, policy, _) in sets.items()}
    for name, (_, policy, message) in sets.items():
        assert message in found[Violation("mandatory", policy, name)]


def test_a_guard_of_the_whole_stack_is_a_guard_of_each_set(stack: Stack) -> None:
    stack.config["enos-ota:guard"] = {"maxShare": 0.9}
    stack.declare(proper("dk-01", guard=None))
    stack.run("preview", *configured(stack, HERE))


def test_too_many_keys_over_all_sets_fail_the_preview_of_an_update_that_sends_nothing(
    stack: Stack, simulator: RunningSimulator
) -> None:
    stack.declare(proper("dk-01", "dk-02"), proper("dk-03", name="valves"))
    found = violations(stack.run("up", "--yes", *limited(stack, 2), code=None))
    assert found == {
        Violation("mandatory", "max-keys-per-change", "enos-ota-dev"): (
            "this change adds 3 device keys (pumps: 2, valves: 1); one change may add 2. "
            "Split the change, or let the owner of this policy raise maxKeys"
        )
    }
    assert sent(simulator) == []


def test_an_update_without_its_preview_that_violates_a_policy_of_its_sets_sends_nothing(
    stack: Stack, simulator: RunningSimulator
) -> None:
    stack.declare(proper("dk-01", reason=None))
    stack.up("--policy-pack", str(PACK), code=None)
    assert sent(simulator) == []


def test_of_a_large_set_only_what_is_new_counts(stack: Stack, simulator: RunningSimulator) -> None:
    """Neither what is recorded, nor what a colleague retried: that was declared and approved before."""
    stack.declare(proper("dk-01", "dk-02", "dk-03"))
    stack.up()
    simulator.retry(JOB, ["dk-01", "dk-02"])
    stack.declare(proper("dk-01", "dk-02", "dk-03", "dk-04"))
    stack.run("up", "--yes", *limited(stack, 1))
    assert stack.resource()["cancelledCount"] == 4


def test_where_the_state_cannot_be_read_all_keys_of_a_changed_set_count(stack: Stack) -> None:
    stack.declare(proper("dk-01", "dk-02", "dk-03"))
    stack.up()
    stack.declare(proper("dk-01", "dk-02", "dk-03", "dk-04"))
    without_pulumi = {"PATH": os.pathsep.join([str(VENV / "bin"), os.defpath])}
    found = violations(stack.run("preview", *limited(stack, 1), code=None, environ=without_pulumi))
    (message,) = found.values()
    assert message.startswith("this change adds up to 4 device keys (pumps: 4); one change may add 1. The state could")


def test_keys_that_are_not_known_yet_fail_no_preview(stack: Stack, simulator: RunningSimulator) -> None:
    """The job and the keys of the second set come out of the first, which is yet to be made."""
    (stack.project / "__main__.py").write_text(
        textwrap.dedent(f"""
        from enos_ota import CancelledTaskSet
        more = {{"reason": "INC-4711", "expires": "{in_days(30)}"}}
        pumps = CancelledTaskSet("pumps", "{JOB}", ["dk-01"], **more)
        job, keys = pumps.problem.apply(lambda _: "{JOB}"), pumps.problem.apply(lambda _: ["dk-02"])
        CancelledTaskSet("valves", job, keys, **more)
        """),
        encoding="utf-8",
    )
    stack.run("up", "--yes", *configured(stack, {"max-keys-per-change": {"maxKeys": 1}}))
    assert sent(simulator) == [["dk-01"], ["dk-02"]]


def test_levels_can_be_lowered_and_settings_changed(stack: Stack) -> None:
    stack.declare(proper("dk-01", reason="CHG 7", expires=in_days(40), expect=None))
    config = HERE | {
        "all": "advisory",
        "reason-pattern": {"pattern": "^CHG [0-9]+$"},
        "expires-within": {"days": 30, "enforcementLevel": "disabled"},
    }
    found = violations(stack.run("preview", *configured(stack, config)))
    assert list(found) == [Violation("advisory", "guard-and-expectation", "pumps")]


def test_settings_that_make_no_sense_are_violations(stack: Stack) -> None:
    """A limit that is not understood must not be none."""
    stack.declare(proper("dk-01"))
    config = {"reason-pattern": {"pattern": "("}, "max-keys-per-change": {"maxkeys": 500}}
    found = violations(stack.run("preview", *configured(stack, config), code=None))
    assert sorted(each.policy for each in found) == ["max-keys-per-change", "reason-pattern"]
    assert all(" in the file given with --policy-pack-config: " in message for message in found.values())


@pytest.mark.parametrize(
    ("example", "declared", "expected", "code"),
    [
        ("production.json", proper("dk-01", expires=in_days(100)), {"expires-within": "mandatory"}, None),
        ("trial.json", proper("dk-01", expires=None, reason=None), {"reason-pattern": "advisory"}, 0),
    ],
)
def test_examples_do_what_they_say(
    stack: Stack, example: str, declared: dict[str, object], expected: dict[str, str], code: int | None
) -> None:
    stack.declare(declared)
    config = str(PACK / "examples" / example)
    found = violations(stack.run("preview", "--policy-pack", str(PACK), "--policy-pack-config", config, code=code))
    assert {each.policy: each.level for each in found} == expected


def test_no_example_is_untested() -> None:
    assert {file.name for file in (PACK / "examples").iterdir()} == {"production.json", "trial.json"}


def test_a_copy_of_the_pack_works_in_a_project_of_ones_own(stack: Stack) -> None:
    """Beside the project's .venv, named by a relative path, as README.md of the pack has it."""
    shutil.copytree(PACK, stack.project / "policy", ignore=shutil.ignore_patterns("__pycache__"))
    stack.declare(proper("dk-01", reason=None))
    found = violations(stack.run("preview", "--policy-pack", "policy", code=None))
    assert list(found) == [Violation("mandatory", "reason-pattern", "pumps")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["an interrupt", "kill -9"])
def test_the_pack_ends_with_the_run(stack: Stack, number: signal.Signals) -> None:
    (stack.project / "__main__.py").write_text("import time\nopen('started', 'w').close()\ntime.sleep(600)\n")
    with stack.running("preview", "--policy-pack", str(PACK)) as run:
        run.until((stack.project / "started").exists)
        assert [command for command in run.noted.values() if "-m pulumi.policy" in command]
        run.interrupt(number)
        run.process.communicate()
        assert run.left_over("-m pulumi.policy") == []
