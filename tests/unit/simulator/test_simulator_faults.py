"""Faults on the domain object: when they befall a request, what the caller gets, and what the journal says of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from enos_simulator.errors import SetupError
from enos_simulator.faults import Fault
from tests.harness.simulator import JOB, SMALL_FLEET
from tests.harness.simulator_harness import Caller, make_caller

if TYPE_CHECKING:
    from enos_simulator.gateway import Reply

NOT_PROCESSED = ["throttle", "gateway", "error", "html", "close-before"]
PROCESSED = ["latency", "close-after", "truncate", "cut", "error processed=yes", "html processed=yes"]


@pytest.fixture
def caller() -> Caller:
    caller = make_caller(SMALL_FLEET)
    caller.token()
    return caller


def cancel(caller: Caller, *keys: str) -> Reply:
    body = json.dumps({"deviceKeys": keys or ["dk-01"]}).encode()
    return caller.send({"action": "cancelTask", "orgId": caller.org_id, "jobId": JOB}, body)


def get(caller: Caller) -> Reply:
    return caller.send({"action": "get", "orgId": caller.org_id, "jobId": JOB})


def befallen(caller: Caller, count: int) -> list[int]:
    """Numbers, from 1, of the requests that a close-before affected."""
    return [number for number in range(1, count + 1) if get(caller).kind == "closed"]


@pytest.mark.parametrize("fault", NOT_PROCESSED)
def test_what_is_not_processed_changes_nothing_and_is_in_the_journal_as_arrived(caller: Caller, fault: str) -> None:
    before = caller.states(JOB)
    caller.simulator.add_fault(fault)
    cancel(caller, "dk-01", "dk-02")
    (entry,) = caller.simulator.journal.entries
    assert caller.states(JOB) == before
    assert (entry.operation, entry.job_id, entry.keys) == ("cancelTask", JOB, ("dk-01", "dk-02"))
    assert (entry.processed, entry.fault, entry.changes, entry.by) == (False, fault, (), "")


@pytest.mark.parametrize("fault", PROCESSED)
def test_what_is_processed_is_done_and_the_journal_tells_what_affected_its_answer(caller: Caller, fault: str) -> None:
    caller.simulator.add_fault(fault)
    cancel(caller, "dk-01")
    (entry,) = caller.simulator.journal.entries
    assert caller.states(JOB)["dk-01"] == ("failed", "Cancelled by user")
    assert (entry.processed, entry.fault, entry.code, len(entry.changes)) == (True, fault.split(maxsplit=1)[0], 0, 1)


def test_without_a_fault_the_journal_says_processed(caller: Caller) -> None:
    cancel(caller)
    (entry,) = caller.simulator.journal.entries
    assert (entry.processed, entry.fault, entry.as_json()["processed"], entry.as_json()["fault"]) == (
        True,
        "",
        True,
        "",
    )


@pytest.mark.parametrize(
    ("fault", "http", "code", "headers"),
    [
        ("throttle", 429, 429, {}),
        ("throttle retryAfter=2", 429, 429, {"Retry-After": "2"}),
        ("gateway", 403, 403, {}),
        ("gateway status=413", 413, 413, {}),
        ("error", 500, 99500, {}),
        ("error status=503 code=24500", 503, 24500, {}),
        ("error status=504 processed=yes", 504, 99500, {}),
    ],
)
def test_an_envelope_carries_the_code(
    caller: Caller, fault: str, http: int, code: int, headers: dict[str, str]
) -> None:
    caller.simulator.change_switches({"gateway_form": "envelope"})
    caller.simulator.add_fault(fault)
    reply = cancel(caller)
    assert (reply.kind, reply.http, reply.body["code"], reply.headers) == ("answer", http, code, headers)
    assert set(reply.body) == {"code", "msg", "requestId", "data"}


@pytest.mark.parametrize(
    ("fault", "http", "text"),
    [
        ("throttle", 429, "API rate limit exceeded"),
        ("gateway", 403, "Your IP address is not allowed"),
        ("gateway status=400", 400, "Cannot process request body"),
        ("gateway status=401", 401, "Invalid authentication credentials"),
        ("gateway status=403", 403, "Your IP address is not allowed"),
        ("gateway status=413", 413, "Request size limit exceeded"),
        ("gateway status=429", 429, "API rate limit exceeded"),
        ("gateway status=500", 500, "An unexpected error occurred"),
        ("gateway status=503", 503, "Service unavailable"),
    ],
)
@pytest.mark.parametrize("operation", ["cancelTask", "token/get"])
def test_the_gateway_says_the_documented_text_as_a_message(operation: str, fault: str, http: int, text: str) -> None:
    caller = make_caller(SMALL_FLEET)
    if operation == "cancelTask":
        caller.token()
    what, _, settings = fault.partition(" ")
    caller.simulator.add_fault(f"{what} {operation} {settings}")
    reply = cancel(caller) if operation == "cancelTask" else caller.ask_for_token(caller.encryption_body())
    assert (reply.http, reply.content_type, reply.body) == (http, "application/json", {"message": text})


def test_the_journal_holds_the_gateways_text_and_no_code(caller: Caller) -> None:
    caller.simulator.add_fault("gateway cancelTask")
    cancel(caller)
    (entry,) = caller.simulator.journal.entries
    assert (entry.processed, entry.code, entry.msg) == (False, None, "Your IP address is not allowed")


@pytest.mark.parametrize(
    ("fault", "http", "content_type"),
    [
        ("error envelope=no status=503", 503, "text/plain"),
        ("html", 502, "text/html"),
        ("html status=200", 200, "text/html"),
        ("cut", 200, "application/json"),
    ],
)
def test_what_is_no_envelope_is_no_json(caller: Caller, fault: str, http: int, content_type: str) -> None:
    caller.simulator.add_fault(fault)
    reply = cancel(caller)
    assert (reply.kind, reply.http, reply.content_type, reply.sent()) == ("raw", http, content_type, reply.content())
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.content())


def test_a_truncated_answer_announces_more_than_it_sends(caller: Caller) -> None:
    caller.simulator.add_fault("truncate")
    reply = cancel(caller)
    assert (reply.kind, json.loads(reply.content())["code"]) == ("truncated", 0)
    assert 0 < len(reply.sent()) < len(reply.content())
    assert reply.content().startswith(reply.sent())


@pytest.mark.parametrize("fault", ["close-before", "close-after"])
def test_of_a_closed_connection_nothing_is_sent(caller: Caller, fault: str) -> None:
    caller.simulator.add_fault(fault)
    reply = cancel(caller)
    assert (reply.kind, reply.sent()) == ("closed", b"")


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        ("throttle", 429, "API rate limit exceeded"),
        ("gateway", 403, "Your IP address is not allowed"),
        ("error", 1005, "Internal Server Error"),
    ],
)
def test_an_envelope_of_the_token_service_has_its_own_form(fault: str, status: int, text: str) -> None:
    caller = make_caller(SMALL_FLEET, gateway_form="envelope")
    caller.simulator.add_fault(f"{fault} token/get")
    assert caller.token_service(caller.encryption_body()) == {
        "status": status,
        "msg": text,
        "business": "apim-token-service",
        "data": None,
    }


def test_a_token_whose_answer_is_lost_was_given_nevertheless() -> None:
    caller = make_caller(SMALL_FLEET)
    caller.simulator.add_fault("close-after token/get nth=1")
    lost = caller.token_service(caller.encryption_body())
    assert caller.token() == lost["data"]["accessToken"]


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("", [1, 2, 3, 4, 5, 6]),
        ("times=2", [1, 2]),
        ("nth=3", [3]),
        ("nth=3 times=2", [3, 4]),
        ("probability=1", [1, 2, 3, 4, 5, 6]),
        ("probability=1 times=1", [1]),
    ],
)
def test_a_fault_fires_when_it_is_to(caller: Caller, when: str, expected: list[int]) -> None:
    caller.simulator.add_fault(f"close-before get {when}")
    assert befallen(caller, 6) == expected


def test_requests_are_counted_from_when_the_fault_was_set(caller: Caller) -> None:
    get(caller)
    caller.simulator.add_fault("close-before get nth=2")
    assert befallen(caller, 3) == [2]


def test_only_the_operations_it_concerns_are_counted_and_befallen(caller: Caller) -> None:
    caller.simulator.add_fault("close-before cancelTask searchTask nth=2")
    kinds = [send.kind for send in (cancel(caller), get(caller), get(caller), cancel(caller, "dk-02"))]
    assert kinds == ["answer", "answer", "answer", "closed"]


def test_a_fault_without_operations_befalls_whatever_comes(caller: Caller) -> None:
    caller.simulator.add_fault("close-before")
    assert (get(caller).kind, cancel(caller).kind) == ("closed", "closed")


def test_what_goes_by_chance_is_repeated_by_the_same_seed() -> None:
    def run() -> list[int]:
        caller = make_caller(SMALL_FLEET)
        caller.simulator.add_fault("close-before get probability=0.3")
        return befallen(caller, 200)

    first = run()
    assert first == run()
    assert 30 < len(first) < 90


def test_what_goes_by_chance_is_repeated_after_a_reset() -> None:
    caller = make_caller({**SMALL_FLEET, "faults": ["close-before get probability=0.5"]})
    before = befallen(caller, 50)
    caller.simulator.reset()
    caller._token = None
    assert befallen(caller, 50) == before


@pytest.mark.parametrize(("fault", "least", "most"), [("latency seconds=3", 3, 3), ("latency seconds=1-2", 1, 2)])
def test_a_late_answer_is_the_right_one_with_a_delay(caller: Caller, fault: str, least: float, most: float) -> None:
    caller.simulator.add_fault(fault)
    delays = [get(caller).delay for _ in range(50)]
    assert least <= min(delays) <= max(delays) <= most
    assert (len(set(delays)) > 1) == (least < most)


def test_a_latency_goes_together_with_another_fault_and_latencies_add_up(caller: Caller) -> None:
    for fault in ("latency seconds=1", "close-after", "latency seconds=2"):
        caller.simulator.add_fault(fault)
    reply = cancel(caller)
    assert (reply.kind, reply.delay) == ("closed", 3)
    assert caller.simulator.journal.entries[0].fault == "latency close-after"


def test_of_two_faults_the_one_set_first_fires_and_the_other_is_not_used_up(caller: Caller) -> None:
    caller.simulator.add_fault("close-before get nth=1")
    caller.simulator.add_fault("throttle get times=1")
    assert [get(caller).kind, get(caller).http, get(caller).http] == ["closed", 429, 200]


def test_each_fault_and_each_request_is_counted(caller: Caller) -> None:
    before = caller.simulator.journal.requests["get"]
    caller.simulator.add_fault("close-before get nth=2")
    caller.simulator.add_fault("cut get nth=3")
    for _ in range(4):
        get(caller)
    journal = caller.simulator.journal
    assert journal.requests["get"] - before == 4
    assert journal.faults == {"get close-before": 1, "get cut": 1}
    assert (journal.answers["get close-before"], journal.answers["get 0"]) == (1, 3)
    assert [(one.seen, one.fired) for one in caller.simulator.faults.active] == [(4, 1), (4, 1)]


def test_clearing_removes_all_faults(caller: Caller) -> None:
    caller.simulator.add_fault("close-before")
    caller.simulator.add_fault("throttle")
    assert (caller.simulator.faults.clear(), get(caller).http) == (2, 200)


def test_a_reset_sets_the_faults_of_the_fleet_again(caller: Caller) -> None:
    caller = make_caller({**SMALL_FLEET, "faults": [{"what": "close-before", "operations": ["get"], "nth": 1}]})
    caller.simulator.add_fault("throttle")
    caller.simulator.reset()
    caller._token = None
    assert [get(caller).kind, get(caller).http] == ["closed", 200]


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("", "what: Input should be 'latency'"),
        ("explode", "what: Input should be 'latency'"),
        ("throttle fly", "operations[0]: Input should be 'token/get'"),
        ("throttle times=0", "times: Input should be greater than or equal to 1"),
        ("throttle nth=0", "nth: Input should be greater than or equal to 1"),
        ("throttle probability=2", "probability: Input should be less than or equal to 1"),
        ("throttle probability=0", "probability: Input should be greater than 0"),
        ("throttle nth=1 probability=0.5", "fault: takes probability or nth, not both"),
        ("throttle seconds=1", "fault: throttle takes no seconds"),
        ("close-after retryAfter=1 status=500", "fault: close-after takes no retryAfter, status"),
        ("latency processed=yes", "fault: latency takes no processed"),
        ("latency seconds=soon", "seconds[0]: Input should be a valid number"),
        ("latency seconds=2-1", "seconds: the first number must not be greater than the second"),
        ("latency seconds=nan", "seconds[0]: Input should be a finite number"),
        ("gateway status=404", "fault: gateway takes status 400, 401, 403, 413, 429, 500, 503, not 404"),
        ("gateway processed=yes", "fault: gateway takes no processed"),
        ("throttle envelope=no", "fault: throttle takes no envelope"),
        ("error code=24404", "code: Input should be 99500 or 24500"),
        ("error every=2", "every: Extra inputs are not permitted"),
        ("throttle times=1 times=2", "fault: times is given twice"),
        (5, "fault: Input should be a valid dictionary or instance of Fault"),
        ({"operations": ["get"]}, "what: Field required"),
        ({"what": "throttle", "operations": []}, "operations: Tuple should have at least 1 item"),
    ],
)
def test_a_wrong_fault_is_named_with_what_is_wrong(fault: Any, why: str) -> None:
    with pytest.raises(SetupError) as caught:
        Fault.parse(fault)
    assert str(caught.value)[: len(why)] == why


def test_a_text_and_a_mapping_say_the_same() -> None:
    text = "error get search status=503 envelope=no processed=yes times=2 probability=0.5"
    mapping = {
        "what": "error",
        "operations": ["get", "search"],
        "status": 503,
        "envelope": False,
        "processed": True,
        "times": 2,
        "probability": 0.5,
    }
    assert Fault.parse(text) == Fault.parse(mapping)
    assert Fault.parse("latency seconds=0.5-2") == Fault.parse({"what": "latency", "seconds": [0.5, 2]})


def throttled(caller: Caller, seconds: float, requests: int = 20) -> int:
    """How many of these requests are throttled that come so many seconds apart."""
    count = 0
    for _ in range(requests):
        count += get(caller).http == 429
        caller.clock.forward(seconds)
    return count


@pytest.mark.parametrize(("apart", "expected"), [(0, 15), (0.1, 5), (0.2, 0), (1, 0)])
def test_more_requests_than_the_switch_allows_are_throttled(apart: float, expected: int) -> None:
    caller = make_caller(SMALL_FLEET, throttle=5)
    caller.token()
    # A second's worth at once, then one each 0.2 s.
    assert abs(throttled(caller, apart) - expected) <= 1


@pytest.mark.parametrize(
    ("rate", "apart", "requests", "expected"),
    [
        ("30/min", 0, 40, 10),
        ("30/min", 1, 80, 10),
        ("30/min", 2, 80, 0),
        ("30/h", 0, 40, 10),
        ("30/h", 60, 80, 10),
        ("30/h", 120, 80, 0),
    ],
)
def test_a_limit_can_be_one_of_a_minute_or_an_hour(rate: str, apart: float, requests: int, expected: int) -> None:
    caller = make_caller(SMALL_FLEET | {"tokenSeconds": 100_000}, throttle=rate)
    caller.token()
    # A unit's worth at once, then one each 2 s or 2 min.
    assert abs(throttled(caller, apart, requests) - expected) <= 1


@pytest.mark.parametrize(("seconds", "headers"), [(0, {}), (3, {"Retry-After": "3"})])
def test_a_throttled_request_may_have_a_retry_after(seconds: int, headers: dict[str, str]) -> None:
    caller = make_caller(SMALL_FLEET, throttle=1, throttle_retry_after=seconds)
    get(caller)
    reply = cancel(caller)
    assert (reply.http, reply.headers) == (429, headers)
    (entry,) = caller.simulator.journal.entries
    assert (entry.processed, entry.fault, entry.keys) == (False, "throttle", ("dk-01",))


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("message", {"message": "API rate limit exceeded"}),
        ("envelope", {"code": 429, "msg": "API rate limit exceeded", "data": None}),
    ],
)
def test_a_throttled_request_is_answered_in_the_form_of_the_gateway(form: str, body: dict[str, object]) -> None:
    caller = make_caller(SMALL_FLEET, throttle=1, gateway_form=form)
    get(caller)
    reply = get(caller).body
    reply.pop("requestId", None)
    assert reply == body


def test_the_token_service_is_not_throttled() -> None:
    caller = make_caller(SMALL_FLEET, throttle=1)
    assert {caller.token_service(caller.encryption_body())["status"] for _ in range(5)} == {0}
