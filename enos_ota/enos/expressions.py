"""Search expressions from values that can be quoted safely.

The grammar is EnOS's documented one: `field = 'value'`, `field in ('a', 'b')`, joined by `and` [D]. How a quote inside
a value is escaped is unknown [U], so such a value is refused here and the caller searches another way.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

from enos_ota.enos.errors import UnquotableValue

if TYPE_CHECKING:
    from collections.abc import Iterable

_QUOTES: Final = frozenset("'\"\\")
# Cc: control characters; Cs: lone surrogates, which UTF-8 cannot encode; Zl, Zp: Unicode line breaks.
_UNSAFE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


def equals(field: str, value: str) -> str:
    """Return `field = 'value'`."""
    return f"{field} = {_quoted(field, value)}"


def is_in(field: str, values: Iterable[str]) -> str:
    """Return `field in ('a', 'b')`, each value once."""
    return f"{field} in ({', '.join(_quoted(field, value) for value in dict.fromkeys(values))})"


def is_quotable(value: str) -> bool:
    r"""Whether an expression can contain a value: no ', no ", no \, no control character."""
    # Most keys are printable, which is much faster to check than the category of each character.
    return _QUOTES.isdisjoint(value) and (
        value.isprintable() or not any(unicodedata.category(character) in _UNSAFE for character in value)
    )


def _quoted(field: str, value: str) -> str:
    if not is_quotable(value):
        excerpt = value if len(value) <= 40 else value[:39] + "…"  # noqa: PLR2004 - a width for people
        raise UnquotableValue(
            f"{field} {excerpt!a} cannot be searched for: EnOS does not say how quotes, backslashes or control"
            " characters are written in an expression. No request was sent."
        )
    return f"'{value}'"
