"""The connection to the gateway: network, TLS, and the difference between its clock and this machine's."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import requests

from enos_ota.enos import ConfigurationError, ConnectError
from enos_ota.enos.connections import HttpSession
from enos_ota.enos.failures import LOWER_LAYERS, error_for
from enos_ota.enos.operations import ApiCall, Operation
from enos_ota.operations.doctor.findings import UNDETERMINED, Finding, FindingState, skip

if TYPE_CHECKING:
    from enos_ota.enos import Clock, Timeout

MAX_SKEW: Final = 60.0
"""Seconds of difference between the two clocks without a warning. EnOS's own limit is unknown [U]."""

_MOST_SECONDS: Final = 10.0
"""Seconds to wait for the answer, of which only the header Date is used."""
_PORTS: Final = {"https": 443, "http": 80}
_CALL: Final = ApiCall(Operation("a HEAD request", "HEAD", "/"))


@dataclass(frozen=True, slots=True)
class GatewayCheck:
    """The connection to the gateway.

    Attributes:
        findings: The findings: network, TLS, clock.
        is_reached: Whether it can be used.
        skew: Seconds by which this machine's clock is ahead of the gateway's; None if unknown.
    """

    findings: list[Finding]
    is_reached: bool
    skew: float | None = None


def check_gateway(gateway: str, ca_bundle: str | None, timeout: Timeout, clock: Clock) -> GatewayCheck:
    """Send one HEAD request without credentials."""
    parts = urlsplit(gateway)
    place = (parts.hostname or "", parts.port or _PORTS[parts.scheme])
    limits = (timeout.connect, min(_MOST_SECONDS, timeout.read))
    skew = None
    with contextlib.closing(HttpSession(gateway, ca_bundle, clock=clock)) as session:
        proxy = requests.utils.select_proxy(gateway, session.settings.get("proxies"))
        before = clock.time()
        try:
            with session.fetch("HEAD", f"{gateway}/", headers={"User-Agent": "enos-ota"}, body=b"", timeout=limits) as (
                answer
            ):
                skew = _skew((before + clock.time()) / 2, answer.headers.get("Date", ""))
        except LOWER_LAYERS as failure:
            error = error_for(failure, _CALL, gateway=gateway, timeout=limits)
            if isinstance(error, ConfigurationError):
                raise error from None
            if isinstance(error, ConnectError):
                return _unreached(error, is_tls=not proxy and parts.scheme == "https" and _is_open(place, limits[0]))
    through = " through a proxy (HTTPS_PROXY)" if proxy else ""
    network = Finding("network", FindingState.OK, f"{place[0]} answers on port {place[1]}{through}")
    tls = Finding("TLS", FindingState.OK, "the certificate is trusted")
    if parts.scheme == "http":
        (tls,) = skip("plain http, on this machine only", "TLS")
    return GatewayCheck([network, tls, _clock(skew)], is_reached=True, skew=skew)


def skew_in_words(skew: float) -> str:
    """Return `10 min ahead of`, for instance."""
    return f"{abs(skew) / 60:.0f} min {'ahead of' if skew > 0 else 'behind'}"


def _is_open(place: tuple[str, int], timeout: float) -> bool:
    try:
        socket.create_connection(place, timeout).close()
    except OSError:
        return False
    return True


def _unreached(error: ConnectError, *, is_tls: bool) -> GatewayCheck:
    if is_tls:
        before = [Finding("network", FindingState.OK, "the gateway accepts connections")]
        failed = Finding("TLS", FindingState.FAILED, str(error), failure_code=UNDETERMINED)
        after = skip("the gateway was not reached", "clock")
    else:
        before = []
        failed = Finding("network", FindingState.UNKNOWN, str(error))
        after = skip("the gateway was not reached", "TLS", "clock")
    return GatewayCheck([*before, failed, *after], is_reached=False)


def _skew(now: float, date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return None
    # A Date has whole seconds: on the average half a second is cut off.
    return now - (moment.timestamp() + 0.5)


def _clock(skew: float | None) -> Finding:
    if skew is None:
        return Finding("clock", FindingState.SKIPPED, "the gateway sends no time (header Date)")
    if abs(skew) <= MAX_SKEW:
        return Finding("clock", FindingState.OK, "this machine's clock and the gateway's agree")
    text = f"this machine's clock is {skew_in_words(skew)} the gateway's"
    advice = "Set it (NTP): EnOS refuses requests whose timestamp is too old or too new."
    return Finding("clock", FindingState.WARNING, text, advice=advice)
