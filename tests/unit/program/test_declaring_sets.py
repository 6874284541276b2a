"""The program's side: what is declared, what a program of one's own gets, what fails it."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import pulumi
import pytest
from pulumi.runtime import mocks as pulumi_mocks

from enos_ota import CancelledTaskSet, require_converged
from enos_ota.program import declare_sets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

GATEWAY = "https://apim.example.com"


class Engine(pulumi_mocks.Mocks):
    """Stands in for the engine and the provider: answers every set with the outputs it is told to."""

    def __init__(self) -> None:
        self.registered: list[pulumi.runtime.MockResourceArgs] = []
        self.outcomes: dict[str, dict[str, Any]] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.registered.append(args)
        outcome = {"cancelledCount": 2, "exceptions": "", "problem": "", "job": {"status": "started"}}
        return f"id of {args.name}", {**args.inputs, **outcome, **self.outcomes.get(args.name, {})}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], None]:
        raise AssertionError(f"nothing calls {args.token}")

    def inputs(self, name: str) -> dict[str, Any]:
        (args,) = (each for each in self.registered if each.name == name)
        return {key: value for key, value in args.inputs.items() if key != "__provider" and value is not None}


@pytest.fixture(scope="module", autouse=True)
def _event_loop() -> None:
    """Pulumi's mocks want one that is current, which from Python 3.12 on nobody gets without asking.

    It stays open: its threads hold event loops of the mocks' own that nobody closes, and that would come to light.
    """
    asyncio.set_event_loop(asyncio.new_event_loop())


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("ENOS_API_GATEWAY", GATEWAY)
    monkeypatch.setenv("ENOS_ORG_ID", "o1")
    # A program that fails leaves futures nobody looks at; Pulumi's executor keeps asyncio quiet about them too.
    monkeypatch.setattr(logging.getLogger("asyncio"), "level", logging.CRITICAL)
    return monkeypatch


@pytest.fixture
def engine() -> Engine:
    return start(preview=False)


def start(*, preview: bool) -> Engine:
    engine = Engine()
    pulumi.runtime.set_mocks(engine, project="enos-ota", stack="test", preview=preview)
    pulumi.runtime.set_all_config({})
    return engine


def run(program: Callable[[], Any]) -> Any:
    """Run a program to its end and give back what its outputs became; raises what would fail it."""
    seen: list[Any] = []

    def whole() -> pulumi.Output[None] | None:
        result = program()
        return None if result is None else pulumi.Output.from_input(result).apply(seen.append)

    pulumi.runtime.test(whole)()  # type: ignore[no-untyped-call]  # Pulumi gives it no types
    return seen[0] if seen else None


def make(*keys: Any, name: str = "pump", **arguments: Any) -> CancelledTaskSet:
    return CancelledTaskSet(name, "j1", list(keys), **arguments)


# What a set is made of


def test_a_set_registers_its_keys_as_one_sorted_text(engine: Engine) -> None:
    run(lambda: make("b", "a", "b", reason="INC-1").urn)
    (args,) = engine.registered
    assert args.typ == "pulumi-python:dynamic/enos_ota:CancelledTaskSet"
    assert engine.inputs("pump") == {
        "setName": "pump",
        "apiGateway": GATEWAY,
        "orgId": "o1",
        "jobId": "j1",
        "deviceKeys": "a\nb\n",
        "reason": "INC-1",
        "onTooLate": "report",
        "onMissing": "fail",
    }


def test_keys_may_be_outputs_and_lists_may_hold_them(engine: Engine) -> None:
    run(lambda: make("b", pulumi.Output.from_input("a"), name="inside").urn)
    run(lambda: CancelledTaskSet("whole", "j1", pulumi.Output.from_input(["d", "c"])).urn)
    assert engine.inputs("inside")["deviceKeys"] == "a\nb\n"
    assert engine.inputs("whole")["deviceKeys"] == "c\nd\n"


def test_gateway_and_organization_come_from_the_stack_too(environ: pytest.MonkeyPatch) -> None:
    environ.delenv("ENOS_API_GATEWAY")
    environ.delenv("ENOS_ORG_ID")
    engine = start(preview=False)
    pulumi.runtime.set_all_config({"enos:apiGateway": "https://from.stack.example.com/", "enos:orgId": "o2"})
    run(lambda: make("a").urn)
    assert (engine.inputs("pump")["apiGateway"], engine.inputs("pump")["orgId"]) == (
        "https://from.stack.example.com",
        "o2",
    )


def test_an_organization_can_be_given_in_the_program(environ: pytest.MonkeyPatch) -> None:
    environ.delenv("ENOS_ORG_ID")
    engine = start(preview=False)
    run(lambda: make("a", org_id="o9").urn)
    assert engine.inputs("pump")["orgId"] == "o9"


def test_another_organization_than_the_configured_one_is_refused(engine: Engine) -> None:
    with pytest.raises(pulumi.RunError, match="set 'pump': org_id is o9, but o1 is configured"):
        run(lambda: make("a", org_id="o9").urn)
    assert engine.registered == []


def test_outputs_have_typed_views(engine: Engine) -> None:
    engine.outcomes["pump"] = {"exceptions": "b\ttoo late\tupgrading\n", "cancelledCount": 1.0, "problem": "slow"}

    def program() -> pulumi.Output[Any]:
        each = make("b", "a")
        return pulumi.Output.all(each.device_keys, each.cancelled_count, each.exceptions, each.problem)

    assert run(program) == [["a", "b"], 1, [("b", "too late", "upgrading")], "slow"]


# Limits and expectations


def test_limits_and_expectation_are_inputs(engine: Engine) -> None:
    run(lambda: make("a", max_devices=500, max_share=0.25, expect_firmware_version="2.3.0").urn)
    inputs = engine.inputs("pump")
    assert (inputs["maxDevices"], inputs["maxShare"], inputs["expectFirmwareVersion"]) == (500, 0.25, "2.3.0")


def test_the_stacks_guard_holds_where_a_set_has_no_limit_of_its_own(engine: Engine) -> None:
    pulumi.runtime.set_all_config({"enos-ota:guard": '{"maxDevices": 500, "maxShare": 0.25}'})
    run(lambda: make("a", max_devices=0).urn)
    assert (engine.inputs("pump")["maxDevices"], engine.inputs("pump")["maxShare"]) == (0, 0.25)


@pytest.mark.parametrize("key", ["enos-ota:gaurd", "enos_ota:guard", "enos:batchsize"])
def test_a_limit_that_is_misspelt_is_refused_by_a_program_of_ones_own(engine: Engine, key: str) -> None:
    """It would not hold, and nobody would see."""
    pulumi.runtime.set_all_config({key: "1", "aws:region": "eu-central-1"})
    with pytest.raises(pulumi.RunError, match=rf"{key} is no configuration key; did you mean"):
        CancelledTaskSet("pump", "65a1", ["dk-01"])
    assert engine.registered == []


def test_a_guard_of_the_stack_that_makes_no_sense_is_refused(engine: Engine) -> None:
    pulumi.runtime.set_all_config({"enos-ota:guard": '{"maxShare": 25}'})
    with pytest.raises(pulumi.RunError, match=r"enos-ota:guard\.maxShare must be at most 1"):
        run(lambda: make("a").urn)
    assert engine.registered == []


def test_under_pulumis_mocks_a_preview_asks_nobody(environ: pytest.MonkeyPatch) -> None:
    """A unit test of somebody's program must not talk to EnOS, nor need an engine that knows hooks."""
    environ.setenv("ENOS_APP_KEY", "key")
    environ.setenv("ENOS_APP_SECRET", "secret")
    engine = start(preview=True)
    pulumi.runtime.set_all_config({"enos-ota:preflight": "on"})
    run(lambda: make("a").urn)
    assert engine.inputs("pump")["deviceKeys"] == "a\n"


