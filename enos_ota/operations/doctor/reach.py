"""Whether the gateway can be reached: name and port, TLS, and how far its clock is from ours.

The client does all that by itself; here it is done step by step, so that one knows which step failed. One HEAD request
without credentials is made, for the gateway's Date.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import socket
import ssl
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests
from urllib3.util.ssl_ import create_urllib3_context

from enos_ota.enos.connections import AttemptDeadline, ConnectFailed, HttpSession, TimedResponse
from enos_ota.enos.failures import error_for
from enos_ota.enos.operations import ApiCall, Operation
from enos_ota.operations.doctor.findings import Cause, Finding, State

if TYPE_CHECKING:
    from enos_ota.enos import Clock, Timeout

SKEW: Final = 60.0
"""Seconds between the two clocks that are told. How far off a timestamp may be is unknown [U]."""

EXPIRY: Final = 21.0
"""Days before the end of a certificate from which on it is told."""

_PATIENCE: Final = 10.0  # for the answer to HEAD; nothing but the Date hangs on it
_PORTS: Final = {"https": 443, "http": 80}
_LOOK: Final = ApiCall(Operation("a first look", "HEAD", "/"))


@dataclass(frozen=True, slots=True)
class Reach:
    """What was found on the way to the gateway.

    Attributes:
        findings: network, TLS, clock.
        reached: whether it is worth while to ask it anything.
        skew: seconds by which this machine's clock is ahead of the gateway's, None if unknown.
    """

    findings: tuple[Finding, ...]
    reached: bool
    skew: float | None = None


def reach(gateway: str, ca_bundle: str | None, timeout: Timeout, clock: Clock) -> Reach:
    """Go the way to a gateway.

    Args:
        gateway: in the normal form of `enos_ota.enos.check_gateway`.
        ca_bundle: file or directory of the certificates to trust, None for the usual ones.
        timeout: how long to wait for each step.
        clock: this machine's.

    Raises:
        ConfigurationError: the CA bundle cannot be used.
    """
    with contextlib.closing(HttpSession(gateway, ca_bundle)) as session:
        proxy = requests.utils.select_proxy(gateway, session.settings.get("proxies"))
        verify = session.settings["verify"]
    if proxy:
        why = "the proxy is asked for it"
        return Reach(
            (
                Finding("network", State.SKIPPED, f"goes through the proxy {_host_of(proxy)} (HTTPS_PROXY)"),
                Finding("TLS", State.SKIPPED, why),
                Finding("clock", State.SKIPPED, why),
            ),
            reached=True,
        )
    parts = urlsplit(gateway)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    way = _Way(gateway, host, port, timeout, clock)
    try:
        connection = socket.create_connection((host, port), timeout.connect)
    except OSError as error:
        return way.failed(error, "network", "TLS", "clock")
    with connection:
        peer = connection.getpeername()[0]
        named = f"{host} is {peer}, and" if peer != host else host
        network = Finding("network", State.OK, f"{named} answers on port {port}")
        if parts.scheme == "http":
            tls = Finding("TLS", State.SKIPPED, "plain http, on this machine only")
            return way.reached(network, tls, connection)
        try:
            secured = _context(verify).wrap_socket(connection, server_hostname=host)
        except OSError as error:
            failed = way.failed(error, "TLS", "clock")
            return Reach((network, *failed.findings), reached=False)
        with secured:
            return way.reached(network, _certificate(secured, clock), secured)


@dataclass(frozen=True, slots=True)
class _Way:
    gateway: str
    host: str
    port: int
    timeout: Timeout
    clock: Clock

    def failed(self, failure: OSError, check: str, *rest: str) -> Reach:
        """The way ends here; what comes after is not looked at."""
        mark = ConnectFailed(None, "no connection")  # type: ignore[arg-type]  # there is no connection to name
        mark.__cause__ = failure
        seconds = (self.timeout.connect, self.timeout.read)
        error = error_for(mark, _LOOK, gateway=self.gateway, timeout=seconds)
        findings = [Finding(check, _state(failure), str(error), cause=Cause.WAY)]
        findings += [Finding(name, State.SKIPPED, "the gateway was not reached") for name in rest]
        return Reach(tuple(findings), reached=False)

    def reached(self, network: Finding, tls: Finding, connection: socket.socket) -> Reach:
        """The way leads there; what the gateway's clock says."""
        skew = self._skew(connection)
        return Reach((network, tls, _clock(skew)), reached=True, skew=skew)

    def _skew(self, connection: socket.socket) -> float | None:
        deadline = AttemptDeadline(self.clock)
        deadline.start(min(_PATIENCE, self.timeout.read))
        asking = http.client.HTTPConnection(self.host, self.port)
        asking.sock = connection
        timed = functools.partial(TimedResponse, deadline=deadline)
        asking.response_class = timed  # type: ignore[assignment]  # it is only ever called
        before = self.clock.time()
        try:
            asking.request(
                _LOOK.operation.method, _LOOK.operation.path, headers={"User-Agent": "enos-ota", "Connection": "close"}
            )
            moment = parsedate_to_datetime(asking.getresponse().headers["Date"])
        except (OSError, http.client.HTTPException, ValueError, TypeError):
            return None
        # A Date has whole seconds: on the average half a second is cut off.
        return (before + self.clock.time()) / 2 - (moment.timestamp() + 0.5)


