"""YAML reader that keeps line numbers and refuses plain scalars that some YAML reader does not take as a text.

Pulumi's engine reads a stack file first and passes on the converted values: `0012345` arrives as `5349`, `1e5` as
`100000`, `2026-01-02` as a time of day. So enos-ota also reads the raw file, and a plain scalar that YAML 1.1, YAML 1.2
or Go's yaml.v3 would take as anything but a text becomes an `Unquoted`, never a `str`.

The tree is built from parser events and not by recursion: a file of a hundred thousand brackets must give an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import yaml

from enos_ota.devicekeys.visible import is_visible

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_VALUES: Final = 4_000_000
"""Most values of a file, aliases counted at each use: a few nested ones would fill the memory."""

MAX_DEPTH: Final = 100
"""Deepest nesting that is read."""

Marks: TypeAlias = "int | tuple[int, dict[str, Marks] | list[Marks]]"
"""Line numbers (from 1) in the shape of the value; a mapping's entry has the line of its key."""

_LOADER: Final = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_STR_TAG: Final = "tag:yaml.org,2002:str"
_PLAIN_INT: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_PLAIN_FLOAT: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,17}")
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
    """A problem of a file at a line (from 1)."""

    line: int
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

    def item_lines(self) -> list[int]:
        """The line of each item, when the file holds one list."""
        items = [] if isinstance(self.marks, int) else self.marks[1]
        return [mark if isinstance(mark, int) else mark[0] for mark in items if not isinstance(mark, str)]


def is_text(plain: str) -> bool:
    """Whether every YAML reader takes this scalar without quotes as a text."""
    if not plain:
        return False
    if plain[0] not in _SUSPECT:
        return True
    return not _NO_TEXT.fullmatch(plain.replace("_", "") or plain)


def load(text: str) -> Tree:
    """Read one YAML document; never raises: problems are in `Tree.flaws`.

    Refused are syntax errors, a key given twice, merge keys (`<<`), tags other than `!!str`, an alias inside the value
    it names, more than one document, and files that are too deep or too large.
    """
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except _UnreadableYamlError as error:
        builder.flaws.append(Flaw(error.line, error.text))
    except yaml.YAMLError as error:
        # The rest of an invalid file would only cause consequential errors.
        return Tree(None, 1, (_syntax_flaw(text, error),))
    value, marks = builder.root
    return Tree(value, marks, tuple(sorted(builder.flaws, key=lambda flaw: flaw.line)))


class _UnreadableYamlError(Exception):
    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


@dataclass(slots=True)
class _Frame:
    """A mapping or list under construction."""

    value: dict[str, Any] | list[Any]
    marks: dict[str, Marks] | list[Marks]
    line: int
    anchor: str | None
    first: int  # values counted when it began
    key: str | None = None
    key_line: int = 0
    drop: bool = False  # the value that comes next is already refused


@dataclass(frozen=True, slots=True)
class _Anchored:
    value: Any
    marks: Marks
    size: int


class _Builder:
    """Builder of values and line numbers from parser events."""

    def __init__(self) -> None:
        self.root: tuple[Any, Marks] = (None, 1)
        self.flaws: list[Flaw] = []
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Anchored | None] = {}
        self._count = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open(event, _line(event))
        elif isinstance(event, yaml.CollectionEndEvent):
            frame = self._frames.pop()
            marks: Marks = (frame.line, frame.marks)
            if frame.anchor:
                self._anchors[frame.anchor] = _Anchored(frame.value, marks, self._count - frame.first)
            self._put(frame.value, marks)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(str(event.anchor), _line(event))
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _UnreadableYamlError(_line(event), "a second document begins here; only one is read")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        line = _line(event)
        if self._wants_key():
            self._key(event, line)
            return
        self._add_to_count(1, line)
        value = _scalar_value(event)
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(value, line, 1)
        self._put(value, self._here(line))

    def _key(self, event: yaml.ScalarEvent, line: int) -> None:
        frame = self._frames[-1]
        key = str(event.value)
        frame.key, frame.key_line, frame.drop = key, line, False
        if key == "<<" and not event.style:  # style is "" or None for plain, depending on libyaml
            self.flaws.append(Flaw(line, "merge keys (<<) are not read: write the keys out"))
            frame.drop = True
        elif key in frame.value:
            self.flaws.append(Flaw(line, f"{shown(key)} is given twice in one mapping"))
            frame.drop = True

    def _open(self, event: yaml.CollectionStartEvent, line: int) -> None:
        if self._wants_key():
            raise _UnreadableYamlError(line, "a key must be a text, not a list or a mapping")
        if len(self._frames) >= MAX_DEPTH:
            raise _UnreadableYamlError(line, f"nested deeper than {MAX_DEPTH} levels")
        if event.tag is not None:
            self.flaws.append(Flaw(line, f"the tag {shown(event.tag)} is not read: remove it"))
        if event.anchor:
            self._anchors[event.anchor] = None
        first, here = self._count, self._here(line)
        self._add_to_count(1, line)
        if isinstance(event, yaml.MappingStartEvent):
            self._frames.append(_Frame({}, {}, here, event.anchor, first))
        else:
            self._frames.append(_Frame([], [], here, event.anchor, first))

    def _alias(self, name: str, line: int) -> None:
        if name not in self._anchors:
            raise _UnreadableYamlError(line, f"the alias *{shown(name)} has no anchor before it")
        known = self._anchors[name]
        if known is None:
            raise _UnreadableYamlError(line, f"the alias *{shown(name)} is inside the value it names")
        if self._wants_key():
            raise _UnreadableYamlError(line, "an alias cannot be a key: write the key out")
        self._add_to_count(known.size, line)
        here = self._here(line)
        self._put(known.value, here if isinstance(known.marks, int) else (here, known.marks[1]))

    def _wants_key(self) -> bool:
        return bool(self._frames) and self._frames[-1].key is None and isinstance(self._frames[-1].value, dict)

    def _here(self, line: int) -> int:
        """Return the line of a value: that of its key, if it has one."""
        return self._frames[-1].key_line if self._frames and self._frames[-1].key is not None else line

    def _add_to_count(self, size: int, line: int) -> None:
        self._count += size
        if self._count > MAX_VALUES:
            raise _UnreadableYamlError(line, f"more than {MAX_VALUES} values (an alias counts as often as it is used)")

    def _put(self, value: Any, marks: Marks) -> None:
        if not self._frames:
            self.root = (value, marks)
            return
        frame = self._frames[-1]
        if isinstance(frame.value, list) and isinstance(frame.marks, list):
            frame.value.append(value)
            frame.marks.append(marks)
        elif isinstance(frame.value, dict) and isinstance(frame.marks, dict) and frame.key is not None:
            if not frame.drop:
                frame.value[frame.key] = value
                frame.marks[frame.key] = marks
            frame.key = None


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
    if _PLAIN_INT.fullmatch(text):
        return int(text)
    if _PLAIN_FLOAT.fullmatch(text):
        return float(text)
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


def shown(text: str, width: int = 60) -> str:
    """Return an external text for a message: escaped if not visible, and shortened."""
    plain = text if is_visible(text) else ascii(text)[1:-1]
    return plain if len(plain) <= width else plain[: width - 1] + "…"
