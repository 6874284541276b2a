"""A report as JSON, and the schema of that, which is published as docs/review.schema.json."""

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
    """The report as JSON, every field in it. `ReviewReport.model_validate(json.loads(…))` reads it back."""
    text = json.dumps(report.model_dump(), indent=2, ensure_ascii=False)
    # Letters stay legible; what a terminal would act on, or an eye would miss, is escaped.
    return _UNUSUAL.sub(_escaped, text) + "\n"


def schema() -> str:
    """The JSON Schema of what `render` gives.

    All that it names is always there. Later versions of enos-ota may add to it, so that more is allowed.
    """
    described = ReviewReport.model_json_schema(mode="serialization", schema_generator=_Written)
    return json.dumps({"$schema": GenerateJsonSchema.schema_dialect, **described}, indent=2) + "\n"


class _Written(GenerateJsonSchema):
    """A schema of what is written: no field is left out, and a reader has to put up with fields added later."""

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
