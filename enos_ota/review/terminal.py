"""Review report for a terminal."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text as Styled

from enos_ota.review import text
from enos_ota.review.exposure import EFFECTS, Exposure
from enos_ota.review.lines import Tone
from enos_ota.review.model import Effect
from enos_ota.review.screen import first_screen
from enos_ota.review.text import Kind, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import RenderableType

    from enos_ota.review.model import KeyReport, ReviewReport
    from enos_ota.review.screen import Headline, KeyGroup, Screen, SetKeys
    from enos_ota.review.text import Text

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
        yield _styled(job.title, "bold")
        yield _table((Styled(f"  {line.label}", "dim"), _joined(line.items, _COLOURS[line.tone])) for line in job.lines)
    for title, texts in (("Other changes", screen.others), ("Unchanged", screen.unchanged)):
        if texts:
            yield ""
            yield Styled(title, "bold")
            yield _bullets(texts, "-")
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
    for texts, mark, tone in ((verdict.reasons, "✗", Tone.BAD), (verdict.warnings, "!", Tone.CAREFUL)):
        if texts:
            yield ""
            yield _bullets(texts, mark, _COLOURS[tone])


def _bullets(texts: Iterable[Text], mark: str, style: str = "") -> RenderableType:
    return _table(((Styled(f"  {mark}", style), _styled(each, style)) for each in texts), gap=1)


def _table(rows: Iterable[Iterable[Styled]], *, gap: int = 2, wraps_first: bool = False) -> RenderableType:
    grid = Table.grid(padding=(0, gap))
    for row in rows:
        grid.add_row(*row)
    for column in grid.columns:
        column.overflow = "fold"
    grid.columns[0].no_wrap = not wraps_first
    return grid


def _keys(part: SetKeys) -> Iterator[RenderableType]:
    yield Styled.assemble("Keys of ", _styled(part.title), style="bold")
    for group in part.groups:
        heading = text.say(group.total, f" {group.title}")
        yield Padding(_styled(heading, _EXPOSURES[EFFECTS[group.effect].exposure]), (0, 0, 0, 2))
        if group.effect is not Effect.CANCELLED:
            yield Padding(_group(group), (0, 0, 0, 4))


def _group(group: KeyGroup) -> RenderableType:
    rows = [_key(each) for each in group.keys[:_MOST]]
    if rest := group.total - len(rows):
        rows.append((_styled(text.say("… ", rest, " more" if rows else " keys"), "dim"),))
    return _table(rows, wraps_first=True)


def _key(each: KeyReport) -> tuple[Styled, ...]:
    since = text.say("from ", text.name(each.source_version)) if each.source_version else ()
    return (
        Styled(_quoted(Piece(text.key(each.device_key), Kind.NAME))),
        Styled(text.name(each.status).text),
        _styled(since),
    )


def _joined(texts: Iterable[Text], style: str) -> Styled:
    return Styled(" · ").join([_styled(each, style) for each in texts])


def _styled(texts: Text, style: str = "") -> Styled:
    styled = Styled(style=style)
    for piece in texts:
        colour = _EXPOSURES[piece.exposure] if piece.exposure else ""
        styled.append(_quoted(piece), f"{_KINDS.get(piece.kind, '')} {colour}".strip())
    return styled


def _quoted(piece: Piece) -> str:
    """Return a piece; a name in quotes if it has other characters than a plain name."""
    if piece.kind is Kind.NUMBER:
        return piece.text.replace(" ", _FIRM)
    is_simple = bool(piece.text) and all(each.isalnum() or each in "-_./:+@\\" for each in piece.text)
    return piece.text if piece.kind is not Kind.NAME or is_simple else f"'{piece.text}'"
