"""Whatever happens in whatever order: counts, indices and the file agree with the tasks, and what can end does end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from enos_simulator.movement import Movement
from enos_simulator.storage import Storage
from enos_simulator.store import STATUSES
from tests.harness.simulator_harness import Caller, make_caller

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_simulator.store import JobTasks

JOB = "job"
# More than a block of the index, so that a twin begins a second one.
COUNT = 512

KEYS = st.lists(st.integers(1, 6).map("k{}".format), min_size=1, max_size=4)
STEPS: st.SearchStrategy[Callable[[Caller], object]] = st.one_of(
    st.builds(lambda keys: lambda caller: caller.cancel(JOB, *keys), KEYS),
    st.builds(lambda keys: lambda caller: caller.retry(JOB, *keys), KEYS),
    st.builds(lambda action: lambda caller: caller.call(action, jobId=JOB), st.sampled_from(["start", "stop"])),
    st.builds(
        lambda keys, status: lambda caller: caller.simulator.set_tasks(JOB, keys, status),
        KEYS,
        st.sampled_from([*STATUSES, "cancelled"]),
    ),
    st.builds(lambda seconds: lambda caller: caller.clock.forward(seconds), st.sampled_from([0.5, 3, 60])),
    st.builds(
        lambda moving, failures: (
            lambda caller: setattr(
                caller.simulator,
                "movement",
                Movement(moving=moving, push=(0, 1), begin=(0, 5), finish=(0, 9), failures=failures),
            )
        ),
        st.booleans(),
        st.sampled_from([0, 0.5, 1]),
    ),
    st.builds(
        lambda name, value: lambda caller: caller.simulator.change_switches({name: value}),
        st.sampled_from(["sameKeyTwoProducts", "autoRetryCancelled"]),
        st.booleans(),
    ),
    st.builds(
        lambda seconds: lambda caller: caller.simulator.change_switches({"indexDelay": seconds}),
        st.sampled_from([0, 2, 10]),
    ),
    st.builds(
        lambda switches: lambda caller: caller.simulator.change_switches(switches),
        st.fixed_dictionaries(
            {},
            optional={
                "cancelPublished": st.sampled_from(["late", "stops"]),
                "cancelMode": st.sampled_from(["atomic", "partial"]),
                "cancelledAs": st.sampled_from(["failed", "canceled"]),
            },
        ),
    ),
)
POLICIES = st.none() | st.builds(
    lambda seconds: {"enableRetry": True, "retryInterval": seconds, "retryCount": 2}, st.sampled_from([0, 1, 30])
)


def check(held: JobTasks) -> None:
    """The indices of a job say the same as its tasks."""
    tasks = list(held.tasks())
    counts = Counter(task.status for task in tasks)
    seen = Counter(task.status for task in held.indexed_tasks)
    assert {status: count for status, count in held.counts().items() if count} == counts
    for status in STATUSES:
        wanted = frozenset({status})
        assert held.places_in(status) == [task.place for task in tasks if task.status == status]
        assert held.count_indexed(wanted) == len(held.page_indexed(wanted, 0, len(tasks))) == seen[status]
    assert all(task.place in held.places(task.device_key) for task in tasks)


def kept(caller: Caller) -> list[Any]:
    jobs = [(held.job, list(held.tasks())) for held in caller.simulator._store.jobs()]
    return [jobs, caller.simulator.switches, caller.simulator.movement]


@settings(max_examples=40, derandomize=True)
@given(steps=st.lists(STEPS, min_size=5, max_size=40), policy=POLICIES, slots=st.sampled_from([1, 5, 50]))
def test_counts_indices_and_the_file_agree_with_the_tasks(
    steps: list[Callable[[Caller], object]], policy: dict[str, Any] | None, slots: int
) -> None:
    job = {"jobId": JOB, "maximumConcurrency": slots, "retryPolicy": policy}
    fleet = {"jobs": [job | {"devices": {"count": COUNT, "key": "k{}"}}]}
    with TemporaryDirectory() as folder:
        storage = Storage(Path(folder) / "enos.db")
        caller = make_caller(fleet, storage=storage)
        for step in steps:
            step(caller)
            check(caller.simulator.job(JOB))
        caller.simulator.save()
        before = kept(caller)
        storage.close()
        storage = Storage(Path(folder) / "enos.db")
        again = make_caller(fleet, storage=storage)
        assert kept(again) == before
        storage.close()


@settings(max_examples=20, derandomize=True)
@given(steps=st.lists(STEPS, max_size=30), policy=POLICIES, slots=st.sampled_from([5, 50]))
def test_where_devices_move_every_task_of_a_started_job_ends(
    steps: list[Callable[[Caller], object]], policy: dict[str, Any] | None, slots: int
) -> None:
    job = {"jobId": JOB, "maximumConcurrency": slots, "retryPolicy": policy}
    caller = make_caller({"jobs": [job | {"devices": {"count": COUNT, "key": "k{}"}}]})
    for step in steps:
        step(caller)
    caller.call("start", jobId=JOB)
    caller.simulator.movement = Movement()
    caller.clock.forward(100_000)
    counts = caller.simulator.job(JOB).counts()
    assert (counts["init"], counts["published"], counts["upgrading"]) == (0, 0, 0)
