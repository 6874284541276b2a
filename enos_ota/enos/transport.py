"""Transport of requests: sign, send, read the answer within limits, retry."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar
from urllib.parse import quote, urlencode

from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from enos_ota.enos.answers import Answer, Envelope, classify, invalid_answer
from enos_ota.enos.auth import Timestamps, Token, TokenSource, encryption, sign
from enos_ota.enos.errors import ApiError, EnosError, ServerError, Throttled, TransportError
from enos_ota.enos.failures import LOWER_LAYERS, error_for
from enos_ota.enos.limiter import MustWait
from enos_ota.enos.models import whole_number
from enos_ota.enos.operations import GET_TOKEN, REFRESH_TOKEN, ApiCall, Operation
from enos_ota.enos.retry import RetryBudget, RetryPolicy, backoff, is_token_rejection, may_be_sent_again

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from enos_ota.enos.auth import Credentials
    from enos_ota.enos.clock import Clock
    from enos_ota.enos.connections import HttpSession
    from enos_ota.enos.limiter import Limiter, Pause, Turn

_T = TypeVar("_T")
_LOGGER: Final = logging.getLogger("enos_ota.enos")
MAX_ANSWER: Final = 64 * 1024 * 1024
"""Largest answer that is read, in bytes after decompression."""
_CHUNK: Final = 64 * 1024
_TOKEN_LIFETIME: Final = 7200  # EnOS's default [D], for an answer without a lifetime


def json_body(value: object) -> bytes:
    """Return the JSON bytes that are signed and sent."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class WriteWatch(Protocol):
    """Callbacks right before and right after each attempt of one writing call, in the thread of the call.

    Order in each attempt: all waits, `before`, the client's `before_write`, the request, `after`. A repeated attempt,
    for instance after a rejected token, calls both again. An exception of either ends the call; nothing more is sent.
    """

    def before(self) -> None:
        """Run before the attempt. If this raises, no request is sent and `after` is not called."""
        ...

    def after(self, outcome: str | EnosError, /) -> None:
        """Receive the result of the attempt: EnOS's requestId, or the error.

        The error's `may_have_been_processed` says whether EnOS may have processed the request. `outcome` is also an
        EnosError that `before_write` raised; no request was sent then. After any other exception, for instance an
        interrupt, this method is not called: the result is unknown.
        """
        ...


class _Message(NamedTuple):
    """Call of one attempt, its own headers, and the secrets in both, which no text may show."""

    call: ApiCall
    headers: dict[str, str]
    secrets: tuple[str, ...]


