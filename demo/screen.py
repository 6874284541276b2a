"""How the demo looks: steps, sentences, commands, Pulumi's output, tables. Reads the same without colour."""

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
    "published": "pushed, the device knows",
    "upgrading": "the device is at it",
    "succeeded": "done",
    "failed": "went wrong",
    "cancelled": "failed, 'Cancelled by user'",
}
"""What the states of a task mean; the first five are EnOS's own."""

_WIDEST: Final = 100
_INDENT: Final = "    "
_STYLES: Final = {"+": "green", "-": "red", "~": "yellow", "warning:": "yellow", "error:": "red"}


class Screen:
    """Where the story is told."""

    def __init__(self) -> None:
        if hasattr(sys.stdout, "reconfigure"):
            # A terminal that cannot show a character is no reason to stop.
            sys.stdout.reconfigure(errors="replace")
        self._console = Console(highlight=False)
        self._console.width = min(self._console.width, _WIDEST)
        self._step = 0

    def step(self, title: str) -> None:
        """Begin a step."""
        self._step += 1
        self._console.print()
        self._console.print(Rule(f"[bold]{self._step}. {escape(title)}[/]", align="left", style="cyan"))

    def say(self, text: str) -> None:
        """A paragraph."""
        self._print(textwrap.fill(text, self._console.width, break_on_hyphens=False))

    def command(self, line: str) -> None:
        """A command as one would type it; may have several lines."""
        self._console.print()
        self._print(Text.assemble(("$ ", "cyan"), (line, "bold")))

    def quote(self, text: str) -> None:
        """What a file holds, as it is, indented."""
        self._print(textwrap.indent(text.rstrip(), _INDENT))

    def output(self, lines: Iterable[str]) -> None:
        """What a program printed, indented; long lines are folded."""
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
        """What was found to be so."""
        head, _, rest = textwrap.fill(f"Checked: {text}", self._console.width, break_on_hyphens=False).partition(" ")
        self._print(Text.assemble((head, "bold green"), f" {rest}"))

    def table(self, caption: str, columns: Mapping[str, Counter[str]]) -> None:
        """Number of tasks by state, a column for each moment."""
        table = Table(title=caption, title_justify="left", title_style="bold", header_style="bold")
        table.add_column("state")
        table.add_column("that is")
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
        """Lines that stand as they are."""
        self._console.print()
        self._print(text)

    @contextlib.contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Something takes a few seconds: moves on a terminal, says nothing elsewhere."""
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            with self._console.status(text, spinner="line"):
                yield
        else:
            yield

    def _print(self, text: str | Text) -> None:
        # Folded already: a line that is longer is one to be copied, and must stay whole.
        self._console.print(Text(text) if isinstance(text, str) else text, soft_wrap=True)
