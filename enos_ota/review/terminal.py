"""Review report for a terminal."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text as Styled

from enos_ota.review import text
from enos_ota.review.exposure import Exposure
from enos_ota.review.lines import status
from enos_ota.review.model import Effect
from enos_ota.review.screen import Tone, first_screen
from enos_ota.review.text import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import RenderableType

    from enos_ota.review.model import KeyReport, ReviewReport
    from enos_ota.review.screen import Headline, JobSection, KeyGroup, ReportLine, Screen, SetSection
    from enos_ota.review.text import Piece, Text

_MOST: Final = 10
"""Keys of one effect that are listed."""

_COLOURS: Final = {
    Tone.PLAIN: "",
    Tone.GOOD: "green",
    Tone.CAREFUL: "yellow",
    Tone.BAD: "red",
    Tone.QUIET: "dim",
}
_EXPOSURES: Final = {
    Exposure.RUNS: "bold red",
    Exposure.UPGRADING: "red",
    Exposure.WAITING: "yellow",
    Exposure.CANCELLED: "blue",
    Exposure.UNKNOWN: "",
}
_KINDS: Final = {Kind.NUMBER: "bold", Kind.COMMAND: "cyan", Kind.NAME: "bold"}
_MARKS: Final = {Tone.GOOD: "✓", Tone.CAREFUL: "!", Tone.BAD: "✗"}

# Replaces a space at which no line may break; a report never has it, as it is not printable.
_FIRM: Final = "\ue000"


def render(report: ReviewReport, *, width: int = 100, color: bool = False) -> str:
    """Return the report as text of this width; with colours and bold, or plain."""
    console = Console(
        file=io.StringIO(),
        width=width,
        height=25,
        color_system="standard" if color else None,
        force_terminal=color,
        force_interactive=False,
        force_jupyter=False,
        no_color=not color,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
    )
    with console.capture() as captured:
        console.print(Group(*_screen(first_screen(report))))
    lines = captured.get().replace(_FIRM, " ").splitlines()
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _screen(screen: Screen) -> Iterator[RenderableType]:
    yield from _verdict(screen.verdict)
    for job in screen.jobs:
        yield ""
        yield from _job(job)
    for title, texts in (("Other changes", screen.others), ("Unchanged", screen.unchanged)):
        if texts:
            yield ""
            yield Styled(title, "bold")
            yield from _bullets(texts, "-")
    parts = [part for job in screen.jobs for part in job.sets if part.groups]
    for part in parts:
        yield ""
        yield from _keys(part)
    if parts:
        yield ""
        yield _styled(screen.everything)


def _verdict(verdict: Headline) -> Iterator[RenderableType]:
    colour = _COLOURS[verdict.tone]
    yield Styled.assemble((verdict.badge, f"bold reverse {colour}"), "  ", _styled(verdict.sentence, "bold"))
    yield _joined(verdict.context, "dim")
    for texts, tone in ((verdict.reasons, Tone.BAD), (verdict.warnings, Tone.CAREFUL)):
        if texts:
            yield ""
            yield from _bullets(texts, _MARKS[tone], _COLOURS[tone])


def _bullets(texts: Iterable[Text], mark: str, style: str = "") -> Iterator[RenderableType]:
    for each in texts:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(Styled(f"  {mark}", style), _styled(each, style))
        yield grid


def _job(job: JobSection) -> Iterator[RenderableType]:
    yield _styled(job.title, "bold", capital=True)
    yield _lines(job.lines)
    for part in job.sets:
        if part.lines:
            yield ""
            yield Padding(_styled(part.title, "bold", capital=True), (0, 0, 0, 2))
            yield Padding(_lines(part.lines), (0, 0, 0, 2))


def _lines(lines: Iterable[ReportLine]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for line in lines:
        grid.add_row(Styled(f"  {line.label}", "dim"), _joined(line.items, _COLOURS[line.tone]))
    return grid


def _keys(part: SetSection) -> Iterator[RenderableType]:
    yield Styled.assemble("Keys of ", _styled(part.title), style="bold")
    for group in part.groups:
        meaning = f": {group.meaning}" if group.meaning else ""
        heading = text.say(group.total, f" {group.title}{meaning}")
        yield Padding(_styled(heading, _EXPOSURES[group.exposure]), (0, 0, 0, 2))
        if group.effect is not Effect.CANCELLED:
            yield Padding(_table(group), (0, 0, 0, 4))


def _table(group: KeyGroup) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for _ in range(3):
        grid.add_column(overflow="fold")
    for each in group.keys[:_MOST]:
        grid.add_row(*_row(each))
    if (rest := group.total - min(_MOST, len(group.keys))) > 0:
        more = " more" if group.keys else " keys"
        grid.add_row(_styled(text.say("… ", rest, more), "dim"))
    return grid


def _row(each: KeyReport) -> Iterator[Styled]:
    yield Styled(_quoted(text.Piece(text.key(each.device_key), Kind.NAME)))
    yield _styled(status(each.status))
    yield _styled(text.say("from ", text.name(each.source_version)) if each.source_version else ())


def _joined(texts: Iterable[Text], style: str) -> Styled:
    return Styled(" · ").join([_styled(each, style) for each in texts])


def _styled(texts: Text, style: str = "", *, capital: bool = False) -> Styled:
    styled = Styled(style=style)
    for piece in texts:
        colour = _EXPOSURES[piece.exposure] if piece.exposure else ""
        styled.append(_quoted(piece), f"{_KINDS.get(piece.kind, '')} {colour}".strip())
    if capital and styled.plain:
        styled.plain = styled.plain[0].upper() + styled.plain[1:]
    return styled


def _quoted(piece: Piece) -> str:
    """Return a piece; a name in quotes if it has other characters than a plain name."""
    if piece.kind is Kind.NUMBER:
        return piece.text.replace(" ", _FIRM)
    if piece.kind is Kind.NAME and not _is_simple(piece.text):
        return f"'{piece.text}'"
    return piece.text


def _is_simple(name: str) -> bool:
    return bool(name) and all(character.isalnum() or character in "-_./:+@\\" for character in name)
