"""The declared sets: what each may hold, and the rules that hold between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enos_ota.settings.check import validate_stack_file
from tests.harness.stack_project import BASE, check_stack_file

if TYPE_CHECKING:
    from tests.harness.stack_project import Project

FILE = "stacks/Pulumi.prod.yaml"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("onToolate: fail", "onToolate is no key of a set; did you mean onTooLate?"),
        ("device_keys: [a]", "device_keys is no key of a set; did you mean deviceKeys?"),
        ("jobid: x", "jobid is no key of a set; did you mean jobId?"),
        ("colour: red", "colour is no key of a set"),
        ("onTooLate: fial", 'onTooLate is "fial", must be report or fail; did you mean fail?'),
        ("onMissing: true", "onMissing must be fail or report"),
        ("protect: yes", "protect must be true or false, without quotes"),
        ('protect: "true"', "protect must be true or false, without quotes"),
        ("reason:", "reason has no value: give it one, in quotes, or remove the key"),
        ('reason: "a\\nb"', "reason has control characters or line breaks: it must be one line"),
        (f"reason: {'x' * 501}", "reason is longer than 500 characters"),
        (
            "reason: 4711",
            "reason is 4711 without quotes, and YAML may turn that into another text: put it in quotes",
        ),
        ("reason: [a]", "reason must be a text, not a list"),
        (
            "expires: 2027-03-31",
            "expires is 2027-03-31 without quotes, and YAML may turn that into another text: put it in quotes",
        ),
        ('expires: "2027-02-30"', 'expires is "2027-02-30", no date such as "2027-03-31"'),
        ('expires: "20270331"', 'expires is "20270331", no date such as "2027-03-31"'),
        ('expires: " 2027-3-31"', 'expires is " 2027-3-31", no date such as "2027-03-31"'),
        ("formerNames: old", "formerNames must be a list"),
        (
            "formerNames: [12]",
            "formerNames[0] is 12 without quotes, and YAML may turn that into another text: put it in quotes",
        ),
        (
            "guard: {maxShare: 1.5}",
            "guard.maxShare must be at most 1",
        ),
        (
            "guard: {}",
            "guard is empty: give it maxDevices, maxShare or both, or remove it",
        ),
        (
            "expect: {firmwareVersion: 2.3}",
            "expect.firmwareVersion is 2.3 without quotes, and YAML may turn that into another text: put it in quotes",
        ),
        (
            "expect: {firmwareversion: a, firmwareVersion: a}",
            "expect.firmwareversion is no key of expect; did you mean firmwareVersion?",
        ),
        (
            "expect: {}",
            "expect.firmwareVersion is missing",
        ),
    ],
)
def test_a_wrong_key_or_value_of_a_set_is_named(project: Project, line: str, text: str) -> None:
    project.write(BASE, sets=f'- name: pump\n  jobId: "1"\n  deviceKeys: [a]\n  {line}\n')
    assert project.problems() == [f'{FILE}:8: set "pump": {text}']


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a/b", "name must be without white space, / and :: (it becomes part of the resource's id)"),
        ("a b", "name must be without white space, / and :: (it becomes part of the resource's id)"),
        ("a::b", "name must be without white space, / and :: (it becomes part of the resource's id)"),
        ("a\\tb", "name has control characters or line breaks: it must be one line"),
    ],
)
def test_a_name_must_fit_into_an_id(project: Project, name: str, text: str) -> None:
    project.write(BASE, sets=f'- {{name: "{name}", jobId: "1", deviceKeys: [a]}}')
    (problem,) = project.problems()
    assert problem.endswith(f": {text}")


@pytest.mark.parametrize(
    ("job_id", "text"),
    [
        ('""', "jobId is empty"),
        ('" 1"', "jobId has white space around it: remove it"),
        ('"1\\u2028"', "jobId has control characters or line breaks: it must be one line"),
        ("65e1", "jobId is 65e1 without quotes, and YAML may turn that into another text: put it in quotes"),
        ("~", "jobId has no value: give it one, in quotes, or remove the key"),
    ],
)
def test_a_job_id_is_an_opaque_text(project: Project, job_id: str, text: str) -> None:
    project.write(BASE, sets=f"- {{name: p, jobId: {job_id}, deviceKeys: [a]}}")
    assert project.problems() == [f'{FILE}:5: set "p": {text}']


def test_name_job_and_keys_are_required(project: Project) -> None:
    project.write(BASE, sets="- protect: true")
    assert project.problems() == [
        f"{FILE}:5: set no. 1: name is missing",
        f"{FILE}:5: set no. 1: jobId is missing",
        f"{FILE}:5: set no. 1: no device keys; to end a set remove the whole set, what is cancelled stays cancelled",
    ]


@pytest.mark.parametrize(
    ("misspelled", "hint"), [("deviceKeyFile: keys/p.txt", "deviceKeysFile"), ("devicekeys: [a]", "deviceKeys")]
)
def test_a_misspelled_key_is_not_said_to_be_missing_too(project: Project, misspelled: str, hint: str) -> None:
    project.write(BASE, sets=f'- {{name: p, jobId: "1", {misspelled}}}')
    written = misspelled.partition(":")[0]
    assert project.problems() == [f'{FILE}:5: set "p": {written} is no key of a set; did you mean {hint}?']


def test_another_unknown_key_does_not_hide_that_there_are_no_device_keys(project: Project) -> None:
    project.write(BASE, sets='- {name: p, jobId: "1", colour: red}')
    assert len(project.problems()) == 2


def test_a_set_must_be_a_mapping(project: Project) -> None:
    project.write(BASE, sets="- pump")
    assert project.problems() == [f"{FILE}:5: set no. 1: must be a mapping of keys and values"]


def test_a_kind_of_wrong_device_keys_is_one_line(project: Project) -> None:
    items = ["a", "0012", "1e5", '""', "2026-01-02", "1.10"]
    project.write(BASE, sets="\n    - ".join(['- name: p\n  jobId: "1"\n  deviceKeys:', *items]))
    assert project.problems() == [
        f'{FILE}:9: set "p": deviceKeys: 4 device keys are not texts: put them in quotes'
        " (line 9: 0012, line 10: 1e5, line 12: 2026-01-02, …)",
        f"{FILE}:11: set \"p\": deviceKeys: 1 device key is empty (line 11: '')",
    ]


def test_quotes_of_both_kinds_any_order_and_duplicates_are_fine(project: Project) -> None:
    project.write(BASE, sets="""- {name: p, jobId: "1", deviceKeys: ["it's", 'say "hi"', b, a, b]}""")
    assert project.load()[0].device_keys == ("a", "b", "it's", 'say "hi"')


def test_names_are_unique(project: Project) -> None:
    project.write(BASE, sets='- {name: p, jobId: "1", deviceKeys: [a]}\n- {name: p, jobId: "2", deviceKeys: [a]}')
    assert project.problems() == [f'{FILE}:6: set "p": this name is taken by set no. 1; names are unique in a stack']


@pytest.mark.parametrize(
    ("former", "text"),
    [
        ("[p]", "formerNames holds the set's present name; remove it"),
        ("[q]", 'formerNames holds "q", which is another set\'s name'),
    ],
)
def test_a_former_name_must_be_free(project: Project, former: str, text: str) -> None:
    sets = (
        f'- {{name: q, jobId: "2", deviceKeys: [a]}}\n- {{name: p, jobId: "1", deviceKeys: [a], formerNames: {former}}}'
    )
    project.write(BASE, sets=sets)
    assert project.problems() == [f'{FILE}:6: set "p": {text}']


def test_a_former_name_belongs_to_one_set(project: Project) -> None:
    sets = """\
        - {name: p, jobId: "1", deviceKeys: [a], formerNames: [old]}
        - {name: q, jobId: "2", deviceKeys: [a], formerNames: [old]}"""
    project.write(BASE, sets=sets)
    assert project.problems() == [f'{FILE}:6: set "q": the former name "old" is claimed by set "p" too']


def test_sets_of_one_job_with_a_key_in_common_are_refused(project: Project) -> None:
    (project.root / "stacks/keys/q.txt").write_text("d\nc\nb\na\nz\n")
    sets = """\
        - {name: p, jobId: "1", deviceKeys: [a, b, c, d, e]}
        - {name: q, jobId: "1", deviceKeysFile: keys/q.txt}
        - {name: r, jobId: "1", deviceKeys: [z, x]}"""
    project.write(BASE, sets=sets)
    assert project.problems() == [
        f"{FILE}:6: set \"q\": shares 4 device keys of job 1 with set \"p\" ('a', 'b', 'c', …);"
        " keep each key in one set",
        f'{FILE}:7: set "r": shares 1 device key of job 1 with set "q" (\'z\'); keep each key in one set',
    ]


def test_sets_of_one_job_with_disjoint_keys_are_fine(project: Project) -> None:
    project.write(BASE, sets='- {name: p, jobId: "1", deviceKeys: [a]}\n- {name: q, jobId: "1", deviceKeys: [b]}')
    assert [each.name for each in project.load()] == ["p", "q"]


def test_sets_of_two_jobs_may_hold_the_same_keys(project: Project) -> None:
    project.write(BASE, sets='- {name: p, jobId: "1", deviceKeys: [a]}\n- {name: q, jobId: "2", deviceKeys: [a]}')
    assert [each.device_keys for each in project.load()] == [("a",), ("a",)]


def test_a_set_that_is_wrong_otherwise_is_compared_too(project: Project) -> None:
    sets = '- {name: p, jobId: "1", deviceKeys: [a], colour: red}\n- {name: q, jobId: "1", deviceKeys: [a]}'
    project.write(BASE, sets=sets)
    assert [problem.split(": ", 2)[2].split(" ")[0] for problem in project.problems()] == ["colour", "shares"]


@pytest.mark.parametrize(
    ("named", "text"),
    [
        ("keys/none.txt", "deviceKeysFile stacks/keys/none.txt: there is no such file"),
        ("keys", "deviceKeysFile stacks/keys: a key file ends in .txt, .csv, .yaml or .yml"),
        ("/etc/hosts.txt", "deviceKeysFile must be relative to the stack file"),
        (
            "keys/loop.txt",
            "deviceKeysFile stacks/keys/loop.txt: the file cannot be read: Too many levels of symbolic links",
        ),
        ("~/k.txt", "deviceKeysFile must be relative to the stack file"),
        (
            "../../k.txt",
            "deviceKeysFile ../../k.txt is outside of the project: keep key files in it, where they are reviewed",
        ),
        (
            "keys/link.txt",
            "deviceKeysFile keys/link.txt is outside of the project: keep key files in it, where they are reviewed",
        ),
    ],
)
def test_a_key_file_that_cannot_be_used_is_named(project: Project, named: str, text: str) -> None:
    (project.root / "stacks/keys/link.txt").symlink_to("/etc/hostname")
    (project.root / "stacks/keys/loop.txt").symlink_to("loop.txt")
    project.write(BASE, sets=f'- {{name: p, jobId: "1", deviceKeysFile: {named}}}')
    assert project.problems() == [f'{FILE}:5: set "p": {text}']


def test_a_key_file_elsewhere_in_the_project_is_fine(project: Project) -> None:
    (project.root / "keys.txt").write_text("a\n")
    project.write(BASE, sets='- {name: p, jobId: "1", deviceKeysFile: ../keys.txt}')
    assert project.load()[0].device_keys == ("a",)


def test_a_key_file_that_is_no_list_of_keys_is_refused_with_its_line(project: Project) -> None:
    (project.root / "stacks/keys/q.txt").write_text("dk-01\n<<<<<<< HEAD\ndk-02\n=======\ndk-03\n>>>>>>> x\n")
    project.write(BASE, sets='- {name: p, jobId: "1", deviceKeysFile: keys/q.txt}')
    (problem,) = project.problems()
    assert problem.startswith('stacks/keys/q.txt:2: set "p": this looks like an unresolved merge conflict')


def test_a_line_of_another_text_in_a_list_is_refused(project: Project) -> None:
    project.write(BASE, sets='- {name: p, jobId: "1", deviceKeys: [dk-01, "@@ -1 +1 @@"]}')
    assert project.problems() == [
        f"{FILE}:5: set \"p\": deviceKeys: 1 device key is a line of a diff (line 5: '@@ -1 +1 @@')"
    ]


def test_unusual_keys_are_warned_of_and_loaded_as_they_are(project: Project) -> None:
    (project.root / "stacks/keys/q.txt").write_text("dk 01\n")
    project.write(BASE, sets='- {name: p, jobId: "1", deviceKeys: ["dk 02"], deviceKeysFile: keys/q.txt}')
    assert project.load()[0].device_keys == ("dk 01", "dk 02")
    assert check_stack_file(project.file) == ()
    assert [problem.severity for problem in validate_stack_file(project.file).warnings] == ["warning", "warning"]


def test_what_is_wrong_inside_a_key_file_has_that_files_line(project: Project) -> None:
    (project.root / "stacks/keys/q.csv").write_text("id,key\n1,a\n")
    project.write(BASE, sets='- {name: p, jobId: "1", deviceKeysFile: keys/q.csv}')
    assert project.problems() == [
        'stacks/keys/q.csv:1: set "p": the file has no column deviceKey; its header names id, key'
    ]
