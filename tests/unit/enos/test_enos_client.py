"""The typed calls: what they ask, and what they make of the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from enos_ota.enos import (
    ConfigurationError,
    Credentials,
    EnosClient,
    InvalidAnswer,
    JobStatus,
    Page,
    TaskStatus,
    Timeout,
    UnquotableValue,
)
from tests.harness.scripted_server import ScriptedServer, ok, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.enos.conftest import Connect


def task(number: int, **fields: Any) -> dict[str, Any]:
    return {"taskId": f"t-{number}", "deviceKey": f"dk-{number}", "status": "init", **fields}


def test_a_job_is_asked_for_by_its_id(connect: Connect) -> None:
    with ScriptedServer([ok({"jobId": "j", "status": "stopped"})]) as server:
        job = connect(server).get_job("j")

    assert (job.status, server.calls[0].query) == (
        JobStatus.STOPPED,
        {"action": "get", "orgId": "o16172478070561926", "jobId": "j"},
    )


@pytest.mark.parametrize("data", [None, [], "job", {"jobId": "another"}])
def test_an_answer_that_is_not_the_job_is_no_answer(connect: Connect, data: object) -> None:
    with ScriptedServer([ok(data)]) as server, pytest.raises(InvalidAnswer, match=r"^get \(job j\) was answered with"):
        connect(server).get_job("j")


def test_tasks_are_searched_by_job_keys_and_status(connect: Connect) -> None:
    with ScriptedServer([rows(task(1), total=1)]) as server:
        statuses = [TaskStatus.INIT, TaskStatus.PUBLISHED]
        found = list(connect(server).search_tasks("j", device_keys=["dk-1", "dk-2"], statuses=statuses))

    assert [one.device_key for one in found] == ["dk-1"]
    assert server.calls[0].json() == {
        "expression": "jobId = 'j' and deviceKey in ('dk-1', 'dk-2') and status in ('init', 'published')",
        "pagination": {"pageNo": 1, "pageSize": 200},
    }


def test_all_tasks_of_a_job_are_read_page_by_page(connect: Connect) -> None:
    pages = [rows(task(1), task(2), total=3, page_size=2), rows(task(3), total=3, page_size=2)]
    with ScriptedServer(pages) as server:
        found = [one.task_id for one in connect(server).search_tasks("j", page_size=2)]

    assert found == ["t-1", "t-2", "t-3"]
    assert [call.json()["pagination"]["pageNo"] for call in server.calls] == [1, 2]


def test_a_service_that_applies_smaller_pages_is_read_to_its_end(connect: Connect) -> None:
    pages = [rows(task(n), total=3, page_size=1) for n in (1, 2, 3)]
    with ScriptedServer([*pages, rows(total=3, page_size=1)]) as server:
        assert len(list(connect(server).search_tasks("j"))) == 3


def test_tasks_without_an_id_are_identified_by_product_and_device(connect: Connect) -> None:
    same = [task(1, taskId=None, productKey=product) for product in ("p", "q", "p")]
    with ScriptedServer([rows(*same, total=2)]) as server:
        assert [one.product_key for one in connect(server).search_tasks("j")] == ["p", "q"]


def test_one_page_tells_what_the_service_applied(connect: Connect) -> None:
    with ScriptedServer([rows(task(1), total=70, page_size=50), rows(page_size=None)]) as server:
        client = connect(server)
        pages = [client.search_tasks_page("j", page_no=number, page_size=100) for number in (1, 9)]

    assert [(len(page.items), page.page_no, page.page_size, page.total_size) for page in pages] == [
        (1, 1, 50, 70),
        (0, 9, 100, None),
    ]


@pytest.mark.parametrize("chosen", [{"device_keys": []}, {"statuses": []}])
def test_no_key_or_no_status_finds_nothing_and_asks_nothing(connect: Connect, chosen: dict[str, Any]) -> None:
    with ScriptedServer() as server:
        client = connect(server)
        found = list(client.search_tasks("j", **chosen))
        page = client.search_tasks_page("j", page_no=1, page_size=50, **chosen)

    assert (found, page, server.names) == ([], Page((), 1, 50, 0), [])


def test_a_literal_cancelled_status_is_searched_in_both_spellings(connect: Connect) -> None:
    with ScriptedServer([rows(total=0)]) as server:
        list(connect(server).search_tasks("j", statuses=[TaskStatus.CANCELED]))

    assert server.calls[0].json()["expression"] == "jobId = 'j' and status in ('canceled', 'cancelled')"


@pytest.mark.parametrize(
    "rows_of_another", [task(1, jobId="another"), task(1) | {"jobId": "another", "status": "published"}]
)
def test_tasks_of_another_job_are_never_handed_out(connect: Connect, rows_of_another: dict[str, Any]) -> None:
    with (
        ScriptedServer([rows(task(2, jobId="j"), rows_of_another, total=2)]) as server,
        pytest.raises(InvalidAnswer, match=r"^searchTask \(job j\) was answered with tasks of another job\.$"),
    ):
        list(connect(server).search_tasks("j"))


@pytest.mark.parametrize("data", [{}, "rows", [1], [None]])
def test_an_answer_without_rows_is_no_answer(connect: Connect, data: object) -> None:
    with ScriptedServer([ok(data)]) as server, pytest.raises(InvalidAnswer, match="without a list of rows"):
        list(connect(server).search_tasks("j"))


def test_jobs_are_searched_by_firmware_and_status(connect: Connect) -> None:
    with ScriptedServer([rows({"jobId": "j"}, total=1), rows({"jobId": "k"}, total=1)]) as server:
        client = connect(server)
        chosen = list(client.search_jobs(firmware_version="2.3.0", status=JobStatus.STARTED))
        everything = list(client.search_jobs())

    assert [job.job_id for job in chosen + everything] == ["j", "k"]
    assert [call.json().get("expression") for call in server.calls] == [
        "firmwareVersion = '2.3.0' and status = 'started'",
        None,
    ]


@pytest.mark.parametrize("call", ["cancel_tasks", "retry_tasks"])
def test_a_write_sends_each_key_once_in_order_and_returns_the_request_id(connect: Connect, call: str) -> None:
    with ScriptedServer([ok(request_id="r-7")]) as server:
        request_id = getattr(connect(server), call)("j", ["b", "a", "b"])

    assert (request_id, server.calls[0].json()) == ("r-7", {"deviceKeys": ["b", "a"]})


@pytest.mark.parametrize("call", ["cancel_tasks", "retry_tasks"])
@pytest.mark.parametrize("keys", [[], (), ["a", ""]])
def test_a_write_without_keys_is_never_sent(connect: Connect, call: str, keys: list[str]) -> None:
    with ScriptedServer() as server, pytest.raises(ValueError, match="needs device keys, none of them empty"):
        getattr(connect(server), call)("j", keys)

    assert server.names == []


@pytest.mark.parametrize(
    "use",
    [
        lambda client: client.cancel_tasks("j", "dk-01"),
        lambda client: client.retry_tasks("j", "dk-01"),
        lambda client: client.search_tasks("j", device_keys="dk-01"),
    ],
)
def test_one_text_is_not_taken_for_a_collection_of_keys(connect: Connect, use: Callable[[EnosClient], object]) -> None:
    with ScriptedServer() as server, pytest.raises(TypeError, match="not one text"):
        use(connect(server))

    assert server.names == []


def test_jobs_of_a_version_that_enos_cannot_search_for_are_selected_from_all_jobs(connect: Connect) -> None:
    jobs = [{"jobId": "j1", "firmwareVersion": '2"3'}, {"jobId": "j2", "firmwareVersion": "23"}]
    with ScriptedServer([rows(*jobs, total=2)]) as server:
        found = [job.job_id for job in connect(server).search_jobs(firmware_version='2"3')]

    assert (found, server.calls[0].json().get("expression")) == (["j1"], None)


@pytest.mark.parametrize(
    ("use", "kind"),
    [
        (lambda client: client.search_tasks("j", device_keys=["it's"]), UnquotableValue),
        (lambda client: client.search_tasks("j' or jobId = 'k"), UnquotableValue),
        (lambda client: client.search_tasks("j", statuses=[TaskStatus.UNKNOWN]), ValueError),
        (lambda client: client.search_jobs(status=JobStatus.UNKNOWN), ValueError),
        (lambda client: client.search_tasks_page("j", page_no=0, page_size=1), ValueError),
    ],
)
def test_a_search_that_cannot_be_asked_is_refused_when_it_is_made(
    connect: Connect, use: Callable[[EnosClient], object], kind: type[Exception]
) -> None:
    with ScriptedServer() as server, pytest.raises(kind):
        use(connect(server))

    assert server.names == []


def test_gateway_and_organization_can_be_read(connect: Connect) -> None:
    client = connect("HTTPS://Apim.Example.com:443/", org_id="o1")

    assert (client.gateway, client.org_id) == ("https://apim.example.com", "o1")


@pytest.mark.parametrize(
    ("gateway", "org_id"), [("http://apim.example.com", "o1"), ("apim.example.com", "o1"), ("https://h", "")]
)
def test_a_client_is_not_made_from_unusable_settings(gateway: str, org_id: str) -> None:
    with pytest.raises(ConfigurationError):
        EnosClient(gateway, org_id, Credentials("k", "s"))


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
@pytest.mark.parametrize("half", ["connect", "read"])
def test_a_timeout_needs_two_positive_halves(half: str, seconds: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{half} must be a positive number of seconds$"):
        Timeout(**{"connect": 5, "read": 30, half: seconds})


@pytest.mark.parametrize(("total", "count"), [(84_001, 84_001), (900, 900), (None, None)])
def test_tasks_are_counted_with_one_row_of_one_page(connect: Connect, total: int | None, count: int | None) -> None:
    with ScriptedServer([rows({"taskId": "t", "jobId": "j"}, total=total, page_size=1)]) as server:
        found = connect(server).count_tasks("j", statuses=[TaskStatus.INIT, TaskStatus.PUBLISHED])

    (sent,) = server.calls
    assert found == count
    assert sent.json() == {
        "expression": "jobId = 'j' and status in ('init', 'published')",
        "pagination": {"pageNo": 1, "pageSize": 1},
    }


def test_of_no_device_there_are_no_tasks_to_count(connect: Connect) -> None:
    with ScriptedServer() as server:
        found = connect(server).count_tasks("j", device_keys=[])

    assert (found, server.names) == (0, [])


@pytest.mark.parametrize("action", ["start", "stop"])
def test_a_job_is_started_and_stopped_by_its_id_without_a_body(connect: Connect, action: str) -> None:
    with ScriptedServer([ok(request_id="r-1")]) as server:
        client = connect(server)
        request_id = client.start_job("j") if action == "start" else client.stop_job("j")

    (sent,) = server.calls
    assert (request_id, sent.method, sent.body) == ("r-1", "POST", b"")
    assert sent.query == {"action": action, "orgId": "o16172478070561926", "jobId": "j"}
