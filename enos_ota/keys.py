"""Device keys as one canonical text: how a declared set travels, is stored and is compared.

A set of 100 000 keys as a list costs Pulumi minutes and 100 000 lines to diff; as one sorted text, each key followed by
a newline, it costs seconds and shows just the keys that changed. The last newline matters: without it the diff of the
last key is noise.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_KEY_LENGTH: Final = 256
"""Longest device key that is accepted, in characters. EnOS documents no limit [U]; a longer one is taken for a slip."""

_SHOWN: Final = 3


def to_text(keys: Iterable[str]) -> str:
    """The canonical text of a set of keys: sorted by code point, no duplicates, each key followed by a newline."""
    return "".join(f"{key}\n" for key in sorted(set(keys)))


def from_text(text: str) -> tuple[str, ...]:
    """The keys of a text, sorted and without duplicates; order, duplicates and a missing last newline are forgiven."""
    return tuple(sorted({key for key in text.split("\n") if key}))


def problems(keys: Iterable[object]) -> list[str]:
    """What is wrong with a set of keys, one short sentence a kind of problem; empty when all is well.

    Any order, duplicates and quotes of both kinds are fine. Refused are an empty set, an empty key, a key that is no
    string, control characters (they would break the text and every report) and a key longer than `MAX_KEY_LENGTH`.
    """
    found: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}
    total = 0
    for position, key in enumerate(keys, start=1):
        total += 1
        kind = _problem(key)
        if kind:
            found[kind] += 1
            if len(shown := examples.setdefault(kind, [])) < _SHOWN:
                shown.append(f"no. {position}: {_excerpt(key)}")
    if not total:
        return ["no device keys; to end a set remove the whole set, what is cancelled stays cancelled"]
    return [_sentence(kind, count, examples[kind]) for kind, count in found.items()]


def _sentence(kind: str, count: int, examples: list[str]) -> str:
    more = ", …" if count > len(examples) else ""
    return f"{count} device {'key' if count == 1 else 'keys'} {kind} ({', '.join(examples)}{more})"


def _problem(key: object) -> str | None:
    if not isinstance(key, str):
        return "not a text: put it in quotes"
    if not key.strip():
        return "empty"
    if any(_is_control(character) for character in key):
        return "with control characters"
    if len(key) > MAX_KEY_LENGTH:
        return f"longer than {MAX_KEY_LENGTH} characters"
    return None


def _is_control(character: str) -> bool:
    # Cc: control characters; Cs: lone surrogates, which no UTF-8 can carry; Zl, Zp: line breaks in disguise.
    return unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}


def _excerpt(key: object) -> str:
    text = ascii(key) if isinstance(key, str) else str(key)
    return text if len(text) <= 40 else text[:37] + "…"  # noqa: PLR2004 - a width for people
