"""Tables of the configuration's keys, from the models that check them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from enos_ota.settings.connection import VARIABLES
from enos_ota.settings.models import ENOS, ENOS_OTA, PARTS, DeclaredSet, EnosKeys, EnosOtaKeys
from enos_ota.settings.schema import stack_schema

if TYPE_CHECKING:
    from enos_ota.settings.models import Keys

_SHAPES: Final = {"GuardKeys": "mapping, [see below](#guard)", "ExpectKeys": "mapping, [see below](#expect)"}


def parts() -> dict[str, str]:
    """Return the generated parts of docs/configuration.md: a table per mapping."""
    schema = stack_schema()
    settable, definitions = schema["properties"]["config"]["properties"], schema["definitions"]
    tables = {
        "enos": _table(EnosKeys, {name: settable[f"{ENOS}:{name}"] for name in EnosKeys.names()}),
        "enos ota": _table(EnosOtaKeys, {name: settable[f"{ENOS_OTA}:{name}"] for name in EnosOtaKeys.names()}),
        "set": _table(DeclaredSet, definitions["DeclaredSet"]["properties"]),
        "variables": _variables(),
    }
    return tables | {key: _table(model, definitions[model.__name__]["properties"]) for key, model in PARTS.items()}


def _table(model: type[Keys], properties: dict[str, Any]) -> str:
    rows = ["| Key | Value | Default | What it is |", "|---|---|---|---|"]
    for attribute, field in model.model_fields.items():
        name = field.alias or attribute
        default = "required" if field.is_required() else _default(field.default)
        rows.append(f"| `{name}` | {_cell(_value(properties[name]))} | {default} | {_cell(field.description or '')} |")
    return "\n".join(rows)


def _variables() -> str:
    rows = ["| Variable | In place of |", "|---|---|"]
    return "\n".join([*rows, *(f"| `{variable}` | `{ENOS}:{name}` |" for name, variable in VARIABLES.items())])


def _default(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _value(schema: dict[str, Any]) -> str:
    """Describe the values that a schema accepts."""
    # The first choice for a key of a namespace is its value, the others are alternative spellings.
    first = schema["anyOf"][0] if "anyOf" in schema else schema
    secret = any(choice.get("$ref", "").endswith("/Secure") for choice in schema.get("anyOf", ()))
    words = _shape(first)
    return f"{words}; may be encrypted" if secret else words


def _shape(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _SHAPES.get(name, "mapping")
    if "enum" in schema:
        return " or ".join(f"`{word}`" for word in schema["enum"] if str(word).lower() not in {"true", "false"})
    kind = schema["type"]
    if kind == "array":
        items = schema["items"]
        return "list of sets, [see below](#a-set)" if "$ref" in items else f"list, each {_shape(items)}"
    if kind == "boolean":
        return "`true` or `false`"
    return _text(schema) if kind == "string" else _number(schema)


def _text(schema: dict[str, Any]) -> str:
    most = schema.get("maxLength")
    return f"text, at most {most} characters" if most else "text"


def _number(schema: dict[str, Any]) -> str:
    noun = "whole number" if schema["type"] == "integer" else "number"
    bounds = []
    if "minimum" in schema:
        bounds.append(f"at least {schema['minimum']:g}")
    if "exclusiveMinimum" in schema:
        bounds.append(f"more than {schema['exclusiveMinimum']:g}")
    if "maximum" in schema:
        bounds.append(f"at most {schema['maximum']:g}")
    return ", ".join([noun, *bounds])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
