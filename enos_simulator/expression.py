"""Search expressions: text → condition, by a grammar, with the fields and operators that a call knows.

The grammar is the general one of the documentation [D]; samples add double quotes and capital keywords [S]. `and` binds
tighter than `or`, and parentheses group [I]. There is no escape inside quotes [U]: a value ends at the next quote.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from lark import Lark, Transformer
from lark.exceptions import LarkError, VisitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_DEEPEST: Final = 64

_GRAMMAR: Final = r"""
    ?start: either
    ?either: both (_OR both)*
    ?both: term (_AND term)*
    ?term: "(" either ")" -> group
         | comparison
    comparison: FIELD "=" value                       -> equal
              | FIELD "!=" value                      -> unequal
              | FIELD _LIKE value                     -> like
              | FIELD _IN "(" value ("," value)* ")"  -> among
              | _EXISTS "(" FIELD ")"                 -> exists
              | _NOT _EXISTS "(" FIELD ")"            -> absent
    value: SINGLE | DOUBLE

    SINGLE: "'" /[^']*/ "'"
    DOUBLE: "\"" /[^"]*/ "\""
    FIELD: /[A-Za-z_][A-Za-z0-9_.]*/
    _AND.2: /and\b/i
    _OR.2: /or\b/i
    _IN.2: /in\b/i
    _LIKE.2: /like\b/i
    _NOT.2: /not\b(?=\s+exists\b)/i
    _EXISTS.2: /exists\b(?=\s*\()/i
    %ignore /\s+/
"""


class ExpressionError(ValueError):
    """An expression cannot be read, or asks for a field or an operator that the call does not know."""


@dataclass(frozen=True, slots=True)
class Among:
    """The field is one of the values; `=` is this with one value."""

    field: str
    values: frozenset[str]
    operator: str

    depth: int = 1


@dataclass(frozen=True, slots=True)
class Like:
    """The field holds the text somewhere; no wildcards."""

    field: str
    part: str
    operator: str = "like"

    depth: int = 1


@dataclass(frozen=True, slots=True)
class Unsupported:
    """An operator of the general grammar that no OTA call takes: `!=`, `exists`, `not exists`."""

    field: str
    operator: str

    depth: int = 1


@dataclass(frozen=True, slots=True)
class Every:
    """All parts hold."""

    parts: tuple[Condition, ...]
    depth: int


@dataclass(frozen=True, slots=True)
class Some:
    """At least one part holds."""

    parts: tuple[Condition, ...]
    depth: int


Condition = Among | Like | Unsupported | Every | Some


class _Build(Transformer[Any, Any]):
    """Called by the parser while it reads, from the leaves up, so that no depth of nesting can exhaust the stack."""

    def value(self, token: list[str]) -> str:
        return str(token[0])[1:-1]

    def equal(self, items: list[str]) -> Condition:
        return Among(str(items[0]), frozenset(items[1:]), "=")

    def among(self, items: list[str]) -> Condition:
        return Among(str(items[0]), frozenset(items[1:]), "in")

    def like(self, items: list[str]) -> Condition:
        return Like(str(items[0]), items[1])

    def unequal(self, items: list[str]) -> Condition:
        return Unsupported(str(items[0]), "!=")

    def exists(self, items: list[str]) -> Condition:
        return Unsupported(str(items[0]), "exists")

    def absent(self, items: list[str]) -> Condition:
        return Unsupported(str(items[0]), "not exists")

    def group(self, items: list[Condition]) -> Condition:
        return items[0]

    def both(self, items: list[Condition]) -> Condition:
        return Every(tuple(items), _depth(items))

    def either(self, items: list[Condition]) -> Condition:
        return Some(tuple(items), _depth(items))


def _depth(parts: Iterable[Condition]) -> int:
    depth = 1 + max(part.depth for part in parts)
    if depth > _DEEPEST:
        raise ExpressionError(f"nested deeper than {_DEEPEST} levels")
    return depth


_PARSER: Final = Lark(_GRAMMAR, parser="lalr", transformer=_Build())


def parse(text: str, operators: Mapping[str, frozenset[str]]) -> Condition:
    """The condition that an expression states.

    Args:
        text: The expression; must not be empty.
        operators: The fields that the call knows, with the operators that each takes.

    Raises:
        ExpressionError: The text cannot be read, or a field or operator is not one of `operators`.
    """
    condition = _parsed(text)
    for leaf in _leaves(condition):
        allowed = operators.get(leaf.field)
        if allowed is None:
            raise ExpressionError(f"unknown field {leaf.field}")
        if leaf.operator not in allowed:
            raise ExpressionError(f"field {leaf.field} does not take {leaf.operator}")
    return condition


@lru_cache(maxsize=256)
def _parsed(text: str) -> Condition:
    try:
        condition: Condition = _PARSER.parse(text)  # type: ignore[assignment] # the transformer has built it already
    except VisitError as error:
        raise ExpressionError(str(error.orig_exc)) from None
    except LarkError as error:
        at = getattr(error, "pos_in_stream", None)
        raise ExpressionError("cannot be read" + (f" at character {at + 1}" if isinstance(at, int) else "")) from None
    return condition


def _leaves(condition: Condition) -> Iterable[Among | Like | Unsupported]:
    if isinstance(condition, Every | Some):
        for part in condition.parts:
            yield from _leaves(part)
    else:
        yield condition


def required(condition: Condition | None) -> dict[str, frozenset[str]]:
    """What must hold whatever else is said: for a field the only values it can have. For the choice of an index."""
    found: dict[str, frozenset[str]] = {}
    for part in condition.parts if isinstance(condition, Every) else (condition,):
        if isinstance(part, Every):
            pairs: Iterable[tuple[str, frozenset[str]]] = required(part).items()
        elif isinstance(part, Among):
            pairs = [(part.field, part.values)]
        else:
            continue
        for name, values in pairs:
            found[name] = found[name] & values if name in found else values
    return found


def only_requires(condition: Condition | None, fields: frozenset[str]) -> bool:
    """Whether `required` says all there is to it, and nothing about other fields than these."""
    if condition is None:
        return True
    if isinstance(condition, Every):
        return all(only_requires(part, fields) for part in condition.parts)
    return isinstance(condition, Among) and condition.field in fields


def holds(condition: Condition, texts: Callable[[str], tuple[str, ...]]) -> bool:
    """Whether a row satisfies the condition; `texts` gives the texts that a field of the row stands for."""
    if isinstance(condition, Every):
        return all(holds(part, texts) for part in condition.parts)
    if isinstance(condition, Some):
        return any(holds(part, texts) for part in condition.parts)
    if isinstance(condition, Among):
        return any(text in condition.values for text in texts(condition.field))
    if isinstance(condition, Like):
        return any(condition.part in text for text in texts(condition.field))
    raise AssertionError(condition)  # `parse` lets no other through
