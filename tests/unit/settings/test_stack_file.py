"""The stack file: where it is, and the offline check of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from enos_ota.settings import Problem, SettingsError
from enos_ota.settings.stackfile import require_project
from tests.harness.stack_project import BASE, ONE_SET, check_stack_file

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.stack_project import Project


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("Pulumi.yaml", "name: x\nstackConfigDir: stacks\n", "stacks/Pulumi.prod.yaml"),
        ("Pulumi.yaml", "name: x\nconfig: {a: 1}\n", "Pulumi.prod.yaml"),
        ("Pulumi.yml", "name: x\n", "Pulumi.prod.yml"),
    ],
)
def test_the_stack_file_is_where_pulumi_looks_for_it(tmp_path: Path, file: str, content: str, expected: str) -> None:
    (tmp_path / file).write_text(content)
    assert require_project(tmp_path).stack_file("prod") == tmp_path / expected


def test_without_a_project_there_is_no_stack_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        require_project(tmp_path)
    assert caught.value.problems == ("there is no Pulumi.yaml here or above: run this in the project's directory",)


def test_a_good_stack_file_passes_offline_without_gateway_and_credentials(project: Project) -> None:
    project.write("enos:appSecret: {secure: v1:x}\n", sets=ONE_SET)
    assert check_stack_file(project.file) == ()


def test_a_problem_has_file_line_and_path(project: Project) -> None:
    project.write(BASE, sets='- name: p\n  jobId: "1"\n  deviceKeys: [a]\n  formerNames: [p]\n')
    assert check_stack_file(project.file) == (
        Problem(
            text='set "p": formerNames holds the set\'s present name; remove it',
            file="stacks/Pulumi.prod.yaml",
            line=8,
            path="enos-ota:cancelledTaskSets[0].formerNames[0]",
        ),
    )


def test_a_problem_in_a_key_file_has_the_path_that_names_it(project: Project) -> None:
    (project.root / "stacks/keys/p.txt").write_text("a\x00\n")
    project.write(BASE, sets='- {name: p, jobId: "1", deviceKeysFile: keys/p.txt}')
    (problem,) = check_stack_file(project.file)
    assert (problem.file, problem.line, problem.path) == (
        "stacks/keys/p.txt",
        1,
        "enos-ota:cancelledTaskSets[0].deviceKeysFile",
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"config: [a]\n", "stacks/Pulumi.prod.yaml:1: must hold a mapping of keys under config:"),
        (b"- a\n", "stacks/Pulumi.prod.yaml:1: must hold a mapping of keys under config:"),
        (
            b"config: {}\nenos:orgId: o1\n",
            "stacks/Pulumi.prod.yaml:2: enos:orgId has no effect outside of config: move it there",
        ),
        (b"config: {}\n# \xff\n", "stacks/Pulumi.prod.yaml:2: is not UTF-8: save it as UTF-8"),
        (
            b"config:\n  enos:orgId: o1\n  enos:orgId: o2\n",
            "stacks/Pulumi.prod.yaml:3: enos:orgId is given twice in one mapping",
        ),
        (
            b"config:\n  enos:orgId: o1\n  enos:config:orgId: o2\n",
            "stacks/Pulumi.prod.yaml:3: enos:config:orgId is given twice, once as enos:orgId",
        ),
        (b"Config:\n  enos:orgId: o1\n", "stacks/Pulumi.prod.yaml:1: Config has no effect: did you mean config?"),
        (
            b"settings:\n  enos-ota:guard: {maxDevices: 3}\n",
            "stacks/Pulumi.prod.yaml:1: settings has no effect: settings must be under config:",
        ),
    ],
)
def test_a_file_that_is_no_stack_file_or_hides_its_settings_is_refused(
    project: Project, content: bytes, text: str
) -> None:
    project.file.write_bytes(content)
    assert [str(problem) for problem in check_stack_file(project.file)] == [text]


@pytest.mark.parametrize("content", ["", "config:\n", "encryptionsalt: v1:x\n"])
def test_an_empty_stack_file_is_fine_offline(project: Project, content: str) -> None:
    project.file.write_text(content)
    assert check_stack_file(project.file) == ()


def test_a_stack_file_that_is_a_directory_is_a_problem(project: Project) -> None:
    project.file.mkdir()
    assert [str(problem) for problem in check_stack_file(project.file)] == [
        "stacks/Pulumi.prod.yaml: cannot be read: it is a directory, not a regular file"
    ]


def test_a_stack_file_over_the_limit_is_refused(project: Project) -> None:
    project.file.touch()
    os.truncate(project.file, 64 * 1024 * 1024 + 1)
    assert [str(problem) for problem in check_stack_file(project.file)] == [
        "stacks/Pulumi.prod.yaml: cannot be read: it is larger than 64 MiB"
    ]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"name: [x\n", "Pulumi.yaml:2: this is not YAML: did not find expected ',' or ']'"),
        (b"name: \xff\n", "Pulumi.yaml:1: is not UTF-8: save it as UTF-8"),
    ],
)
def test_a_project_file_that_cannot_be_read_is_a_problem(project: Project, content: bytes, text: str) -> None:
    (project.root / "Pulumi.yaml").write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        require_project(project.root)
    assert caught.value.problems == (text,)


def test_beside_the_project_file_key_files_stay_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keys.txt").write_text("a\n")
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    (root / "Pulumi.yaml").write_text("name: enos-ota\n")
    file = require_project(root).stack_file("prod")
    file.write_text("config:\n  enos-ota:cancelledTaskSets:\n  - {name: p, jobId: j, deviceKeysFile: ../keys.txt}\n")
    (problem,) = check_stack_file(file)
    assert "is outside of the project" in problem.text
