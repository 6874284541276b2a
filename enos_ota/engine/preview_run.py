"""Run `pulumi preview`, with policy packs, and find out why it could not read the state of a stack."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml

from enos_ota.engine import pulumi_cli as pulumicall
from enos_ota.engine.preview_json import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
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

_PACK_FILE: Final = "PulumiPolicy.yaml"

_MOST: Final = 20
"""Lines of Pulumi's that are passed on."""


class PulumiFailed(Exception):  # noqa: N818 - named after what happened
    """There is no `pulumi`, or it ended without a preview; the lines say why, a sentence each."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True)
class Ran:
    """A preview that was run: whether it ended well, what it printed as JSON, and its other lines."""

    succeeded: bool
    stdout: str
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Packs:
    """The policy packs of one preview: their directories, and the settings of the first ones in the same order."""

    directories: Sequence[Path] = ()
    configs: Sequence[Path] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the packs: those of their directories."""
        return tuple(each.name for each in self.directories)

    def options(self) -> Iterator[str]:
        """For Pulumi. Whole paths, as it runs in the project's directory."""
        yield from (f"--policy-pack={each.resolve()}" for each in self.directories)
        yield from (f"--policy-pack-config={each.resolve()}" for each in self.configs)


@dataclass(frozen=True, slots=True)
class Call:
    """How Pulumi is called. An empty `stack` is the selected one; `refresh` compares the record with EnOS first."""

    root: Path
    stack: str
    environ: Mapping[str, str]
    refresh: bool
    packs: Packs = field(default_factory=Packs)

    def run(self, *how: str) -> subprocess.CompletedProcess[str]:
        """Run `pulumi preview`. It changes nothing, neither in EnOS nor in the state."""
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
    """Run the preview; raise `PulumiFailed` if it could not be run, or printed none."""
    if obstacles := [text for pack in call.packs.directories if (text := obstacle(pack))]:
        raise PulumiFailed(tuple(obstacles))
    # Without --show-replacement-steps Pulumi keeps the deletion that an interrupted replacement left over to itself.
    done = call.run("--json", "--show-sames", "--show-replacement-steps")
    if not done.stdout.lstrip().startswith("{"):
        said = _lines(done.stderr or done.stdout) or (f"`pulumi preview` ended with exit code {done.returncode}",)
        raise PulumiFailed((*said, *_advice(said, call.stack)))
    return Ran(done.returncode == 0, done.stdout, _lines(done.stderr))


def obstacle(pack: Path) -> str:
    """Why a pack cannot start; empty if it can.

    Pulumi (3.259, with its own language host) waits for ever for a pack whose virtual environment is missing. A pack
    that cannot be read here is left to Pulumi.
    """
    virtualenv = _virtualenv(pack)
    if not virtualenv:
        return ""
    place = pack.resolve() / virtualenv
    if (place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")).exists():
        return ""
    return (
        f"policy pack {str(pack)!r} cannot start: the 'virtualenv' option in its {_PACK_FILE} means"
        f" {os.path.normpath(place)}, which is no virtual environment. Make it, or change the option, and install the"
        " pack's requirements.txt into it"
    )


def _virtualenv(pack: Path) -> str:
    """The virtual environment in a pack's own file, relative to its directory; empty if the file names none."""
    try:
        value: Any = yaml.safe_load((pack / _PACK_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return ""
    for name in ("runtime", "options", "virtualenv"):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def unreadable(root: Path, stack: str, file: Path, environ: Mapping[str, str], patience: float) -> tuple[str, ...]:
    """Why a preview could not read the state of a stack, and what to do, a sentence each; empty if it could.

    `pulumi stack` reads the state, but accepts a wrong passphrase where the state holds no secret. `pulumi config set
    --secret` refuses a wrong one, but reads no state. So both are run; neither runs the program. The second gets a copy
    of the stack file, as it writes into it.
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
    """What mandatory policies object to. The JSON of a preview has none of it, so the preview is run once more."""
    shown = call.run().stdout.partition("\nPolicies:\n")[2].partition("\n\n")[0]
    found = _VIOLATION.findall(shown)
    return tuple(dict.fromkeys(f"policy {policy}: {' '.join(message.split())}" for policy, message in found))
