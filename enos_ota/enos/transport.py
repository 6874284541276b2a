"""Sending: sign, send, read a bounded answer, decide, wait, send again."""

from __future__ import annotations

import copy
import json
import logging
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

from enos_ota.enos.answers import Answer, Envelope, classify, invalid, is_token_rejection, parse_retry_after
from enos_ota.enos.auth import Timestamps, encryption, sign
from enos_ota.enos.connections import Session
from enos_ota.enos.errors import ApiError, EnosError, ServerError, Throttled
from enos_ota.enos.failures import LOWER_LAYERS, error_for, lost
from enos_ota.enos.limiter import NotYet
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
    from enos_ota.enos.limiter import Limiter, Turn
    from enos_ota.enos.watch import WriteWatch

_T = TypeVar("_T")
_LOGGER: Final = logging.getLogger("enos_ota.enos")
MAX_ANSWER: Final = 64 * 1024 * 1024
"""The largest answer that is read, in bytes, decompressed."""
ANSWER_PATIENCE: Final = 4
"""The body of an answer may begin its last read after so many read time-outs: one that drips in ends as well."""
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
    """What all threads of a client share: token, pace, budget, timestamps; and a session for each of them.

    Every wait goes through one function and is made with no lock held, so that it may be ended by an exception.
    """

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
        self._tokens = TokenSource(clock)
        self._sleep: Callable[[float], None] = clock.sleep
        self._local = threading.local()
        self._sessions: weakref.WeakSet[Session] = weakref.WeakSet()
        self._sessions_lock = threading.Lock()
        self._closed = threading.Event()

    def waiting_by(self, sleep: Callable[[float], None]) -> Transport:
        """The same transport, with nothing of its own but how it waits."""
        view = copy.copy(self)
        view._sleep = sleep  # noqa: SLF001 - another of our own
        return view

    def call(self, call: Call, watch: WriteWatch | None = None) -> Envelope:
        """Make a signed call, as often as is safe and useful.

        Args:
            call: what to ask for.
            watch: told of each attempt; for a call that writes.

        Raises:
            EnosError: it did not succeed.
        """
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

    def pause_left(self) -> float:
        """Seconds until the pause that EnOS asked for is over."""
        return self._limiter.pause_left()

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
            asked = asked_wait(outcome) or 0
            throttled = isinstance(outcome, Throttled)
            failures += not throttled
            if (
                asked > self._retry.patience
                or not may_be_sent_again(outcome, writes=writes)
                # Throttling has a pace of its own; attempts and budget are for outages.
                or (self._stands_still() if throttled else failures >= self._retry.attempts or not self._budget.take())
            ):
                if attempt > 1:
                    still = f" Nothing got through for {self._limiter.standstill():.0f} s." if throttled else ""
                    outcome.args = (f"{outcome}{still} Tried {attempt} times.",)
                raise outcome
            if not throttled:
                taken += 1
                if not asked:  # "Retry-After: 0" names no pace either
                    self._sleep(backoff(self._retry, failures, self._random()))
            attempt += 1
        self._budget.give_back(taken)
        return outcome

    def _current_token(self, rejected: Token | None = None) -> Token:
        if token := self._tokens.at_hand(rejected):
            return token

        def send(attempt: int) -> Token | EnosError:
            while True:
                outcome = self._tokens.obtain(lambda old: self._ask_token(old, attempt), rejected)
                if not isinstance(outcome, NotYet):
                    return outcome
                self._sleep(outcome.seconds)

        return self._repeat(send, writes=False)

    def _ask_token(self, old: Token | None, attempt: int) -> Token | EnosError | NotYet:
        """One attempt to get a token, or a new one in place of an old one that is still good."""
        call = Call(REFRESH_TOKEN if old else GET_TOKEN)
        turn = self._turn(call)
        if isinstance(turn, NotYet):
            return turn
        key, timestamp = self._credentials.app_key, self._timestamps.take()
        proof = encryption(key, self._credentials.app_secret, timestamp)
        more = {"accessToken": old.text} if old else {}
        body = json_body({"appKey": key, "encryption": proof, "timestamp": timestamp, **more})
        outcome = self._attempt(turn, call, attempt, _Message({}, body, (proof, *more.values())))
        return outcome if isinstance(outcome, EnosError) else self._token(call, outcome)

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

    def _turn(self, call: Call) -> Turn | NotYet:
        """Whether a request may leave now.

        Raises:
            Throttled: it is not worth waiting for.
        """
        left = self._limiter.pause_left()
        if left > self._retry.patience:
            problem = f"EnOS asked for a pause that has {left:.0f} s to go"
        elif left and self._stands_still():
            problem = f"EnOS has answered nothing but 429 for {self._limiter.standstill():.0f} s"
        else:
            return self._limiter.take()
        raise Throttled(
            f"{problem}; {call.what} was not sent. Try again later, or set enos:maxRequestsPerSecond.",
            operation=call.operation.name,
            retry_after=left,
        )

    def _stands_still(self) -> bool:
        return self._limiter.standstill() >= self._retry.standstill

    def _send(self, call: Call, attempt: int, token: Token, watch: WriteWatch | None) -> Envelope | EnosError:
        """One attempt, when it is its turn."""
        while isinstance(turn := self._turn(call), NotYet):
            self._sleep(turn.seconds)
        if not call.operation.writes:
            return self._attempt(turn, call, attempt, self._signed(call, token))
        if watch:
            watch.before()
        try:
            if self._before_write:
                self._before_write()
            outcome = self._attempt(turn, call, attempt, self._signed(call, token))
        except EnosError as error:
            if watch:
                watch.after(error)
            raise
        if watch:
            watch.after(outcome if isinstance(outcome, EnosError) else outcome.request_id)
        return outcome

    def _attempt(self, turn: Turn, call: Call, attempt: int, message: _Message) -> Envelope | EnosError:
        """Send once; failures are values here, raised where no exception of a layer below is around."""
        started = self._clock.monotonic()
        answer = self._exchange(call, message.headers, message.body)
        if isinstance(answer, Answer):
            outcome = classify(answer, call, (self._credentials.app_secret, *message.secrets))
        else:
            outcome = answer
        self._keep_pace(turn, outcome)
        self._log(call.operation, attempt, outcome, self._clock.monotonic() - started)
        return outcome

    def _keep_pace(self, turn: Turn, outcome: Envelope | EnosError) -> None:
        asked = asked_wait(outcome) if isinstance(outcome, EnosError) else None
        if isinstance(outcome, Throttled):
            self._limiter.throttled(turn, asked)
        elif asked:
            self._limiter.pause(asked)
        elif isinstance(outcome, (Envelope, ApiError)) and not isinstance(outcome, ServerError):
            self._limiter.passed()

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
        if self._closed.is_set():
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
