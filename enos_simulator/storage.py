"""The simulator's state in a file, so that it survives a restart: an SQLite database, written as things change.

What a request or a control call changed is written in one transaction before it is answered. Jobs and tasks stand there
as they are, whatever searches see of them yet, and with them the switches, the faults and the movement. Tokens, journal
and counters are not kept, nor what waits to happen later; devices that move go on from where they are.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from enos_simulator.fleet import Fleet, FleetError, parse_fleet
from enos_simulator.store import Job, JobTasks, Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_APPLICATION: Final = 0x456E4F54
"""Marks the file as one of the simulator's, in SQLite's own place for that."""

_FORMAT: Final = 1
"""Of the tables and of what stands in them as JSON. A file of another format is not read."""

_TABLES: Final = """
    CREATE TABLE jobs (number INTEGER PRIMARY KEY, data TEXT NOT NULL);
    CREATE TABLE tasks (
        job INTEGER, place INTEGER, device_key TEXT, product_key TEXT, from_version TEXT,
        status TEXT, desc TEXT, progress INTEGER, update_time INTEGER, PRIMARY KEY (job, place)
    ) WITHOUT ROWID;
    CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_VALUES: Final = attrgetter(*(one.name for one in fields(Task)))
_PUT_TASK: Final = "REPLACE INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


class StorageError(Exception):
    """The file cannot be used; the text begins with its path."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What is not a job: JSON values, as they were handed to `keep`."""

    switches: dict[str, Any]
    faults: list[dict[str, Any]]
    movement: dict[str, Any]


class Storage:
    """A file that holds a simulator's state. Nobody else can use it meanwhile.

    Args:
        path: The file; it is made if it is not there.

    Raises:
        StorageError: It is in use, cannot be read or written, is no file of the simulator's, or one of another version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._numbers: dict[JobTasks, int] = {}
        self._kept: dict[str, str] = {}
        try:
            # A test may make it in one thread and serve from another.
            self._db = sqlite3.connect(path, timeout=0.2, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._error(error) from None
        try:
            self._open()
        except BaseException as error:
            self._db.close()
            if isinstance(error, sqlite3.Error):
                raise self._error(error) from None
            raise

    def _open(self) -> None:
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        # What was answered survives the end of the process, however it ends; not that of the machine.
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("BEGIN EXCLUSIVE")
        application = self._db.execute("PRAGMA application_id").fetchone()[0]
        form = self._db.execute("PRAGMA user_version").fetchone()[0]
        if not application and not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            for statement in _TABLES.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA application_id = {_APPLICATION}")
            self._db.execute(f"PRAGMA user_version = {_FORMAT}")
        elif application != _APPLICATION:
            raise StorageError(f"{self._path}: a database, but none of the simulator's; take another file")
        elif form != _FORMAT:
            raise StorageError(
                f"{self._path}: written by another version of the simulator (format {form}, this one has {_FORMAT}); "
                "take another file"
            )
        self._kept = dict(self._db.execute("SELECT name, value FROM state"))

    def close(self) -> None:
        """Write what is not written yet, and let others use the file."""
        self.commit()
        self._db.close()

    @property
    def fleet(self) -> Fleet | None:
        """The fleet that the file was made with; None if it is new.

        Raises:
            StorageError: It cannot be read any more.
        """
        text = self._kept.get("fleet")
        try:
            return None if text is None else parse_fleet(json.loads(text))
        except (FleetError, ValueError) as error:
            raise StorageError(f"{self._path}: its fleet cannot be read: {error}") from None

    def state(self) -> Stored:
        """What was kept beside the jobs."""
        return Stored(*(json.loads(self._kept[name]) for name in ("switches", "faults", "movement")))

    def jobs(self) -> Iterator[JobTasks]:
        """The jobs with their tasks, in the order they were added."""
        for number, text in self._db.execute("SELECT number, data FROM jobs ORDER BY number").fetchall():
            data = json.loads(text)
            rows = self._db.execute("SELECT * FROM tasks WHERE job = ? ORDER BY place", (number,))
            held = JobTasks(Job(**data["job"]), (Task(*row[1:]) for row in rows))
            held.info_without_twin = data["infoWithoutTwin"]
            self._numbers[held] = number
            yield held

    def clear(self, fleet: Fleet) -> None:
        """Forget everything; the state to come is of this fleet."""
        for table in ("jobs", "tasks", "state"):
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
        self._numbers.clear()
        self._kept.clear()
        self.keep("fleet", fleet.model_dump(mode="json", by_alias=True, exclude_unset=True))

    def keep(self, name: str, value: object) -> None:
        """What is not a job: written if it is another value than before."""
        text = json.dumps(value)
        if self._kept.get(name) != text:
            self._kept[name] = text
            self._db.execute("REPLACE INTO state VALUES (?, ?)", (name, text))

    def commit(self) -> None:
        """Everything so far is to survive."""
        self._db.execute("COMMIT")
        self._db.execute("BEGIN EXCLUSIVE")

    def job_changed(self, held: JobTasks) -> None:
        """A job is new, or has changed; of a new one the tasks are written, too."""
        data = json.dumps({"job": _fields(held.job), "infoWithoutTwin": held.info_without_twin})
        number = self._numbers.get(held)
        if number is None:
            number = self._db.execute("INSERT INTO jobs (data) VALUES (?)", (data,)).lastrowid or 0
            self._numbers[held] = number
            self._put(number, held.tasks())
        else:
            self._db.execute("UPDATE jobs SET data = ? WHERE number = ?", (data, number))

    def job_deleted(self, held: JobTasks) -> None:
        """A job is gone, and its tasks."""
        number = self._numbers.pop(held)
        self._db.execute("DELETE FROM jobs WHERE number = ?", (number,))
        self._db.execute("DELETE FROM tasks WHERE job = ?", (number,))

    def tasks_changed(self, held: JobTasks, changes: Sequence[tuple[Task, Task]], _: int) -> None:
        """Tasks have changed, or are new."""
        self._put(self._numbers[held], (after for _, after in changes))

    def task_removed(self, held: JobTasks, place: int) -> None:
        """The last task of a job is gone."""
        self._db.execute("DELETE FROM tasks WHERE job = ? AND place = ?", (self._numbers[held], place))

    def _put(self, number: int, tasks: Iterable[Task]) -> None:
        self._db.executemany(_PUT_TASK, ((number, *_VALUES(task)) for task in tasks))

    def _error(self, error: sqlite3.Error) -> StorageError:
        told = "another simulator uses it" if "locked" in str(error) else str(error)
        return StorageError(f"{self._path}: {told}")


def _fields(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "org_id": job.org_id,
        "status": job.status,
        "create_time": job.create_time,
        "info": dict(job.info),
    }
