"""Runs one Pulumi program, in a process of its own: `python program.py --monitor … ENTRY [ARGS…]`.

A script, not a module: it runs under the program's interpreter, which knows nothing of the host's package. The
arguments and the environment are those that the official host gives to its executor, so that a program cannot tell
the two apart.
Exit codes: 0, or 32 when the error was shown already, or 1, or what the program gave to `sys.exit`.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

ERROR_WAS_SHOWN = 32
"""Tells the host that nothing is left to say (the engine's protocol with the official executor)."""

INTERRUPTED = 130
"""What a shell reports for a process ended by Ctrl-C."""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the executor's command line."""
    parser = argparse.ArgumentParser(description="Run a Pulumi program.", allow_abbrev=False)
    for name in (
        "project",
        "root_directory",
        "stack",
        "parallel",
        "dry_run",
        "pwd",
        "monitor",
        "engine",
        "organization",
    ):
        parser.add_argument(f"--{name}")
    parser.add_argument("--tracing", help="accepted and not used: the stand-in sends no traces")
    parser.add_argument("entry")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser.parse_args(argv)


def configure(pulumi: Any, options: argparse.Namespace) -> int:
    """Connect the SDK to the engine; gives the degree of parallelism."""
    runtime = pulumi.runtime
    runtime.set_all_config(runtime.get_config_env(), runtime.get_config_secret_keys_env())
    parallel = max(int(options.parallel or 1), 1)
    wanted = {
        "monitor": options.monitor,
        "engine": options.engine,
        "project": options.project,
        "stack": options.stack,
        "parallel": parallel,
        "dry_run": options.dry_run == "true",
        "organization": options.organization,
        "root_directory": options.root_directory,
    }
    known = inspect.signature(runtime.Settings).parameters
    runtime.configure(runtime.Settings(**{name: value for name, value in wanted.items() if name in known}))
    return parallel


def program_traceback(error: BaseException, entry: Path) -> str:
    """The traceback of `error` without the frames above the program's own first one.

    All of it where the program has none, but for a program that cannot be read: there the error itself says where.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = {entry, entry / "__main__.py"}
    skip = next((index for index, frame in enumerate(frames) if Path(frame.filename).absolute() in own), None)
    if skip is None and isinstance(error, SyntaxError):
        return "".join(traceback.format_exception_only(type(error), error))
    trace = error.__traceback__
    for _ in range(skip or 0):
        trace = trace.tb_next if trace else None
    return "".join(traceback.format_exception(type(error), error, trace))


def run(pulumi: Any, options: argparse.Namespace) -> int:
    """Run the program to its end; gives the exit code."""
    parallel = configure(pulumi, options)
    show = pulumi.log.error
    if options.pwd:
        os.chdir(options.pwd)
    entry = Path(options.entry).absolute()
    if entry.is_dir() and not (entry / "__main__.py").exists():
        show(f"unable to find main python program `__main__.py` in `{entry}`")
        return ERROR_WAS_SHOWN
    sys.argv = [options.entry, *options.arguments]
    # A program that fails leaves futures nobody looked at. That is Pulumi's way of working, not news for the operator.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # Each registration in flight holds a thread while it waits for the engine; the factor is the official executor's.
    threads = ThreadPoolExecutor(max_workers=parallel * 4)
    loop.set_default_executor(threads)
    code = 1
    try:
        loop.run_until_complete(
            pulumi.runtime.run_in_stack(lambda: runpy.run_path(options.entry, run_name="__main__") and None)
        )
        code = 0
    except pulumi.RunError as error:
        show(str(error))
    except Exception as error:  # noqa: BLE001 - whatever the program raised is to be shown, not to end us
        show("Program failed with an unhandled exception:\n" + program_traceback(error, entry))
        code = ERROR_WAS_SHOWN
    threads.shutdown(wait=True)
    loop.close()
    return code


def main(argv: Sequence[str]) -> int:
    """Run the program that `argv` describes; gives the exit code."""
    # The directory of this script is no place for a program to import from.
    sys.path[:] = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).resolve().parent]
    try:
        import pulumi  # noqa: PLC0415 - its absence is answered below
        import pulumi.runtime  # noqa: PLC0415 - the same
    except ImportError as error:
        sys.stderr.write(
            f"The Pulumi SDK cannot be imported by {sys.executable} ({error}). "
            "Install the program's requirements there: `pulumi install`.\n"
        )
        return ERROR_WAS_SHOWN
    return run(pulumi, parse(argv))


if __name__ == "__main__":
    try:
        exit_code = main(sys.argv[1:])
    except KeyboardInterrupt:
        # Threads may still wait for an engine that is going away, and a traceback would tell the operator nothing.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED)
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(exit_code)
