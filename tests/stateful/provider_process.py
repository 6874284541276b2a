"""Provider processes: one may serve many operations, each of which finds it as if it had just been started."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pulumi.runtime.proto import provider_pb2

from tests.harness.servicer import ROOT, SERIALIZED, Servicer, _struct

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_FAST_CLOCK = Path(__file__).parent / "fast_clock"


_MOST_OPERATIONS = 100
"""Operations in one process: each leaves threads behind that a process of one operation does not live to see."""


class Process(Servicer):
    """A provider process with a fast clock that can be killed."""

    is_dead = False
    """Killed, or its engine is: it serves nobody any more."""
    is_interrupted = False
    operations = 0

    def __init__(self) -> None:
        super().__init__({}, environ={"PYTHONPATH": f"{_FAST_CLOCK}{os.pathsep}{ROOT}"})

    def __enter__(self) -> Self:
        super().__enter__()
        self._lines: list[str] = []
        self._threads = [threading.Thread(target=each) for each in (self._read, self._accept)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()
        self._process.kill()
        self._process.wait()
        self._close_engine()
        for thread in self._threads:
            thread.join()
        assert self._process.stdout
        self._process.stdout.close()
        self.said = "".join(self._lines)

    def begin_operation(self, config: dict[str, str]) -> None:
        """From now on it is a process that knows nothing but this configuration: no token, nothing learned.

        The SDK keeps one configured provider for each text it is pickled to; what follows the pickle is not read.
        """
        self._stub.Configure(provider_pb2.ConfigureRequest(args=_struct(config)))
        self.operations += 1
        self.is_interrupted = False
        pickled = base64.b64decode(SERIALIZED) + b"#%d" % self.operations
        self._serialized = base64.b64encode(pickled).decode()

    def kill(self) -> None:
        """As kill -9 does."""
        self.is_dead = True
        super().kill()

    def kill_engine(self) -> None:
        """As kill -9 of `pulumi` does: the process goes on, an orphan."""
        self.is_dead = True
        self._close_engine()

    def cancel(self) -> None:
        """Interrupt what is under way, as the engine does when it gets SIGINT or SIGTERM."""
        self.is_interrupted = True
        super().cancel()

    def _call(self, method: str, request: Any) -> Any:
        for name in ("olds", "news", "properties"):
            if any(field.name == name for field, _ in request.ListFields()):
                getattr(request, name)["__provider"] = self._serialized
        return super()._call(method, request)

    def _accept(self) -> None:
        # An engine takes every connection; a queue of those that nobody takes would be full some day.
        with contextlib.suppress(OSError):
            while True:
                self._engine.accept()[0].close()

    def _close_engine(self) -> None:
        with contextlib.suppress(OSError):
            self._engine.shutdown(socket.SHUT_RDWR)  # or else `accept` would hold it open
        self._engine.close()

    def _read(self) -> None:
        assert self._process.stdout
        self._lines.extend(self._process.stdout)


class Processes:
    """Provider processes; the next one is always being started, as that takes a while."""

    def __init__(self) -> None:
        self._starter = ThreadPoolExecutor(1)
        self._running: dict[bool, Process] = {}
        self._start_next()

    def get(self, config: dict[str, str], *, spare: bool = False) -> Process:
        """A process that begins an operation; a spare one while another operation is still under way."""
        found = self._running.get(spare)
        if found is None or found.is_dead or found.operations >= _MOST_OPERATIONS:
            if found is not None:
                found.__exit__(None, None, None)
            found = self._running[spare] = self._next.result()
            self._start_next()
        found.begin_operation(config)
        return found

    def end(self) -> None:
        """End them all."""
        for process in (*self._running.values(), self._next.result()):
            process.__exit__(None, None, None)
        self._starter.shutdown()

    def _start_next(self) -> None:
        self._next = self._starter.submit(lambda: Process().__enter__())
