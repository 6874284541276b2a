"""Set files: each declares one set beside the list in the stack file, and whatever else is there is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enos_ota.settings.check import validate_stack_file
from tests.harness.stack_project import BASE, check_stack_file

if TYPE_CHECKING:
    from tests.harness.stack_project import Project

FILE = "stacks/Pulumi.prod.yaml"
SET = "stacks/prod/pump-2.3.0.yaml"
BELONGS = (
    "does not belong here: this folder holds set files (<name>.yaml) and their key files (.txt, .csv), nothing else"
)
LISTED = '- {name: listed, jobId: "1", deviceKeys: [a]}'


@pytest.fixture
def stack(project: Project) -> Project:
    """A stack file without sets."""
    project.write(BASE)
    return project


def test_a_set_file_is_a_set_named_after_it(stack: Project) -> None:
    """Its key file stands beside it."""
    stack.write_set("pump-2.3.0.txt", "dk-02\ndk-01\n")
    file = stack.write_set("pump-2.3.0.yaml", 'jobId: "65a1"\ndeviceKeysFile: pump-2.3.0.txt\n')
    (found,) = stack.load()
    assert (found.name, found.job_id, found.device_keys, found.file) == (
        "pump-2.3.0",
        "65a1",
        ("dk-01", "dk-02"),
        file,
    )


def test_set_files_come_after_the_list_by_name(project: Project) -> None:
    """The sets of both forms are declared, each with the file that declares it."""
    project.write(BASE, sets=LISTED)
    for name in ("valve", "pump"):
        project.write_set(f"{name}.yaml", f'jobId: "{name}"\ndeviceKeys: [a]\n')
    assert [(each.name, each.file.name) for each in project.load()] == [
        ("listed", "Pulumi.prod.yaml"),
        ("pump", "pump.yaml"),
        ("valve", "valve.yaml"),
    ]


def test_a_set_of_pulumi_yaml_names_that_file(stack: Project) -> None:
    """A list for every stack is in Pulumi.yaml."""
    stack.share('enos-ota:cancelledTaskSets:\n  value: [{name: p, jobId: "1", deviceKeys: [a]}]')
    (found,) = validate_stack_file(stack.file).sets
    assert found.file == stack.root / "Pulumi.yaml"


def test_the_stack_s_guard_completes_that_of_a_set_file(project: Project) -> None:
    """A set file is an item of the list in every respect."""
    project.write(BASE + "enos-ota:guard: {maxDevices: 5, maxShare: 0.5}\n")
    project.write_set("p.yaml", 'jobId: "1"\ndeviceKeys: [a]\nguard: {maxDevices: 9}\nexpires: "2027-03-31"\n')
    (found,) = project.load()
    assert (found.guard.max_devices, found.guard.max_share, found.expires) == (9, 0.5, "2027-03-31")


def test_a_name_in_the_file_may_repeat_the_file_s(stack: Project) -> None:
    """The key is allowed, for those who copy a set out of the list."""
    stack.write_set("pump-2.3.0.yaml", 'name: pump-2.3.0\njobId: "1"\ndeviceKeys: [a]\n')
    assert [each.name for each in stack.load()] == ["pump-2.3.0"]


@pytest.mark.parametrize(
    "name", [".DS_Store", ".pump.yaml.swp", ".#pump.yaml", "#pump.yaml#", "pump.yaml~", ".gitkeep"]
)
def test_hidden_files_and_an_editor_s_backups_are_ignored(stack: Project, name: str) -> None:
    """They are not an operator's, and never hold a set."""
    stack.write_set(name, "jobId: [")
    assert stack.load() == ()


