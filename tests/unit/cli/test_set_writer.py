"""The files of a new set: which names they get, what they hold, and that no existing file is changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from enos_ota.devicekeys import reader as keyfiles
from enos_ota.operations.set_writer import NewSet, SetFileChange, SetWriter, expectable, suggest_name
from enos_ota.plan import JobFacts
from enos_ota.settings import SettingsError, read_stack_file
from tests.harness.stack_project import check_stack_file

if TYPE_CHECKING:
    from pathlib import Path

    from enos_ota.settings import SetSettings
    from tests.harness.stack_project import Project

JOB = "65a1"
NAME = "pump-2.3.0"


@pytest.fixture(autouse=True)
def stack_file(project: Project) -> None:
    """An ordinary stack file."""
    project.write("enos:orgId: o1\n")


def new_set(*device_keys: str, **more: Any) -> NewSet:
    return NewSet(JOB, frozenset(device_keys), **{"name": NAME, **more})


def folder(project: Project) -> Path:
    return project.root / "stacks" / "prod"


def writer(project: Project, reserved: Path | None = None) -> SetWriter:
    return SetWriter(folder(project), read_stack_file(project.file, {})[0], reserved=reserved)


def written(project: Project, wanted: NewSet) -> SetFileChange:
    change = writer(project).plan(wanted)
    change.write()
    assert check_stack_file(project.file) == ()
    return change


def sets(project: Project) -> dict[str, SetSettings]:
    return {each.name: each for each in read_stack_file(project.file, {})[0]}


def refusal(project: Project, wanted: NewSet) -> str:
    before = content(project.root)
    with pytest.raises(SettingsError) as caught:
        writer(project).plan(wanted)
    assert content(project.root) == before
    return str(caught.value)


def content(root: Path) -> dict[Path, bytes]:
    return {each: each.read_bytes() for each in root.rglob("*") if each.is_file()}


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_set_file_and_its_key_file_are_written(project: Project) -> None:
    change = written(
        project,
        new_set("b", "a", reason="INC-1", firmware_version="2.3.0", expires="2027-03-31", written_by="enos-ota adopt"),
    )
    assert change.set_name == NAME
    assert (folder(project) / f"{NAME}.txt").read_text() == (
        "# Device keys of OTA job 65a1, set pump-2.3.0; written by enos-ota adopt.\na\nb\n"
    )
    assert (folder(project) / f"{NAME}.yaml").read_text() == (
        '# Written by enos-ota adopt.\njobId: "65a1"\nreason: "INC-1"\nexpect:\n  firmwareVersion: "2.3.0"\n'
        'deviceKeysFile: "pump-2.3.0.txt"\nexpires: "2027-03-31"\n'
    )
    assert sets(project)[NAME].device_keys == ("a", "b")


def test_a_plan_writes_nothing(project: Project) -> None:
    before = content(project.root)
    writer(project).plan(new_set("a"))
    assert content(project.root) == before


def test_the_same_set_again_changes_nothing(project: Project) -> None:
    written(project, new_set("a", "b"))
    again = writer(project).plan(new_set("a", "b"))
    assert (again.changes, again.set_name, again.elsewhere) == ((), "", {NAME: frozenset({"a", "b"})})


def test_more_keys_become_a_set_of_their_own_and_the_first_one_stays_as_it_is(project: Project) -> None:
    written(project, new_set("a"))
    before = content(project.root)
    assert written(project, new_set("a", "b")).set_name == "pump-2.3.0-2"
    assert before.items() <= content(project.root).items()
    assert {name: each.device_keys for name, each in sets(project).items()} == {NAME: ("a",), f"{NAME}-2": ("b",)}


def test_a_set_that_this_run_began_gets_more_keys(project: Project) -> None:
    begun = written(project, new_set("a"))
    change = writer_without_sets(project).plan(new_set("a", "b"), begun)
    change.write()
    assert {name: each.device_keys for name, each in sets(project).items()} == {NAME: ("a", "b")}


def writer_without_sets(project: Project) -> SetWriter:
    """As the run that began the set has it: its sets were read before."""
    return SetWriter(folder(project), ())


def test_a_set_that_was_changed_since_this_run_began_it_is_not_written(project: Project) -> None:
    begun = written(project, new_set("a"))
    put(folder(project) / f"{NAME}.txt", "a\nmine\n")
    with pytest.raises(SettingsError, match="was changed meanwhile"):
        writer_without_sets(project).plan(new_set("a", "b"), begun).write()
    assert keyfiles.read_key_file(folder(project) / f"{NAME}.txt") == ("a", "mine")


def test_keys_that_another_set_of_the_job_declares_stay_there(project: Project) -> None:
    project.write(
        "", sets='- {name: a, jobId: "65a1", deviceKeys: [k1, k2]}\n- {name: b, jobId: "9", deviceKeys: [k3]}'
    )
    before = project.file.read_bytes()
    assert written(project, new_set("k2", "k3", "k4")).elsewhere == {"a": {"k2"}}
    assert (sets(project)[NAME].device_keys, project.file.read_bytes()) == (("k3", "k4"), before)


def test_a_name_that_is_taken_gets_a_number(project: Project) -> None:
    project.write("", sets=f'- {{name: {NAME}, jobId: "9", deviceKeys: [k], formerNames: [{NAME}-2]}}')
    assert written(project, new_set("a")).set_name == f"{NAME}-3"


def test_a_name_that_is_taken_in_another_folder_gets_a_number(project: Project, tmp_path: Path) -> None:
    put(tmp_path / "other" / f"{NAME}.txt", "k\n")
    assert writer(project, reserved=tmp_path / "other").plan(new_set("a")).set_name == f"{NAME}-2"


@pytest.mark.parametrize("suffix", [".txt", ".yaml"])
def test_a_file_that_exists_is_not_replaced(project: Project, suffix: str) -> None:
    other = put(folder(project) / f"{NAME}{suffix}", "precious\n")
    change = writer(project).plan(new_set("a"))
    change.write()
    assert (change.set_name, other.read_text()) == (f"{NAME}-2", "precious\n")


def test_a_key_file_with_just_these_keys_becomes_that_of_the_set(project: Project) -> None:
    """The operator may have listed them for a pull request before."""
    listed = put(folder(project) / "pump.txt", "")
    listed.write_bytes(b"# listed for the pull request\r\nb\r\na\r\n")
    change = written(project, new_set("a", "b", name="pump"))
    assert (change.set_name, change.key_file) == ("pump", listed)
    assert listed.read_bytes() == b"# listed for the pull request\r\nb\r\na\r\n"
    assert sets(project)["pump"].device_keys == ("a", "b")


def test_where_no_txt_can_hold_a_key_the_set_file_lists_them(project: Project) -> None:
    keys = ("# no comment", " blank ", "a", "水", 'quo"te', "a: b", "0012345", "a\u00a0b")
    change = written(project, new_set(*keys))
    assert sets(project)[NAME].device_keys == tuple(sorted(keys))
    assert (change.key_file, [each.path.name for each in change.changes]) == (None, [f"{NAME}.yaml"])


def test_hostile_reasons_and_ids_come_back_unchanged(project: Project) -> None:
    reason = "\u202eno: \"0x1F\" # 'x' \\ {a}"
    written(project, replace(new_set("a", name="no", reason=reason), job_id="0012345"))
    found = sets(project)["no"]
    assert (found.job_id, found.reason) == ("0012345", reason)
    assert yaml.safe_load((folder(project) / "no.yaml").read_text())["jobId"] == "0012345"


@pytest.mark.parametrize("reason", ["two\nlines", "\x1b[31mred", "x" * 501])
def test_a_reason_that_no_set_may_have_is_refused(project: Project, reason: str) -> None:
    assert f"stacks/prod/{NAME}.yaml: reason" in refusal(project, new_set("a", reason=reason))


@pytest.mark.parametrize("name", ["a b", "a/b", "a::b", "x" * 101])
def test_a_name_that_no_set_may_have_is_refused(project: Project, name: str) -> None:
    assert "name " in refusal(project, new_set("a", name=name))


@pytest.mark.parametrize("name", ["..", ".hidden", "-rf", "~", "#1", "/etc/passwd"])
def test_a_name_that_no_set_file_may_have_is_refused(project: Project, name: str) -> None:
    assert "must begin with a letter or a digit" in refusal(project, new_set("a", name=name))


@pytest.mark.parametrize("name", ["水泵", "a\\b", "Größe", "a.b"])
def test_an_unusual_name_is_the_name_of_the_file_too(project: Project, name: str) -> None:
    written(project, new_set("a", name=name))
    assert sets(project)[name].file == folder(project) / f"{name}.yaml"


def test_a_file_that_appeared_meanwhile_is_not_replaced(project: Project) -> None:
    change = writer(project).plan(new_set("a"))
    other = put(folder(project) / f"{NAME}.txt", "precious\n")
    with pytest.raises(SettingsError, match="was changed meanwhile"):
        change.write()
    assert other.read_text() == "precious\n"


def test_the_key_file_is_written_first_so_that_the_stack_is_valid_at_any_moment(project: Project) -> None:
    change = writer(project).plan(new_set("a"))
    change.changes[0].write()
    assert check_stack_file(project.file) == ()
    assert change.changes[-1].path == change.set_file


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
        ("x" * 300, "1" * 300, "x" * 60 + "-" + "1" * 39),
    ],
)
def test_a_set_is_named_after_its_job(job_name: str, version: str, name: str) -> None:
    assert suggest_name(JobFacts(name=job_name, firmware_version=version), JOB) == name


@pytest.mark.parametrize(
    ("version", "expected"), [("2.3.0", "2.3.0"), ("", ""), ("a\nb", ""), (" x", ""), ("水", "水")]
)
def test_a_version_that_no_set_can_name_is_not_expected(version: str, expected: str) -> None:
    assert expectable(version) == expected
