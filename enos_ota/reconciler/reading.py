"""Read the tasks of declared keys, whatever the keys look like and however rows move meanwhile."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from enos_ota.enos import EnosClient, EnosError, IncompleteList, Page, RequestTooLarge, Task, TaskStatus, is_quotable
from enos_ota.enos.paging import LARGEST_PAGE, all_rows, first_page, is_full
from enos_ota.reconciler.deadline import Stopped
from enos_ota.reconciler.workers import SerialWorkers

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

    from enos_ota.reconciler.deadline import Deadline
    from enos_ota.reconciler.workers import Workers

_T = TypeVar("_T")

PAGE_SIZE: Final = LARGEST_PAGE
"""Keys asked for in one search: the largest documented page, so that one request answers them all [D]."""


class ServiceLimits:
    """Limits of the service, found by halving, and kept for all sets of a run [U]."""

    def __init__(self, batch: int = PAGE_SIZE, page: int = PAGE_SIZE) -> None:
        self._lock = threading.Lock()
        self.batch = batch
        """Keys in a cancelTask."""
        self.page = page
        """Rows in a page."""

    def allow_batch(self, keys: int) -> None:
        """No cancelTask with more keys."""
        with self._lock:
            self.batch = min(self.batch, keys)

    def allow_page(self, rows: int) -> None:
        """No page with more rows."""
        with self._lock:
            self.page = min(self.page, rows)


@dataclass(frozen=True, slots=True)
class Reading:
    """The tasks of each key that was read (none: the job does not know it), and why others were not.

    An `IncompleteList` concerns no key that was read.
    """

    tasks: Mapping[str, tuple[Task, ...]]
    failure: EnosError | Stopped | None = None

    def complete(self) -> Mapping[str, tuple[Task, ...]]:
        """The tasks; raise the failure if something could not be read."""
        if self.failure:
            raise self.failure
        return self.tasks


class TaskReader:
    """Reads tasks of one job. `tick` is called every so often while searches are under way, in the caller's thread."""

    def __init__(
        self,
        client: EnosClient,
        job_id: str,
        *,
        service: ServiceLimits | None = None,
        workers: Workers | None = None,
        deadline: Deadline | None = None,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._job_id = job_id
        self._service = service or ServiceLimits()
        self._workers = workers or SerialWorkers()
        self._deadline = deadline
        self._tick = tick

    def of_keys(self, keys: Iterable[str], note: Callable[[int], None] | None = None) -> Reading:
        """Read the tasks of each key; one failing search does not spoil the others.

        One request for 200 keys. Keys that no search expression can hold are found by paging through the whole job.
        `note` is called with the number of keys that were read, from any thread.
        """
        wanted = set(keys)
        quotable = sorted(key for key in wanted if is_quotable(key))
        others = wanted.difference(quotable)
        failures: list[EnosError | Stopped] = []
        incomplete: list[EnosError | Stopped] = []
        found: dict[str, tuple[Task, ...]] = {}

        def run(read: Callable[[], dict[str, tuple[Task, ...]]]) -> dict[str, tuple[Task, ...]]:
            if failures:
                return {}  # the others would probably fail too
            try:
                rows = read()
            except IncompleteList as error:
                incomplete.append(error)
                return {}
            except (EnosError, Stopped) as error:
                failures.append(error)
                return {}
            if note:
                note(len(rows))
            return rows

        searches = [partial(self._ask_for, part) for part in chunks(quotable, self._service.page)]
        if others:
            searches.append(partial(self._look_for, others))
        for part in self._workers.run([partial(run, search) for search in searches], self._carry_on):
            found.update(part or {})
        return Reading(found, next(iter([*failures, *incomplete]), None))

    def of_keys_surely(self, keys: Iterable[str], note: Callable[[int], None] | None = None) -> Reading:
        """Like `of_keys`, but a key without a task was asked for twice: rows can shift while they are read."""
        first = self.of_keys(keys, note)
        missing = [key for key, rows in first.tasks.items() if not rows]
        if not missing:
            return first
        # Asked for once only, and so not read, unless it is answered now.
        sure = {key: rows for key, rows in first.tasks.items() if rows}
        if first.failure:
            return Reading(sure, first.failure)
        again = self.of_keys(missing)
        return Reading({**sure, **again.tasks}, again.failure)

    def published(self) -> dict[str, tuple[Task, ...]]:
        """The published tasks, by key: their devices were notified, so that they are the most urgent ones."""
        found: list[Task] = []

        def read() -> None:
            with contextlib.suppress(IncompleteList):  # this decides which keys go first, and nothing else
                found.extend(self._rows(statuses=[TaskStatus.PUBLISHED]))

        self._workers.run([read], self._carry_on)
        if self._deadline:
            self._deadline.check()
        return _by_key(found)

    def _carry_on(self) -> bool:
        self._tick()
        return self._deadline is None or not self._deadline.is_over

    def _ask_for(self, keys: Sequence[str]) -> dict[str, tuple[Task, ...]]:
        """The tasks of some keys, from answers of one page each: over several pages rows could shift unseen."""
        middle = (len(keys) + 1) // 2
        try:
            page, size = first_page(self._search(device_keys=keys), self._service.page)
        except RequestTooLarge:
            if len(keys) == 1:
                raise
            self._service.allow_page(middle)
            return self._ask_for(keys[:middle]) | self._ask_for(keys[middle:])
        self._service.allow_page(size)
        tasks = _by_key(page.items)
        number = len(page.items)
        if is_full(page, size):
            is_whole = page.total_size == number and tasks.keys() == set(keys)  # a row for each, and no more
            if not is_whole and len(keys) > 1:
                return self._ask_for(keys[:middle]) | self._ask_for(keys[middle:])
        else:
            is_whole = page.total_size is None or page.total_size <= number
        if not is_whole:
            tasks = _by_key(self._rows(device_keys=keys))
        return {key: tasks.get(key, ()) for key in keys}

    def _look_for(self, keys: set[str]) -> dict[str, tuple[Task, ...]]:
        """The tasks of some keys, by paging through the whole job; an incomplete list tells nothing about them."""
        try:
            tasks = _by_key(task for task in self._rows() if task.device_key in keys)
        except IncompleteList as error:
            number = "1 key" if len(keys) == 1 else f"{len(keys)} keys"
            raise IncompleteList(f"{number} that no search can name could not be looked up: {error}") from None
        return {key: tasks.get(key, ()) for key in keys}

    def _rows(self, **search: Any) -> Iterator[Task]:
        rows = all_rows(
            self._search(**search), attrgetter("identity"), what=f"tasks of job {self._job_id}", size=self._service.page
        )
        for task in rows:
            if self._deadline:
                self._deadline.check()
            yield task

    def _search(self, **search: Any) -> Callable[[int, int], Page[Task]]:
        def page(page_no: int, size: int) -> Page[Task]:
            return self._client.search_tasks_page(self._job_id, page_no=page_no, page_size=size, **search)

        return page


def chunks(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    """The items in order, at most `size` at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))


def is_published(tasks: Mapping[str, Sequence[Task]]) -> set[str]:
    """The keys with a published task."""
    return {key for key, rows in tasks.items() if any(task.status is TaskStatus.PUBLISHED for task in rows)}


def _by_key(tasks: Iterable[Task]) -> dict[str, tuple[Task, ...]]:
    """Tasks by device key; a row that comes twice counts once."""
    found: dict[str, dict[Hashable, Task]] = defaultdict(dict)
    for task in tasks:
        found[task.device_key][task.identity] = task
    return {key: tuple(rows.values()) for key, rows in found.items()}
