"""Fixtures of the client's tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from enos_ota.enos import Credentials, EnosClient, Timeout
from tests.harness.clock import FakeClock

if TYPE_CHECKING:
    from tests.harness.scripted_server import ScriptedServer

Connect = Callable[..., EnosClient]


@pytest.fixture(autouse=True)
def _environment_without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"}:
            monkeypatch.delenv(name)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def connect(clock: FakeClock) -> Iterator[Connect]:
    """Makes clients of a server or an address that are closed at the end of the test."""
    with ExitStack() as stack:

        def make(server: ScriptedServer | str, **settings: Any) -> EnosClient:
            gateway = server if isinstance(server, str) else server.url
            given: dict[str, Any] = {
                "org_id": "o16172478070561926",
                "credentials": Credentials("key", "secret"),
                "timeout": Timeout(connect=5, read=5),
                "clock": clock,
                "random": lambda: 1.0,
            } | settings
            return stack.enter_context(EnosClient(gateway, **given))

        yield make
