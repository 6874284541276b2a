"""The report as JSON, and its published schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from enos_ota.review.jsontext import render, schema
from enos_ota.review.model import ReviewReport
from tests.harness import reports
from tests.harness.any_report import reports as any_report

PUBLISHED = Path(__file__).parents[3] / "docs" / "review.schema.json"
VALIDATOR = Draft202012Validator(json.loads(schema()))


def test_the_published_schema_is_that_of_the_model() -> None:
    # `make docs` writes it
    assert PUBLISHED.read_text(encoding="utf-8") == schema()


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(json.loads(schema()))


@pytest.mark.parametrize("case", reports.CASES)
def test_each_situation_keeps_to_the_schema(case: str) -> None:
    VALIDATOR.validate(json.loads(render(reports.CASES[case]())))


@given(any_report())
def test_any_report_keeps_to_the_schema_and_reads_back_the_same(report: ReviewReport) -> None:
    read = json.loads(render(report))
    VALIDATOR.validate(read)
    assert ReviewReport.model_validate(read) == report


@pytest.mark.parametrize("name", ReviewReport.model_json_schema(mode="serialization")["properties"])
def test_no_field_may_be_left_out(name: str) -> None:
    read = json.loads(render(reports.first_preview()))
    del read[name]
    with pytest.raises(ValidationError):
        VALIDATOR.validate(read)


def test_a_field_that_is_added_later_is_allowed() -> None:
    read = json.loads(render(reports.first_preview()))
    read["later"] = read["sets"][0]["later"] = True
    VALIDATOR.validate(read)


@given(any_report())
def test_what_is_invisible_is_escaped(report: ReviewReport) -> None:
    text = render(report)
    assert all(line.isprintable() for line in text.split("\n"))
    assert text.endswith("}\n")


def test_letters_of_any_language_stay_legible() -> None:
    assert "日本語 Gerät ключ" in render(reports.hostile())
