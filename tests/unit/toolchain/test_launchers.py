"""The two shell scripts beside the engine: which Python they start, and with what."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.unit.toolchain.bundles import script
from toolchain import build

if TYPE_CHECKING:
    from pathlib import Path

SAYS_WHAT_IT_IS = 'echo "$0 $*"'


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """The directory of the launchers."""
    build.place_host(tmp_path / "bundle")
    return tmp_path / "bundle" / "bin"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The working directory the engine gives to a plugin."""
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def launch(launcher: Path, cwd: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(cwd.parent / "tools"), os.defpath])
    return subprocess.run(
        [launcher, *arguments],
        cwd=cwd,
        env={"PATH": path, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def provider(bundle: Path, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return launch(bundle / "pulumi-resource-pulumi-python", cwd, "127.0.0.1:9", "a b", **environ)


def test_dynamic_providers_run_in_the_environment_the_project_names(bundle: Path, project: Path) -> None:
    python = script(project / "env" / "bin" / "python", SAYS_WHAT_IT_IS)
    started = provider(bundle, project, PULUMI_RUNTIME_VIRTUALENV="env")
    assert started.stdout == f"{python} -u -m pulumi.dynamic 127.0.0.1:9 a b\n"


def test_an_argument_with_a_space_stays_one(bundle: Path, project: Path) -> None:
    script(project / "env" / "bin" / "python", 'echo "$#"')
    assert provider(bundle, project, PULUMI_RUNTIME_VIRTUALENV="env").stdout == "5\n"


def test_that_environment_is_active_there(bundle: Path, project: Path) -> None:
    script(project / "env" / "bin" / "python", 'echo "$VIRTUAL_ENV ${PATH%%:*} ${PYTHONHOME-unset}"')
    started = provider(bundle, project, PULUMI_RUNTIME_VIRTUALENV="env/", PYTHONHOME="/x")
    assert started.stdout == f"{project}/env {project}/env/bin unset\n"


def test_an_absolute_environment_is_taken_as_it_is(bundle: Path, project: Path, tmp_path: Path) -> None:
    python = script(tmp_path / "elsewhere" / "bin" / "python", SAYS_WHAT_IT_IS)
    started = provider(bundle, project, PULUMI_RUNTIME_VIRTUALENV=str(tmp_path / "elsewhere"))
    assert started.stdout.startswith(f"{python} ")


def test_with_uv_it_is_the_one_in_the_project(bundle: Path, project: Path) -> None:
    python = script(project / ".venv" / "bin" / "python", SAYS_WHAT_IT_IS)
    assert provider(bundle, project, PULUMI_RUNTIME_TOOLCHAIN="uv").stdout.startswith(f"{python} ")


def test_without_one_the_command_in_the_environment_is_used(bundle: Path, project: Path, tmp_path: Path) -> None:
    python = script(tmp_path / "tools" / "python4", SAYS_WHAT_IT_IS)
    assert provider(bundle, project, PULUMI_PYTHON_CMD="python4").stdout.startswith(f"{python} ")


def test_else_python3_is_used(bundle: Path, project: Path, tmp_path: Path) -> None:
    python = script(tmp_path / "tools" / "python3", SAYS_WHAT_IT_IS)
    assert provider(bundle, project).stdout.startswith(f"{python} ")


def test_a_named_environment_that_is_none_is_refused_with_the_way_out(bundle: Path, project: Path) -> None:
    refused = provider(bundle, project, PULUMI_RUNTIME_VIRTUALENV="env")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"{project}/env (from the 'virtualenv' option in Pulumi.yaml) is not a virtual environment. "
        "Run: pulumi install\n"
    )


WITH_SDK = '[ "$1" = -c ] || echo "$0 $1"'
WITHOUT_SDK = "exit 1"


def host(bundle: Path, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return launch(bundle / "pulumi-language-python", cwd, **environ)


def test_the_host_runs_with_the_python_of_the_shell_where_that_has_the_sdk(
    bundle: Path, project: Path, tmp_path: Path
) -> None:
    python = script(tmp_path / "tools" / "python3", WITH_SDK)
    assert host(bundle, project).stdout == f"{python} -u\n"


def test_else_with_the_environment_of_the_project_or_above_it(bundle: Path, project: Path, tmp_path: Path) -> None:
    script(tmp_path / "tools" / "python3", WITHOUT_SDK)
    script(tmp_path / "tools" / "python", WITHOUT_SDK)
    python = script(tmp_path / ".venv" / "bin" / "python", WITH_SDK)
    assert host(bundle, project).stdout == f"{python} -u\n"


def test_without_the_sdk_anywhere_the_host_says_what_to_do(bundle: Path, project: Path, tmp_path: Path) -> None:
    script(tmp_path / "tools" / "python3", WITHOUT_SDK)
    script(tmp_path / "tools" / "python", WITHOUT_SDK)
    refused = host(bundle, project)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(
        f"no Python with the Pulumi SDK was found: neither python3 on PATH nor .venv in {project}"
    )
