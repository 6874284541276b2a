"""Reading the tasks of declared keys, whatever the keys look like and however rows move meanwhile."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from enos_ota.enos import (
    EnosClient,
    EnosError,
    InvalidArgument,
    Page,
    RequestTooLarge,
    Task,
    TaskStatus,
    is_quotable,
)
from enos_ota.reconciler.ending import EarlyEnd
from enos_ota.reconciler.workers import InTurn

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

    from enos_ota.reconciler.ending import Ending
    from enos_ota.reconciler.workers import Workers

_T = TypeVar("_T")

PAGE_SIZE: Final = 200
"""Keys asked for in one search: the largest documented page, so that one request answers them all [D]."""
_WHOLE_JOB_TRIES: Final = 3
"""How often a whole job is paged through while its rows keep shifting."""


class Learned:
    """What the service turned out to allow, for all sets of a run: found by halving, and kept [U]."""

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


class Unread(EnosError):  # noqa: N818 - says what happened, as its relatives do
    """The rows of a job kept moving from page to page, so that keys were not found that may be there."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of looking at some keys.

    Attributes:
        tasks: The tasks of each key that was looked at; none for a key that the job does not know.
        failure: Why others were not; None where the time for it was over.
    """

    tasks: Mapping[str, tuple[Task, ...]]
    failure: EnosError | EarlyEnd | None = None

    def complete(self) -> Mapping[str, tuple[Task, ...]]:
        """The tasks, if nothing went wrong.

        Raises:
            EnosError: Something could not be read.
            EarlyEnd: The time for it was over.
        """
        if self.failure:
            raise self.failure
        return self.tasks


class _Accepted(NamedTuple):
    page: Page[Task]
    size: int


def _nothing(_: int) -> None: ...


class TaskReader:
    """Reads tasks of one job.

    Args:
        client: Whom to ask.
        job_id: The job.
        learned: The size of pages.
        workers: How many searches at once.
        ending: No search begins after it.
        tick: Called every so often while searches are under way, in the thread of the caller.
    """

    def __init__(
        self,
        client: EnosClient,
        job_id: str,
        *,
        learned: Learned | None = None,
        workers: Workers | None = None,
        ending: Ending | None = None,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._job_id = job_id
        self._learned = learned or Learned()
        self._workers = workers or InTurn()
        self._ending = ending
        self._tick = tick

    def of_keys(self, keys: Iterable[str], note: Callable[[int], None] = _nothing) -> Reading:
        """The tasks of each key; what one failing search leaves out the others still tell.

        One request for 200 keys. Keys that no search expression can hold are found by paging through the whole job.

        Args:
            keys: The keys.
            note: Told how many more are through, from any thread.
        """
        wanted = set(keys)
        quotable = sorted(key for key in wanted if is_quotable(key))
        others = wanted.difference(quotable)
        failures: list[EnosError | EarlyEnd] = []
        found: dict[str, tuple[Task, ...]] = {}

        def guarded(read: Callable[[], dict[str, tuple[Task, ...]]]) -> Callable[[], dict[str, tuple[Task, ...]]]:
            def run() -> dict[str, tuple[Task, ...]]:
                if failures:
                    return {}  # the others would hardly fare better
                try:
                    rows = read()
                except (EnosError, EarlyEnd) as error:
                    failures.append(error)
                    return {}
                note(len(rows))
                return rows

            return run

        calls = [guarded(_call(self._ask_for, part)) for part in chunks(quotable, self._learned.page)]
        if others:
            calls.append(guarded(lambda: self._look_for(others)))
        for part in self._workers.run(calls, self._carry_on):
            found.update(part or {})
        unread = len(wanted) - len(found)
        if unread and not failures and self._may_go_on():
            failures.append(
                Unread(f"{unread} keys that no search can name were not found while the rows of the job kept moving")
            )
        return Reading(found, failures[0] if failures else None)

    def of_keys_surely(self, keys: Iterable[str], note: Callable[[int], None] = _nothing) -> Reading:
        """Like `of_keys`, but a key without a task was asked for twice: rows can shift while they are read."""
        first = self.of_keys(keys, note)
        missing = [key for key, rows in first.tasks.items() if not rows]
        if not missing:
            return first
        # Asked for once only, and so not looked at, unless it is answered now.
        sure = {key: rows for key, rows in first.tasks.items() if rows}
        if first.failure:
            return Reading(sure, first.failure)
        again = self.of_keys(missing)
        return Reading({**sure, **again.tasks}, again.failure)

    def published(self) -> dict[str, tuple[Task, ...]]:
        """The tasks whose devices have been told to upgrade, by key: the most urgent ones.

        Raises:
            EnosError: They could not be read.
            EarlyEnd: The time for it was over.
        """
        found = self._workers.run([lambda: self._all(statuses=[TaskStatus.PUBLISHED])], self._carry_on)[0]
        if self._ending:
            self._ending.check()
        return _by_key(found or ())

    def _carry_on(self) -> bool:
        self._tick()
        return self._may_go_on()

    def _may_go_on(self) -> bool:
        return self._ending is None or not self._ending.is_over

    def _ask_for(self, keys: Sequence[str]) -> dict[str, tuple[Task, ...]]:
        """The tasks of some keys, from answers of one page each: over several pages rows could shift unseen."""
        middle = (len(keys) + 1) // 2
        try:
            page, size = self._first_page(device_keys=keys)
        except RequestTooLarge:
            if len(keys) == 1:
                raise
            self._learned.allow_page(middle)
            return self._ask_for(keys[:middle]) | self._ask_for(keys[middle:])
        if _is_whole(page):
            rows: Iterable[Task] = page.items
        elif len(keys) > 1:
            return self._ask_for(keys[:middle]) | self._ask_for(keys[middle:])
        else:
            rows = list(self._client.search_tasks(self._job_id, device_keys=keys, page_size=size))
            if len(rows) < (page.total_size or 0):
                return {}  # there are more, and of which product nobody can tell
        tasks = _by_key(rows)
        return {key: tasks.get(key, ()) for key in keys}

    def _look_for(self, keys: set[str]) -> dict[str, tuple[Task, ...]]:
        """The tasks of some keys, by going through the whole job.

        Unless every row of the job was seen, a key without a task is left out, and so is one with a single task: there
        may be another one under another product.
        """
        rows: dict[Hashable, Task] = {}
        for _ in range(_WHOLE_JOB_TRIES):
            seen: set[Hashable] = set()
            total: int | None = None
            for page in self._pages():
                seen.update(map(_identity, page.items))
                rows.update({_identity(task): task for task in page.items if task.device_key in keys})
                total = page.total_size
            if not self._may_go_on():
                break
            if total is None or len(seen) >= total:
                found = _by_key(rows.values())
                return {key: found.get(key, ()) for key in keys}
        return {key: tasks for key, tasks in _by_key(rows.values()).items() if len(tasks) > 1}

    def _all(self, **search: Any) -> list[Task]:
        return [task for page in self._pages(**search) for task in page.items]

    def _pages(self, **search: Any) -> Iterator[Page[Task]]:
        page, size = self._first_page(**search)
        yield page
        while not _is_last(page) and self._may_go_on():
            page = self._client.search_tasks_page(self._job_id, page_no=page.page_no + 1, page_size=size, **search)
            yield page

    def _first_page(self, **search: Any) -> _Accepted:
        """A page that the service refuses is halved until it is small enough."""
        size = self._learned.page
        refusal: InvalidArgument | None = None
        while True:
            try:
                page = self._client.search_tasks_page(self._job_id, page_no=1, page_size=size, **search)
            except InvalidArgument as error:
                refusal = refusal or error
                if size == 1:
                    # Not the page: whatever it is, the first answer says it best.
                    raise refusal from None
                size = (size + 1) // 2
            else:
                self._learned.allow_page(size)
                return _Accepted(page, size)


def chunks(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    """The items in order, at most `size` at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))


