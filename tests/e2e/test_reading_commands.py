"""The commands that only read, with what the real Pulumi encrypts and writes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.harness.engine import CHECKOUT, Result
from tests.harness.simulator import JOB
from tests.harness.stack import a_set

if TYPE_CHECKING:
    from tests.harness.stack import Stack

LANGUAGE_SERVER = "# yaml-language-server: $schema=../docs/stack.schema.json"


def enos_ota(stack: Stack, *arguments: str, **environ: str) -> Result:
    """Run a command as an operator of this stack does; it never prints a secret or a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "enos_ota.cli", *arguments],
        cwd=stack.project,
        env=stack.engine.env(stack.project, stack.home, venv=stack.venv, extra=stack.environment(environ)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    result = Result(arguments, done.returncode, done.stdout, done.stderr)
    stack.inspect(result)
    return result


def test_pulumi_decrypts_the_secret_that_stands_in_the_stack_file(stack: Stack) -> None:
    stack.declare(a_set("dk-01"))
    result = enos_ota(stack, "jobs", "--format", "json")
    assert (result.code, [job["jobId"] for job in result.json()], result.stderr) == (0, [JOB], "")


def test_with_a_wrong_passphrase_pulumis_reason_is_told(stack: Stack) -> None:
    stack.declare(a_set("dk-01"))
    result = enos_ota(stack, "jobs", PULUMI_CONFIG_PASSPHRASE="another")
    assert (result.code, result.stdout) == (2, "")
    assert "enos:appSecret is encrypted and could not be read (pulumi says: " in result.stderr
    assert "incorrect passphrase" in result.stderr


def test_doctor_finds_everything_in_order(stack: Stack) -> None:
    stack.declare(a_set("dk-01"))
    result = enos_ota(stack, "doctor", "--job", JOB, "--format", "json")
    states = {check["check"]: check["state"] for check in result.json()["checks"]}
    assert (result.code, states.pop("TLS")) == (0, "skipped")
    assert set(states.values()) == {"ok"}


def test_pulumi_keeps_the_line_for_editors_and_what_it_writes_is_valid(stack: Stack) -> None:
    shutil.copytree(CHECKOUT / "stacks" / "keys", stack.file.parent / "keys", dirs_exist_ok=True)
    text = (CHECKOUT / "stacks" / "Pulumi.example.yaml").read_text(encoding="utf-8")
    stack.file.write_text(f"{text}encryptionsalt: {json.dumps(stack.salt)}\n", encoding="utf-8")
    stack.run("config", "set", "enos:maxConcurrency", "4")
    stack.run("config", "set", "--secret", "enos:appSecret", "aaaabbbb")
    assert stack.file.read_text(encoding="utf-8").splitlines()[0] == LANGUAGE_SERVER
    assert enos_ota(stack, "validate").code == 0
