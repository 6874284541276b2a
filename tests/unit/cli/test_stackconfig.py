"""Which stack a command works with, and what it knows of its configuration without an engine."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from enos_ota.cli import main
from enos_ota.engine.stack_secrets import read_stack
from enos_ota.settings import SettingsError, load_connection
from enos_ota.settings.stackfile import find_project
from tests.harness.stack_project import ONE_SET

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.stack_project import Project

SECURE = "enos:appSecret: {secure: v1:abc}\n"
BASE = """\
enos:apiGateway: https://apim.example.com
enos:orgId: o1
enos:appKey: key
"""


def refusal(root: Path, named: str | None = None, *, needed: bool = False, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_stack(root, named, environ, needed=needed)
    return list(caught.value.problems)


def pulumi(folder: Path, script: str) -> str:
    """A PATH with a `pulumi` on it that is this shell script."""
    folder.mkdir()
    file = folder / "pulumi"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return f"{folder}{os.pathsep}{os.defpath}"


# Which stack.


def test_a_named_stack_is_chosen(project: Project) -> None:
    project.write(BASE)
    assert read_stack(project.root, "prod", {"PULUMI_STACK": "other"}).stack == "prod"


def test_pulumis_own_variable_names_the_stack(project: Project) -> None:
    project.write(BASE)
    (project.root / "stacks" / "Pulumi.dev.yaml").write_text("config: {}\n")
    assert read_stack(project.root, None, {"PULUMI_STACK": "prod"}).stack == "prod"


def test_the_only_stack_is_chosen_and_the_example_is_none(project: Project) -> None:
    project.write(BASE)
    (project.root / "stacks" / "Pulumi.example.yaml").write_text("config: {}\n")
    assert read_stack(project.root, None, {}).stack == "prod"


def test_of_several_stacks_one_must_be_named(project: Project) -> None:
    project.write(BASE)
    (project.root / "stacks" / "Pulumi.dev.yaml").write_text("config: {}\n")
    assert refusal(project.root, needed=True) == [
        "stacks has several stacks (dev, prod): name one with --stack, or set PULUMI_STACK"
    ]


def test_where_no_stack_is_needed_several_are_none(project: Project) -> None:
    project.write(BASE)
    (project.root / "stacks" / "Pulumi.dev.yaml").write_text("config: {}\n")
    config = read_stack(project.root, None, {})
    assert (config.stack, config.file, config.get("enos:orgId")) == ("", None, None)


def test_a_project_without_a_stack_file_says_so_where_one_is_needed(project: Project) -> None:
    assert refusal(project.root, needed=True) == [
        "stacks has no stack file; name the stack with --stack, or set PULUMI_STACK"
    ]


def test_a_stack_that_is_named_must_have_a_file(project: Project) -> None:
    assert refusal(project.root, "nope") == ["stacks/Pulumi.nope.yaml: there is no such file"]


@pytest.mark.parametrize(("named", "needed"), [("prod", False), (None, True)])
def test_outside_of_a_project_there_is_no_stack(
    tmp_path: Path,
    named: str | None,
    needed: bool,  # noqa: FBT001 - a table
) -> None:
    assert refusal(tmp_path, named, needed=needed) == [
        "there is no Pulumi.yaml here or above: run this in the project's directory"
    ]


def test_outside_of_a_project_the_environment_alone_counts(tmp_path: Path) -> None:
    assert read_stack(tmp_path, None, {}).project is None


def test_a_project_is_found_from_below(project: Project) -> None:
    found = find_project(project.root / "stacks" / "keys")
    assert found
    assert (found.root, found.name) == (project.root, "enos-ota")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [\n", "Pulumi.yaml:2: this is not YAML"),
        ("runtime: python\n", "Pulumi.yaml: must give the project a name"),
        ("name: 5\n", "Pulumi.yaml: must give the project a name"),
        ("- name\n", "Pulumi.yaml: must give the project a name"),
    ],
)
def test_a_project_file_that_no_engine_would_take_is_refused(project: Project, text: str, message: str) -> None:
    (project.root / "Pulumi.yaml").write_text(text)
    (problem,) = refusal(project.root)
    assert problem.startswith(message)


@pytest.mark.parametrize("variable", [False, True], ids=["--stack", "PULUMI_STACK"])
@pytest.mark.parametrize("name", ["organization/enos-ota/prod", "acme/prod", "prod"])
def test_a_stack_may_be_named_in_full(project: Project, name: str, *, variable: bool) -> None:
    """The file is that of the last part, and Pulumi gets the name as it was written."""
    project.write(BASE)
    config = read_stack(project.root, None if variable else name, {"PULUMI_STACK": name} if variable else {})
    assert (config.stack, config.full_name, config.file) == ("prod", name, project.file)


def test_pulumi_is_asked_for_a_secret_by_the_full_name_of_the_stack(project: Project, tmp_path: Path) -> None:
    project.write(BASE + SECURE)
    path = pulumi(tmp_path / "bin", 'echo "$@"')
    config = read_stack(project.root, "organization/enos-ota/prod", {"PATH": path})
    assert " --stack organization/enos-ota/prod " in str(config.get("enos:appSecret"))


@pytest.mark.parametrize("words", [("review",), ("doctor",)], ids=["review", "doctor"])
def test_pulumi_gets_the_full_name_by_a_command(project: Project, tmp_path: Path, words: tuple[str, ...]) -> None:
    """A reader finds the short one in the report."""
    project.write(BASE, sets=ONE_SET)
    log = tmp_path / "calls"
    script = f'echo "$@" >> {log}; case "$*" in version*) echo v3.259.0;; *) exit 255;; esac'
    environ = {"PATH": pulumi(tmp_path / "bin", script)}
    (tmp_path / "bin" / "pulumi-language-python").symlink_to("pulumi")
    ended = CliRunner().invoke(main, [*words, "--stack", "organization/enos-ota/prod"], env=environ)
    assert re.search(r"--stack.organization/enos-ota/prod\b", log.read_text())
    assert "there is no such file" not in ended.output


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("acme/fleet/prod", "acme/fleet/prod is a stack of project fleet, but this is project enos-ota"),
        ("a/b/c/d", "a/b/c/d is no stack name: write stack, or organization/project/stack"),
        ("acme//prod", "acme//prod is no stack name"),
        ("prod/", "prod/ is no stack name"),
    ],
)
@pytest.mark.parametrize("source", ["--stack", "PULUMI_STACK"])
def test_a_stack_of_another_project_is_refused(project: Project, name: str, message: str, source: str) -> None:
    """The same name in this project would be another stack."""
    project.write(BASE)
    named = name if source == "--stack" else None
    (problem,) = refusal(project.root, named, PULUMI_STACK="" if named else name)
    assert problem.startswith(f"{source} {message}")


# Its values.


def test_values_are_texts_as_pulumi_hands_them_to_a_program(project: Project) -> None:
    project.write(BASE + 'enos:maxConcurrency: 4\nenos:cancelledMarkers: ["abgebrochen", "已取消"]\n')
    get = read_stack(project.root, None, {}).get
    assert [get(f"enos:{name}") for name in ("orgId", "maxConcurrency", "cancelledMarkers", "batchSize")] == [
        "o1",
        "4",
        '["abgebrochen", "已取消"]',
        None,
    ]


def test_a_ca_bundle_is_found_from_any_directory_of_the_project(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(BASE + "enos:caBundle: certificates/ca.pem\n")
    monkeypatch.chdir(project.root / "stacks")
    bundle = read_stack(project.root / "stacks", None, {}).get("enos:caBundle")
    assert bundle == str(project.root / "certificates" / "ca.pem")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("enos:orgID: x", "enos:orgID is no configuration key; did you mean enos:orgId?"),
        ("enos:batchSize: 0", "enos:batchSize must be at least 1"),
        ("enos:cancelledMarkers: [no]", "enos:cancelledMarkers[0] is no without quotes"),
        ("enos:appSecret: in-the-open", "enos:appSecret is in plain text"),
        ("enos:maxConcurency: 4", "enos:maxConcurency is no configuration key; did you mean enos:maxConcurrency?"),
    ],
)
def test_a_wrong_value_is_refused_as_it_is_by_a_program(project: Project, line: str, message: str) -> None:
    project.write(BASE + line + "\n")
    (problem,) = refusal(project.root)
    assert problem.startswith(f"stacks/Pulumi.prod.yaml:5: {message}")


def test_a_wrong_set_does_not_block_a_command_on_a_job(project: Project) -> None:
    project.write(BASE, sets="- {name: pump, jobId: 65a1, deviceKeysFile: keys/gone.txt}")
    project.write_set("pump.yaml", "- no set\n")
    assert read_stack(project.root, None, {}).get("enos:orgId") == "o1"


def test_a_file_that_is_no_yaml_is_refused_with_its_line(project: Project) -> None:
    project.file.write_text("config:\n  enos:orgId: [\n")
    (problem,) = refusal(project.root)
    assert problem.startswith("stacks/Pulumi.prod.yaml:3: this is not YAML")


# Secrets.


def test_pulumi_decrypts_a_secret(project: Project, tmp_path: Path) -> None:
    project.write(BASE + SECURE)
    path = pulumi(tmp_path / "bin", 'echo "$@"')
    config = read_stack(project.root, None, {"PATH": path})
    assert config.get("enos:appSecret") == ("config get enos:appSecret --stack prod --non-interactive --color never")


def test_credentials_in_the_environment_win_and_pulumi_is_not_asked(project: Project, tmp_path: Path) -> None:
    project.write(BASE + SECURE)
    path = pulumi(tmp_path / "bin", "exit 99")
    environ = {"PATH": path, "ENOS_APP_KEY": "outer", "ENOS_APP_SECRET": "outside"}
    connection = load_connection(read_stack(project.root, None, environ).get, environ)
    assert (connection.credentials.app_key, connection.credentials.app_secret) == ("outer", "outside")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo 'error: incorrect passphrase' >&2; exit 255", "pulumi says: error: incorrect passphrase"),
        ("printf 'error: \\033[31mno\\n' >&2; exit 1", r"pulumi says: error: \x1b[31mno"),
        ("exit 7", "pulumi says: exit code 7"),
        (None, "there is no pulumi on the PATH"),
    ],
)
def test_a_secret_that_cannot_be_read_is_reported_with_the_reason_and_the_ways_out(
    project: Project, tmp_path: Path, script: str | None, why: str
) -> None:
    project.write(BASE + SECURE)
    path = pulumi(tmp_path / "bin", script) if script else str(tmp_path / "empty")
    config = read_stack(project.root, None, {"PATH": path})
    with pytest.raises(SettingsError) as caught:
        config.get("enos:appSecret")
    assert caught.value.problems == (
        f"stacks/Pulumi.prod.yaml: enos:appSecret is encrypted and could not be read ({why}):"
        " set ENOS_APP_KEY and ENOS_APP_SECRET, or make `pulumi config get enos:appSecret` work",
    )
