"""The connection to the gateway: network, TLS and clock."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from enos_ota.enos import SYSTEM_CLOCK, ConfigurationError, Timeout
from enos_ota.operations.doctor.findings import FindingState
from enos_ota.operations.doctor.gateway import GatewayCheck, check_gateway
from tests.harness.clock import FakeClock
from tests.harness.scripted_server import ScriptedServer, drip, free_port, http

if TYPE_CHECKING:
    from pathlib import Path

    from enos_ota.enos import Clock
    from tests.harness.authority import Authority
    from tests.harness.scripted_server import Request

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=timezone.utc)
QUICK = Timeout(connect=5, read=5)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def dated(moment: datetime = NOW) -> bytes:
    return http(404, date=format_datetime(moment, usegmt=True))


def look(server: ScriptedServer | str, bundle: str | None = None, clock: Clock = SYSTEM_CLOCK) -> GatewayCheck:
    return check_gateway(server if isinstance(server, str) else server.url, bundle, QUICK, clock)


def states(found: GatewayCheck) -> dict[str, str]:
    return {finding.check: finding.state.value for finding in found.findings}


def text(found: GatewayCheck, check: str) -> str:
    return next(finding.text for finding in found.findings if finding.check == check)


def test_a_way_without_hindrance(ours: Authority) -> None:
    with ScriptedServer([dated(datetime.now(timezone.utc))], tls=ours.server()) as server:
        found = look(server, ours.bundle)
    assert (states(found), found.is_reached) == ({"network": "ok", "TLS": "ok", "clock": "ok"}, True)
    assert text(found, "network") == f"127.0.0.1 answers on port {server.port}"
    assert text(found, "TLS") == "the certificate is trusted"


def test_one_request_is_made_and_it_holds_no_credentials(ours: Authority) -> None:
    seen: list[Request] = []

    def note(request: Request) -> bytes:
        seen.append(request)
        return dated()

    with ScriptedServer([note], tls=ours.server()) as server:
        look(server, ours.bundle)
    assert [(request.method, request.target, request.body) for request in seen] == [("HEAD", "/", b"")]
    assert set(seen[0].headers) == {"host", "user-agent", "accept-encoding"}


def test_plain_http_on_this_machine_has_no_tls_to_look_at() -> None:
    with ScriptedServer([dated()]) as server:
        assert states(look(server))["TLS"] == "skipped"


def test_nobody_on_the_port_may_be_an_outage() -> None:
    found = look(f"http://127.0.0.1:{free_port()}")
    assert (states(found), found.is_reached) == ({"network": "unknown", "TLS": "skipped", "clock": "skipped"}, False)
    assert "connection refused. No request was sent." in text(found, "network")


def test_a_host_name_that_cannot_be_resolved_leaves_it_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "scripted")

    monkeypatch.setattr(socket, "getaddrinfo", fail)  # what a name resolves to is not ours to arrange
    found = look("https://gateway.test")
    assert (states(found)["network"], found.is_reached) == ("unknown", False)
    assert "the host name cannot be resolved" in text(found, "network")


@pytest.mark.parametrize(
    ("trusted", "host", "said"),
    [
        ("other", "127.0.0.1", "its certificate is not trusted"),
        ("ours", "elsewhere.example", "its certificate is for another host"),
    ],
)
def test_a_certificate_that_is_not_trusted_fails(
    request: pytest.FixtureRequest, ours: Authority, trusted: str, host: str, said: str
) -> None:
    with ScriptedServer(tls=ours.server(host)) as server:
        found = look(server, request.getfixturevalue(trusted).bundle)
    assert (states(found), found.is_reached) == ({"network": "ok", "TLS": "failed", "clock": "skipped"}, False)
    assert said in text(found, "TLS")


def test_a_certificate_that_has_ended_fails(ours: Authority) -> None:
    ended = datetime.now(timezone.utc) - timedelta(days=1)
    with ScriptedServer(tls=ours.server(until=ended)) as server:
        found = look(server, ours.bundle)
    assert (states(found)["TLS"], found.is_reached) == ("failed", False)
    assert "its certificate is expired or not valid yet" in text(found, "TLS")


def test_a_gateway_that_does_not_speak_tls_fails(ours: Authority) -> None:
    def answer_in_plain(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as plain, ThreadPoolExecutor(1) as thread:
        thread.submit(answer_in_plain, plain)
        found = look(f"https://127.0.0.1:{plain.getsockname()[1]}", ours.bundle)
    assert (states(found)["TLS"], found.is_reached) == ("failed", False)


def test_a_bundle_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        look("https://gateway.test", "/nowhere/ca.pem")


def test_a_directory_of_certificates_is_a_bundle_too(ours: Authority, tmp_path: Path) -> None:
    (tmp_path / "0123abcd.0").write_text("")
    with ScriptedServer(tls=ours.server()) as server:
        # No certificate is in it: what counts is that it is taken for what it is.
        assert "its certificate is not trusted" in text(look(server, str(tmp_path)), "TLS")


@pytest.mark.parametrize(
    ("seconds", "state", "said"),
    [
        (0, FindingState.OK, "this machine's clock and the gateway's agree"),
        (59, FindingState.OK, "this machine's clock and the gateway's agree"),
        (600, FindingState.WARNING, "this machine's clock is 10 min ahead of the gateway's"),
        (-600, FindingState.WARNING, "this machine's clock is 10 min behind the gateway's"),
        (28_800, FindingState.WARNING, "this machine's clock is 480 min ahead of the gateway's"),
    ],
)
def test_clocks_that_differ_are_told(seconds: float, state: FindingState, said: str) -> None:
    with ScriptedServer([dated(NOW)]) as server:
        found = look(server, clock=FakeClock(NOW.timestamp() + 0.5 + seconds))
    clock = found.findings[2]
    assert (clock.state, clock.text) == (state, said)
    assert found.skew == pytest.approx(seconds)


@pytest.mark.parametrize("answer", [http(200), http(200, date="yesterday"), b"what?\r\n\r\nConnection: close\r\n"])
def test_a_gateway_that_does_not_tell_its_time_is_no_trouble(answer: bytes) -> None:
    with ScriptedServer([answer]) as server:
        found = look(server)
    assert (found.findings[2].state, found.is_reached, found.skew) == (FindingState.SKIPPED, True, None)


def test_an_answer_that_has_no_end_is_not_waited_for() -> None:
    clock = FakeClock(NOW.timestamp())
    with ScriptedServer([drip(clock, b"HTTP/1.1 100 Continue\r\n", b"X-A: b\r\n")]) as server:
        found = look(server, clock=clock)
    assert (states(found)["clock"], found.is_reached) == ("skipped", True)


def test_a_proxy_that_cannot_be_reached_is_a_matter_of_the_network_and_its_password_is_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:hunter2@127.0.0.1:{free_port()}")
    found = look("https://gateway.test")
    assert (states(found), found.is_reached) == (
        {"network": "unknown", "TLS": "skipped", "clock": "skipped"},
        False,
    )
    assert ("connection refused" in text(found, "network"), "hunter2" in text(found, "network")) == (True, False)


def test_the_request_goes_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([http(403)]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        found = look("https://gateway.test")
    assert [(request.method, request.target) for request in proxy.requests] == [("CONNECT", "gateway.test:443")]
    assert (states(found)["network"], found.is_reached) == ("unknown", False)
    assert "the proxy refused" in text(found, "network")
