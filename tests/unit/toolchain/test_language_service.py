"""The stand-in language host, asked over gRPC as the engine asks it.

The program's Python is a shell script here, so that what it is given can be seen; with a real one see tests/e2e.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2

from tests.harness.language_host import RunningHost, language_host, program_info
from tests.unit.toolchain.bundles import script
from toolchain import build
from toolchain.host.language import plugin_of, plugin_version

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def host(tmp_path: Path) -> Iterator[RunningHost]:
    """A running host, its working directory the project's root."""
    (tmp_path / "project").mkdir()
    with language_host(tmp_path / "bundle", tmp_path / "project") as running:
        yield running


def run(host: RunningHost, tmp_path: Path, python: str, **fields: object) -> language_pb2.RunResponse:
    """Run a program whose interpreter is the given shell script."""
    script(tmp_path / "project" / "env" / "bin" / "python", python)
    info = program_info(tmp_path / "project", virtualenv="env")
    request = language_pb2.RunRequest(info=info, **fields)  # type: ignore[arg-type]  # each test names its fields
    response: language_pb2.RunResponse = host.stub.Run(request)
    return response


def test_it_says_the_version_of_the_engine_it_was_built_with(host: RunningHost) -> None:
    assert host.stub.GetPluginInfo(empty_pb2.Empty()).version == build.CURRENT.version


def test_the_launcher_says_it_too(host: RunningHost) -> None:
    command: list[str | Path] = [host.folder / "bin" / "pulumi-language-python", "--version"]
    said = subprocess.run(command, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True)
    assert said.stdout == f"{build.CURRENT.version}\n"


def test_a_program_gets_the_arguments_of_the_official_executor(host: RunningHost, tmp_path: Path) -> None:
    run(
        host,
        tmp_path,
        f'printf "%s\\n" "$@" > {tmp_path}/arguments',
        project="p",
        stack="s",
        pwd="/w",
        organization="o",
        monitor_address="127.0.0.1:7",
        dryRun=True,
        parallel=16,
        args=["one", "two"],
    )
    given = (tmp_path / "arguments").read_text().splitlines()
    assert given[0] == "-u"
    assert Path(given[1]).name == "program.py"
    assert " ".join(given[2:]) == (
        "--monitor 127.0.0.1:7 --engine 127.0.0.1:9 --project p "
        f"--root_directory {tmp_path}/project --stack s --pwd /w --dry_run true --parallel 16 --organization o . "
        "one two"
    )


def test_a_program_gets_its_configuration_in_the_environment(host: RunningHost, tmp_path: Path) -> None:
    run(
        host,
        tmp_path,
        f'printf %s "$PULUMI_CONFIG" > {tmp_path}/config; printf %s "$PULUMI_CONFIG_SECRET_KEYS" > {tmp_path}/secret',
        config={"p:key": "größer", "p:token": "t"},
        configSecretKeys=["p:token"],
    )
    assert json.loads((tmp_path / "config").read_text()) == {"p:key": "größer", "p:token": "t"}
    assert json.loads((tmp_path / "secret").read_text()) == ["p:token"]


def test_a_program_runs_with_its_environment_active(host: RunningHost, tmp_path: Path) -> None:
    run(host, tmp_path, f'printf %s "$VIRTUAL_ENV" > {tmp_path}/active')
    assert (tmp_path / "active").read_text() == str(tmp_path / "project" / "env")


def test_what_a_program_prints_comes_out_of_the_host_on_the_same_stream(host: RunningHost, tmp_path: Path) -> None:
    run(host, tmp_path, "echo told; echo warned >&2")
    host.process.send_signal(signal.SIGINT)
    assert host.process.communicate() == ("told\n", "warned\n")


@pytest.mark.parametrize(
    ("ending", "error", "bail"),
    [
        ("exit 0", "", False),
        ("exit 32", "", True),
        ("exit 3", "program exited with non-zero exit code: 3", False),
        ("kill -9 $$", "program was ended by signal 9", False),
        ("kill -INT $$", "", True),
    ],
)
def test_how_a_program_ended_is_told_to_the_engine(
    host: RunningHost, tmp_path: Path, ending: str, error: str, *, bail: bool
) -> None:
    response = run(host, tmp_path, ending)
    assert (response.error, response.bail) == (error, bail)


