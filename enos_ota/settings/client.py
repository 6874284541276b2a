"""The EnOS client that a connection's settings describe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enos_ota.enos import SYSTEM_CLOCK, EnosClient
from enos_ota.enos.client import DEFAULT_RETRY

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_ota.enos import Clock, RetryPolicy
    from enos_ota.settings.connection import Connection


def create_client(
    connection: Connection,
    *,
    clock: Clock = SYSTEM_CLOCK,
    retry: RetryPolicy = DEFAULT_RETRY,
    before_write: Callable[[], None] | None = None,
) -> EnosClient:
    """Create a client from settings; the other arguments and the errors are those of `EnosClient`."""
    return EnosClient(
        connection.gateway,
        connection.org_id,
        connection.credentials,
        ca_bundle=connection.ca_bundle,
        timeout=connection.timeout,
        retry=retry,
        max_requests_per_second=connection.max_requests_per_second,
        clock=clock,
        before_write=before_write,
    )
