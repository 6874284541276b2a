"""HTML elements in which any text stays text: escaping happens here, once, for the whole page."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final
from xml.etree.ElementTree import Element, tostring

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Element", "element", "json_text", "number", "raw", "serialise", "visible"]

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Unicode categories of characters that HTML cannot hold, that nobody sees, or that change what is beside them."""

_TO_LOOK_AT: Final = re.compile(r"[^\x20-%'-;=?-~]")
"""What may have to be escaped in JSON: what ends a script or begins a comment in it, and all that is not ASCII."""


def element(tag: str, *content: Element | str | None, **attributes: str | None) -> Element:
    """An element.

    Args:
        tag: Its name.
        content: Elements, and texts, which may hold anything; None is left out.
        attributes: Their names with `_` for `-`, and a `_` after those that Python keeps to itself (`class_`). Their
            values may hold anything; None leaves the attribute out.
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
    """A `script` or `style`, whose text HTML takes as it is.

    Raises:
        ValueError: The text could end the element, or hide its end.
    """
    if re.search(rf"</{tag}|<!--", text, re.IGNORECASE):
        raise ValueError(f"this text would end its {tag} element")
    made = element(tag, **attributes)
    made.text = text
    return made


def json_text(value: Any) -> str:
    """JSON, compact, that can stand in a `script` element whatever texts are in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _TO_LOOK_AT.sub(_in_json, text)


def _in_json(found: re.Match[str]) -> str:
    character = found[0]
    if character.isprintable() and character not in "<>&":
        return character
    return f"\\u{ord(character):04x}" if character <= "\uffff" else json.dumps(character)[1:-1]


def visible(text: str) -> str:
    r"""The text with everything spelled out that would not show, such as `\x1b`; line breaks stay."""
    if text.isprintable():
        return text
    return "".join(map(_seen, text))


def _seen(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in _UNSEEN:
        return character
    return character.encode("unicode-escape").decode("ascii")


def number(value: int) -> str:
    """The number, its digits in groups of three."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def serialise(elements: Iterable[Element]) -> str:
    """The elements as HTML, each on a line of its own."""
    return "".join(tostring(each, encoding="unicode", method="html") + "\n" for each in elements)
