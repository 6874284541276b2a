"""What a connection's settings ask for: the EnOS client, the reconciler, the audit log; and EnOS's no to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from enos_ota.audit import AuditError, AuditLog, account, actor_of, commit_of
from enos_ota.enos import SYSTEM_CLOCK, AuthenticationError, EnosClient, InvalidArgument, PermissionDenied, RetryPolicy
from enos_ota.reconciler import Limits, Pool, Reconciler, StoppableClock
from enos_ota.settings import audit_log_objection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from enos_ota.enos import Clock
    from enos_ota.reconciler import Stop
    from enos_ota.settings import Connection


ORGANIZATION: Final = "Check enos:orgId (ENOS_ORG_ID)."
"""What to do where EnOS objects to the organization."""


def is_refusal(error: Exception) -> bool:
    """Whether EnOS answers, and takes the credentials or the organization for wrong: that is no outage, and stays."""
    return isinstance(error, AuthenticationError) or _is_of_organization(error)


def told(error: Exception) -> str:
    """An error with the setting to check, where EnOS objects to the organization."""
    return f"{error} {ORGANIZATION}" if _is_of_organization(error) else str(error)


def _is_of_organization(error: Exception) -> bool:
    # EnOS names the parameter: `Invalid Argument orgId:  orgId does not exist`, `Denied resource:  orgId o1558…` [D].
    return isinstance(error, (InvalidArgument, PermissionDenied)) and "orgId" in str(error)


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

    Raises:
        AuditError: Another file would be written over.
    """
    if not connection.audit_log:
        return None
    if why := audit_log_objection(project, connection.audit_log):
        raise AuditError(f"enos-ota:auditLog {connection.audit_log} {why}; no request is sent until then")
    return AuditLog(
        project / connection.audit_log,
        actor=actor_of(environ) or account(),
        commit=commit_of(environ),
        clock=SYSTEM_CLOCK,
        complain=complain,
    )