def _state(failure: OSError) -> State:
    """A name that does not exist, or TLS that does not work, stays so until somebody mends it; an outage ends."""
    if isinstance(failure, socket.gaierror):
        return State.UNKNOWN if failure.errno == socket.EAI_AGAIN else State.FAILED
    return State.FAILED if isinstance(failure, ssl.SSLError) else State.UNKNOWN


def _context(verify: bool | str) -> ssl.SSLContext:  # noqa: FBT001 - as requests has it
    """The client's own: what it trusts, and how strictly."""
    context = create_urllib3_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = True
    trusted = verify if isinstance(verify, str) else requests.utils.DEFAULT_CA_BUNDLE_PATH
    if Path(trusted).is_dir():
        context.load_verify_locations(capath=trusted)
    else:
        context.load_verify_locations(cafile=trusted)
    return context


def _certificate(secured: ssl.SSLSocket, clock: Clock) -> Finding:
    certificate = secured.getpeercert() or {}
    version = secured.version() or "TLS"
    until = str(certificate.get("notAfter", ""))
    if not until:
        return Finding("TLS", State.OK, f"{version}, the certificate is trusted")
    days = (ssl.cert_time_to_seconds(until) - clock.time()) / 86_400
    text = f"{version}, the certificate is trusted (issued by {_issuer(certificate)}) and ends on {until}"
    if days < EXPIRY:
        left = "1 day" if int(days) == 1 else f"{int(days)} days"
        return Finding(
            "TLS", State.WARNING, f"{text}, in {left}", advice="Have it renewed, or nothing will get through."
        )
    return Finding("TLS", State.OK, text)


def _issuer(certificate: dict[str, Any]) -> str:
    names = {name: value for part in certificate.get("issuer", ()) for name, value in part}
    return names.get("organizationName") or names.get("commonName") or "an authority without a name"


def _clock(skew: float | None) -> Finding:
    if skew is None:
        return Finding("clock", State.SKIPPED, "the gateway does not tell its time (no Date header)")
    if abs(skew) <= SKEW:
        return Finding("clock", State.OK, "this machine's clock and the gateway's agree")
    text = f"this machine's clock is {skew_in_words(skew)} the gateway's"
    advice = "Set it (NTP): EnOS refuses a timestamp that is too far off, and how far is not documented."
    return Finding("clock", State.WARNING, text, advice=advice)


def skew_in_words(skew: float) -> str:
    """As it reads before "the gateway's"."""
    minutes = abs(skew) / 60
    length = f"{minutes / 60:.1f} hours" if minutes >= 90 else f"{minutes:.0f} min"  # noqa: PLR2004 - a choice of words
    return f"{length} {'ahead of' if skew > 0 else 'behind'}"


def _host_of(proxy: str) -> str:
    """A proxy's address without user and password."""
    parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    try:
        return f"{parts.hostname or '?'}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return parts.hostname or "?"
