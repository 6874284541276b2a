"""The environment in which plain `pulumi` and `enos-ota` work, as variables for a shell."""

from __future__ import annotations

import json
import os
import pwd
import shlex
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain.engine import users_path
from toolchain.errors import ToolchainError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What to set, and what to tell the person about it."""

    variables: dict[str, str]
    notes: tuple[str, ...]
    removed: tuple[str, ...] = ()
    """Names of variables to unset."""


def users_home(environ: Mapping[str, str]) -> Path:
    """The home directory that pulumi takes: the one in the user database, whatever HOME says."""
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        # A user without an entry, as in some containers: Go falls back on HOME, and so does pulumi.
        return Path(environ.get("HOME", "/"))


def is_logged_in(environ: Mapping[str, str], home: Path) -> bool:
    """Whether the user has chosen a backend: by variable, token, or `pulumi login`. `home` is `users_home`."""
    if environ.get("PULUMI_BACKEND_URL") or environ.get("PULUMI_ACCESS_TOKEN"):
        return True
    folder = Path(environ.get("PULUMI_HOME") or home / ".pulumi")
    try:
        stored = json.loads((folder / "credentials.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(stored, dict) and bool(stored.get("current"))


def surroundings(environ: Mapping[str, str], checkout: Path, engine: Path, *, logged_in: bool) -> Surroundings:
    """Decide what to set. `engine` is the directory of `pulumi`.

    A backend and its passphrase are the user's choice. Only who has chosen none gets a directory in the checkout, with
    an empty passphrase: good for a first look, and said so.
    """
    path = users_path(environ).split(os.pathsep)
    first = [str(checkout / ".venv" / "bin"), str(engine)]
    variables = {
        "PATH": os.pathsep.join([*first, *(folder for folder in path if folder not in first)]),
        "VIRTUAL_ENV": str(checkout / ".venv"),
        "PULUMI_SKIP_UPDATE_CHECK": environ.get("PULUMI_SKIP_UPDATE_CHECK", "true"),
    }
    removed, notes = _left_over(environ, checkout, logged_in=logged_in)
    if logged_in:
        return Surroundings(variables, notes, removed)
    variables["PULUMI_BACKEND_URL"] = checkout.as_uri()
    notes += (
        f"No backend is chosen, so state goes to {checkout / '.pulumi'}. To choose one: set PULUMI_BACKEND_URL "
        "before `make env`; the directory of a file:// backend must exist.",
    )
    if "PULUMI_CONFIG_PASSPHRASE" not in environ and not environ.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        variables["PULUMI_CONFIG_PASSPHRASE"] = ""
        notes += (
            "Secrets of stacks made now are encrypted with an empty passphrase: "
            "set PULUMI_CONFIG_PASSPHRASE_FILE first if they are to stay secret.",
        )
    return Surroundings(variables, notes, removed)


def _left_over(
    environ: Mapping[str, str], checkout: Path, *, logged_in: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """An empty passphrase that was good for the directory in the checkout and is not for what was chosen since.

    Pulumi takes PULUMI_CONFIG_PASSPHRASE, once it is set at all, before PULUMI_CONFIG_PASSPHRASE_FILE.
    """
    if environ.get("PULUMI_CONFIG_PASSPHRASE") != "":
        return (), ()
    if environ.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        why = "it would win over PULUMI_CONFIG_PASSPHRASE_FILE"
    elif logged_in and environ.get("PULUMI_BACKEND_URL", "").rstrip("/") != checkout.as_uri():
        why = f"it is for the state in {checkout / '.pulumi'} only; secrets elsewhere need a passphrase of their own"
    else:
        return (), ()
    return ("PULUMI_CONFIG_PASSPHRASE",), (f"The empty PULUMI_CONFIG_PASSPHRASE is unset: {why}.",)


def exports(made: Surroundings) -> str:
    """Shell code that sets and unsets the variables; nothing else is in it."""
    unset = "".join(f"unset {name}\n" for name in made.removed)
    return unset + "".join(f"export {name}={shlex.quote(value)}\n" for name, value in made.variables.items())


def applied(environ: Mapping[str, str], made: Surroundings) -> dict[str, str]:
    """The environment after that shell code."""
    return {name: value for name, value in {**environ, **made.variables}.items() if name not in made.removed}


def run(program: str, environ: Mapping[str, str]) -> None:
    """Run the user's shell until it is left. The code of its last command is no error of ours, so it is not given.

    Raises:
        ToolchainError: the program cannot be started.
    """
    # Ctrl-C is for what runs in the shell. A handler, unlike SIG_IGN, is not handed down to it.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        subprocess.run([program], env=environ, check=False)
    except OSError as error:
        raise ToolchainError(f"{program} cannot be started: {error.strerror}") from error
    finally:
        signal.signal(signal.SIGINT, before)
