"""Typed client of the OTA operations of the EnOS Connection Service."""

from __future__ import annotations

import copy
import random as _random
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from enos_ota.enos.answers import invalid_answer
from enos_ota.enos.clock import SYSTEM_CLOCK, Clock
from enos_ota.enos.connections import HttpSession, check_ca_bundle
from enos_ota.enos.errors import ConfigurationError
from enos_ota.enos.expressions import equals, is_in, is_quotable
from enos_ota.enos.gateway import check_gateway
from enos_ota.enos.limiter import Limiter, Pause
from enos_ota.enos.models import Job, JobStatus, Page, Task, TaskStatus, whole_number
from enos_ota.enos.operations import (
    CANCEL_TASKS,
    GET_JOB,
    RETRY_TASKS,
    SEARCH_JOBS,
    SEARCH_TASKS,
    START_JOB,
    STOP_JOB,
    ApiCall,
    Operation,
)
from enos_ota.enos.paging import LARGEST_PAGE, all_rows, count_rows
from enos_ota.enos.retry import RetryPolicy, throttle_pause
from enos_ota.enos.transport import Transport, WriteWatch, json_body

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from requests.adapters import BaseAdapter
    from typing_extensions import Self

    from enos_ota.enos.auth import Credentials


@dataclass(frozen=True, slots=True)
class Timeout:
    """Longest time of one attempt, in seconds; both values are required.

    | what                                                                    | seconds   |
    |-------------------------------------------------------------------------|-----------|
    | TCP connection to each address of the host, proxy, TLS handshake, each  | `connect` |
    | the whole attempt, from the connection to the last byte of the answer   | `read`    |

    The limits hold however slowly the parts of an answer arrive. Not included: resolution of the host name, which has
    the system's own limit, and a host with more unreachable addresses than `read` has time for.

    Raises:
        ValueError: a value is not a positive number.
    """

    connect: float
    read: float

    def __post_init__(self) -> None:
        for name, value in (("connect", self.connect), ("read", self.read)):
            if not 0 < value < float("inf"):
                raise ValueError(f"{name} must be a positive number of seconds")


_T = TypeVar("_T")

DEFAULT_TIMEOUT: Final = Timeout(connect=5, read=30)
DEFAULT_RETRY: Final = RetryPolicy()


