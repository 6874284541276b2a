"""YAML reader that keeps line numbers and refuses plain scalars that some YAML reader does not take as a text.

Pulumi's engine reads a stack file first and passes on the converted values: `0012345` arrives as `5349`, `1e5` as
`100000`, `2026-01-02` as a time of day. So enos-ota also reads the raw file, and a plain scalar that YAML 1.1, YAML 1.2
or Go's yaml.v3 would take as anything but a text becomes an `Unquoted`, never a `str`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import yaml

from enos_ota.devicekeys.visible import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_DEPTH: Final = 100
"""Deepest nesting that is read: a file of a hundred thousand brackets must give an error."""

Marks: TypeAlias = "int | tuple[int, dict[str, Marks] | list[Marks]]"
"""Line numbers (from 1) in the shape of the value; a mapping's entry has the line of its key."""

_LOADER: Final = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_STR_TAG: Final = "tag:yaml.org,2002:str"
_PLAIN_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?")
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})

# Only a scalar that begins like this may be anything but a text; the first character decides for most keys.
_SUSPECT: Final = frozenset("+-.0123456789~nNtTfFyYoO=<")
_NO_TEXT: Final = re.compile(
    r"""
      ~ | = | <<
    | null | true | false | yes | no | on | off | y | n
    | [-+]?\.(?:inf|nan)
    | [-+]?0x[0-9a-f]* | [-+]?0[bo][-+]?[0-9]*
    | [-+]?(?:\.[0-9]*|[0-9]+(?:\.[0-9]*)?)(?:e[-+]?[0-9]+)?      # 12  1.10  1e5  .5  0012345
    | [-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?                   # 12:30:00, base 60 in YAML 1.1
    | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[t\s].*)?                  # 2026-01-02, with or without a time
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Unquoted:
    """A scalar without quotes that some YAML reader takes as a number, date, boolean, …; enos-ota refuses it."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Flaw:
    """A problem of a file at a line (from 1), or of the whole file."""

    line: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Tree:
    """A YAML file: `value` in plain Python types plus `Unquoted`, and the line of each value."""

    value: Any
    marks: Marks
    flaws: tuple[Flaw, ...]

    def line(self, path: Sequence[str | int]) -> int:
        """The line of the value at `path`, or of the nearest one around it that exists."""
        marks = self.marks
        for step in path:
            if isinstance(marks, int):
                break
            inner = marks[1]
            if isinstance(inner, dict) and step in inner:
                marks = inner[str(step)]
            elif isinstance(inner, list) and isinstance(step, int) and 0 <= step < len(inner):
                marks = inner[step]
            else:
                break
        return marks if isinstance(marks, int) else marks[0]


EMPTY: Final = Tree(None, 1, ())
"""The content of a file without a value."""


def is_text(plain: str) -> bool:
    """Whether every YAML reader takes this scalar without quotes as a text."""
    if not plain:
        return False
    if plain[0] not in _SUSPECT:
        return True
    return not _NO_TEXT.fullmatch(plain.replace("_", "") or plain)


def load(text: str) -> Tree:
    """Read one YAML document; never raises: problems are in `Tree.flaws`.

    Refused are syntax errors, a key given twice, aliases and merge keys (`<<`), tags other than `!!str`, more than one
    document, and files that are nested too deep.
    """
    reader = _Reader(text)
    try:
        value, marks = reader.document()
    except _UnreadableYamlError as error:
        return Tree(None, 1, (*reader.flaws, error.flaw))
    except yaml.YAMLError as error:
        # The rest of an invalid file would only cause consequential errors.
        return Tree(None, 1, (_syntax_flaw(text, error),))
    return Tree(value, marks, tuple(reader.flaws))


class _UnreadableYamlError(Exception):
    def __init__(self, event: yaml.Event, text: str) -> None:
        super().__init__(text)
        self.flaw = Flaw(_line(event), text)


class _Reader:
    """Reader of values and line numbers from parser events."""

    def __init__(self, text: str) -> None:
        self.flaws: list[Flaw] = []
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=_LOADER)

    def document(self) -> tuple[Any, Marks]:
        root: tuple[Any, Marks] | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent) and root:
                raise _UnreadableYamlError(event, "a second document begins here; only one is read")
            if isinstance(event, yaml.NodeEvent):
                root = self._node(event, _line(event), 1)
        return root or (None, 1)

    def _node(self, event: yaml.Event, line: int, depth: int) -> tuple[Any, Marks]:
        """Return a value and its lines; `line` is that of its key, if it has one."""
        if isinstance(event, yaml.ScalarEvent):
            return _scalar_value(event), line
        if isinstance(event, yaml.AliasEvent):
            raise _UnreadableYamlError(event, f"the alias *{shown(str(event.anchor))} is not read: write the value out")
        if isinstance(event, yaml.CollectionStartEvent) and event.tag is not None:
            raise _UnreadableYamlError(event, f"the tag {shown(event.tag)} is not read: remove it")
        if depth > MAX_DEPTH:
            raise _UnreadableYamlError(event, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.MappingStartEvent):
            values, marks = self._entries(depth)
            return values, (line, marks)
        items = [self._node(item, _line(item), depth + 1) for item in self._until(yaml.SequenceEndEvent)]
        return [value for value, _ in items], (line, [mark for _, mark in items])

    def _entries(self, depth: int) -> tuple[dict[str, Any], dict[str, Marks]]:
        values: dict[str, Any] = {}
        marks: dict[str, Marks] = {}
        for event in self._until(yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise _UnreadableYamlError(event, "a key must be a text, not a list, a mapping or an alias")
            key = str(event.value)
            if key == "<<" and not event.style:  # style is "" or None for plain, depending on libyaml
                raise _UnreadableYamlError(event, "merge keys (<<) are not read: write the keys out")
            if is_repeated := key in values:
                self.flaws.append(Flaw(_line(event), f"{shown(key)} is given twice in one mapping"))
            value, mark = self._node(next(self._events), _line(event), depth + 1)
            if not is_repeated:
                values[key], marks[key] = value, mark
        return values, marks

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        for event in self._events:
            if isinstance(event, end):
                return
            yield event


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _scalar_value(event: yaml.ScalarEvent) -> str | int | float | bool | Unquoted | None:
    value = str(event.value)
    if event.tag is not None and event.tag != "!":
        return value if event.tag == _STR_TAG else Unquoted(value)
    if event.style or event.tag == "!" or is_text(value):
        return value
    return _plain_value(value)


def _plain_value(text: str) -> int | float | bool | Unquoted | None:
    """Return the value of a plain scalar that is not a text, if all YAML readers agree on it, else `Unquoted`."""
    if text in _NULLS:
        return None
    if text in {"true", "false"}:
        return text == "true"
    if _PLAIN_NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return Unquoted(text)


def _syntax_flaw(text: str, error: yaml.YAMLError) -> Flaw:
    # Only the parser's description: its full text quotes the line, which may contain a secret.
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "it cannot be parsed"
        return Flaw(mark.line + 1 if mark else 1, f"this is not YAML: {problem}")
    if isinstance(error, yaml.reader.ReaderError):
        return Flaw(_unreadable_line(text), "this is not YAML: it has a control character")
    return Flaw(1, "this is not YAML")


def _unreadable_line(text: str) -> int:
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    return text.count("\n", 0, found.start()) + 1 if found else 1
