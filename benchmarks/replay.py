"""A bare loop that sends the same requests: the reference for the cost of EnOS and the network.

The requests are recorded while client and reconciler run in this process. The loop signs and sends them again from as
many threads, each with its own session, and reads the answers after the clock has stopped.
"""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import HTTPAdapter

from benchmarks import fleets
from benchmarks.effort import measured
from enos_ota.enos import SYSTEM_CLOCK, Credentials, EnosClient
from enos_ota.enos.auth import Timestamps, encryption, sign
from enos_ota.reconciler import Pool, Reconciler
from tests.harness.simulator import JOB

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from benchmarks.effort import Effort
    from tests.harness.simulator import RunningSimulator

CONCURRENCY: Final = 8
"""Requests at once: the default of enos:maxConcurrency."""


class MismatchError(Exception):
    """The measured requests differ from those of the reference, so the ratio would be meaningless."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request without token, timestamp and signature."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def operation(self) -> str:
        """The operation, as the simulator counts it."""
        return dict(self.query)["action"]


@dataclass(frozen=True, slots=True)
class Recording:
    """The requests of a change and of a refresh after it, in the order of sending."""

    change: Sequence[Sent]
    refresh: Sequence[Sent]


def record(simulator: RunningSimulator, keys: Collection[str]) -> Recording:
    """Cancel these keys, refresh, and record the requests; then reset the simulator."""
    sent: list[Sent] = []
    with EnosClient(
        simulator.url,
        simulator.org_id,
        Credentials(simulator.app_key, simulator.app_secret),
        adapter=lambda: _Recorder(sent),
    ) as client:
        reconciler = Reconciler(client, workers=Pool(CONCURRENCY))
        outcome = fleets.apply(reconciler, keys)
        if outcome.cancelled_count != len(keys):
            raise MismatchError(f"{outcome.cancelled_count} of {len(keys)} cancelled: {outcome.problem}")
        change = tuple(sent)
        reconciler.refresh(JOB, outcome)
    simulator.reset()
    return Recording(change, tuple(sent[len(change) :]))


def check_same(simulator: RunningSimulator, sent: Sequence[Sent], what: str) -> None:
    """Check that the simulator received the recorded number of requests of each operation since its last reset."""
    counted = {name: count for name, count in simulator.counters().items() if not name.startswith("token/")}
    recorded = Counter(one.operation for one in sent)
    if counted != recorded:
        raise MismatchError(f"{what} sent other requests than the bare loop: {counted}, {dict(recorded)}")


def replay(simulator: RunningSimulator, sent: Sequence[Sent], threads: int = CONCURRENCY) -> Effort:
    """Measure sending these requests and receiving the answers."""
    answers: list[requests.Response] = []
    took = measured(lambda: answers.extend(_Loop(simulator, sent).run(threads)), simulator.pid)
    refused = [answer for answer in answers if not answer.ok or answer.json()["code"] != 0]
    if refused or len(answers) != len(sent):
        raise MismatchError(f"{len(refused)} of {len(sent)} requests of the bare loop were refused")
    return took


class _Recorder(HTTPAdapter):
    def __init__(self, into: list[Sent]) -> None:
        super().__init__()
        self._into = into

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        url = urlsplit(str(request.url))
        if query := tuple(parse_qsl(url.query)):  # the token service has none
            body = request.body or b""
            content = body.encode() if isinstance(body, str) else bytes(body)
            self._into.append(Sent(str(request.method), url.path, query, content))
        return super().send(request, *args, **kwargs)


class _Loop:
    def __init__(self, simulator: RunningSimulator, sent: Sequence[Sent]) -> None:
        self._simulator = simulator
        self._timestamps = Timestamps(SYSTEM_CLOCK)
        self._todo: Iterator[Sent] = iter(sent)
        self._lock = threading.Lock()
        self._answers: list[requests.Response] = []

    def run(self, threads: int) -> list[requests.Response]:
        token = self._token()
        with ThreadPoolExecutor(threads) as pool:
            for future in [pool.submit(self._work(token)) for _ in range(threads)]:
                future.result()
        return self._answers

    def _token(self) -> str:
        key, timestamp = self._simulator.app_key, self._timestamps.take()
        proof = encryption(key, self._simulator.app_secret, timestamp)
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                f"{self._simulator.url}/apim-token-service/v2.0/token/get",
                json={"appKey": key, "encryption": proof, "timestamp": timestamp},
                timeout=60,
            )
        token: str = answer.json()["data"]["accessToken"]
        return token

    def _work(self, token: str) -> Callable[[], None]:
        def work() -> None:
            with requests.Session() as session:
                session.trust_env = False
                while one := self._next():
                    self._answers.append(self._send(session, token, one))

        return work

    def _next(self) -> Sent | None:
        with self._lock:
            return next(self._todo, None)

    def _send(self, session: requests.Session, token: str, one: Sent) -> requests.Response:
        timestamp = self._timestamps.take()
        headers = {
            "Content-Type": "application/json;charset=UTF-8",
            "apim-accesstoken": token,
            "apim-timestamp": str(timestamp),
            "apim-signature": sign(token, dict(one.query), one.body, timestamp, self._simulator.app_secret),
        }
        url = f"{self._simulator.url}{one.path}"
        return session.request(one.method, url, params=one.query, data=one.body, headers=headers, timeout=60)
