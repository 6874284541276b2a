"""Review report as JSON, and its JSON Schema, which is published as docs/review.schema.json."""

from __future__ import annotations

import json
import re
from typing import Final

from pydantic.json_schema import GenerateJsonSchema

from enos_ota.review.model import ReviewReport

_UNUSUAL: Final = re.compile(r"[^\x20-\x7e\n]")


def render(report: ReviewReport) -> str:
    """Return the report as JSON with every field. `ReviewReport.model_validate(json.loads(…))` reads it back."""
    text = json.dumps(report.model_dump(), indent=2, ensure_ascii=False)
    # Letters stay legible; control and invisible characters are escaped.
    return _UNUSUAL.sub(lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], text) + "\n"


def schema() -> str:
    """Return the JSON Schema of what `render` returns.

    Every field is required. Later versions of enos-ota may add fields, so additional ones are allowed.
    """
    described = ReviewReport.model_json_schema(mode="serialization")
    return json.dumps({"$schema": GenerateJsonSchema.schema_dialect, **described}, indent=2) + "\n"
