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
    parts, host, port = _split(url)
    if parts.scheme not in _DEFAULT_PORTS:
        raise ConfigurationError(
            f"The gateway {_safe_address(url)} must start with https://, as in https://apim.example.com."
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("The gateway's address must not contain a user name or password; give only the host.")
    if parts.path not in {"", "/"} or parts.query or parts.fragment or url.rstrip().endswith(("?", "#")):
        raise ConfigurationError(
            f"The gateway {_safe_address(url)} must be only scheme and host, as in https://apim.example.com:"
            " no path, no question mark."
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(
            f"The gateway {_safe_address(url)} must use https: plain http would expose the token."
            " Plain http is accepted only for a loopback address."
        )
    shown_host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown_host}" + (f":{port}" if port not in {None, _DEFAULT_PORTS[parts.scheme]} else "")


def is_loopback(host: str) -> bool:
    """Whether a host (without brackets) is this machine, by its name or address; no DNS."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(url: str) -> tuple[SplitResult, str, int | None]:
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host:
        raise ConfigurationError(
            f"The gateway {_safe_address(url)} is not an address; give one such as https://apim.example.com."
        )
    if not _is_host(host) or re.search(r"[\s\x00-\x1f\\]", url.strip()):
        raise ConfigurationError(
            f"The gateway {_safe_address(url)} has no valid host name; give one such as https://apim.example.com."
        )
    return parts, host, port


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            return ipaddress.ip_address(host).version == 6 and "%" not in host  # noqa: PLR2004 - IPv6
        except ValueError:
            return False
    return _HOST_NAME.fullmatch(host) is not None


def _safe_address(url: str) -> str:
    """Return the address for a message, without a possible password."""
    text = re.sub(r"//[^/?#]*@", "//[secure]@", url.strip())
    text = re.sub(r"([?#]).+", r"\1…", text, flags=re.DOTALL)
    return repr(text if len(text) <= 80 else text[:79] + "…")  # noqa: PLR2004 - a width for people
