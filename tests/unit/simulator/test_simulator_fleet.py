"""A fleet file: what it may say, what it means, and what is said about a wrong one."""

from __future__ import annotations

from collections import Counter
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest

from enos_simulator.errors import SetupError
from enos_simulator.fleet import parse_fleet, read_fleet
from enos_simulator.simulator import Simulator

if TYPE_CHECKING:
    from pathlib import Path


def tasks_of(job: dict[str, Any]) -> list[tuple[str, str, str, int, str]]:
    held = Simulator(parse_fleet({"jobs": [{"jobId": "j"} | job]})).job("j")
    return [(task.device_key, task.status, task.desc, task.progress, task.from_version) for task in held.tasks()]


def problems_of(data: object) -> list[str]:
    with pytest.raises(SetupError) as caught:
        Simulator(parse_fleet(data))
    return caught.value.problems


@pytest.mark.parametrize("data", [None, {}])
def test_an_empty_file_is_a_fleet_that_can_be_called(data: object) -> None:
    fleet = parse_fleet(data)
    assert (len(fleet.orgs), len(fleet.apps), fleet.jobs) == (1, 1, ())


def test_tasks_are_listed_with_what_usually_goes_with_a_status() -> None:
    tasks = [
        {"deviceKey": "a"},
        {"deviceKey": "b", "status": "succeeded", "fromVersion": "1.1"},
        {"deviceKey": "c", "status": "failed", "desc": "on fire", "progress": -1},
        {"deviceKey": "d", "status": "cancelled"},
        {"deviceKey": "e", "status": "failed", "desc": ""},
    ]
    assert tasks_of({"tasks": tasks}) == [
        ("a", "init", "", 0, "1.0"),
        ("b", "succeeded", "upgrading firmware finished", 100, "1.1"),
        ("c", "failed", "on fire", -1, "1.0"),
        ("d", "failed", "Cancelled by user", 0, "1.0"),
        ("e", "failed", "", -2, "1.0"),
    ]


def test_devices_are_generated_in_order_with_states_and_versions() -> None:
    devices = {
        "count": 5,
        "key": "pump-{:03d}",
        "first": 8,
        "states": {"published": 2, "init": 3},
        "fromVersion": ["1.1", "1.2"],
    }
    assert [(key, status, version) for key, status, _, _, version in tasks_of({"devices": devices})] == [
        ("pump-008", "published", "1.1"),
        ("pump-009", "published", "1.2"),
        ("pump-010", "init", "1.1"),
        ("pump-011", "init", "1.2"),
        ("pump-012", "init", "1.1"),
    ]


def test_devices_can_be_several_groups_beside_listed_tasks() -> None:
    job = {"tasks": [{"deviceKey": "x"}], "devices": [{"count": 2, "key": "a{}"}, {"count": 1, "key": "b{}"}]}
    assert [key for key, *_ in tasks_of(job)] == ["x", "a1", "a2", "b1"]


