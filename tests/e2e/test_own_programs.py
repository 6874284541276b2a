"""Programs of one's own: `CancelledTaskSet` and `require_converged` in a project that is not ours."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.harness.simulator import JOB
from tests.harness.stack import NAME, Stack, diagnostics, sent

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.engine import PulumiEngine
    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack import Sealed

CANCELLED = ("failed", "Cancelled by user")


@pytest.fixture
def own(engine: PulumiEngine, tmp_path: Path, simulator: RunningSimulator, sealed: Sealed) -> Stack:
    """A project named `fleet-ops`, with `enos:` keys in its stack file and nothing of `enos-ota:`."""
    project, home = tmp_path / "fleet-ops", tmp_path / "home"
    project.mkdir()
    home.mkdir()
    (project / "Pulumi.yaml").write_text("name: fleet-ops\nruntime: python\n", encoding="utf-8")
    stack = Stack(
        engine,
        project,
        home,
        sealed.salt,
        config={
            "enos:apiGateway": simulator.url,
            "enos:orgId": simulator.org_id,
            "enos:appKey": simulator.app_key,
            "enos:appSecret": {"secure": sealed.right},
            "fleet-ops:jobId": JOB,
            # Secret by itself, whatever it holds.
            "fleet-ops:token": {"secure": sealed.wrong},
        },
        secrets=(simulator.app_secret, sealed.wrong_text),
    )
    stack.write()
    stack.run("stack", "init", NAME)
    return stack


def program(stack: Stack, text: str) -> None:
    """Make this the project's program, below the imports."""
    head = "import pulumi\nfrom enos_ota import CancelledTaskSet, require_converged\n\nconfig = pulumi.Config()\n"
    (stack.project / "__main__.py").write_text(head + textwrap.dedent(text), encoding="utf-8")


def test_keys_and_job_may_be_outputs_of_something_else(own: Stack, simulator: RunningSimulator) -> None:
    """A list with an Output inside, a whole list that is an Output; the typed views are outputs of the stack."""
    program(
        own,
        """
        job = pulumi.Output.from_input(config.require("jobId"))
        one = pulumi.Output.from_input("dk-02")
        pumps = CancelledTaskSet("pumps", job, ["dk-01", one, "dk-09"], reason="INC-4711")
        more = CancelledTaskSet("more", job, pumps.device_keys.apply(lambda keys: ["dk-03"] if keys else []))
        require_converged(pumps, more)
        pulumi.export("keys", pumps.device_keys)
        pulumi.export("count", pumps.cancelled_count)
        pulumi.export("exceptions", pumps.exceptions)
        pulumi.export("problem", pumps.problem)
        """,
    )
    assert own.preview().ops == {"pumps": "create", "more": "create"}
    own.up()
    assert sent(simulator) == [["dk-01", "dk-02"], ["dk-03"]]
    assert own.run("stack", "output", "--json").json() == {
        "keys": ["dk-01", "dk-02", "dk-09"],
        "count": 2,
        "exceptions": [["dk-09", "too late", "succeeded"]],
        "problem": "",
    }
    own.run("up", "--yes", "--skip-preview", "--expect-no-changes", "--refresh")
    assert len(sent(simulator)) == 2


def test_a_program_of_ones_own_fails_once_for_all_its_sets(own: Stack, simulator: RunningSimulator) -> None:
    program(
        own,
        """
        require_converged(
            CancelledTaskSet("pumps", config.require("jobId"), ["dk-01", "nobody"]),
            CancelledTaskSet("valves", config.require("jobId"), ["dk-02", "dk-09"], on_too_late="fail"),
        )
        """,
    )
    ended = own.up(code=1)
    (told,) = [text for text in diagnostics(ended) if "did not come out as declared" in text]
    headline, *lines = told.splitlines()
    assert headline == "error: 2 of 2 sets did not come out as declared:"
    assert [line.partition(" (job")[0] for line in lines] == ["set 'pumps'", "set 'valves'"]
    assert sorted(sent(simulator)) == [["dk-01"], ["dk-02"]]


def test_secret_keys_are_refused(own: Stack, simulator: RunningSimulator) -> None:
    """They would show in every outcome."""
    program(own, 'CancelledTaskSet("pumps", config.require("jobId"), ["dk-01", config.require_secret("token")])\n')
    ended = own.up(code=None)
    assert "set 'pumps': device keys must not be secret: they are shown in outcomes" in ended.output
    assert simulator.counters() == {}
    assert own.resources() == {}


def test_bad_arguments_are_one_error(own: Stack, simulator: RunningSimulator) -> None:
    program(
        own,
        """
        CancelledTaskSet("pumps", config.require("jobId"), [], on_missing="ignore", expires="soon", max_devices=-5)
        """,
    )
    ended = own.up(code=1)
    (told,) = [text for text in diagnostics(ended) if "set 'pumps'" in text]
    for part in (
        "no device keys",
        "on_missing must be 'report' or 'fail', not 'ignore'",
        "expires must be a day such as 2027-03-31, not 'soon'",
        "max_devices must be a whole number from 0 on, not -5",
    ):
        assert told.count(part) == 1
    assert len(told.splitlines()) == 1
    assert simulator.counters() == {}
