"""When the token service is asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from enos_ota.enos import AnswerLost, AuthenticationError
from enos_ota.enos.tokens import Token, TokenSource

if TYPE_CHECKING:
    from tests.support.clock import FakeClock


class Service:
    """A token service that numbers its tokens."""

    def __init__(self, lifetime: float = 7200) -> None:
        self.lifetime = lifetime
        self.asked: list[str] = []
        self.failure: Exception | None = None

    def get(self) -> Token:
        return self._give("get")

    def refresh(self, _: Token) -> Token:
        return self._give("refresh")

    def _give(self, operation: str) -> Token:
        self.asked.append(operation)
        if self.failure:
            raise self.failure
        return Token(f"token-{len(self.asked)}", self.lifetime)


def source(service: Service, clock: FakeClock) -> TokenSource:
    return TokenSource(service.get, service.refresh, clock)


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


def test_a_token_past_its_end_is_got_anew(clock: FakeClock) -> None:
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

    for _ in range(3):
        with pytest.raises(AuthenticationError, match="refused") as caught:
            tokens.current()
        assert caught.value.code == code

    assert service.asked == ["get"]


def test_a_passing_failure_is_not_remembered(clock: FakeClock) -> None:
    service = Service()
    tokens = source(service, clock)
    service.failure = AnswerLost("lost")
    with pytest.raises(AnswerLost):
        tokens.current()

    service.failure = None

    assert tokens.current().text == "token-2"


def test_a_token_does_not_show_its_text() -> None:
    assert "s3cr3t" not in repr(Token("s3cr3t", 7200))
