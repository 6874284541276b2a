"""Rules for device keys, and the canonical text in which the state stores a set of keys.

A set of 100 000 keys as a list costs Pulumi minutes and 100 000 lines to diff; as one sorted text, each key followed by
a newline, it costs seconds. Without the last newline, Pulumi would also show the last key as changed.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from enos_ota.devicekeys import other_formats
from enos_ota.devicekeys.visible import excerpt, is_invisible

MAX_KEY_LENGTH: Final = 256
"""Longest device key that is accepted, in characters; EnOS documents no limit [U]."""

_DEFAULT_RULE: Final = re.compile(r"[A-Za-z0-9._-]{4,64}")
"""Device keys that EnOS allows by default [D]; a platform may allow others."""

NO_KEYS: Final = "no device keys; to end a set remove the whole set, what is cancelled stays cancelled"

_SHOWN: Final = 3

_NO_TEXT: Final = "is not a text: put it in quotes"
_EMPTY: Final = "is empty"
_CONTROL: Final = "has control characters"
_INVISIBLE: Final = "has invisible characters: type it again"
_LONG: Final = f"is longer than {MAX_KEY_LENGTH} characters"
_LINE_OF: Final = "is a line of"
_RULE: Final = "EnOS's default rule of 4 to 64 letters, digits or - _ ."
_UNUSUAL: Final = f"does not follow {_RULE}"
_OF_SEVERAL: Final = {
    _NO_TEXT: "are not texts: put them in quotes",
    _EMPTY: "are empty",
    _CONTROL: "have control characters",
    _INVISIBLE: "have invisible characters: type them again",
    _LONG: f"are longer than {MAX_KEY_LENGTH} characters",
    _UNUSUAL: f"do not follow {_RULE}",
    **{f"{_LINE_OF} {source}": f"are lines of {source}" for source in other_formats.SOURCES},
}
"""Plural of each description of a problem."""


def to_text(keys: Iterable[str]) -> str:
    """Return the canonical text of a set of keys: sorted by code point, no duplicates, a newline after each key."""
    return "".join(f"{key}\n" for key in sorted(set(keys)))


def from_text(text: str) -> tuple[str, ...]:
    """Return the keys of a text, sorted and without duplicates; the text need not be canonical."""
    return tuple(sorted({key for key in text.split("\n") if key}))


@dataclass(frozen=True, slots=True)
class KeyProblem:
    """A kind of problem, or of warning: how many keys have it, and the first few, by position (from 0)."""

    kind: str
    count: int
    positions: tuple[int, ...]
    examples: tuple[str, ...]

    def sentence(self, place: Callable[[int], str] = lambda position: f"no. {position + 1}") -> str:
        """Return one short sentence; `place` returns the name of a position, or "" if it is unknown."""
        shown = ", ".join(
            f"{place(position)}: {example}".removeprefix(": ")
            for position, example in zip(self.positions, self.examples, strict=True)
        )
        more = ", …" if self.count > len(self.positions) else ""
        what = f"1 device key {self.kind}" if self.count == 1 else f"{self.count} device keys {_OF_SEVERAL[self.kind]}"
        return f"{what} ({shown}{more})"


def problems(keys: Iterable[object]) -> list[str]:
    """Return the problems of a set of keys, one short sentence for each kind; empty when there are none.

    Any order, duplicates and quotes of both kinds are allowed.
    """
    listed = keys if isinstance(keys, Sequence) else list(keys)
    return [problem.sentence() for problem in find_problems(listed)] if listed else [NO_KEYS]


def find_problems(keys: Iterable[object]) -> list[KeyProblem]:
    """Return the problems of keys, with positions; an empty set is not a problem here."""
    return _by_kind(keys, problem)


def unusual(keys: Iterable[object]) -> KeyProblem | None:
    """Return the keys that EnOS does not allow by default: they may be a header or a whole line of a table.

    A platform may allow such keys, so they are never refused. Keys with a problem are not included.
    """
    return next(iter(_by_kind(keys, _doubt)), None)


def _by_kind(keys: Iterable[object], kind_of: Callable[[object], str | None]) -> list[KeyProblem]:
    found: dict[str, list[tuple[int, object]]] = {}
    counts: Counter[str] = Counter()
    for position, key in enumerate(keys):
        kind = kind_of(key)
        if kind:
            counts[kind] += 1
            if len(first := found.setdefault(kind, [])) < _SHOWN:
                first.append((position, key))
    return [
        KeyProblem(kind, counts[kind], tuple(n for n, _ in first), tuple(_example(kind, key) for _, key in first))
        for kind, first in found.items()
    ]


def problem(key: object) -> str | None:
    """Return the problem of one key, to be read after "it"; None when there is none."""
    if not isinstance(key, str):
        return _NO_TEXT
    if not key or key.isspace():
        return _EMPTY
    # Most keys are plain, which is a hundred times faster to check than the category of each character.
    if not (key.isascii() and key.isprintable()):
        if any(map(is_control, key)):
            return _CONTROL
        if any(map(is_invisible, key)):
            return _INVISIBLE
    if len(key) > MAX_KEY_LENGTH:
        return _LONG
    source = other_formats.source_of(key)
    return f"{_LINE_OF} {source}" if source else None


def _doubt(key: object) -> str | None:
    follows = isinstance(key, str) and _DEFAULT_RULE.fullmatch(key)
    return None if follows or problem(key) else _UNUSUAL


def _example(kind: str, key: object) -> str:
    if kind != _INVISIBLE:
        return excerpt(key)
    character = next(filter(is_invisible, str(key)))
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip() + f" in {excerpt(key)}"


def is_control(character: str) -> bool:
    """Whether a character would break a line, a report or UTF-8 itself."""
    # Cc: control characters; Cs: lone surrogates, which UTF-8 cannot encode; Zl, Zp: Unicode line breaks.
    return unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
