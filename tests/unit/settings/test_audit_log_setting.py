"""The audit log is a file of its own: no other file is ever taken for it and written over."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from enos_ota.settings import audit_log_objection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def a_file(path: Path) -> None:
    path.write_text("{}\n")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    (tmp_path / "Pulumi.yaml").write_text("name: enos-ota\n")
    return tmp_path


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkdir, "is a directory, not a regular file: name a file"),
        (os.mkfifo, "is a named pipe, not a regular file: name a file"),
        (a_socket, "is a socket, not a regular file: name a file"),
        (link("Pulumi.yaml"), "is a link to Pulumi.yaml, which is not a log: name a separate file"),
        (link("gone.yaml"), "is a link to gone.yaml, which is not a log: name a separate file"),
        (link("a.jsonl"), "cannot be used: "),
        (link("../a.jsonl"), "leads out of the project: write an absolute path"),
    ],
    ids=["directory", "pipe", "socket", "link to another file", "link to a file to be", "loop", "link out"],
)
def test_what_is_no_file_of_its_own_cannot_be_the_audit_log(
    root: Path, make: Callable[[Path], None], said: str
) -> None:
    make(root.relative_to(root) / "a.jsonl")
    assert audit_log_objection(root, "a.jsonl").startswith(said)


def test_a_link_to_a_device_cannot_be_the_audit_log(root: Path) -> None:
    """Not one outside of the project either: every write to /dev/null would succeed and be lost."""
    (root / "a.jsonl").symlink_to("/dev/null")
    assert audit_log_objection(root, str(root / "a.jsonl")) == "is a device, not a regular file: name a file"


@pytest.mark.parametrize("name", ["a.jsonl", "audit/a.ndjson", "A.LOG", "there.jsonl", "link.jsonl"])
def test_a_file_that_is_there_or_not_can_be_the_audit_log(root: Path, name: str) -> None:
    a_file(root / "there.jsonl")
    (root / "link.jsonl").symlink_to("there.jsonl")
    assert audit_log_objection(root, name) == ""
