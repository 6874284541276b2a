"""Secrets stay where they belong. Beside these tests the driver looks for them in whatever any run prints."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from tests.harness.simulator import JOB
from tests.harness.stack import a_set

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack import Sealed, Stack


def test_no_secret_is_in_the_state_or_in_a_preview(stack: Stack, simulator: RunningSimulator, sealed: Sealed) -> None:
    """Neither that of the stack file nor that of the environment, which wins."""
    stack.config["enos:appSecret"] = {"secure": sealed.wrong}
    stack.environ |= {"ENOS_APP_KEY": simulator.app_key, "ENOS_APP_SECRET": simulator.app_secret}
    stack.declare(a_set("dk-01", "dk-08"))
    stack.up()
    simulator.retry(JOB, ["dk-01"])
    printed = [stack.export(), stack.run("preview", "--json").output, stack.run("preview", "--diff").output]
    stored = [path.read_text(encoding="utf-8") for path in (stack.home / "state").rglob("*.json")]
    for text in printed + stored:
        assert [secret for secret in stack.secrets if secret in text] == []
    assert any(JOB in text for text in stored), "the state was looked at"


def in_debug_logs(stack: Stack, folder: Path, secret: str) -> dict[str, bool]:
    """Whether a secret is in Pulumi's own logs of an `up`: by option or variable, as docs/operation.md names them."""
    folder.mkdir()
    named = {"--tracing": folder / "trace", "PULUMI_DEBUG_GRPC": folder / "grpc.json"}
    stack.environ |= {"TMPDIR": str(folder), "PULUMI_DEBUG_GRPC": str(named["PULUMI_DEBUG_GRPC"])}
    stack.up("-v=9", "--tracing", named["--tracing"].as_uri().replace("file://", "file:"))
    (log,) = folder.glob("pulumi*.INFO.*")
    files = {**named, "-v=9": log}
    return {name: secret in file.read_text(encoding="utf-8", errors="replace") for name, file in files.items()}


def test_a_secret_that_moved_to_the_environment_is_in_no_debug_log_of_pulumi_after_one_up(
    stack: Stack, simulator: RunningSimulator, tmp_path: Path
) -> None:
    """That `up` itself refreshes by the settings of the one before, which are in the state."""
    stack.declare(a_set("dk-01"))
    stack.up()
    del stack.config["enos:appSecret"]
    stack.write()
    stack.environ |= {"ENOS_APP_KEY": simulator.app_key, "ENOS_APP_SECRET": simulator.app_secret}
    stack.up()
    found = in_debug_logs(stack, tmp_path / "logs", simulator.app_secret)
    assert found == {"--tracing": False, "PULUMI_DEBUG_GRPC": False, "-v=9": False}


def test_pulumi_s_debug_logs_have_the_secret_of_a_stack_file_even_beside_one_in_the_environment(
    stack: Stack, simulator: RunningSimulator, tmp_path: Path
) -> None:
    """What documents warn of; when a newer Pulumi hides it, the warning can go, as for `-v=9` since 3.259."""
    stack.environ |= {"ENOS_APP_KEY": simulator.app_key, "ENOS_APP_SECRET": simulator.app_secret}
    stack.declare(a_set("dk-01"))
    found = in_debug_logs(stack, tmp_path / "logs", simulator.app_secret)
    assert found == {"--tracing": True, "PULUMI_DEBUG_GRPC": True, "-v=9": False}


def test_the_state_of_a_set_is_what_the_state_format_says(
    stack_of_each_sdk: Stack, simulator: RunningSimulator
) -> None:
    """Type, id and property names are what every later version must be able to read.

    The provider is a reference of a few bytes: by value it would carry code, and change with each release of Python,
    the SDK or this package.
    """
    stack = stack_of_each_sdk
    stack.declare(a_set("dk-02", "dk-08", "dk-01", reason="INC-4711", expires="2999-12-31"))
    stack.up()
    resource = stack.resources()["pumps"]
    inputs = {
        "__provider": resource["inputs"]["__provider"],
        "setName": "pumps",
        "apiGateway": simulator.url,
        "orgId": simulator.org_id,
        "jobId": JOB,
        "deviceKeys": "dk-01\ndk-02\ndk-08\n",
        "reason": "INC-4711",
        "onTooLate": "report",
        "onMissing": "fail",
        "expires": "2999-12-31",
    }
    outputs = {
        **inputs,
        "cancelledCount": 2,
        "exceptions": "dk-08\ttoo late\tupgrading\n",
        "problem": "",
        "job": {
            "status": "started",
            "name": "Pump firmware 2.3.0",
            "firmwareVersion": "2.3.0",
            "automaticRetry": False,
        },
    }
    assert resource["id"] == f"{simulator.org_id}/{JOB}/pumps"
    assert resource["type"] == "pulumi-python:dynamic/enos_ota:CancelledTaskSet"
    assert resource["inputs"] == inputs
    assert resource["outputs"] == outputs
    pickled = base64.b64decode(inputs["__provider"])
    assert len(pickled) < 100
    assert b"enos_ota.provider" in pickled
    assert b"CancelledTaskSetProvider" in pickled
