"""However a sound stack file is written: the set is in it then, everything else says the same, no comment is gone."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from enos_ota.devicekeys import yamltext
from enos_ota.stackedit import Entry, with_key_file, with_set

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTRY = Entry("pump-2.3.0", "65a1", "keys/pump.txt", reason="INC-4711 # 'no' comment", firmware_version="2.3.0")
SETS = "enos-ota:cancelledTaskSets"

SCALARS = (
    *("o1", "'two words'", '"# none"', '""', "'it''s'", '"a\\"b"', "水", "v1:yDb5=:TUQL"),
    *("~", "null", "true", "yes", "0", "0.250", "+1", "0x1F", "0012345", "1e5", "2026-01-02", "12:30:00"),
)
BLOCK_SCALARS = ("|\n{0}two # no comment\n{0}lines", ">-\n{0}two\n\n{0}lines", "|+\n{0}kept\n\n")


class Writer:
    """Writes a file as somebody might: in any style, with comments and blank lines anywhere.

    Args:
        data: Decides.
        plain: Only what every operator writes: block style, one step of indentation, no aliases, no JSON.
    """

    def __init__(self, data: st.DataObject, *, plain: bool) -> None:
        self._data = data
        self._plain = plain
        self._step = 2 if plain else self.one_of(2, 4, 3)
        self._comments = 0
        self.anchors = ""

    def one_of(self, *choices: Any) -> Any:
        return self._data.draw(st.sampled_from(choices))

    def maybe(self) -> bool:
        return self._data.draw(st.integers(0, 2)) == 2

    def file(self) -> str:
        config = self.config()
        entries = [("encryptionsalt", "v1:yDb5jHvCKnk=:v1:Av8s1R+lkUYyZk5U:TUQLw=="), ("config", config)]
        head = "".join(self.lines(0)) + str(self.one_of("", "---\n"))
        if not self._plain and self.maybe():
            return head + self.flow(dict(entries), 0) + self.comment() + "\n" + "".join(self.lines(0))
        if config is None and self.maybe():
            del entries[1]
        text = head + self.anchored() + "".join(self.mapping(entries, 0))
        return text if self._plain or self.maybe() else text.rstrip("\n")

    def config(self) -> Any:
        if self.maybe():
            return None
        config: dict[str, Any] = {f"enos:k{number}": self.value() for number in range(self.one_of(1, 2, 3))}
        if not self.maybe():
            config[SETS] = self.sets()
        if self.maybe():
            config["enos:last"] = self.value()
        return config

    def sets(self) -> Any:
        number = self.one_of(0, 1, 2)
        return [{"name": f'"set {at}"', "jobId": "'1'", "x": self.value()} for at in range(number)]

    def value(self) -> Any:
        return self.one_of(
            Scalar(), Scalar(), {"secure": Scalar()}, [Scalar(), Scalar()], [], {}, [{"a": Scalar(), "b": [Scalar()]}]
        )

    def anchored(self) -> str:
        self.anchors = "" if self._plain or self.maybe() else "them"
        return "them: &them [{name: a, x: 1}]\n" if self.anchors else ""

    # Block style

    def mapping(self, entries: Any, column: int) -> Iterator[str]:
        for key, value in entries:
            yield from self.lines(column)
            yield f"{' ' * column}{self.key(key)}:"
            yield from self.behind(key, value, column)

    def behind(self, key: str, value: Any, column: int) -> Iterator[str]:
        """What stands behind a key."""
        if key == SETS and not self._plain and (odd := self.one_of("", "", "json", "alias")):
            if odd == "json":
                yield f" '{json.dumps([{'name': 'a', 'n': 1, 'x': None, 'y': [True]}])}'{self.comment()}\n"
                return
            if self.anchors:
                yield f" *them{self.comment()}\n"
                return
        if isinstance(value, Scalar):
            if self.maybe():
                yield " " + self.one_of(*BLOCK_SCALARS).format(" " * (column + self._step)) + "\n"
            else:
                yield f" {self.one_of(*SCALARS)}{self.comment()}\n"
        elif isinstance(value, str):
            yield f" {value}{self.comment()}\n"
        elif value is None:
            yield f"{self.one_of('', ' ~', ' {}')}{self.comment()}\n"
        elif not value or (not self._plain and self.maybe()):
            yield f" {self.flow(value, column + self._step)}{self.comment()}\n"
        elif isinstance(value, dict):
            yield f"{self.comment()}\n"
            yield from self.mapping(value.items(), column + self._step)
        else:
            yield f"{self.comment()}\n"
            yield from self.list(value, column + (self._step if self._plain else self.one_of(0, self._step)))

    def list(self, items: Any, column: int) -> Iterator[str]:
        for item in items:
            yield from self.lines(column)
            if not isinstance(item, dict):
                yield f"{' ' * column}- {self.one_of(*SCALARS)}{self.comment()}\n"
            elif not self._plain and self.maybe():
                yield f"{' ' * column}- {self.flow(item, column + 2)}{self.comment()}\n"
            else:
                first, *rest = item.items()
                yield f"{' ' * column}- {self.key(first[0])}:"
                yield from self.behind(*first, column + 2)
                yield from self.mapping(rest, column + 2)

    # In brackets

    def flow(self, value: Any, column: int) -> str:
        if isinstance(value, Scalar):
            return str(self.one_of(*SCALARS))
        if isinstance(value, str):
            return value
        if value is None:
            return str(self.one_of("~", "{}"))
        if isinstance(value, dict):
            parts = [f"{self.key(key)}: {self.flow(inner, column + 1)}" for key, inner in value.items()]
            left, right = "{}"
        else:
            parts = [self.flow(inner, column + 1) for inner in value]
            left, right = "[]"
        text = left + self.gap(column)
        for number, part in enumerate(parts, 1):
            comma = "," if number < len(parts) or self.maybe() else ""
            text += part + comma + (self.gap(column) or " ")
        return text + right

    def gap(self, column: int) -> str:
        if self._plain or not self.maybe():
            return ""
        return f"{self.comment()}\n{' ' * (column + 1)}"

    # Between

    def key(self, key: str) -> str:
        return key if self._plain else str(self.one_of(key, key, f'"{key}"', f"'{key}'"))

    def comment(self) -> str:
        if not self.maybe():
            return ""
        self._comments += 1
        return f" # c{self._comments}."

    def lines(self, column: int) -> Iterator[str]:
        if self.maybe():
            yield f"{' ' * self.one_of(column, column, 0, column + 2)}{self.comment().strip()}\n"


class Scalar:
    """Any scalar."""


def comments(text: str) -> Counter[str]:
    return Counter(re.findall(r"# c\d+\.", text))


def entries(value: Any) -> Any:
    found = (value.get("config") or {}).get(SETS) or []
    return json.loads(found) if isinstance(found, str) else found


def rest(value: Any) -> Any:
    """All but the sets."""
    config = {key: inner for key, inner in (value.get("config") or {}).items() if key != SETS}
    return {**value, "config": config}


@given(st.data())
def test_there_is_one_set_more_and_everything_else_says_the_same_and_no_comment_is_gone(data: st.DataObject) -> None:
    before = Writer(data, plain=False).file()
    old = yamltext.load(before)
    assert old.flaws == ()
    after = with_set(before, ENTRY, project="enos-ota")
    new = yamltext.load(after)
    assert new.flaws == ()
    assert entries(new.value) == [*entries(old.value), ENTRY.value()]
    assert rest(new.value) == rest(old.value)
    assert comments(before) <= comments(after)


@given(st.data())
def test_a_set_gets_a_key_file_and_everything_else_says_the_same_and_no_comment_is_gone(data: st.DataObject) -> None:
    before = with_set(Writer(data, plain=False).file(), ENTRY, project="enos-ota")
    old = yamltext.load(before).value
    position = data.draw(st.sampled_from(range(len(entries(old)))))
    after = with_key_file(before, position, "keys/other.txt", project="enos-ota")
    new = yamltext.load(after).value
    assert entries(new)[position] == entries(old)[position] | {"deviceKeysFile": "keys/other.txt"}
    assert [*entries(new)[:position], *entries(new)[position + 1 :]] == [
        *entries(old)[:position],
        *entries(old)[position + 1 :],
    ]
    assert rest(new) == rest(old)
    assert comments(before) <= comments(after)


@given(st.data())
def test_in_a_file_in_block_style_no_line_is_changed(data: st.DataObject) -> None:
    before = Writer(data, plain=True).file()
    after = iter(with_set(before, ENTRY, project="enos-ota").split("\n"))
    for line in before.split("\n"):
        without_nothing = re.sub(r"(\[\]|\{\}|~)(?=( # c\d+\.)?$)", "", line).rstrip()
        assert any(new in (line, without_nothing) for new in after), line
