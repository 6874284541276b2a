"""What a connection's settings ask for: the EnOS client, the reconciler, the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enos_ota.audit import AuditLog, account, actor_of, commit_of
from enos_ota.enos import SYSTEM_CLOCK, EnosClient, RetryPolicy
from enos_ota.reconciler import Limits, Pool, Reconciler, StoppableClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from enos_ota.enos import Clock
    from enos_ota.reconciler import Stop
    from enos_ota.settings import Connection


def client_of(
    connection: Connection,
    *,
    clock: Clock = SYSTEM_CLOCK,
    retry: RetryPolicy | None = None,
    before_write: Callable[[], None] | None = None,
) -> EnosClient:
    """A client with these settings; the other arguments are those of `EnosClient`.

    Raises:
        ConfigurationError: The gateway or the CA bundle cannot be used.
    """
    return EnosClient(
        connection.gateway,
        connection.org_id,
        connection.credentials,
        ca_bundle=connection.ca_bundle,
        timeout=connection.timeout,
        retry=retry or RetryPolicy(),
        max_requests_per_second=connection.max_requests_per_second,
        clock=clock,
        before_write=before_write,
    )


def reconciler_of(connection: Connection, client: EnosClient, stop: Stop) -> Reconciler:
    """A reconciler with these settings.

    Args:
        connection: The settings.
        client: A client with the same settings, on a `StoppableClock` of the same `stop`.
        stop: Interrupts the run.
    """
    return Reconciler(
        client,
        markers=connection.cancelled_markers,
        limits=Limits(batch_size=connection.batch_size, deadline=connection.deadline),
        clock=StoppableClock(stop),
        workers=Pool(connection.max_concurrency),
        stop=stop,
    )


def audit_log_of(
    connection: Connection, project: Path, environ: Mapping[str, str], complain: Callable[[str], None]
) -> AuditLog | None:
    """The audit log that is configured; None if there is none.

    Args:
        connection: The settings.
        project: The project's directory, to which the file may be relative.
        environ: Says who is acting, and on what commit.
        complain: See `AuditLog`.
    """
    if not connection.audit_log:
        return None
    return AuditLog(
        project / connection.audit_log,
        actor=actor_of(environ) or account(),
        commit=commit_of(environ),
        clock=SYSTEM_CLOCK.time,
        complain=complain,
    )
