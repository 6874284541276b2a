"""Reader of key files. It returns the keys in the order of the file, with duplicates."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from enos_ota.devicekeys import files, other_formats, yamltext
from enos_ota.devicekeys import rules as keys
from enos_ota.devicekeys.visible import shown
from enos_ota.devicekeys.yamltext import Flaw

if TYPE_CHECKING:
    from pathlib import Path

CSV_COLUMN: Final = "deviceKey"

SUFFIXES: Final = (".txt", ".csv", ".yaml", ".yml")


class KeyFileError(Exception):
    """A key file is invalid; the text has one line for each problem, with file and line number."""

    def __init__(self, file: str, *problems: Flaw) -> None:
        self.file = file
        self.problems = problems
        super().__init__(
            "\n".join(f"{file}:{each.line}: {each.text}" if each.line else f"{file}: {each.text}" for each in problems)
        )


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Device keys of a file in its order, with duplicates, and the line of each."""

    keys: tuple[str, ...]
    lines: tuple[int, ...]

    def warning(self) -> Flaw | None:
        """Return the warning about unusual keys, with the line of the first such key; None if there are none."""
        if (found := keys.unusual(self.keys)) is None:
            return None
        return Flaw(self.lines[found.positions[0]], found.sentence(lambda at: f"line {self.lines[at]}"))


def read_key_file(path: Path, *, name: str | None = None) -> tuple[str, ...]:
    """Return the device keys of a file, see `load`."""
    return load(path, name=name).keys


def load(path: Path, *, name: str | None = None) -> KeyFile:
    """Return the device keys of a file and their lines; `name` is used in messages instead of the path.

    - `.txt`: one key a line. White space around it is cut off. Empty lines, and lines whose first character is `#`,
      are skipped; a later `#` belongs to the key.
    - `.csv`: comma-separated, with a header that names a `deviceKey` column; other columns are ignored.
    - `.yaml`, `.yml`: a list of strings, with quotes where YAML would read another type.

    All are UTF-8, with or without a byte order mark, with LF or CRLF.

    Raises:
        KeyFileError: the file cannot be read, is not such a list, has no key, or a key that no set may hold (see
            `enos_ota.devicekeys.rules.problem`).
    """
    name = name or str(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        kinds = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        raise KeyFileError(name, Flaw(None, f"a key file ends in {kinds}"))
    text = _text(path, name)
    if other := other_formats.recognise(text.split("\n"), is_txt=suffix == ".txt"):
        position, sentence = other
        raise KeyFileError(name, Flaw(position + 1, sentence))
    read = {".txt": _from_lines, ".csv": _from_csv}.get(suffix, _from_yaml)
    found = read(text, name)
    if not found:
        raise KeyFileError(name, Flaw(None, "the file has no device key"))
    device_keys, lines = zip(*found, strict=True)

    def place(position: int) -> str:
        return f"line {lines[position]}"

    if problems := keys.find_problems(device_keys):
        raise KeyFileError(name, *(Flaw(lines[each.positions[0]], each.sentence(place)) for each in problems))
    return KeyFile(device_keys, lines)


def _text(path: Path, name: str) -> str:
    try:
        return files.read_text(path)
    except FileNotFoundError:
        hint = "; write the path with / in place of \\" if "\\" in str(path) else ""
        raise KeyFileError(name, Flaw(None, f"there is no such file{hint}")) from None
    except files.UnreadableFileError as error:
        raise KeyFileError(name, Flaw(error.line, f"the file {error}")) from None


def _from_lines(text: str, _: str) -> list[tuple[object, int]]:
    # Not splitlines(): it would split a key at characters that must be refused.
    lines = ((line.strip(" \t\r"), number) for number, line in enumerate(text.split("\n"), start=1))
    return [(key, number) for key, number in lines if key and key[0] != "#"]


def _from_csv(text: str, name: str) -> list[tuple[object, int]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: list[tuple[object, int]] = []
    try:
        column = _column(next(reader, []), name)
        end = reader.line_num
        for row in reader:
            # A quoted field may contain line breaks: a row begins after the last line of the row before.
            line, end = end + 1, reader.line_num
            if any(row):
                found.append((row[column].strip() if column < len(row) else "", line))
    except csv.Error as error:
        raise KeyFileError(name, Flaw(reader.line_num or 1, f"this is not CSV: {error}")) from None
    return found


def _column(header: list[str], file: str) -> int:
    names = [name.strip() for name in header]
    if names.count(CSV_COLUMN) == 1:
        return names.index(CSV_COLUMN)
    if CSV_COLUMN in names:
        raise KeyFileError(file, Flaw(1, f"the file has more than one column {CSV_COLUMN}"))
    listed = ", ".join(map(shown, names[:8])) or "nothing"
    hint = "; columns are separated by commas" if any(";" in name or "\t" in name for name in names) else ""
    raise KeyFileError(file, Flaw(1, f"the file has no column {CSV_COLUMN}; its header names {listed}{hint}"))


def _from_yaml(text: str, name: str) -> list[tuple[object, int]]:
    tree = yamltext.load(text)
    if tree.flaws:
        raise KeyFileError(name, *tree.flaws)
    if tree.value is None:
        return []
    if not isinstance(tree.value, list):
        raise KeyFileError(name, Flaw(1, "the file must hold one list of device keys"))
    return [(key, tree.line((position,))) for position, key in enumerate(tree.value)]
