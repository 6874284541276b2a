"""When a token is requested."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from enos_ota.enos import AnswerLost, AuthenticationError, EnosError
from enos_ota.enos.auth import Token, TokenSource
from enos_ota.enos.limiter import MustWait

if TYPE_CHECKING:
    from tests.harness.clock import FakeClock


class Service:
    """A token service that numbers its tokens."""

    def __init__(self, lifetime: float = 7200) -> None:
        self.lifetime = lifetime
        self.asked: list[str] = []
        self.failure: EnosError | MustWait | None = None

    def ask(self, old: Token | None) -> Token | EnosError | MustWait:
        self.asked.append("refresh" if old else "get")
        return self.failure or Token(f"token-{len(self.asked)}", self.lifetime)


class Source:
    """A token source and the service it asks."""

    def __init__(self, service: Service, clock: FakeClock) -> None:
        self.service = service
        self.tokens = TokenSource(clock)

    def current(self) -> Token:
        return self.replace(None)

    def replace(self, rejected: Token | None) -> Token:
        outcome = self.obtain(rejected)
        assert isinstance(outcome, Token)
        return outcome

    def obtain(self, rejected: Token | None = None) -> Token | EnosError | MustWait:
        return self.tokens.cached_token(rejected) or self.tokens.obtain(self.service.ask, rejected)


def source(service: Service, clock: FakeClock) -> Source:
    return Source(service, clock)


def test_nothing_is_asked_before_a_token_is_needed(clock: FakeClock) -> None:
    service = Service()

    source(service, clock)

    assert service.asked == []


def test_one_request_serves_all_threads(clock: FakeClock) -> None:
    service = Service()
    tokens = source(service, clock)

    with ThreadPoolExecutor(16) as threads:
        texts = {token.text for token in threads.map(lambda _: tokens.current(), range(64))}

    assert (texts, service.asked) == ({"token-1"}, ["get"])


def test_a_token_is_refreshed_ten_minutes_before_its_end(clock: FakeClock) -> None:
    service = Service()
    tokens = source(service, clock)
    tokens.current()

    clock.advance(7200 - 601)
    before = tokens.current().text
    clock.advance(1)

    assert (before, tokens.current().text, service.asked) == ("token-1", "token-2", ["get", "refresh"])


def test_a_short_lived_token_is_refreshed_in_its_last_quarter(clock: FakeClock) -> None:
    service = Service(lifetime=100)
    tokens = source(service, clock)
    tokens.current()

    clock.advance(74)
    tokens.current()
    clock.advance(1)
    tokens.current()

    assert service.asked == ["get", "refresh"]


def test_an_expired_token_is_replaced(clock: FakeClock) -> None:
    service = Service()
    tokens = source(service, clock)
    tokens.current()

    clock.advance(7200)
    tokens.current()

    assert service.asked == ["get", "get"]


def test_a_failed_refresh_leaves_the_old_token_and_is_tried_again_a_minute_later(clock: FakeClock) -> None:
    service = Service()
    tokens = source(service, clock)
    tokens.current()
    clock.advance(7000)
    service.failure = AnswerLost("lost")

    texts = [tokens.current().text, tokens.current().text]
    clock.advance(60)
    service.failure = None
    texts.append(tokens.current().text)

    assert (texts, service.asked) == (["token-1", "token-1", "token-3"], ["get", "refresh", "refresh"])


def test_threads_with_the_same_rejected_token_get_one_new_one(clock: FakeClock) -> None:
    service = Service()
    tokens = source(service, clock)
    rejected = tokens.current()

    with ThreadPoolExecutor(16) as threads:
        texts = {token.text for token in threads.map(lambda _: tokens.replace(rejected), range(64))}

    assert (texts, service.asked) == ({"token-2"}, ["get", "get"])


@pytest.mark.parametrize("code", [1002, 1003])
def test_refused_credentials_are_not_tried_again(clock: FakeClock, code: int) -> None:
    service = Service()
    tokens = source(service, clock)
    service.failure = AuthenticationError("refused", code=code)

    outcomes = [tokens.obtain() for _ in range(3)]

    assert [getattr(outcome, "code", None) for outcome in outcomes] == [code] * 3
    assert service.asked == ["get"]


def test_a_passing_failure_is_not_remembered(clock: FakeClock) -> None:
    service = Service()
    tokens = source(service, clock)
    service.failure = AnswerLost("lost")
    tokens.obtain()

    service.failure = None

    assert tokens.current().text == "token-2"


def test_a_thread_that_waits_before_its_request_blocks_no_other(clock: FakeClock) -> None:
    service = Service()
    tokens = source(service, clock)
    service.failure = MustWait(60)
    waiting = tokens.obtain()

    service.failure = None

    assert (waiting, tokens.current().text) == (MustWait(60), "token-2")


def test_a_token_does_not_show_its_text() -> None:
    assert "s3cr3t" not in repr(Token("s3cr3t", 7200))