def test_cancel_interrupts_the_program_and_there_is_nothing_to_report(host: RunningHost, tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    script(tmp_path / "project" / "env" / "bin" / "python", f"trap 'exit 7' INT; echo > {started}; while :; do :; done")
    info = program_info(tmp_path / "project", virtualenv="env")
    answer = host.stub.Run.future(language_pb2.RunRequest(info=info))
    started.read_text()
    host.stub.Cancel(empty_pb2.Empty())
    assert (answer.result().error, answer.result().bail) == ("", True)


def test_an_interrupted_host_takes_its_program_with_it_and_says_nothing(host: RunningHost, tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    script(tmp_path / "project" / "env" / "bin" / "python", f"echo $$ > {started}; exec sleep 600")
    info = program_info(tmp_path / "project", virtualenv="env")
    answer = host.stub.Run.future(language_pb2.RunRequest(info=info))
    program = int(started.read_text())
    host.process.send_signal(signal.SIGINT)
    assert host.process.communicate() == ("", "")
    assert host.process.returncode == 0
    with pytest.raises(ProcessLookupError):
        os.kill(program, 0)
    answer.cancel()


def test_a_host_ends_when_its_engine_is_killed(tmp_path: Path) -> None:
    build.place_host(tmp_path / "bundle")
    launcher = tmp_path / "bundle" / "bin" / "pulumi-language-python"
    # A parent that starts the host and dies. The host holds our pipe's other end: it reads as ended when the host is.
    parent = f"import os, subprocess; subprocess.Popen(['{launcher}']); os.read(0, 1); os.kill(os.getpid(), 9)"
    with subprocess.Popen(
        [sys.executable, "-c", parent],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath])},
    ) as engine:
        assert engine.stdout is not None
        assert engine.stdin is not None
        engine.stdout.readline()
        engine.stdin.write(b"x")
        engine.stdin.flush()
        assert engine.stdout.read() == b""


def test_a_virtual_environment_that_is_none_is_refused_with_the_way_out(host: RunningHost, tmp_path: Path) -> None:
    (tmp_path / "project" / "env").mkdir()
    info = program_info(tmp_path / "project", virtualenv="env")
    with pytest.raises(grpc.RpcError) as refused:
        host.stub.Run(language_pb2.RunRequest(info=info))
    assert refused.value.details() == (
        f"the 'virtualenv' option in Pulumi.yaml means {tmp_path}/project/env, which is no virtual environment. "
        "`pulumi install` makes it and installs requirements.txt into it."
    )


def test_about_names_the_python_of_the_program(host: RunningHost, tmp_path: Path) -> None:
    about = host.stub.About(language_pb2.AboutRequest(info=program_info(tmp_path / "project")))
    assert about.version == ".".join(map(str, sys.version_info[:3]))


def test_direct_dependencies_leave_out_what_others_ask_for(host: RunningHost, tmp_path: Path) -> None:
    info = program_info(tmp_path / "project")
    direct = host.stub.GetProgramDependencies(language_pb2.GetProgramDependenciesRequest(info=info))
    every = host.stub.GetProgramDependencies(
        language_pb2.GetProgramDependenciesRequest(info=info, transitiveDependencies=True)
    )
    assert "grpcio" not in {one.name for one in direct.dependencies}
    assert "grpcio" in {one.name for one in every.dependencies}


def test_a_program_that_uses_no_provider_package_needs_none(host: RunningHost, tmp_path: Path) -> None:
    info = program_info(tmp_path / "project")
    assert list(host.stub.GetRequiredPackages(language_pb2.GetRequiredPackagesRequest(info=info)).packages) == []


def test_a_named_environment_that_is_missing_is_made(host: RunningHost, tmp_path: Path) -> None:
    info = program_info(tmp_path / "project", virtualenv="fresh")
    installed = list(host.stub.InstallDependencies(language_pb2.InstallDependenciesRequest(info=info)))
    assert (tmp_path / "project" / "fresh" / "bin" / "python").exists()
    assert installed[-1].stdout == b"Finished installing dependencies\n"


def test_an_installation_that_fails_is_refused_with_the_command(host: RunningHost, tmp_path: Path) -> None:
    script(tmp_path / "project" / "env" / "bin" / "python", "echo no such package; exit 1")
    (tmp_path / "project" / "requirements.txt").write_text("nothing\n")
    info = program_info(tmp_path / "project", virtualenv="env")
    with pytest.raises(grpc.RpcError, match=r"pip install -r requirements.txt` failed with exit code 1"):
        list(host.stub.InstallDependencies(language_pb2.InstallDependenciesRequest(info=info)))


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        ({"name": "pulumi", "version": "3.259.0", "plugin": None}, None),
        ({"name": "requests", "version": "2.0", "plugin": None}, None),
        ({"name": "pulumi-policy", "version": "1.21.0", "plugin": None}, None),
        ({"name": "pulumi-random", "version": "4.16.2", "plugin": None}, ("random", "v4.16.2", "")),
        ({"name": "pulumi-x", "version": "1.0.0", "plugin": {"resource": False}}, None),
        (
            {
                "name": "acme",
                "version": "1.0.0",
                "plugin": {"resource": True, "name": "a", "version": "2.1.0", "server": "s"},
            },
            ("a", "v2.1.0", "s"),
        ),
    ],
)
def test_an_installed_package_tells_which_provider_it_needs(
    package: dict[str, object], expected: tuple[str, str, str] | None
) -> None:
    found = plugin_of(package)
    assert (found and (found.name, found.version, found.server)) == expected


@pytest.mark.parametrize(
    ("python", "plugin"), [("1.2.3", "1.2.3"), ("1.2", "1.2.0"), ("1.2.3rc4", "1.2.3-rc.4"), ("1.2.3a1605583329", None)]
)
def test_python_versions_become_semantic_ones(python: str, plugin: str | None) -> None:
    assert plugin_version(python) == plugin
