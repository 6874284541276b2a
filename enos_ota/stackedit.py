"""A stack file with one set more, or one key file more: every comment, secret and other value as it was.

It is spliced into the text, so that nothing but what was added changes. What cannot be spliced into is written anew by
ruamel.yaml first. Before a text is given out it is read again: it must say the same as before and what was to be added,
nothing else.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

from enos_ota.devicekeys import yamltext
from enos_ota.settings.sets import SETS_KEY
from enos_ota.splice import Source, block

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CONFIG: Final = "config"

_ODD: Final = "it is written in a way that cannot be edited without touching the rest"


class CannotEdit(Exception):  # noqa: N818 - says what happened
    """The text is no stack file that could be edited; `addition` is what to put into it by hand."""

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
    expires: str = ""

    def value(self) -> dict[str, Any]:
        """The same as it reads."""
        value: dict[str, Any] = {"name": self.name, "jobId": self.job_id}
        if self.reason:
            value["reason"] = self.reason
        if self.firmware_version:
            value["expect"] = {"firmwareVersion": self.firmware_version}
        value["deviceKeysFile"] = self.key_file
        if self.expires:
            value["expires"] = self.expires
        return value

    def text(self) -> str:
        """A stack file that holds nothing else."""
        return _text({_CONFIG: {SETS_KEY: [self.value()]}})


def with_set(text: str, entry: Entry, *, project: str) -> str:
    """The stack file with a set at the end of its sets.

    Args:
        text: The file, without byte order mark; empty for none.
        entry: The set.
        project: Name of the Pulumi project, the namespace of keys that are written without one.

    Raises:
        CannotEdit: It is not YAML, or no stack file.
    """
    keys = _spellings(project)
    new = entry.value()

    def insert(source: Source) -> str:
        if (config := source.value(source.root, _CONFIG)) is None:
            return source.with_more(source.root, {_CONFIG: {SETS_KEY: [new]}})
        if (sets := source.value(config, *keys)) is None:
            return source.with_more(config, {SETS_KEY: [new]})
        return source.with_more(sets, [new])

    return _edited(text, keys, insert, lambda sets: [*sets, new], entry.text())


def with_key_file(text: str, position: int, key_file: str, *, project: str) -> str:
    """The stack file with another key file for one of its sets, or with one where the set had none.

    Args:
        text: The file, without byte order mark.
        position: Which set, counted from 0.
        key_file: The file, relative to the stack file.
        project: Name of the Pulumi project.

    Raises:
        CannotEdit: It is not YAML, or no stack file with such a set.
    """
    keys = _spellings(project)
    new = {"deviceKeysFile": key_file}

    def insert(source: Source) -> str:
        config = source.value(source.root, _CONFIG)
        sets = config and source.value(config, *keys)
        if not sets:
            raise LookupError
        item = source.item(sets, position)
        named = source.value(item, "deviceKeysFile")
        return source.with_other(named, key_file) if named else source.with_more(item, new)

    def change(sets: list[Any]) -> list[Any]:
        return [*sets[:position], sets[position] | new, *sets[position + 1 :]]

    return _edited(text, keys, insert, change, _text(new))


def _edited(
    text: str,
    keys: tuple[str, ...],
    insert: Callable[[Source], str],
    change: Callable[[list[Any]], list[Any]],
    addition: str,
) -> str:
    """The text after `insert`, if it reads as before but for `change`.

    Raises:
        CannotEdit: It does not, nor does the text that is written anew.
    """
    before = yamltext.load(text)
    if before.flaws:
        raise CannotEdit(f"line {before.flaws[0].line}: {before.flaws[0].text}", addition)
    try:
        expected = _changed(before.value, keys, change)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        raise CannotEdit("it does not hold a mapping with a list of sets under config:", addition) from None
    for new in _attempts(text, keys, insert):
        after = yamltext.load(new)
        if not after.flaws and after.value == expected:
            return new
    raise CannotEdit(_ODD, addition)


def _attempts(text: str, keys: tuple[str, ...], insert: Callable[[Source], str]) -> Iterator[str]:
    with suppress(yaml.YAMLError, LookupError, TypeError):
        yield insert(Source(text))
    try:
        from enos_ota.roundtrip import rewritten  # noqa: PLC0415 - slow to import, and hardly ever needed

        yield insert(Source(rewritten(text, keys)))
    except Exception:  # noqa: BLE001 - whatever ruamel.yaml stumbles over, the operator is told what to add
        return


def _changed(value: Any, keys: tuple[str, ...], change: Callable[[list[Any]], list[Any]]) -> Any:
    """What a stack file says, with other sets. Nothing in it is changed: with aliases two places are one object."""
    file = value or {}
    config = file.get(_CONFIG) or {}
    key = next((key for key in keys if key in config), SETS_KEY)
    sets = config.get(key)
    if isinstance(sets, str):
        sets = json.loads(sets)
    if not (sets is None or isinstance(sets, list)):
        raise TypeError
    return {**file, _CONFIG: {**config, key: change(sets or [])}}


def _text(value: Any) -> str:
    return "\n".join(block(value))


def _spellings(project: str) -> tuple[str, ...]:
    """How Pulumi lets the key of the sets be written."""
    namespace, _, name = SETS_KEY.partition(":")
    return SETS_KEY, f"{namespace}:{_CONFIG}:{name}", *([name] if project == namespace else [])
