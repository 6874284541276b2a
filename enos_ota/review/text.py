"""Texts of a report as pieces, each of which says whose words it is: a format decides how that looks.

What others wrote (keys, reasons, job names, EnOS's words) is in here already made visible, cut and on one line, so that
no format has to think of control characters; of its own markup each format has to think itself, for every piece.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import Enum
from typing import Final

from enos_ota.devicekeys.visible import is_visible

_NAME: Final = 120
_SAYING: Final = 1000
_KEY: Final = 300

_MARKS: Final = 3
"""Combining marks that may follow each other; more would cover what stands beside them."""


class Kind(Enum):
    """Whose words a piece is, and what it is for."""

    WORDS = "words"
    """Ours."""
    NUMBER = "number"
    """Ours, a number: it must not be broken over two lines, and may stand out."""
    COMMAND = "command"
    """Ours, to be typed; what others wrote is in it only quoted for a shell."""
    NAME = "name"
    """Somebody else's: a key, an id, a name, a version, a reason."""
    SAYING = "saying"
    """A sentence with somebody else's words in it, such as an error. Commands may stand in back-quotes in it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text: on one line, without anything invisible. Still to be escaped, whatever its kind."""

    text: str
    kind: Kind = Kind.WORDS


Text = tuple[Piece, ...]
"""Pieces to be set one after the other, with nothing in between."""


def say(*parts: str | int | Piece) -> Text:
    """A text: words of ours, numbers, and pieces."""
    return tuple(_piece(part) for part in parts if part != "")


def _piece(part: str | int | Piece) -> Piece:
    if isinstance(part, Piece):
        return part
    if isinstance(part, int):
        return Piece(f"{part:,}".replace(",", " "), Kind.NUMBER)
    return Piece(part)


def name(text: str) -> Piece:
    """Somebody else's name for something. Two names that are not cut never look alike."""
    return Piece(distinct(text, _NAME), Kind.NAME)


def saying(text: str) -> Piece:
    """A sentence with somebody else's words in it."""
    return Piece(visible(" ".join(text.split()), _SAYING), Kind.SAYING)


def command(text: str) -> Piece:
    """Something to be typed."""
    return Piece(visible(text, _SAYING), Kind.COMMAND)


def key(text: str) -> str:
    """A device key, as lists of keys show it."""
    return distinct(text, _KEY)


def plain(text: Text) -> str:
    """A text without its kinds."""
    return "".join(piece.text for piece in text)


def distinct(text: str, most: int) -> str:
    """The same as `visible`, and no two texts that are not cut look alike."""
    return visible(text.replace("\\", "\\\\") if "\\" in text else text, most)


def visible(text: str, most: int) -> str:
    r"""A text with what is invisible in it escaped, as in `\x1b` and `\u202e`, and cut after so many characters.

    It cannot act on a terminal, hide, turn the direction of what follows, or pile up on its neighbours.
    """
    if len(text) <= most and text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    length = 0
    marks = _MARKS  # a mark at the beginning would sit on what stands before the text
    for place, character in enumerate(text):
        if length >= most:
            return "".join((*shown, f"… ({_piece(len(text) - place).text} more characters)"))
        is_mark = unicodedata.category(character).startswith("M")
        hidden = not is_visible(character) or (is_mark and marks >= _MARKS)
        shown.append(character.encode("unicode_escape").decode() if hidden else character)
        length += len(shown[-1])
        marks = marks + 1 if is_mark else 0
    return "".join(shown)
