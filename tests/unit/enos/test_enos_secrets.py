"""No secret gets out: every error is driven by a service that echoes all it was sent."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from typing import TYPE_CHECKING

import pytest

from enos_ota.enos import Credentials, EnosError, RetryPolicy
from tests.harness.scripted_server import Request, ScriptedServer, Step, envelope, free_port, http, rejection, token

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.enos.conftest import Connect

SECRET = "canary-of-the-secret"
TOKEN = "canary-of-the-token"


def echo(request: Request) -> str:
    """The secrets, and then all of a request."""
    proof = request.headers.get("apim-signature") or request.json().get("encryption")
    return json.dumps([SECRET, TOKEN, proof, request.target, request.headers, request.body.decode()])


def refused(code: int, status: int = 200) -> Step:
    return lambda request: envelope({"code": code, "msg": echo(request), "requestId": f"r {SECRET} {TOKEN}"}, status)


STEPS: dict[str, Step] = {
    **{
        f"code {code}": refused(code)
        for code in (
            7,
            429,
            1001,
            1002,
            1003,
            1203,
            24404,
            24500,
            24615,
            24616,
            24617,
            24620,
            24621,
            99400,
            99403,
            99500,
        )
    },
    **{f"HTTP {status}": refused(7, status) for status in (400, 401, 403, 429, 500, 503)},
    "html": lambda request: http(200, echo(request)),
    "content type": lambda request: http(200, echo(request), content_type=f"text/{TOKEN}-{SECRET}"),
    "redirect": lambda request: http(302, echo(request), location=f"https://{SECRET}.example/{TOKEN}"),
    "html 502": lambda request: http(502, echo(request)),
    "reason": lambda request: f"HTTP/1.1 {SECRET} {TOKEN}\r\nConnection: close\r\n\r\n{echo(request)}".encode(),
    "truncated": lambda request: (
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 99999\r\n\r\n" + echo(request).encode()
    ),
    "dropped": lambda _: None,
}


def texts_of(error: BaseException) -> str:
    """All that could be shown of an error, and of those behind it."""
    shown = "".join(traceback.format_exception(error))
    behind: BaseException | None = error
    while behind is not None:
        shown += f"{behind} {behind!r} {behind.args!r} {vars(behind)!r}"
        behind = behind.__cause__ or behind.__context__
    return shown


def failure(use: Callable[[], object]) -> EnosError:
    with pytest.raises(EnosError) as caught:
        use()
    return caught.value


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
@pytest.mark.parametrize("operation", ["get_job", "cancel_tasks"])
def test_no_error_shows_a_secret(
    connect: Connect, step: Step, operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    with ScriptedServer([step] * 9, tokens=[token(TOKEN)] * 2) as server, caplog.at_level(logging.DEBUG):
        client = connect(server, credentials=Credentials("key", SECRET), retry=RetryPolicy(attempts=2, standstill=0.25))
        error = failure(lambda: client.get_job("j") if operation == "get_job" else client.cancel_tasks("j", ["a"]))
        signatures = [request.headers["apim-signature"] for request in server.calls]
        server._script.clear()  # other tests count the requests

    shown = texts_of(error) + caplog.text
    assert [secret for secret in (SECRET, TOKEN, *signatures) if secret in shown] == []


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
def test_no_error_of_the_token_service_shows_the_secret(
    connect: Connect, step: Step, caplog: pytest.LogCaptureFixture
) -> None:
    with ScriptedServer(tokens=[step] * 2) as server, caplog.at_level(logging.DEBUG):
        client = connect(server, credentials=Credentials("key", SECRET), retry=RetryPolicy(attempts=2, standstill=0.25))
        error = failure(lambda: client.get_job("j"))
        proofs = [request.json()["encryption"] for request in server.requests]

    shown = texts_of(error) + caplog.text
    assert [secret for secret in (SECRET, *proofs) if secret in shown] == []


def test_no_error_of_a_connection_shows_a_proxys_password(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{SECRET}@127.0.0.1:{free_port()}")

    error = failure(lambda: connect("https://apim.example.com").get_job("j"))

    assert SECRET not in texts_of(error)


def test_an_error_has_no_exception_of_the_layers_below_behind_it(connect: Connect) -> None:
    error = failure(lambda: connect(f"http://127.0.0.1:{free_port()}").get_job("j"))

    assert (error.__cause__, error.__context__) == (None, None)


def test_neither_client_nor_its_parts_show_a_secret(connect: Connect) -> None:
    client = connect("https://apim.example.com", credentials=Credentials("key", SECRET))

    assert SECRET not in f"{client!r} {client} {client._transport!r}"


def pickled(error: EnosError) -> EnosError:
    again: EnosError = pickle.loads(pickle.dumps(error))  # noqa: S301 - just pickled
    return again


@pytest.mark.parametrize("duplicate", [copy.copy, pickled])
def test_an_error_can_be_copied_whole(connect: Connect, duplicate: Callable[[EnosError], EnosError]) -> None:
    with ScriptedServer(tokens=[rejection(1002)]) as server:
        error = failure(lambda: connect(server).get_job("j"))

    again = duplicate(error)

    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
