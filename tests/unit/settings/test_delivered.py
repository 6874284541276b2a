"""The stack file against the values that Pulumi delivered, and the checks when the file is unknown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from enos_ota.settings import SettingsError, load_stack
from tests.harness.stack_project import BASE, ONE_SET

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.stack_project import Project


def test_a_file_that_pulumi_did_not_read_is_noticed(project: Project) -> None:
    project.write(BASE, sets=ONE_SET)
    other = project.delivered() | {"enos:orgId": "o2", "enos-ota:cancelledTaskSets": "[]"}
    assert project.problems(other) == [
        "stacks/Pulumi.prod.yaml:3: Pulumi delivered other values than this file has for enos:orgId,"
        " enos-ota:cancelledTaskSets: it was edited meanwhile, or pulumi --config-file names another file;"
        " only this one can be checked, so put the settings here"
    ]


def without_file(sets: list[dict[str, Any]], stack_file: Path | None = None) -> list[str]:
    config = {
        "enos:apiGateway": "https://a.example",
        "enos:orgId": "o1",
        "enos-ota:cancelledTaskSets": json.dumps(sets),
    }
    with pytest.raises(SettingsError) as caught:
        load_stack(config, {}, stack_file=stack_file)
    return list(caught.value.problems)


def test_a_mangled_date_is_refused_without_the_file_too() -> None:
    sets = [{"name": "p", "jobId": "1", "deviceKeys": ["a", "2026-01-02 00:00:00 +0000 UTC"]}]
    assert without_file(sets) == [
        'set "p": deviceKeys: 2026-01-02 00:00:00 +0000 UTC is what Pulumi made of a date: put it in quotes'
    ]


def test_a_mangled_number_is_refused_without_the_file_too() -> None:
    assert without_file([{"name": "p", "jobId": "1", "deviceKeys": [5349, 1.1]}]) == [
        'set "p": deviceKeys: 2 device keys are not texts: put them in quotes (no. 1: 5349, no. 2: 1.1)'
    ]


def test_a_key_file_needs_a_known_stack_file() -> None:
    assert without_file([{"name": "p", "jobId": "1", "deviceKeysFile": "k.txt"}]) == [
        'set "p": deviceKeysFile is relative to the stack file, and that is not known here'
        " (pulumi --config-file hides it); list the keys in deviceKeys instead"
    ]


def test_a_key_file_needs_a_stack_file_that_exists(project: Project) -> None:
    assert without_file([{"name": "p", "jobId": "1", "deviceKeysFile": "k.txt"}], project.file) == [
        'set "p": deviceKeysFile is relative to the stack file, and there is none at stacks/Pulumi.prod.yaml;'
        " list the keys in deviceKeys instead"
    ]
