"""The example projects, each as somebody would try it: by the commands of its README, against the simulator."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.harness.engine import CHECKOUT, Result
from tests.harness.installed import environment
from tests.harness.simulator import JOB, RunningSimulator, running_simulator
from tests.harness.stack import Stack, recorded, touched
from tests.harness.stack_project import check_stack_file
from tests.harness.workflows import bash, load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.engine import PulumiEngine

EXAMPLES: Final = CHECKOUT / "examples"
CANCELLED: Final = ("failed", "Cancelled by user")
VALVES: Final = f"{JOB[:-1]}c"
METERS: Final = f"{JOB[:-1]}d"

BEFOREHAND: Final = ("python3 -m venv ", "pip install ", "enos-ota simulate ", "export ", ". ", "eval ")
"""What a README has one do and the tests have done already: an environment, a simulator, a place for the state."""


@pytest.fixture
def simulator(request: pytest.FixtureRequest) -> Iterator[RunningSimulator]:
    """The fleet that the example is to be tried on: its own, else that of `enos-ota simulate`."""
    own = EXAMPLES / request.param / "fleet.yaml"
    file = own if own.exists() else CHECKOUT / "enos_simulator" / "demo_fleet.yaml"
    with running_simulator(yaml.safe_load(file.read_text(encoding="utf-8"))) as running:
        yield running


@pytest.fixture
def example(request: pytest.FixtureRequest, engine: PulumiEngine, tmp_path: Path, simulator: RunningSimulator) -> Stack:
    """A copy of the example, and a terminal in which all of `BEFOREHAND` was done."""
    name: str = request.node.callspec.params["simulator"]
    project, home = tmp_path / name, tmp_path / "home"
    shutil.copytree(EXAMPLES / name, project, ignore=shutil.ignore_patterns(".venv", ".pulumi", "__pycache__"))
    home.mkdir()
    environ = {
        "PULUMI_STACK": "prod",
        "ENOS_API_GATEWAY": simulator.url,
        "ENOS_ORG_ID": simulator.org_id,
        "ENOS_APP_KEY": simulator.app_key,
        "ENOS_APP_SECRET": simulator.app_secret,
    }
    return Stack(engine, project, home, "", environ=environ, secrets=(simulator.app_secret,))


def sessions(document: Path) -> list[tuple[str, list[str]]]:
    """The commands that a README shows and the lines of their output, in order."""
    found: list[tuple[str, list[str]]] = []
    text = document.read_text(encoding="utf-8")
    for kind, block in re.findall(r"```(sh|console)\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            if kind == "sh" or line.startswith("$ "):
                found.append((line.removeprefix("$ ").partition("  #")[0].strip(), []))
            else:
                found[-1][1].append(line)
    return found


def run(example: Stack, simulator: RunningSimulator, command: str) -> str:
    """What a command prints."""
    if command.startswith("curl "):
        *_, body, url = shlex.split(command)
        path = url.removeprefix("$ENOS_API_GATEWAY/_simulator/")
        return json.dumps(simulator.control("POST", path, json.loads(body)), separators=(",", ":"))
    environ = example.engine.env(example.project, example.home, extra=example.environment())
    ended = bash(command.replace("pulumi ", "pulumi --non-interactive --color never "), example.project, environ)
    example.inspect(Result((command,), ended.code, ended.output, ""))
    return ended.output


@pytest.mark.parametrize("simulator", ["one-job", "fleet", "own-program"], indirect=True)
def test_the_readme_shows_what_happens(example: Stack, simulator: RunningSimulator) -> None:
    """Lines may be left out, or end in `…`; those that are there are printed as they stand, in whatever order."""
    shown = [each for each in sessions(example.project / "README.md") if not each[0].startswith(BEFOREHAND)]
    assert sum(len(lines) for _, lines in shown) > 5
    for command, lines in shown:
        printed = run(example, simulator, command)
        happened = [line.strip() for line in printed.splitlines()]
        for line in map(str.strip, lines):
            found = any(each.startswith(line[:-1]) if line.endswith("…") else each == line for each in happened)
            assert found, f"{command} did not print\n{line}\nbut\n{printed}"


@pytest.mark.parametrize("simulator", ["one-job"], indirect=True)
def test_one_job_is_called_back_as_its_key_file_says(example: Stack, simulator: RunningSimulator) -> None:
    example.run("stack", "init", "prod")
    example.up()
    assert touched(simulator) == [["pump-00011"], ["pump-00016", "pump-00017", "pump-00018"]]
    assert recorded(example, "pump-2.3.0") == {
        "pump-00010": "too late upgrading",
        "pump-00011": "cancelled published",
    }
    example.stands()


@pytest.mark.parametrize("simulator", ["fleet"], indirect=True)
def test_a_fleet_is_called_back_job_by_job(example: Stack, simulator: RunningSimulator) -> None:
    """Keys from a text file, a table and a set file; also those that look like numbers."""
    example.run("stack", "init", "prod")
    # A job for other firmware fails its own set; the other sets are cancelled.
    file = example.project / "stacks" / "prod" / "valve-1.1.0.yaml"
    right = file.read_text("utf-8")
    file.write_text(right.replace('"1.1.0"}', '"1.1.1"}'), encoding="utf-8")
    ended = example.up(code=1)
    assert "set 'valve-1.1.0' (job 65a1b2c3d4e5f60718293a4c)" in ended.output
    assert CANCELLED not in simulator.states(VALVES).values()
    assert simulator.states(METERS)["0000123"] == CANCELLED
    file.write_text(right, encoding="utf-8")
    example.up()
    cancelled = {
        job: sorted(key for key, state in simulator.states(job).items() if state == CANCELLED)
        for job in (JOB, VALVES, METERS)
    }
    assert cancelled == {
        JOB: ["pump-01", "pump-02", "pump-03"],
        VALVES: ["valve-01", "valve-02", "valve-03", "valve-04"],
        METERS: ["0000121", "0000122", "0000123"],
    }
    log = (example.project / "audit" / "prod.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["set"] for line in log} == {"pump-2.3.0", "valve-1.1.0", "meter-4.0.2"}
    example.stands()


@pytest.mark.parametrize("simulator", ["own-program"], indirect=True)
def test_a_program_of_ones_own_finds_every_job_of_a_version_and_keeps_what_it_cancelled(
    example: Stack, simulator: RunningSimulator
) -> None:
    second: dict[str, Any] = {
        "jobId": VALVES,
        "name": "Pump firmware 2.3.0, late comers",
        "firmwareVersion": "2.3.0",
        "status": "started",
        "tasks": [
            {"deviceKey": "late-1", "status": "init"},
            {"deviceKey": "late-2", "status": "succeeded"},
            {"deviceKey": "late-3", "status": "failed", "desc": "flash write failed"},
        ],
    }
    simulator.add_job(second)
    simulator.add_job({**second, "jobId": METERS, "firmwareVersion": "2.2.9"})
    example.run("stack", "init", "prod")
    example.up()
    assert example.run("stack", "output", "--json").json() == {"cancelled": 31}
    assert set(example.resources()) == {f"2.3.0-in-{JOB}", f"2.3.0-in-{VALVES}"}
    assert simulator.states(VALVES)["late-3"] == ("failed", "flash write failed"), "what failed by itself is too late"
    assert simulator.states(METERS)["late-1"] == ("init", ""), "nor is another version"
    example.stands()

    simulator.retry(JOB, ["pump-00020"])
    assert example.diff() == ["+ pump-00020"]
    example.up()
    assert touched(simulator)[-1] == ["pump-00020"]

    simulator.set_tasks(VALVES, ["late-1"], "upgrading")
    ended = example.up(code=1)
    assert "late-1" in ended.output, "a device that got away stays declared, and is told"
    assert recorded(example, f"2.3.0-in-{VALVES}")["late-1"] == "escaped upgrading"

    # Finding nothing and not being able to look are two things: a program that cannot ask forgets nothing.
    ended = example.up("--refresh=false", code=1, environ={"ENOS_APP_SECRET": "rotated"})
    assert "error: the jobs that roll out 2.3.0 could not be read, so nothing was changed: " in ended.output
    ended = example.up("--refresh=false", code=1, environ={"ENOS_APP_KEY": "", "ENOS_ORG_ID": ""})
    assert "ENOS_ORG_ID and ENOS_APP_KEY must be set: this program asks EnOS" in ended.output
    assert len(example.resources()) == 2


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*/stacks/Pulumi.*.yaml")), ids=lambda file: file.parts[-3])
def test_a_stack_file_to_copy_is_sound(file: Path) -> None:
    assert check_stack_file(file) == ()


@pytest.mark.parametrize(
    "file",
    sorted([*EXAMPLES.glob("*/stacks/Pulumi.*.yaml"), *EXAMPLES.glob("*/stacks/prod/*.yaml")]),
    ids=lambda file: str(file.relative_to(EXAMPLES)),
)
def test_an_editor_finds_the_schema_that_a_file_names_and_the_file_fits_it(file: Path) -> None:
    """In a copy of the folder too: `make docs` puts the schemas into each example."""
    first, text = file.read_text(encoding="utf-8").split("\n", 1)
    _, _, schema = first.partition("# yaml-language-server: $schema=")
    validator = Draft7Validator(json.loads((file.parent / schema).read_text(encoding="utf-8")))
    assert [error.message for error in validator.iter_errors(yaml.safe_load(text))] == []


def installing(name: str) -> list[str]:
    """The commands with which an example installs what it needs, as its workflow or its README has them."""
    folder = EXAMPLES / name
    if name == "gitops-github":
        return ["make install PYTHON=python"]
    if name == "gitops-gitlab":
        commands: list[str] = load(folder / ".gitlab-ci.yml")["default"]["before_script"]
        return [command for command in commands if command.startswith("pip ")]
    return [command for command, _ in sessions(folder / "README.md") if command.startswith("pip ")]


@pytest.fixture(scope="module")
def commit(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A Git repository of enos-ota, as an address, and its only commit."""
    folder = tmp_path_factory.mktemp("repository")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, folder)
    shutil.copytree(CHECKOUT / "enos_ota", folder / "enos_ota", ignore=shutil.ignore_patterns("__pycache__"))
    git = "git -c user.name=Ada -c user.email=ada@example.com -c commit.gpgsign=false"
    script = f"git init --quiet; git add .; {git} commit --quiet --message All; git rev-parse HEAD"
    ended = bash(script, folder, {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull})
    assert ended.code == 0, ended.output
    return folder.as_uri(), ended.output.strip()


