"""An outage is reported after one wait for EnOS, not after a wait for every set and every preview."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from enos_ota.engine.preview_json import Change
from enos_ota.plan import TaskSet
from enos_ota.plan.messages import not_read
from enos_ota.review.model import Outcome
from enos_ota.review.reviewing import review
from tests.harness.clock import FakeClock
from tests.harness.scripted_server import DROP, ScriptedServer, envelope, ok, refusal, rejection
from tests.harness.stack_project import Project

if TYPE_CHECKING:
    from pathlib import Path

    from enos_ota.review.model import ReviewReport

ATTEMPTS = 5
SETS = "\n".join(f'- {{name: pump-{at}, jobId: "{at}", deviceKeys: [dk-01]}}' for at in range(3))


NOT_ALLOWED = envelope({"message": "Your IP address is not allowed"}, 403)
A_JOB = ok({"jobId": "0", "orgId": "o1", "status": "started"})


class Engine:
    """A `pulumi` whose previews print the files of a folder, in their order."""

    def __init__(self, folder: Path, *previews: str) -> None:
        self._folder = folder
        for at, said in enumerate(previews, 1):
            (folder / f"preview-{at}").write_text(said)
        (folder / "calls").write_text("")
        engine = folder / "pulumi"
        engine.write_text(
            f'#!/bin/sh\ncd "{folder}"\necho "$@" >> calls\nat=$(wc -l < calls)\n'
            'cat "preview-$((at))"\ngrep -q error "preview-$((at))" && exit 1\nexit 0\n'
        )
        engine.chmod(0o755)

    @property
    def calls(self) -> list[bool]:
        """Of each preview, whether it was to refresh."""
        return ["--refresh=false" not in line for line in (self._folder / "calls").read_text().splitlines()]


FINE = json.dumps({"steps": []})
FAILED = json.dumps({"steps": [], "diagnostics": [{"severity": "error", "message": "error: the refresh failed"}]})


def reviewed(tmp_path: Path, server: ScriptedServer, sets: str = SETS) -> ReviewReport:
    project = Project(tmp_path)
    project.write(f"enos:apiGateway: {server.url}\nenos:orgId: o1\n", sets=sets)
    path = f"{tmp_path}{os.pathsep}{os.defpath}"
    environ = {"PATH": path, "ENOS_APP_KEY": "key", "ENOS_APP_SECRET": "secret"}
    return review(tmp_path, "prod", environ, clock=FakeClock(time.time()))


NO_ANSWER = "EnOS could not be asked: "
A_NO = "EnOS rejected the credentials or the organization, and retrying does not help: "


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [([DROP] * ATTEMPTS, NO_ANSWER), ([rejection(1005)] * ATTEMPTS, NO_ANSWER), ([rejection(1002)], A_NO)],
    ids=["broken", "failing", "refused"],
)
def test_an_unreachable_enos_is_asked_once_and_nothing_is_refreshed(
    tmp_path: Path, tokens: list[Any], reason: str
) -> None:
    """Credentials that are refused, as after a rotation, are not reported as an outage."""
    engine = Engine(tmp_path, FINE)
    with ScriptedServer([], tokens=tokens) as server:
        report = reviewed(tmp_path, server)
        assert server.names == ["token/get"] * len(tokens)
    assert (report.outcome, engine.calls) == (Outcome.UNDETERMINED, [False])
    assert report.reasons[0].startswith(reason)


@pytest.mark.parametrize(("script", "tokens"), [([NOT_ALLOWED], None), ([], [NOT_ALLOWED])], ids=["call", "token"])
def test_a_gateway_that_refuses_is_asked_once_and_quoted(
    tmp_path: Path, script: list[bytes], tokens: list[bytes] | None
) -> None:
    engine = Engine(tmp_path, FINE)
    with ScriptedServer(script, tokens=tokens) as server:
        report = reviewed(tmp_path, server)
    assert (report.outcome, engine.calls) == (Outcome.UNDETERMINED, [False])
    assert report.reasons[0].startswith(f"{NO_ANSWER}EnOS's gateway refused ")
    assert "HTTP 403 'Your IP address is not allowed'" in report.reasons[0]


def test_where_enos_fails_for_what_an_up_asks_nothing_is_refreshed_either(tmp_path: Path) -> None:
    engine = Engine(tmp_path, FINE)
    with ScriptedServer([refusal(99500)] * ATTEMPTS) as server:
        report = reviewed(tmp_path, server)
    assert (report.outcome, report.live, report.refreshed, engine.calls) == (
        Outcome.UNDETERMINED,
        False,
        False,
        [False],
    )


@pytest.mark.parametrize("code", [24404, 99403])
def test_a_no_is_no_outage(tmp_path: Path, code: int) -> None:
    engine = Engine(tmp_path, FINE)
    with ScriptedServer([refusal(code)]) as server:
        report = reviewed(tmp_path, server)
    assert (report.outcome, engine.calls) == (Outcome.FINE, [True])


@pytest.mark.parametrize("sets", ["", SETS.replace("}", ', expires: "2020-01-01"}')], ids=["none", "expired"])
def test_without_a_set_that_an_up_reads_enos_is_not_asked(tmp_path: Path, sets: str) -> None:
    engine = Engine(tmp_path, FINE)
    with ScriptedServer([]) as server:
        report = reviewed(tmp_path, server, sets)
        assert server.names == []
    assert (report.outcome, engine.calls) == (Outcome.FINE, [True])


def test_an_outage_that_begins_meanwhile_is_waited_for_at_one_set(tmp_path: Path) -> None:
    engine = Engine(tmp_path, FAILED, FINE)
    with ScriptedServer([A_JOB, *[DROP] * ATTEMPTS]) as server:
        report = reviewed(tmp_path, server)
        assert server.names == ["token/get", "get", *["get"] * ATTEMPTS]
    assert (report.outcome, engine.calls) == (Outcome.UNDETERMINED, [True, False])


def test_what_the_preview_waited_for_in_vain_is_not_waited_for_again(tmp_path: Path) -> None:
    text = not_read(TaskSet("x", "0"), "no route")
    unread = json.dumps({"steps": [], "diagnostics": [{"severity": "error", "message": f"error: {text}"}]})
    engine = Engine(tmp_path, unread, FINE)
    with ScriptedServer([A_JOB]) as server:
        report = reviewed(tmp_path, server)
        assert server.names == ["token/get", "get"]
    assert (report.outcome, engine.calls) == (Outcome.UNDETERMINED, [True, False])
    assert report.reasons[0] == text.removesuffix(" [not-read]")


def test_a_set_that_no_preview_came_to_is_shown_as_it_is_declared(tmp_path: Path) -> None:
    engine = Engine(tmp_path, FAILED)
    with ScriptedServer([A_JOB, *[refusal(24404)] * 3]) as server:
        report = reviewed(tmp_path, server)
    assert [each.change for each in report.sets] == [Change.DECLARED] * 3
    assert engine.calls == [True]


def test_where_enos_answers_that_takes_one_request_more(tmp_path: Path) -> None:
    Engine(tmp_path, FINE)
    with ScriptedServer([A_JOB]) as server:
        reviewed(tmp_path, server)
        assert server.names == ["token/get", "get"]
