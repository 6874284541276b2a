"""The OTA calls of the EnOS Connection Service, typed."""

from __future__ import annotations

import copy
import random as _random
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from enos_ota.enos.answers import invalid
from enos_ota.enos.clock import SYSTEM_CLOCK, Clock
from enos_ota.enos.connections import check_ca_bundle
from enos_ota.enos.errors import ConfigurationError
from enos_ota.enos.expressions import all_of, equals, is_in
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
    Call,
    Operation,
)
from enos_ota.enos.paging import LARGEST_PAGE, all_rows, ends_after, may_be_capped
from enos_ota.enos.retry import RetryPolicy, throttle_pause
from enos_ota.enos.transport import Transport, json_body

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from requests.adapters import BaseAdapter
    from typing_extensions import Self

    from enos_ota.enos.auth import Credentials
    from enos_ota.enos.watch import WriteWatch


@dataclass(frozen=True, slots=True)
class Timeout:
    """How long one attempt may take, in seconds; both halves are needed.

    | what                                                                    | seconds   |
    |-------------------------------------------------------------------------|-----------|
    | TCP connection to each address of the host, proxy, TLS handshake, each  | `connect` |
    | the whole attempt, from the connection to the last byte of the answer   | `read`    |

    It does not matter how slowly the parts of an answer come. Not included: the resolution of the host's name, which
    has the system's own limit, and a host with more unreachable addresses than `read` has time for.

    Raises:
        ValueError: a half that is not a positive number.
    """

    connect: float
    read: float

    def __post_init__(self) -> None:
        for name in ("connect", "read"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
                raise ValueError(f"{name} must be a positive number of seconds")


_T = TypeVar("_T")

DEFAULT_TIMEOUT: Final = Timeout(connect=5, read=30)
DEFAULT_RETRY: Final = RetryPolicy()


class EnosClient:
    """The OTA calls of one organization; safe to share between threads. No request is made until the first call.

    Every call may raise any `EnosError`; those worth knowing are named at each. Calls that only read are repeated after
    failures that may pass; those that write (`cancel_tasks`, `retry_tasks`, `start_job`, `stop_job`) only when the
    request surely was not processed, otherwise the error says `may_have_been_processed`.

    A call makes several attempts (`RetryPolicy.attempts`, for the time of each see `Timeout`) with a wait before each
    (`RetryPolicy.cap`, or what EnOS asks for), and none is repeated once no request of this client has succeeded for
    `RetryPolicy.standstill`. While EnOS throttles, a call goes on for as long as others get through. Who wants less
    gives a deadline to `waiting_by`.

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
        """Check the settings.

        Args:
            gateway: address of the API gateway, see `check_gateway`.
            org_id: organization whose jobs these are.
            credentials: application that EnOS knows.
            ca_bundle: file (PEM) or directory of the CA certificates to trust, in place of the usual ones.
            timeout: how long to wait for EnOS.
            retry: how stubborn to be.
            max_requests_per_second: upper bound of the pace of all threads together; None for none. Where EnOS
                throttles, the client finds out by itself what it takes.
            clock: what tells the time and waits.
            random: numbers in [0, 1), to spread retries.
            before_write: called right before each attempt of a call that writes, after all waiting, in the thread of
                the call; what it raises is passed on, and the attempt is not made.
            adapter: makes what answers the requests of one thread, in place of connections of its own, so that tests
                need no sockets. Its `send` returns a response whose `raw.read1(amt, decode_content=True)` gives the
                body bit by bit, as urllib3's HTTPResponse does, or raises what requests' HTTPAdapter would; requests'
                ConnectTimeout and ProxyError, and urllib3's NewConnectionError, mean "surely not sent", all others
                "perhaps processed". It must not retry by itself.

        Raises:
            ConfigurationError: gateway, organization or CA bundle cannot be used.
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
            ca_bundle=ca_bundle,
            timeout=(timeout.connect, timeout.read),
            retry=retry,
            limiter=Limiter(max_requests_per_second, clock, lambda rounds: throttle_pause(retry, rounds, random())),
            clock=clock,
            random=random,
            before_write=before_write,
            adapter=adapter,
        )

    def get_job(self, job_id: str) -> Job:
        """The job.

        Raises:
            JobNotFound: there is none with this id in the organization.
        """
        call = self._call(GET_JOB, f"job {job_id}", {"jobId": job_id})
        data = self._transport.call(call).data
        if not isinstance(data, Mapping):
            raise invalid(call, "with success, but without a job", http_status=None)
        job = Job.from_json({"jobId": job_id} | {name: value for name, value in data.items() if value is not None})
        if job.job_id != job_id:
            raise invalid(call, "with another job", http_status=None)
        return job

    def search_jobs(
        self, *, firmware_version: str | None = None, status: JobStatus | None = None, page_size: int = LARGEST_PAGE
    ) -> Iterator[Job]:
        """Jobs, newest first; pages are read as they are needed, and no job comes twice.

        Args:
            firmware_version: only jobs that push this version; None for any.
            status: only jobs in this state; None for any.
            page_size: rows a page at most; halved while EnOS refuses the first page [U].

        Raises:
            IncompleteList: the pages are not the whole list; jobs that were read have been given by then.
            UnquotableValue: the version cannot be searched for.
            ValueError: UNKNOWN is no status to search for.
        """
        conditions = []
        if firmware_version is not None:
            conditions.append(equals("firmwareVersion", firmware_version))
        if status is not None:
            conditions.append(equals("status", _searchable(status)))
        expression = all_of(*conditions)

        def page(page_no: int, size: int) -> Page[Job]:
            call = self._search(SEARCH_JOBS, "", expression, page_no, size)
            return self._page(call, Job.from_json, page_no, size)

        return all_rows(page, lambda job: job.job_id, what="jobs", size=page_size)

    def search_tasks(
        self,
        job_id: str,
        *,
        device_keys: Collection[str] | None = None,
        statuses: Collection[TaskStatus] | None = None,
        page_size: int = LARGEST_PAGE,
    ) -> Iterator[Task]:
        """Tasks of a job, in EnOS's order; pages are read as they are needed, and no task comes twice.

        While tasks change, pages may shift and a task may be missed [I]: what does not show here should be asked for
        by its key before it is called missing.

        Args:
            job_id: the job.
            device_keys: only tasks of these; None for all. One call is one expression: give some 200 at most.
            statuses: only tasks in one of these; None for all.
            page_size: rows a page at most; halved while EnOS refuses the first page [U].

        Raises:
            IncompleteList: the pages are not the whole list; tasks that were read have been given by then.
            UnquotableValue: a key cannot be searched for; page through the job instead.
            ValueError: UNKNOWN is no status to search for.
        """
        expression = _task_expression(job_id, device_keys, statuses)

        def page(page_no: int, size: int) -> Page[Task]:
            return self._task_page(job_id, expression, page_no, size)

        return all_rows(page, attrgetter("identity"), what=f"tasks of job {job_id}", size=page_size)

    def search_tasks_page(
        self,
        job_id: str,
        *,
        device_keys: Collection[str] | None = None,
        statuses: Collection[TaskStatus] | None = None,
        page_no: int,
        page_size: int,
    ) -> Page[Task]:
        """One page of `search_tasks`; pages count from 1, one past the last is empty.

        Raises:
            UnquotableValue: a key cannot be searched for; page through the job instead.
            ValueError: UNKNOWN is no status to search for.
        """
        return self._task_page(job_id, _task_expression(job_id, device_keys, statuses), page_no, page_size)

    def count_tasks(
        self,
        job_id: str,
        *,
        device_keys: Collection[str] | None = None,
        statuses: Collection[TaskStatus] | None = None,
    ) -> int | None:
        """How many tasks `search_tasks` would find; None if EnOS does not say.

        One request. A total that may be a cap, see `may_be_capped`, takes a second one, which reads the page with which
        the list should end; if the list goes on there, or EnOS refuses that page, the number is not known.

        Raises:
            UnquotableValue: a key cannot be searched for.
            ValueError: UNKNOWN is no status to search for.
        """
        expression = _task_expression(job_id, device_keys, statuses)

        def search(page_no: int, size: int) -> Page[Task]:
            return self._task_page(job_id, expression, page_no, size)

        total = search(1, 1).total_size
        return None if total and may_be_capped(total) and not ends_after(total, search) else total

    def cancel_tasks(self, job_id: str, device_keys: Sequence[str], *, watch: WriteWatch | None = None) -> str:
        """Cancel the tasks of these devices, all of them init or published; returns EnOS's requestId.

        Whether a refusal leaves all tasks as they were is unknown [U]. `watch` is told of each attempt.

        Raises:
            JobNotFound: there is no such job.
            JobNotRunning: the job is stopped.
            TasksNotCancellable: at least one task is in another state.
            InvalidArgument: perhaps a device without a task in the job, or too many devices [U].
            ValueError: no device key, or an empty one; nothing was sent.
        """
        return self._write(CANCEL_TASKS, job_id, device_keys, watch)

    def retry_tasks(self, job_id: str, device_keys: Sequence[str], *, watch: WriteWatch | None = None) -> str:
        """Push the firmware to these devices again, all of whose tasks are failed; returns EnOS's requestId.

        `watch` is told of each attempt.

        Raises:
            JobNotFound: there is no such job.
            JobNotRunning: the job is stopped.
            TasksNotRetryable: at least one task is in another state.
            ValueError: no device key, or an empty one; nothing was sent.
        """
        return self._write(RETRY_TASKS, job_id, device_keys, watch)

    def start_job(self, job_id: str, *, watch: WriteWatch | None = None) -> str:
        """Start a stopped job, so that EnOS pushes what waits in it; returns EnOS's requestId.

        `watch` is told of each attempt.

        Raises:
            JobNotFound: there is no such job.
            JobHasStarted: it is started already.
        """
        return self._change_job(START_JOB, job_id, watch)

    def stop_job(self, job_id: str, *, watch: WriteWatch | None = None) -> str:
        """Stop a started job; returns EnOS's requestId.

        What becomes of its tasks is unknown [U]: those that wait are thought to be held, upgrades under way to go on.
        `watch` is told of each attempt.

        Raises:
            JobNotFound: there is no such job.
            JobHasStopped: it is stopped already.
        """
        return self._change_job(STOP_JOB, job_id, watch)

    def pause(self) -> Pause:
        """The pause during which no request of this client leaves; of 0 seconds when there is none."""
        return self._transport.pause()

    def waiting_by(
        self,
        sleep: Callable[[float], None],
        left: Callable[[], float] = lambda: float("inf"),
        *,
        grace: float = 0.0,
    ) -> Self:
        """The same client, token, pace, retry budget and connections included, which waits in another way.

        Args:
            sleep: called with seconds for every wait, in the thread of the call, in place of the clock's `sleep`. It
                may raise to end the wait: what it raises is passed on and nothing more is sent. A call that writes was
                not processed then: it is only ever repeated when the attempts before surely were not.
            left: seconds until a deadline, after which `sleep` should raise: no attempt takes longer than that.
            grace: seconds more for an attempt of a call that writes, as it is worth knowing what came of it.

        Returns:
            A view. Closing it does nothing; closing this client closes it.
        """
        view = copy.copy(self)
        view._transport = self._transport.waiting_by(sleep, left, grace)  # noqa: SLF001 - another of our own
        view._owner = False  # noqa: SLF001 - the same
        return view

    def close(self) -> None:
        """Close all connections; the client cannot be used afterwards."""
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
            # What EnOS would make of no key is unknown [U]; "all devices" is not to be risked.
            raise ValueError(f"{operation.name} needs device keys, none of them empty")
        devices = "1 device" if len(keys) == 1 else f"{len(keys)} devices"
        call = self._call(operation, f"{devices} of job {job_id}", {"jobId": job_id}, {"deviceKeys": keys})
        return self._transport.call(call, watch).request_id

    def _change_job(self, operation: Operation, job_id: str, watch: WriteWatch | None) -> str:
        call = self._call(operation, f"job {job_id}", {"jobId": job_id})
        return self._transport.call(call, watch).request_id

    def _task_page(self, job_id: str, expression: str | None, page_no: int, page_size: int) -> Page[Task]:
        if expression is None:
            return Page((), page_no, page_size, 0)
        call = self._search(SEARCH_TASKS, f"job {job_id}", expression, page_no, page_size)
        page = self._page(call, Task.from_json, page_no, page_size)
        if any(task.job_id not in {"", job_id} for task in page.items):
            # A service that passed over the expression would have us judge, and cancel, by another job's tasks.
            raise invalid(call, "with tasks of another job", http_status=None)
        return page

    def _page(self, call: Call, read: Callable[[Mapping[str, Any]], _T], page_no: int, page_size: int) -> Page[_T]:
        envelope = self._transport.call(call)
        rows = [] if envelope.data is None else envelope.data
        if not (isinstance(rows, list) and all(isinstance(row, Mapping) for row in rows)):
            raise invalid(call, "with success, but without a list of rows", http_status=None)
        applied = whole_number(envelope.pagination.get("pageSize"))
        return Page(
            items=tuple(map(read, rows)),
            page_no=page_no,
            page_size=applied if applied and applied > 0 else page_size,
            total_size=whole_number(envelope.pagination.get("totalSize")),
        )

    def _search(self, operation: Operation, about: str, expression: str, page_no: int, page_size: int) -> Call:
        if page_no < 1 or page_size < 1:
            raise ValueError("page_no and page_size start at 1")
        body: dict[str, object] = {"pagination": {"pageNo": page_no, "pageSize": page_size}}
        return self._call(operation, about, {}, ({"expression": expression} if expression else {}) | body)

    def _call(
        self, operation: Operation, about: str, query: Mapping[str, str], body: Mapping[str, object] | None = None
    ) -> Call:
        return Call(
            operation,
            about=about,
            query={"orgId": self.org_id, **query},
            body=b"" if body is None else json_body(body),
        )


