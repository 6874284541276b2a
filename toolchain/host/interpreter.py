"""Which Python runs a program or a policy pack: the choice Pulumi documents for the options of `runtime:`.

Pure: what the machine has is handed in, so each rule can be tested without it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

Which = Callable[[str], str | None]
"""Finds a command on PATH, as `shutil.which` does."""

PoetryEnv = Callable[[Path], str]
"""Asks Poetry for the path of a project's environment."""


class HostError(Exception):
    """The request cannot be served; the text is for the operator."""


@dataclass(frozen=True, slots=True)
class Options:
    """`runtime.options` of Pulumi.yaml or PulumiPolicy.yaml, as far as they decide about the interpreter."""

    virtualenv: str | None = None
    """Directory of the virtual environment, relative to the project's root, or to the policy pack."""

    toolchain: str | None = None
    """`pip`, `uv` or `poetry`; None: told by the lock file, else `pip`."""

    @classmethod
    def parse(cls, raw: Mapping[str, object], *, file: str = "Pulumi.yaml") -> Options:
        """Read the options as the engine sends them; `file` is where they stand.

        Raises:
            HostError: an option has a value that no host would take, or asks for what the stand-in cannot do.
        """
        virtualenv, toolchain = raw.get("virtualenv"), raw.get("toolchain")
        if virtualenv is not None and not isinstance(virtualenv, str):
            raise HostError("virtualenv option must be a string")
        if toolchain is not None and toolchain not in {"pip", "uv", "poetry"}:
            raise HostError(f"unsupported toolchain option: {toolchain}")
        if raw.get("typechecker"):
            raise HostError(
                "the stand-in language host runs no type checker: "
                f"remove `typechecker` from {file}, or use the official Pulumi bundle"
            )
        return cls(virtualenv or None, str(toolchain) if toolchain else None)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python to run programs with."""

    executable: str
    """Absolute path, not resolved: a virtual environment is known by the path of its `python`."""

    virtualenv: Path | None
    """The environment it belongs to; None for a Python of the machine."""

    toolchain: str
    """`pip`, `uv` or `poetry`."""

    def exists(self) -> bool:
        """Whether there is such a file."""
        return Path(self.executable).is_file()

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """`environ` as it is when the interpreter's virtual environment is active."""
        active = dict(environ)
        if self.virtualenv is not None:
            active.pop("PYTHONHOME", None)
            active["VIRTUAL_ENV"] = str(self.virtualenv)
            active["PATH"] = os.pathsep.join(filter(None, [str(self.virtualenv / "bin"), environ.get("PATH", "")]))
        return active


def choose(
    options: Options, root: Path, program: Path, *, environ: Mapping[str, str], which: Which, poetry_env: PoetryEnv
) -> Interpreter:
    """Choose the interpreter for the program in directory `program` of the project in `root`.

    The virtual environment is named but need not exist yet. Without one: PULUMI_PYTHON_CMD,
    else `python3`, else `python`.

    Raises:
        HostError: there is no Python on PATH, or Poetry cannot name its environment.
    """
    toolchain = options.toolchain or _by_lock_file(program)
    if toolchain == "poetry":
        return _of_virtualenv(Path(poetry_env(program)), toolchain)
    if toolchain == "uv" or options.virtualenv:
        return _of_virtualenv(root / (options.virtualenv or ".venv"), toolchain)
    asked_for = environ.get("PULUMI_PYTHON_CMD")
    names = [asked_for] if asked_for else ["python3", "python"]
    for name in names:
        if found := which(name):
            return Interpreter(found, None, toolchain)
    raise HostError(f"no {' or '.join(names)} on your PATH. Is Python installed?")


def _of_virtualenv(path: Path, toolchain: str) -> Interpreter:
    return Interpreter(str(path / "bin" / "python"), path, toolchain)


def _by_lock_file(program: Path) -> str:
    for toolchain in ("uv", "poetry"):
        if any((folder / f"{toolchain}.lock").exists() for folder in (program, *program.parents)):
            return toolchain
    return "pip"
