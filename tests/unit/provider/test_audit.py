"""Every writing request leaves a line before and a line after it, on disk."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from enos_ota.audit import LOCK_PATIENCE, AuditError, AuditLog, Subject, actor_of, commit_of, digest
from enos_ota.enos import SYSTEM_CLOCK, AnswerLost, Clock, TasksNotCancellable
from tests.harness.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SUBJECT = Subject("prod", "https://apim.example.com", "o1", "pump", "65a1", "INC-1")
LINE = {
    "stack": "prod",
    "gateway": "https://apim.example.com",
    "organization": "o1",
    "set": "pump",
    "job": "65a1",
    "operation": "cancelTask",
    "reason": "INC-1",
    "actor": "ada",
    "commit": "c0ffee",
    "keys": 2,
    "digest": digest(["a", "b"]),
}


def log_at(path: Path, complaints: list[str] | None = None, clock: Clock | None = None) -> AuditLog:
    numbers = itertools.count(1)
    return AuditLog(
        path,
        actor="ada",
        commit="c0ffee",
        clock=clock or FakeClock(1_700_000_000.5),
        complain=(complaints if complaints is not None else []).append,
        new_id=lambda: f"id-{next(numbers)}",
    )


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_request_that_was_answered_leaves_two_lines(tmp_path: Path) -> None:
    path = tmp_path / "audit" / "prod.jsonl"
    watch = log_at(path).watch("cancelTask", SUBJECT, ["b", "a"])
    watch.before()
    assert lines(path) == [{"time": "2023-11-14T22:13:20.500Z", "event": "before", "id": "id-1", **LINE}]
    watch.after("request-1")
    assert lines(path)[1] == {
        "time": "2023-11-14T22:13:20.500Z",
        "event": "after",
        "id": "id-1",
        **LINE,
        "code": 0,
        "requestId": "request-1",
    }


def test_each_attempt_has_lines_of_its_own(tmp_path: Path) -> None:
    watch = log_at(tmp_path / "log").watch("cancelTask", SUBJECT, ["a", "b"])
    for _ in range(2):
        watch.before()
        watch.after("")
    assert [line["id"] for line in lines(tmp_path / "log")] == ["id-1", "id-1", "id-2", "id-2"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            TasksNotCancellable("24620 Only init", code=24620, request_id="r-1", may_have_been_processed=True),
            {"code": 24620, "requestId": "r-1", "error": "24620 Only init", "mayHaveBeenProcessed": True},
        ),
        (
            AnswerLost("closed", may_have_been_processed=True),
            {"code": None, "requestId": None, "error": "closed", "mayHaveBeenProcessed": True},
        ),
    ],
)
def test_a_refusal_or_a_lost_answer_is_told_with_what_is_known(
    tmp_path: Path, error: AnswerLost | TasksNotCancellable, told: dict[str, Any]
) -> None:
    watch = log_at(tmp_path / "log").watch("cancelTask", SUBJECT, ["a", "b"])
    watch.before()
    watch.after(error)
    assert {name: lines(tmp_path / "log")[1][name] for name in told} == told


def test_an_overridden_guard_is_told_in_both_lines(tmp_path: Path) -> None:
    watch = log_at(tmp_path / "log").watch("cancelTask", SUBJECT, ["a"], break_glass="fire")
    watch.before()
    watch.after("")
    assert [line["breakGlass"] for line in lines(tmp_path / "log")] == ["fire", "fire"]


def test_lines_of_another_run_are_kept(tmp_path: Path) -> None:
    for _ in range(2):
        log_at(tmp_path / "log").watch("cancelTask", SUBJECT, ["a"]).before()
    assert len(lines(tmp_path / "log")) == 2


def test_lines_of_several_logs_on_one_file_never_mix_and_leave_no_gap(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    long = "x" * 450  # lines that do not end where pages of a file do

    def write(number: int) -> None:
        log = log_at(path, clock=SYSTEM_CLOCK)
        for place in range(300):
            log.write("before", {"id": f"{number}-{place}", "reason": long})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert {line["id"] for line in lines(path)} == {f"{number}-{place}" for number in range(4) for place in range(300)}


def test_half_a_line_from_when_the_disk_was_full_spoils_no_other(tmp_path: Path) -> None:
    (tmp_path / "log").write_text('{"event": "bef')
    log_at(tmp_path / "log").watch("cancelTask", SUBJECT, ["a"]).before()
    half, whole = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert (half, json.loads(whole)["event"]) == ('{"event": "bef', "before")


def test_a_lock_that_another_process_keeps_delays_a_log_by_2_s_in_all_and_its_lines_are_written(tmp_path: Path) -> None:
    path, complaints, clock = tmp_path / "log", list[str](), FakeClock()
    with path.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        log = log_at(path, complaints, clock)
        for number in range(3):
            log.write("before", {"id": str(number)})
    assert [line["id"] for line in lines(path)] == ["0", "1", "2"]
    assert clock.monotonic() == pytest.approx(LOCK_PATIENCE, abs=0.1)
    (complaint,) = complaints
    assert "was locked for 2 s by another process (another enos-ota, a log shipper, or a lock that NFS" in complaint


def test_a_lock_that_becomes_free_is_waited_for_and_taken(tmp_path: Path) -> None:
    path, complaints = tmp_path / "log", list[str]()
    with path.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        class Freeing(FakeClock):
            def sleep(self, seconds: float) -> None:
                super().sleep(seconds)
                fcntl.flock(held, fcntl.LOCK_UN)

        clock = Freeing()
        log_at(path, complaints, clock).write("before", {"id": "0"})
    assert (len(clock.sleeps), complaints, lines(path)[0]["id"]) == (1, [], "0")


def named_pipe(path: Path) -> None:
    os.mkfifo(path)


def link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/null")


@pytest.mark.parametrize("make", [named_pipe, link_to_a_device])
def test_a_log_that_is_no_regular_file_is_refused_and_never_waited_for(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "log")
    with pytest.raises(AuditError, match="it is not a regular file"):
        log_at(tmp_path / "log").watch("cancelTask", SUBJECT, ["a"]).before()


def test_a_log_that_cannot_be_written_keeps_the_request_from_being_sent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AuditError, match=r"cannot be written .* nothing more is sent: make it writable, or correct"):
        log_at(tmp_path / "file" / "log").watch("cancelTask", SUBJECT, ["a"]).before()


def test_a_line_that_cannot_be_written_after_a_request_does_not_lose_what_it_did(tmp_path: Path) -> None:
    complaints: list[str] = []
    watch = log_at(tmp_path / "logs" / "log", complaints).watch("cancelTask", SUBJECT, ["a"])
    watch.before()
    (tmp_path / "logs" / "log").unlink()
    (tmp_path / "logs").rmdir()
    (tmp_path / "logs").write_text("")
    watch.after("request-1")
    (complaint,) = complaints
    assert "cannot be written" in complaint


def test_keys_and_reasons_of_any_kind_make_one_line_each(tmp_path: Path) -> None:
    odd = replace(SUBJECT, reason='line\nbreak \ud800 "quoted"')
    log_at(tmp_path / "log").watch("cancelTask", odd, ["a\nb", "\ud800"]).before()
    assert lines(tmp_path / "log")[0]["reason"] == odd.reason


def test_a_digest_goes_by_the_keys_not_by_their_order() -> None:
    assert digest(["b", "a", "a"]) == digest(["a", "b"])
    assert digest(["a", "b"]) != digest(["ab"])
    # printf 'a\\nb\\n' | sha256sum
    assert digest(["a", "b"]) == "911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2"


@pytest.mark.parametrize(
    ("environ", "actor", "commit"),
    [
        ({}, "", ""),
        ({"USER": "ada"}, "ada", ""),
        ({"USER": "runner", "GITHUB_ACTOR": "ada", "GITHUB_SHA": "c0ffee"}, "ada", "c0ffee"),
        ({"GITLAB_USER_LOGIN": "ada", "CI_COMMIT_SHA": "c0ffee"}, "ada", "c0ffee"),
        ({"ENOS_OTA_ACTOR": "bob", "GITHUB_ACTOR": "ada", "ENOS_OTA_COMMIT": "beef", "GITHUB_SHA": "x"}, "bob", "beef"),
    ],
)
def test_actor_and_commit_come_from_the_environment(environ: dict[str, str], actor: str, commit: str) -> None:
    assert (actor_of(environ), commit_of(environ)) == (actor, commit)