def test_cancelled_follows_the_switches() -> None:
    fleet = {
        "switches": {"cancelledMarker": "用户取消"},
        "jobs": [{"jobId": "j", "tasks": [{"deviceKey": "a", "status": "cancelled"}]}],
    }
    (task,) = Simulator(parse_fleet(fleet)).job("j").tasks()
    assert (task.status, task.desc) == ("failed", "用户取消")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ([], "fleet: "),
        ({"jobs": [{}]}, "jobs[0].jobId: Field required"),
        ({"jbos": []}, "jbos: Extra inputs are not permitted"),
        ({"orgs": []}, "orgs: "),
        ({"apps": [{"appKey": "k"}]}, "apps[0].appSecret: Field required"),
        ({"switches": {"cancelMode": "x"}}, "switches.cancelMode: Input should be 'atomic' or 'partial'"),
        ({"faults": ["html", "fly"]}, "faults[1].what: Input should be 'latency'"),
        ({"faults": [{"what": "html", "nth": 0}]}, "faults[0].nth: Input should be greater"),
        ({"movement": {"begin": "soon"}}, "movement.begin[0]: Input should be a valid number"),
        ({"jobs": [{"jobId": 17}]}, "jobs[0].jobId: must be a text: put it in quotes (YAML reads it as 17)"),
        (
            {"jobs": [{"jobId": "j", "tasks": [{"deviceKey": 1e5}]}]},
            "jobs[0].tasks[0].deviceKey: must be a text: put it in quotes (YAML reads it as 100000.0)",
        ),
        ({"jobs": [{"jobId": "j", "tasks": [{"deviceKey": "a", "status": "done"}]}]}, "jobs[0].tasks[0].status: "),
        ({"jobs": [{"jobId": "j", "devices": {"count": 0, "key": "a{}"}}]}, "jobs[0].devices[0].count: "),
        ({"jobs": [{"jobId": "j", "devices": {"count": 1, "key": "a"}}]}, "jobs[0].devices[0].key: needs one place"),
        ({"jobs": [{"jobId": "j", "devices": {"count": 1, "key": "{}{}"}}]}, "jobs[0].devices[0].key: needs one place"),
        ({"jobs": [{"jobId": "j", "devices": {"count": 1, "key": "{0.real}"}}]}, "jobs[0].devices[0].key: needs one"),
        (
            {"jobs": [{"jobId": "j", "devices": {"count": 1, "key": "{:zz}"}}]},
            "jobs[0].devices[0].key: needs one place",
        ),
        *(
            ({"jobs": [{"jobId": "j", "devices": {"count": 1, "key": key}}]}, f"jobs[0].devices[0].key: {why}")
            for key, why in [
                ("{:>999999999}", "needs one place"),
                ("{:0999999999d}", "needs one place"),
                ("{:100}", "needs one place"),
                ("{:.999999999f}", "needs one place"),
                ("{!r:99}", "needs one place"),
                ("x" * 99 + "{}", "String should have at most 100 characters"),
            ]
        ),
        (
            {"jobs": [{"jobId": "j", "devices": {"count": 2_000_001, "key": "a{}"}}]},
            "jobs[0].devices[0].count: Input should be less than or equal to 2000000",
        ),
        (
            {"jobs": [{"jobId": "j", "devices": {"count": 1, "key": "a{}", "first": 10**20}}]},
            "jobs[0].devices[0].first: Input should be less than or equal to",
        ),
        ({"jobs": [{"jobId": "j", "createTime": 2**63}]}, "jobs[0].createTime: Input should be less than or equal to"),
        (
            {"jobs": [{"jobId": "j", "tasks": [{"deviceKey": "a", "progress": -(2**63) - 1}]}]},
            "jobs[0].tasks[0].progress: Input should be greater than or equal to",
        ),
        (
            {"jobs": [{"jobId": "j" * 10_001}]},
            "jobs[0].jobId: String should have at most 10000 characters",
        ),
        (
            {"jobs": [{"jobId": "j", "tasks": [{"deviceKey": ["a"] * 1000}]}]},
            "jobs[0].tasks[0].deviceKey: must be a text: put it in quotes"
            " (YAML reads it as ['a', 'a', 'a', 'a', 'a', 'a', ...])",
        ),
        (
            {"jobs": [{"jobId": "j", "devices": {"count": 3, "key": "a{}", "states": {"init": 2}}}]},
            "jobs[0].devices[0]: states add up to 2, count is 3",
        ),
        ({"jobs": [{"jobId": "j"}, {"jobId": "j"}]}, "fleet: jobId j occurs more than once"),
        ({"jobs": [{"jobId": "j", "orgId": "o9"}]}, "fleet: job j: no organization o9"),
        ({"apps": [{"appKey": "k", "appSecret": "s", "orgs": ["o9"]}]}, "fleet: app k: no organization o9"),
        (
            {"jobs": [{"jobId": "j", "tasks": [{"deviceKey": "a"}, {"deviceKey": "a"}]}]},
            "job j: device key a occurs more than once under the same product",
        ),
        (
            {"jobs": [{"jobId": "j", "tasks": [{"deviceKey": "a1"}], "devices": {"count": 1, "key": "a{}"}}]},
            "job j: device key a1 occurs more than once under the same product",
        ),
    ],
)
def test_a_problem_is_reported_with_its_place(data: object, problem: str) -> None:
    assert problems_of(data)[0].startswith(problem)


def test_all_problems_are_reported_at_once() -> None:
    data = {"orgs": 3, "jobs": [{"jobId": 1, "status": "x"}], "switches": {"a": 1}}
    assert [problem.split(": ")[0] for problem in problems_of(data)] == [
        "switches.a",
        "orgs",
        "jobs[0].jobId",
        "jobs[0].status",
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"jobs: [", "invalid YAML: while parsing"),
        (b"\xff\xfe\x00", "invalid YAML: "),
        (b"a: !!python/object:os.system x", "invalid YAML: could not determine a constructor"),
        (b"jobs: 3", "jobs: "),
    ],
    ids=["cut", "not-utf8", "python", "no-list"],
)
def test_a_problem_with_a_file_begins_with_its_path(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_bytes(content)
    with pytest.raises(SetupError) as caught:
        read_fleet(path)
    assert caught.value.problems[0].startswith(f"{path}: {why}")


def test_a_file_may_use_aliases(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text("jobs: [{jobId: i, tasks: &tasks [{deviceKey: a}]}, {jobId: j, tasks: *tasks}]\n")
    assert [len(job.tasks) for job in read_fleet(path).jobs] == [1, 1]


def test_a_pattern_can_make_wide_keys() -> None:
    assert [key for key, *_ in tasks_of({"devices": {"count": 1, "key": "p-{:099d}"}})] == ["p-" + "1".rjust(99, "0")]


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as caught:
        read_fleet(tmp_path / "none.yaml")
    assert caught.value.problems == [f"{tmp_path / 'none.yaml'}: No such file or directory"]


def test_the_demo_fleet_is_a_rollout_in_the_middle() -> None:
    with resources.as_file(resources.files("enos_simulator") / "demo_fleet.yaml") as path:
        simulator = Simulator(read_fleet(path))
    held = simulator.job("65a1b2c3d4e5f60718293a4b")
    assert (held.job.status, held.job.info["firmwareVersion"]) == ("started", "2.3.0")
    counts = Counter(task.status for task in held.tasks())
    assert sum(counts.values()) == 40
    assert set(counts) == {"init", "published", "upgrading", "succeeded", "failed"}
    assert counts["published"] + counts["upgrading"] <= held.job.info["maximumConcurrency"]
