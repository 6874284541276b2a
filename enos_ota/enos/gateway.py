"""Address of the EnOS API gateway in its normal form."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from enos_ota.enos.errors import ConfigurationError

_HOST_NAME: Final = re.compile(r"(?=.{1,253}\Z)(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?", re.ASCII)
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


def check_gateway(url: str) -> str:
    """Return the gateway's address as `scheme://host[:port]`: lower case, no default port, no final slash.

    https is required; plain http is accepted only for loopback addresses (`localhost`, 127.0.0.0/8, ::1), where the
    token does not leave the machine.

    Raises:
        ConfigurationError: the address is invalid; the text gives the reason.
    """
    address = url.strip()
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = SplitResult("", "", "", "", ""), "", None
    if problem := _problem(address, parts, host):
        shown = re.sub(r"//[^/?#]*@", "//[secure]@", address)
        shown = re.sub(r"([?#]).+", r"\1…", shown, flags=re.DOTALL)
        raise ConfigurationError(f"The gateway {shown!r} {problem}")
    bracketed = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{bracketed}" + ("" if port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{port}")


def is_loopback(host: str) -> bool:
    """Whether a host (without brackets) is this machine, by its name or address; no DNS."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _problem(address: str, parts: SplitResult, host: str) -> str:
    """Return the first reason why this is no gateway, or ""."""
    example = "https://apim.example.com"
    problems = {
        f"is not an address; give one such as {example}.": not host,
        f"has no valid host name; give one such as {example}.": (
            not _is_host(host) or re.search(r"[\s\x00-\x1f\\]", address)
        ),
        f"must start with https://, as in {example}.": parts.scheme not in _DEFAULT_PORTS,
        "must not contain a user name or password; give only the host.": "@" in parts.netloc,
        f"must be only scheme and host, as in {example}: no path, no question mark.": (
            parts.path not in {"", "/"} or "?" in address or "#" in address
        ),
        "must use https: plain http would expose the token. Plain http is accepted only for a loopback address.": (
            parts.scheme == "http" and not is_loopback(host)
        ),
    }
    return next((problem for problem, applies in problems.items() if applies), "")


def _is_host(host: str) -> bool:
    if ":" not in host:
        return _HOST_NAME.fullmatch(host) is not None
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return "%" not in host