class EnosClient:
    """Client of the OTA operations for one organization. It is thread-safe and sends nothing before the first call.

    Every method may raise any `EnosError`; each docstring names the important ones. Reading calls are retried after
    temporary errors; writing calls (`cancel_tasks`, `retry_tasks`, `start_job`, `stop_job`) only when the request was
    certainly not processed, otherwise the error has `may_have_been_processed`. `watch` is called for each attempt.

    A call makes several attempts (`RetryPolicy.attempts`, each limited by `Timeout`) with a wait before each retry
    (`RetryPolicy.cap`, or Retry-After), and stops when no request of this client has succeeded for
    `RetryPolicy.standstill`. While EnOS throttles, a call continues as long as other requests succeed. For a shorter
    limit, pass a deadline to `waiting_by`.

    Proxies are taken from the environment (HTTPS_PROXY, NO_PROXY), except for a loopback gateway, which is reached
    directly; without `ca_bundle`, REQUESTS_CA_BUNDLE is honoured. Credentials in .netrc are never used.
    """

    def __init__(
        self,
        gateway: str,
        org_id: str,
        credentials: Credentials,
        *,
        ca_bundle: str | None = None,
        timeout: Timeout = DEFAULT_TIMEOUT,
        retry: RetryPolicy = DEFAULT_RETRY,
        max_requests_per_second: float | None = None,
        clock: Clock = SYSTEM_CLOCK,
        random: Callable[[], float] = _random.random,
        before_write: Callable[[], None] | None = None,
        adapter: Callable[[], BaseAdapter] | None = None,
    ) -> None:
        """Check the settings; send nothing.

        Args:
            gateway: address of the API gateway, see `check_gateway`.
            org_id: organization that owns the jobs.
            credentials: key and secret of the EnOS application.
            ca_bundle: file (PEM) or directory of the CA certificates to trust instead of the default ones.
            timeout: longest time of one attempt.
            retry: limits of the retries.
            max_requests_per_second: upper bound for all threads together; None for no bound. When EnOS throttles,
                the client adapts its rate.
            clock: source of the time and of waits.
            random: returns numbers in [0, 1), to spread retries.
            before_write: called right before each attempt of a writing call, after all waits, in the thread of the
                call; if it raises, no request is sent and the exception is passed on.
            adapter: returns a requests adapter for one thread, instead of network connections, so that tests need no
                sockets. Its `send` returns a response whose `raw.read1(amt, decode_content=True)` gives the body in
                parts, as urllib3's HTTPResponse does, or raises what requests' HTTPAdapter raises; requests'
                ConnectTimeout and ProxyError, and urllib3's NewConnectionError, mean "certainly not sent", all others
                "may have been processed". It must not retry.

        Raises:
            ConfigurationError: gateway, organization or CA bundle is invalid.
            ValueError: a rate that is not positive.
        """
        self.gateway = check_gateway(gateway)
        self.org_id = org_id
        if not org_id:
            raise ConfigurationError("The organization id is empty; set enos:orgId or ENOS_ORG_ID.")
        if ca_bundle is not None:
            check_ca_bundle(ca_bundle)
        self._owner = True
        self._transport = Transport(
            self.gateway,
            credentials,
            timeout=(timeout.connect, timeout.read),
            retry=retry,
            limiter=Limiter(max_requests_per_second, clock, lambda rounds: throttle_pause(retry, rounds, random())),
            clock=clock,
            random=random,
            new_session=lambda: HttpSession(self.gateway, ca_bundle, adapter, clock),
            before_write=before_write,
        )

    def get_job(self, job_id: str) -> Job:
        """Return the job.

        Raises:
            JobNotFound: the organization has no job with this id.
        """
        call = self._call(GET_JOB, f"job {job_id}", {"jobId": job_id})
        data = self._transport.call(call).data
        if not isinstance(data, Mapping):
            raise invalid_answer(call, "with success, but without a job")
        job = Job.from_json({"jobId": job_id} | {name: value for name, value in data.items() if value is not None})
        if job.job_id != job_id:
            raise invalid_answer(call, "with another job")
        return job

    def search_jobs(
        self, *, firmware_version: str | None = None, status: JobStatus | None = None, page_size: int = LARGEST_PAGE
    ) -> Iterator[Job]:
        """Return jobs, newest first, each once; pages are read as they are needed.

        EnOS cannot search for a version that contains quotes or backslashes: such jobs are selected here.

        Args:
            firmware_version: only jobs that push this version; None for any.
            status: only jobs in this state; None for any.
            page_size: most rows of a page; halved while EnOS refuses the first page [U].

        Raises:
            IncompleteList: the pages are not the complete list; the jobs read so far have been returned.
            ValueError: a status is UNKNOWN, which EnOS cannot search for.
        """
        if firmware_version is not None and not is_quotable(firmware_version):
            every = self.search_jobs(status=status, page_size=page_size)
            return (job for job in every if job.firmware_version == firmware_version)
        conditions = [] if firmware_version is None else [equals("firmwareVersion", firmware_version)]
        if status is not None:
            conditions.append(equals("status", _searchable(status)))
        search = self._search(SEARCH_JOBS, "", conditions, Job.from_json)
        return all_rows(search, attrgetter("job_id"), what="jobs", size=page_size)

    def search_tasks(
        self,
        job_id: str,
        *,
        device_keys: Collection[str] | None = None,
        statuses: Collection[TaskStatus] | None = None,
        page_size: int = LARGEST_PAGE,
    ) -> Iterator[Task]:
        """Return tasks of a job in EnOS's order, each once; pages are read as they are needed.

        While tasks change, pages may shift and a task may be missed [I]: search for a missing device by its key before
        reporting it as missing.

        Args:
            job_id: the job.
            device_keys: only tasks of these devices; None for all. One call is one expression: pass 200 keys at most.
            statuses: only tasks in one of these states; None for all.
            page_size: most rows of a page; halved while EnOS refuses the first page [U].

        Raises:
            IncompleteList: the pages are not the complete list; the tasks read so far have been returned.
            UnquotableValue: EnOS cannot search for a key; read all tasks of the job instead.
            ValueError: a status is UNKNOWN, which EnOS cannot search for.
        """
        search = self._task_search(job_id, device_keys, statuses)
        return all_rows(search, attrgetter("identity"), what=f"tasks of job {job_id}", size=page_size)

    def search_tasks_page(
        self,
        job_id: str,
        *,
        device_keys: Collection[str] | None = None,
        statuses: Collection[TaskStatus] | None = None,
        page_no: int,
        page_size: int,
    ) -> Page[Task]:
        """Return one page of `search_tasks`, with its errors; the first is 1, a page after the last is empty."""
        return self._task_search(job_id, device_keys, statuses)(page_no, page_size)

    def count_tasks(
        self,
        job_id: str,
        *,
        device_keys: Collection[str] | None = None,
        statuses: Collection[TaskStatus] | None = None,
    ) -> int | None:
        """Return the number of tasks that `search_tasks` would find; None if it is unknown.

        One request. A round total of 1000 or more, which may be capped [U], takes a second one, which reads the page
        that should be the last. Errors as in `search_tasks`.
        """
        return count_rows(self._task_search(job_id, device_keys, statuses))

    def cancel_tasks(self, job_id: str, device_keys: Sequence[str], *, watch: WriteWatch | None = None) -> str:
        """Cancel the tasks of these devices, which must be init or published; return EnOS's requestId.

        Whether a refusal leaves all tasks unchanged is unknown [U].

        Raises:
            JobNotFound: the organization has no such job.
            JobNotRunning: the job is stopped.
            TasksNotCancellable: at least one task is neither init nor published.
            InvalidArgument: for instance a device without a task in the job, or too many devices [U].
            ValueError: there is no device key, or an empty one; no request was sent.
        """
        return self._write(CANCEL_TASKS, job_id, device_keys, watch)

    def retry_tasks(self, job_id: str, device_keys: Sequence[str], *, watch: WriteWatch | None = None) -> str:
        """Push the firmware to these devices again, whose tasks must be failed; return EnOS's requestId.

        Raises:
            JobNotFound: the organization has no such job.
            JobNotRunning: the job is stopped.
            TasksNotRetryable: at least one task is not failed.
            ValueError: there is no device key, or an empty one; no request was sent.
        """
        return self._write(RETRY_TASKS, job_id, device_keys, watch)

    def start_job(self, job_id: str, *, watch: WriteWatch | None = None) -> str:
        """Start a stopped job, so that EnOS pushes its waiting tasks; return EnOS's requestId.

        Raises:
            JobNotFound: the organization has no such job.
            JobHasStarted: the job is already started.
        """
        return self._change_job(START_JOB, job_id, watch)

    def stop_job(self, job_id: str, *, watch: WriteWatch | None = None) -> str:
        """Stop a started job; return EnOS's requestId.

        The effect on its tasks is unknown [U]: waiting tasks are probably held, running upgrades probably continue.

        Raises:
            JobNotFound: the organization has no such job.
            JobHasStopped: the job is already stopped.
        """
        return self._change_job(STOP_JOB, job_id, watch)

    def pause(self) -> Pause:
        """Return the current pause, during which this client sends no request; 0 seconds when there is none."""
        return self._transport.limiter.current_pause()

    def waiting_by(
        self,
        sleep: Callable[[float], None],
        left: Callable[[], float] = lambda: float("inf"),
        *,
        grace: float = 0.0,
    ) -> Self:
        """Return this client with another way to wait; it shares token, rate limit, retry budget and connections.

        Args:
            sleep: called with seconds for every wait, in the thread of the call, instead of the clock's `sleep`. It may
                raise to end the wait: the exception is passed on and nothing more is sent. A writing call was not
                processed then, as it is only repeated when its earlier attempts were certainly not processed.
            left: returns the seconds until a deadline, after which `sleep` should raise; no attempt takes longer.
            grace: additional seconds for an attempt of a writing call, so that its result is known more often.

        Returns:
            A view. Closing it does nothing; closing this client closes it.
        """
        view = copy.copy(self)
        view._transport = self._transport.waiting_by(sleep, left, grace)  # noqa: SLF001 - another of our own
        view._owner = False  # noqa: SLF001 - the same
        return view

    def close(self) -> None:
        """Close all connections; later calls raise RuntimeError."""
        if self._owner:
            self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"EnosClient({self.gateway!r}, {self.org_id!r}, [secure])"

    def _write(self, operation: Operation, job_id: str, device_keys: Sequence[str], watch: WriteWatch | None) -> str:
        _refuse_single_text(device_keys)
        keys = list(dict.fromkeys(device_keys))  # EnOS takes them as a set [S]
        if not keys or not all(keys):
            # The effect of a request without keys is unknown [U]; it may be "all devices".
            raise ValueError(f"{operation.name} needs device keys, none of them empty")
        devices = "1 device" if len(keys) == 1 else f"{len(keys)} devices"
        call = self._call(operation, f"{devices} of job {job_id}", {"jobId": job_id}, {"deviceKeys": keys})
        return self._transport.call(call, watch).request_id

    def _change_job(self, operation: Operation, job_id: str, watch: WriteWatch | None) -> str:
        call = self._call(operation, f"job {job_id}", {"jobId": job_id})
        return self._transport.call(call, watch).request_id

    def _task_search(
        self, job_id: str, device_keys: Collection[str] | None, statuses: Collection[TaskStatus] | None
    ) -> Callable[[int, int], Page[Task]]:
        """Return the function that reads a page of these tasks, by its number and size."""
        if (device_keys is not None and not device_keys) or (statuses is not None and not statuses):
            return lambda page_no, size: Page((), page_no, size, 0)
        conditions = [equals("jobId", job_id)]
        if device_keys is not None:
            _refuse_single_text(device_keys)
            conditions.append(is_in("deviceKey", device_keys))
        if statuses is not None:
            conditions.append(is_in("status", [text for status in statuses for text in _spellings(status)]))

        about = f"job {job_id}"

        def read(row: Mapping[str, Any]) -> Task:
            task = Task.from_json(row)
            if task.job_id not in {"", job_id}:
                # If a service ignored the expression, enos-ota would decide and cancel by the tasks of another job.
                raise invalid_answer(ApiCall(SEARCH_TASKS, about), "with tasks of another job")
            return task

        return self._search(SEARCH_TASKS, about, conditions, read)

    def _search(
        self, operation: Operation, about: str, conditions: list[str], read: Callable[[Mapping[str, Any]], _T]
    ) -> Callable[[int, int], Page[_T]]:
        """Return the function that reads a page of a search, by its number and size."""
        expression = {"expression": " and ".join(conditions)} if conditions else {}

        def search(page_no: int, page_size: int) -> Page[_T]:
            if page_no < 1 or page_size < 1:
                raise ValueError("page_no and page_size start at 1")
            body = {**expression, "pagination": {"pageNo": page_no, "pageSize": page_size}}
            call = self._call(operation, about, {}, body)
            envelope = self._transport.call(call)
            rows = [] if envelope.data is None else envelope.data
            if not (isinstance(rows, list) and all(isinstance(row, Mapping) for row in rows)):
                raise invalid_answer(call, "with success, but without a list of rows")
            applied = whole_number(envelope.pagination.get("pageSize"))
            return Page(
                items=tuple(map(read, rows)),
                page_no=page_no,
                page_size=applied if applied and applied > 0 else page_size,
                total_size=whole_number(envelope.pagination.get("totalSize")),
            )

        return search

    def _call(
        self, operation: Operation, about: str, query: Mapping[str, str], body: Mapping[str, object] | None = None
    ) -> ApiCall:
        parameters = {"action": operation.action, "orgId": self.org_id, **query}
        return ApiCall(operation, about, parameters, b"" if body is None else json_body(body))


def _spellings(status: TaskStatus) -> tuple[str, ...]:
    # No such status is documented; a platform that has one may spell it either way [I].
    return ("canceled", "cancelled") if status is TaskStatus.CANCELED else (_searchable(status),)


def _searchable(status: JobStatus | TaskStatus) -> str:
    if status in {JobStatus.UNKNOWN, TaskStatus.UNKNOWN}:
        raise ValueError("UNKNOWN means any other text, so EnOS cannot search for it")
    return str(status.value)


def _refuse_single_text(device_keys: object) -> None:
    if isinstance(device_keys, (str, bytes)):
        # Otherwise each character would be taken as a device key.
        raise TypeError("device_keys must be a collection of texts, not one text")
