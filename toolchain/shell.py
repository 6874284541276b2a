"""The environment in which plain `pulumi` and `enos-ota` work, as variables for a shell."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain.engine import users_path

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What to set, and what to tell the person about it."""

    variables: dict[str, str]
    notes: tuple[str, ...]


def is_logged_in(environ: Mapping[str, str]) -> bool:
    """Whether the user has chosen a backend: by variable, token, or `pulumi login`."""
    if environ.get("PULUMI_BACKEND_URL") or environ.get("PULUMI_ACCESS_TOKEN"):
        return True
    home = Path(environ.get("PULUMI_HOME") or Path(environ.get("HOME") or Path.home()) / ".pulumi")
    try:
        stored = json.loads((home / "credentials.json").read_text(encoding="utf-8"))
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
    if logged_in:
        return Surroundings(variables, ())
    variables["PULUMI_BACKEND_URL"] = checkout.as_uri()
    notes = [
        f"No backend is chosen, so state goes to {checkout / '.pulumi'}. "
        "To choose one: PULUMI_BACKEND_URL=… or `pulumi login …` before `make env`."
    ]
    if "PULUMI_CONFIG_PASSPHRASE" not in environ and "PULUMI_CONFIG_PASSPHRASE_FILE" not in environ:
        variables["PULUMI_CONFIG_PASSPHRASE"] = ""
        notes.append(
            "Secrets of stacks made now are encrypted with an empty passphrase: "
            "set PULUMI_CONFIG_PASSPHRASE first if they are to stay secret."
        )
    return Surroundings(variables, tuple(notes))


def exports(variables: Mapping[str, str]) -> str:
    """Shell code that sets the variables; nothing else is in it."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
