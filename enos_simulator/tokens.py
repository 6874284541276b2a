"""Token service [D unless marked]: access tokens, their refresh, the replay guard, and the check of a signed call."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from enos_simulator import signing
from enos_simulator.errors import RejectedError, TokenCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from enos_simulator.environment import Environment
    from enos_simulator.fleet import App, Fleet

_LONGEST_TIMESTAMP: Final = 16
_LEGACY_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. `expires`: Unix ms."""

    text: str
    app: App
    expires: int


class Tokens:
    """The issued tokens, and the encryptions received."""

    def __init__(self, fleet: Fleet, environment: Environment) -> None:
        self._apps = {app.app_key: app for app in fleet.apps}
        self._lifetime = fleet.token_seconds
        self._environment = environment
        self._tokens: dict[str, Token] = {}
        self._current: dict[str, Token] = {}
        self._received: set[tuple[str, str]] = set()

    def get(self, body: Mapping[str, object]) -> tuple[str, int]:
        """Return the token of an application and its remaining seconds; the same one until it expires."""
        app = self._authenticate("get", body)
        current = self._current.get(app.app_key)
        if current is None or self._seconds_left(current) <= 0:
            current = self._issue(app)
        return current.text, self._seconds_left(current)

    def refresh(self, body: Mapping[str, object]) -> tuple[str, int]:
        """Return a new token for a valid one, and its seconds; 1204 for a token of another application."""
        old_text = _text(body, "accessToken")
        app = self._authenticate("refresh", body)
        old = self._valid(old_text)
        if old.app.app_key != app.app_key:
            raise RejectedError(TokenCode.REFRESH_FAILED, "refresh token failed")
        if self._environment.switches.old_token == "dies":  # noqa: S105 - a switch
            del self._tokens[old.text]
        new = self._issue(app)
        return new.text, self._seconds_left(new)

    def check(self, headers: Mapping[str, str], query: Iterable[tuple[str, str]], body: bytes) -> App:
        """Return the application that makes this call, by the schemes that the switch `auth` accepts.

        Which code rejects which case is our choice [U]: 1202 a header is missing, 1203 the token is unknown, expired or
        of a scheme that is not accepted, 1004 the timestamp is wrong or outside the clock skew, 1003 the signature.
        """
        accepted = self._environment.switches.auth
        if accepted != "token" and _is_legacy(headers):
            # Only the vendor can decrypt the token [S], so take the first application.
            return next(iter(self._apps.values()))
        if accepted == "legacy":
            raise RejectedError(TokenCode.TOKEN_EXPIRED, "access token is expired or does not exist")
        return self._check_signed(headers, query, body)

    def _check_signed(self, headers: Mapping[str, str], query: Iterable[tuple[str, str]], body: bytes) -> App:
        token_text = headers.get("apim-accesstoken", "")
        timestamp = headers.get("apim-timestamp", "")
        given = headers.get("apim-signature", "")
        for name, value in (("accesstoken", token_text), ("timestamp", timestamp), ("signature", given)):
            if not value:
                raise RejectedError(TokenCode.EMPTY_PARAMETER, f"parameter apim-{name} is empty")
        token = self._valid(token_text)
        self._check_time(timestamp)
        expected = signing.signature(token.text, query, body, timestamp, token.app.app_secret)
        if not hmac.compare_digest(expected.encode(), given.encode(errors="replace")):
            raise RejectedError(TokenCode.BAD_ENCRYPTION, "signature is invalid")
        return token.app

    def expire(self) -> int:
        """Expire every token; return how many there were."""
        ended = len(self._tokens)
        self._tokens.clear()
        self._current.clear()
        return ended

    def _authenticate(self, endpoint: str, body: Mapping[str, object]) -> App:
        app_key, given, timestamp = _text(body, "appKey"), _text(body, "encryption"), _text(body, "timestamp")
        app = self._apps.get(app_key)
        if app is None:
            raise RejectedError(TokenCode.UNKNOWN_APP, "appKey does not exist")
        expected = signing.encryption(app_key, timestamp, app.app_secret)
        if not hmac.compare_digest(expected.encode(), given.encode(errors="replace")):
            raise RejectedError(TokenCode.BAD_ENCRYPTION, "encryption is invalid")
        self._check_time(timestamp)
        self._check_replay(endpoint, given)
        return app

    def _check_time(self, timestamp: str) -> None:
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _LONGEST_TIMESTAMP):
            raise RejectedError(TokenCode.BAD_PARAMETER, "timestamp is not a number of milliseconds")
        if abs(self._environment.clock() - int(timestamp)) > self._environment.switches.clock_skew * 1000:
            raise RejectedError(TokenCode.BAD_PARAMETER, "timestamp is too far from the server's time")

    def _check_replay(self, endpoint: str, encryption: str) -> None:
        if (endpoint, encryption) in self._received:
            raise RejectedError(TokenCode.REPEATED, "repeated request with the same encryption")
        self._received.add((endpoint, encryption))

    def _valid(self, text: str) -> Token:
        token = self._tokens.get(text)
        if token is None or self._environment.clock() >= token.expires:
            raise RejectedError(TokenCode.TOKEN_EXPIRED, "access token is expired or does not exist")
        return token

    def _issue(self, app: App) -> Token:
        token = Token(self._environment.new_id(), app, self._environment.clock() + self._lifetime * 1000)
        self._tokens[token.text] = self._current[app.app_key] = token
        return token

    def _seconds_left(self, token: Token) -> int:
        return (token.expires - self._environment.clock()) // 1000


def _is_legacy(headers: Mapping[str, str]) -> bool:
    """Return whether the token is one of the legacy scheme: 256 encrypted bytes in base64, and no signature [S]."""
    if headers.get("apim-signature"):
        return False
    try:
        return len(base64.b64decode(headers.get("apim-accesstoken", ""), validate=True)) == _LEGACY_BYTES
    except (binascii.Error, ValueError):
        return False


def _text(body: Mapping[str, object], name: str) -> str:
    """Return a parameter as text; numbers are accepted, as official code sends the timestamp both ways [S]."""
    value = body.get(name)
    if value is None or value == "":
        raise RejectedError(TokenCode.EMPTY_PARAMETER, f"parameter {name} is empty")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**_LONGEST_TIMESTAMP:
        return str(value)
    if not isinstance(value, str):
        raise RejectedError(TokenCode.BAD_PARAMETER, f"parameter {name} is invalid")
    return value
