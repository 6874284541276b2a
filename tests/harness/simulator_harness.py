"""A caller of the simulator's domain object: no HTTP, a clock that stands still until it is moved, repeatable ids."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from enos_simulator import signing
from enos_simulator.fleet import parse_fleet
from enos_simulator.gateway import OTA_JOBS, TOKEN_GET, TOKEN_REFRESH, Reply, Request
from enos_simulator.simulator import Simulator

if TYPE_CHECKING:
    from enos_simulator.storage import Storage

NOW = 1_700_000_000_000
"""Unix ms at which the clock starts."""

JSON_HEADER = {"content-type": "application/json"}


@dataclass
class Clock:
    """Unix ms, moved by hand."""

    now: int = NOW

    def __call__(self) -> int:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += int(seconds * 1000)


@dataclass
class Caller:
    """One application that talks to one simulator. A call signs itself with the documented scheme."""

    simulator: Simulator
    clock: Clock
    org_id: str
    app_key: str
    app_secret: str
    _token: str | None = None
    _asked: int = field(default=0)

    def encryption_body(self, **changed: object) -> dict[str, object]:
        """The body of a token request that has not been sent before."""
        self._asked += 1
        timestamp = self.clock() + self._asked
        encryption = signing.encryption(self.app_key, str(timestamp), self.app_secret)
        return {"appKey": self.app_key, "timestamp": timestamp, "encryption": encryption, **changed}

    def ask_for_token(self, body: object, *, refresh: bool = False) -> Reply:
        """A request to the token service, as it is."""
        path = TOKEN_REFRESH if refresh else TOKEN_GET
        return self.simulator.answer(Request("POST", path, (), JSON_HEADER, json.dumps(body).encode()))

    def token_service(self, body: object, *, refresh: bool = False) -> dict[str, Any]:
        """The body of the answer to `ask_for_token`."""
        return self.ask_for_token(body, refresh=refresh).body

    def token(self) -> str:
        """This caller's token, got on first use."""
        if self._token is None:
            self._token = self.token_service(self.encryption_body())["data"]["accessToken"]
        return self._token

    def send(
        self,
        query: dict[str, str],
        body: bytes = b"",
        *,
        method: str = "POST",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """A signed request to the OTA calls; `headers` are added, or replace what would be sent."""
        timestamp = str(self.clock())
        signed = {
            **JSON_HEADER,
            "apim-accesstoken": self.token(),
            "apim-timestamp": timestamp,
            "apim-signature": signing.signature(self.token(), query.items(), body, timestamp, self.app_secret),
        }
        request = Request(method, OTA_JOBS, tuple(query.items()), signed | (headers or {}), body)
        return self.simulator.answer(request)

    def call(self, action: str, body: object = None, **query: str) -> dict[str, Any]:
        """An OTA call; the envelope that comes back."""
        content = b"" if body is None else json.dumps(body).encode()
        return self.send({"action": action, "orgId": self.org_id, **query}, content).body

    def cancel(self, job_id: str, *keys: str) -> int:
        """Code of a cancelTask."""
        code: int = self.call("cancelTask", {"deviceKeys": list(keys)}, jobId=job_id)["code"]
        return code

    def retry(self, job_id: str, *keys: str) -> int:
        """Code of a retryTask."""
        code: int = self.call("retryTask", {"deviceKeys": list(keys)}, jobId=job_id)["code"]
        return code

    def find(self, expression: str | None, page: int = 1, size: int = 200) -> tuple[list[dict[str, Any]], int]:
        """Rows and total of a searchTask."""
        body = {"expression": expression, "pagination": {"pageNo": page, "pageSize": size}}
        envelope = self.call("searchTask", body)
        assert envelope["code"] == 0, envelope
        return envelope["data"], envelope["pagination"]["totalSize"]

    def states(self, job_id: str) -> dict[str, tuple[str, str]]:
        """Status and desc by device key, as they are."""
        return {task.device_key: (task.status, task.desc) for task in self.simulator.job(job_id).tasks()}


def make_caller(fleet: dict[str, Any], *, storage: Storage | None = None, **switches: object) -> Caller:
    """A simulator with this fleet, and the first of its applications to call it. `storage`: see Simulator."""
    parsed = parse_fleet(fleet | {"switches": {**fleet.get("switches", {}), **switches}})
    clock = Clock()
    rng = random.Random(1)  # noqa: S311 - repeatable, nothing to guard
    simulator = Simulator(parsed, clock=clock, rng=rng, storage=storage)
    app = parsed.apps[0]
    return Caller(simulator, clock, parsed.orgs[0], app.app_key, app.app_secret)