def test_without_a_folder_there_are_no_set_files(stack: Project) -> None:
    """Existing stacks need no change."""
    assert stack.load() == ()
    assert check_stack_file(stack.file) == ()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            'name: other\njobId: "1"\ndeviceKeys: [a]\n',
            f'{SET}:1: name is "other", but the file is pump-2.3.0.yaml: rename one of them, or remove name',
        ),
        (
            'jobId: "1"\ndeviceKeys: [a]\n---\njobId: "2"\n',
            f"{SET}:3: a second document begins here; only one is read",
        ),
        (
            '- {jobId: "1", deviceKeys: [a]}\n',
            f"{SET}:1: holds a list: a set file is one set, its keys at the top; device keys go into .txt",
        ),
        ("pump\n", f"{SET}:1: holds no set: write its keys, such as jobId, at the top, or remove the file"),
        ("", f"{SET}:1: holds no set: write its keys, such as jobId, at the top, or remove the file"),
        ("jobId: [\n", f"{SET}:2: this is not YAML: did not find expected node content"),
        ('jobId: "1"\njobId: "2"\ndeviceKeys: [a]\n', f"{SET}:2: jobId is given twice in one mapping"),
        (
            "jobId: 0012345\ndeviceKeys: [a]\n",
            f'{SET}:1: set "pump-2.3.0": jobId is 0012345 without quotes, and YAML may turn that into another'
            " text: put it in quotes",
        ),
        (
            'jobId: "1"\ndeviceKeys:\n- a\n- 0012\n',
            f'{SET}:4: set "pump-2.3.0": deviceKeys: 1 device key is not a text: put it in quotes (line 4: 0012)',
        ),
        (
            'jobId: "1"\ndevicekeys: [a]\n',
            f'{SET}:2: set "pump-2.3.0": devicekeys is no key of a set; did you mean deviceKeys?',
        ),
        ("deviceKeys: [a]\n", f'{SET}:1: set "pump-2.3.0": jobId is missing'),
        (
            'jobId: "1"\ndeviceKeys:\n- secure: v1:x\n',
            f"{SET}:3: deviceKeys[0] must not be secret: it shows in previews and state; write it in plain text",
        ),
        (
            'jobId: "1"\ndeviceKeysFile: /k.txt\n',
            f'{SET}:2: set "pump-2.3.0": deviceKeysFile must be relative to the set file',
        ),
        (
            'jobId: "1"\ndeviceKeysFile: none.txt\n',
            f'{SET}:2: set "pump-2.3.0": deviceKeysFile stacks/prod/none.txt: there is no such file',
        ),
        (
            'jobId: "1"\ndeviceKeysFile: ../../../k.txt\n',
            f'{SET}:2: set "pump-2.3.0": deviceKeysFile ../../../k.txt is outside of the project: keep key files in'
            " it, where they are reviewed",
        ),
    ],
)
def test_a_set_file_that_cannot_be_used_is_refused_with_its_line(stack: Project, content: str, problem: str) -> None:
    """The program registers nothing, and `validate` says the same."""
    stack.write_set("pump-2.3.0.yaml", content)
    assert stack.problems() == [problem]
    assert [str(each) for each in check_stack_file(stack.file)] == [problem]


def test_a_file_name_must_be_a_set_name(stack: Project) -> None:
    """It becomes part of the resource's id."""
    stack.write_set("pump 2.yaml")
    (problem,) = stack.problems()
    assert problem.startswith('stacks/prod/pump 2.yaml:1: set "pump 2": name must be without white space')


def test_a_set_file_that_is_not_utf_8_is_refused_with_its_line(stack: Project) -> None:
    """As a stack file is."""
    stack.write_set("pump-2.3.0.yaml").write_bytes(b'jobId: "1"\nreason: \xff\n')
    assert stack.problems() == [f"{SET}:2: is not UTF-8: save it as UTF-8"]


def test_a_name_is_unique_over_both_forms(project: Project) -> None:
    """The message names both places."""
    project.write(BASE, sets='- {name: pump-2.3.0, jobId: "1", deviceKeys: [a]}')
    project.write_set("pump-2.3.0.yaml")
    assert project.problems() == [
        f'{SET}:1: set "pump-2.3.0": this name is taken by set no. 1 of {FILE}; names are unique in a stack'
    ]


def test_a_former_name_is_unique_over_both_forms(project: Project) -> None:
    """Two sets must not claim one resource."""
    project.write(BASE, sets='- {name: p, jobId: "1", deviceKeys: [a], formerNames: [old]}')
    project.write_set("pump-2.3.0.yaml", 'jobId: "2"\ndeviceKeys: [a]\nformerNames: [old, p]\n')
    assert project.problems() == [
        f'{SET}:3: set "pump-2.3.0": the former name "old" is claimed by set "p" too',
        f'{SET}:3: set "pump-2.3.0": formerNames holds "p", which is another set\'s name',
    ]


def test_sets_of_one_job_share_no_key_over_both_forms(project: Project) -> None:
    """Whose key is it when one of the sets is removed?"""
    project.write(BASE, sets='- {name: p, jobId: "65a1", deviceKeys: [dk-01, dk-02]}')
    project.write_set("pump-2.3.0.yaml")
    project.write_set("valve.yaml")
    assert project.problems() == [
        f'{place}:1: set "{name}": shares 1 device key of job 65a1 with set "p" (\'dk-01\'); keep each key in one set'
        for place, name in ((SET, "pump-2.3.0"), ("stacks/prod/valve.yaml", "valve"))
    ]


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("README.md", "move it elsewhere"),
        ("pump.yaml.orig", "move it elsewhere"),
        ("pump", "move it elsewhere"),
        ("pump.yml", "rename it to pump.yaml"),
        ("pump.YAML", "rename it to pump.yaml"),
    ],
)
def test_another_kind_of_file_does_not_belong_there(stack: Project, name: str, cure: str) -> None:
    """A set in a file that is not read would not be cancelled."""
    stack.write_set(name)
    assert stack.problems() == [f"stacks/prod/{name}: {BELONGS}; {cure}"]


