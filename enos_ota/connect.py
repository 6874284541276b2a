"""The EnOS client that a connection's settings ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enos_ota.enos import SYSTEM_CLOCK, EnosClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_ota.enos import Clock
    from enos_ota.settings import Connection


def client_of(
    connection: Connection, *, clock: Clock = SYSTEM_CLOCK, before_write: Callable[[], None] | None = None
) -> EnosClient:
    """A client with these settings; clock and `before_write` are those of `EnosClient`.

    Raises:
        ConfigurationError: The gateway or the CA bundle cannot be used.
    """
    return EnosClient(
        connection.gateway,
        connection.org_id,
        connection.credentials,
        ca_bundle=connection.ca_bundle,
        timeout=connection.timeout,
        max_requests_per_second=connection.max_requests_per_second,
        clock=clock,
        before_write=before_write,
    )
