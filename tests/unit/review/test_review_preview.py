"""What `pulumi preview --json` says, made typed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from enos_ota.engine.preview_json import Change, UnreadablePreview, parse

URN = "urn:pulumi:dev::enos-ota::pulumi-python:dynamic/enos_ota:CancelledTaskSet::"
STACK = "urn:pulumi:dev::enos-ota::pulumi:pulumi:Stack::enos-ota-dev"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def inputs(name: str, *keys: str, **more: Any) -> dict[str, Any]:
    text = "".join(f"{key}\n" for key in keys)
    base = {"setName": name, "apiGateway": "https://enos", "orgId": "o1", "jobId": "j1", "deviceKeys": text}
    return {**base, "onTooLate": "report", "onMissing": "fail", **more}


def state(name: str, *keys: str, exceptions: str = "", **more: Any) -> dict[str, Any]:
    given = inputs(name, *keys, **more)
    return {"urn": URN + name, "inputs": given, "outputs": {**given, "exceptions": exceptions, "cancelledCount": 0}}


def step(op: str, name: str, *, old: Any = None, new: Any = None) -> dict[str, Any]:
    step = {"op": op, "urn": URN + name, "detailedDiff": None}
    return step | ({"oldState": old} if old else {}) | ({"newState": new} if new else {})


def digest(*steps: dict[str, Any], said: tuple[tuple[str, str], ...] = ()) -> str:
    diagnostics = [{"severity": severity, "message": message} for severity, message in said]
    return json.dumps({"steps": [{"op": "same", "urn": STACK}, *steps], "diagnostics": diagnostics})


def test_a_new_set_has_no_past() -> None:
    (each,) = parse(digest(step("create", "pumps", new=state("pumps", "k1", "k2")))).sets
    assert each.declared
    assert (each.name, each.change, each.declared.device_keys) == ("pumps", Change.CREATE, ("k1", "k2"))
    assert (each.recorded, each.before, each.now) == (None, None, None)


def test_a_refreshed_record_differs_from_the_recorded_one() -> None:
    was, now = state("pumps", "k1", "k2"), state("pumps", "k1", exceptions="k2\tpending\tinit, was cancelled\n")
    steps = [
        step("refresh", "pumps", old=was, new=now),
        step("update", "pumps", old=now, new=state("pumps", "k1", "k2", reason="x")),
    ]
    (each,) = parse(digest(*steps)).sets
    assert each.before
    assert each.now
    assert [sorted(record.keys) for record in (each.before, each.now)] == [["k1", "k2"], ["k1"]]
    assert each.now.outcomes["k2"].was_cancelled
    assert each.metadata == ("reason",)


def test_the_steps_of_a_replacement_are_one() -> None:
    old, new = state("pumps", "k1"), state("pumps", "k1", jobId="j2")
    steps = [step(op, "pumps", old=old, new=new) for op in ("create-replacement", "replace", "delete-replaced")]
    (each,) = parse(digest(*steps)).sets
    assert each.declared
    assert each.recorded
    assert (each.change, each.recorded.job_id, each.declared.job_id) == (Change.REPLACE, "j1", "j2")


def test_a_tainted_set_is_replaced_although_a_refresh_that_runs_the_program_calls_it_the_same() -> None:
    """As Pulumi 3.259 plans it with --refresh --run-program after `pulumi state taint`; a plain `up` replaces it."""
    was = state("pumps", "k1")
    steps = [
        step("refresh", "pumps", old={**was, "taint": True}, new=was),
        step("same", "pumps", old=was, new=was),
    ]
    preview = parse(digest(*steps))
    (each,) = preview.sets
    assert (each.change, each.changes_job, preview.others) == (Change.REPLACE, False, ())


@pytest.mark.parametrize(
    ("op", "change"),
    [
        ("import", Change.CREATE),
        ("import-replacement", Change.REPLACE),
        ("read-replacement", Change.REPLACE),
        ("remove-pending-replace", Change.REPLACE),
        ("discard", Change.DELETE),
        ("read", Change.NONE),
    ],
)
def test_every_step_of_pulumis_for_a_set_has_its_change(op: str, change: Change) -> None:
    (each,) = parse(digest(step(op, "pumps", old=state("pumps", "k1"), new=state("pumps", "k1")))).sets
    assert each.change is change


def test_an_unknown_step_is_a_change_under_its_own_name() -> None:
    preview = parse(digest(step("transmute", "pumps", old=state("pumps", "k1"), new=state("pumps", "k1"))))
    assert [(each.op, each.name) for each in preview.others] == [("transmute", "pumps")]
    assert [each.name for each in preview.sets] == ["pumps"]


def test_what_an_interrupted_replacement_left_over_is_a_change_beside_a_set_that_stays() -> None:
    old, now = state("pumps", "k1"), state("pumps", "k1", "k2")
    preview = parse(digest(step("same", "pumps", old=now, new=now), step("delete-replaced", "pumps", old=old)))
    assert [(each.op, each.name) for each in preview.others] == [("delete-replaced", "pumps")]
    (each,) = preview.sets
    assert each.now
    assert (each.change, sorted(each.now.keys)) == (Change.NONE, ["k1", "k2"])


def test_a_replacement_of_something_else_is_one_change() -> None:
    bucket = "urn:pulumi:dev::p::aws:s3:Bucket::logs"
    steps = [{"op": op, "urn": bucket} for op in ("create-replacement", "replace", "delete-replaced")]
    assert [each.op for each in parse(digest(*steps)).others] == ["replace"]


def test_a_removed_set_declares_nothing() -> None:
    (each,) = parse(digest(step("delete", "pumps", old=state("pumps", "k1")))).sets
    assert (each.change, each.declared) == (Change.DELETE, None)
    assert each.before
    assert each.before.keys == {"k1"}


def test_a_renamed_set_keeps_its_past() -> None:
    was = state("old", "k1")
    steps = [step("refresh", "old", old=was, new=was), step("same", "new", old=was, new=state("new", "k1"))]
    (each,) = parse(digest(*steps)).sets
    assert (each.name, each.change, each.before) == ("new", Change.NONE, each.now)
    assert each.before


@pytest.mark.parametrize("value", [UNKNOWN, "[secret]"])
@pytest.mark.parametrize("name", ["jobId", "deviceKeys"])
def test_what_is_known_only_during_an_up_is_marked(name: str, value: str) -> None:
    (each,) = parse(digest(step("create", "pumps", new=state("pumps", "k1", **{name: value})))).sets
    assert (each.unknown, each.declared) == (True, None)


def test_other_resources_are_listed_if_they_change() -> None:
    others = [
        {"op": op, "urn": f"urn:pulumi:dev::p::my:component:Pump$aws:s3:Bucket::{op}", "detailedDiff": None}
        for op in ("create", "same", "delete")
    ]
    provider = {"op": "create", "urn": "urn:pulumi:dev::p::pulumi:providers:pulumi-python::default"}
    found = parse(digest(*others, provider)).others
    assert [(each.op, each.type, each.name) for each in found] == [
        ("create", "aws:s3:Bucket", "create"),
        ("delete", "aws:s3:Bucket", "delete"),
    ]


def test_errors_come_without_pulumis_own_words_and_colours() -> None:
    said = (
        ("error", "\x1b[31merror: \x1b[0mPreview failed: Exception calling application: set 'pumps': it broke\n"),
        ("error", "error: an unhandled error occurred: program exited with non-zero exit code: 1\n"),
        ("error", "error: preview failed\n"),
        ("error", "error: Exception calling application: set 'pumps': it broke\n"),
        ("warning", "warning: <{%reset%}>mind this\n"),
        ("info", "not this\n"),
    )
    preview = parse(digest(said=said))
    assert (preview.errors, preview.warnings) == (("set 'pumps': it broke",), ("mind this",))


@pytest.mark.parametrize("text", ["", "no stack", "[]", '{"steps": 1}', "{"])
def test_what_is_no_preview_is_refused(text: str) -> None:
    with pytest.raises(UnreadablePreview):
        parse(text)
