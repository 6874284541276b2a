"""HTML elements whose texts are escaped; the only place of the page that escapes."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree.ElementTree import Element, tostring

__all__ = ["Element", "element", "json_text", "number", "raw", "serialise"]


def element(tag: str, *content: Element | str | None, **attributes: str | None) -> Element:
    """Make an element of elements and visible texts; None is left out.

    Attribute names have `_` for `-`, and a `_` after Python's keywords (`class_`).
    """
    made = Element(tag)
    for name, value in attributes.items():
        if value is not None:
            made.set(name.rstrip("_").replace("_", "-"), value)
    last: Element | None = None
    for part in content:
        if isinstance(part, Element):
            made.append(part)
            last = part
        elif part is not None and last is None:
            made.text = (made.text or "") + part
        elif part is not None and last is not None:
            last.tail = (last.tail or "") + part
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
    """Return compact JSON in ASCII that is safe in a `script` element, whatever texts it has."""
    text = json.dumps(value, separators=(",", ":"))
    return re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", text)


def number(value: int) -> str:
    """Return the number with its digits in groups of three."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def serialise(*elements: Element) -> str:
    """Return the elements as HTML, each on its own line."""
    return "\n".join(tostring(each, encoding="unicode", method="html") for each in elements)
