"""A stack file with one set more, or one key file more: spliced into its text, every other byte as it was.

A parser says where things stand; nothing is written out anew by it, so that comments, order, quotes, line ends and what
Pulumi encrypted cannot change. Before a text is given out it is read again: it must say the same as before and what was
to be added, nothing else.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

from enos_ota import yamltext
from enos_ota.settings.sets import SETS_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CONFIG: Final = "config"
_STEP: Final = "  "
_LOADER: Final = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

_NOT_LIKE_THIS: Final = "it is written in a way that cannot be edited without touching the rest"


class CannotEdit(Exception):  # noqa: N818 - says what happened
    """The text is written in a way that is not edited; `addition` is what to put into it by hand."""

    def __init__(self, why: str, addition: str) -> None:
        super().__init__(why)
        self.addition = addition


@dataclass(frozen=True, slots=True)
class Entry:
    """A set as it is to stand in a stack file. Empty texts are left out."""

    name: str
    job_id: str
    key_file: str
    reason: str = ""
    firmware_version: str = ""

    def value(self) -> dict[str, Any]:
        """The same as it reads."""
        value: dict[str, Any] = {"name": self.name, "jobId": self.job_id}
        if self.reason:
            value["reason"] = self.reason
        if self.firmware_version:
            value["expect"] = {"firmwareVersion": self.firmware_version}
        return value | {"deviceKeysFile": self.key_file}

    def lines(self) -> list[str]:
        """The item of a list, as text without indentation."""
        head, *rest = (f"{key}: {_flow(value)}" for key, value in self.value().items())
        return [f"- {head}", *(f"{_STEP}{line}" for line in rest)]


def quoted(text: str) -> str:
    """A text in double quotes, which every YAML reader takes for just this text."""
    return '"' + "".join(map(_escaped, text)) + '"'


def with_set(text: str, entry: Entry, *, project: str) -> str:
    """The stack file with a set at the end of its sets.

    Args:
        text: The file, without byte order mark; empty for none.
        entry: The set.
        project: Name of the Pulumi project, the namespace of keys that are written without one.

    Raises:
        CannotEdit: It cannot be spliced in.
    """
    addition = "\n".join([f"{_CONFIG}:", f"{_STEP}{SETS_KEY}:", *(f"{_STEP * 2}{line}" for line in entry.lines())])

    def insert() -> str:
        file = _Text(text)
        config = file.entry(file.root, _CONFIG)
        key, sets = file.entry_of_any(config, _spellings(project))
        if sets is not None and not file.is_empty(sets):
            return file.with_item(sets, entry)
        if sets is not None and key is not None:
            return file.with_block(sets, [f"{_STEP}{line}" for line in entry.lines()], key.start_mark.column)
        block = [f"{SETS_KEY}:", *(f"{_STEP}{line}" for line in entry.lines())]
        if config is not None and not file.is_empty(config):
            return file.with_line(config, block)
        if config is not None:
            return file.with_block(config, [f"{_STEP}{line}" for line in block], 0)
        return file.with_line(file.root, [f"{_CONFIG}:", *(f"{_STEP}{line}" for line in block)])

    def expected(value: Any) -> Any:
        value = value or {}
        config = value[_CONFIG] = value.get(_CONFIG) or {}
        name = next((name for name in _spellings(project) if name in config), SETS_KEY)
        config[name] = [*(config.get(name) or []), entry.value()]
        return value

    return _spliced(text, insert, expected, addition)


def with_key_file(text: str, position: int, key_file: str, *, project: str) -> str:
    """The stack file with another key file for one of its sets, or with one where the set had none.

    Args:
        text: The file, without byte order mark.
        position: Which set, counted from 0.
        key_file: The file, relative to the stack file.
        project: Name of the Pulumi project.

    Raises:
        CannotEdit: It cannot be spliced in.
    """
    line = f"deviceKeysFile: {quoted(key_file)}"

    def insert() -> str:
        file = _Text(text)
        _, sets = file.entry_of_any(file.entry(file.root, _CONFIG), _spellings(project))
        if not isinstance(sets, yaml.SequenceNode):
            raise CannotEdit(_NOT_LIKE_THIS, line)
        item = sets.value[position]
        if (named := file.entry(item, "deviceKeysFile")) is not None:
            return file.replaced(named, quoted(key_file))
        return file.with_line(item, [line])

    def expected(value: Any) -> Any:
        config = value[_CONFIG]
        name = next(name for name in _spellings(project) if name in config)
        config[name][position]["deviceKeysFile"] = key_file
        return value

    return _spliced(text, insert, expected, line)


def _spliced(text: str, insert: Callable[[], str], expected: Callable[[Any], Any], addition: str) -> str:
    before = yamltext.load(text)
    if before.flaws:
        raise CannotEdit(f"line {before.flaws[0].line}: {before.flaws[0].text}", addition)
    try:
        new = insert()
    except (yaml.YAMLError, LookupError, TypeError, AttributeError):
        raise CannotEdit(_NOT_LIKE_THIS, addition) from None
    after = yamltext.load(new)
    # Copied: with aliases two places are one object.
    if after.flaws or after.value != expected(copy.deepcopy(before.value)):
        raise CannotEdit(_NOT_LIKE_THIS, addition)
    return new


def _spellings(project: str) -> tuple[str, ...]:
    """How Pulumi lets the key of the sets be written."""
    namespace, _, name = SETS_KEY.partition(":")
    return SETS_KEY, f"{namespace}:{_CONFIG}:{name}", *([name] if project == namespace else [])


class _Text:
    """A YAML text and where its values stand."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._end_of_line = "\r\n" if "\r\n" in text else "\n"
        self.root: Any = yaml.compose(text, Loader=_LOADER)

    def entry(self, mapping: Any, key: str) -> Any:
        """The node of a key's value; None if there is no such key."""
        return self.entry_of_any(mapping, (key,))[1]

    def entry_of_any(self, mapping: Any, keys: tuple[str, ...]) -> tuple[Any, Any]:
        """The nodes of the first of these keys that is there, and of its value."""
        if mapping is None or self.is_empty(mapping):
            return None, None
        if not isinstance(mapping, yaml.MappingNode):
            raise TypeError
        return next(((key, value) for key, value in mapping.value if key.value in keys), (None, None))

    def is_empty(self, node: Any) -> bool:
        """Whether there is nothing: no value, or a list or mapping without any."""
        if isinstance(node, yaml.ScalarNode):
            return str(node.tag).endswith(":null")
        return not node.value

    def with_item(self, sets: Any, entry: Entry) -> str:
        """The text with one item more in a list that has some."""
        if not isinstance(sets, yaml.SequenceNode):
            raise TypeError
        last = sets.value[-1]
        if sets.flow_style:
            return self._inserted(_end(last), f", {_flow(entry.value())}")
        return self._with_lines(_end(last), entry.lines(), sets.start_mark.column)

    def with_line(self, mapping: Any, lines: list[str]) -> str:
        """The text with lines at the end of a mapping that has keys; at the end of the text if that has none."""
        if mapping is None or self.is_empty(mapping):
            return self._with_lines(len(self._text), lines, 0)
        last = mapping.value[-1][1]
        if mapping.flow_style:
            if len(lines) > 1:
                raise LookupError
            return self._inserted(_end(last), f", {lines[0]}")
        return self._with_lines(_end(last), lines, mapping.value[0][0].start_mark.column)

    def with_block(self, node: Any, lines: list[str], column: int) -> str:
        """The text with lines below a key in `column`, in place of its empty value."""
        before, after = self._text[: node.start_mark.index], self._text[node.end_mark.index :]
        if not after.partition("\n")[0].strip():
            before = before.rstrip(" ")
        return _Text(before + after)._with_lines(len(before), lines, column)  # noqa: SLF001 - its own

    def replaced(self, node: Any, text: str) -> str:
        """The text with another text for a value."""
        return self._text[: node.start_mark.index] + text + self._text[node.end_mark.index :]

    def _inserted(self, at: int, text: str) -> str:
        return self._text[:at] + text + self._text[at:]

    def _with_lines(self, end: int, lines: list[str], column: int) -> str:
        """The text with lines after the one in which `end` is, and after comments that are indented further."""
        text, end_of_line = self._text, self._end_of_line
        at = end if end and text[end - 1] == "\n" else self._next_line(end)
        look = at
        while look < len(text):
            after = self._next_line(look)
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

    def _next_line(self, at: int) -> int:
        found = self._text.find("\n", at)
        return len(self._text) if found < 0 else found + 1


def _end(node: Any) -> int:
    """Where a value ends; a block of others has its own end far behind, before whatever comes next."""
    while not isinstance(node, yaml.ScalarNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(node, yaml.MappingNode) else last
    index: int = node.end_mark.index
    return index


def _flow(value: str | Mapping[str, Any]) -> str:
    if isinstance(value, str):
        return quoted(value)
    return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"  # noqa: PLR2004 - what YAML's three escapes can hold
