"""A YAML text and where its values stand: something is put in, and every other byte stays as it was.

A parser says where; it writes nothing. What it says may be wrong for what is written in odd ways (an alias is taken for
the value it names, say), so whoever splices reads the result again before it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_LOADER: Final = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


@dataclass(frozen=True, slots=True)
class Place:
    """A value in a text.

    Attributes:
        node: The parser's; None in a text without a value.
        inner: The column of what it holds, if it holds nothing yet.
        in_flow: Whether it stands in brackets.
    """

    node: Any
    inner: int = 0
    in_flow: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing: no value, or a list or mapping without any."""
        if isinstance(self.node, yaml.ScalarNode):
            return str(self.node.tag).endswith(":null")
        return self.node is None or not self.node.value


class Source:
    """A YAML text of one document.

    Args:
        text: The text, without byte order mark.

    Raises:
        yaml.YAMLError: It cannot be parsed.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self.root = Place(yaml.compose(text, Loader=_LOADER))

    def value(self, place: Place, *keys: str) -> Place | None:
        """Where the value of the first of these keys stands; None if the mapping has none of them.

        Raises:
            TypeError: It is no mapping.
        """
        if place.is_empty:
            return None
        if not isinstance(place.node, yaml.MappingNode):
            raise TypeError
        for key, value in place.node.value:
            if key.value in keys:
                return Place(value, key.start_mark.column + 2, place.in_flow or place.node.flow_style)
        return None

    def item(self, place: Place, position: int) -> Place:
        """Where an item of a list stands.

        Raises:
            TypeError: It is no list.
        """
        if not isinstance(place.node, yaml.SequenceNode):
            raise TypeError
        return Place(place.node.value[position], in_flow=place.in_flow or place.node.flow_style)

    def with_more(self, place: Place, more: Mapping[str, Any] | Sequence[Any]) -> str:
        """The text with more at the end of a mapping or list, or in place of nothing.

        Raises:
            TypeError: There is neither a mapping nor a list.
        """
        node, inside = place.node, flow(more, in_json=self._is_json)[1:-1]
        if place.is_empty:
            if node is None:
                return _with_lines(self._text, len(self._text), block(more), 0)
            if not place.in_flow and "#" not in self._text[node.start_mark.index : node.end_mark.index]:
                return self._below(place, block(more))
        if isinstance(node, yaml.ScalarNode):
            raise TypeError
        if place.is_empty:
            return self._inserted(node.end_mark.index - 1, inside)
        if node.flow_style:
            return self._inserted(_end(node.value[-1]), f", {inside}")
        first = node.value[0][0] if isinstance(node, yaml.MappingNode) else node
        return _with_lines(self._text, _end(node), block(more), first.start_mark.column)

    def with_other(self, place: Place, value: str) -> str:
        """The text with another text in place of a value."""
        node = place.node
        return self._text[: node.start_mark.index] + quoted(value) + self._text[node.end_mark.index :]

    @property
    def _is_json(self) -> bool:
        """Whether keys are in double quotes, as JSON wants them."""
        root = self.root.node
        is_flow = isinstance(root, yaml.MappingNode) and root.flow_style and root.value
        return bool(is_flow and root.value[0][0].style == '"')

    def _below(self, place: Place, lines: Iterator[str]) -> str:
        """The text with lines in place of nothing, below its key."""
        before, after = self._text[: place.node.start_mark.index], self._text[place.node.end_mark.index :]
        if not after.partition("\n")[0].strip():
            before = before.rstrip(" ")
        return _with_lines(before + after, len(before), lines, place.inner)

    def _inserted(self, at: int, text: str) -> str:
        return self._text[:at] + text + self._text[at:]


def block(value: Mapping[str, Any] | Sequence[Any]) -> Iterator[str]:
    """The lines of mappings, or of a list of mappings, in block style; what a list's items hold takes a line each."""
    if isinstance(value, list):
        for item in value:
            for number, (key, inner) in enumerate(item.items()):
                yield f"{' ' if number else '-'} {key}: {flow(inner)}"
    elif isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str):
                yield f"{key}: {quoted(inner)}"
            else:
                yield f"{key}:"
                yield from (f"  {line}" for line in block(inner))


def flow(value: Any, *, in_json: bool = False) -> str:
    """A value of texts, lists and mappings in one line; texts in double quotes, keys if it is to be JSON."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return "[" + ", ".join(flow(item, in_json=in_json) for item in value) + "]"
    items = ((quoted(key) if in_json else key, flow(inner, in_json=in_json)) for key, inner in value.items())
    return "{" + ", ".join(f"{key}: {inner}" for key, inner in items) + "}"


def quoted(text: str) -> str:
    """A text in double quotes, which every YAML reader takes for just this text."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _with_lines(text: str, end: int, lines: Iterator[str], column: int) -> str:
    """The text with lines after the one in which `end` is, and after comments that are indented further."""
    end_of_line = "\r\n" if "\r\n" in text else "\n"
    at = end if end and text[end - 1] == "\n" else _next_line(text, end)
    look = at
    while look < len(text):
        after = _next_line(text, look)
        line = text[look:after]
        bare = line.strip(" \t\r\n")
        if bare and not (bare.startswith("#") and len(line) - len(line.lstrip(" ")) > column):
            break
        look = after
        if bare:
            at = look
    before = text[:at]
    if before and not before.endswith("\n"):
        before += end_of_line
    return before + "".join(f"{' ' * column}{line}{end_of_line}" for line in lines) + text[at:]


def _next_line(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _end(node: Any) -> int:
    """Where a value ends; a block of others has its own end far behind, before whatever comes next."""
    while isinstance(node, tuple) or (not isinstance(node, yaml.ScalarNode) and not node.flow_style and node.value):
        node = node[1] if isinstance(node, tuple) else node.value[-1]
    index: int = node.end_mark.index
    return index


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"  # noqa: PLR2004 - what YAML's three escapes can hold