@dataclass(eq=False, repr=False)
class Transport:
    """Sender of a client's calls: all threads share token, rate limit, retry budget and timestamps; each has a session.

    Every wait uses one function and holds no lock, so that an exception may end it.
    """

    gateway: str
    credentials: Credentials
    timeout: tuple[float, float]
    """Seconds to connect, and seconds for a whole attempt."""
    retry: RetryPolicy
    limiter: Limiter
    clock: Clock
    random: Callable[[], float]
    new_session: Callable[[], HttpSession]
    before_write: Callable[[], None] | None

    def __post_init__(self) -> None:
        self._budget = RetryBudget(self.retry.budget)
        self._timestamps = Timestamps(self.clock)
        self._tokens = TokenSource(self.clock)
        self._sleep: Callable[[float], None] = self.clock.sleep
        self._left: Callable[[], float] = lambda: float("inf")
        self._grace = 0.0
        self._local = threading.local()
        self._sessions: weakref.WeakSet[HttpSession] = weakref.WeakSet()
        self._sessions_lock = threading.Lock()
        self._closed = threading.Event()

    def waiting_by(self, sleep: Callable[[float], None], left: Callable[[], float], grace: float) -> Transport:
        """Return a view of this transport with another wait function and another deadline."""
        view = copy.copy(self)
        view._sleep, view._left, view._grace = sleep, left, grace  # noqa: SLF001 - another of our own
        return view

    def call(self, call: ApiCall, watch: WriteWatch | None = None) -> Envelope:
        """Send a signed call, and retry it where that is safe and useful; `watch` is for a writing call."""
        renewed = False

        def send(attempt: int) -> Envelope | EnosError:
            nonlocal renewed
            token = self._current_token()
            outcome = self._send(call, attempt, token, watch)
            if isinstance(outcome, EnosError) and is_token_rejection(outcome) and not renewed:
                renewed = True
                outcome = self._send(call, attempt, self._current_token(rejected=token), watch)
            return outcome

        return self._repeat(send, writes=call.operation.writes)

    def close(self) -> None:
        """Close the connections of all threads."""
        self._closed.set()
        with self._sessions_lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.close()

    def _repeat(self, send: Callable[[int], _T | EnosError], *, writes: bool) -> _T:
        attempt = 1
        failures = 0
        taken = 0  # retries from the budget
        while isinstance(outcome := send(attempt), EnosError):
            throttled = isinstance(outcome, Throttled)
            failures += not throttled
            if not may_be_sent_again(outcome, writes=writes):
                raise _with_attempts(outcome, attempt)
            asked = outcome.retry_after
            pause = self.limiter.current_pause()
            # The limiter sets the wait after a 429; "Retry-After: 0" gives none.
            wait = pause.seconds if throttled or asked else backoff(self.retry, failures, self.random())
            if self._standstill_exceeded_after(wait):
                raise _with_attempts(outcome, attempt, self._why_stopped(pause))
            if not throttled:
                # Attempts and budget limit retries after failures, not after a 429.
                if failures >= self.retry.attempts or not self._budget.take():
                    raise _with_attempts(outcome, attempt)
                taken += 1
                if not asked:
                    self._sleep(wait)
            attempt += 1
        self._budget.give_back(taken)
        return outcome

    def _standstill_exceeded_after(self, wait: float) -> bool:
        """Whether an attempt after this wait would begin after the end of `RetryPolicy.standstill`."""
        return self.limiter.standstill() + wait > self.retry.standstill

    def _why_stopped(self, pause: Pause) -> str:
        if pause.asked and pause.seconds:
            limit = f"{self.retry.standstill:.0f} s without a successful request"
            return f" {pause}; enos-ota gives up after {limit}."
        return f" No request succeeded for {self.limiter.standstill():.0f} s."

    def _current_token(self, rejected: Token | None = None) -> Token:
        def send(attempt: int) -> Token | EnosError:
            while True:
                outcome = self._tokens.obtain(lambda old: self._ask_token(old, attempt), rejected)
                if not isinstance(outcome, MustWait):
                    return outcome
                self._sleep(outcome.seconds)

        return self._tokens.cached_token(rejected) or self._repeat(send, writes=False)

    def _ask_token(self, old: Token | None, attempt: int) -> Token | EnosError | MustWait:
        """Make one attempt to get a token, or to refresh a token that is still valid."""
        operation = REFRESH_TOKEN if old else GET_TOKEN
        turn = self._turn(ApiCall(operation))
        if isinstance(turn, MustWait):
            return turn
        key, timestamp = self.credentials.app_key, self._timestamps.take()
        proof = encryption(key, self.credentials.app_secret, timestamp)
        more = {"accessToken": old.text} if old else {}
        call = ApiCall(operation, body=json_body({"appKey": key, "encryption": proof, "timestamp": timestamp, **more}))
        outcome = self._attempt(turn, attempt, _Message(call, {}, (proof, *more.values())))
        if isinstance(outcome, EnosError):
            return outcome
        data = outcome.data if isinstance(outcome.data, dict) else {}
        text, lifetime = data.get("accessToken"), whole_number(data.get("expire"))
        if not (isinstance(text, str) and text and text.isascii() and text.isprintable()):
            raise invalid_answer(call, "with success, but without a token")
        return Token(text, _TOKEN_LIFETIME if lifetime is None else max(0, lifetime))

    def _signed(self, call: ApiCall, token: Token) -> _Message:
        timestamp = self._timestamps.take()
        signature = sign(token.text, call.query, call.body, timestamp, self.credentials.app_secret)
        headers = {"apim-accesstoken": token.text, "apim-timestamp": str(timestamp), "apim-signature": signature}
        return _Message(call, headers, (token.text, signature))

    def _turn(self, call: ApiCall) -> Turn | MustWait:
        """Return the permission to send now, or the wait; raise an error if the pause is too long to wait for."""
        pause = self.limiter.current_pause()
        if not (pause.seconds and self._standstill_exceeded_after(pause.seconds)):
            return self.limiter.take()
        kind, more = (Throttled, ", or set enos:maxRequestsPerSecond") if pause.throttled else (ServerError, "")
        raise kind(
            f"{call.what} was not sent.{self._why_stopped(pause)} Try again later{more}.",
            operation=call.operation.name,
            retry_after=pause.seconds,
            may_have_been_processed=False,
        )

    def _send(self, call: ApiCall, attempt: int, token: Token, watch: WriteWatch | None) -> Envelope | EnosError:
        """Make one attempt after the wait that the limiter requires."""
        while isinstance(turn := self._turn(call), MustWait):
            self._sleep(turn.seconds)
        if not call.operation.writes:
            return self._attempt(turn, attempt, self._signed(call, token))
        if watch:
            watch.before()
        try:
            if self.before_write:
                self.before_write()
            outcome = self._attempt(turn, attempt, self._signed(call, token))
        except EnosError as error:
            if watch:
                watch.after(error)
            raise
        if watch:
            watch.after(outcome if isinstance(outcome, EnosError) else outcome.request_id)
        return outcome

    def _attempt(self, turn: Turn, attempt: int, message: _Message) -> Envelope | EnosError:
        """Send once and return the result; an error as a value, so that it has no lower exception as its context."""
        started = self.clock.monotonic()
        outcome: Answer | Envelope | EnosError = self._exchange(message.call, message.headers)
        if isinstance(outcome, Answer):
            outcome = classify(outcome, message.call, (self.credentials.app_secret, *message.secrets))
        self._update_limiter(turn, outcome)
        _log(message.call.operation, attempt, outcome, self.clock.monotonic() - started)
        return outcome

    def _update_limiter(self, turn: Turn, outcome: Envelope | EnosError) -> None:
        asked = outcome.retry_after if isinstance(outcome, EnosError) else None
        if isinstance(outcome, Throttled):
            self.limiter.throttled(turn, asked)
            return
        if asked:
            self.limiter.pause(asked)
        if isinstance(outcome, (ServerError, TransportError)):
            self.limiter.failed(turn)
        elif isinstance(outcome, (Envelope, ApiError)):
            self.limiter.passed()

    def _exchange(self, call: ApiCall, headers: dict[str, str]) -> Answer | EnosError:
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "enos-ota"} | headers
        if call.body:
            headers["Content-Type"] = "application/json;charset=UTF-8"
        query = f"?{urlencode(call.query, quote_via=quote)}" if call.query else ""
        url = f"{self.gateway}{call.operation.path}{query}"
        session = self._session()
        connect, read = self.timeout
        read = min(read, self._left() + (self._grace if call.operation.writes else 0))
        timeout = (min(connect, read), read)
        response: requests.Response | None = None
        try:
            response = session.fetch(call.operation.method, url, headers=headers, body=call.body, timeout=timeout)
            with response:
                return _read(call, response)
        except LOWER_LAYERS as failure:
            return error_for(failure, call, gateway=self.gateway, timeout=timeout, answering=response is not None)

    def _session(self) -> HttpSession:
        if self._closed.is_set():
            raise RuntimeError("the client is closed")
        session: HttpSession | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = self.new_session()
            with self._sessions_lock:
                self._sessions.add(session)
        return session


