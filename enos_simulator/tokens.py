"""The token service: tokens for applications, refreshing, the replay guard, and the check of a signed call.

Codes and rules are documented [D] unless said otherwise. Who reads the bodies and answers over HTTP is `gateway`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from enos_simulator import signing
from enos_simulator.codes import TokenCode, TurnedAwayError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from enos_simulator.switches import Switches

_LONGEST_TIMESTAMP: Final = 16
_LEGACY_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class App:
    """An application: its credentials, the organisations it may work for, and what it may do there."""

    app_key: str
    app_secret: str
    orgs: frozenset[str]
    permissions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. `dies`: Unix ms."""

    text: str
    app: App
    dies: int


class Tokens:
    """Tokens given out, and the encryptions seen.

    Args:
        apps: The applications, by appKey.
        lifetime: Of a token, in seconds.
        switches: The switches of the moment.
        clock: Unix ms.
        new_text: A text for a new token, different each time.
    """

    def __init__(
        self,
        apps: Mapping[str, App],
        *,
        lifetime: int,
        switches: Callable[[], Switches],
        clock: Callable[[], int],
        new_text: Callable[[], str],
    ) -> None:
        self._apps = apps
        self._lifetime = lifetime
        self._switches = switches
        self._clock = clock
        self._new_text = new_text
        self._tokens: dict[str, Token] = {}
        self._current: dict[str, Token] = {}
        self._seen: dict[tuple[str, str], int] = {}
        self._seen_order: deque[tuple[str, str]] = deque()

    def get(self, body: Mapping[str, object]) -> tuple[str, int]:
        """The token of an application and the seconds it has left; the same one while it lives.

        Raises:
            TurnedAwayError: With the documented code.
        """
        app = self._authenticate("get", body)
        current = self._current.get(app.app_key)
        if current is None or self._seconds_left(current) <= 0:
            current = self._give(app)
        return current.text, self._seconds_left(current)

    def refresh(self, body: Mapping[str, object]) -> tuple[str, int]:
        """A new token for a living one, and its seconds.

        Raises:
            TurnedAwayError: With the documented code; 1203 for a token that is unknown or expired, 1204 for one of
                another application.
        """
        old_text = _text(body, "accessToken")
        app = self._authenticate("refresh", body)
        old = self._living(old_text)
        if old.app.app_key != app.app_key:
            raise TurnedAwayError(TokenCode.REFRESH_FAILED, "refresh token failed")
        if self._switches().old_token == "dies":  # noqa: S105 - a switch
            del self._tokens[old.text]
        new = self._give(app)
        return new.text, self._seconds_left(new)

    def check(self, headers: Mapping[str, str], query: Iterable[tuple[str, str]], body: bytes) -> App:
        """Who makes this call, by the schemes that the switch `auth` accepts.

        Raises:
            TurnedAwayError: 1202 a header is missing, 1203 the token is unknown, expired or of a scheme that is not
                accepted, 1004 the timestamp is no number or too far off, 1003 the signature is wrong. Which code goes
                with which is our choice [U].
        """
        accepted = self._switches().auth
        if accepted != "token" and _is_legacy(headers):
            # Only the vendor can read who it is [S]; the first application has to do.
            return next(iter(self._apps.values()))
        if accepted == "legacy":
            raise TurnedAwayError(TokenCode.TOKEN_EXPIRED, "access token is expired or does not exist")
        return self._check_signed(headers, query, body)

    def _check_signed(self, headers: Mapping[str, str], query: Iterable[tuple[str, str]], body: bytes) -> App:
        token_text = headers.get("apim-accesstoken", "")
        timestamp = headers.get("apim-timestamp", "")
        given = headers.get("apim-signature", "")
        for name, value in (("accesstoken", token_text), ("timestamp", timestamp), ("signature", given)):
            if not value:
                raise TurnedAwayError(TokenCode.EMPTY_PARAMETER, f"parameter apim-{name} is empty")
        token = self._living(token_text)
        self._check_time(timestamp)
        expected = signing.signature(token.text, query, body, timestamp, token.app.app_secret)
        if not hmac.compare_digest(expected.encode(), given.encode(errors="replace")):
            raise TurnedAwayError(TokenCode.BAD_ENCRYPTION, "signature is invalid")
        return token.app

    def expire(self) -> int:
        """End every token now; how many there were."""
        ended = len(self._tokens)
        self._tokens.clear()
        self._current.clear()
        return ended

    def _authenticate(self, endpoint: str, body: Mapping[str, object]) -> App:
        app_key, given, timestamp = _text(body, "appKey"), _text(body, "encryption"), _text(body, "timestamp")
        app = self._apps.get(app_key)
        if app is None:
            raise TurnedAwayError(TokenCode.UNKNOWN_APP, "appKey does not exist")
        expected = signing.encryption(app_key, timestamp, app.app_secret)
        if not hmac.compare_digest(expected.encode(), given.encode(errors="replace")):
            raise TurnedAwayError(TokenCode.BAD_ENCRYPTION, "encryption is invalid")
        self._check_time(timestamp)
        self._check_replay(endpoint, given)
        return app

    def _check_time(self, timestamp: str) -> None:
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _LONGEST_TIMESTAMP):
            raise TurnedAwayError(TokenCode.BAD_PARAMETER, "timestamp is not a number of milliseconds")
        if abs(self._clock() - int(timestamp)) > self._switches().clock_skew * 1000:
            raise TurnedAwayError(TokenCode.BAD_PARAMETER, "timestamp is too far from the server's time")

    def _check_replay(self, endpoint: str, encryption: str) -> None:
        now = self._clock()
        # An older one is refused for its time, so it need not be remembered.
        while self._seen_order and self._seen[self._seen_order[0]] < now:
            del self._seen[self._seen_order.popleft()]
        if (endpoint, encryption) in self._seen:
            raise TurnedAwayError(TokenCode.REPEATED, "repeated request with the same encryption")
        self._seen[endpoint, encryption] = now + int(2 * self._switches().clock_skew * 1000) + 1
        self._seen_order.append((endpoint, encryption))

    def _living(self, text: str) -> Token:
        token = self._tokens.get(text)
        if token is None or self._clock() >= token.dies:
            raise TurnedAwayError(TokenCode.TOKEN_EXPIRED, "access token is expired or does not exist")
        return token

    def _give(self, app: App) -> Token:
        now = self._clock()
        self._tokens = {text: token for text, token in self._tokens.items() if token.dies > now}
        token = Token(self._new_text(), app, now + self._lifetime * 1000)
        self._tokens[token.text] = self._current[app.app_key] = token
        return token

    def _seconds_left(self, token: Token) -> int:
        return (token.dies - self._clock()) // 1000


def _is_legacy(headers: Mapping[str, str]) -> bool:
    """Whether the token is one of the old scheme: 256 encrypted bytes in base64, and no signature [S]."""
    if headers.get("apim-signature"):
        return False
    try:
        return len(base64.b64decode(headers.get("apim-accesstoken", ""), validate=True)) == _LEGACY_BYTES
    except (binascii.Error, ValueError):
        return False


def _text(body: Mapping[str, object], name: str) -> str:
    """A parameter as text; numbers are taken too, as official code sends the timestamp both ways [S]."""
    value = body.get(name)
    if value is None or value == "":
        raise TurnedAwayError(TokenCode.EMPTY_PARAMETER, f"parameter {name} is empty")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**_LONGEST_TIMESTAMP:
        return str(value)
    if not isinstance(value, str):
        raise TurnedAwayError(TokenCode.BAD_PARAMETER, f"parameter {name} is invalid")
    return value
