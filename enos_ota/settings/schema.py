"""The JSON Schemas of stack files and set files, for editors: generated from the models that `validate` checks with.

A schema cannot express rules between sets, the content of key files, scalars without quotes, misspelled namespaces.
"""

from __future__ import annotations

from typing import Any, Final

from enos_ota.settings.models import ENOS, ENOS_OTA, NAMESPACES, SECRETS, DeclaredSet

_DIALECT: Final = "http://json-schema.org/draft-07/schema#"  # the newest one that YAML's language server knows well
_REFERENCE: Final = "#/definitions/{model}"
_SECURE: Final = "Secure"

_NUMBER_TEXT: Final = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$"}
_LIST_TEXT: Final = {"type": "string", "pattern": r"^\s*\["}
_MAPPING_TEXT: Final = {"type": "string", "pattern": r"^\s*\{"}
_SWITCHED: Final = (True, False, "true", "false", "True", "False")  # what YAML 1.1 makes of on and off
_PLAIN_HTTP: Final = {"pattern": "^[hH][tT][tT][pP]://"}


def stack_schema() -> dict[str, Any]:
    """Return the schema of a stack file, as a value that is JSON."""
    definitions: dict[str, Any] = {
        _SECURE: {
            "type": "object",
            "description": "A value that Pulumi encrypted: pulumi config set --secret",
            "properties": {"secure": {"type": "string"}},
            "required": ["secure"],
            "additionalProperties": False,
        }
    }
    config: dict[str, Any] = {}
    for namespace, model in NAMESPACES.items():
        schema = model.model_json_schema(ref_template=_REFERENCE)
        definitions |= {name: _tidy(part) for name, part in schema.pop("$defs", {}).items()}
        config |= {f"{namespace}:{name}": _settable(name, _tidy(part)) for name, part in schema["properties"].items()}
    return {
        "$schema": _DIALECT,
        "title": "Stack configuration of enos-ota",
        "description": "Pulumi.<stack>.yaml of a project that calls back firmware rollouts on Envision EnOS.",
        "type": "object",
        "properties": {
            "config": {
                "description": "The settings; keys of other namespaces are not checked.",
                "type": ["object", "null"],
                "properties": config,
                "patternProperties": {_unknown(): False},
                "if": {"properties": {f"{ENOS}:apiGateway": _PLAIN_HTTP}, "required": [f"{ENOS}:apiGateway"]},
                # Beside a plain-http gateway the secret is a simulator's.
                "else": {"properties": {f"{ENOS}:appSecret": {"type": "object"}}},
            },
            "encryptionsalt": {"type": "string", "description": "Written by Pulumi; belongs into the repository."},
        },
        "patternProperties": {f"^({ENOS}|{ENOS_OTA}):": False},
        "definitions": dict(sorted(definitions.items())),
    }


def set_schema() -> dict[str, Any]:
    """Return the schema of a set file: that of an item of the list, where `name` may be left out."""
    item: dict[str, Any] = _tidy(DeclaredSet.model_json_schema(ref_template=_REFERENCE))
    definitions = item.pop("$defs")
    return {
        "$schema": _DIALECT,
        "title": "Set file of enos-ota",
        **item,
        "description": "stacks/<stack>/<name>.yaml: a set of devices whose task in one job is to be cancelled.",
        "required": [name for name in item["required"] if name != "name"],
        "definitions": definitions,
    }


def _unknown() -> str:
    """A pattern for keys of our namespaces that do not exist; `enos:config:orgId` is an old spelling of a key."""
    known = "|".join(f"{namespace}:({'|'.join(model.names())})" for namespace, model in NAMESPACES.items())
    return f"^(?!({known})$)(?!({ENOS}|{ENOS_OTA}):config:)({ENOS}|{ENOS_OTA}):"


def _tidy(schema: Any) -> Any:
    """Without what pydantic adds and no operator needs: titles, nulls (a key without a value is refused)."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {
        # "properties" contains names, and one of them may be "title".
        key: {name: _tidy(part) for name, part in value.items()} if key == "properties" else _tidy(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str)) and not (key == "default" and value is None)
    }
    choices = [choice for choice in tidy.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1 and len(tidy["anyOf"]) > 1:
        del tidy["anyOf"]
        return choices[0] | tidy
    return tidy


def _settable(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a key directly under a namespace, where texts of numbers and of JSON are fine too."""
    about = {key: schema.pop(key) for key in ("description", "default") if key in schema}
    if name in SECRETS:
        choices = [schema, {"$ref": _REFERENCE.format(model=_SECURE)}]
    elif schema.get("type") in {"integer", "number"}:
        choices = [schema, _NUMBER_TEXT]
    elif schema.get("type") == "array":
        choices = [schema, _LIST_TEXT]
    elif "$ref" in schema:
        choices = [schema, _MAPPING_TEXT]
    elif "enum" in schema:
        choices = [{"enum": [*schema["enum"], *_SWITCHED]}]
    else:
        choices = [schema]
    return about | (choices[0] if len(choices) == 1 else {"anyOf": choices})
