"""TLS, with a real certificate authority."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from enos_ota.enos import ConfigurationError, ConnectError, RetryPolicy, Timeout
from tests.harness.scripted_server import ScriptedServer, ok

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.authority import Authority
    from tests.harness.clock import FakeClock
    from tests.unit.enos.conftest import Connect

JOB = ok({"jobId": "j"})


def test_a_gateway_signed_by_the_bundle_is_trusted(connect: Connect, ours: Authority) -> None:
    with ScriptedServer([JOB, JOB], tls=ours.server()) as server:
        client = connect(server, ca_bundle=ours.bundle)
        client.get_job("j")
        client.get_job("j")

    assert server.connections == 1


def test_a_bundle_may_come_from_the_environment_of_requests(
    connect: Connect, ours: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", ours.bundle)
    with ScriptedServer([JOB], tls=ours.server()) as server:
        assert connect(server).get_job("j").job_id == "j"


@pytest.mark.parametrize("with_bundle", [True, False])
def test_a_gateway_signed_by_another_ca_is_not_trusted_and_the_setting_is_named(
    connect: Connect,
    ours: Authority,
    other: Authority,
    clock: FakeClock,
    with_bundle: bool,  # noqa: FBT001 - a table
) -> None:
    with ScriptedServer(tls=ours.server()) as server, pytest.raises(ConnectError) as caught:
        connect(server, ca_bundle=other.bundle if with_bundle else None).cancel_tasks("j", ["a"])

    assert str(caught.value) == (
        f"Cannot connect to {server.url} for token/get: its certificate is not trusted"
        " (unable to get local issuer certificate)."
        " Give the CA that signed it with enos:caBundle or ENOS_CA_BUNDLE. No request was sent."
    )
    assert (server.connections, clock.sleeps) == (1, [])


def test_a_certificate_for_another_host_is_not_trusted(connect: Connect, ours: Authority) -> None:
    with (
        ScriptedServer(tls=ours.server("elsewhere.example")) as server,
        pytest.raises(ConnectError, match="its certificate is for another host") as caught,
    ):
        connect(server, ca_bundle=ours.bundle).get_job("j")

    assert caught.value.permanent


def test_a_handshake_without_an_answer_was_certainly_not_processed(connect: Connect, ours: Authority) -> None:
    # requests would report a read time-out, as if the request had been sent.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        client = connect(f"https://127.0.0.1:{port}", ca_bundle=ours.bundle, timeout=Timeout(connect=0.05, read=30))
        with pytest.raises(
            ConnectError, match=r"no connection within 0\.05 s\. No request was sent\. Tried 5 times\.$"
        ):
            client.cancel_tasks("j", ["a"])


def test_plain_http_behind_an_https_address_is_a_failed_handshake(connect: Connect, ours: Authority) -> None:
    def answer_in_plain(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as plain, ThreadPoolExecutor(1) as thread:
        thread.submit(answer_in_plain, plain)
        gateway = f"https://127.0.0.1:{plain.getsockname()[1]}"
        client = connect(gateway, ca_bundle=ours.bundle, retry=RetryPolicy(attempts=1))
        with pytest.raises(ConnectError, match=r"TLS failed \(.*\)\. Does the gateway speak https on this port\?"):
            client.cancel_tasks("j", ["a"])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "holds no certificates in PEM form"),
        (b"not a certificate", "holds no certificates in PEM form"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no certificates in PEM form"),
    ],
)
def test_a_bundle_that_cannot_be_used_is_refused_before_anything_is_sent(
    connect: Connect, tmp_path: Path, content: bytes | None, problem: str
) -> None:
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_bytes(content)

    with pytest.raises(ConfigurationError) as caught:
        connect("https://apim.example.com", ca_bundle=str(bundle))

    assert str(caught.value) == f"The CA bundle {str(bundle)!a} {problem}; correct enos:caBundle or ENOS_CA_BUNDLE."


def unhashed(path: Path) -> None:
    path.mkdir()
    (path / "authority.pem").write_text("")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: path.symlink_to(path), "cannot be read (Too many levels of symbolic links)"),
        (
            unhashed,
            "is a directory in which OpenSSL finds no certificate: run `openssl rehash` on it, or name a file",
        ),
    ],
    ids=["loop of links", "directory without hashes"],
)
def test_a_bundle_that_is_no_file_is_refused_at_once(
    connect: Connect, tmp_path: Path, make: Callable[[Path], None], problem: str
) -> None:
    """A directory in which OpenSSL finds nothing names its cure."""
    bundle = tmp_path / "ca.pem"
    make(bundle)
    with pytest.raises(ConfigurationError) as caught:
        connect("https://apim.example.com", ca_bundle=str(bundle))
    assert str(caught.value) == f"The CA bundle {str(bundle)!a} {problem}; correct enos:caBundle or ENOS_CA_BUNDLE."


def test_a_bundle_of_the_environment_that_cannot_be_used_is_refused(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")

    with pytest.raises(ConfigurationError, match=r"'/nowhere/ca\.pem' cannot be read"):
        connect("https://apim.example.com").get_job("j")
