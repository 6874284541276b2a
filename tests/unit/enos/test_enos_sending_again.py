"""How many requests are sent, and when: retries, rejected tokens, waits."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest

from enos_ota.enos import (
    AnswerLost,
    ApiError,
    AuthenticationError,
    EnosError,
    GatewayRefusal,
    InvalidAnswer,
    RetryPolicy,
    ServerError,
    Throttled,
    Timeout,
)
from tests.harness.clock import FakeClock
from tests.harness.scripted_server import (
    DROP,
    Request,
    ScriptedServer,
    Step,
    envelope,
    http,
    ok,
    refusal,
    rejection,
    token,
)

if TYPE_CHECKING:
    from tests.unit.enos.conftest import Connect

JOB = ok({"jobId": "j", "status": "started"})


@pytest.mark.parametrize(
    "step",
    [
        DROP,
        http(500),
        http(502, "<html>"),
        http(200, "<html>"),
        http(404),
        refusal(24500),
        refusal(99500),
        refusal(429),
    ],
)
def test_a_read_is_repeated_after_a_failure_that_may_pass(connect: Connect, step: Step) -> None:
    with ScriptedServer([step, step, JOB]) as server:
        job = connect(server).get_job("j")

    assert (job.job_id, server.names) == ("j", ["token/get", "get", "get", "get"])


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (DROP, AnswerLost),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100\r\n\r\n{}", AnswerLost),
        (http(500), ServerError),
        (http(502, "<html>"), ServerError),
        (http(200, "<html>"), InvalidAnswer),
        (http(302, location="/elsewhere"), InvalidAnswer),
        (refusal(24500), ServerError),
        (refusal(99500), ServerError),
    ],
)
def test_a_write_that_may_have_been_processed_is_left_to_the_caller(
    connect: Connect, step: Step, kind: type[Exception]
) -> None:
    with ScriptedServer([step]) as server:
        client = connect(server)
        with pytest.raises(kind) as caught:
            client.cancel_tasks("j", ["a"])

    assert caught.value.may_have_been_processed  # type: ignore[attr-defined]  # an EnosError
    assert server.names == ["token/get", "cancelTask"]


def test_a_stop_that_may_have_been_processed_is_left_to_the_caller(connect: Connect) -> None:
    with ScriptedServer([DROP]) as server, pytest.raises(AnswerLost, match="look at the job before sending it again"):
        connect(server).stop_job("j")

    assert server.names == ["token/get", "stop"]


@pytest.mark.parametrize("step", [refusal(429), http(429), http(429, retry_after="1")])
def test_a_throttled_write_is_repeated(connect: Connect, step: Step) -> None:
    with ScriptedServer([step, step, ok(request_id="r-1")]) as server:
        request_id = connect(server).cancel_tasks("j", ["a"])

    assert (request_id, server.names) == ("r-1", ["token/get", *["cancelTask"] * 3])


def test_a_write_taken_for_a_replay_is_repeated_with_another_timestamp(connect: Connect) -> None:
    with ScriptedServer([rejection(1001), ok()]) as server:
        connect(server).cancel_tasks("j", ["a"])

    first, second = (int(request.headers["apim-timestamp"]) for request in server.calls)
    assert first < second


def test_a_read_ends_after_five_attempts_and_reports_them(connect: Connect, clock: FakeClock) -> None:
    with ScriptedServer([http(503)] * 5) as server, pytest.raises(ServerError, match=r" Tried 5 times\.$"):
        connect(server).get_job("j")

    assert clock.sleeps == [0.5, 1, 2, 4]


def test_an_outage_is_not_multiplied(connect: Connect) -> None:
    with ScriptedServer([http(503)] * (4 + 2 + 10)) as server:
        client = connect(server, retry=RetryPolicy(budget=6))
        for _ in range(10):
            with pytest.raises(ServerError):
                client.get_job("j")

    # Ten calls, six retries: four for the first, two for the second, then none is left.
    assert server.names.count("get") == 10 + 6


def test_the_token_service_is_asked_again_after_a_failure_that_may_pass(connect: Connect) -> None:
    tokens: list[Step] = [DROP, http(503), rejection(1001), rejection(1005), token("t")]
    with ScriptedServer([JOB], tokens=tokens) as server:
        connect(server).get_job("j")

    stamps = [request.json()["timestamp"] for request in server.requests[:5]]
    assert stamps == sorted(set(stamps))


def test_a_write_whose_token_cannot_be_got_was_not_sent(connect: Connect) -> None:
    with ScriptedServer(tokens=[DROP] * 5) as server, pytest.raises(AnswerLost) as caught:
        connect(server).cancel_tasks("j", ["a"])

    assert (caught.value.operation, caught.value.may_have_been_processed) == ("token/get", False)


@pytest.mark.parametrize(
    "step",
    [
        rejection(1203),
        rejection(4011),
        rejection(4012),
        rejection(1203, status=401),
        http(401),
        envelope({"message": "no"}, 401),
    ],
)
def test_a_rejected_token_is_replaced_and_the_write_sent_once_more(connect: Connect, step: Step) -> None:
    with ScriptedServer([step, ok()]) as server:
        connect(server).cancel_tasks("j", ["a"])

    assert server.names == ["token/get", "cancelTask", "token/get", "cancelTask"]
    assert server.calls[1].headers["apim-accesstoken"] == "token-2"


@pytest.mark.parametrize(
    "step", [rejection(1203), rejection(4011, field="apim_status"), http(401), envelope({"message": "no"}, 401)]
)
def test_a_second_rejection_is_the_end(connect: Connect, step: Step) -> None:
    with ScriptedServer([step, step]) as server, pytest.raises(AuthenticationError) as caught:
        connect(server).get_job("j")

    assert server.names == ["token/get", "get", "token/get", "get"]
    assert not caught.value.may_have_been_processed


@pytest.mark.parametrize("status", [400, 403, 413])
def test_a_refusal_of_the_gateway_costs_one_request_and_a_write_was_not_processed(
    connect: Connect, status: int
) -> None:
    no = envelope({"message": "why"}, status)
    with ScriptedServer([no, no]) as server:
        client = connect(server)
        for call in (lambda: client.get_job("j"), lambda: client.cancel_tasks("j", ["a"])):
            with pytest.raises(GatewayRefusal, match=rf"^EnOS's gateway refused .*: HTTP {status} 'why'\.") as caught:
                call()
            assert not caught.value.may_have_been_processed

    assert server.names == ["token/get", "get", "cancelTask"]


def test_a_refusal_of_the_gateway_to_give_a_token_costs_one_request(connect: Connect) -> None:
    no = envelope({"message": "Your IP address is not allowed"}, 403)
    with (
        ScriptedServer(tokens=[no]) as server,
        pytest.raises(GatewayRefusal, match="refused token/get: HTTP 403 'Your"),
    ):
        connect(server).cancel_tasks("j", ["a"])

    assert server.names == ["token/get"]


def test_a_gateway_that_is_unavailable_is_asked_again(connect: Connect) -> None:
    with ScriptedServer([envelope({"message": "Service unavailable"}, 503), JOB]) as server:
        assert connect(server).get_job("j").job_id == "j"


def test_one_call_replaces_one_token_whatever_comes_between(connect: Connect) -> None:
    with ScriptedServer([rejection(1203), http(503), rejection(1203)]) as server, pytest.raises(AuthenticationError):
        connect(server).get_job("j")

    assert server.names == ["token/get", "get", "token/get", "get", "get"]


@pytest.mark.parametrize("code", [1002, 1003])
def test_wrong_credentials_cost_one_request(connect: Connect, code: int) -> None:
    with ScriptedServer(tokens=[rejection(code)]) as server:
        client = connect(server)
        for _ in range(3):
            with pytest.raises(
                AuthenticationError, match=rf"^EnOS refused token/get: {code} rejected\. Check enos:app"
            ):
                client.get_job("j")

    assert server.names == ["token/get"]


@pytest.mark.parametrize("data", [None, [], {}, {"accessToken": None}, {"accessToken": ""}, {"accessToken": "a\nb"}])
def test_a_success_without_a_token_is_no_answer(connect: Connect, data: object) -> None:
    with (
        ScriptedServer(tokens=[envelope({"status": 0, "data": data})]) as server,
        pytest.raises(InvalidAnswer, match=r"^token/get was answered with success, but without a token\.$"),
    ):
        connect(server).get_job("j")


@pytest.mark.parametrize("expire", [None, "7200", 7200])
def test_the_lifetime_of_a_token_may_be_absent_or_a_text(connect: Connect, clock: FakeClock, expire: object) -> None:
    with ScriptedServer([JOB, JOB], tokens=[token("t", expire)]) as server:
        client = connect(server)
        client.get_job("j")
        clock.advance(6000)
        client.get_job("j")

    assert server.names == ["token/get", "get", "get"]


def test_retry_after_is_waited_for(connect: Connect, clock: FakeClock) -> None:
    with ScriptedServer([http(429, retry_after="7"), JOB]) as server:
        connect(server).get_job("j")

    assert clock.sleeps == [7]


@pytest.mark.parametrize(("random", "pause"), [(0.0, 0.25), (1.0, 0.5)])
def test_a_pause_of_the_whole_client_is_at_least_half_of_what_it_may_be(
    connect: Connect, clock: FakeClock, random: float, pause: float
) -> None:
    with ScriptedServer([http(429), JOB]) as server:
        connect(server, random=lambda: random).get_job("j")

    assert clock.sleeps == [pause]


def test_retry_after_may_be_a_date(connect: Connect, clock: FakeClock) -> None:
    until = formatdate(time.time() + 100, usegmt=True)
    with ScriptedServer([http(429, retry_after=until), JOB]) as server:
        connect(server).get_job("j")

    assert clock.sleeps == [pytest.approx(100, abs=30)]


@pytest.mark.parametrize("value", ["", "-1", "1.5", "soon", "9" * 5000, "Tue, 14 Nov 99999 22:13:10 GMT"])
def test_a_retry_after_that_cannot_be_read_is_ignored(connect: Connect, clock: FakeClock, value: str) -> None:
    with ScriptedServer([http(429, retry_after=value), JOB]) as server:
        connect(server).get_job("j")

    assert clock.sleeps == [0.5]


def test_retry_after_holds_back_every_call_of_the_client(connect: Connect, clock: FakeClock) -> None:
    with ScriptedServer([http(503, retry_after="60"), JOB]) as server:
        client = connect(server, retry=RetryPolicy(attempts=1))
        with pytest.raises(ServerError):
            client.get_job("j")
        client.get_job("j")

    assert clock.sleeps == [60]


@pytest.mark.parametrize(
    ("status", "kind", "cause", "advice"),
    [
        (429, Throttled, "EnOS throttles and asked for a pause", "Try again later, or set enos:maxRequestsPerSecond."),
        (503, ServerError, "EnOS asked for a pause", "Try again later."),
    ],
)
def test_a_pause_that_is_too_long_is_an_error_that_names_it_and_nothing_is_sent_during_it(
    connect: Connect, clock: FakeClock, *, status: int, kind: type[ApiError], cause: str, advice: str
) -> None:
    limit = "; enos-ota gives up after 120 s without a successful request."
    with ScriptedServer([http(status, retry_after="299")]) as server:
        client = connect(server)
        with pytest.raises(kind) as first:
            client.get_job("j")
        clock.advance(9)
        with pytest.raises(kind) as second:
            client.cancel_tasks("j", ["a"])

    assert clock.sleeps == []
    assert str(first.value).endswith(f" {cause}, 299 s left{limit}")
    assert str(second.value) == f"cancelTask (1 device of job j) was not sent. {cause}, 290 s left{limit} {advice}"
    assert (second.value.retry_after, second.value.may_have_been_processed) == (290, False)


def test_a_pause_that_would_end_too_late_is_not_waited_for(connect: Connect, clock: FakeClock) -> None:
    with (
        ScriptedServer([http(503, retry_after="70"), http(503, retry_after="70")]) as server,
        pytest.raises(ServerError, match="EnOS asked for a pause, 70 s left; enos-ota gives up after 120 s"),
    ):
        connect(server).get_job("j")

    assert clock.sleeps == [70]


@pytest.mark.parametrize("step", [http(503), DROP, http(200, "<html>")], ids=["503", "no answer", "no envelope"])
def test_no_attempt_begins_when_no_request_succeeded_for_two_minutes(
    connect: Connect, clock: FakeClock, step: Step
) -> None:
    def late(request: Request) -> Any:
        clock.advance(50)
        return step(request) if callable(step) else step

    with ScriptedServer([late, late, late]) as server, pytest.raises(EnosError) as caught:
        connect(server, timeout=Timeout(connect=5, read=60)).get_job("j")

    assert str(caught.value).endswith(" No request succeeded for 152 s. Tried 3 times.")


def test_a_request_of_another_thread_that_succeeds_ends_a_standstill(connect: Connect, clock: FakeClock) -> None:
    def late(_: Request) -> bytes:
        clock.advance(50)
        return http(503)

    with ScriptedServer([late, late, JOB, late, JOB]) as server:
        client = connect(server, timeout=Timeout(connect=5, read=60), retry=RetryPolicy(attempts=2))
        with pytest.raises(ServerError):
            client.get_job("j")
        client.get_job("j")
        client.get_job("j")

    assert server.names.count("get") == 5


def test_the_timestamp_is_taken_after_the_wait(connect: Connect, clock: FakeClock) -> None:
    with ScriptedServer([JOB, JOB]) as server:
        client = connect(server, max_requests_per_second=0.01)
        client.get_job("j")
        client.get_job("j")

    assert int(server.calls[1].headers["apim-timestamp"]) == int(clock.time() * 1000)


def test_a_clock_that_raises_ends_a_wait_and_nothing_more_is_sent(connect: Connect) -> None:
    class Interrupted(FakeClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            raise KeyboardInterrupt

    with ScriptedServer([http(503)]) as server, pytest.raises(KeyboardInterrupt):
        connect(server, clock=Interrupted()).get_job("j")

    assert server.names == ["token/get", "get"]


def test_a_retry_after_of_zero_still_waits(connect: Connect, clock: FakeClock) -> None:
    with ScriptedServer([http(429, retry_after="0"), JOB]) as server:
        connect(server).get_job("j")

    assert clock.sleeps == [0.5]


def test_the_caller_is_asked_before_each_attempt_of_a_write_and_of_a_write_only(connect: Connect) -> None:
    asked: list[int] = []
    with ScriptedServer([JOB, refusal(429), ok()]) as server:
        client = connect(server, before_write=lambda: asked.append(len(server.calls)))
        client.get_job("j")
        client.cancel_tasks("j", ["a"])

    assert asked == [1, 2]


def test_a_caller_who_objects_after_a_wait_keeps_the_write_from_being_sent(connect: Connect, clock: FakeClock) -> None:
    def object_after_a_wait() -> None:
        if clock.sleeps:
            raise InterruptedError

    with ScriptedServer([http(429, retry_after="60")]) as server, pytest.raises(InterruptedError):
        connect(server, before_write=object_after_a_wait).cancel_tasks("j", ["a"])

    assert (server.names, clock.sleeps) == (["token/get", "cancelTask"], [60])


def test_throttled_requests_count_as_no_attempts(connect: Connect) -> None:
    with ScriptedServer([refusal(429)] * 6 + [http(503), JOB]) as server:
        connect(server, retry=RetryPolicy(attempts=2)).get_job("j")

    assert server.names == ["token/get", *["get"] * 8]


def test_throttling_refills_no_retry_budget(connect: Connect) -> None:
    """It takes none from it either: two rejections for pace must not buy two retries in an outage."""
    with ScriptedServer([http(503), http(503), refusal(429), refusal(429), JOB, http(503)]) as server:
        client = connect(server, retry=RetryPolicy(budget=1))
        with pytest.raises(ServerError):
            client.get_job("j")
        client.get_job("j")
        with pytest.raises(ServerError):
            client.get_job("j")

    assert server.names == ["token/get", *["get"] * 6]
