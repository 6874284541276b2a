"""The models are the one source of keys, defaults and descriptions."""

from __future__ import annotations

import pytest

from enos_ota.settings.models import NAMESPACES, PARTS, DeclaredSet, EnosKeys, EnosOtaKeys, Keys


@pytest.mark.parametrize("model", [*NAMESPACES.values(), DeclaredSet, *PARTS.values()])
def test_every_key_says_what_it_is_for(model: type[Keys]) -> None:
    assert [name for name, field in model.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("model", [*NAMESPACES.values(), DeclaredSet, *PARTS.values()])
def test_a_schema_can_be_generated_that_allows_no_other_keys(model: type[Keys]) -> None:
    schema = model.model_json_schema()
    assert (sorted(schema["properties"]), schema["additionalProperties"]) == (sorted(model.names()), False)


def test_defaults_of_the_connection() -> None:
    keys = EnosKeys.model_validate({})
    assert (keys.max_concurrency, keys.request_timeout, keys.batch_size) == (8, 30.0, 200)
    assert keys.cancelled_markers == ["Cancelled by user"]


def test_defaults_of_a_stack() -> None:
    keys = EnosOtaKeys.model_validate({})
    assert (keys.preflight, keys.deadline, keys.cancelled_task_sets) == ("auto", 1800.0, [])
    assert (keys.guard, keys.audit_log) == (None, None)
