"""A certificate authority of a test's own."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


class Authority:
    """A CA, its certificates and its bundle file."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA(organization_name="Test Authority")
        self.bundle = str(folder / "ca.pem")
        self._ca.cert_pem.write_to_path(self.bundle)

    def server(self, host: str = "127.0.0.1", *, until: datetime | None = None) -> ssl.SSLContext:
        """What a server with a certificate for this host needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(host, not_after=until).configure_cert(context)
        return context
