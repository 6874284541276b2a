"""What the Makefile calls."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain import actionlint, browser, build, cache, dist, engine, lock, shell, venv, workflows
from toolchain.errors import ToolchainError
from toolchain.progress import Progress
from toolchain.removal import remove

if TYPE_CHECKING:
    from collections.abc import Sequence

CHECKOUT = Path(__file__).resolve().parent.parent

LEFT_BY_TOOLS = (
    ".venv",
    ".venv-newest",
    ".venv-lowest",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
    "dist",
    "build",
)
"""What `clean` removes. Not `.pulumi`: that is state."""


def main(argv: Sequence[str]) -> int:
    """Run one command; gives the exit code. What fails is told in a few lines on stderr."""
    parser = argparse.ArgumentParser(prog="python3 -m toolchain", description="Make this machine ready for enos-ota.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("engine", help="virtual environment and Pulumi engine")
    commands.add_parser("env", help="print export lines for a shell; progress goes to stderr")
    commands.add_parser("shell", help="start a subshell in which pulumi and enos-ota work")
    commands.add_parser("venv", help="the virtual environment alone")
    commands.add_parser("newest", help="a second environment with the newest Pulumi SDK")
    commands.add_parser("lowest", help="a third environment with the lowest versions that pyproject.toml allows")
    commands.add_parser("oldest", help="the oldest engine that is accepted, built from the Go module proxy")
    commands.add_parser("test-deps", help="Chromium and its driver, where they can be installed")
    commands.add_parser("lock", help="write requirements.lock anew")
    commands.add_parser("workflows", help="lint GitHub workflows with actionlint and zizmor")
    commands.add_parser("dist", help="build sdist and wheel into dist, and check them")
    commands.add_parser("publish", help="upload what is in dist to PyPI, from the release workflow")
    clean = commands.add_parser("clean", help="remove environments and caches from the checkout")
    clean.add_argument("--engine", action="store_true", help="also the per-user cache, which other checkouts share")
    options = parser.parse_args(argv)
    progress = Progress()
    # Ended by its parent, it cleans up as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(options, progress)
    except ToolchainError as error:
        progress.say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        progress.say("Interrupted. Nothing half-made is left; run the same again to go on.")
        return 130


def _run(options: argparse.Namespace, progress: Progress) -> int:
    environ = os.environ
    if options.command == "clean":
        _clean(progress, engine_too=options.engine)
    elif options.command == "test-deps":
        browser.ensure(environ, progress, root=os.geteuid() == 0)
    elif options.command == "lock":
        lock.write(CHECKOUT, environ, progress)
    elif options.command == "newest":
        venv.ensure(venv.newest(CHECKOUT), environ, progress)
    elif options.command == "lowest":
        venv.ensure(venv.lowest(CHECKOUT), environ, progress)
    else:
        python = venv.ensure(venv.locked(CHECKOUT), environ, progress)
        if options.command == "oldest":
            build.build(environ, python, progress, build.OLDEST)
            return 0
        if options.command == "workflows":
            fine = workflows.lint(CHECKOUT, actionlint.obtain(environ, python, progress), python)
            return 0 if fine else 1
        if options.command in {"dist", "publish"}:
            _release(options.command, python, progress)
        elif options.command != "venv":
            _with_engine(options.command, python, progress)
    return 0


def _release(command: str, python: Path, progress: Progress) -> None:
    environ = os.environ
    if command == "publish":
        dist.publish(CHECKOUT, python, environ, progress)
        return
    digests = dist.describe(dist.build(CHECKOUT, python, environ, progress))
    dist.announce(digests, environ)
    for each in digests.split():
        progress.say("{1}  dist/{0}".format(*each.split("=")))


def _with_engine(command: str, python: Path, progress: Progress) -> None:
    environ = os.environ
    found = engine.obtain(environ, python, progress)
    progress.say(f"pulumi {found.version} ({found.source}): {found.folder}")
    if command == "engine":
        return
    logged_in = shell.is_logged_in(environ, shell.users_home(environ))
    made = shell.surroundings(environ, CHECKOUT, found.folder, logged_in=logged_in)
    for note in made.notes:
        progress.say(note)
    if command == "env":
        sys.stdout.write(shell.exports(made))
        return
    program = environ.get("SHELL") or "/bin/sh"
    progress.say(f"{program} with pulumi and enos-ota; leave it with `exit`.")
    sys.stderr.flush()
    shell.run(program, shell.applied(environ, made))


def _clean(progress: Progress, *, engine_too: bool) -> None:
    folders = [CHECKOUT / name for name in LEFT_BY_TOOLS]
    folders += [found for found in CHECKOUT.rglob("__pycache__") if found.parent.name != ".git"]
    if engine_too:
        folders.append(cache.root(os.environ))
    for folder in folders:
        remove(folder)
    progress.say(f"Removed what tools made in {CHECKOUT}.")
    if not engine_too and cache.root(os.environ).exists():
        progress.say(f"The engine stays in {cache.root(os.environ)}; `make clean ENGINE=1` removes it too.")