def _task_expression(
    job_id: str, device_keys: Collection[str] | None, statuses: Collection[TaskStatus] | None
) -> str | None:
    """The search for these tasks; None when no task can be among them."""
    if (device_keys is not None and not device_keys) or (statuses is not None and not statuses):
        return None
    conditions = [equals("jobId", job_id)]
    if device_keys is not None:
        _refuse_single_text(device_keys)
        conditions.append(is_in("deviceKey", device_keys))
    if statuses is not None:
        conditions.append(is_in("status", [text for status in statuses for text in _spellings(status)]))
    return all_of(*conditions)


def _spellings(status: TaskStatus) -> tuple[str, ...]:
    # No such status is documented; a platform that has one may spell it either way [I].
    return ("canceled", "cancelled") if status is TaskStatus.CANCELED else (_searchable(status),)


def _searchable(status: JobStatus | TaskStatus) -> str:
    if status in {JobStatus.UNKNOWN, TaskStatus.UNKNOWN}:
        raise ValueError("UNKNOWN stands for any other text, so it cannot be searched for")
    return str(status.value)


def _refuse_single_text(device_keys: object) -> None:
    if isinstance(device_keys, (str, bytes)):
        # Each of its characters would count as a device key.
        raise TypeError("device_keys must be a collection of texts, not one text")
