"""Sending: sign, send, read a bounded answer, decide, wait, send again."""

from __future__ import annotations

import json
import logging
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from enos_ota.enos.answers import Answer, Envelope, classify, invalid, is_token_rejection, parse_retry_after
from enos_ota.enos.auth import Timestamps, encryption, sign
from enos_ota.enos.connections import Session
from enos_ota.enos.errors import EnosError, Throttled
from enos_ota.enos.failures import LOWER_LAYERS, error_for, lost
from enos_ota.enos.models import whole_number
from enos_ota.enos.operations import GET_TOKEN, REFRESH_TOKEN, Call, Operation
from enos_ota.enos.retry import RetryBudget, RetryPolicy, asked_wait, backoff, may_be_sent_again
from enos_ota.enos.tokens import Token, TokenSource

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests
    from requests.adapters import BaseAdapter

    from enos_ota.enos.auth import Credentials
    from enos_ota.enos.clock import Clock
    from enos_ota.enos.limiter import Limiter

_LOGGER: Final = logging.getLogger("enos_ota.enos")
MAX_ANSWER: Final = 64 * 1024 * 1024
"""The largest answer that is read, in bytes, decompressed."""
ANSWER_PATIENCE: Final = 4
"""A whole answer may take this many read time-outs, so that one which drips in byte by byte ends as well."""
_CHUNK: Final = 64 * 1024
_TOKEN_LIFETIME: Final = 7200  # EnOS's own, at first [D]; for an answer that does not say


