"""Stands before a policy pack, because the engine tells a pack about the stack only once the pack is running.

The Python library for policy packs wants to be told at its start, by environment variables: stack, project, whether it
is a preview, configuration. So the engine first talks to this; what it says of the stack is kept; then the pack is
started with it, and everything else goes on to the pack, byte for byte.
"""

from __future__ import annotations

import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
from pulumi.runtime.proto import analyzer_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SERVICE = "/pulumirpc.Analyzer/"

UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
"""A stack's resources come in one message, and the engine knows no limit."""

CALLS_AT_ONCE = 64
"""More than the engine makes: each that waits for the pack to start holds a thread."""


class PackError(Exception):
    """The pack cannot be asked; the text is for the operator."""


class Front(grpc.GenericRpcHandler):
    """A pack's service for the engine, from before the pack is there.

    Attributes:
        port: where the engine reaches it, on loopback.
    """

    def __init__(self) -> None:
        self._wanted = threading.Event()
        self._stack: analyzer_pb2.AnalyzerStackConfigureRequest | None = None
        self._pack: Future[grpc.Channel] = Future()
        self._resolving = threading.Lock()
        self._server = grpc.server(
            ThreadPoolExecutor(CALLS_AT_ONCE), handlers=[self], options=[*UNLIMITED, ("grpc.so_reuseport", 0)]
        )
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def wait(self) -> Mapping[str, str] | None:
        """Wait until the pack is wanted; gives the environment variables that tell it about the stack.

        There are none where the engine has no stack, as for `pulumi policy publish`. None: `give_up` came first.
        """
        self._wanted.wait()
        if self._pack.done():
            return None
        return {} if self._stack is None else about(self._stack)

    def connect(self, port: int) -> None:
        """From now on the pack, which serves on a port of loopback, answers."""
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=UNLIMITED)
        if self._stack is not None:
            try:
                _ask(channel, f"{SERVICE}ConfigureStack", self._stack.SerializeToString())
            except grpc.RpcError as error:
                # The library learned of this call late; packs on an older one have the environment variables.
                if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                    channel.close()
                    self.give_up(f"the policy pack refused the stack's configuration: {error.details()}")
                    return
        if not self._resolve(lambda: self._pack.set_result(channel)):
            channel.close()

    def give_up(self, reason: str) -> None:
        """Whoever asks the pack is told why it does not answer; once it does, this changes nothing."""
        self._resolve(lambda: self._pack.set_exception(PackError(reason)))
        self._wanted.set()

    def close(self) -> None:
        """Serve no longer. Where the pack never answered, this goes on: somebody may still ask why."""
        if self._pack.done() and self._pack.exception() is None:
            self._server.stop(grace=None)
            self._pack.result().close()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """Which function answers a call: the base class's question."""
        method = handler_call_details.method
        if not method.startswith(SERVICE):
            return None
        own = {f"{SERVICE}Handshake": self._handshake, f"{SERVICE}ConfigureStack": self._configure_stack}
        return grpc.unary_unary_rpc_method_handler(own.get(method) or self._forward(method))

    def _handshake(self, _request: bytes, _context: grpc.ServicerContext) -> bytes:
        return analyzer_pb2.AnalyzerHandshakeResponse().SerializeToString()

    def _configure_stack(self, request: bytes, _context: grpc.ServicerContext) -> bytes:
        self._stack = analyzer_pb2.AnalyzerStackConfigureRequest.FromString(request)
        self._wanted.set()
        return analyzer_pb2.AnalyzerStackConfigureResponse().SerializeToString()

    def _forward(self, method: str) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        def ask(request: bytes, context: grpc.ServicerContext) -> bytes:
            self._wanted.set()
            try:
                answer = _ask(self._pack.result(), method, request)
            except PackError as error:
                context.abort(grpc.StatusCode.UNKNOWN, str(error))
            except grpc.RpcError as error:
                context.abort(error.code(), error.details() or "")
            return answer

        return ask

    def _resolve(self, resolve: Callable[[], None]) -> bool:
        with self._resolving:
            if self._pack.done():
                return False
            resolve()
            return True


def _ask(pack: grpc.Channel, method: str, request: bytes) -> bytes:
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = pack.unary_unary(method)
    return call(request)


def about(stack: analyzer_pb2.AnalyzerStackConfigureRequest) -> dict[str, str]:
    """The environment variables by which a pack knows its stack: those the official host sets."""
    told = {
        "PULUMI_ORGANIZATION": stack.organization,
        "PULUMI_PROJECT": stack.project,
        "PULUMI_STACK": stack.stack,
        "PULUMI_DRY_RUN": "true" if stack.dry_run else "false",
        "PULUMI_CONFIG": json.dumps(dict(stack.config)),
    }
    return {name: value for name, value in told.items() if value}
