"""Declaring device keys: which set and which key file they get into, and what is refused before a byte is written."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from enos_ota.operations.declaration import Declaration, Wish, declare, to_expect

from enos_ota.devicekeys import reader as keyfiles
from enos_ota.operations.set_names import suggested_name
from enos_ota.settings import SettingsError, check_stack_file, read_stack_file

if TYPE_CHECKING:
    from pathlib import Path

    from enos_ota.settings import SetSettings
    from tests.harness.stack_project import Project

JOB = "65a1"


def wish(*device_keys: str, **more: Any) -> Wish:
    return Wish(JOB, frozenset(device_keys), **{"suggestion": "pump-2.3.0", **more})


def declared(project: Project, wanted: Wish) -> Declaration:
    declaration = declare(project.file, {}, wanted, project="enos-ota")
    declaration.write()
    assert check_stack_file(project.file) == ()
    return declaration


def sets(project: Project) -> dict[str, SetSettings]:
    return {each.name: each for each in read_stack_file(project.file, {})[0]}


def refusal(project: Project, wanted: Wish) -> str:
    before = content(project.root)
    with pytest.raises(SettingsError) as caught:
        declare(project.file, {}, wanted, project="enos-ota")
    assert content(project.root) == before
    return str(caught.value)


def content(root: Path) -> dict[Path, bytes]:
    return {each: each.read_bytes() for each in root.rglob("*") if each.is_file()}


def test_a_set_and_its_key_file_are_written(project: Project) -> None:
    project.write("enos:orgId: o1\n")
    declaration = declared(project, wish("b", "a", reason="INC-1", by="enos-ota adopt"))
    assert declaration.set_name == "pump-2.3.0"
    assert (project.root / "stacks" / "keys" / "pump-2.3.0.txt").read_text() == (
        "# Device keys of OTA job 65a1, set pump-2.3.0; written by enos-ota adopt.\na\nb\n"
    )
    found = sets(project)["pump-2.3.0"]
    assert (found.job_id, found.device_keys, found.reason) == (JOB, ("a", "b"), "INC-1")


def test_a_stack_file_that_is_not_there_is_made(project: Project) -> None:
    declared(project, wish("a"))
    assert sets(project)["pump-2.3.0"].device_keys == ("a",)


def test_nothing_is_written_before_it_is_asked_for(project: Project) -> None:
    before = content(project.root)
    declare(project.file, {}, wish("a"), project="enos-ota")
    assert content(project.root) == before


def test_the_same_wish_again_changes_nothing(project: Project) -> None:
    declared(project, wish("a", "b"))
    again = declare(project.file, {}, wish("a", "b"), project="enos-ota")
    assert (again.changes, again.set_name, again.elsewhere) == ((), "", {"pump-2.3.0": frozenset({"a", "b"})})


def test_keys_that_another_set_of_the_job_declares_stay_there(project: Project) -> None:
    project.write(
        "", sets='- {name: a, jobId: "65a1", deviceKeys: [k1, k2]}\n- {name: b, jobId: "9", deviceKeys: [k3]}'
    )
    declaration = declared(project, wish("k2", "k3", "k4"))
    assert declaration.elsewhere == {"a": {"k2"}}
    assert sets(project)["pump-2.3.0"].device_keys == ("k3", "k4")


def test_a_name_that_is_taken_gets_a_number(project: Project) -> None:
    project.write("", sets='- {name: pump-2.3.0, jobId: "9", deviceKeys: [k], formerNames: [pump-2.3.0-2]}')
    assert declared(project, wish("a")).set_name == "pump-2.3.0-3"


def test_a_key_file_of_somebody_else_is_passed_over(project: Project) -> None:
    project.write("enos:orgId: o1\n")
    other = project.root / "stacks" / "keys" / "pump-2.3.0.txt"
    other.write_text("precious\n")
    assert declared(project, wish("a")).set_name == "pump-2.3.0-2"
    assert other.read_text() == "precious\n"


def test_a_key_file_with_just_these_keys_is_taken_as_it_is(project: Project) -> None:
    project.write("enos:orgId: o1\n")
    listed = project.root / "stacks" / "keys" / "pump.txt"
    listed.write_bytes(b"# listed for the pull request\r\nb\r\na\r\n")
    declaration = declared(project, wish("a", "b", name="pump"))
    assert [each.path for each in declaration.changes] == [project.file]
    assert listed.read_bytes() == b"# listed for the pull request\r\nb\r\na\r\n"
    assert sets(project)["pump"].device_keys == ("a", "b")


def test_a_key_file_of_another_set_is_not_taken_though_it_has_just_these_keys(project: Project) -> None:
    project.write("enos-ota:cancelledTaskSets: [{name: other, jobId: '9', deviceKeysFile: keys/pump.txt}]\n")
    (project.root / "stacks" / "keys" / "pump.txt").write_text("a\n")
    assert "other content: choose another --name" in refusal(project, wish("a", name="pump"))


def test_a_key_file_in_the_way_of_a_named_set_is_replaced_only_when_told(project: Project) -> None:
    project.write("enos:orgId: o1\n")
    other = project.root / "stacks" / "keys" / "pump.txt"
    other.write_text("precious\n")
    assert "other content: choose another --name, or say --overwrite" in refusal(project, wish("a", name="pump"))
    declared(project, wish("a", name="pump", overwrite=True))
    assert keyfiles.read(other) == ("a",)


def test_a_key_that_no_txt_can_hold_goes_into_yaml(project: Project) -> None:
    odd = (" blank ", "# no comment", 'quo"te', "no", "0012345", "0x1F", "2026-01-02", "a: b", "水", "a\u00a0b")
    declared(project, wish(*odd))
    assert sets(project)["pump-2.3.0"].device_keys == tuple(sorted(odd))
    assert (project.root / "stacks" / "keys" / "pump-2.3.0.yaml").exists()


def test_hostile_reasons_and_ids_come_back_as_they_were(project: Project) -> None:
    reason = "\u202eno: \"0x1F\" # 'x' \\ {a}"
    declared(project, Wish("0012345", frozenset({"a"}), suggestion="no", reason=reason))
    found = sets(project)["no"]
    assert (found.job_id, found.reason) == ("0012345", reason)


@pytest.mark.parametrize("reason", ["two\nlines", "\x1b[31mred", "x" * 501])
def test_a_reason_that_no_set_may_have_is_refused_and_nothing_written(project: Project, reason: str) -> None:
    project.write("enos:orgId: o1\n")
    assert "was not edited, as it would have a problem then: set" in refusal(project, wish("a", reason=reason))


@pytest.mark.parametrize("name", ["a b", "a/b", "a::b", "x" * 101])
def test_a_name_that_no_set_may_have_is_refused_and_nothing_written(project: Project, name: str) -> None:
    assert "would have a problem then" in refusal(project, wish("a", name=name))


@pytest.mark.parametrize("name", ["..", ".hidden", "-rf", "a\\b", "水泵", "~"])
def test_a_name_that_makes_a_bad_file_name_gets_another_file_in_the_same_place(project: Project, name: str) -> None:
    declaration = declared(project, wish("a", name=name))
    assert sets(project)[name].device_keys == ("a",)
    assert declaration.changes[0].path.parent == project.root / "stacks" / "keys"
    assert declaration.changes[0].path.name[0].isalnum()


def test_a_broken_stack_file_is_told_of_and_left_alone(project: Project) -> None:
    project.write("enos-ota:deadlin: 1\n")
    assert "did you mean enos-ota:deadline?" in refusal(project, wish("a"))


@pytest.mark.parametrize(
    "text",
    [
        "config: [\n",
        "config:\n  enos:batchSize: many\n",
        "config:\n  enos-ota:cancelledTaskSets: {name: a}\n",
        "config:\n  enos:batchSize: ! 5\n  enos-ota:cancelledTaskSets: '[]'\n",
    ],
)
def test_a_file_that_is_broken_or_cannot_be_edited_is_left_alone_and_what_to_add_is_told(
    project: Project, text: str
) -> None:
    project.file.write_text(text)
    told = refusal(project, wish("a"))
    assert "\nNothing was written; this would have been added:\n    config:\n" in told
    assert '      - name: "pump-2.3.0"\n' in told


@pytest.mark.parametrize(
    "text",
    [
        "config: {enos:orgId: o1}\n",
        '{"config": {"enos:orgId": "o1"}}\n',
        """config:\n  enos-ota:cancelledTaskSets: '[{"name": "a", "jobId": "1", "deviceKeys": ["k"]}]'\n""",
        "x: &x [{name: a, jobId: '1', deviceKeys: [k]}]\nconfig:\n  enos-ota:cancelledTaskSets: *x\n",
    ],
)
def test_a_file_may_be_written_in_any_style(project: Project, text: str) -> None:
    project.file.write_text(text)
    before = sets(project)
    declared(project, wish("b"))
    assert {**before, "pump-2.3.0": sets(project)["pump-2.3.0"]} == sets(project)


def test_sets_that_are_json_in_a_text_keep_their_key_files(project: Project) -> None:
    text = '[{"name": "pump", "jobId": "65a1", "deviceKeysFile": "keys/p.txt"}]'
    project.file.write_text(f"config:\n  enos-ota:cancelledTaskSets: '{text}'\n")
    (project.root / "stacks" / "keys" / "p.txt").write_text("a\n")
    declaration = declared(project, wish("b", name="pump"))
    assert [each.path.name for each in declaration.changes] == ["p.txt"]
    assert sets(project)["pump"].device_keys == ("a", "b")


def test_without_room_for_a_temporary_file_nothing_is_written_and_what_to_do_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(project.root / "nowhere"))
    assert "set TMPDIR to a directory with room" in refusal(project, wish("a"))


def test_a_file_that_changed_meanwhile_is_not_written(project: Project) -> None:
    project.write("enos:orgId: o1\n")
    declaration = declare(project.file, {}, wish("a"), project="enos-ota")
    project.write("enos:orgId: o2\n")
    with pytest.raises(SettingsError, match="was changed meanwhile"):
        declaration.write()
    assert "o2" in project.file.read_text()


def test_the_key_file_is_written_first_so_that_an_end_half_way_leaves_a_sound_stack(project: Project) -> None:
    project.write("enos:orgId: o1\n")
    declaration = declare(project.file, {}, wish("a"), project="enos-ota")
    declaration.changes[0].write()
    assert check_stack_file(project.file) == ()
    assert declaration.changes[-1].path == project.file


def test_a_byte_order_mark_stays(project: Project) -> None:
    project.file.write_bytes(b"\xef\xbb\xbfconfig:\n  enos:orgId: o1\n")
    declared(project, wish("a"))
    assert project.file.read_bytes().startswith(b"\xef\xbb\xbfconfig:")


# More keys for a set that is there


def test_more_keys_go_into_the_key_file_of_the_set_in_order_and_its_comments_stay(project: Project) -> None:
    project.write("", sets='- {name: pump, jobId: "65a1", deviceKeysFile: keys/p.txt}')
    file = project.root / "stacks" / "keys" / "p.txt"
    file.write_text("# ours\n\nb\nd\n# site two\nx\n# the end")
    declaration = declared(project, wish("a", "b", "c", "e", "z", name="pump"))
    assert file.read_text() == "# ours\n\na\nb\nc\nd\ne\n# site two\nx\n# the end\nz\n"
    assert (declaration.elsewhere, [each.path for each in declaration.changes]) == ({"pump": frozenset({"b"})}, [file])


def test_more_keys_go_into_a_yaml_key_file(project: Project) -> None:
    project.write("", sets='- {name: pump, jobId: "65a1", deviceKeysFile: keys/p.yaml}')
    file = project.root / "stacks" / "keys" / "p.yaml"
    file.write_text('# ours\n- "b"')
    declared(project, wish("0012345", name="pump"))
    assert file.read_text() == '# ours\n- "b"\n- "0012345"\n'


def test_a_set_with_a_list_of_keys_gets_a_key_file_for_more(project: Project) -> None:
    project.write("", sets='- {name: pump, jobId: "65a1", deviceKeys: [b]}')
    declared(project, wish("a", name="pump"))
    assert sets(project)["pump"].device_keys == ("a", "b")
    assert (project.root / "stacks" / "keys" / "pump.txt").exists()


def test_a_csv_key_file_is_not_added_to(project: Project) -> None:
    project.write("", sets='- {name: pump, jobId: "65a1", deviceKeysFile: keys/p.csv}')
    (project.root / "stacks" / "keys" / "p.csv").write_text("deviceKey,site\nb,1\n")
    assert "is CSV: add the keys by hand" in refusal(project, wish("a", name="pump"))


def test_a_key_file_that_two_sets_share_is_not_added_to(project: Project) -> None:
    project.write(
        "",
        sets='- {name: pump, jobId: "65a1", deviceKeysFile: keys/p.txt}\n'
        '- {name: other, jobId: "9", deviceKeysFile: keys/p.txt}',
    )
    (project.root / "stacks" / "keys" / "p.txt").write_text("b\n")
    assert "could not be edited so that it says just what was to be added" in refusal(project, wish("a", name="pump"))


def test_a_set_of_another_job_gets_no_keys(project: Project) -> None:
    project.write("", sets='- {name: pump, jobId: "9", deviceKeys: [b]}')
    assert 'the set "pump" is about job 9: choose another --name' in refusal(project, wish("a", name="pump"))


# Names


@pytest.mark.parametrize(
    ("job_name", "version", "name"),
    [
        ("Pump firmware 2.3.0, all sites", "2.3.0", "pump-firmware-2.3.0-all-sites"),
        ("Pump", "2.3.0", "pump-2.3.0"),
        ("", "2.3.0", "job-65a1-2.3.0"),
        ("水泵固件", "", "job-65a1"),
        ("\x1b[31m../../etc/passwd\n", "$(rm)", "31m..-..-etc-passwd-rm"),
        ("x" * 300, "1", "x" * 60 + "-1"),
    ],
)
def test_a_set_is_named_after_its_job(job_name: str, version: str, name: str) -> None:
    assert suggested_name(job_name, version, JOB) == name


@pytest.mark.parametrize(
    ("version", "expected"), [("2.3.0", "2.3.0"), ("", ""), ("a\nb", ""), (" x", ""), ("水", "水")]
)
def test_a_version_that_no_set_can_name_is_not_expected(version: str, expected: str) -> None:
    assert to_expect(version) == expected
