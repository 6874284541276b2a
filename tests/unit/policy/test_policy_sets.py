"""From what Pulumi hands a policy to typed values."""

from __future__ import annotations

import json

import pytest
from enos_ota_policies import recorded, sets, settings
from enos_ota_policies.sets import UNKNOWN, DeclaredSet, PlannedSet
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from enos_ota.devicekeys import rules as keys
from enos_ota.engine import properties as state
from tests.harness.engine import CHECKOUT

OUTPUTS = {"deviceKeys": "a\nb\n", "apiGateway": "g", "orgId": "o", "jobId": "j", "cancelledCount": 2.0}
INPUTS = {name: value for name, value in OUTPUTS.items() if name != "cancelledCount"}


EXPORTED = json.loads((CHECKOUT / "tests" / "data" / "state-1.json").read_text(encoding="utf-8"))
RECORDED = {each["urn"]: each for each in EXPORTED["deployment"]["resources"] if "setName" in each.get("inputs", {})}


def test_the_type_and_the_properties_are_those_of_the_resource() -> None:
    """The pack does not import enos_ota and repeats them."""
    assert {each["type"] for each in RECORDED.values()} == {sets.TYPE}
    assert sets.IDENTITY == state.IDENTITY
    read = {"reason", "maxDevices", "maxShare", "expectFirmwareVersion", "expires", "deviceKeys"}
    assert read <= set(state.INPUTS)
    assert "cancelledCount" in state.OUTPUTS


def test_each_property_finds_its_place() -> None:
    bag = {"reason": "r", "maxDevices": 5.0, "maxShare": 0.5, "expectFirmwareVersion": "2", "expires": "2027-01-01"}
    assert DeclaredSet.parse("pumps", bag) == DeclaredSet("pumps", "r", 5.0, 0.5, "2", "2027-01-01")


def test_what_is_not_declared_is_none() -> None:
    assert DeclaredSet.parse("pumps", {}) == DeclaredSet("pumps")


def test_unknown_values_are_taken_for_what_they_are() -> None:
    names = ("reason", "maxDevices", "maxShare", "expectFirmwareVersion", "expires")
    bag = unknown_checking_proxy(dict.fromkeys(names, UNKNOWN_STRING_VALUE))
    assert DeclaredSet.parse("pumps", bag) == DeclaredSet("pumps", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN)


@pytest.mark.parametrize(
    ("bag", "changes"),
    [(OUTPUTS, False), (INPUTS, True), (OUTPUTS | {"cancelledCount": UNKNOWN_STRING_VALUE}, True)],
)
def test_a_set_without_an_outcome_is_one_that_changes(bag: dict[str, object], *, changes: bool) -> None:
    assert PlannedSet.parse("pumps", ["urn"], unknown_checking_proxy(bag)).changes is changes


def test_unknown_keys_are_unknown_and_not_none() -> None:
    bag = unknown_checking_proxy(INPUTS | {"deviceKeys": UNKNOWN_STRING_VALUE})
    assert PlannedSet.parse("pumps", ["urn"], bag).keys is UNKNOWN


def test_keys_are_read_as_the_resource_writes_them() -> None:
    assert sets.keys_of(keys.to_text(["b", "a", "b"])) == {"a", "b"}


def test_the_stack_is_read_from_the_urn() -> None:
    assert sets.stack_of("urn:pulumi:prod-eu::enos-ota::pulumi:pulumi:Stack::enos-ota-prod-eu") == "prod-eu"


def test_an_exported_state_gives_the_keys_of_each_set() -> None:
    found = {urn: recorded_keys for (urn, _), recorded_keys in recorded.parse(EXPORTED).items()}
    assert found == {urn: set(keys.from_text(each["inputs"]["deviceKeys"])) for urn, each in RECORDED.items()}


@pytest.mark.parametrize(
    "exported", [{}, {"deployment": None}, {"deployment": {"resources": [{"type": sets.TYPE, "urn": "u"}]}}]
)
def test_a_state_without_sets_gives_no_keys(exported: dict[str, object]) -> None:
    assert not any(recorded.parse(exported).values())


def test_without_the_names_of_the_stack_no_state_is_read() -> None:
    assert recorded.read({"PULUMI_PROJECT": "p", "PATH": "/nowhere"}) is None


def test_without_a_pulumi_no_state_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    names = {"PULUMI_ORGANIZATION": "o", "PULUMI_PROJECT": "p", "PULUMI_STACK": "s"}
    assert recorded.read(names | {"PATH": "/nowhere"}) is None


def test_each_setting_has_a_default_that_is_used_without_configuration() -> None:
    assert settings.pattern({}).search("INC-4711")
    assert settings.stacks({}) == ("prod*",)
    assert (settings.whole({}, settings.MAX_KEYS), settings.whole({}, settings.DAYS)) == (1000, 180)


def test_numbers_come_as_floating_point_and_are_whole() -> None:
    assert repr(settings.whole({"days": 30.0}, settings.DAYS)) == "30"


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(settings.SettingsError, match=r"pattern is '\(', which is no regular expression: missing \)"):
        settings.pattern({"pattern": "("})


def test_a_misspelled_setting_is_refused_with_the_right_one() -> None:
    with pytest.raises(settings.SettingsError) as refused:
        settings.whole({"maxkeys": 3.0}, settings.MAX_KEYS)
    assert str(refused.value) == "it has no setting 'maxkeys'; there are 'maxKeys' and 'enforcementLevel'"
