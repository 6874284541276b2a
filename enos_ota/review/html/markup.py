"""HTML elements whose texts are escaped; the only place of the page that escapes."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, Final
from xml.etree.ElementTree import Element, tostring

__all__ = ["Element", "element", "json_text", "number", "raw", "serialise", "visible"]

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Unicode categories of characters that HTML cannot hold, that are invisible, or that change their neighbours."""

_SUSPECT: Final = re.compile(r"[^\x20-%'-;=?-~]")
"""Characters to check in JSON: those that end a script or begin a comment, and all that are not ASCII."""


def element(tag: str, *content: Element | str | None, **attributes: str | None) -> Element:
    """Make an element.

    Args:
        tag: Its name.
        content: Elements, and texts, which may hold anything; None is left out.
        attributes: Names with `_` for `-`, and a `_` after Python's keywords (`class_`). Values may hold anything; None
            leaves the attribute out.
    """
    made = Element(tag)
    for name, value in attributes.items():
        if value is not None:
            made.set(name.rstrip("_").replace("_", "-"), visible(value))
    last: Element | None = None
    for part in content:
        if isinstance(part, Element):
            made.append(part)
            last = part
        elif part is not None and last is None:
            made.text = (made.text or "") + visible(part)
        elif part is not None and last is not None:
            last.tail = (last.tail or "") + visible(part)
    return made


def raw(tag: str, text: str, **attributes: str) -> Element:
    """Make a `script` or `style`, whose text HTML does not unescape.

    Raises:
        ValueError: The text could end the element, or hide its end.
    """
    if re.search(rf"</{tag}|<!--", text, re.IGNORECASE):
        raise ValueError(f"this text would end its {tag} element")
    made = element(tag, **attributes)
    made.text = text
    return made


def json_text(value: Any) -> str:
    """Return compact JSON that is safe in a `script` element, whatever texts it has."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _SUSPECT.sub(_in_json, text)


def _in_json(found: re.Match[str]) -> str:
    character = found[0]
    if character.isprintable() and character not in "<>&":
        return character
    return f"\\u{ord(character):04x}" if character <= "\uffff" else json.dumps(character)[1:-1]


def visible(text: str) -> str:
    r"""Return the text with invisible characters escaped, such as `\x1b`; line breaks stay."""
    if text.isprintable():
        return text
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in _UNSEEN:
        return character
    return character.encode("unicode-escape").decode("ascii")


def number(value: int) -> str:
    """Return the number with its digits in groups of three."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def serialise(*elements: Element) -> str:
    """Return the elements as HTML, each on its own line."""
    return "\n".join(tostring(each, encoding="unicode", method="html") for each in elements)
