"""A stack and its surroundings: what is declared, what is recorded, and all that can be done to either."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from enos_ota.engine.properties import record_of
from tests.harness.engine_model import Bag, EngineModel
from tests.stateful.checked_provider import CheckedProvider, Journal, declared_keys
from tests.stateful.served_world import Happening

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from tests.stateful.provider_process import Process, Processes
    from tests.stateful.served_world import ServedWorld, When


@dataclass
class StackModel:
    """One stack in one world, from an empty state on.

    Attributes:
        program: The sets that are declared now, by name: the inputs as the program gives them.
        settings: More of the stack's configuration, such as `enos:batchSize`.
    """

    world: ServedWorld
    processes: Processes
    audit: Path
    settings: dict[str, str] = field(default_factory=dict)
    program: dict[str, Bag] = field(default_factory=dict)
    engine: EngineModel = field(default_factory=EngineModel)

    def __post_init__(self) -> None:
        self.world.reset()
        self.audit.write_text("")
        self.journal = Journal(self.world, self.audit)

    # Declaring

    def declare(self, name: str, job_id: str, keys: Collection[str], **others: Any) -> None:
        """Declare a set anew. No two sets share a key of a job: settings refuse that, so here the others lose it."""
        for other in [other for other in self.program if other != name and self.program[other]["jobId"] == job_id]:
            self.drop(other, keys)
        self.program[name] = {
            "setName": name,
            "apiGateway": self.world.url,
            "orgId": self.world.org_id,
            "jobId": job_id,
            "deviceKeys": _text(keys),
            "onTooLate": "report",
            "onMissing": "fail",
            **others,
        }

    def change(self, name: str, **others: Any) -> None:
        """Change what else is said of a set; None leaves it unsaid."""
        if name in self.program:
            bag = {**self.program[name], **others}
            self.program[name] = {key: value for key, value in bag.items() if value is not None}

    def add(self, name: str, keys: Collection[str]) -> None:
        if name in self.program:
            bag = self.program[name]
            others = {key: bag[key] for key in bag if key not in {"deviceKeys", "setName", "jobId"}}
            self.declare(name, bag["jobId"], {*declared_keys(bag), *keys}, **others)

    def drop(self, name: str, keys: Collection[str]) -> None:
        """Take keys out of a set; a set without keys is none."""
        if name in self.program:
            left = declared_keys(self.program[name]).difference(keys)
            self.change(name, deviceKeys=_text(left))
            if not left:
                del self.program[name]

    def cancelled(self, name: str, every: int = 1) -> tuple[str, list[str]]:
        """The job of a set, and each so-many-th of the keys that the state calls cancelled."""
        if (resource := self.engine.resources.get(name)) is None:
            return "", []
        return resource.outputs["jobId"], sorted(record_of(resource.outputs).cancelled_keys())[::every]

    # Operations

    def up(self, *, refresh: bool = True) -> list[str]:
        """`pulumi up`; what it did."""
        return self.engine.up(self.provider(), self.program, refresh=refresh)

    def refresh(self) -> None:
        """`pulumi refresh`."""
        self.engine.refresh(self.provider())

    def preview(self) -> dict[str, str]:
        """`pulumi preview`; what an `up` would do to each set."""
        return self.engine.preview(self.provider(), self.program)

    def destroy(self, *, refresh: bool = True) -> None:
        """`pulumi destroy`."""
        self.engine.destroy(self.provider(), refresh=refresh)

    def provider(self, *, spare: bool = False) -> CheckedProvider:
        """The provider of an operation; a spare one while another is still under way."""
        config = {
            "enos:apiGateway": self.world.url,
            "enos:orgId": self.world.org_id,
            "enos:appKey": self.world.app_key,
            "enos:appSecret": self.world.simulator.fleet.apps[0].app_secret,
            "enos:cancelledMarkers": '["Cancelled by user", "已取消"]',
            "enos:maxConcurrency": "1",
            "enos-ota:auditLog": str(self.audit),
            **self.settings,
        }
        self.process: Process = self.processes.get(config, spare=spare)
        return CheckedProvider(self.world, self.process, self.journal)

    # What may happen during an operation

    def at(self, number: int, when: When, act: Callable[[], object], *, in_thread: bool = False) -> None:
        """Let something happen at a request from now on; see `Happening`."""
        self.world.happening = Happening(self.world.requests + number, when, act, in_thread)

    def kill_provider(self) -> None:
        self.process.kill()

    def kill_engine(self) -> None:
        """The provider becomes an orphan. From now on it may not write."""
        self.process.kill_engine()
        self.journal.allow()

    def kill_engine_and_go_on(self, name: str, keys: Collection[str]) -> None:
        """The provider becomes an orphan; keys are un-declared, and another `up` runs to its end meanwhile."""
        orphan = self.process
        orphan.kill_engine()
        self.journal.allow()
        self.drop(name, keys)
        self.engine.up(self.provider(spare=True), self.program)
        self.process = orphan

    def interrupt(self) -> None:
        """Somebody presses Ctrl-C. From now on nothing new may be sent."""
        self.process.cancel()
        self.journal.allow()


def _text(keys: Collection[str]) -> str:
    return "".join(f"{key}\n" for key in sorted(keys))
