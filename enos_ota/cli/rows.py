"""Rows for people and for machines, written as they are read, because a list may be larger than the memory."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import click

from enos_ota.cli.output import stdout_is_terminal, write_answer
from enos_ota.cli.plain import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

T = TypeVar("T")

_AT_ONCE: Final = 200
"""Rows that are formatted together, as many as a page of EnOS has; the first ones decide the widths of columns."""
_GAP: Final = "  "
_COPIED: Final = 40
"""Characters of an id or key that stay on one line of a terminal."""
_BEGUN: Final = "enos_ota.begun"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)

_FORMULA: Final = tuple("=+-@\t\r")


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """A column of a table. Only one that `folds` may be broken into lines, because the others are copied."""

    title: str
    cell: Callable[[T], str]
    folds: bool = False


def write_table(rows: Iterable[T], columns: Sequence[Column[T]]) -> int:
    """Write a table, plain if stdout is no terminal. Return the number of rows; without any, write nothing."""
    chunks = _chunks([plain(column.cell(row)) for column in columns] for row in rows)
    if not (first := next(chunks, [])):
        return 0
    write = _on_terminal(columns, first) if stdout_is_terminal() else _piped(columns, first)
    write(first)
    number = len(first)
    for chunk in chunks:
        write(chunk)
        number += len(chunk)
    return number


def write_json(rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a JSON list, one row per line. It is ASCII, so that no terminal acts on it."""
    before = "["  # written with the first row, so that an earlier failure writes nothing
    context = click.get_current_context(silent=True)
    for row in rows:
        write_answer(f"{before}\n{json.dumps(row)}", nl=False)
        before = ","
        if context:
            context.meta[_BEGUN] = True
    write_answer("[]" if before == "[" else "\n]")


def has_begun(context: click.Context) -> bool:
    """Whether `write_json` has written a part of its document."""
    return _BEGUN in context.meta


def write_csv(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Write CSV in UTF-8, with a header. A ' is added before texts that a spreadsheet takes for formulas."""
    lines = (_csv_line([_csv_cell(row[name]) for name in names]) for row in rows)
    first = next(lines, "")  # a failure before the first row writes nothing
    write_text(_csv_line(names) + first)
    for line in lines:
        write_text(line)


def is_formula(text: str) -> bool:
    """Whether a spreadsheet takes a text for a formula."""
    return text.startswith(_FORMULA)


def write_text(text: str) -> None:
    """Write a text for a file, in UTF-8 whatever the encoding of the terminal is."""
    write_answer(text.encode("utf-8"), nl=False)


def age(moment: int | None, now: float) -> str:
    """Return the time from a moment (Unix ms) to `now` (Unix s), in its largest unit: `3 d`, `5 h`, `12 min`."""
    if moment is None:
        return ""
    seconds = max(0, int(now) - moment // 1000)
    for unit, name in ((86_400, "d"), (3_600, "h")):
        if seconds >= unit:
            return f"{seconds // unit} {name}"
    return f"{seconds // 60} min"


def in_utc(moment: int | None) -> str:
    """Return a moment (Unix ms) as ISO 8601 in UTC, `2026-12-01T04:36:01.250Z`; empty if no calendar has it."""
    if moment is None:
        return ""
    try:
        return (_EPOCH + timedelta(milliseconds=moment)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except OverflowError:
        return ""


def _csv_cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return "" if value is None else str(value)
    return plain(f"'{value}" if is_formula(value) else value)


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _chunks(rows: Iterator[T]) -> Iterator[list[T]]:
    while chunk := list(islice(rows, _AT_ONCE)):
        yield chunk


def _widths(titles: Sequence[str], chunk: Sequence[Sequence[str]]) -> list[int]:
    from rich.cells import cell_len  # noqa: PLC0415 - slow to import, and help needs none of it

    return [max([cell_len(title), *(cell_len(row[at]) for row in chunk)]) for at, title in enumerate(titles)]


def _piped(columns: Sequence[Column[T]], first: Sequence[Sequence[str]]) -> Callable[[list[list[str]]], None]:
    from rich.cells import cell_len  # noqa: PLC0415 - as above

    titles = [column.title for column in columns]
    widths = _widths(titles, first)

    def line(cells: Sequence[str]) -> str:
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True))
        return _GAP.join(padded).rstrip()

    write_answer(line(titles))
    return lambda chunk: write_answer("\n".join(map(line, chunk)))


def _on_terminal(columns: Sequence[Column[T]], first: Sequence[Sequence[str]]) -> Callable[[list[list[str]]], None]:
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    console = Console(highlight=False, markup=False, emoji=False)
    widths = _widths([column.title for column in columns], first)
    fits = sum(widths) + len(_GAP) * len(widths) <= console.width
    shown = False

    def write(chunk: list[list[str]]) -> None:
        nonlocal shown
        table = Table(box=None, show_header=not shown, padding=(0, len(_GAP), 0, 0))
        for column, width in zip(columns, widths, strict=True):
            least = width if fits else None if column.folds else min(width, _COPIED)
            table.add_column(column.title, overflow="fold", min_width=least)
        for row in chunk:
            table.add_row(*map(Text, row))
        with console.capture() as printed:
            console.print(table)
        write_answer(printed.get(), nl=False)
        shown = True

    return write
