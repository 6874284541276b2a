"""Every exception of the lower layers becomes an EnosError; those before sending are listed."""

from __future__ import annotations

import http.client
import inspect
import socket
import ssl
from typing import TYPE_CHECKING

import pytest
import requests.exceptions
import urllib3.exceptions

from enos_ota.enos import AnswerLost, ConfigurationError, ConnectError, EnosError
from enos_ota.enos.connections import ConnectFailed
from enos_ota.enos.failures import LOWER_LAYERS, error_for
from enos_ota.enos.operations import CANCEL_TASKS, GET_JOB, ApiCall
from tests.harness.scripted_server import DROP, ScriptedServer

if TYPE_CHECKING:
    from types import ModuleType

    from tests.unit.enos.conftest import Connect


def exceptions_of(module: ModuleType) -> list[type[BaseException]]:
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Exception) and not issubclass(value, Warning)
    ]


BELOW = sorted(
    {*exceptions_of(requests.exceptions), *exceptions_of(urllib3.exceptions), *exceptions_of(http.client)}
    | {OSError, ConnectionResetError, BrokenPipeError, TimeoutError, socket.gaierror, ssl.SSLError, ssl.SSLEOFError}
    | {UnicodeError, ValueError},
    key=lambda kind: f"{kind.__module__}.{kind.__qualname__}",
)
BEFORE_SENDING = {
    requests.exceptions.ConnectTimeout,
    requests.exceptions.ProxyError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.NameResolutionError,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ProxyError,
}
BAD_SETTING = {
    requests.exceptions.InvalidProxyURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.URLRequired,
    urllib3.exceptions.LocationParseError,
    urllib3.exceptions.LocationValueError,
    urllib3.exceptions.ProxySchemeUnknown,
    urllib3.exceptions.ProxySchemeUnsupported,
    urllib3.exceptions.URLSchemeUnknown,
}


def raised(kind: type[BaseException]) -> BaseException:
    failure = kind.__new__(kind)  # whatever its constructor wants
    failure.args = ("canary",)
    return failure


def error(failure: BaseException, *, answering: bool = False) -> EnosError:
    call = ApiCall(CANCEL_TASKS, about="1 device of job j")
    return error_for(failure, call, gateway="https://h", timeout=(5, 30), answering=answering)


@pytest.mark.parametrize("kind", BELOW, ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
def test_each_lower_exception_has_an_error_and_counts_as_sent_unless_certainly_not(kind: type[BaseException]) -> None:
    expected = ConnectError if kind in BEFORE_SENDING else ConfigurationError if kind in BAD_SETTING else AnswerLost

    got = error(raised(kind))

    assert type(got) is expected
    assert got.may_have_been_processed is (expected is AnswerLost)


@pytest.mark.parametrize("kind", BELOW, ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
def test_each_lower_exception_is_caught(kind: type[BaseException]) -> None:
    assert issubclass(kind, LOWER_LAYERS)


@pytest.mark.parametrize("kind", BELOW, ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
def test_once_an_answer_has_begun_the_request_was_sent(kind: type[BaseException]) -> None:
    assert type(error(raised(kind), answering=True)) is AnswerLost


@pytest.mark.parametrize("kind", BELOW, ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
def test_no_text_of_the_lower_layers_is_passed_on(kind: type[BaseException]) -> None:
    assert "canary" not in repr(error(raised(kind)))


def failed_to_connect(cause: BaseException) -> BaseException:
    """As urllib3 and requests hand it up: wrapped twice."""
    mark = ConnectFailed(None, "no connection")  # type: ignore[arg-type]  # the connection is of no interest
    mark.__cause__ = cause
    return requests.exceptions.ConnectionError(urllib3.exceptions.MaxRetryError(None, "/x", mark))  # type: ignore[arg-type]  # nor the pool


def certificate_error(code: int, message: str) -> ssl.SSLCertVerificationError:
    failure = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
    failure.verify_code, failure.verify_message = code, message
    return failure


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (ConnectionRefusedError(111, "x"), "connection refused. "),
        (socket.gaierror(-2, "x"), "the host name cannot be resolved. "),
        (TimeoutError("x"), "no connection within 5 s. "),
        (
            OSError("Tunnel connection failed: 407 x"),
            "the proxy refused, or broke the connection. Check HTTPS_PROXY and NO_PROXY. ",
        ),
        (ssl.SSLError(1, "x"), "TLS failed (handshake failed). Does the gateway speak https on this port? "),
        (
            http.client.RemoteDisconnected("x"),
            "the proxy refused, or broke the connection. Check HTTPS_PROXY and NO_PROXY. ",
        ),
        (AssertionError("x"), "no connection. "),
        (
            certificate_error(10, "x"),
            "its certificate is expired or not valid yet. Check it, and this machine's clock. ",
        ),
        (certificate_error(62, "x"), "its certificate is for another host. Check the gateway's address. "),
        (
            certificate_error(20, "unable to get local issuer certificate"),
            "its certificate is not trusted (unable to get local issuer certificate)."
            " Give the CA that signed it with enos:caBundle or ENOS_CA_BUNDLE. ",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_a_connect_error_gives_the_reason(cause: BaseException, reason: str) -> None:
    expected = f"Cannot connect to https://h for cancelTask (1 device of job j): {reason}No request was sent."

    got = error(failed_to_connect(cause))

    assert (type(got), str(got)) == (ConnectError, expected)


@pytest.mark.parametrize(("cause", "permanent"), [(certificate_error(20, "x"), True), (TimeoutError(), False)])
def test_only_a_wrong_certificate_is_permanent(cause: BaseException, permanent: bool) -> None:  # noqa: FBT001 - a table
    got = error(failed_to_connect(cause))

    assert isinstance(got, ConnectError)
    assert got.permanent is permanent


def test_an_exception_that_the_caller_was_handling_is_ignored() -> None:
    lost = requests.exceptions.ConnectionError("reset")
    lost.__context__ = urllib3.exceptions.NewConnectionError(None, "x")  # type: ignore[arg-type]  # of no interest

    assert type(error(lost)) is AnswerLost


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (requests.exceptions.ReadTimeout("x"), "https://h did not answer get (job j) within 30 s."),
        (requests.exceptions.SSLError("x"), "The TLS connection to https://h broke before get (job j) was answered."),
        (OSError("x"), "The connection to https://h broke before get (job j) was answered completely."),
    ],
)
def test_a_lost_answer_gives_the_reason(failure: Exception, text: str) -> None:
    assert str(error_for(failure, ApiCall(GET_JOB, about="job j"), gateway="https://h", timeout=(5, 30))) == text


def test_a_connection_that_breaks_is_reported_the_same_through_all_layers(connect: Connect) -> None:
    with ScriptedServer([DROP]) as server, pytest.raises(AnswerLost) as caught:
        connect(server).cancel_tasks("j", ["a"])

    assert str(caught.value) == (
        f"The connection to {server.url} broke before cancelTask (1 device of job j) was answered completely."
        " It may have been processed: look at the tasks before sending it again."
    )
