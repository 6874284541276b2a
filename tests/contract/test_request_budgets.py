"""What a change costs in requests, counted by the simulator: the budgets of section 9 of the design.

For N eligible keys, P published tasks in the job, of which p are declared:

    writes ≤ ⌈N / 200⌉ + ⌈p / 20⌉        reads ≤ ⌈N / 200⌉ + 2 ⌈P / 200⌉ + 4, and ⌈N / 200⌉ more with a guard

Where every batch holds a key that cannot be cancelled, each has to be read before it is sent, and what was sent has to
be read back: ⌈N / 200⌉ reads more, as with a guard. There is no cheaper way as long as one such key spoils its batch.
"""

from __future__ import annotations

from math import ceil
from typing import Any, Literal

import pytest

from enos_ota.plan import Guard, Record
from enos_ota.reconciler import Pool
from tests.harness.reconciling import World, fleet_of, world
from tests.harness.simulator import JOB

GUARDED = Guard(max_devices=10**9)

Ineligible = Literal["none", "1 % spread", "1 % together"]


def declared(count: int) -> list[str]:
    return [f"k{number:05}" for number in range(count)]


def fleet(count: int, published: int, ineligible: Ineligible) -> dict[str, Any]:
    """The declared devices and some more; where fewer are declared than published, other devices are."""
    late = set(range(50, count, 100)) if ineligible == "1 % spread" else set(range(count - ceil(count / 100), count))
    if ineligible == "none":
        late = set()
    tasks = [
        {"deviceKey": key, "status": "upgrading" if at in late else "published" if at < published else "init"}
        for at, key in enumerate(declared(count))
    ]
    tasks += [{"deviceKey": f"x{at:05}", "status": "published"} for at in range(published - count)]
    tasks += [{"deviceKey": f"y{at:05}", "status": "init"} for at in range(50)]
    return fleet_of(*tasks)


def cost(here: World) -> tuple[int, int]:
    """Requests so far: those that write, those that read."""
    counted = here.simulator.counters()
    return counted.get("cancelTask", 0), counted.get("searchTask", 0) + counted.get("get", 0)


@pytest.mark.parametrize("guarded", [False, True], ids=["free", "guarded"])
@pytest.mark.parametrize("ineligible", ["none", "1 % spread", "1 % together"])
@pytest.mark.parametrize("published", [0, 300])
@pytest.mark.parametrize("count", [10, 200, 201, 10_000])
def test_a_change_keeps_to_its_budget(count: int, published: int, ineligible: Ineligible, guarded: bool) -> None:  # noqa: FBT001 - a parameter of the test
    with world(fleet(count, published, ineligible), workers=Pool(8)) as here:
        record = here.apply(*declared(count), guard=GUARDED if guarded else None)
        assert record.problem == ""
        assert all(entry["processed"] for entry in here.simulator.journal())
        writes, reads = cost(here)
        refused = sum(1 for entry in here.simulator.journal() if entry["code"])
        batches, urgent = ceil(count / 200), ceil(min(published, count) / 20)
        assert writes <= batches + urgent + refused
        # Keys that cannot be cancelled and stand together spoil the one or two batches that they are in.
        assert refused <= (2 if ineligible == "1 % together" else 0)
        looks_first = guarded or ineligible == "1 % spread"
        assert reads <= (2 if looks_first else 1) * batches + 2 * ceil(published / 200) + 4 + 2 * refused


def test_a_change_of_a_few_keys_costs_requests_for_these_alone() -> None:
    with world(fleet(10_000, 0, "none"), workers=Pool(8)) as here:
        here.simulator.set_tasks(JOB, declared(9_990), "cancelled")
        kept = Record(frozenset(declared(9_990)), {}, here.apply(*declared(1)).job)
        before = cost(here)
        here.apply(*declared(10_000), previous=kept)
        after = cost(here)
        assert (after[0] - before[0], after[1] - before[1]) == (1, 3)


def test_no_change_costs_no_request() -> None:
    with world(fleet(201, 0, "none")) as here:
        record = here.apply(*declared(201))
        before = here.simulator.counters()
        assert here.apply(*declared(201), previous=record) == record
        assert here.simulator.counters() == before


@pytest.mark.parametrize("count", [10, 10_000])
def test_the_first_cancel_leaves_within_five_requests(count: int) -> None:
    with world(fleet(count, 300, "none"), workers=Pool(8)) as here:
        before_it: list[int] = []

        class _Watch:
            def before(self) -> None:
                before_it.append(sum(here.simulator.counters().values()))

            def after(self, outcome: object) -> None: ...

        here.apply(*declared(count), watch=lambda *_: _Watch())
        assert before_it[0] + 1 <= 5


def test_a_refresh_reads_the_job_and_each_page_once() -> None:
    with world(fleet(10_000, 0, "none"), workers=Pool(8)) as here:
        record = here.apply(*declared(10_000))
        before = cost(here)
        here.refresh(record)
        after = cost(here)
        assert (after[0] - before[0], after[1] - before[1]) == (0, 1 + 50)
