"""What an operator reads when something is in the way: which set, what was and was not done, what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.simulator import JOB, running_simulator
from tests.harness.stack import Sealed, a_set, diagnostics, sent

if TYPE_CHECKING:
    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack import Stack


@pytest.fixture
def nowhere() -> str:
    """The address of a gateway that is down."""
    with running_simulator() as gone:
        return gone.url


def test_a_gateway_that_is_down_is_named_and_nothing_was_sent(
    stack: Stack, simulator: RunningSimulator, nowhere: str
) -> None:
    stack.config["enos:apiGateway"] = nowhere
    stack.declare(a_set("dk-01"))
    ended = stack.up(code=None)
    (told,) = [text for text in diagnostics(ended) if "set 'pumps'" in text]
    assert f"set 'pumps' (job {JOB}): no request was sent: Cannot connect to {nowhere}" in told
    assert "connection refused" in told
    assert len(told.splitlines()) <= 2
    assert stack.resources() == {}
    assert simulator.counters() == {}


def test_wrong_credentials_are_told_in_enos_own_words_and_ours(
    stack_of_each_sdk: Stack, simulator: RunningSimulator, sealed: Sealed
) -> None:
    stack = stack_of_each_sdk
    stack.config["enos:appSecret"] = {"secure": sealed.wrong}
    stack.declare(a_set("dk-01"))
    ended = stack.up(code=None)
    (told,) = [text for text in diagnostics(ended) if "set 'pumps'" in text]
    assert f"set 'pumps' (job {JOB}): no request was sent: " in told
    assert "1003" in told
    assert "Check enos:appSecret (ENOS_APP_SECRET), and whether it was rotated." in told
    assert len(told.splitlines()) <= 2
    assert simulator.counters() == {"token/get": 1}


def test_an_unknown_job_fails_the_run_with_its_set_code_and_request_id(
    stack: Stack, simulator: RunningSimulator
) -> None:
    stack.declare(a_set("dk-01", job_id="no-such-job"))
    ended = stack.up(code=1)
    (told,) = [text for text in diagnostics(ended) if "set 'pumps'" in text]
    assert told.startswith("error: set 'pumps' (job no-such-job): ")
    assert "24404 Job not found (requestId " in told
    assert "0 cancelled, 1 pending (dk-01); `pulumi up` sends just these as soon as it can" in told
    assert len(told.splitlines()) == 1
    assert sent(simulator) == []


def test_a_gateway_that_differs_between_stack_and_environment_is_refused(
    stack: Stack, simulator: RunningSimulator, nowhere: str
) -> None:
    stack.declare(a_set("dk-01"))
    ended = stack.up(code=1, environ={"ENOS_API_GATEWAY": nowhere})
    (told,) = [text for text in diagnostics(ended) if "gateway" in text]
    assert f"the gateway differs: enos:apiGateway is {simulator.url}, ENOS_API_GATEWAY is {nowhere}" in told
    assert "unset ENOS_API_GATEWAY or change enos:apiGateway" in told
    assert "nothing was sent" in told
    assert simulator.counters() == {}


def test_a_change_is_shown_without_network_and_credentials(stack: Stack, simulator: RunningSimulator) -> None:
    """With `--refresh=false`."""
    stack.declare(a_set("dk-01"))
    stack.up()
    asked = simulator.counters()

    del stack.config["enos:appKey"], stack.config["enos:appSecret"]
    stack.declare(a_set("dk-01", "dk-02"))
    assert stack.diff("--refresh=false") == ["+ dk-02"]
    assert simulator.counters() == asked


def test_a_refresh_that_cannot_look_raises_and_changes_nothing(stack: Stack) -> None:
    with running_simulator() as gone:
        stack.config["enos:apiGateway"] = gone.url
        stack.declare(a_set("dk-01", "dk-02"))
        stack.up()
    before = stack.resource()
    ended = stack.run("preview", code=None)
    (told,) = [text for text in diagnostics(ended) if "set 'pumps'" in text]
    assert (
        f"set 'pumps' (job {JOB}): the tasks could not be read; the recorded state is unchanged: Cannot connect to"
        in told
    )
    assert "--refresh=false" in told
    assert len(told.splitlines()) <= 2

    stack.destroy(code=None)
    assert stack.resource() == before

    # Removing a set needs neither network nor credentials, once nothing is looked at before it.
    stack.destroy("--refresh=false")
    assert stack.resources() == {}


def test_a_secret_rotated_in_the_stack_file_alone_has_two_ways_out(
    stack: Stack, simulator: RunningSimulator, sealed: Sealed
) -> None:
    """A refresh uses what the state recorded: --run-program makes it read the stack file, the environment wins."""
    # The state records the secret of the stack file, which is not the right one any more.
    right = {"ENOS_APP_KEY": simulator.app_key, "ENOS_APP_SECRET": simulator.app_secret}
    stack.config["enos:appSecret"] = {"secure": sealed.wrong}
    stack.declare(a_set("dk-01"))
    stack.up(environ=right)
    stack.config["enos:appSecret"] = {"secure": sealed.right}
    stack.declare(a_set("dk-01", "dk-02"))

    ended = stack.run("preview", code=None)
    (told,) = [text for text in diagnostics(ended) if "set 'pumps'" in text]
    assert "the tasks could not be read; the recorded state is unchanged" in told
    assert "--run-program" in told
    assert "ENOS_APP_KEY" in told
    assert "ENOS_APP_SECRET" in told
    assert len(told.splitlines()) <= 2

    assert stack.preview(environ=right).ops == {"pumps": "update"}
    stack.up("--run-program")
    assert sent(simulator) == [["dk-01"], ["dk-02"]]
    stack.stands()  # from now on the state has the new one


def test_a_gateway_that_moved_is_never_asked_about_the_old_ones_tasks(
    stack: Stack, simulator: RunningSimulator
) -> None:
    """What is recorded was read elsewhere: a refresh refuses to compare, and says how the set moves on."""
    with running_simulator() as old:
        stack.config["enos:apiGateway"] = old.url
        stack.declare(a_set("dk-01"))
        stack.up()
    stack.config["enos:apiGateway"] = simulator.url
    stack.declare(a_set("dk-01"))

    ended = stack.run("preview", "--run-program", code=None)
    told = [text for text in diagnostics(ended) if "set 'pumps'" in text]
    assert told
    for text in told:
        assert f"recorded for gateway {old.url}, but {simulator.url} is configured" in text
        assert "add --refresh=false: the set is then replaced" in text
        assert len(text.splitlines()) <= 2
    assert simulator.counters() == {}

    stack.up("--refresh=false")
    assert sent(simulator) == [["dk-01"]]
    assert stack.resource()["apiGateway"] == simulator.url
    stack.stands()
