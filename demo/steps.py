"""The steps of the demo: each explains itself, runs a command and checks the result."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from demo import checks, engine, project
from demo.checks import CANCELLABLE, CannotRunError, CheckFailedError
from demo.engine import Engine, UnexpectedExitError
from demo.screen import Screen
from demo.simulator import Simulator, count, simulator
from demo.trim import trim

if TYPE_CHECKING:
    from collections.abc import Mapping

    from demo.checks import Task
    from demo.interrupts import Interrupts

TEST_BENCH: Final = 5
"""Number of waiting pumps, the last ones, that no set declares."""

_NEXT: Final = """\
Next, in two terminals:
  1.  eval "$(make -s env)"            # pulumi and enos-ota on the PATH
      enos-ota simulate --port 8480    # the same fleet; prints four exports
  2.  eval "$(make -s env)"
      export ENOS_API_GATEWAY=...      # paste the four lines of terminal 1
      cp stacks/Pulumi.example.yaml stacks/Pulumi.mine.yaml
      pulumi stack init mine
      pulumi preview --diff
      pulumi up
Use a real EnOS: README.md. All settings: docs/configuration.md"""


def run(interrupts: Interrupts) -> int:
    """Run all steps; return the exit code. Ends every process that it started."""
    screen = Screen()
    try:
        found = engine.obtain()
        screen.paragraph(
            "enos-ota stops a firmware rollout: you declare the devices, pulumi cancels their OTA tasks. This demo uses"
            " a simulated EnOS on this machine. The output of pulumi is real, without progress rows and URNs."
            f" Engine: pulumi {found.version}."
        )
        with project.temporary(interrupts) as folder:
            _Demo(screen, interrupts, folder, found.folder).run()
    except CheckFailedError as error:
        return _report(f"The demo failed: {error}.", 1)
    except UnexpectedExitError as error:
        return _report(f"The demo failed: {error}", 1)
    except CannotRunError as error:
        return _report(f"The demo cannot run: {error}", 3)
    screen.step("The end")
    screen.paragraph("Simulator and pulumi have ended, the temporary directory is removed.")
    screen.closing(_NEXT)
    return 0


def _report(text: str, code: int) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"{text.rstrip()}\n")
    return code


class _Demo:
    """One run."""

    def __init__(self, screen: Screen, interrupts: Interrupts, folder: Path, engine_folder: Path) -> None:
        self._screen = screen
        self._interrupts = interrupts
        self._folder = folder
        self._engine_folder = engine_folder

    def run(self) -> None:
        home = self._folder / "home"
        home.mkdir()
        base = engine.environment(home, self._engine_folder, {})
        command = Path(sys.prefix) / "bin" / "enos-ota"
        with simulator(command, interrupts=self._interrupts, cwd=self._folder, environ=base) as enos:
            before = enos.tasks()
            self._show_fleet(enos, before)
            declared, pulumi = self._declare(enos, before, base)
            self._preview(enos, pulumi, declared)
            after = self._up(enos, pulumi, before, declared)
            self._up_again(enos, pulumi, after)
            retried = next(key for key in declared if before[key].state == "init")
            waiting = self._retry(enos, retried)
            self._preview_drift(enos, pulumi, retried)
            healed = self._heal(enos, pulumi, waiting, retried)
            self._screen.table(
                "Tasks of the job in each step",
                {"before": count(before), "after up": count(after), "retried": count(waiting), "now": count(healed)},
            )

    def _show_fleet(self, enos: Simulator, tasks: Mapping[str, Task]) -> None:
        screen = self._screen
        screen.step("A rollout in progress")
        screen.paragraph(
            f"A job installs firmware {enos.firmware_version} on {len(tasks)} pumps. Some have it already when"
            " operators report that it drains the battery (INC-4711). The waiting pumps must not get it."
        )
        screen.command("enos-ota simulate --format json")
        screen.paragraph(f"The simulator listens on {enos.url}. Job {enos.job_id} is '{enos.job_name}'.")
        screen.table("Tasks of the job", {"now": count(tasks)})

    def _declare(self, enos: Simulator, tasks: Mapping[str, Task], base: Mapping[str, str]) -> tuple[list[str], Engine]:
        screen = self._screen
        unfinished = sorted(
            key for key, task in tasks.items() if task.state in {*CANCELLABLE, "upgrading", "cancelled"}
        )
        declared, bench = unfinished[:-TEST_BENCH], unfinished[-TEST_BENCH:]
        folder = self._folder / "project"
        folder.mkdir()
        text = project.write(folder, enos.job_id, declared)
        screen.step("Declare which tasks to cancel")
        screen.paragraph(
            f"The stack file names the job and a file with {len(declared)} device keys: every unfinished pump except"
            f" {bench[0]} to {bench[-1]}, which are on a test bench and may get the firmware. In practice this is a"
            " pull request."
        )
        screen.command(f"cat stacks/Pulumi.{project.STACK}.yaml")
        screen.quote(text)
        screen.command(f"head -3 stacks/{project.KEY_FILE}")
        screen.quote("\n".join(declared[:3]))
        screen.closing("Gateway and credentials come from the environment:")
        screen.command(
            f"export ENOS_API_GATEWAY={enos.url} ENOS_ORG_ID={enos.org_id}\n"
            "  export ENOS_APP_KEY=... ENOS_APP_SECRET=..."
        )
        variables = {
            "ENOS_API_GATEWAY": enos.url,
            "ENOS_ORG_ID": enos.org_id,
            "ENOS_APP_KEY": enos.app_key,
            "ENOS_APP_SECRET": enos.app_secret,
        }
        pulumi = Engine(self._engine_folder / "pulumi", folder, {**base, **variables}, self._interrupts)
        self._pulumi(pulumi, "stack", "init", project.STACK)
        return declared, pulumi

    def _preview(self, enos: Simulator, pulumi: Engine, declared: list[str]) -> None:
        self._screen.step("Preview")
        self._screen.paragraph("The preview shows the declared change and reads the current tasks. It changes nothing.")
        output = self._pulumi(pulumi, "preview", "--diff")
        checks.output_contains(output, declared[0])
        checks.nothing_sent((), enos.writes())
        self._screen.checked("EnOS received no request for a change.")

    def _up(self, enos: Simulator, pulumi: Engine, before: Mapping[str, Task], declared: list[str]) -> dict[str, Task]:
        screen = self._screen
        open_keys = [key for key in declared if before[key].state in CANCELLABLE]
        too_late = [key for key in declared if before[key].state == "upgrading"]
        adopted = [key for key in declared if before[key].state == "cancelled"]
        screen.step("Cancel")
        screen.paragraph(
            f"Of {len(declared)} declared tasks {len(open_keys)} can be cancelled. Cancelled earlier in the EnOS"
            f" console: {len(adopted)}; no request is sent for these. Upgrading, so too late: {len(too_late)}; pulumi"
            " warns (with `onTooLate: fail` it would fail)."
        )
        output = self._pulumi(pulumi, "up", "--yes", "--skip-preview")
        after, writes = enos.tasks(), enos.writes()
        checks.sent_once_each((), writes, open_keys)
        checks.became_cancelled(before, after, open_keys)
        checks.output_contains(output, f"({too_late[0]} upgrading")
        screen.checked(
            f"EnOS received cancelTask for exactly these {len(open_keys)} keys, in {len(writes)} requests, and shows"
            f" them as cancelled. The other {len(before) - len(open_keys)} tasks did not change."
        )
        screen.paragraph(
            "The published tasks went first, in a separate request: their pumps are notified and may start at any"
            " moment."
        )
        screen.table("Tasks of the job", {"before": count(before), "now": count(after)})
        return after

    def _up_again(self, enos: Simulator, pulumi: Engine, after: Mapping[str, Task]) -> None:
        self._screen.step("Run it again: no change")
        self._screen.paragraph("Cancelled tasks are read, but not sent again: EnOS would refuse them.")
        writes = enos.writes()
        self._pulumi(pulumi, "up", "--yes", "--skip-preview", "--expect-no-changes")
        checks.nothing_sent(writes, enos.writes())
        checks.became_cancelled(after, enos.tasks(), ())
        self._screen.checked("EnOS received no request for a change, and no task changed.")

    def _retry(self, enos: Simulator, key: str) -> dict[str, Task]:
        screen = self._screen
        screen.step("A colleague retries a task")
        screen.paragraph(
            f"EnOS shows cancelled tasks as failed, so a colleague retries {key} in the EnOS console. The simulator's"
            " control API does the same:"
        )
        body = f'{{"deviceKeys": ["{key}"]}}'
        screen.command(
            f"curl -H 'content-type: application/json' -d '{body}' \\\n"
            f"    $ENOS_API_GATEWAY/_simulator/jobs/{enos.job_id}/retry"
        )
        enos.retry(key)
        tasks = enos.tasks()
        checks.is_waiting(tasks, key)
        screen.checked(f"{key} is {tasks[key].state} again and would soon get the firmware.")
        return tasks

    def _preview_drift(self, enos: Simulator, pulumi: Engine, key: str) -> None:
        self._screen.step("The preview shows the retried task")
        self._screen.paragraph(
            "Each run reads every declared task. The retried task is no longer recorded as cancelled, so it appears as"
            " one key to add. (--suppress-outputs omits the changes of recorded outputs.)"
        )
        writes = enos.writes()
        output = self._pulumi(pulumi, "preview", "--diff", "--suppress-outputs")
        checks.previews_only(output, key)
        checks.nothing_sent(writes, enos.writes())
        self._screen.checked(f"{key} is the only change, and no request was sent.")

    def _heal(self, enos: Simulator, pulumi: Engine, waiting: Mapping[str, Task], key: str) -> dict[str, Task]:
        self._screen.step("Cancel it again")
        writes = enos.writes()
        self._pulumi(pulumi, "up", "--yes", "--skip-preview")
        tasks = enos.tasks()
        checks.sent_once_each(writes, enos.writes(), [key])
        checks.became_cancelled(waiting, tasks, [key])
        self._screen.checked(f"EnOS received one cancelTask, for {key}. It is cancelled, and no other task changed.")
        return tasks

    def _pulumi(self, pulumi: Engine, *arguments: str) -> str:
        self._screen.command(" ".join(("pulumi", *arguments)))
        with self._screen.waiting("pulumi is running"):
            output = pulumi.run(*arguments)
        self._screen.output(trim(output))
        return output
