"""Texts of a report as pieces, each of a kind: a format decides how a kind looks, and escapes its own markup.

Foreign texts (keys, reasons, job names, messages of EnOS) are made visible, cut and put on one line here.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from enos_ota.devicekeys.visible import is_visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enos_ota.review.exposure import Exposure

_NAME: Final = 120
_SAYING: Final = 1000
_KEY: Final = 300

_MARKS: Final = 3
"""Combining marks that may follow each other; more would cover their neighbours."""


class Kind(Enum):
    """What a piece is, and whether it is foreign text."""

    WORDS = "words"
    """Words of enos-ota."""
    NUMBER = "number"
    """A number of enos-ota: never broken over two lines."""
    COMMAND = "command"
    """A command of enos-ota to type; foreign text in it is quoted for a shell."""
    NAME = "name"
    """Foreign text: a key, an id, a name, a version, a reason."""
    SAYING = "saying"
    """A sentence with foreign text in it, such as an error. Back-quotes mark commands in it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text: on one line, nothing invisible in it, not escaped yet."""

    text: str
    kind: Kind = Kind.WORDS
    exposure: Exposure | None = None
    """Exposure of the devices that a number counts, which a format shows by a colour."""


Text = tuple[Piece, ...]
"""Pieces in reading order, with nothing in between."""


def say(*parts: str | int | Piece) -> Text:
    """Make a text of words, numbers and pieces."""
    return tuple(_piece(part) for part in parts if part != "")


def _piece(part: str | int | Piece) -> Piece:
    if isinstance(part, Piece):
        return part
    if isinstance(part, int):
        return Piece(f"{part:,}".replace(",", " "), Kind.NUMBER)
    return Piece(part)


def exposed_number(number: int, exposure: Exposure) -> Piece:
    """Make a number of devices that have this exposure."""
    return replace(_piece(number), exposure=exposure)


def name(text: str) -> Piece:
    """Make a foreign name. Two names that are not cut never look alike."""
    return Piece(distinct(text, _NAME), Kind.NAME)


def names(texts: Sequence[str], most: int) -> Text:
    """Make a list of at most so many foreign names, and say how many more there are."""
    shown = [part for each in texts[:most] for part in (", ", name(each))][1:]
    rest = len(texts) - most
    return say(*shown, *((" and ", rest, " more") if rest > 0 else ()))


def saying(text: str) -> Piece:
    """Make a sentence with foreign text in it."""
    return Piece(visible(" ".join(text.split()), _SAYING), Kind.SAYING)


def command(text: str) -> Piece:
    """Make a command."""
    return Piece(visible(text, _SAYING), Kind.COMMAND)


def key(text: str) -> str:
    """Return a device key as lists of keys show it."""
    return distinct(text, _KEY)


def plain(text: Text) -> str:
    """Return the text alone, without kinds."""
    return "".join(piece.text for piece in text)


def distinct(text: str, most: int) -> str:
    """Return a text as `visible` does, and unlike any other text that is not cut."""
    return visible(text.replace("\\", "\\\\") if "\\" in text else text, most)


def visible(text: str, most: int) -> str:
    r"""Return a text with invisible characters escaped, as in `\x1b` and `\u202e`, and cut after so many characters.

    It cannot control a terminal, hide, change the direction of what follows, or cover its neighbours.
    """
    if len(text) <= most and text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    length = 0
    marks = _MARKS  # a mark at the beginning would cover what is before the text
    for place, character in enumerate(text):
        if length >= most:
            return "".join((*shown, f"… ({_piece(len(text) - place).text} more characters)"))
        is_mark = unicodedata.category(character).startswith("M")
        hidden = not is_visible(character) or (is_mark and marks >= _MARKS)
        shown.append(character.encode("unicode_escape").decode() if hidden else character)
        length += len(shown[-1])
        marks = marks + 1 if is_mark else 0
    return "".join(shown)
