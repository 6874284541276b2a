"""`enos-ota validate`: every problem of stack files and key files, with its place."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from enos_ota.cli import main
from tests.harness.stack_project import BASE, ONE_SET

if TYPE_CHECKING:
    from click.testing import Result

    from tests.harness.stack_project import Project
    from tests.unit.cli.conftest import Run

ROOT = Path(__file__).parents[3]
ONE_SOUND = "1 stack file, 1 set, 1 device key: no problems\n"
WITH_FILE = '- {name: pump, jobId: "65a1", deviceKeysFile: keys/pump.txt}'
NAMES = st.sampled_from(
    ["enos:apiGateway", "enos-ota:cancelledTaskSets", "enos:appSecret", "name", "jobId", "deviceKeysFile", "deviceKeys"]
)
VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates() | st.just("keys.txt")
)


SETS = "enos-ota:cancelledTaskSets"


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=4)


WITH_LOOSE_ID = "- {name: pump, jobId: 0012345, deviceKeys: [dk-01]}"


@pytest.fixture
def sound(project: Project) -> Project:
    """A project whose stack `prod` names a key file, both without a problem."""
    project.write(BASE, sets=WITH_FILE)
    (project.root / "stacks" / "keys" / "pump.txt").write_text("dk-01\n")
    return project


def another_stack(project: Project, name: str, *, sets: str = ONE_SET, config: str = BASE) -> Path:
    """Another stack of the project."""
    before = project.file.read_text() if project.file.exists() else None
    project.write(config, sets=sets)
    file = project.file.rename(project.file.with_name(f"Pulumi.{name}.yaml"))
    if before is not None:
        project.file.write_text(before)
    return file


@pytest.mark.usefixtures("sound")
def test_a_sound_stack_has_no_problem(run: Run) -> None:
    result = run("validate", "prod")
    assert (result.exit_code, result.stdout, result.stderr) == (
        0,
        "",
        ONE_SOUND,
    )


def test_every_problem_has_file_and_line(sound: Project, run: Run) -> None:
    another_stack(sound, "dev", sets=WITH_LOOSE_ID + "\n- {name: pump, onToLate: fail, deviceKeys: [dk-01]}")
    (sound.root / "stacks" / "keys" / "pump.txt").write_text("dk-01\nbad\x07key\n")
    result = run("validate")
    assert result.exit_code == 2
    assert re.findall(r"^(\S+?:\d+): ", result.stdout, re.MULTILINE) == [
        "stacks/Pulumi.dev.yaml:5",
        "stacks/Pulumi.dev.yaml:6",
        "stacks/Pulumi.dev.yaml:6",
        "stacks/Pulumi.dev.yaml:6",
        "stacks/keys/pump.txt:2",
    ]
    assert result.stderr == "2 stack files: 5 problems\n"


def test_json_is_a_list_of_places_and_texts(sound: Project, run: Run) -> None:
    sound.write(BASE, sets=WITH_LOOSE_ID)
    result = run("validate", "prod", "--format", "json")
    assert (result.exit_code, json.loads(result.stdout)) == (
        2,
        [
            {
                "severity": "error",
                "file": "stacks/Pulumi.prod.yaml",
                "line": 5,
                "path": "enos-ota:cancelledTaskSets[0].jobId",
                "text": 'set "pump": jobId is 0012345 without quotes, and YAML may turn that into another text:'
                " put it in quotes",
            }
        ],
    )


def test_no_problem_is_an_empty_list(sound: Project, run: Run) -> None:
    assert json.loads(run("validate", str(sound.file), "--format", "json").stdout) == []


def test_without_a_name_every_stack_is_checked_and_the_example_too(sound: Project, run: Run) -> None:
    another_stack(sound, "example", sets=WITH_LOOSE_ID)
    another_stack(sound, "dev")
    result = run("validate")
    assert (result.exit_code, result.stderr) == (2, "3 stack files: 1 problem\n")
    assert result.stdout.startswith("stacks/Pulumi.example.yaml:5: ")


@pytest.mark.parametrize(
    "word",
    ["prod", "stacks/Pulumi.prod.yaml", "./stacks/keys/../Pulumi.prod.yaml"],
)
def test_a_stack_and_its_file_both_mean_the_stack(sound: Project, run: Run, word: str) -> None:
    another_stack(sound, "dev", sets=WITH_LOOSE_ID)
    result = run("validate", word)
    assert (result.exit_code, result.stderr) == (0, ONE_SOUND)


def test_a_key_file_elsewhere_in_the_project_stands_for_all_stacks(sound: Project, run: Run) -> None:
    another_stack(sound, "dev", sets=WITH_FILE)
    another_stack(sound, "other", sets=WITH_LOOSE_ID)
    assert run("validate", "stacks/keys/pump.txt").stderr == "3 stack files: 1 problem\n"


def test_a_key_file_that_was_renamed_is_missed_by_the_stack_that_names_it(sound: Project, run: Run) -> None:
    keys = sound.root / "stacks" / "keys"
    (keys / "pump.txt").rename(keys / "pumps.txt")
    result = run("validate", "stacks/keys/pumps.txt")
    assert result.exit_code == 2
    assert "deviceKeysFile stacks/keys/pump.txt: there is no such file" in result.stdout


def test_sets_and_device_keys_are_counted_over_all_stacks(sound: Project, run: Run) -> None:
    another_stack(sound, "dev", sets=ONE_SET + '\n- {name: q, jobId: "1", deviceKeysFile: keys/many.txt}')
    (sound.root / "stacks" / "keys" / "many.txt").write_text("".join(f"dk-{n}\n" for n in range(1, 1203)))
    assert run("validate").stderr == "2 stack files, 3 sets, 1 204 device keys: no problems\n"


def test_the_project_file_stands_for_all_its_stacks(sound: Project, run: Run) -> None:
    another_stack(sound, "dev")
    assert run("validate", "Pulumi.yaml").stderr == "2 stack files, 2 sets, 2 device keys: no problems\n"


def test_a_stack_selected_twice_is_checked_once(sound: Project, run: Run) -> None:
    sound.write(BASE, sets=WITH_LOOSE_ID)
    result = run("validate", "prod", "prod", "stacks/Pulumi.prod.yaml")
    assert (len(result.stdout.splitlines()), result.stderr) == (1, "1 stack file: 1 problem\n")


def test_a_path_is_checked_by_the_project_it_belongs_to(
    sound: Project, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert run("validate", str(sound.root / "stacks" / "keys" / "pump.txt")).stderr == ONE_SOUND


def test_a_stack_file_that_cannot_be_read_is_checked_for_any_key_file(sound: Project, run: Run) -> None:
    (sound.root / "stacks" / "Pulumi.dev.yaml").write_text("config: [\n")
    result = run("validate", "stacks/keys/pump.txt")
    assert (result.exit_code, result.stderr) == (2, "2 stack files: 1 problem\n")
    assert result.stdout.startswith("stacks/Pulumi.dev.yaml:2: this is not YAML")


# Warnings.


def warned(result: Result) -> list[str]:
    """The lines about files that have only warnings."""
    assert result.exit_code == 0
    assert result.stderr.endswith(": no problems, 1 warning\n")
    return list(result.stdout.splitlines())


def test_keys_outside_the_default_rule_are_one_warning_a_file_and_change_no_exit_code(sound: Project, run: Run) -> None:
    (sound.root / "stacks" / "keys" / "pump.txt").write_text("Device key\ndk-01\ndk-02;A\ndk-03;A\ndk-04;A\n")
    assert warned(run("validate")) == [
        'stacks/keys/pump.txt:1: warning: set "pump": 4 device keys do not follow EnOS\'s default rule of 4 to 64'
        " letters, digits or - _ . (line 1: 'Device key', line 3: 'dk-02;A', line 4: 'dk-03;A', …)"
    ]


def test_keys_of_a_list_are_warned_of_with_their_line(sound: Project, run: Run) -> None:
    sound.write(BASE, sets='- name: pump\n  jobId: "65a1"\n  deviceKeys:\n  - dk-01\n  - dk 02')
    assert warned(run("validate", "prod")) == [
        'stacks/Pulumi.prod.yaml:9: warning: set "pump": deviceKeys: 1 device key does not follow EnOS\'s default rule'
        " of 4 to 64 letters, digits or - _ . (line 9: 'dk 02')"
    ]


def test_a_warning_in_json_says_that_it_is_one(sound: Project, run: Run) -> None:
    (sound.root / "stacks" / "keys" / "pump.txt").write_text("dk-01\ndk 02\n")
    result = run("validate", "--format", "json")
    (found,) = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (found["severity"], found["file"], found["line"]) == ("warning", "stacks/keys/pump.txt", 2)
    assert found["path"] == "enos-ota:cancelledTaskSets[0].deviceKeysFile"


def test_problems_and_warnings_are_counted_apart(sound: Project, run: Run) -> None:
    another_stack(sound, "dev", sets=WITH_LOOSE_ID)
    (sound.root / "stacks" / "keys" / "pump.txt").write_text("dk-01\ndk 02\n")
    result = run("validate")
    assert (result.exit_code, result.stderr) == (2, "2 stack files: 1 problem, 1 warning\n")


def test_text_that_is_no_key_list_is_a_problem_and_not_a_warning(sound: Project, run: Run) -> None:
    (sound.root / "stacks" / "keys" / "pump.txt").write_text("<<<<<<< HEAD\ndk-01\n=======\ndk-02\n>>>>>>> x\n")
    result = run("validate")
    assert (result.exit_code, result.stderr) == (2, "1 stack file: 1 problem\n")
    assert result.stdout.startswith(
        'stacks/keys/pump.txt:1: set "pump": this looks like an unresolved merge conflict, not like a list'
    )


@pytest.mark.parametrize(
    "content",
    ["", "# later\nconfig:\n", "config:\n  enos:orgId: o1\n", "config:\n  enos-ota:cancelledTaskSets: []\n"],
)
def test_a_stack_file_that_is_empty_or_has_no_set_is_warned_of(project: Project, run: Run, content: str) -> None:
    project.file.write_text(content)
    result = run("validate")
    assert warned(result) == ["stacks/Pulumi.prod.yaml: warning: declares no set of cancelled tasks"]
    assert result.stderr.startswith("1 stack file, no sets, no device keys: ")


def test_a_program_that_declares_its_own_sets_needs_none_in_its_stack_file(project: Project, run: Run) -> None:
    (project.root / "__main__.py").write_text("from enos_ota import CancelledTaskSet\nCancelledTaskSet('x')\n")
    project.write(BASE)
    result = run("validate")
    assert (result.exit_code, result.stdout) == (0, "")


@pytest.mark.parametrize("place", ["stacks/Pulumi.dev.yml", "Pulumi.dev.yaml", "Pulumi.dev.yml"])
@pytest.mark.parametrize("is_named", ["no", "yes"])
def test_a_stack_file_that_no_command_reads_is_warned_of(project: Project, run: Run, place: str, is_named: str) -> None:
    project.write(BASE, sets=ONE_SET)
    (project.root / place).write_text(project.file.read_text())
    assert warned(run("validate", *([place] if is_named == "yes" else []))) == [
        f"{place}: warning: Pulumi and enos-ota do not read this file;"
        " the configuration of stack dev is stacks/Pulumi.dev.yaml"
    ]


def test_a_key_file_named_with_backslashes_gets_a_hint(sound: Project, run: Run) -> None:
    sound.write(BASE, sets="- {name: pump, jobId: \"65a1\", deviceKeysFile: 'keys\\pump.txt'}")
    result = run("validate")
    assert result.exit_code == 2
    assert result.stdout.endswith("there is no such file; write the path with / in place of \\\n")


def test_a_file_of_no_project_has_nothing_to_check(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("…")
    result = run("validate", "notes.txt")
    assert (result.exit_code, result.stdout) == (0, "")
    assert (
        result.stderr
        == "notes.txt does not belong to an enos-ota project: nothing to check.\nno stack files: no problems\n"
    )


def test_a_project_that_has_nothing_to_do_with_enos_may_hold_any_yaml(sound: Project, run: Run) -> None:
    other = sound.root / "network"
    other.mkdir()
    (other / "Pulumi.yaml").write_text("name: network\nruntime: go\n")
    (other / "Pulumi.prod.yaml").write_text("a: &a {b: 1}\nconfig: {c: {<<: *a}}\n")
    result = run("validate", "network/Pulumi.prod.yaml", "network/Pulumi.yaml", "stacks/Pulumi.prod.yaml")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines()[0] == (
        "network/Pulumi.prod.yaml does not belong to an enos-ota project: nothing to check."
    )


def test_a_program_of_ones_own_is_checked_where_it_speaks_of_enos(sound: Project, run: Run) -> None:
    other = sound.root / "fleet"
    other.mkdir()
    (other / "Pulumi.yaml").write_text("name: fleet-ops\nruntime: python\n")
    (other / "Pulumi.prod.yaml").write_text("config: {enos:apiGatway: https://x}\n")
    result = run("validate", "fleet/Pulumi.prod.yaml")
    assert result.exit_code == 2
    assert "did you mean enos:apiGateway?" in result.stdout


ANY_VALUE = st.recursive(VALUES, containers, max_leaves=8)
ANY_SET = st.dictionaries(NAMES, ANY_VALUE, max_size=5)
ANY_CONFIG = ANY_VALUE | st.lists(ANY_SET).map(lambda sets: {SETS: sets})


@given(text=st.text() | ANY_CONFIG.map(lambda value: yaml.safe_dump({"config": value})) | ANY_SET.map(yaml.safe_dump))
def test_a_stack_file_and_a_set_file_with_any_content_end_in_a_verdict(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "Pulumi.yaml").write_text("name: enos-ota\n")
    (folder / "Pulumi.prod.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    (folder / "keys.txt").write_text("dk-01\n")
    (folder / "prod").mkdir()
    (folder / "prod" / "pump.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    result = CliRunner().invoke(main, ["validate", str(folder / "Pulumi.prod.yaml"), str(folder / "keys.txt")])
    assert result.exit_code in {0, 2}, result.output
    assert isinstance(result.exception, (SystemExit, type(None)))
    assert result.output.replace("\n", "").isprintable()


@pytest.mark.parametrize("word", ["nope", "stacks/keys/nope.txt", "stacks/Pulumi.nope.yaml", "", "a\x00b"])
def test_a_name_that_means_nothing_is_a_problem(sound: Project, run: Run, word: str) -> None:
    assert sound.file.exists()
    result = run("validate", word)
    assert result.exit_code == 2
    assert result.stdout.endswith("is neither a stack nor a file; stacks here: prod\n")


def test_outside_of_a_project_it_says_where_to_run_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("validate")
    assert (result.exit_code, result.stdout) == (
        2,
        "there is no Pulumi.yaml here or above: run this in the project's directory, or name a file\n",
    )


def test_a_project_without_a_stack_file_has_nothing_to_be_sure_of(project: Project, run: Run) -> None:
    assert not project.file.exists()
    result = run("validate")
    assert (result.exit_code, result.stdout) == (2, "stacks has no stack file\n")


def test_a_project_file_that_is_no_yaml_is_a_problem(sound: Project, run: Run) -> None:
    (sound.root / "Pulumi.yaml").write_text("name: [\n")
    result = run("validate", "prod", "stacks/Pulumi.prod.yaml")
    assert result.exit_code == 2
    assert result.stdout.startswith("Pulumi.yaml:2: this is not YAML")
    assert len(result.stdout.splitlines()) == 1


def test_nothing_in_a_file_is_obeyed(sound: Project, run: Run) -> None:
    sound.write(BASE, sets='- {name: "a\\e[31mb", jobId: "65a1", deviceKeys: ["dk"]}')
    name = "Pulumi.\x1b[31mred.yaml"
    sound.file.rename(sound.file.with_name(name))
    result = run("validate", f"stacks/{name}")
    assert result.exit_code == 2
    assert (result.stdout + result.stderr).replace("\n", "").isprintable()


def test_a_secret_in_plain_text_is_not_shown(sound: Project, run: Run) -> None:
    sound.write(BASE + "enos:appSecret: hunter2\nenos:appKey: [hunter3]\n", sets=ONE_SET)
    result = run("validate", "prod")
    assert len(result.stdout.splitlines()) == 2
    assert "hunter" not in result.output


# pre-commit.


def hook() -> dict[str, str]:
    (only,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    return dict(only)


def committed(project: Project) -> list[str]:
    """The files that pre-commit would hand to the hook, were all of the project committed."""
    paths = (str(path.relative_to(project.root)) for path in sorted(project.root.rglob("*")) if path.is_file())
    return [path for path in paths if re.search(hook()["files"], path)]


def as_pre_commit_does(project: Project) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [*shlex.split(hook()["entry"]), *committed(project)]
    return subprocess.run(
        command, cwd=project.root, env=environ, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_hook_is_handed_stack_files_and_key_files_and_no_others(sound: Project) -> None:
    for name in ("requirements.txt", "README.md", "stacks/notes.md", "__main__.py", "policy/PulumiPolicy.yaml"):
        (sound.root / name).parent.mkdir(exist_ok=True)
        (sound.root / name).write_text("")
    assert committed(sound) == ["Pulumi.yaml", "stacks/Pulumi.prod.yaml", "stacks/keys/pump.txt"]


def test_the_hook_lets_a_sound_commit_pass(sound: Project) -> None:
    done = as_pre_commit_does(sound)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_hook_stops_a_commit_with_a_problem(sound: Project) -> None:
    (sound.root / "stacks" / "keys" / "pump.txt").write_text("")
    done = as_pre_commit_does(sound)
    assert done.returncode == 2
    assert "deviceKeysFile stacks/keys/pump.txt: the file has no device key" in done.stdout


# Set files.


@pytest.mark.parametrize("word", ["stacks/prod/pump.yaml", "stacks/prod/pump.txt", "stacks/prod/notes.md"])
def test_a_file_beside_the_set_files_means_their_stack(project: Project, run: Run, word: str) -> None:
    """A pre-commit hook is handed what a commit changes."""
    another_stack(project, "dev", sets=WITH_LOOSE_ID)
    project.write(BASE)
    project.write_set("pump.yaml", 'jobId: "65a1"\ndeviceKeysFile: pump.txt\n')
    project.write_set("pump.txt", "dk-01\n")
    if word.endswith(".md"):
        project.write_set("notes.md")
        assert "does not belong here" in run("validate", word).stdout
    else:
        assert run("validate", word).stderr == ONE_SOUND


@pytest.mark.parametrize("words", [(), ("stacks/prdo/pump.yaml",)])
def test_set_files_of_a_stack_without_a_stack_file_are_a_problem(
    project: Project, run: Run, words: tuple[str, ...]
) -> None:
    """A slip in the folder's name would leave the sets undeclared."""
    project.write(BASE, sets=ONE_SET)
    project.write_set("pump.yaml", stack="prdo")
    result = run("validate", *words)
    assert (result.exit_code, result.stdout) == (
        2,
        "stacks/prdo: there is no stack file stacks/Pulumi.prdo.yaml for the set files here: create it, or move them\n",
    )


