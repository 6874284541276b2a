"""Search expressions: parse a text into a condition, with the fields and operators that a call accepts.

The grammar is the part of the documented one [D] that OTA calls use; samples add double quotes and capital keywords
[S]. `and` binds tighter than `or`, and parentheses group [I]. There is no escape inside quotes [U]: a value ends at the
next quote.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from lark import Lark, Transformer
from lark.exceptions import LarkError

from enos_simulator.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_Row = TypeVar("_Row")

_GRAMMAR: Final = r"""
    ?start: either
    ?either: both (_OR both)*
    ?both: term (_AND term)*
    ?term: "(" either ")" -> group
         | comparison
    comparison: FIELD "=" value                       -> equal
              | FIELD _LIKE value                     -> like
              | FIELD _IN "(" value ("," value)* ")"  -> one_of
    value: SINGLE | DOUBLE

    SINGLE: "'" /[^']*/ "'"
    DOUBLE: "\"" /[^"]*/ "\""
    FIELD: /[A-Za-z_][A-Za-z0-9_.]*/
    _AND.2: /and\b/i
    _OR.2: /or\b/i
    _IN.2: /in\b/i
    _LIKE.2: /like\b/i
    %ignore /\s+/
"""


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field equals one of the values; `=` is this with one value."""

    field: str
    values: frozenset[str]
    operator: str


@dataclass(frozen=True, slots=True)
class Like:
    """The field contains the text; no wildcards."""

    field: str
    part: str
    operator: str = "like"


@dataclass(frozen=True, slots=True)
class And:
    """All parts hold."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part holds."""

    parts: tuple[Condition, ...]


Condition = OneOf | Like | And | Or


class _Build(Transformer[Any, Any]):
    """Builds conditions while the parser reads."""

    def value(self, token: list[str]) -> str:
        return str(token[0])[1:-1]

    def equal(self, items: list[str]) -> Condition:
        return OneOf(str(items[0]), frozenset(items[1:]), "=")

    def one_of(self, items: list[str]) -> Condition:
        return OneOf(str(items[0]), frozenset(items[1:]), "in")

    def like(self, items: list[str]) -> Condition:
        return Like(str(items[0]), items[1])

    def group(self, items: list[Condition]) -> Condition:
        return items[0]

    def both(self, items: list[Condition]) -> Condition:
        return And(tuple(items))

    def either(self, items: list[Condition]) -> Condition:
        return Or(tuple(items))


_PARSER: Final = Lark(_GRAMMAR, parser="lalr", transformer=_Build())


def parse(text: str, operators: Mapping[str, frozenset[str]]) -> Condition:
    """Parse an expression. `operators`: the fields that the call accepts, with the operators of each."""
    condition = _parsed(text)
    for leaf in _leaves(condition):
        allowed = operators.get(leaf.field)
        if allowed is None:
            raise invalid("expression", f"unknown field {leaf.field}")
        if leaf.operator not in allowed:
            raise invalid("expression", f"field {leaf.field} does not take {leaf.operator}")
    return condition


@lru_cache(maxsize=256)
def _parsed(text: str) -> Condition:
    try:
        condition: Condition = _PARSER.parse(text)  # type: ignore[assignment] # the transformer has built it already
    except LarkError as error:
        at = getattr(error, "pos_in_stream", None)
        where = f" at character {at + 1}" if isinstance(at, int) else ""
        raise invalid("expression", f"cannot be read{where}") from None
    return condition


def _leaves(condition: Condition) -> Iterable[OneOf | Like]:
    if isinstance(condition, And | Or):
        for part in condition.parts:
            yield from _leaves(part)
    else:
        yield condition


def required(condition: Condition | None) -> dict[str, frozenset[str]]:
    """Return the values that each field must have in every match. The search chooses its index by them."""
    found: dict[str, frozenset[str]] = {}
    for part in condition.parts if isinstance(condition, And) else (condition,):
        if isinstance(part, And):
            pairs: Iterable[tuple[str, frozenset[str]]] = required(part).items()
        elif isinstance(part, OneOf):
            pairs = [(part.field, part.values)]
        else:
            continue
        for name, values in pairs:
            found[name] = found[name] & values if name in found else values
    return found


def only_requires(condition: Condition | None, fields: frozenset[str]) -> bool:
    """Return whether `required` states the whole condition, and about these fields only."""
    if condition is None:
        return True
    if isinstance(condition, And):
        return all(only_requires(part, fields) for part in condition.parts)
    return isinstance(condition, OneOf) and condition.field in fields


def select(
    condition: Condition | None, rows: list[_Row], texts: Callable[[str], Callable[[_Row], tuple[str, ...]]]
) -> list[_Row]:
    """Return the rows that match. `texts` returns a function that returns the texts of a row's field."""
    if condition is None:
        return rows
    if isinstance(condition, And):
        for part in condition.parts:
            rows = select(part, rows, texts)
        return rows
    if isinstance(condition, Or):
        found = {id(row) for part in condition.parts for row in select(part, rows, texts)}
        return [row for row in rows if id(row) in found]
    of = texts(condition.field)
    if isinstance(condition, OneOf):
        return [row for row in rows if not condition.values.isdisjoint(of(row))]
    return [row for row in rows if any(condition.part in text for text in of(row))]
