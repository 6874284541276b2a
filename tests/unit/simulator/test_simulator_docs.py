"""docs/simulator.md says what is there: switches, faults, movement, control calls, and a fleet that loads."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import yaml
from pydantic.alias_generators import to_camel

from enos_simulator import control
from enos_simulator.faults import _OWN_SETTINGS, Fault, Operation, What
from enos_simulator.fleet import JobSpec, parse_fleet
from enos_simulator.movement import Movement
from enos_simulator.simulator import Simulator
from enos_simulator.switches import Switches

TEXT = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    lines = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")][1:]


def test_every_switch_is_documented_with_its_values() -> None:
    told = {row[0].strip("`"): row[1] for row in rows("Switches")}
    assert list(told) == [name.replace("_", "-") for name in Switches.model_fields]
    choices = {
        name.replace("_", "-"): ", ".join(map(str, get_args(switch.annotation)))
        for name, switch in Switches.model_fields.items()
        if get_args(switch.annotation)
    }
    assert {name: told[name] for name in choices} == choices


def test_every_fault_is_documented_with_its_settings_and_whether_it_is_processed() -> None:
    told = {row[0].strip("`"): row for row in rows("Faults")}
    assert list(told) == list(get_args(What))
    for what, (_, settings, _, processed) in told.items():
        own = {name for name in _OWN_SETTINGS.get(what, ()) if f"`{name}`" in settings}
        assert own == _OWN_SETTINGS.get(what, frozenset())
        fault = Fault.model_validate({"what": what})
        assert processed.startswith("as set") == ("processed" in own)
        assert fault.reaches_enos == processed.startswith("yes")


def test_every_operation_of_a_fault_is_documented() -> None:
    section = TEXT.split("\n## Faults\n")[1].split("\n## ")[0]
    assert [name for name in get_args(Operation) if f"`{name}`" not in section] == []


def test_every_setting_of_the_movement_is_documented_with_its_default() -> None:
    told = {row[0].strip("`"): row[1] for row in rows("Movement of devices")}
    usual = Movement().model_dump(mode="json")
    assert usual.pop("moving") is True
    shown = {
        name: " to ".join(f"{end:g}" for end in value) if isinstance(value, list) else f"{value:g}"
        for name, value in usual.items()
    }
    assert told == shown


def test_every_control_call_is_documented() -> None:
    told = {
        tuple(call.strip("`").split("?")[0].split(" ", 1))
        for row in rows("The control API")
        for call in row[0].replace("`, `", "`|`").split("|")
        for call in [call.split("` `")[0]]
    }
    assert told == set(control.CALLS)


def test_the_example_of_a_fleet_loads() -> None:
    example = TEXT.split("```yaml\n")[1].split("```")[0]
    simulator = Simulator(parse_fleet(yaml.safe_load(example)))
    assert simulator.info() == {"jobs": 1, "tasks": 1001}


def test_every_field_of_a_job_is_documented() -> None:
    section = TEXT.split("## A fleet of your own")[1].split("\n## ")[0]
    assert [name for name in map(to_camel, JobSpec.model_fields) if name not in section] == []