def json_body(value: object) -> bytes:
    """JSON as it is signed and sent."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class _Message(NamedTuple):
    """What one attempt sends, and what of it must not show in any text."""

    headers: dict[str, str]
    body: bytes
    secrets: tuple[str, ...]


class Transport:
    """What all threads of a client share: token, pace, budget, timestamps; and a session for each of them."""

    def __init__(
        self,
        gateway: str,
        credentials: Credentials,
        *,
        ca_bundle: str | None,
        timeout: tuple[float, float],
        retry: RetryPolicy,
        limiter: Limiter,
        clock: Clock,
        random: Callable[[], float],
        before_write: Callable[[], None] | None,
        adapter: Callable[[], BaseAdapter] | None,
    ) -> None:
        self._gateway = gateway
        self._credentials = credentials
        self._ca_bundle = ca_bundle
        self._timeout = timeout
        self._retry = retry
        self._limiter = limiter
        self._clock = clock
        self._random = random
        self._before_write = before_write
        self._adapter = adapter
        self._budget = RetryBudget(retry.budget)
        self._timestamps = Timestamps(clock)
        self._tokens = TokenSource(self._get_token, self._refresh_token, clock)
        self._local = threading.local()
        self._sessions: weakref.WeakSet[Session] = weakref.WeakSet()
        self._sessions_lock = threading.Lock()
        self._closed = False

    def call(self, call: Call) -> Envelope:
        """Make a signed call, as often as is safe and useful.

        Raises:
            EnosError: it did not succeed.
        """
        renewed = False

        def send(attempt: int) -> Envelope | EnosError:
            nonlocal renewed
            token = self._tokens.current()
            outcome = self._send(call, attempt, lambda: self._signed(call, token))
            if isinstance(outcome, EnosError) and is_token_rejection(outcome) and not renewed:
                renewed = True
                token = self._tokens.replace(token)
                outcome = self._send(call, attempt, lambda: self._signed(call, token))
            return outcome

        return self._repeat(call, send, self._retry.attempts)

    def close(self) -> None:
        """Close the connections of all threads."""
        self._closed = True
        with self._sessions_lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.close()

    def _repeat(self, call: Call, send: Callable[[int], Envelope | EnosError], attempts: int) -> Envelope:
        attempt = 1
        taken = 0  # retries from the budget
        while isinstance(outcome := send(attempt), EnosError):
            wait = asked_wait(outcome)
            if wait is not None:
                self._limiter.pause(wait)
            if (
                attempt >= attempts
                or (wait or 0) > self._retry.patience
                or not may_be_sent_again(outcome, writes=call.operation.writes)
                # Throttling has a pace of its own; the budget is for outages.
                or not (isinstance(outcome, Throttled) or self._budget.take())
            ):
                if attempt > 1:
                    outcome.args = (f"{outcome} Tried {attempt} times.",)
                raise outcome
            taken += not isinstance(outcome, Throttled)
            if not wait:  # "Retry-After: 0" names no pace either
                self._clock.sleep(backoff(self._retry, attempt, self._random()))
            attempt += 1
        self._budget.give_back(taken)
        return outcome

    def _get_token(self) -> Token:
        call = Call(GET_TOKEN)
        envelope = self._repeat(call, lambda attempt: self._ask_token(call, attempt, {}), self._retry.attempts)
        return self._token(call, envelope)

    def _refresh_token(self, token: Token) -> Token:
        call = Call(REFRESH_TOKEN)
        # Once: the token at hand is still good, and every thread waits for this.
        more = {"accessToken": token.text}
        return self._token(call, self._repeat(call, lambda attempt: self._ask_token(call, attempt, more), 1))

    def _ask_token(self, call: Call, attempt: int, more: dict[str, str]) -> Envelope | EnosError:
        def message() -> _Message:
            key, timestamp = self._credentials.app_key, self._timestamps.take()
            proof = encryption(key, self._credentials.app_secret, timestamp)
            body = json_body({"appKey": key, "encryption": proof, "timestamp": timestamp, **more})
            return _Message({}, body, (proof, *more.values()))

        return self._send(call, attempt, message)

    @staticmethod
    def _token(call: Call, envelope: Envelope) -> Token:
        data = envelope.data if isinstance(envelope.data, dict) else {}
        text, lifetime = data.get("accessToken"), whole_number(data.get("expire"))
        if not (isinstance(text, str) and text and text.isascii() and text.isprintable()):
            raise invalid(call, "with success, but without a token", http_status=None)
        return Token(text, _TOKEN_LIFETIME if lifetime is None else max(0, lifetime))

    def _signed(self, call: Call, token: Token) -> _Message:
        timestamp = self._timestamps.take()
        signature = sign(token.text, _query(call), call.body, timestamp, self._credentials.app_secret)
        headers = {"apim-accesstoken": token.text, "apim-timestamp": str(timestamp), "apim-signature": signature}
        return _Message(headers, call.body, (token.text, signature))

    def _send(self, call: Call, attempt: int, prepare: Callable[[], _Message]) -> Envelope | EnosError:
        """One attempt; failures are values here, raised where no exception of a layer below is around."""
        if (left := self._limiter.pause_left()) > self._retry.patience:
            return Throttled(
                f"EnOS asked for a pause that has {left:.0f} s to go; {call.what} was not sent. Try again later.",
                operation=call.operation.name,
                retry_after=left,
            )
        self._limiter.wait()
        if call.operation.writes and self._before_write:
            self._before_write()
        message = prepare()  # only now, so that the timestamp is fresh
        started = self._clock.monotonic()
        answer = self._exchange(call, message.headers, message.body)
        if isinstance(answer, Answer):
            outcome = classify(answer, call, (self._credentials.app_secret, *message.secrets))
        else:
            outcome = answer
        self._log(call.operation, attempt, outcome, self._clock.monotonic() - started)
        return outcome

    def _exchange(self, call: Call, headers: dict[str, str], body: bytes) -> Answer | EnosError:
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "enos-ota"} | headers
        if body:
            headers["Content-Type"] = "application/json;charset=UTF-8"
        query = _query(call)
        url = f"{self._gateway}{call.operation.path}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        session, timeout = self._session(), self._timeout
        response: requests.Response | None = None
        try:
            response = session.fetch(call.operation.method, url, headers=headers, body=body, timeout=timeout)
            with response:
                return self._read(call, response)
        except LOWER_LAYERS as failure:
            return error_for(failure, call, gateway=self._gateway, timeout=timeout, answering=response is not None)

    def _read(self, call: Call, response: requests.Response) -> Answer | EnosError:
        deadline = self._clock.monotonic() + ANSWER_PATIENCE * self._timeout[1]
        body = bytearray()
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > MAX_ANSWER:
                problem = f"with more than {MAX_ANSWER // 2**20} MiB, which were not read"
                return invalid(call, problem, http_status=response.status_code)
            if self._clock.monotonic() > deadline:
                return lost(call, f"{self._gateway} did not finish its answer to {call.what} in time")
        return Answer(
            http_status=response.status_code,
            content_type=response.headers.get("Content-Type", ""),
            retry_after=parse_retry_after(
                response.headers.get("Retry-After"), date=response.headers.get("Date"), now=self._clock.time()
            ),
            body=bytes(body),
        )

    def _session(self) -> Session:
        if self._closed:
            raise RuntimeError("the client is closed")
        session: Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = Session(self._gateway, self._ca_bundle, self._adapter)
            with self._sessions_lock:
                self._sessions.add(session)
        return session

    @staticmethod
    def _log(operation: Operation, attempt: int, outcome: Envelope | EnosError, seconds: float) -> None:
        if _LOGGER.isEnabledFor(logging.DEBUG):
            told: Any = outcome
            code = 0 if isinstance(outcome, Envelope) else getattr(told, "code", None)
            _LOGGER.debug(
                "%s: attempt %d: %s code=%s requestId=%s %.0f ms",
                operation.name,
                attempt,
                "ok" if isinstance(outcome, Envelope) else type(outcome).__name__,
                code,
                getattr(told, "request_id", ""),
                seconds * 1000,
            )


def _query(call: Call) -> dict[str, str]:
    action = {"action": call.operation.action} if call.operation.action else {}
    return {**action, **call.query}
