"""Output of the demo: steps, paragraphs, commands, Pulumi's output, tables. Readable without colour."""

from __future__ import annotations

import contextlib
import sys
import textwrap
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.markup import escape
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator, Mapping

STATES: Final = {
    "init": "waiting to be pushed",
    "published": "pushed, the device is notified",
    "upgrading": "the device installs it",
    "succeeded": "the device runs it",
    "failed": "the upgrade failed",
    "cancelled": "failed, 'Cancelled by user'",
}
"""Meaning of each task state; the first five are EnOS's own."""

_WIDEST: Final = 100
_INDENT: Final = "    "
_STYLES: Final = {"+": "green", "-": "red", "~": "yellow", "warning:": "yellow", "error:": "red"}


class Screen:
    """The console of the demo."""

    def __init__(self) -> None:
        if hasattr(sys.stdout, "reconfigure"):
            # Replace characters that the terminal cannot show.
            sys.stdout.reconfigure(errors="replace")
        self._console = Console(highlight=False)
        self._console.width = min(self._console.width, _WIDEST)
        self._step = 0

    def step(self, title: str) -> None:
        """Print the title of the next step."""
        self._step += 1
        self._console.print()
        self._console.print(Rule(f"[bold]{self._step}. {escape(title)}[/]", align="left", style="cyan"))

    def paragraph(self, text: str) -> None:
        """Print a paragraph."""
        self._print(textwrap.fill(text, self._console.width, break_on_hyphens=False))

    def command(self, line: str) -> None:
        """Print a command as a user types it; may have several lines."""
        self._console.print()
        self._print(Text.assemble(("$ ", "cyan"), (line, "bold")))

    def quote(self, text: str) -> None:
        """Print the content of a file, indented."""
        self._print(textwrap.indent(text.rstrip(), _INDENT))

    def output(self, lines: Iterable[str]) -> None:
        """Print the output of a program, indented; fold long lines."""
        for line in lines:
            first = line.strip().partition(" ")[0]
            depth = len(line) - len(line.lstrip()) + 2
            folded = textwrap.fill(
                line,
                self._console.width,
                initial_indent=_INDENT,
                subsequent_indent=_INDENT + " " * depth,
                break_on_hyphens=False,
            )
            self._print(Text(folded, style=_STYLES.get(first, "")))

    def checked(self, text: str) -> None:
        """Print the result of a check."""
        head, _, rest = textwrap.fill(f"Checked: {text}", self._console.width, break_on_hyphens=False).partition(" ")
        self._print(Text.assemble((head, "bold green"), f" {rest}"))

    def table(self, caption: str, columns: Mapping[str, Counter[str]]) -> None:
        """Print the number of tasks by state, one column per moment."""
        table = Table(title=caption, title_justify="left", title_style="bold", header_style="bold")
        table.add_column("state")
        table.add_column("meaning")
        for name in columns:
            table.add_column(name, justify="right")
        for state, meaning in STATES.items():
            cells, before = [], None
            for counter in columns.values():
                number = counter[state]
                cells.append(Text(str(number), style="" if before in (None, number) else "bold yellow"))
                before = number
            table.add_row(state, meaning, *cells)
        self._console.print()
        self._console.print(table)

    def closing(self, text: str) -> None:
        """Print lines unchanged."""
        self._console.print()
        self._print(text)

    @contextlib.contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show a spinner on a terminal; print nothing elsewhere."""
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            with self._console.status(text, spinner="line"):
                yield
        else:
            yield

    def _print(self, text: str | Text) -> None:
        # The text is folded already; a longer line is one to copy and must not break.
        self._console.print(Text(text) if isinstance(text, str) else text, soft_wrap=True)
