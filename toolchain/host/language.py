"""The `LanguageRuntime` service that the engine calls, for Python programs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
from google.protobuf import empty_pb2, json_format
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, language_pb2, language_pb2_grpc, plugin_pb2

from toolchain.host import packs
from toolchain.host.installation import install, steps
from toolchain.host.interpreter import HostError, Interpreter, Options, choose
from toolchain.host.program import ERROR_WAS_SHOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolchain.host.children import Children

HERE = Path(__file__).resolve().parent


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Answers the engine. Holds no state of a program: each `Run` is a process of its own.

    Args:
        version: what `GetPluginInfo` answers.
        engine: address of the engine; empty until `Handshake` when the engine attached to a running host.
        children: where programs run.
        packs: where policy packs run; the engine asks them until it cancels their own calls.
    """

    def __init__(self, version: str, engine: str, children: Children, packs: Children) -> None:
        self._version = version
        self._engine = engine
        self._children = children
        self._packs = packs

    def Handshake(  # noqa: N802 - the service's name
        self, request: language_pb2.LanguageHandshakeRequest, _context: grpc.ServicerContext
    ) -> language_pb2.LanguageHandshakeResponse:
        """Learn the engine's address (only when the engine was told to attach to this host)."""
        self._engine = request.engine_address
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(  # noqa: N802 - the service's name
        self, _request: empty_pb2.Empty, _context: grpc.ServicerContext
    ) -> plugin_pb2.PluginInfo:
        """Say which version this is: that of the engine it was built with."""
        return plugin_pb2.PluginInfo(version=self._version)

    def GetRequiredPackages(  # noqa: N802 - the service's name
        self, request: language_pb2.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPackagesResponse:
        """Name the providers that installed packages need; makes a virtual environment that is named but missing."""
        try:
            interpreter = self._interpreter(request.info)
            self._make_if_missing(interpreter, request.info)
            _must_exist(interpreter)
            found = [package for one in _installed(interpreter) if (package := plugin_of(one))]
        except HostError as error:
            _refuse(context, error)
        return language_pb2.GetRequiredPackagesResponse(packages=found)

    def Run(  # noqa: N802 - the service's name
        self, request: language_pb2.RunRequest, context: grpc.ServicerContext
    ) -> language_pb2.RunResponse:
        """Execute the program in a child process."""
        try:
            interpreter = self._interpreter(request.info)
            _must_exist(interpreter)
        except HostError as error:
            _refuse(context, error)
        environ = interpreter.environment(os.environ)
        environ["PULUMI_CONFIG"] = json.dumps(dict(request.config))
        environ["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(list(request.configSecretKeys))
        command = [interpreter.executable, "-u", str(HERE / "program.py"), *arguments(request, self._engine)]
        try:
            ending = self._children.run(command, environ, context.add_callback)
        except OSError as error:
            return language_pb2.RunResponse(error=f"cannot start {interpreter.executable}: {error.strerror}")
        if ending.interrupted or ending.code == ERROR_WAS_SHOWN:
            return language_pb2.RunResponse(bail=True)
        if ending.code < 0:
            return language_pb2.RunResponse(error=f"program was ended by signal {-ending.code}")
        if ending.code:
            return language_pb2.RunResponse(error=f"program exited with non-zero exit code: {ending.code}")
        return language_pb2.RunResponse()

    def RunPlugin(  # noqa: N802 - the service's name
        self, request: language_pb2.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.RunPluginResponse]:
        """Run a policy pack; streams what it prints."""
        folder = Path(request.info.program_directory)
        environ = packs.environment(request, os.environ)
        try:
            _must_be_pack(request.kind)
            interpreter = self._interpreter(request.info, file="PulumiPolicy.yaml")
            _must_exist(interpreter, file="PulumiPolicy.yaml")
            command = [interpreter.executable, *packs.arguments(request)]
            active = interpreter.environment(environ)
            yield from packs.run(command, active, folder, self._packs, context.add_callback)
        except HostError as error:
            _refuse(context, error)

    def InstallDependencies(  # noqa: N802 - the service's name
        self, request: language_pb2.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        """Install the program's requirements; streams what the installer prints."""
        program = Path(request.info.program_directory)
        try:
            interpreter = self._interpreter(request.info)
            todo = steps(interpreter, program, _base_python(interpreter))
            for line in install(todo, interpreter, program):
                yield language_pb2.InstallDependenciesResponse(stdout=line.encode())
        except HostError as error:
            _refuse(context, error)
        yield language_pb2.InstallDependenciesResponse(stdout=b"Finished installing dependencies\n")

    def About(  # noqa: N802 - the service's name
        self, request: language_pb2.AboutRequest, context: grpc.ServicerContext
    ) -> language_pb2.AboutResponse:
        """Say which Python would run the program."""
        try:
            interpreter = self._interpreter(request.info)
            _must_exist(interpreter)
            asked = "import platform, sys; print(sys.executable); print(platform.python_version())"
            executable, version = _ask(interpreter, ["-c", asked]).split("\n")[:2]
        except HostError as error:
            _refuse(context, error)
        return language_pb2.AboutResponse(
            executable=executable,
            version=version,
            metadata={"toolchain": interpreter.toolchain.capitalize(), "host": "stand-in of enos-ota"},
        )

    def GetProgramDependencies(  # noqa: N802 - the service's name
        self, request: language_pb2.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetProgramDependenciesResponse:
        """List installed packages; without `transitiveDependencies` only those that no other one asks for."""
        try:
            interpreter = self._interpreter(request.info)
            _must_exist(interpreter)
            installed = _installed(interpreter)
        except HostError as error:
            _refuse(context, error)
        asked_for = {name for one in installed for name in one["requires"]}
        listed = [one for one in installed if request.transitiveDependencies or one["name"] not in asked_for]
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=one["name"], version=one["version"])
                for one in sorted(listed, key=lambda one: str(one["name"]))
            ]
        )

    def Cancel(  # noqa: N802 - the service's name
        self, _request: empty_pb2.Empty, _context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """Interrupt the program."""
        self._children.interrupt_all()
        return empty_pb2.Empty()

    def _interpreter(self, info: language_pb2.ProgramInfo, *, file: str = "Pulumi.yaml") -> Interpreter:
        root, program = Path(info.root_directory), Path(info.program_directory or info.root_directory)
        options = Options.parse(json_format.MessageToDict(info.options), file=file)
        return choose(options, root, program, environ=os.environ, which=shutil.which, poetry_env=_poetry_env)

    def _make_if_missing(self, interpreter: Interpreter, info: language_pb2.ProgramInfo) -> None:
        folder = interpreter.virtualenv
        if folder is None or interpreter.exists() or (folder.exists() and any(folder.iterdir())):
            return
        program = Path(info.program_directory)
        with grpc.insecure_channel(self._engine) as channel:
            engine = engine_pb2_grpc.EngineStub(channel)
            for line in install(steps(interpreter, program, _base_python(interpreter)), interpreter, program):
                engine.Log(engine_pb2.LogRequest(severity=engine_pb2.INFO, message=line, ephemeral=True, streamId=1))


def arguments(request: language_pb2.RunRequest, engine: str) -> list[str]:
    """The executor's command line for a request; what is empty is left out, as the official host does."""
    named = {
        "monitor": request.monitor_address,
        "engine": engine,
        "project": request.project,
        "root_directory": request.info.root_directory,
        "stack": request.stack,
        "pwd": request.pwd,
        "dry_run": "true" if request.dryRun else "false",
        "parallel": str(request.parallel),
        "organization": request.organization,
    }
    options = [part for name, value in named.items() if value for part in (f"--{name}", value)]
    return [*options, request.info.entry_point or ".", *request.args]


def plugin_of(package: dict[str, Any]) -> plugin_pb2.PackageDependency | None:
    """The provider plugin that an installed package needs, if it needs one.

    A Pulumi package has a pulumi-plugin.json, or (old ones) a name that begins with `pulumi-`.
    """
    about: dict[str, Any] = package["plugin"] or {}
    name: str = package["name"]
    if name in {"pulumi-policy", "pulumi-esc-sdk"} or not (package["plugin"] or name.startswith("pulumi-")):
        return None
    version = about.get("version") or plugin_version(package["version"])
    if version is None or not about.get("resource", not about):
        return None
    described = {
        "name": about.get("name") or name.removeprefix("pulumi-"),
        "version": version if version.startswith("v") else f"v{version}",
        "kind": "resource",
        "server": about.get("server", ""),
    }
    if parameterization := about.get("parameterization"):
        described["parameterization"] = parameterization  # already in the protocol's spelling, with base64 for bytes
    return json_format.ParseDict(described, plugin_pb2.PackageDependency())


def plugin_version(version: str) -> str | None:
    """The plugin's semantic version for a Python package's version; None where it cannot be told (alphas, epochs)."""
    found = re.fullmatch(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:rc(\d+))?", version)
    if not found:
        return None
    core = ".".join(part or "0" for part in found.groups()[:3])
    return f"{core}-rc.{found[4]}" if found[4] else core


def _refuse(context: grpc.ServicerContext, error: HostError) -> NoReturn:
    context.abort(grpc.StatusCode.UNKNOWN, str(error))
    raise error  # not reached: `abort` raises; its type does not say so


def _must_exist(interpreter: Interpreter, *, file: str = "Pulumi.yaml") -> None:
    if not interpreter.exists():
        raise HostError(
            f"the 'virtualenv' option in {file} means {interpreter.virtualenv}, which is no virtual environment. "
            "`pulumi install` makes it and installs requirements.txt into it."
        )


def _must_be_pack(kind: str) -> None:
    if kind != packs.KIND:
        raise HostError(
            "the stand-in language host runs policy packs, but no other plugins that are written in Python: "
            "use the official Pulumi bundle"
        )


def _ask(interpreter: Interpreter, arguments: list[str]) -> str:
    command = [interpreter.executable, *arguments]
    done = subprocess.run(
        command,
        env=interpreter.environment(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise HostError(f"{interpreter.executable} does not work: {done.stderr.strip()[-500:]}")
    return done.stdout


def _installed(interpreter: Interpreter) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(_ask(interpreter, [str(HERE / "packages.py")]))
    return listed


def _base_python(interpreter: Interpreter) -> str:
    command = os.environ.get("PULUMI_PYTHON_CMD") or "python3"
    found = shutil.which(command)
    # A virtual environment that is active may be the very one that is to be made.
    if found and not (interpreter.virtualenv and Path(found).is_relative_to(interpreter.virtualenv)):
        return found
    return getattr(sys, "_base_executable", sys.executable)


def _poetry_env(program: Path) -> str:
    try:
        done = subprocess.run(
            ["poetry", "env", "info", "--path"],  # noqa: S607 - whichever is on PATH, as the engine does
            cwd=program,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise HostError("Poetry names no environment for this project: run `poetry install`") from error
    return done.stdout.strip()
