"""Running Pulumi's preview."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from enos_ota.engine import pulumi_cli as pulumicall
from enos_ota.engine.policy_packs import Packs
from enos_ota.engine.preview_json import plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# - [mandatory]  NAME  (TYPE: RESOURCE), then what the policy is for, then what is wrong, in lines of their own.
_VIOLATION: Final = re.compile(r"^ +- \[mandatory\]  (\S+)  \(.*\)\n.*\n((?: {10,}.*\n?)+)", re.MULTILINE)

# How Pulumi says that there is no such stack where it looks, and that it cannot look: at its service, a directory, a
# bucket. Any other words are passed on without advice.
_NO_STACK: Final = re.compile(r"no stack named|stack '[^']*' not found")
_NO_STATE: Final = re.compile(
    r"PULUMI_ACCESS_TOKEN|pulumi login|state directory|\.pulumi/|performing HTTP request|bucket|blob"
)
_NOISE: Final = "Logging in using access token"

_MOST: Final = 20
"""Lines of what Pulumi said that are passed on."""


class PulumiFailed(Exception):  # noqa: N818 - says what happened
    """There is no `pulumi`, or it ended without a preview.

    Attributes:
        lines: Why, a sentence each.
    """

    def __init__(self, lines: tuple[str, ...]) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True)
class Ran:
    """A preview that was run: whether it came to its end, what it printed, and what it said besides, line by line."""

    succeeded: bool
    stdout: str
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """How Pulumi is called.

    Attributes:
        root: The project's directory.
        stack: The stack; empty for the one that is selected.
        environ: The environment; `pulumi` is looked for on its PATH.
        refresh: Whether what is recorded is compared with EnOS first.
        packs: Policy packs that it runs.
    """

    root: Path
    stack: str
    environ: Mapping[str, str]
    refresh: bool
    packs: Packs = field(default_factory=Packs)

    def run(self, *how: str) -> subprocess.CompletedProcess[str]:
        """Run `pulumi preview`. It changes nothing, neither in EnOS nor in the state.

        Raises:
            PulumiFailed: There is no `pulumi`.
        """
        # With --run-program a refresh uses today's configuration, and not the one that the last `up` recorded.
        refreshing = ("--refresh", "--run-program") if self.refresh else ("--refresh=false",)
        stack = ("--stack", self.stack) if self.stack else ()
        return _run(self.root, self.environ, "preview", *how, *refreshing, *stack, *self.packs.options())


def _run(
    root: Path, environ: Mapping[str, str], *arguments: str, patience: float | None = None
) -> subprocess.CompletedProcess[str]:
    pulumi = shutil.which("pulumi", path=environ.get("PATH", os.defpath))
    if pulumi is None:
        raise PulumiFailed(("there is no `pulumi` on the PATH; in a checkout `make env` says how to get one",))
    return pulumicall.run(pulumi, *arguments, environ=environ, directory=root, patience=patience)


def preview(call: Call) -> Ran:
    """Run the preview.

    Raises:
        PulumiFailed: It could not be run, or printed no preview.
    """
    if obstacles := call.packs.obstacles():
        raise PulumiFailed(obstacles)
    # Without --show-replacement-steps Pulumi keeps the deletion that an interrupted replacement left over to itself.
    done = call.run("--json", "--show-sames", "--show-replacement-steps")
    if not done.stdout.lstrip().startswith("{"):
        said = _lines(done.stderr or done.stdout) or (f"`pulumi preview` ended with exit code {done.returncode}",)
        raise PulumiFailed((*said, *_advice(said, call.stack)))
    return Ran(done.returncode == 0, done.stdout, _lines(done.stderr))


def unreadable(root: Path, stack: str, file: Path, environ: Mapping[str, str], patience: float) -> tuple[str, ...]:
    """Why a preview could not read the state of a stack, and what to do, a sentence each; empty if it could.

    `pulumi stack` reads the state, but accepts a wrong passphrase where the state holds no secret. `pulumi config set
    --secret` refuses a wrong one, but reads no state. So both are run; neither runs the program. The second gets a copy
    of the stack file, as it writes into it.

    Args:
        root: The project's directory.
        stack: The stack.
        file: Its file, which can be read.
        environ: The environment.
        patience: Seconds that Pulumi gets.

    Raises:
        PulumiFailed: There is no `pulumi`.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            copy = shutil.copy(file, folder)
            encrypt = ("config", "set", "--secret", f"--config-file={copy}", "enos-ota:probe", "probe")
            for command in (("stack",), encrypt):
                done = _run(root, environ, *command, f"--stack={stack}", patience=patience)
                if done.returncode:
                    break
    except subprocess.TimeoutExpired:
        return (f"`pulumi` did not answer within {patience:g} s", *_advice(("pulumi login",), stack))
    if done.returncode == 0:
        return ()
    said = _lines(done.stderr or done.stdout) or (f"`pulumi {command[0]}` ended with exit code {done.returncode}",)
    return (*said, *_advice(said, stack))


def _lines(text: str) -> tuple[str, ...]:
    lines = (line.removeprefix("error: ") for line in plain(text).splitlines() if line.strip())
    return tuple(line for line in lines if not line.startswith(_NOISE))[:_MOST]


def _advice(said: tuple[str, ...], stack: str) -> tuple[str, ...]:
    """What to do about a state that cannot be read; nothing where that is not why there is no preview."""
    text = "\n".join(said)
    if _NO_STACK.search(text):
        return (
            f"If this stack is new, make it: `pulumi stack init {shlex.quote(stack)}`. If not, its state is elsewhere:"
            " `pulumi login` or PULUMI_BACKEND_URL says where.",
        )
    if "passphrase" in text:
        return (
            "Set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the one that the stack was made with.",
        )
    if _NO_STATE.search(text):
        return (
            "The state of the stack cannot be reached: `pulumi login` or PULUMI_BACKEND_URL says where it is, and"
            " `pulumi stack ls` whether it can be read.",
        )
    return ()


def violations(call: Call) -> tuple[str, ...]:
    """What mandatory policies object to, a sentence each. The JSON of a preview has none of it, so it is run once more.

    Raises:
        PulumiFailed: There is no `pulumi`.
    """
    shown = call.run().stdout.partition("\nPolicies:\n")[2].partition("\n\n")[0]
    found = _VIOLATION.findall(shown)
    return tuple(dict.fromkeys(f"policy {policy}: {' '.join(message.split())}" for policy, message in found))
