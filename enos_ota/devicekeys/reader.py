"""Reader of key files: one key a line, a column of a CSV file, or a YAML list.

It returns the keys in the order of the file, with duplicates.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from enos_ota.devicekeys import files, other_formats, yamltext
from enos_ota.devicekeys import rules as keys

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_BYTES: Final = 64 * 1024 * 1024
"""Largest key file that is read."""

CSV_COLUMN: Final = "deviceKey"

SUFFIXES: Final = (".txt", ".csv", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class KeyFileProblem:
    """A problem of a key file; `line` counts from 1, None for the whole file."""

    line: int | None
    text: str


class KeyFileError(Exception):
    """A key file is invalid; the text has one line for each problem, with file and line number."""

    def __init__(self, file: str, problems: Sequence[KeyFileProblem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        super().__init__(
            "\n".join(
                f"{file}:{problem.line}: {problem.text}" if problem.line else f"{file}: {problem.text}"
                for problem in problems
            )
        )


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Device keys of a file in its order, with duplicates, and the line of each."""

    keys: tuple[str, ...]
    lines: tuple[int, ...]

    def warning(self) -> KeyFileProblem | None:
        """Return the warning about unusual keys, with the line of the first such key; None if there are none."""
        if (found := keys.unusual(self.keys)) is None:
            return None
        return KeyFileProblem(self.lines[found.positions[0]], found.sentence(lambda at: f"line {self.lines[at]}"))


def read_key_file(path: Path, *, name: str | None = None) -> tuple[str, ...]:
    """Return the device keys of a file, see `load`."""
    return load(path, name=name).keys


def load(path: Path, *, name: str | None = None) -> KeyFile:
    """Return the device keys of a file and their lines.

    - `.txt`: one key a line. White space around it is cut off. Empty lines, and lines whose first character is `#`,
      are skipped; a later `#` belongs to the key.
    - `.csv`: comma-separated, with a header that names a `deviceKey` column; other columns are ignored.
    - `.yaml`, `.yml`: a list of strings, with quotes where YAML would read another type.

    All are UTF-8, with or without a byte order mark, with LF or CRLF.

    Args:
        path: the file.
        name: name in messages; by default the path.

    Raises:
        KeyFileError: missing, no regular file, larger than `MAX_BYTES`, not UTF-8, of another kind, not a list of
            keys (see `enos_ota.devicekeys.other_formats`), without a key, or with a key that no set may hold (see
            `enos_ota.devicekeys.rules.problem`).
    """
    shown = name or str(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise KeyFileError(
            shown, [KeyFileProblem(None, f"a key file ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")]
        )
    found: Sequence[object]
    try:
        text = _text(path)
        _refuse_other_formats(text, suffix)
        if suffix == ".txt":
            found, lines = _from_lines(text)
        elif suffix == ".csv":
            found, lines = _from_csv(text)
        else:
            found, lines = _from_yaml(text)
    except _InvalidFileError as error:
        raise KeyFileError(shown, error.problems) from None
    if not found:
        raise KeyFileError(shown, [KeyFileProblem(None, "the file has no device key")])
    if problems := keys.find_problems(found):
        raise KeyFileError(
            shown,
            [
                KeyFileProblem(
                    lines[problem.positions[0]], problem.sentence(lambda position: f"line {lines[position]}")
                )
                for problem in problems
            ],
        )
    return KeyFile(tuple(str(key) for key in found), tuple(lines))


class _InvalidFileError(Exception):
    def __init__(self, *problems: KeyFileProblem) -> None:
        super().__init__()
        self.problems = problems


def _text(path: Path) -> str:
    try:
        data = files.read(path, MAX_BYTES)
    except FileNotFoundError:
        hint = "; write the path with / in place of \\" if "\\" in str(path) else ""
        raise _InvalidFileError(KeyFileProblem(None, f"there is no such file{hint}")) from None
    except OSError as error:
        raise _InvalidFileError(KeyFileProblem(None, f"the file cannot be read: {error.strerror}")) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The data is without the byte order mark here, which does not change the line.
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _InvalidFileError(KeyFileProblem(line, "the file is not UTF-8: save it as UTF-8")) from None


def _refuse_other_formats(text: str, suffix: str) -> None:
    if other := other_formats.recognise(text.split("\n"), is_txt=suffix == ".txt"):
        raise _InvalidFileError(KeyFileProblem(other.position + 1, other.sentence))


def _from_lines(text: str) -> tuple[list[str], list[int]]:
    found: list[str] = []
    lines: list[int] = []
    # Not splitlines(): it would split a key at characters that must be refused.
    for number, line in enumerate(text.split("\n"), start=1):
        key = line.strip(" \t\r")
        if key and key[0] != "#":
            found.append(key)
            lines.append(number)
    return found, lines


def _from_csv(text: str) -> tuple[list[str], list[int]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: list[str] = []
    lines: list[int] = []
    try:
        column = _column(next(reader, []))
        end = reader.line_num
        for row in reader:
            # A quoted field may contain line breaks: a row begins after the last line of the row before.
            line, end = end + 1, reader.line_num
            if not any(row):
                continue
            found.append(row[column].strip() if column < len(row) else "")
            lines.append(line)
    except csv.Error as error:
        raise _InvalidFileError(KeyFileProblem(reader.line_num or 1, f"this is not CSV: {error}")) from None
    return found, lines


def _column(header: list[str]) -> int:
    names = [name.strip() for name in header]
    if names.count(CSV_COLUMN) == 1:
        return names.index(CSV_COLUMN)
    if CSV_COLUMN in names:
        raise _InvalidFileError(KeyFileProblem(1, f"the file has more than one column {CSV_COLUMN}"))
    listed = ", ".join(yamltext.shown(name) for name in names[:8]) or "nothing"
    hint = "; columns are separated by commas" if any(";" in name or "\t" in name for name in names) else ""
    raise _InvalidFileError(KeyFileProblem(1, f"the file has no column {CSV_COLUMN}; its header names {listed}{hint}"))


def _from_yaml(text: str) -> tuple[list[object], list[int]]:
    tree = yamltext.load(text)
    if tree.flaws:
        raise _InvalidFileError(*(KeyFileProblem(flaw.line, flaw.text) for flaw in tree.flaws))
    if tree.value is None:
        return [], []
    if not isinstance(tree.value, list):
        raise _InvalidFileError(KeyFileProblem(1, "the file must hold one list of device keys"))
    return tree.value, tree.item_lines()
