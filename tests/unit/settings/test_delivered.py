"""The stack file against the values that Pulumi delivered, and the checks when there is no file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.harness.stack_project import BASE, ONE_SET

if TYPE_CHECKING:
    from tests.harness.stack_project import Project


def test_a_file_that_pulumi_did_not_read_is_noticed(project: Project) -> None:
    project.write(BASE, sets=ONE_SET)
    other = project.delivered() | {"enos:orgId": "o2", "enos-ota:cancelledTaskSets": "[]"}
    assert project.problems(other) == [
        "stacks/Pulumi.prod.yaml:3: Pulumi delivered other values than this file has for enos:orgId,"
        " enos-ota:cancelledTaskSets: it was edited meanwhile, or pulumi --config-file names another file;"
        " only this one can be checked, so put the settings here"
    ]


def without_file(project: Project, sets: list[dict[str, Any]]) -> list[str]:
    """The problems of sets that Pulumi delivers, while there is no stack file."""
    config = {
        "enos:apiGateway": "https://a.example",
        "enos:orgId": "o1",
        "enos-ota:cancelledTaskSets": json.dumps(sets),
    }
    return project.problems(config)


def test_a_mangled_number_is_refused_without_the_file_too(project: Project) -> None:
    assert without_file(project, [{"name": "p", "jobId": "1", "deviceKeys": [5349, 1.1]}]) == [
        'set "p": deviceKeys: 2 device keys are not texts: put them in quotes (no. 1: 5349, no. 2: 1.1)'
    ]


def test_a_key_file_needs_a_stack_file_that_exists(project: Project) -> None:
    assert without_file(project, [{"name": "p", "jobId": "1", "deviceKeysFile": "k.txt"}]) == [
        'set "p": deviceKeysFile is relative to the stack file, and there is none; list the keys in deviceKeys instead'
    ]
