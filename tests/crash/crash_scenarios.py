"""The lives of small sets that are cut off everywhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from enos_ota.plan.guard import BREAK_GLASS
from tests.crash.crash_explore import Scenario
from tests.crash.crash_world import a_set

if TYPE_CHECKING:
    from tests.crash.crash_world import World

JOB: Final = "65a1b2c3d4e5f60718293a4b"
OTHER: Final = "65a1b2c3d4e5f60718293a4c"

RETRY_POLICY: Final = {"enableRetry": True, "retryInterval": 4, "retryCount": 1}
"""Does nothing but under the switch auto_retry_cancelled."""

MIXED: Final = {
    "a1": "init",  # the first one: its device key is what the switch same_key_two_products gives to a second device
    "it's": "init",  # no search expression can hold it
    "a2": "init",
    "a3": "init",
    "a4": "init",
    "p1": "published",
    "p2": "published",
    "u1": "upgrading",
    "s1": "succeeded",
    "f1": "failed",
    "c1": "cancelled",
    "x1": "init",  # never declared
    "x2": "published",
}


def _job(job: str, tasks: dict[str, str]) -> dict[str, object]:
    rows = [{"deviceKey": key, "status": status} for key, status in tasks.items()]
    return {"jobId": job, "tasks": rows, "status": "started", "retryPolicy": RETRY_POLICY}


FEW: Final = json.dumps([_job(JOB, MIXED)])
TWO_JOBS: Final = json.dumps([_job(JOB, MIXED), _job(OTHER, {"a1": "init", "a2": "published", "p1": "init"})])
QUOTES: Final = ("it's", 'say "x"', "no') or deviceKey in ('z000")
"""Keys that break, or change the meaning of, an expression into which they are spliced."""
LONG: Final = json.dumps(
    [
        _job(
            JOB,
            {
                **{f"z{number:03}": "succeeded" for number in range(205)},
                **dict(zip(QUOTES, ("init", "published", "init"), strict=True)),
            },
        )
    ]
)
TWINS: Final = json.dumps(
    [
        {
            "jobId": JOB,
            "status": "started",
            "tasks": [
                {"deviceKey": "a1"},
                {"deviceKey": "t1"},
                {"deviceKey": "t1", "productKey": "Another1"},
                {"deviceKey": "p1", "productKey": "Another1", "status": "published"},
            ],
        }
    ]
)
MANY: Final = json.dumps(
    [_job(JOB, {f"a{number:03}": "published" if number % 50 == 1 else "init" for number in range(205)})]
)


def _create(world: World) -> None:
    world.up(a_set("pump", JOB, "a1", "a2", "a3", "a4", "p1", "p2", "u1", "s1", "f1", "c1", "it's", "gone"))


def _create_two(world: World) -> None:
    world.up(a_set("one", JOB, "a1", "p1", "u1"), a_set("two", JOB, "a2", "a3"), a_set("three", OTHER, "a1", "a2"))


def _add(world: World) -> None:
    with world.undisturbed():
        world.up(a_set("pump", JOB, "a1", "p1"))
    world.up(a_set("pump", JOB, "a1", "a2", "p1", "p2", "c1", "u1"))


def _drop(world: World) -> None:
    with world.undisturbed():
        world.up(a_set("pump", JOB, "a1", "a2", "p1"))
    world.colleague_retries(JOB, "a1", "p1")
    world.up(a_set("pump", JOB, "a2", "p1", "a3"))


def _heal(world: World) -> None:
    with world.undisturbed():
        world.up(a_set("pump", JOB, "a1", "a2", "p1", "p2"))
    world.colleague_retries(JOB, "a1", "p1")
    world.devices_move(JOB, "upgrading", "p2")
    world.up(a_set("pump", JOB, "a1", "a2", "p1", "p2"))


def _refresh(world: World) -> None:
    with world.undisturbed():
        world.up(a_set("pump", JOB, "a1", "a2", "p1"))
    world.colleague_retries(JOB, "a1")
    world.refresh()
    world.up(a_set("pump", JOB, "a1", "a2", "p1"))


def _remove(world: World) -> None:
    with world.undisturbed():
        world.up(a_set("one", JOB, "a1", "p1"), a_set("two", JOB, "a2", "a3"))
    world.colleague_retries(JOB, "a1")
    world.up(a_set("two", JOB, "a2", "a3"))


def _destroy(world: World) -> None:
    with world.undisturbed():
        world.up(a_set("one", JOB, "a1", "p1"), a_set("two", OTHER, "a1"))
    world.colleague_retries(JOB, "a1")
    world.destroy()


def _replace(world: World) -> None:
    with world.undisturbed():
        world.up(a_set("pump", JOB, "a1", "a2", "p1"))
    world.colleague_retries(JOB, "a1")
    world.up(a_set("pump", OTHER, "a1", "a2", "p1"))


def _stopped(world: World) -> None:
    world.job_is_set(JOB, "stopped")
    world.up(a_set("pump", JOB, "a1", "p1", "u1", "c1"))
    world.job_is_set(JOB, "started")
    world.up(a_set("pump", JOB, "a1", "p1", "u1", "c1"))


def _deleted(world: World) -> None:
    with world.undisturbed():
        world.up(a_set("pump", JOB, "a1", "a2"))
    world.job_is_deleted(JOB)
    world.up(a_set("pump", JOB, "a1", "a2", "a3"))


def _unknown(world: World) -> None:
    world.up(a_set("pump", OTHER, "a1", "a2"))
    world.simulator.add_job(_job(OTHER, {"a1": "init", "a2": "published"}))
    world.pass_time()
    world.up(a_set("pump", OTHER, "a1", "a2"))


def _quoted(world: World) -> None:
    world.up(a_set("pump", JOB, *QUOTES))


def _guarded(world: World) -> None:
    # One to spare, for a colleague may retry c1 meanwhile.
    world.up(a_set("pump", JOB, "a1", "a2", "p1", "c1", "u1", "s1", maxDevices=4))


def _held_back(world: World) -> None:
    world.up(a_set("pump", JOB, "a1", "a2", "a3", "p1", maxDevices=2), held_back=True)
    world.up(a_set("pump", JOB, "a1", "a2", "a3", "p1", maxDevices=2, expectFirmwareVersion="9.9"), held_back=True)
    world.up(a_set("pump", JOB, "a1", "a2", "a3", "p1", maxDevices=4, expectFirmwareVersion="1.0.0"))


def _glass_broken(world: World) -> None:
    world.environ[BREAK_GLASS] = "INC-4711"
    world.up(a_set("pump", JOB, "a1", "a2", "a3", "p1", maxDevices=2, maxShare=0.01))


def _twins(world: World) -> None:
    world.up(a_set("pump", JOB, "a1", "t1", "p1"))


def _many(world: World) -> None:
    world.looks_first = False
    world.up(a_set("pump", JOB, *(f"a{number:03}" for number in range(205))))


CREATE: Final = Scenario("create", FEW, _create)
CREATE_TWO: Final = Scenario("create three sets", TWO_JOBS, _create_two)
ADD: Final = Scenario("add keys", FEW, _add)
DROP: Final = Scenario("drop keys that were retried", FEW, _drop)
HEAL: Final = Scenario("heal drift", FEW, _heal)
REFRESH: Final = Scenario("refresh, then heal", FEW, _refresh)
REMOVE: Final = Scenario("remove a set", FEW, _remove)
DESTROY: Final = Scenario("destroy", TWO_JOBS, _destroy)
REPLACE: Final = Scenario("replace by another job", TWO_JOBS, _replace)
STOPPED: Final = Scenario("stopped job, started later", FEW, _stopped)
DELETED: Final = Scenario("deleted job", FEW, _deleted)
UNKNOWN: Final = Scenario("job that comes later", FEW, _unknown)
QUOTED: Final = Scenario("quoted keys in a long job", LONG, _quoted)
TWINNED: Final = Scenario("one key under two products", TWINS, _twins)
GUARDED: Final = Scenario("within the guard", FEW, _guarded)
HELD_BACK: Final = Scenario("held back by guard and expectation", FEW, _held_back)
GLASS_BROKEN: Final = Scenario("guard overridden", FEW, _glass_broken)
LARGE: Final = Scenario("more keys than are read first", MANY, _many)

SCENARIOS: Final = (
    CREATE, CREATE_TWO, ADD, DROP, HEAL, REFRESH, REMOVE, DESTROY, REPLACE, STOPPED, DELETED, UNKNOWN, QUOTED, TWINNED,
    GUARDED, HELD_BACK, GLASS_BROKEN, LARGE,
)  # fmt: skip
