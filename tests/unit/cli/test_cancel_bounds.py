"""`enos-ota cancel` into sets that are there: their guard, firmware and last day hold as they do for `pulumi up`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from enos_ota.cli import main
from enos_ota.settings import read_stack_file
from tests.harness.reconciling import keys as numbered
from tests.harness.reconciling import many
from tests.harness.simulator import JOB, running_simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack_project import Project

    Reach = Callable[..., None]

NOTHING = "No request was sent and no file was written."
EXPIRED = 'expires: "2020-01-31"'
ANSWERS = pytest.mark.parametrize("asked", [False, True], ids=["in a script", "asked"])


@pytest.fixture
def simulator(reach: Reach, project: Project) -> Iterator[RunningSimulator]:
    project.write("enos:batchSize: 200\n")
    with running_simulator() as running:
        reach(running)
        yield running


def cancel(project: Project, *keys: str, more: tuple[str, ...] = (), asked: bool = False) -> Result:
    (project.root / "these.txt").write_text("".join(f"{key}\n" for key in keys))
    answer = () if asked else ("--yes", "--expect", str(len(keys)))
    command = ["cancel", "--job", JOB, "--reason", "INC-4711", "--keys", "these.txt", *answer, *more]
    return CliRunner().invoke(main, command, input=f"{len(keys)}\n" if asked else None, prog_name="enos-ota")


def with_sets(project: Project, *sets: tuple[str, str, str], config: str = "") -> None:
    """Sets of the job: name, device keys, and whatever else they say."""
    project.write(
        config or "enos:batchSize: 200\n",
        sets="\n".join(
            f'- {{name: {name}, jobId: "{JOB}", deviceKeys: [{keys}]{more and ", "}{more}}}'
            for name, keys, more in sets
        ),
    )


def sent(simulator: RunningSimulator) -> list[list[str]]:
    return [entry["keys"] for entry in simulator.journal() if entry["by"] != "control"]


def declared(project: Project) -> dict[str, tuple[str, ...]]:
    found, problems = read_stack_file(project.file, {})
    assert problems == ()
    return {each.name: each.device_keys for each in found}


@ANSWERS
def test_the_guard_of_a_set_that_declares_some_of_the_keys_holds(
    project: Project, simulator: RunningSimulator, *, asked: bool
) -> None:
    with_sets(project, ("mine", "dk-01", "guard: {maxDevices: 1}"))
    before = project.file.read_bytes()
    ended = cancel(project, "dk-01", "dk-02", asked=asked)
    assert (ended.exit_code, sent(simulator), project.file.read_bytes()) == (1, [], before)
    assert "at most 1 may be (maxDevices)" in ended.stderr
    assert "set 'mine' has some of these keys, so its limits apply: maxDevices 1\n" in ended.stdout


@pytest.mark.parametrize(
    ("guards", "limit"),
    [
        (("{maxDevices: 9}", "{maxDevices: 8}", "{maxDevices: 1}"), "(maxDevices)"),
        (("{maxDevices: 1}", "{maxDevices: 8}", "{maxDevices: 9}"), "(maxDevices)"),
        (("{maxDevices: 9}", "{maxShare: 0.1}", "{maxShare: 0.9}"), "(maxShare 0.1)"),
    ],
)
def test_of_each_limit_the_strictest_holds(
    project: Project, simulator: RunningSimulator, guards: tuple[str, str, str], limit: str
) -> None:
    stack, first, second = guards
    with_sets(
        project,
        ("one", "dk-01", f"guard: {first}"),
        ("two", "dk-02", f"guard: {second}"),
        config=f"enos-ota:guard: {stack}\n",
    )
    ended = cancel(project, "dk-01", "dk-02")
    assert (ended.exit_code, sent(simulator), limit in ended.stderr) == (1, [], True)


def test_the_guard_of_a_set_that_is_not_concerned_does_not_count(project: Project, simulator: RunningSimulator) -> None:
    with_sets(project, ("mine", "dk-05", f"guard: {{maxDevices: 0}}, {EXPIRED}"))
    assert cancel(project, "dk-01", "dk-02").exit_code == 0
    assert sent(simulator) == [["dk-01", "dk-02"]]


def test_broken_glass_overrides_the_guard_of_a_set_too(
    project: Project, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENOS_OTA_BREAK_GLASS", "fire")
    with_sets(project, ("mine", "dk-01", "guard: {maxDevices: 0}"))
    assert cancel(project, "dk-01", "dk-02", more=("--name", "mine")).exit_code == 0
    assert (sent(simulator), declared(project)) == ([["dk-01", "dk-02"]], {"mine": ("dk-01",), "mine-2": ("dk-02",)})


@ANSWERS
def test_the_firmware_that_a_set_expects_has_to_be_the_jobs(
    project: Project, simulator: RunningSimulator, *, asked: bool
) -> None:
    with_sets(project, ("mine", "dk-01", 'expect: {firmwareVersion: "9.9"}'))
    before = project.file.read_bytes()
    ended = cancel(project, "dk-01", "dk-02", asked=asked)
    assert (ended.exit_code, sent(simulator), project.file.read_bytes()) == (1, [], before)
    assert "firmware 9.9 is expected, but the job is about 2.3.0" in ended.stderr


def test_what_the_operator_and_the_sets_expect_has_to_be_the_same(
    project: Project, simulator: RunningSimulator
) -> None:
    with_sets(project, ("mine", "dk-01", 'expect: {firmwareVersion: "9.9"}'))
    ended = cancel(project, "dk-01", more=("--expect-firmware", "2.3.0"))
    assert (ended.exit_code, sent(simulator)) == (1, [])
    assert "different firmware is expected: 2.3.0 (--expect-firmware) and 9.9 (set 'mine')" in ended.stderr
    assert NOTHING in ended.stderr


@ANSWERS
@pytest.mark.parametrize("more", [EXPIRED, "guard: {maxDevices: 0}", 'expect: {firmwareVersion: "9.9"}'])
def test_a_set_of_the_same_name_without_any_of_the_keys_sets_no_limit(
    project: Project, simulator: RunningSimulator, more: str, *, asked: bool
) -> None:
    """It gets no keys: these become a set of their own."""
    with_sets(project, ("mine", "dk-11", more))
    before = project.file.read_bytes()
    assert cancel(project, "dk-01", more=("--name", "mine"), asked=asked).exit_code == 0
    assert (sent(simulator), project.file.read_bytes()) == ([["dk-01"]], before)
    assert declared(project) == {"mine": ("dk-11",), "mine-2": ("dk-01",)}


def test_nothing_is_sent_for_what_a_set_that_expired_declares(project: Project, simulator: RunningSimulator) -> None:
    with_sets(project, ("mine", "dk-01", EXPIRED))
    before = project.file.read_bytes()
    ended = cancel(project, "dk-01", "dk-02")
    assert (ended.exit_code, sent(simulator), project.file.read_bytes()) == (1, [], before)
    assert "set 'mine' expired on 2020-01-31 and contains 1 device key of this cancel" in ended.stderr
    assert f"remove the keys from it, or change its `expires`. {NOTHING}" in ended.stderr


@pytest.mark.parametrize("more", ["guard: {maxDevices: 1}", 'expect: {firmwareVersion: "9.9"}', EXPIRED])
def test_recorded_aside_the_sets_of_the_project_are_asked_all_the_same(
    project: Project, simulator: RunningSimulator, more: str
) -> None:
    with_sets(project, ("mine", "dk-01", more))
    ended = cancel(project, "dk-01", "dk-02", more=("--record-aside", "out"))
    assert (ended.exit_code, sent(simulator), (project.root / "out").exists()) == (1, [], False)


def test_with_the_guard_of_a_set_a_crowd_is_counted_as_a_whole(reach: Reach, project: Project) -> None:
    with running_simulator(many(2_500, **dict.fromkeys(numbered(300), "published"))) as simulator:
        reach(simulator)
        with_sets(project, ("mine", numbered(2_500)[-1], "guard: {maxDevices: 2499}"))
        command = ["cancel", "--job", JOB, "--reason", "INC-4711", "--waiting", "--yes", "--expect", "2500"]
        ended = CliRunner().invoke(main, command, prog_name="enos-ota")
        assert (ended.exit_code, sent(simulator)) == (1, [])
    assert "would cancel 2500 devices" in ended.stderr


def test_of_a_crowd_what_a_set_that_expired_declares_is_not_cancelled_and_what_was_done_is_told(
    reach: Reach, project: Project
) -> None:
    with running_simulator(many(2_500, **dict.fromkeys(numbered(10), "published"))) as simulator:
        reach(simulator)
        with_sets(project, ("mine", numbered(2_500)[-1], EXPIRED))
        command = ["cancel", "--job", JOB, "--reason", "INC-4711", "--waiting", "--yes", "--expect", "2500"]
        ended = CliRunner().invoke(main, command, prog_name="enos-ota")
        assert (ended.exit_code, [sorted(keys) for keys in sent(simulator)]) == (1, [numbered(10)])
    assert "10 of 10 devices read as cancelled" in ended.stdout
    assert "set 'mine' expired on 2020-01-31" in ended.stderr
    assert "No further request was sent." in ended.output
    assert "No request was sent" not in ended.output, "10 devices were cancelled before"
