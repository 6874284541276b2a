"""search and searchTask: rows, pages, order, and the same answer whichever index serves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.simulator import JOB, SMALL_FLEET
from tests.harness.simulator_harness import Caller, make_caller

STATES = {"init": 700, "published": 30, "upgrading": 20, "succeeded": 400, "failed": 50, "cancelled": 100}
LARGE: dict[str, Any] = {
    "jobs": [
        {"jobId": "j1", "firmwareVersion": "2.0", "devices": {"count": 1300, "key": "a-{:04d}", "states": STATES}},
        {
            "jobId": "j2",
            "firmwareVersion": "3.0",
            "tasks": [{"deviceKey": "a-0001", "status": "published", "fromVersion": "1.5"}],
            "devices": [{"count": 10, "key": "b-{}"}],
        },
    ]
}


@pytest.fixture(scope="module")
def large() -> Caller:
    return make_caller(LARGE)


def test_a_task_has_all_documented_fields() -> None:
    (row,), total = make_caller(SMALL_FLEET).find(f"jobId = '{JOB}' and deviceKey = 'dk-09'")
    assert (total, row) == (
        1,
        {
            "taskId": row["taskId"],
            "orgId": "o16172478070561926",
            "assetId": row["assetId"],
            "productKey": "Pk12aB34",
            "deviceKey": "dk-09",
            "jobId": JOB,
            "fromVersion": "1.0",
            "toVersion": "2.3.0",
            "progress": 100,
            "desc": "upgrading firmware finished",
            "status": "succeeded",
            "updateTime": 1_700_000_000_000,
        },
    )


def test_without_pagination_it_is_page_1_of_10(large: Caller) -> None:
    envelope = large.call("searchTask", {"expression": "jobId = 'j1'"})
    expected = {"sortedBy": None, "pageNo": 1, "pageSize": 10, "totalSize": 1300}
    assert (len(envelope["data"]), envelope["pagination"]) == (10, expected)


@pytest.mark.parametrize(
    "body", [{}, {"expression": None}, {"expression": "", "pagination": None, "projection": ["a"]}]
)
def test_without_an_expression_all_tasks_are_found(large: Caller, body: dict[str, object]) -> None:
    assert large.call("searchTask", body)["pagination"]["totalSize"] == 1311


def test_past_the_last_page_there_are_no_rows(large: Caller) -> None:
    assert large.find("jobId = 'j2'", page=7) == ([], 11)


@pytest.mark.parametrize(
    "pagination",
    [
        {},
        {"pageNo": 1},
        {"pageSize": 10},
        {"pageNo": 0, "pageSize": 10},
        {"pageNo": -1, "pageSize": 10},
        {"pageNo": 1, "pageSize": 0},
        {"pageNo": 1, "pageSize": 201},
        {"pageNo": "1", "pageSize": "10"},
        {"pageNo": True, "pageSize": 10},
        {"pageNo": 1.0, "pageSize": 10},
        [1, 10],
    ],
)
@pytest.mark.parametrize("operation", ["search", "searchTask"])
def test_a_page_must_be_one_that_there_can_be(large: Caller, operation: str, pagination: object) -> None:
    envelope = large.call(operation, {"pagination": pagination})
    assert (envelope["code"], envelope["msg"].startswith("Invalid Argument pagination:")) == (99400, True)


def test_the_largest_page_goes_by_its_switch() -> None:
    caller = make_caller(LARGE, max_page=50)
    pagination = {"pageNo": 1, "pageSize": 51}
    assert caller.call("searchTask", {"pagination": pagination})["code"] == 99400
    assert len(caller.find("jobId = 'j1'", size=50)[0]) == 50


@pytest.mark.parametrize(("page", "code"), [(1, 0), (2, 0), (3, 99400), (7, 99400), (1_000, 99400)])
@pytest.mark.parametrize("expression", ["jobId = 'j1'", "deviceKey = 'a-0001'"])
@pytest.mark.parametrize("operation", ["searchTask", "search"])
def test_a_page_that_ends_beyond_the_window_is_refused_however_many_rows_there_are(
    operation: str, expression: str, page: int, code: int
) -> None:
    caller = make_caller(LARGE, max_window=450)
    known = {"expression": expression} if operation == "searchTask" else {}
    body = known | {"pagination": {"pageNo": page, "pageSize": 200}}
    assert caller.call(operation, body)["code"] == code


def test_a_page_that_ends_with_the_window_is_whole() -> None:
    caller = make_caller(LARGE, max_window=400)
    assert len(caller.find("jobId = 'j1'", page=2)[0]) == 200


def test_the_window_does_not_change_the_total() -> None:
    assert make_caller(LARGE, max_window=400).find("jobId = 'j1'")[1] == 1300


@pytest.mark.parametrize(("cap", "total"), [(1299, 1299), (1300, 1300), (1301, 1300), (0, 1300)])
def test_a_total_is_no_greater_than_the_cap_and_all_pages_can_be_read(cap: int, total: int) -> None:
    caller = make_caller(LARGE, total_cap=cap)
    pages = [caller.find("jobId = 'j1'", page) for page in range(1, 9)]
    assert {told for _, told in pages} == {total}
    assert [len(rows) for rows, _ in pages] == [200] * 6 + [100, 0]


def test_the_cap_holds_for_the_number_of_jobs_too() -> None:
    assert make_caller(LARGE, total_cap=1).call("search", {})["pagination"]["totalSize"] == 1


@pytest.mark.parametrize(
    "expression", [3, ["a"], "jobId", "jobId like 'j'", "jobId != 'j1'", "taskId = '1'", "progress = '0'"]
)
@pytest.mark.parametrize("operation", ["search", "searchTask"])
def test_an_expression_must_be_one_that_the_call_knows(large: Caller, operation: str, expression: object) -> None:
    envelope = large.call(operation, {"expression": expression})
    assert (envelope["code"], envelope["msg"].startswith("Invalid Argument expression:")) == (99400, True)


EXPRESSIONS = [
    "jobId = 'j1'",
    "jobId = 'j1' and status = 'init'",
    "jobId in ('j1','j2') and status in ('published','init')",
    "jobId = 'j1' and status = 'nothing'",
    "jobId = 'nothing'",
    "jobId in ('j1','nothing') and status = 'failed'",
    "status = 'published'",
    "status = 'failed' and desc = 'Cancelled by user'",
    "jobId = 'j1' and (desc = 'Cancelled by user' or status = 'upgrading')",
    "deviceKey = 'a-0001'",
    "jobId = 'j1' and deviceKey in ('a-0001','a-0701','b-1','a-9999')",
    "deviceKey in ('a-0001','b-1','a-0701') and status in ('init','published')",
    "deviceKey = 'a-0001' and toVersion = '3.0' and fromVersion in ('1.5')",
    "jobId = 'j1' and jobId = 'j2'",
    f"deviceKey in ({','.join(repr(f'a-{number:04d}') for number in range(990, 1010))})",
    "deviceKey = 'a-0001' or deviceKey = 'b-2'",
    "status = 'init' and (status = 'init' and jobId = 'j2')",
]


def by_definition(caller: Caller, expression: str) -> list[tuple[str, str]]:
    """What an expression finds, worked out by Python itself on the plain list of tasks; in the order of the ids."""
    code = expression.replace("= '", "== '").replace("('nothing')", "('nothing',)").replace("('1.5')", "('1.5',)")
    rows = [held.as_json(task) for held in caller.simulator.jobs() for task in held.tasks()]
    rows.sort(key=lambda row: row["taskId"])
    return [(row["jobId"], row["deviceKey"]) for row in rows if eval(code, {}, row)]  # noqa: S307 - the texts above


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("size", [7, 200])
def test_the_pages_together_hold_each_match_once_in_the_order_of_the_ids(
    large: Caller, expression: str, size: int
) -> None:
    expected = by_definition(large, expression)
    found: list[tuple[str, str]] = []
    for page in range(1, len(expected) // size + 2):
        rows, total = large.find(expression, page, size)
        assert total == len(expected)
        found += [(row["jobId"], row["deviceKey"]) for row in rows]
    assert found == expected


@settings(deadline=None, max_examples=40)
@given(
    changes=st.lists(
        st.tuples(
            st.sets(st.integers(1, 1300), min_size=1, max_size=40),
            st.sampled_from(["init", "published", "upgrading", "succeeded", "failed", "canceled", "cancelled"]),
        ),
        max_size=8,
    ),
    expression=st.sampled_from(EXPRESSIONS),
)
def test_the_indexes_follow_every_change(large: Caller, changes: list[tuple[set[int], str]], expression: str) -> None:
    for numbers, status in changes:
        large.simulator.set_tasks("j1", [f"a-{number:04d}" for number in numbers], status)
    expected = by_definition(large, expression)
    pages = [large.find(expression, page) for page in range(1, len(expected) // 200 + 2)]
    assert [(row["jobId"], row["deviceKey"]) for rows, _ in pages for row in rows] == expected
    assert {total for _, total in pages} == {len(expected)}
    counts = large.simulator.job("j1").counts()
    assert counts == {
        status: count
        for status in ("init", "published", "upgrading", "succeeded", "failed", "canceled")
        if (count := sum(task.status == status for task in large.simulator.job("j1").tasks())) or status != "canceled"
    }


def test_rows_can_come_by_update_time() -> None:
    caller = make_caller(SMALL_FLEET, task_order="updateTime")
    for key in ("dk-03", "dk-01"):
        caller.clock.forward(1)
        caller.cancel(JOB, key)
    rows, _ = caller.find(f"jobId = '{JOB}'")
    assert [row["deviceKey"] for row in rows][-2:] == ["dk-03", "dk-01"]


def test_in_random_order_all_rows_are_there_and_the_order_changes() -> None:
    caller = make_caller(LARGE, task_order="random")
    pages = [[row["deviceKey"] for row in caller.find("jobId = 'j2'")[0]] for _ in range(5)]
    assert len({tuple(sorted(page)) for page in pages}) == 1
    assert len({tuple(page) for page in pages}) > 1


def test_the_same_search_after_a_change_finds_the_change() -> None:
    caller = make_caller(SMALL_FLEET)
    before = caller.find("desc = 'Cancelled by user'")[1]
    caller.cancel(JOB, "dk-01")
    assert (before, caller.find("desc = 'Cancelled by user'")[1]) == (1, 2)


def test_a_page_without_a_size_is_no_larger_than_the_largest() -> None:
    caller = make_caller(LARGE, max_page=5)
    assert caller.call("searchTask", {})["pagination"]["pageSize"] == 5


def test_other_organisations_tasks_are_not_found() -> None:
    fleet = {"orgs": ["o1", "o2"], "jobs": [{"jobId": "j", "orgId": "o2", "tasks": [{"deviceKey": "a"}]}]}
    caller = make_caller(fleet)
    assert [caller.find(text)[1] for text in (None, "jobId = 'j'", "deviceKey = 'a'")] == [0, 0, 0]


NAMED: dict[str, Any] = {
    "jobs": [
        {
            "jobId": "old",
            "name": {"defaultValue": "Pumps", "i18nValue": {"zh_CN": "水泵"}},
            "firmwareVersion": "1.0",
            "createTime": 1000,
            "status": "stopped",
        },
        {"jobId": "new", "name": "Valves", "firmwareName": "valve-fw", "firmwareVersion": "2.0", "createTime": 3000},
        {"jobId": "mid", "name": "Meters", "type": "verify", "productKey": "P2", "createTime": 2000},
    ]
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (None, ["new", "mid", "old"]),
        ("status = 'started'", ["new", "mid"]),
        ("type = 'verify'", ["mid"]),
        ("firmwareVersion in ('1.0','2.0')", ["new", "old"]),
        ("productKey = 'P2'", ["mid"]),
        ("firmwareId in ('x')", []),
        ("name like 'e'", ["new", "mid"]),
        ("name like '水'", ["old"]),
        ("name.zh_CN like '水'", ["old"]),
        ("name.defaultValue like '水'", []),
        ("name.default like 'Pump'", ["old"]),
        ("name.default like '水'", []),
        ("name.zh_CN like 'Pump'", []),
        ("name.en_US like 'Pump'", ["old"]),
        ("name.ja_JP like 'Pump'", ["old"]),
        ("name.es_ES like 'e'", ["new", "mid"]),
        ("firmwareName like 'valve'", ["new"]),
        ("firmwareName.default like 'valve'", ["new"]),
        ("firmwareName.ja_JP like 'valve'", ["new"]),
        ("firmwareName.es_ES like 'pump'", []),
        ("firmwareName.defaultValue like 'valve' or status = 'stopped'", ["new", "old"]),
    ],
)
def test_jobs_are_found_the_newest_first(expression: str | None, expected: list[str]) -> None:
    data = make_caller(NAMED).call("search", {"expression": expression})["data"]
    assert [job["jobId"] for job in data] == expected


@pytest.mark.parametrize("expression", ["status in ('started')", "name = 'Pumps'", "jobId = 'old'", "name.fr like 'a'"])
def test_a_job_search_knows_only_its_own_fields_and_operators(expression: str) -> None:
    assert make_caller(NAMED).call("search", {"expression": expression})["code"] == 99400


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, {"type": "total"}),
        ({"upgradeScope": {"type": "partial", "deviceKeys": ["a"]}}, {"type": "partial", "deviceKeys": ["a"]}),
    ],
)
def test_a_selector_of_the_scope_that_is_not_used_is_null(given: dict[str, Any], told: dict[str, Any]) -> None:
    caller = make_caller({"jobs": [{"jobId": "j", **given}]})
    unused = dict.fromkeys(("versionNumbers", "deviceKeys", "attributes", "tags", "assetTrees"))
    assert caller.call("get", jobId="j")["data"]["upgradeScope"] == unused | told


def test_jobs_come_in_pages() -> None:
    envelope = make_caller(NAMED).call("search", {"pagination": {"pageNo": 2, "pageSize": 2}})
    assert [job["jobId"] for job in envelope["data"]] == ["old"]
    assert envelope["pagination"] == {"sortedBy": None, "pageNo": 2, "pageSize": 2, "totalSize": 3}


def test_a_job_has_all_documented_fields() -> None:
    data = make_caller(NAMED).call("get", jobId="old")["data"]
    assert (data["status"], data["createTime"], data["name"]["i18nValue"]) == ("stopped", 1000, {"zh_CN": "水泵"})
    assert set(data) == {
        "orgId", "productKey", "jobId", "name", "firmwareId", "firmwareVersion", "firmwareName", "type",
        "enableUpgradeRequest", "upgradePolicy", "upgradeScope", "upgradeTimeout", "retryPolicy", "schedulePolicy",
        "maximumConcurrency", "status", "createTime", "startSchedule", "endSchedule",
    }  # fmt: skip