# What is refused before anything is registered


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (make, "no device keys"),
        (lambda: make("a", ""), "1 device key is empty (no. 2: '')"),
        (lambda: make("a\nb"), "1 device key has control characters"),
        (lambda: make(12345), "1 device key is not a text: put it in quotes (no. 1: 12345)"),
        (lambda: CancelledTaskSet("pump", "j1", "dk-01"), "device_keys must be a list of texts, not str"),
        (lambda: make("a", expires="2026-9-1"), "expires must be a day such as 2027-03-31, not '2026-9-1'"),
        (lambda: make("a", on_too_late="fial"), "on_too_late must be 'report' or 'fail', not 'fial'"),
        (lambda: make("a", expires="31.3.2027"), "expires must be a day such as 2027-03-31, not '31.3.2027'"),
        (lambda: make("a", max_devices=-1), "max_devices must be a whole number from 0 on, not -1"),
        (lambda: make("a", max_devices="5"), "max_devices must be a whole number from 0 on, not '5'"),
        (lambda: make("a", max_share=25), "max_share must be more than 0 and at most 1, not 25"),
        (
            lambda: make("a", expect_firmware_version=2.3),
            "expect_firmware_version must be a version such as '2.3.0', not 2.3",
        ),
        (lambda: make("a", expect_firmware_version=" "), "expect_firmware_version must be a version such as '2.3.0'"),
    ],
)
def test_bad_arguments_are_refused(engine: Engine, program: Callable[[], Any], said: str) -> None:
    with pytest.raises(pulumi.RunError, match="set 'pump': ") as caught:
        run(program)
    assert said in str(caught.value)
    assert engine.registered == []


