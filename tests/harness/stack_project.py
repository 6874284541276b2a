"""A project on disk and what Pulumi would make of its stack file, for the tests beside."""

from __future__ import annotations

import json
from textwrap import dedent, indent
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from enos_ota.settings import Problem, SetSettings, SettingsError, load_connection, load_sets
from enos_ota.settings.check import validate_stack_file
from enos_ota.settings.stackfile import require_project

if TYPE_CHECKING:
    from pathlib import Path

    from enos_ota.settings import Connection

BASE = """\
enos:apiGateway: https://apim.example.com
enos:orgId: o16172478070561926
"""
PROJECT = "name: enos-ota\nruntime: python\nstackConfigDir: stacks\n"
ONE_SET = '- {name: pump, jobId: "65a1", deviceKeys: [dk-01]}'
SECRET = "hunter2"


class Project:
    """A project on disk and what Pulumi would make of its stack file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "Pulumi.yaml").write_text(PROJECT)
        (root / "stacks" / "keys").mkdir(parents=True)
        self.file = require_project(root).stack_file("prod")

    def write(self, config: str, *, sets: str = "") -> None:
        body = dedent(config) + (f"enos-ota:cancelledTaskSets:\n{indent(dedent(sets), '  ')}\n" if sets else "")
        self.file.write_text("config:\n" + indent(body, "  "))

    def write_set(self, name: str, text: str = 'jobId: "65a1"\ndeviceKeys: [dk-01]\n', *, stack: str = "prod") -> Path:
        """Write a file into the folder of a stack's set files; return it."""
        file = self.root / "stacks" / stack / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(dedent(text))
        return file

    def share(self, config: str) -> None:
        """Write settings for all stacks into Pulumi.yaml, from its fifth line on."""
        (self.root / "Pulumi.yaml").write_text(f"{PROJECT}config:\n" + indent(dedent(config), "  "))

    def delivered(self) -> dict[str, str]:
        config = yaml.safe_load(self.file.read_text())["config"]
        return {key if ":" in key else f"enos-ota:{key}": text_of(value) for key, value in config.items()}

    def load(self, delivered: dict[str, str] | None = None, **environ: str) -> tuple[SetSettings, ...]:
        config = self.delivered() if delivered is None else delivered
        return load_sets(config, environ, stack_file=self.file)

    def connection(self) -> Connection:
        """What a provider reads of what Pulumi delivers."""
        return load_connection(self.delivered().get, {"ENOS_APP_KEY": "key", "ENOS_APP_SECRET": "secret"})

    def problems(self, delivered: dict[str, str] | None = None, **environ: str) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            self.load(delivered, **environ)
        assert SECRET not in str(caught.value)
        return list(caught.value.problems)


def check_stack_file(file: Path) -> tuple[Problem, ...]:
    """Return every error of a stack's files."""
    return validate_stack_file(file).problems


def text_of(value: Any) -> str:
    if isinstance(value, dict) and set(value) == {"secure"}:
        return SECRET
    return value if isinstance(value, str) else json.dumps(value, default=lambda odd: f"{odd} 00:00:00 +0000 UTC")
