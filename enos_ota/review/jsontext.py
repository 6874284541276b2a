"""Review report as JSON, and its JSON Schema, which is published as docs/review.schema.json."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from pydantic.json_schema import GenerateJsonSchema

from enos_ota.review.model import ReviewReport

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

_UNUSUAL: Final = re.compile(r"[^\x20-\x7e\n]")


def render(report: ReviewReport) -> str:
    """Return the report as JSON with every field. `ReviewReport.model_validate(json.loads(…))` reads it back."""
    text = json.dumps(report.model_dump(), indent=2, ensure_ascii=False)
    # Letters stay legible; control and invisible characters are escaped.
    return _UNUSUAL.sub(_escaped, text) + "\n"


def schema() -> str:
    """Return the JSON Schema of what `render` returns.

    Every field is required. Later versions of enos-ota may add fields, so additional ones are allowed.
    """
    described = ReviewReport.model_json_schema(mode="serialization", schema_generator=_WriterSchema)
    return json.dumps({"$schema": GenerateJsonSchema.schema_dialect, **described}, indent=2) + "\n"


class _WriterSchema(GenerateJsonSchema):
    """Schema of written JSON: every field is required, additional fields are allowed."""

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,  # noqa: ARG002
        total: bool,  # noqa: ARG002, FBT001 - pydantic's signature
    ) -> bool:
        return True

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        described: dict[str, Any] = super().model_schema(schema)
        described.pop("additionalProperties", None)
        return described


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    return character if character.isprintable() else json.dumps(character)[1:-1]
