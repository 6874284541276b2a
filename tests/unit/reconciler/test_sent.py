"""Whatever ends a run can tell which requests that change something were sent, and what came of them."""

from __future__ import annotations

import pytest

from enos_ota.enos import AnswerLost, ConnectError, EnosError, PermissionDenied
from enos_ota.reconciler.deadline import NotSent
from enos_ota.reconciler.sent import SentRequest, SentRequests

REQUEST = SentRequest("cancelTask", "j", 2)


class Log:
    """Keeps what it is told; `failure` is raised in place of the first line."""

    def __init__(self, failure: EnosError | None = None) -> None:
        self.told: list[str] = []
        self._failure = failure

    def try_out(self) -> None: ...

    def before(self) -> None:
        if self._failure:
            raise self._failure
        self.told.append("before")

    def after(self, outcome: str | EnosError, /) -> None:
        self.told.append(str(outcome))


def test_a_request_counts_as_sent_while_it_is_not_answered() -> None:
    requests = SentRequests()
    requests.watch("cancelTask", "j", ["a", "b", "b"]).before()
    assert (bool(requests), requests.unknown, requests.accepted) == (True, [REQUEST], [])


def test_a_request_that_was_answered_counts_as_accepted() -> None:
    requests = SentRequests()
    watch = requests.watch("cancelTask", "j", ["a", "b"])
    watch.before()
    watch.after("r-1")
    assert (bool(requests), requests.unknown, requests.accepted) == (True, [], [REQUEST])


def test_a_lost_answer_leaves_it_unknown() -> None:
    requests = SentRequests()
    watch = requests.watch("cancelTask", "j", ["a", "b"])
    watch.before()
    watch.after(AnswerLost("closed"))
    assert (bool(requests), requests.unknown) == (True, [REQUEST])


@pytest.mark.parametrize("outcome", [NotSent("interrupted"), ConnectError("refused")])
def test_what_surely_was_not_processed_does_not_count(outcome: EnosError) -> None:
    requests = SentRequests()
    watch = requests.watch("cancelTask", "j", ["a"])
    watch.before()
    watch.after(outcome)
    assert not requests


def test_what_enos_refused_is_no_change_but_was_sent() -> None:
    requests = SentRequests()
    watch = requests.watch("cancelTask", "j", ["a", "b"])
    watch.before()
    watch.after(PermissionDenied("99403", code=99403))
    assert (bool(requests), requests.refused) == (False, [REQUEST])


def test_what_the_log_refuses_is_not_sent() -> None:
    requests = SentRequests()
    with pytest.raises(EnosError):
        requests.watch("cancelTask", "j", ["a"], Log(EnosError("disk full"))).before()
    assert not requests


def test_who_gives_up_waiting_writes_the_last_line_and_a_late_answer_writes_no_other() -> None:
    requests, log = SentRequests(), Log()
    watch = requests.watch("cancelTask", "j", ["a", "b"], log)
    watch.before()
    requests.give_up("ended")
    watch.after("r-1")
    assert (log.told, requests.unknown) == (["before", "ended"], [REQUEST])


def test_each_attempt_of_a_call_counts() -> None:
    requests, log = SentRequests(), Log()
    watch = requests.watch("cancelTask", "j", ["a", "b"], log)
    for _ in range(2):
        watch.before()
        watch.after(AnswerLost("closed"))
    assert (requests.unknown, log.told) == ([REQUEST, REQUEST], ["before", "closed"] * 2)
