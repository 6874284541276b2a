"""The audit log, as a run of the real `pulumi` leaves it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from enos_ota.audit import digest
from tests.harness.simulator import JOB
from tests.harness.stack import a_set, diagnostics, sent

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack import Stack

CI = {"GITHUB_ACTOR": "ada", "GITHUB_SHA": "c0ffee"}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_cancel_leaves_two_lines_beside_pulumi_yaml_and_nothing_else_leaves_any(
    stack: Stack, simulator: RunningSimulator
) -> None:
    stack.config["enos-ota:auditLog"] = "audit/dev.jsonl"
    log = stack.project / "audit" / "dev.jsonl"
    stack.declare(a_set("dk-01", "dk-07", reason="INC-4711"))
    stack.run("preview")
    assert not log.exists()

    stack.up(environ=CI)
    told = lines(log)
    assert [(line["event"], line["digest"]) for line in told] == [
        ("before", digest(["dk-07"])),
        ("after", digest(["dk-07"])),
        ("before", digest(["dk-01"])),
        ("after", digest(["dk-01"])),
    ]
    for line in told:
        assert {name: line[name] for name in ("stack", "set", "job", "operation", "reason", "actor", "commit")} == {
            "stack": "dev",
            "set": "pumps",
            "job": JOB,
            "operation": "cancelTask",
            "reason": "INC-4711",
            "actor": "ada",
            "commit": "c0ffee",
        }
    assert [(line["code"], line["requestId"]) for line in told[1::2]] == [
        (entry["code"], entry["requestId"]) for entry in simulator.journal()
    ]

    stack.up()
    stack.run("refresh", "--yes")
    stack.destroy()
    assert lines(log) == told


def test_an_audit_log_that_cannot_be_written_keeps_everything_from_being_sent(
    stack: Stack, simulator: RunningSimulator
) -> None:
    (stack.project / "audit").write_text("a file where a directory should be", encoding="utf-8")
    stack.config["enos-ota:auditLog"] = "audit/dev.jsonl"
    stack.declare(a_set("dk-01"))
    stack.run("preview")
    ended = stack.up(code=None)
    (told,) = [text for text in diagnostics(ended) if "set 'pumps'" in text]
    assert f"set 'pumps' (job {JOB}): no request was sent: the audit log " in told
    assert "cannot be written (" in told
    assert "make it writable, or correct enos-ota:auditLog" in told
    assert sent(simulator) == []

    (stack.project / "audit").unlink()
    stack.up()
    assert sent(simulator) == [["dk-01"]]
