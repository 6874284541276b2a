"""The story: what happens, why, the command for it, and whether it really came about."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from demo import checks, engine, project
from demo.checks import CANCELLABLE, CannotTellError, NotSoError
from demo.engine import Engine, UnexpectedExitError
from demo.screen import Screen
from demo.simulator import Simulator, count, simulator
from demo.trim import trim

if TYPE_CHECKING:
    from collections.abc import Mapping

    from demo.checks import Task
    from demo.interrupts import Interrupts

BENCH: Final = 5
"""So many waiting pumps are not called back: the last ones."""

_NEXT: Final = """\
What to try next, in two terminals:
  1.  eval "$(make -s env)"            # pulumi and enos-ota on the PATH
      enos-ota simulate --port 8480    # the same fleet; prints four exports
  2.  eval "$(make -s env)"
      export ENOS_API_GATEWAY=...      # the four lines of terminal 1
      cp stacks/Pulumi.example.yaml stacks/Pulumi.mine.yaml
      pulumi stack init mine
      pulumi preview --diff
      pulumi up
A real EnOS: README.md. Every setting: docs/configuration.md"""


def tell(interrupts: Interrupts) -> int:
    """Tell it all; gives the exit code. Everything that was started is ended when this returns or raises."""
    screen = Screen()
    try:
        found = engine.obtain()
        screen.say(
            "enos-ota calls back a firmware rollout: you declare which devices, pulumi sees to it. Here it does so"
            " with a simulated EnOS on this machine. Every output of pulumi below is real; rows that only show"
            f" progress, and URNs, are left out. Engine: pulumi {found.version}."
        )
        with project.temporary(interrupts) as folder:
            _Story(screen, interrupts, folder, found.folder).tell()
    except NotSoError as error:
        return _give_up(f"The demo failed: {error}.", 1)
    except UnexpectedExitError as error:
        return _give_up(f"The demo failed: {error}", 1)
    except CannotTellError as error:
        return _give_up(f"The demo cannot run: {error}", 3)
    screen.step("The end")
    screen.say("Simulator and pulumi have ended, the temporary directory is gone.")
    screen.closing(_NEXT)
    return 0


def _give_up(text: str, code: int) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"{text.rstrip()}\n")
    return code


class _Story:
    """One telling."""

    def __init__(self, screen: Screen, interrupts: Interrupts, folder: Path, engine_folder: Path) -> None:
        self._screen = screen
        self._interrupts = interrupts
        self._folder = folder
        self._engine_folder = engine_folder

    def tell(self) -> None:
        home = self._folder / "home"
        home.mkdir()
        base = engine.surroundings(home, self._engine_folder, {})
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
                "Tasks of the job, from the first step to now",
                {"before": count(before), "after up": count(after), "retried": count(waiting), "now": count(healed)},
            )

    def _show_fleet(self, enos: Simulator, tasks: Mapping[str, Task]) -> None:
        screen = self._screen
        screen.step("A rollout under way")
        screen.say(
            f"{len(tasks)} pumps are to get firmware {enos.firmware_version}. Some have it when the first complaints"
            " come in (INC-4711): it drains the battery. What still waits must not get it."
        )
        screen.command("enos-ota simulate --format json")
        screen.say(f"It listens on {enos.url}; job {enos.job_id} is '{enos.job_name}'.")
        screen.table("Tasks of the job", {"now": count(tasks)})

    def _declare(self, enos: Simulator, tasks: Mapping[str, Task], base: Mapping[str, str]) -> tuple[list[str], Engine]:
        screen = self._screen
        unfinished = sorted(
            key for key, task in tasks.items() if task.state in {*CANCELLABLE, "upgrading", "cancelled"}
        )
        declared, bench = unfinished[:-BENCH], unfinished[-BENCH:]
        folder = self._folder / "project"
        folder.mkdir()
        text = project.write(folder, enos.job_id, declared)
        screen.step("Declare what is to be cancelled")
        screen.say(
            f"The stack's configuration names the job, and a file with {len(declared)} device keys: every pump that is"
            f" not done, but not {bench[0]} to {bench[-1]}. Those stand on the test bench and may have it."
            " In real life this is a pull request."
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
        self._screen.step("Look first")
        self._screen.say("A preview shows what is declared, and what an up would meet right now. It changes nothing.")
        output = self._pulumi(pulumi, "preview", "--diff")
        checks.says(output, declared[0])
        checks.nothing_sent((), enos.writes())
        self._screen.checked("EnOS got no request that writes.")

    def _up(self, enos: Simulator, pulumi: Engine, before: Mapping[str, Task], declared: list[str]) -> dict[str, Task]:
        screen = self._screen
        open_keys = [key for key in declared if before[key].state in CANCELLABLE]
        too_late = [key for key in declared if before[key].state == "upgrading"]
        adopted = [key for key in declared if before[key].state == "cancelled"]
        screen.step("Make it so")
        screen.say(
            f"Declared are {len(declared)} pumps. Can be cancelled: {len(open_keys)}. Cancelled by hand already:"
            f" {len(adopted)}; taken over, nothing is sent. Being upgraded, so too late: {len(too_late)}; pulumi warns,"
            " and with `onTooLate: fail` in the stack it would fail."
        )
        output = self._pulumi(pulumi, "up", "--yes", "--skip-preview")
        after, writes = enos.tasks(), enos.writes()
        checks.sent_once_each((), writes, open_keys)
        checks.became_cancelled(before, after, open_keys)
        checks.says(output, f"too late to cancel ({too_late[0]} upgrading")
        screen.checked(
            f"cancelTask was sent for exactly these {len(open_keys)} keys, in {len(writes)} requests; EnOS shows all of"
            f" them as cancelled. Each of the other {len(before) - len(open_keys)} tasks is as it was."
        )
        screen.say(
            "Pumps that had been told already (published) went first, in a request of their own: they may begin any"
            " moment."
        )
        screen.table("Tasks of the job", {"before": count(before), "now": count(after)})
        return after

    def _up_again(self, enos: Simulator, pulumi: Engine, after: Mapping[str, Task]) -> None:
        self._screen.step("Do it again: nothing happens")
        self._screen.say("What is cancelled already is read, and not sent again: EnOS would refuse it.")
        writes = enos.writes()
        self._pulumi(pulumi, "up", "--yes", "--skip-preview", "--expect-no-changes")
        checks.nothing_sent(writes, enos.writes())
        checks.became_cancelled(after, enos.tasks(), ())
        self._screen.checked("EnOS got no request that writes, and no task changed.")

    def _retry(self, enos: Simulator, key: str) -> dict[str, Task]:
        screen = self._screen
        screen.step("A colleague retries a task")
        screen.say(
            f"Somebody at the EnOS console takes {key} for a failed upgrade, which is all that EnOS shows, and retries"
            " it. The simulator's control API does the same by the same rules:"
        )
        body = f'{{"deviceKeys": ["{key}"]}}'
        screen.command(
            f"curl -H 'content-type: application/json' -d '{body}' \\\n"
            f"    $ENOS_API_GATEWAY/_simulator/jobs/{enos.job_id}/retry"
        )
        enos.retry(key)
        tasks = enos.tasks()
        checks.is_waiting(tasks, key)
        screen.checked(f"{key} is {tasks[key].state} again: the next free slot pushes the firmware to it.")
        return tasks

    def _preview_drift(self, enos: Simulator, pulumi: Engine, key: str) -> None:
        self._screen.step("The preview shows it")
        self._screen.say(
            "Each run reads every declared task. What can be cancelled again is no longer recorded as cancelled, so it"
            " shows as one key to add. (--suppress-outputs leaves out how pulumi's record of the set changed.)"
        )
        writes = enos.writes()
        output = self._pulumi(pulumi, "preview", "--diff", "--suppress-outputs")
        checks.plans_only(output, key)
        checks.nothing_sent(writes, enos.writes())
        self._screen.checked(f"{key} is the one key that would change, and nothing was sent.")

    def _heal(self, enos: Simulator, pulumi: Engine, waiting: Mapping[str, Task], key: str) -> dict[str, Task]:
        self._screen.step("And up cancels it again")
        writes = enos.writes()
        self._pulumi(pulumi, "up", "--yes", "--skip-preview")
        tasks = enos.tasks()
        checks.sent_once_each(writes, enos.writes(), [key])
        checks.became_cancelled(waiting, tasks, [key])
        self._screen.checked(f"one cancelTask for {key} alone; it is cancelled, and no other task changed.")
        return tasks

    def _pulumi(self, pulumi: Engine, *arguments: str) -> str:
        self._screen.command(" ".join(("pulumi", *arguments)))
        with self._screen.waiting("pulumi is at work"):
            output = pulumi.run(*arguments)
        self._screen.output(trim(output))
        return output
