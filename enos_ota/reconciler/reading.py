"""Reading the tasks of declared keys, whatever the keys look like."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, TypeVar

from enos_ota.enos import EnosClient, InvalidArgument, Task, TaskStatus, is_quotable
from enos_ota.reconciler.workers import InTurn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from enos_ota.reconciler.workers import Workers

_T = TypeVar("_T")

PAGE_SIZE: Final = 200
"""Keys asked for in one search: the largest documented page, so that one request answers them all [D]."""


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


class TaskReader:
    """Reads tasks of one job.

    Args:
        client: Whom to ask.
        job_id: The job.
        learned: The size of pages.
        workers: How many searches at once.
        carry_on: Asked every so often while searches are under way; once it says no, `Unread` ends the reading.
        note: Told about keys that are through.
    """

    def __init__(
        self,
        client: EnosClient,
        job_id: str,
        *,
        learned: Learned | None = None,
        workers: Workers | None = None,
        carry_on: Callable[[], bool] = lambda: True,
        note: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._job_id = job_id
        self._learned = learned or Learned()
        self._workers = workers or InTurn()
        self._carry_on = carry_on
        self._note = note

    def of_keys(self, keys: Iterable[str]) -> dict[str, tuple[Task, ...]]:
        """The tasks of each key, none for a key that the job does not know.

        One request for 200 keys. Keys that no search expression can hold are found by paging through the whole job.
        When `carry_on` ended the reading, keys that nobody looked at are left out.

        Raises:
            EnosError: The tasks could not be read.
        """
        wanted = set(keys)
        quotable = sorted(key for key in wanted if is_quotable(key))
        others = wanted.difference(quotable)
        parts = list(chunks(quotable, self._learned.page))
        calls: list[Callable[[], dict[str, tuple[Task, ...]]]] = [_call(self._ask_for, part) for part in parts]
        if others:
            calls.append(lambda: self._look_for(others))
        found: dict[str, tuple[Task, ...]] = {}
        for part in self._workers.run(calls, self._carry_on):
            found.update(part or {})
        return found

    def of_keys_surely(self, keys: Iterable[str]) -> dict[str, tuple[Task, ...]]:
        """Like `of_keys`, but a key without a task was asked for twice: rows can shift while they are read."""
        tasks = self.of_keys(keys)
        if missing := [key for key, rows in tasks.items() if not rows]:
            again = self.of_keys(missing)
            for key in missing:
                del tasks[key]  # asked for once only, unless it is answered now
            tasks.update(again)
        return tasks

    def published(self) -> Sequence[Task]:
        """The tasks whose devices have been told to upgrade: the most urgent ones."""
        return self._rows(statuses=[TaskStatus.PUBLISHED])

    def _ask_for(self, keys: Sequence[str]) -> dict[str, tuple[Task, ...]]:
        return self._found(keys, self._rows(device_keys=keys))

    def _look_for(self, keys: set[str]) -> dict[str, tuple[Task, ...]]:
        return self._found(keys, (task for task in self._rows() if task.device_key in keys))

    def _found(self, keys: Iterable[str], tasks: Iterable[Task]) -> dict[str, tuple[Task, ...]]:
        by_key: dict[str, list[Task]] = defaultdict(list)
        for task in tasks:
            by_key[task.device_key].append(task)
        found = {key: tuple(by_key.get(key, ())) for key in keys}
        self._note(len(found))
        return found

    def _rows(self, **search: Any) -> list[Task]:
        """All rows of a search. A page that the service refuses is halved until it is small enough."""
        size = self._learned.page
        refusal: InvalidArgument | None = None
        while True:
            try:
                rows = list(self._client.search_tasks(self._job_id, page_size=size, **search))
            except InvalidArgument as error:
                refusal = refusal or error
                if size == 1:
                    # Not the page: whatever it is, the first answer says it best.
                    raise refusal from None
                size = (size + 1) // 2
            else:
                self._learned.allow_page(size)
                return rows


def chunks(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    """The items in order, at most `size` at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))


def is_published(tasks: Mapping[str, Sequence[Task]]) -> set[str]:
    """The keys among these whose device has been told to upgrade."""
    return {key for key, rows in tasks.items() if any(task.status is TaskStatus.PUBLISHED for task in rows)}


def _call(function: Callable[[Sequence[str]], _T], argument: Sequence[str]) -> Callable[[], _T]:
    return lambda: function(argument)
