"""Runs a policy pack: `pulumi preview --policy-pack DIR`."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING

from pulumi.runtime.proto import language_pb2

from toolchain.host.analyzer import Front
from toolchain.host.interpreter import HostError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from toolchain.host.children import Children

KIND = "analyzer"
"""What the engine calls a policy pack."""

CHUNK = 65_536
"""Bytes of output handed on at once."""

Output = language_pb2.RunPluginResponse


def arguments(request: language_pb2.RunPluginRequest) -> list[str]:
    """A pack's command line after the interpreter: the SDK's runner of packs, and last the pack's directory."""
    return ["-u", "-m", "pulumi.policy", *request.args, request.info.program_directory]


def environment(request: language_pb2.RunPluginRequest, environ: Mapping[str, str]) -> dict[str, str]:
    """The host's environment with that of the command on top, which the engine sends."""
    return {**environ, **dict(pair.split("=", 1) for pair in request.env if "=" in pair)}


def run(
    command: Sequence[str],
    environ: Mapping[str, str],
    folder: Path,
    children: Children,
    on_cancel: Callable[[Callable[[], None]], bool],
) -> Iterator[Output]:
    """Run a pack in its directory until the engine cancels the call or the pack ends; gives what it prints.

    The first line is the port of its service. `on_cancel` is given what is to be done when the engine cancels, and
    says False where it has already.

    Raises:
        HostError: there is no such interpreter.
    """
    front = Front()

    def when_cancelled(end: Callable[[], None]) -> None:
        if not on_cancel(end):
            end()

    when_cancelled(lambda: front.give_up("the policy pack was cancelled"))
    try:
        yield Output(stdout=f"{front.port}\n".encode())
        stack = front.wait()
        if stack is None:
            return
        try:
            process = children.start(command, {**environ, **stack}, cwd=folder, piped=True)
        except OSError as error:
            raise HostError(f"cannot start {command[0]}: {error.strerror}") from error
        if process is None:
            return

        def end() -> None:
            # In this order, or gRPC may note on stderr that the pack is gone.
            front.close()
            children.interrupt(process)

        when_cancelled(end)
        yield from _output(process, folder, front, children)
    finally:
        front.close()


def _output(process: subprocess.Popen[bytes], folder: Path, front: Front, children: Children) -> Iterator[Output]:
    """What the pack prints, but for its port, and at last its exit code."""
    printed: SimpleQueue[Output | None] = SimpleQueue()

    def read_stdout(stream: IO[bytes]) -> None:
        first = stream.readline()
        if first.strip().isdigit():
            front.connect(int(first))
        elif first:
            printed.put(Output(stdout=first))
            text = first.decode(errors="replace").strip()
            front.give_up(f"the policy pack in {folder} printed something before its port: {text}")
            children.interrupt(process)
        _copy(stream, lambda data: printed.put(Output(stdout=data)))

    def read_stderr(stream: IO[bytes]) -> None:
        _copy(stream, lambda data: printed.put(Output(stderr=data)))

    def see_to_the_end() -> None:
        code = children.wait(process).code
        front.give_up(f"the policy pack in {folder} ended with exit code {code} before it could be asked")
        for reader in readers:
            reader.join()
        printed.put(Output(exitcode=code))
        printed.put(None)

    streams = ((read_stdout, process.stdout), (read_stderr, process.stderr))
    readers = [threading.Thread(target=read, args=[stream], daemon=True) for read, stream in streams]
    for thread in (*readers, threading.Thread(target=see_to_the_end, daemon=True)):
        thread.start()
    yield from iter(printed.get, None)


def _copy(stream: IO[bytes], put: Callable[[bytes], None]) -> None:
    with stream:
        while data := stream.read1(CHUNK):  # type: ignore[attr-defined]  # pipes are buffered readers
            put(data)