def test_a_folder_of_key_lists_is_no_folder_of_set_files(sound: Project, run: Run) -> None:
    """Key files of the list may be YAML."""
    (sound.root / "stacks/keys/more.yaml").write_text("- dk-02\n")
    assert run("validate").stderr == ONE_SOUND


def test_a_problem_of_a_set_file_has_its_path_in_json(project: Project, run: Run) -> None:
    """The path begins at the top of that file."""
    project.write(BASE)
    project.write_set("pump.yaml", 'jobId: "65a1"\ndeviceKeys: [dk-01]\nguard: {maxShare: 7}\n')
    (found,) = json.loads(run("validate", "--format", "json").stdout)
    assert (found["file"], found["line"], found["path"]) == ("stacks/prod/pump.yaml", 3, "guard.maxShare")


def test_the_hook_is_handed_set_files_their_key_files_and_what_does_not_belong_there(project: Project) -> None:
    """Its pattern covers the usual layout."""
    project.write(BASE)
    project.write_set("pump.yaml", 'jobId: "65a1"\ndeviceKeysFile: pump.txt\n')
    project.write_set("pump.txt", "dk-01\n")
    project.write_set("notes.md")
    assert committed(project)[2:] == ["stacks/prod/notes.md", "stacks/prod/pump.txt", "stacks/prod/pump.yaml"]
