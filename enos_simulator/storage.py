"""Storage: jobs, tasks, switches, faults and movement in an SQLite file, so that they survive a restart.

The changes of a request or a control call are written in one transaction before the answer.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from enos_simulator.errors import SetupError
from enos_simulator.fleet import Fleet, parse_fleet
from enos_simulator.store import Job, JobTasks, Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_APPLICATION: Final = 0x456E4F54
"""SQLite's application id: marks the file as one of the simulator."""

_FORMAT: Final = 2
"""Version of the tables and of the JSON in them. A file of another version is refused."""

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


class StorageError(SetupError):
    """The file is not usable."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__([f"{path}: {why}"])


class Storage:
    """A file with a simulator's state, locked while it is open; created if it is missing.

    Raises StorageError: it is in use, not readable or writable, not of the simulator, or of another version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._numbers: dict[JobTasks, int] = {}
        self._values: dict[str, str] = {}
        try:
            # A test may create it in one thread and serve from another.
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
        # Survives any end of the process, not a crash of the machine.
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
            raise StorageError(self._path, "not a database of the simulator; use another file")
        elif form != _FORMAT:
            why = f"written by another version of the simulator (format {form}, expected {_FORMAT}); use another file"
            raise StorageError(self._path, why)
        self._values = dict(self._db.execute("SELECT name, value FROM state"))

    def close(self) -> None:
        """Write the pending changes and unlock the file."""
        self.commit()
        self._db.close()

    @property
    def fleet(self) -> Fleet | None:
        """The fleet that the file was created with; None if it is new."""
        text = self._values.get("fleet")
        return None if text is None else parse_fleet(json.loads(text))

    def read(self, name: str) -> Any:
        """Return a part of the state that `write` stored."""
        return json.loads(self._values[name])

    def jobs(self) -> Iterator[JobTasks]:
        """Return the stored jobs with their tasks, in the order they were added."""
        for number, text in self._db.execute("SELECT number, data FROM jobs ORDER BY number").fetchall():
            rows = self._db.execute("SELECT * FROM tasks WHERE job = ? ORDER BY place", (number,))
            job_tasks = JobTasks(Job(**json.loads(text)), (Task(*row[1:]) for row in rows))
            self._numbers[job_tasks] = number
            yield job_tasks

    def clear(self, fleet: Fleet) -> None:
        """Delete everything and begin with this fleet."""
        for table in ("jobs", "tasks", "state"):
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
        self._numbers.clear()
        self._values.clear()
        self.write("fleet", fleet.model_dump(mode="json", by_alias=True, exclude_unset=True))

    def write(self, name: str, value: object) -> None:
        """Store a part of the state beside the jobs, if it changed."""
        text = json.dumps(value)
        if self._values.get(name) != text:
            self._values[name] = text
            self._db.execute("REPLACE INTO state VALUES (?, ?)", (name, text))

    def commit(self) -> None:
        """Make all changes so far permanent."""
        self._db.execute("COMMIT")
        self._db.execute("BEGIN EXCLUSIVE")

    def job_changed(self, job_tasks: JobTasks) -> None:
        """Store a job, with its tasks if it is new; or delete it with its tasks."""
        data = json.dumps(asdict(job_tasks.job))
        number = self._numbers.get(job_tasks)
        if job_tasks.deleted:
            self._db.execute("DELETE FROM jobs WHERE number = ?", (number,))
            self._db.execute("DELETE FROM tasks WHERE job = ?", (self._numbers.pop(job_tasks),))
        elif number is None:
            number = self._db.execute("INSERT INTO jobs (data) VALUES (?)", (data,)).lastrowid or 0
            self._numbers[job_tasks] = number
            self._write_tasks(number, job_tasks.tasks())
        else:
            self._db.execute("UPDATE jobs SET data = ? WHERE number = ?", (data, number))

    def tasks_changed(self, job_tasks: JobTasks, changes: Sequence[tuple[Task, Task]], _: int) -> None:
        """Store tasks."""
        self._write_tasks(self._numbers[job_tasks], (after for _, after in changes))

    def _write_tasks(self, number: int, tasks: Iterable[Task]) -> None:
        self._db.executemany(_PUT_TASK, ((number, *_VALUES(task)) for task in tasks))

    def _error(self, error: sqlite3.Error) -> StorageError:
        return StorageError(self._path, "another simulator uses it" if "locked" in str(error) else str(error))
