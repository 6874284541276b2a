"""The real `pulumi.dynamic` server in a process of its own, driven over gRPC as the engine does, without an engine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN

from enos_ota.provider import CancelledTaskSetProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from typing_extensions import Self

ROOT = Path(__file__).parents[2]
SERIALIZED = serialize_provider(CancelledTaskSetProvider())
UNKNOWN_TEXT = UNKNOWN
"""How the engine spells a value that is not known yet."""


class ProviderError(Exception):
    """A call failed; the text is what the engine would print."""


class Servicer(AbstractContextManager["Servicer", None]):
    """One provider process, as one operation of the engine has it.

    Args:
        config: The stack's configuration, fully qualified key → text.
        environ: Environment variables beside the test's own.
        python: The interpreter, and so the Pulumi SDK, that runs it.

    Attributes:
        said: What the process printed, known once it ended; an engine would show it.
    """

    said = ""

    def __init__(
        self, config: Mapping[str, str], *, environ: Mapping[str, str] | None = None, python: str = sys.executable
    ) -> None:
        self._config = config
        self._environ = environ or {}
        self._later: list[Any] = []
        self._python = python

    def __enter__(self) -> Self:
        self._engine = socket.create_server(("127.0.0.1", 0))
        self._process = subprocess.Popen(
            [self._python, "-u", "-m", "pulumi.dynamic", f"127.0.0.1:{self._engine.getsockname()[1]}"],
            cwd=ROOT,
            env={**os.environ, **self._environ},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        port = int(self._process.stdout.readline())
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self._stub = provider_pb2_grpc.ResourceProviderStub(self._channel)
        self._stub.Configure(provider_pb2.ConfigureRequest(args=_struct(self._config)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()
        self._process.terminate()
        self.said, _ = self._process.communicate()
        self._engine.close()

    def kill_engine(self) -> None:
        """Close the engine's port, as a kill -9 of `pulumi` does."""
        self._engine.close()

    def check(self, news: Mapping[str, Any], olds: Mapping[str, Any] | None = None) -> tuple[dict[str, Any], list[str]]:
        """The checked inputs and the failures, each as "property: reason" or just the reason."""
        answer = self._call("Check", provider_pb2.CheckRequest(olds=_bag(olds or {}), news=_bag(news)))
        failures = [f"{each.property}: {each.reason}" if each.property else each.reason for each in answer.failures]
        return _plain(answer.inputs), failures

    def diff(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> tuple[bool, list[str]]:
        """Whether there is a change, and what of it replaces the resource."""
        answer = self._call("Diff", provider_pb2.DiffRequest(id="id", olds=_bag(olds), news=_bag(news)))
        assert answer.changes != provider_pb2.DiffResponse.DIFF_UNKNOWN
        return answer.changes == provider_pb2.DiffResponse.DIFF_SOME, sorted(answer.replaces)

    def create(self, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The new resource's id and outputs."""
        answer = self._call("Create", provider_pb2.CreateRequest(properties=_bag(inputs)))
        return answer.id, _plain(answer.properties)

    def create_later(self, inputs: Mapping[str, Any], *, urn: str = "") -> Callable[[], dict[str, Any]]:
        """Begin a create, and give what waits for its outputs."""
        later = self._stub.Create.future(provider_pb2.CreateRequest(properties=_bag(inputs), urn=urn))
        self._later.append(later)  # a call that nobody holds is cancelled
        return lambda: _plain(later.result(timeout=60).properties)

    def cancel(self) -> None:
        """Interrupt what is under way, as the engine does when it gets SIGINT or SIGTERM."""
        self._stub.Cancel(empty_pb2.Empty(), timeout=20)

    def kill(self) -> None:
        """End the process at once, as kill -9 does."""
        self._process.kill()
        self._process.wait()

    def has_ended(self, *, within: float) -> bool:
        """Whether the process ends by itself in so many seconds."""
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired:
            return False
        return True

    def update(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> dict[str, Any]:
        """The new outputs."""
        answer = self._call("Update", provider_pb2.UpdateRequest(id="id", olds=_bag(olds), news=_bag(news)))
        return _plain(answer.properties)

    def read(self, outputs: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Id, outputs and inputs after a refresh."""
        answer = self._call("Read", provider_pb2.ReadRequest(id="id", properties=_bag(outputs)))
        return answer.id, _plain(answer.properties), _plain(answer.inputs)

    def delete(self, outputs: Mapping[str, Any]) -> None:
        """Remove the resource."""
        self._call("Delete", provider_pb2.DeleteRequest(id="id", properties=_bag(outputs)))

    def _call(self, method: str, request: Any) -> Any:
        try:
            return getattr(self._stub, method)(request)
        except grpc.RpcError as error:
            raise ProviderError(error.details()) from None


def _bag(values: Mapping[str, Any]) -> struct_pb2.Struct:
    return _struct({**values, "__provider": SERIALIZED})


def _struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(dict(values))
    return struct


def _plain(struct: struct_pb2.Struct) -> dict[str, Any]:
    values: dict[str, Any] = json_format.MessageToDict(struct)
    values.pop("__provider", None)
    return values