@pytest.mark.parametrize("name", ["keys", "keys.txt", "pump.yaml"])
def test_a_folder_does_not_belong_there(stack: Project, name: str) -> None:
    """Set files and key files are in one place."""
    (stack.root / "stacks/prod" / name).mkdir(parents=True)
    assert stack.problems() == [f"stacks/prod/{name}: {BELONGS}; move it elsewhere"]


def test_set_files_without_a_stack_file_are_a_problem(project: Project) -> None:
    """A stack that was renamed, or a folder whose name has a slip."""
    project.write_set("pump-2.3.0.yaml")
    expected = f"stacks/prod: there is no stack file {FILE} for the set files here: create it, or move them"
    assert expected in project.problems({})
    assert [str(each) for each in check_stack_file(project.file)] == [expected]


@pytest.mark.parametrize("name", ["pump.yaml", "pump.txt"])
def test_a_link_out_of_the_project_is_refused(
    stack: Project, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    """A pull request must not show what lies outside."""
    outside = tmp_path_factory.mktemp("outside") / name
    outside.write_text('jobId: "1"\n')
    (stack.root / "stacks/prod").mkdir()
    (stack.root / "stacks/prod" / name).symlink_to(outside)
    assert stack.problems() == [
        f"stacks/prod/{name}: is a link out of the project: keep set files and key files in it, where they are reviewed"
    ]


def test_a_folder_that_is_a_link_out_of_the_project_is_not_read(
    stack: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The same holds for all of it."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "pump.yaml").write_text('jobId: "1"\ndeviceKeys: [a]\n')
    (stack.root / "stacks/prod").symlink_to(outside)
    (problem,) = stack.problems()
    assert problem.startswith("stacks/prod: is a link out of the project")


def test_a_link_inside_the_project_is_followed(stack: Project) -> None:
    """Two stacks may share a set file."""
    stack.write_set("pump.yaml", stack="shared")
    (stack.root / "stacks/prod").mkdir()
    (stack.root / "stacks/prod/pump.yaml").symlink_to("../shared/pump.yaml")
    assert [each.name for each in stack.load()] == ["pump"]


def test_a_link_that_leads_nowhere_is_refused(stack: Project) -> None:
    """It may have been a set."""
    (stack.root / "stacks/prod").mkdir()
    (stack.root / "stacks/prod/pump.yaml").symlink_to("gone.yaml")
    assert stack.problems() == ["stacks/prod/pump.yaml: cannot be read: it is a link to a file that does not exist"]


@pytest.mark.parametrize("kind", ["file", "loop"])
def test_a_folder_that_cannot_be_read_is_refused(stack: Project, kind: str) -> None:
    """Sets in it would be missing, so that a key declared there would not be cancelled."""
    place = stack.root / "stacks/prod"
    if kind == "file":
        place.touch()
    else:
        place.symlink_to("prod")
    (problem,) = stack.problems()
    assert problem.startswith("stacks/prod: cannot be read: ")


def test_all_problems_are_found_at_once(project: Project) -> None:
    """Those of a broken stack file, of set files and of key files."""
    project.file.write_text("config: [\n")
    project.write_set("a.yaml", "- 1")
    project.write_set("b.yaml", 'jobId: "1"\ndeviceKeysFile: b.txt\n')
    project.write_set("b.txt", "x\x00y\n")
    project.write_set("c.md")
    assert [str(problem).partition(": ")[0] for problem in check_stack_file(project.file)] == [
        f"{FILE}:2",
        "stacks/prod/a.yaml:1",
        "stacks/prod/b.txt:1",
        "stacks/prod/c.md",
    ]


def test_a_key_file_that_no_set_names_is_a_warning(project: Project) -> None:
    """It may be named in the list, in a set file, or be left over."""
    project.write(BASE, sets='- {name: p, jobId: "1", deviceKeysFile: prod/listed.txt}')
    project.write_set("named.yaml", 'jobId: "2"\ndeviceKeysFile: named.txt\n')
    for name in ("listed", "named", "left"):
        project.write_set(f"{name}.txt", "dk-01\n")
    check = validate_stack_file(project.file)
    assert check.problems == ()
    assert [str(each) for each in check.warnings] == [
        "stacks/prod/left.txt: warning: no set names this key file: add it to a set as deviceKeysFile, or remove it"
    ]


def test_the_folder_of_a_stack_named_with_dots_has_its_name(project: Project) -> None:
    """Pulumi allows dots in the names of stacks."""
    project.write(BASE)
    file = project.file.rename(project.root / "stacks/Pulumi.eu.prod.yaml")
    project.write_set("p.yaml", stack="eu.prod")
    assert [each.name for each in validate_stack_file(file).sets] == ["p"]
