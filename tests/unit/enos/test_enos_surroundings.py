"""Environment, log and life cycle."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from requests.exceptions import InvalidSchema

from enos_ota.enos import (
    ConfigurationError,
    ConnectError,
    Credentials,
    EnosClient,
    RetryPolicy,
    ServerError,
)
from tests.harness.scripted_server import (
    Request,
    ScriptedServer,
    envelope,
    free_port,
    http,
    ok,
    refusal,
    rows,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.enos.conftest import Connect

JOB = ok({"jobId": "j", "status": "started"})


def test_netrc_and_cookies_are_never_used(connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password s3cr3t\n", encoding="ascii")
    monkeypatch.setenv("NETRC", str(netrc))
    with ScriptedServer([envelope({"code": 0, "data": {}}, set_cookie="session=1"), JOB]) as server:
        client = connect(server)
        client.get_job("j")
        client.get_job("j")

    assert [name for sent in server.requests for name in sent.headers if name in {"authorization", "cookie"}] == []


def test_a_loopback_gateway_is_never_reached_through_a_proxy(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with ScriptedServer([JOB]) as server:
        assert connect(server).get_job("j").job_id == "j"


def test_any_other_gateway_is_reached_through_the_proxy_of_the_environment(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(request: Request) -> bytes:
        assert (request.method, request.target) == ("CONNECT", "apim.example.com:443")
        return http(407, "who are you, user:s3cr3t?")

    with ScriptedServer([refuse]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//user:s3cr3t@"))
        with pytest.raises(ConnectError) as caught:
            connect("https://apim.example.com", retry=RetryPolicy(attempts=1)).get_job("j")

    assert str(caught.value) == (
        "Cannot connect to https://apim.example.com for token/get: the proxy refused, or broke the connection."
        " Check HTTPS_PROXY and NO_PROXY. No request was sent."
    )


@pytest.mark.parametrize("proxy", ["http://", "gopher://127.0.0.1:1"])
def test_a_proxy_setting_that_cannot_be_used_is_a_configuration_error(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)

    with pytest.raises(ConfigurationError, match=r"the proxy that the environment sets for it \(HTTPS_PROXY\)"):
        connect("https://apim.example.com").get_job("j")


def test_a_socks_proxy_without_the_package_for_it_is_a_configuration_error(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_missing(*_: object, **__: object) -> None:
        raise InvalidSchema("Missing dependencies for SOCKS support.")

    # What requests has in its place where PySocks is not installed; here something else needs it.
    monkeypatch.setattr("requests.adapters.SOCKSProxyManager", is_missing)
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")

    with pytest.raises(ConfigurationError, match=r"the proxy that the environment sets for it \(HTTPS_PROXY\)"):
        connect("https://apim.example.com").get_job("j")


def test_an_attempt_leaves_one_debug_line_without_secrets(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedServer([refusal(99500), ok(request_id="r-1")]) as server:
        client = connect(server, credentials=Credentials("key", "s3cr3t"))
        with caplog.at_level(logging.DEBUG, logger="enos_ota.enos"):
            with pytest.raises(ServerError):
                client.cancel_tasks("j", ["a"])
            client.cancel_tasks("j", ["a"])

    assert [record.getMessage() for record in caplog.records if record.name == "enos_ota.enos"] == [
        "token/get: attempt 1: ok code=0 requestId= 0 ms",
        "cancelTask: attempt 1: ServerError code=99500 requestId=r-no 0 ms",
        "cancelTask: attempt 1: ok code=0 requestId=r-1 0 ms",
    ]


def test_a_closed_client_refuses_to_work(connect: Connect) -> None:
    with ScriptedServer([JOB]) as server:
        client = connect(server)
        client.get_job("j")
        client.close()
        with pytest.raises(RuntimeError, match="the client is closed"):
            client.get_job("j")


def test_a_client_is_closed_by_its_with_block() -> None:
    with EnosClient("http://127.0.0.1:9", "o1", Credentials("k", "s")) as client:
        pass

    with pytest.raises(RuntimeError, match="the client is closed"):
        client.get_job("j")


def test_an_empty_answer_of_a_search_is_no_rows(connect: Connect) -> None:
    with ScriptedServer([ok(None), rows()]) as server:
        client = connect(server)
        assert [list(client.search_tasks("j")), list(client.search_jobs())] == [[], []]
