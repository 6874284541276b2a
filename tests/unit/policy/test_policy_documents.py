"""README, examples and code of the policy pack tell of the same policies."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from enos_ota_policies.pack import policies

from tests.harness.engine import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

PACK = CHECKOUT / "policy"
README = (PACK / "README.md").read_text(encoding="utf-8")
EXAMPLES = sorted((PACK / "examples").iterdir())


def settings() -> dict[str, dict[str, Any]]:
    """Of each policy the schema of what can be set."""
    made = policies(lambda: date(2026, 11, 23))
    return {policy.name: policy.config_schema.properties for policy in made if policy.config_schema}


def check(config: dict[str, Any]) -> None:
    """Fail if a configuration names what there is not, or gives a wrong value."""
    level = {"enum": ["mandatory", "advisory", "disabled"]}
    each = {
        name: {
            "anyOf": [
                level,
                {"type": "object", "properties": {**own, "enforcementLevel": level}, "additionalProperties": False},
            ]
        }
        for name, own in settings().items()
    }
    jsonschema.validate(config, {"properties": {**each, "all": level}, "additionalProperties": False})


def test_the_readme_has_exactly_the_policies_with_their_settings_and_defaults() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| .* \| `(\w+)` \| `(.+)` \|$", README, re.MULTILINE)
    found = {(name, setting): default for name, setting, default in rows}
    expected = {
        (name, setting): value if isinstance(value := schema["default"], str) else json.dumps(value)
        for name, own in settings().items()
        for setting, schema in own.items()
    }
    assert found == expected


def test_the_configuration_in_the_readme_fits() -> None:
    (text,) = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    check(json.loads(text))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_fits_and_the_readme_links_it(file: Path) -> None:
    check(json.loads(file.read_text(encoding="utf-8")))
    assert f"(examples/{file.name})" in README


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", README)
    assert targets
    assert [target for target in targets if not (PACK / target).exists()] == []
