"""Search expressions, built from values that are safe to quote and never by splicing others in.

The grammar is EnOS's documented one: `field = 'value'`, `field in ('a', 'b')`, joined by `and` [D]. How a quote inside
a value is escaped is unknown [U], so such a value is refused here and its owner looks for it another way.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from enos_ota.enos.errors import UnquotableValue

if TYPE_CHECKING:
    from collections.abc import Iterable


def equals(field: str, value: str) -> str:
    """`field = 'value'`.

    Raises:
        UnquotableValue: the value cannot be quoted.
    """
    return f"{field} = {quoted(field, value)}"


def is_in(field: str, values: Iterable[str]) -> str:
    """`field in ('a', 'b')`; at least one value is needed, duplicates are dropped.

    Raises:
        UnquotableValue: a value cannot be quoted.
        ValueError: there is no value.
    """
    listed = ", ".join(quoted(field, value) for value in dict.fromkeys(values))
    if not listed:
        raise ValueError(f"no value for {field}")
    return f"{field} in ({listed})"


def all_of(*conditions: str) -> str:
    """Conditions that must all hold."""
    return " and ".join(conditions)


def is_quotable(value: str) -> bool:
    r"""Whether a value can stand in an expression: no ', no ", no \, no control character."""
    # Nearly all keys are printable, and that is known much faster than each character's category.
    return _QUOTES.isdisjoint(value) and (
        value.isprintable() or not any(unicodedata.category(character) in _UNSAFE for character in value)
    )


def quoted(field: str, value: str) -> str:
    """The value in single quotes.

    Raises:
        UnquotableValue: the value cannot be quoted.
    """
    if not is_quotable(value):
        excerpt = value if len(value) <= 40 else value[:39] + "…"  # noqa: PLR2004 - a width for people
        raise UnquotableValue(
            f"{field} {excerpt!a} cannot be searched for: EnOS does not say how quotes, backslashes or control"
            " characters are written in an expression. Nothing was sent."
        )
    return f"'{value}'"


_QUOTES = frozenset("'\"\\")

# Cc: control characters; Cs: lone surrogates, which no UTF-8 can carry; Zl, Zp: line breaks in disguise.
_UNSAFE = frozenset({"Cc", "Cs", "Zl", "Zp"})
