"""Installs what a program asks for, in the environment that Pulumi.yaml names: `pulumi install`."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from toolchain.host.interpreter import HostError, Interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


def steps(interpreter: Interpreter, program: Path, base: str) -> list[tuple[str, list[str]]]:
    """What is to be run, in order, each with a line for the operator; pure but for looking at which files there are.

    `base` is the Python that makes a virtual environment.
    """
    if interpreter.toolchain == "uv":
        return [("Installing dependencies with uv...", ["uv", "sync"])]
    if interpreter.toolchain == "poetry":
        return [("Installing dependencies with Poetry...", ["poetry", "install", "--no-ansi"])]
    todo: list[tuple[str, list[str]]] = []
    if interpreter.virtualenv is not None and not interpreter.exists():
        venv = str(interpreter.virtualenv)
        todo.append((f"Creating virtual environment {venv}...", [base, "-m", "venv", venv]))
    if (program / "requirements.txt").is_file():
        pip = [interpreter.executable, "-m", "pip", "install", "-r", "requirements.txt"]
        todo.append(("Installing requirements.txt...", pip))
    return todo


def install(todo: Sequence[tuple[str, list[str]]], interpreter: Interpreter, program: Path) -> Iterator[str]:
    """Run the steps; gives their output line by line.

    Raises:
        HostError: a step failed; nothing after it was run.
    """
    environ = interpreter.environment(os.environ)
    for line, command in todo:
        yield line + "\n"
        try:
            process = subprocess.Popen(
                command,
                cwd=program,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise HostError(f"cannot run {command[0]}: {error.strerror}") from error
        with process:
            if process.stdout is not None:
                yield from process.stdout
        if process.returncode:
            raise HostError(f"`{' '.join(command)}` failed with exit code {process.returncode}")
