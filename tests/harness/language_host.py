"""Starts the stand-in language host as the engine does, and talks to it over gRPC."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from google.protobuf import struct_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from toolchain import build

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class RunningHost:
    """A host that answers."""

    process: subprocess.Popen[str]
    stub: language_pb2_grpc.LanguageRuntimeStub
    folder: Path


@contextlib.contextmanager
def language_host(folder: Path, cwd: Path) -> Iterator[RunningHost]:
    """A host placed into `folder`, started in `cwd`; gone afterwards."""
    build.place_host(folder)
    process = subprocess.Popen(
        [folder / "bin" / "pulumi-language-python", "--logtostderr", "-v=3", "127.0.0.1:9"],
        cwd=cwd,
        env={"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath]), "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield RunningHost(process, language_pb2_grpc.LanguageRuntimeStub(channel), folder)
        finally:
            process.terminate()
            process.communicate()


def program_info(root: Path, **options: str) -> language_pb2.ProgramInfo:
    """What the engine says about a project."""
    raw = struct_pb2.Struct()
    raw.update(options)
    return language_pb2.ProgramInfo(root_directory=str(root), program_directory=str(root), entry_point=".", options=raw)