def is_published(tasks: Mapping[str, Sequence[Task]]) -> set[str]:
    """The keys among these whose device has been told to upgrade."""
    return {key for key, rows in tasks.items() if any(task.status is TaskStatus.PUBLISHED for task in rows)}


def _is_whole(page: Page[Task]) -> bool:
    """Whether the first page of a search holds all its rows."""
    return len(page.items) < page.page_size if page.total_size is None else page.total_size <= len(page.items)


def _is_last(page: Page[Task]) -> bool:
    if not page.items:
        return True
    if page.total_size is None:
        return len(page.items) < page.page_size
    return page.page_no * page.page_size >= page.total_size


def _identity(task: Task) -> Hashable:
    return task.task_id or (task.product_key, task.asset_id, task.device_key)


def _by_key(tasks: Iterable[Task]) -> dict[str, tuple[Task, ...]]:
    """Tasks by device key; a row that comes twice counts once."""
    found: dict[str, dict[Hashable, Task]] = defaultdict(dict)
    for task in tasks:
        found[task.device_key][_identity(task)] = task
    return {key: tuple(rows.values()) for key, rows in found.items()}


def _call(function: Callable[[Sequence[str]], _T], argument: Sequence[str]) -> Callable[[], _T]:
    return lambda: function(argument)