@pytest.mark.parametrize("name", sorted(folder.name for folder in EXAMPLES.iterdir() if folder.is_dir()))
def test_an_example_installs_enos_ota_from_a_commit_and_asks_no_index_for_it(
    name: str, commit: tuple[str, str], tmp_path: Path
) -> None:
    """Whoever takes the name on an index first gets nothing. What the lock file pins is in the environment already."""
    project = tmp_path / name
    shutil.copytree(EXAMPLES / name, project, ignore=shutil.ignore_patterns(".venv", ".pulumi", "__pycache__"))
    required = project / "requirements.txt"
    filled_in = "@".join(commit)
    text = required.read_text("utf-8").replace("https://REPOSITORY.invalid/enos-ota@COMMIT", filled_in)
    required.write_text(text, encoding="utf-8")
    locked = re.findall(r"^(\S+==.*?) \\$", (project / "requirements.lock").read_text("utf-8"), re.MULTILINE)
    ready = environment(tmp_path / "venv", *locked)
    environ = {"PATH": f"{ready.folder / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path), "PIP_NO_INDEX": "1"}
    commands = installing(name)
    assert commands
    for command in (*commands, "pip check"):
        ended = bash(command, project, environ)
        assert ended.code == 0, f"{command}\n{ended.output}"
    asked = "from importlib.metadata import distribution as d; print(d('enos-ota').read_text('direct_url.json'))"
    origin = json.loads(ready.python(asked, cwd=tmp_path))
    assert (origin["url"], origin["vcs_info"]["commit_id"]) == commit


def test_examples_that_share_a_program_share_it_to_the_letter() -> None:
    """It is this repository's own."""
    programs = {(EXAMPLES / name / "__main__.py").read_bytes() for name in ("one-job", "fleet", "gitops-github")}
    programs.add((EXAMPLES / "gitops-gitlab" / "__main__.py").read_bytes())
    assert programs == {(CHECKOUT / "__main__.py").read_bytes()}
