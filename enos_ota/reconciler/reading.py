"""Reading the tasks of declared keys, whatever the keys look like."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, TypeVar

from enos_ota.enos import EnosClient, Task, TaskStatus, is_quotable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_T = TypeVar("_T")

PAGE_SIZE: Final = 200
"""Keys asked for in one search: the largest documented page, so that one request answers them all [D]."""


class TaskReader:
    """Reads tasks of one job."""

    def __init__(self, client: EnosClient, job_id: str) -> None:
        self._client = client
        self._job_id = job_id

    def of_keys(self, keys: Iterable[str]) -> dict[str, tuple[Task, ...]]:
        """The tasks of each key, none for a key that the job does not know.

        One request for 200 keys. Keys that no search expression can hold are found by paging through the whole job.

        Raises:
            EnosError: The tasks could not be read.
        """
        wanted = set(keys)
        quotable = sorted(key for key in wanted if is_quotable(key))
        found: dict[str, list[Task]] = defaultdict(list)
        for chunk in chunks(quotable, PAGE_SIZE):
            for task in self._client.search_tasks(self._job_id, device_keys=chunk):
                found[task.device_key].append(task)
        if others := wanted.difference(quotable):
            for task in self._client.search_tasks(self._job_id):
                if task.device_key in others:
                    found[task.device_key].append(task)
        return {key: tuple(found.get(key, ())) for key in wanted}

    def of_keys_surely(self, keys: Iterable[str]) -> dict[str, tuple[Task, ...]]:
        """Like `of_keys`, but a key without a task was asked for twice: rows can shift while they are read."""
        tasks = self.of_keys(keys)
        if missing := [key for key, rows in tasks.items() if not rows]:
            tasks.update(self.of_keys(missing))
        return tasks

    def published(self) -> Iterator[Task]:
        """The tasks whose devices have been told to upgrade: the most urgent ones."""
        return self._client.search_tasks(self._job_id, statuses=[TaskStatus.PUBLISHED])


def chunks(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    """The items in order, at most `size` at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))
