"""docs/simulator.md says what is there: switches, control calls, and a fleet that loads."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import yaml

from enos_ota.simulator import control
from enos_ota.simulator import fleet as fleet_module
from enos_ota.simulator.fleet import JobSpec, parse_fleet
from enos_ota.simulator.simulator import Simulator
from enos_ota.simulator.switches import Switches, camel, kebab

TEXT = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    lines = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")][1:]


def test_every_switch_is_documented_with_its_values() -> None:
    told = {row[0].strip("`"): row[1] for row in rows("Switches")}
    assert list(told) == [kebab(known.name) for known in dataclasses.fields(Switches)]
    choices = {
        kebab(known.name): ", ".join(map(str, known.metadata["choices"]))
        for known in dataclasses.fields(Switches)
        if "choices" in known.metadata
    }
    assert {name: told[name] for name in choices} == choices


def test_every_control_call_is_documented() -> None:
    told = {
        tuple(call.strip("`").split("?")[0].split(" ", 1))
        for row in rows("The control API")
        for call in row[0].replace("`, `", "`|`").split("|")
        for call in [call.split("` `")[0]]
    }
    built = {
        *control._ABOUT_ALL,
        *((method, f"jobs/{{jobId}}/{rest}".rstrip("/")) for method, rest in control._ABOUT_A_JOB),
    }
    assert told == built


def test_the_example_of_a_fleet_loads() -> None:
    example = TEXT.split("```yaml\n")[1].split("```")[0]
    simulator = Simulator(parse_fleet(yaml.safe_load(example)))
    assert simulator.info() == {"jobs": 1, "tasks": 1001}


def test_the_example_in_the_module_loads() -> None:
    doc = (fleet_module.__doc__ or "").split("\n\n")[1]
    assert Simulator(parse_fleet(yaml.safe_load(doc))).info() == {"jobs": 1, "tasks": 1001}


def test_every_field_of_a_job_is_documented() -> None:
    section = TEXT.split("## A fleet of your own")[1].split("\n## ")[0]
    assert [name for name in map(camel, JobSpec.model_fields) if name not in section] == []
