"""The host's process: serves the engine that started it, and ends with it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
from pulumi.runtime.proto import language_pb2_grpc

from toolchain.host.children import Children
from toolchain.host.language import LanguageHost

if TYPE_CHECKING:
    from collections.abc import Sequence

CALLS_AT_ONCE = 64
"""A program and each policy pack hold a thread for as long as they run."""

ORPHAN_CHECK = 0.5
"""Seconds between two looks at whether the engine's process is still our parent."""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line the engine gives to a language host. Flags we do not know are for tracing and logging."""
    parser = argparse.ArgumentParser(prog="pulumi-language-python", allow_abbrev=False)
    parser.add_argument("--bundle-version", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--version", "-version", action="store_true", help="print the version and exit")
    parser.add_argument("--tracing", "-tracing", help="accepted and not used")
    parser.add_argument("engine", nargs="?", default="", help="address of the engine")
    return parser.parse_known_args(argv)[0]


def serve(version: str, engine: str) -> None:
    """Serve until the engine interrupts us or is gone. Prints the port as the first line, as the protocol wants it."""
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    parent = os.getppid()
    children = Children()
    # As the official host does: a pack has nothing to put in order.
    packs = Children(interrupt=signal.SIGKILL)
    server = grpc.server(
        ThreadPoolExecutor(CALLS_AT_ONCE),
        # Configuration and programs' arguments may be large; the engine knows no limit either.
        options=[
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ],
    )
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(version, engine, children, packs), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while not over.wait(ORPHAN_CHECK) and os.getppid() == parent:
        pass
    for running in (packs, children):
        running.interrupt_all()
    for running in (packs, children):
        running.wait_all()
    server.stop(grace=None)


def main() -> None:
    """Entry of the launcher `pulumi-language-python`."""
    options = parse(sys.argv[1:])
    if options.version:
        sys.stdout.write(f"{options.bundle_version}\n")
        return
    serve(options.bundle_version, options.engine)
    sys.stdout.flush()
    # Nothing is left to do, and gRPC's threads may take seconds to notice.
    os._exit(0)
