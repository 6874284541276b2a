"""What the engine's process can count on: interrupts are heard, orphans end, guard and audit log hold."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from enos_ota.audit import digest
from tests.harness.servicer import ProviderError, Servicer
from tests.harness.simulator import JOB, RunningSimulator

if TYPE_CHECKING:
    from pathlib import Path

URN = "urn:pulumi:prod::enos-ota::pulumi-python:dynamic/enos_ota:CancelledTaskSet::pump"


def config(simulator: RunningSimulator, **others: str) -> dict[str, str]:
    return {
        "enos:apiGateway": simulator.url,
        "enos:orgId": simulator.org_id,
        "enos:appKey": simulator.app_key,
        "enos:appSecret": simulator.app_secret,
        **{f"enos-ota:{name}": value for name, value in others.items()},
    }


def inputs(simulator: RunningSimulator, *keys: str, **others: Any) -> dict[str, Any]:
    return {
        "setName": "pump",
        "apiGateway": simulator.url,
        "orgId": simulator.org_id,
        "jobId": JOB,
        "deviceKeys": "".join(f"{key}\n" for key in keys),
        **others,
    }


def arrived(simulator: RunningSimulator, operation: str, count: int) -> None:
    """Wait until so many requests of an operation arrived."""
    ends = time.monotonic() + 60
    while simulator.counters().get(operation, 0) < count:
        assert time.monotonic() < ends, "they never came"
        time.sleep(0.01)


# Interrupts


def test_an_interrupt_ends_every_change_however_many_there_are_and_each_is_recorded(
    simulator: RunningSimulator, python: str
) -> None:
    # Six calls: more than the four threads that Pulumi's server has. Their searches never show the cancel.
    simulator.switch(index_delay=600)
    with Servicer(config(simulator), python=python) as provider:
        later = [
            provider.create_later(inputs(simulator, f"dk-{number:02}", setName=f"s{number}")) for number in range(1, 7)
        ]
        arrived(simulator, "cancelTask", 6)
        provider.cancel()
        outputs = [wait() for wait in later]
    assert {each["problem"] for each in outputs} <= {
        "the run was interrupted, so nothing more was sent",
        "what was sent could not be read back: the run was interrupted, so nothing more was sent",
    }
    said = (
        "interrupted: 0 read as cancelled, 1 pending, 1 of them accepted by EnOS; the next `pulumi up` looks at these"
    )
    assert provider.said.count(said) == 6
    assert [each["exceptions"] for each in outputs] == [
        f"dk-{number:02}\tpending\tinit, cancel accepted\n" for number in range(1, 7)
    ]


def test_an_interrupt_does_not_wait_for_a_request_that_hangs_and_logs_that_it_may_have_been_processed(
    simulator: RunningSimulator, tmp_path: Path
) -> None:
    path = tmp_path / "prod.jsonl"
    simulator.fault("latency", "cancelTask", seconds=600)
    with Servicer(config(simulator, auditLog=str(path))) as provider:
        wait = provider.create_later(inputs(simulator, "dk-01"))
        arrived(simulator, "cancelTask", 1)
        provider.cancel()
        outputs = wait()
        assert outputs["exceptions"] == "dk-01\tpending\tinit\n"
        assert "interrupted" in outputs["problem"]
    assert [(line["event"], line.get("mayHaveBeenProcessed")) for line in audit(path)] == [
        ("before", None),
        ("after", True),
    ]


def test_an_interrupted_refresh_is_a_doubt_never_a_change(simulator: RunningSimulator) -> None:
    with Servicer(config(simulator)) as provider:
        _, outputs = provider.create(inputs(simulator, "dk-01"))
        provider.cancel()
        with pytest.raises(ProviderError, match="the tasks could not be read; the recorded state is unchanged"):
            provider.read(outputs)


# Orphans


def test_an_orphan_ends_by_itself(simulator: RunningSimulator) -> None:
    with Servicer(config(simulator)) as provider:
        provider.check(inputs(simulator, "dk-01"))
        provider.kill_engine()
        assert provider.has_ended(within=60)


# Guard and expectation


def test_a_guard_counts_over_the_change_not_over_the_set(simulator: RunningSimulator) -> None:
    with Servicer(config(simulator)) as provider:
        _, outputs = provider.create(inputs(simulator, "dk-01", "dk-02", maxDevices=2))
        assert outputs["cancelledCount"] == 2
        outputs = provider.update(outputs, inputs(simulator, "dk-01", "dk-02", "dk-03", maxDevices=1))
        assert (outputs["cancelledCount"], outputs["problem"]) == (3, "")
        outputs = provider.update(outputs, inputs(simulator, *(f"dk-0{n}" for n in range(1, 6)), maxDevices=1))
        assert outputs["cancelledCount"] == 3
        assert "would cancel 2 devices: at most 1 may be (maxDevices)" in outputs["problem"]
        assert outputs["exceptions"] == "dk-04\tpending\tinit\ndk-05\tpending\tinit\n"


def test_break_glass_overrides_the_guard_and_is_said(simulator: RunningSimulator) -> None:
    environ = {"ENOS_OTA_BREAK_GLASS": "INC-9"}
    with Servicer(config(simulator), environ=environ) as provider:
        _, outputs = provider.create(inputs(simulator, "dk-01", maxDevices=0))
    assert outputs["cancelledCount"] == 1
    assert (
        "set 'pump' (job 65a1b2c3d4e5f60718293a4b): guard overridden (break-glass reason: INC-9): cancelling 1 task\n"
        in provider.said
    )


def test_what_is_said_of_a_set_is_escaped_where_the_output_cannot_hold_it(simulator: RunningSimulator) -> None:
    environ = {"ENOS_OTA_BREAK_GLASS": "鍵", "PYTHONIOENCODING": "latin-1"}
    with Servicer(config(simulator), environ=environ) as provider:
        _, outputs = provider.create(inputs(simulator, "dk-01", maxDevices=0))
    assert (outputs["cancelledCount"], outputs["problem"]) == (1, "")
    assert r"guard overridden (break-glass reason: \u9375)" in provider.said


def test_a_broken_expectation_sends_nothing(simulator: RunningSimulator) -> None:
    with Servicer(config(simulator)) as provider:
        _, outputs = provider.create(inputs(simulator, "dk-01", expectFirmwareVersion="9.9"))
    assert "firmware 9.9 is expected" in outputs["problem"]
    assert simulator.journal() == []


@pytest.mark.parametrize("others", [{"maxDevices": -1}, {"maxDevices": 1.5}, {"maxShare": 0}, {"maxShare": 2}])
def test_check_refuses_a_guard_that_makes_no_sense(simulator: RunningSimulator, others: dict[str, float]) -> None:
    with Servicer(config(simulator)) as provider:
        _, (failure,) = provider.check(inputs(simulator, "dk-01", **others))
    assert next(iter(others)) in failure


# The audit log


def audit(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_write_has_a_line_before_and_a_line_after_it(
    simulator: RunningSimulator, tmp_path: Path, python: str
) -> None:
    path = tmp_path / "audit" / "prod.jsonl"
    environ = {"GITHUB_ACTOR": "ada", "GITHUB_SHA": "c0ffee", "PULUMI_STACK": "organization/enos-ota/prod"}
    with Servicer(config(simulator, auditLog=str(path)), environ=environ, python=python) as provider:
        provider.create_later(inputs(simulator, "dk-01", "dk-07", "dk-08", reason="INC-1"), urn=URN)()
    lines = audit(path)
    assert [(line["event"], line["keys"]) for line in lines] == [("before", 1), ("after", 1)] * 2
    assert [line["digest"] for line in lines[::2]] == [digest(["dk-07"]), digest(["dk-01"])]
    first = {name: lines[0][name] for name in ("stack", "set", "job", "operation", "reason", "actor", "commit")}
    assert first == {
        "stack": "prod",
        "set": "pump",
        "job": JOB,
        "operation": "cancelTask",
        "reason": "INC-1",
        "actor": "ada",
        "commit": "c0ffee",
    }
    assert [(line["code"], line["requestId"]) for line in lines[1::2]] == [
        (entry["code"], entry["requestId"]) for entry in simulator.journal()
    ]


def test_a_process_that_dies_right_after_a_request_leaves_its_first_line(
    simulator: RunningSimulator, tmp_path: Path
) -> None:
    path = tmp_path / "prod.jsonl"
    simulator.fault("latency", "cancelTask", seconds=600)
    with Servicer(config(simulator, auditLog=str(path))) as provider:
        provider.create_later(inputs(simulator, "dk-01"))
        ends = time.monotonic() + 60
        while not (path.exists() and path.read_text()):
            assert time.monotonic() < ends
            time.sleep(0.01)
        provider.kill()
    (line,) = audit(path)
    assert (line["event"], line["digest"]) == ("before", digest(["dk-01"]))


def test_an_audit_log_that_cannot_be_written_keeps_everything_from_being_sent(
    simulator: RunningSimulator, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with (
        Servicer(config(simulator, auditLog=str(tmp_path / "file" / "prod.log"))) as provider,
        pytest.raises(ProviderError, match=r"no request was sent: the audit log .* cannot be written"),
    ):
        provider.create(inputs(simulator, "dk-01"))
    assert simulator.journal() == []


def test_a_provider_never_writes_an_audit_log_into_another_file(simulator: RunningSimulator, tmp_path: Path) -> None:
    """It is looked at right before the first request, whatever `validate` saw."""
    (tmp_path / "keys.txt").write_text("dk-01\n")
    (tmp_path / "prod.log").symlink_to("keys.txt")
    with (
        Servicer(config(simulator, auditLog=str(tmp_path / "prod.log"))) as provider,
        pytest.raises(ProviderError, match=r"no request was sent: enos-ota:auditLog .* is a link to keys.txt"),
    ):
        provider.create(inputs(simulator, "dk-01"))
    assert (simulator.journal(), (tmp_path / "keys.txt").read_text()) == ([], "dk-01\n")


# Progress


def test_a_change_that_takes_long_says_how_far_it_is_and_what_it_waits_for(simulator: RunningSimulator) -> None:
    simulator.switch(index_delay=4)
    with Servicer(config(simulator)) as provider:
        provider.create(inputs(simulator, "dk-01"))
    said = [line for line in provider.said.splitlines() if "reading back" in line]
    assert said
    assert said[0].endswith("; waiting: the searches of EnOS to show what was cancelled")
