"""Settings in Pulumi.yaml count for every stack, exactly as Pulumi merges them with the stack file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from enos_ota.engine.stack_secrets import read_stack
from enos_ota.settings import load_checks, load_connection
from enos_ota.settings.stack_selection import select_stack_files
from tests.harness.project_settings import MERGED, REFUSED, Shared
from tests.harness.stack_project import check_stack_file

if TYPE_CHECKING:
    from tests.harness.stack_project import Project

BASE = "enos:apiGateway: https://apim.example.com\nenos:orgId: o1\nenos:appKey: key\n"
CREDENTIALS = {"ENOS_APP_KEY": "key", "ENOS_APP_SECRET": "secret"}


@pytest.mark.parametrize("case", MERGED.values(), ids=MERGED.keys())
def test_both_files_are_merged_as_pulumi_merges_them(project: Project, case: Shared) -> None:
    """A command reads what a program is handed."""
    project.share(case.project)
    project.write(case.stack or "{}")
    get = read_stack(project.root, "prod", {}).get
    assert {key: get(key) for key in case.merged} == case.merged


@pytest.mark.parametrize(("settings", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_pulumi_would_not_take_is_refused_with_its_line(project: Project, settings: str, said: str) -> None:
    """No setting is half believed."""
    project.share(f"enos:batchSize: 200\n{settings}")
    project.write(BASE)
    (problem,) = check_stack_file(project.file)
    assert str(problem).startswith(f"Pulumi.yaml:6: {said}")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("enos-ota:gaurd: {value: {maxDevices: 3}}", "enos-ota:gaurd is no configuration key; did you mean"),
        ("enos_ota:guard: {value: {maxDevices: 3}}", "enos_ota:guard is no configuration key; did you mean"),
        ("enos-ota:guard.maxDevices: {value: 3}", "enos-ota:guard.maxDevices is no configuration key"),
        ("enos-ota:guard: {value: {maxDevice: 3}}", "enos-ota:guard.maxDevice is no key of guard; did you mean"),
        ("enos:orgId: 0012", "enos:orgId is 0012 without quotes, and YAML may turn that into another text"),
        ("enos:appSecret: hunter2", "enos:appSecret is in plain text"),
        ("deadline: 0", "enos-ota:deadline must be more than 0"),
    ],
)
def test_a_wrong_setting_in_pulumi_yaml_is_a_problem_with_its_line(project: Project, settings: str, said: str) -> None:
    """The checks are those of the stack file."""
    project.share(f"enos:batchSize: 200\n{settings}")
    project.write("enos:maxConcurrency: 4\n")
    (problem,) = check_stack_file(project.file)
    assert str(problem).startswith(f"Pulumi.yaml:6: {said}")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("enos-ota:guard: {maxDevices: 3}\n", "enos-ota:guard has no effect outside of config: move it there"),
        ("confg: {enos-ota:guard: {value: {maxDevices: 3}}}\n", "confg has no effect: did you mean config?"),
        ("stackconfigdir: stacks\n", "stackconfigdir has no effect: did you mean stackConfigDir?"),
        ("options: {refersh: always}\n", "refersh has no effect: did you mean refresh?"),
        ("config: [enos-ota:guard]\n", "must hold a mapping of keys under config:"),
        (
            "config:\n  guard: {value: {maxDevices: 3}}\n  enos-ota:guard: x\n",
            "enos-ota:guard is given twice, once as guard",
        ),
    ],
)
def test_a_setting_in_the_wrong_place_is_a_problem(project: Project, more: str, said: str) -> None:
    file = project.root / "Pulumi.yaml"
    file.write_text(file.read_text() + more)
    project.write(BASE)
    line = 6 if "given twice" in said else 4
    assert [str(problem) for problem in check_stack_file(project.file)] == [f"Pulumi.yaml:{line}: {said}"]


def test_what_else_is_in_pulumi_yaml_is_pulumis(project: Project) -> None:
    file = project.root / "Pulumi.yaml"
    file.write_text(file.read_text() + "description: d\noptions: {refresh: always}\nplugins: {}\nx-team: {owner: a}\n")
    project.write(BASE)
    assert check_stack_file(project.file) == ()


def test_a_line_inside_of_a_value_is_named(project: Project) -> None:
    project.share("enos-ota:guard:\n  description: limits\n  value:\n    maxDevices: 3\n    maxShare: 7")
    project.write(BASE)
    assert [str(problem) for problem in check_stack_file(project.file)] == [
        "Pulumi.yaml:9: enos-ota:guard.maxShare must be at most 1; for 7 % write 0.07"
    ]


def test_a_problem_of_pulumi_yaml_is_one_problem_for_all_stacks(project: Project) -> None:
    """`validate` shows each line once, however many stacks it concerns."""
    project.share("enos-ota:gaurd: {value: {maxDevices: 3}}")
    project.write(BASE)
    (project.root / "stacks" / "Pulumi.dev.yaml").write_text("config: {}\n")
    found = [check_stack_file(project.root / "stacks" / f"Pulumi.{stack}.yaml") for stack in ("dev", "prod")]
    assert found[0] == found[1] != ()


def test_settings_of_other_programs_are_passed_over(project: Project) -> None:
    project.share("aws:region: eu-central-1\npulumi:tags: {value: {team: fleet}}\naws:odd: {any: thing}")
    project.write(BASE)
    assert check_stack_file(project.file) == ()


def test_limits_and_audit_log_of_pulumi_yaml_are_those_of_a_stack_that_has_no_file_yet(project: Project) -> None:
    project.share("enos-ota:guard: {value: {maxDevices: 3}}\nenos-ota:auditLog: audit.jsonl\n" + BASE)
    get = read_stack(project.root, None, CREDENTIALS).get
    assert load_checks(get).guard.max_devices == 3
    assert load_connection(get, CREDENTIALS).audit_log == "audit.jsonl"


def test_a_stack_file_that_cannot_be_read_takes_pulumi_yaml_with_it(project: Project) -> None:
    """What the broken file would say in place of Pulumi.yaml is not known, so it is the only problem."""
    project.share("enos-ota:guard: {value: {maxDevices: 3}}")
    project.file.write_text("config: [\n")
    (problem,) = check_stack_file(project.file)
    assert str(problem).startswith("stacks/Pulumi.prod.yaml:2: this is not YAML")


def test_a_program_gets_the_sets_of_pulumi_yaml(project: Project) -> None:
    sets = [{"name": "pump", "jobId": "65a1", "deviceKeys": ["dk-01"]}]
    project.share(f"enos-ota:cancelledTaskSets: {{value: {json.dumps(sets)}}}")
    project.write(BASE)
    loaded = project.load({**project.delivered(), "enos-ota:cancelledTaskSets": json.dumps(sets)})
    assert [each.name for each in loaded] == ["pump"]


def test_a_program_that_was_handed_another_value_than_pulumi_yaml_holds_refuses(project: Project) -> None:
    project.share("enos-ota:guard: {value: {maxDevices: 3}}")
    project.write(BASE)
    (problem,) = project.problems({**project.delivered(), "enos-ota:guard": '{"maxDevices":300}'})
    assert problem.startswith("Pulumi.yaml:5: Pulumi delivered other values than this file has for enos-ota:guard")


def test_pulumi_yaml_alone_makes_the_stacks_of_another_project_ours(project: Project) -> None:
    """`validate` looks at stack files that do not mention EnOS themselves."""
    (project.root / "Pulumi.yaml").write_text(
        "name: fleet\nstackConfigDir: stacks\nconfig: {enos-ota:guard: {value: {maxDevices: 3}}}\n"
    )
    project.write("other:key: 1\n")
    assert list(select_stack_files(["stacks/Pulumi.prod.yaml"], project.root).files) == [project.file]