@pytest.mark.usefixtures("engine")
def test_all_bad_arguments_are_said_at_once() -> None:
    with pytest.raises(pulumi.RunError) as caught:
        run(lambda: make("", on_missing="never", max_devices=-1))
    assert str(caught.value).count("; ") == 2


def test_secret_keys_are_refused(engine: Engine) -> None:
    with pytest.raises(pulumi.RunError, match="device keys must not be secret: they are shown in outcomes"):
        run(lambda: make("a", pulumi.Output.secret("b")).urn)
    assert engine.registered == []


def test_a_secret_job_is_refused(engine: Engine) -> None:
    def program() -> object:
        return CancelledTaskSet("a", pulumi.Output.secret("j"), ["b"]).urn

    with pytest.raises(pulumi.RunError, match="job_id must not be secret: it is part of the set's id"):
        run(program)
    assert engine.registered == []


def test_a_job_that_is_known_only_later_is_taken(engine: Engine) -> None:
    run(lambda: CancelledTaskSet("a", pulumi.Output.from_input("j"), ["b"]).urn)
    assert [each.inputs["jobId"] for each in engine.registered if "jobId" in each.inputs] == ["j"]


def test_bad_keys_that_are_known_only_later_are_refused_then(engine: Engine) -> None:
    with pytest.raises(pulumi.RunError, match="1 device key is empty"):
        run(lambda: make(pulumi.Output.from_input("")).urn)
    assert engine.registered == []


@pytest.mark.parametrize(("value", "kind"), [("dk-01", "str"), (None, "NoneType"), (42.0, "float"), ({"a": 1}, "dict")])
def test_what_is_no_list_is_refused_also_when_it_is_known_only_later(engine: Engine, value: Any, kind: str) -> None:
    """A text would fall apart into its characters, each of them a device key."""
    with pytest.raises(pulumi.RunError, match=f"device_keys must be a list of texts, not {kind}"):
        run(lambda: CancelledTaskSet("pump", "j1", pulumi.Output.from_input(value)).urn)
    assert engine.registered == []


def test_a_missing_gateway_is_an_error_and_no_simulator_steps_in(environ: pytest.MonkeyPatch) -> None:
    environ.delenv("ENOS_API_GATEWAY")
    engine = start(preview=False)
    with pytest.raises(pulumi.RunError, match="enos:apiGateway"):
        run(lambda: make("a").urn)
    assert engine.registered == []


# The verdict


@pytest.mark.usefixtures("engine")
def test_sets_that_came_out_as_declared_do_not_fail_the_program() -> None:
    run(lambda: require_converged(make("a")))