def _read(call: ApiCall, response: requests.Response) -> Answer | EnosError:
    status = response.status_code
    body = bytearray()
    while chunk := response.raw.read1(_CHUNK, decode_content=True):
        body += chunk
        if len(body) > MAX_ANSWER:
            problem = f"with more than {MAX_ANSWER // 2**20} MiB, which were not read"
            return invalid_answer(call, problem, http_status=status)
    retry_after = None
    with contextlib.suppress(InvalidHeader, ValueError, OverflowError):
        retry_after = Retry().parse_retry_after(response.headers.get("Retry-After", ""))
    return Answer(status, response.headers.get("Content-Type", ""), retry_after, bytes(body))


def _log(operation: Operation, attempt: int, outcome: Envelope | EnosError, seconds: float) -> None:
    result = "ok" if isinstance(outcome, Envelope) else type(outcome).__name__
    code = 0 if isinstance(outcome, Envelope) else getattr(outcome, "code", None)
    request_id = getattr(outcome, "request_id", "")
    text = "%s: attempt %d: %s code=%s requestId=%s %.0f ms"
    _LOGGER.debug(text, operation.name, attempt, result, code, request_id, seconds * 1000)


def _with_attempts(error: EnosError, attempts: int, why: str = "") -> EnosError:
    """Return the error with the reason why the client stopped, and the number of attempts."""
    count = f" Tried {attempts} times." if attempts > 1 else ""
    error = copy.copy(error)
    error.args = (f"{error}{why}{count}",)
    return error