def test_one_error_at_the_end_names_every_set_that_did_not(engine: Engine) -> None:
    engine.outcomes["one"] = {"problem": "EnOS kept throttling", "cancelledCount": 0}
    engine.outcomes["three"] = {"exceptions": "a\tmissing\t\n", "cancelledCount": 0}
    with pytest.raises(pulumi.RunError) as caught:
        run(lambda: require_converged(*(make("a", name=name) for name in ("one", "two", "three"))))
    first, *others = str(caught.value).splitlines()
    assert first == "2 of 3 sets did not come out as declared:"
    assert [line.split(":")[0] for line in others] == ["set 'one' (job j1)", "set 'three' (job j1)"]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was warned of."""
    texts: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, _resource=None: texts.append(text))
    return texts


def test_a_preview_only_warns(said: list[str]) -> None:
    engine = start(preview=True)
    engine.outcomes["pump"] = {"exceptions": "a\tmissing\t\n"}
    run(lambda: require_converged(make("a")))
    (text,) = said
    assert text.startswith("set 'pump' (job j1): 1 key without a task in this job")


def test_warnings_are_said_in_a_real_run_too(engine: Engine, said: list[str]) -> None:
    engine.outcomes["pump"] = {"exceptions": "a\ttoo late\tsucceeded\n"}
    run(lambda: require_converged(make("a")))
    assert said == ["set 'pump' (job j1): 1 key too late to cancel (a succeeded)"]


def test_what_fails_the_run_is_not_warned_of_as_well(engine: Engine, said: list[str]) -> None:
    engine.outcomes["pump"] = {"exceptions": "a\tmissing\t\n"}
    with pytest.raises(pulumi.RunError):
        run(lambda: require_converged(make("a")))
    assert said == []


def test_a_program_that_requires_nothing_is_warned_of_everything(engine: Engine, said: list[str]) -> None:
    engine.outcomes["pump"] = {"exceptions": "a\tmissing\t\n"}
    run(lambda: make("a").urn)
    (text,) = said
    assert text.startswith("set 'pump' (job j1): 1 key without a task in this job")


# The stack's sets


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: enos-ota\nruntime: python\nstackConfigDir: stacks\n")
    (tmp_path / "stacks").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configure(project: Path, *sets: Mapping[str, Any], **others: Any) -> None:
    values = {"enos-ota:cancelledTaskSets": list(sets), **others}
    (project / "stacks" / "Pulumi.test.yaml").write_text(json.dumps({"config": values}))
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    pulumi.runtime.set_all_config(texts)


def test_every_set_of_the_stack_is_declared(engine: Engine, project: Path) -> None:
    configure(
        project,
        {"name": "one", "jobId": "j1", "deviceKeys": ["a"], "onTooLate": "fail", "expires": "2027-03-31"},
        {
            "name": "two",
            "jobId": "j2",
            "deviceKeys": ["a"],
            "onMissing": "report",
            "reason": "INC-2",
            "guard": {"maxDevices": 5},
            "expect": {"firmwareVersion": "2.3.0"},
        },
        **{"enos-ota:guard": {"maxShare": 0.5}},
    )
    run(lambda: pulumi.Output.all(*(each.urn for each in declare_sets())))
    one, two = engine.inputs("one"), engine.inputs("two")
    assert (one["jobId"], one["onTooLate"], one["onMissing"], one["expires"]) == ("j1", "fail", "fail", "2027-03-31")
    assert (two["jobId"], two["onTooLate"], two["onMissing"], two["reason"]) == ("j2", "report", "report", "INC-2")
    assert (one.get("maxDevices"), one["maxShare"]) == (None, 0.5)
    assert (two["maxDevices"], two["maxShare"], two["expectFirmwareVersion"]) == (5, 0.5, "2.3.0")


def test_keys_come_from_a_file_beside_the_stack_file(engine: Engine, project: Path) -> None:
    (project / "stacks" / "keys.txt").write_text("# all of site 7\nb\na\n")
    configure(project, {"name": "one", "jobId": "j1", "deviceKeysFile": "keys.txt"})
    run(lambda: pulumi.Output.all(*(each.urn for each in declare_sets())))
    assert engine.inputs("one")["deviceKeys"] == "a\nb\n"


def test_a_set_file_is_declared_beside_the_list(engine: Engine, project: Path) -> None:
    """Its name is the resource's, its key file is beside it."""
    configure(project, {"name": "one", "jobId": "j1", "deviceKeys": ["a"]})
    folder = project / "stacks" / "test"
    folder.mkdir()
    (folder / "pump-2.3.0.yaml").write_text('jobId: "j2"\ndeviceKeysFile: pump-2.3.0.txt\nguard: {maxDevices: 3}\n')
    (folder / "pump-2.3.0.txt").write_text("b\na\n")
    run(lambda: pulumi.Output.all(*(each.urn for each in declare_sets())))
    declared = engine.inputs("pump-2.3.0")
    assert (declared["jobId"], declared["deviceKeys"], declared["maxDevices"]) == ("j2", "a\nb\n", 3)
    assert engine.inputs("one")["deviceKeys"] == "a\n"


@pytest.mark.usefixtures("engine", "project")
def test_a_broken_set_file_registers_nothing(engine: Engine, project: Path) -> None:
    """Every set of the stack waits until it is corrected."""
    configure(project, {"name": "one", "jobId": "j1", "deviceKeys": ["a"]})
    (project / "stacks" / "test").mkdir()
    (project / "stacks" / "test" / "pump.yaml").write_text("- jobId: x\n")
    with pytest.raises(pulumi.RunError, match=r"stacks/test/pump\.yaml:1: holds a list"):
        run(declare_sets)
    assert engine.registered == []


@pytest.mark.usefixtures("engine")
def test_a_stack_without_sets_says_so(project: Path, said: list[str]) -> None:
    configure(project)
    run(declare_sets)
    assert said == [
        "no cancelled task set is declared in Pulumi.test.yaml or a set file;"
        " sets recorded earlier are removed from the state (their tasks stay cancelled)"
    ]


@pytest.mark.usefixtures("engine", "project")
def test_a_missing_stack_file_says_so(said: list[str]) -> None:
    run(declare_sets)
    assert said == [
        "no cancelled task set is declared: there is no Pulumi.test.yaml;"
        " sets recorded earlier are removed from the state (their tasks stay cancelled)"
    ]


def test_all_problems_of_the_configuration_are_one_error_and_nothing_is_registered(
    engine: Engine, project: Path
) -> None:
    configure(
        project,
        {"name": "one", "jobId": "j1", "deviceKeys": ["a"], "onToolate": "fail"},
        {"name": "two", "jobId": "j1", "deviceKeys": ["a"]},
        **{"enos-ota:appKey": "x"},
    )
    with pytest.raises(pulumi.RunError) as caught:
        run(declare_sets)
    text = str(caught.value)
    assert "onTooLate" in text
    assert "enos:appKey" in text
    assert engine.registered == []
