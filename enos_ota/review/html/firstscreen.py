"""The first screen as HTML: the verdict, then each job with its lines and bars, then what needs no attention."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Final

from enos_ota.review.html import bars
from enos_ota.review.html.markup import Element, element
from enos_ota.review.text import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from enos_ota.review.model import ReviewReport
    from enos_ota.review.screen import Headline, JobSection, ReportLine, Screen, SetSection
    from enos_ota.review.text import Piece, Text

ALL_TASKS: Final = "Whole job"
"""Label of the line that the bars and their numbers replace."""

_QUOTED: Final = re.compile("`([^`]+)`")


def first(screen: Screen, report: ReviewReport) -> Element:
    """Return the first screen; the bars get their numbers from the report."""
    return element(
        "main",
        _verdict(screen.verdict),
        *(_job(part, report) for part in screen.jobs),
        _list("Other resources of the program", screen.others),
        _list("Sets with nothing to do", screen.unchanged),
    )


def _verdict(verdict: Headline) -> Element:
    notes = [*(("bad", text) for text in verdict.reasons), *(("careful", text) for text in verdict.warnings)]
    return element(
        "header",
        element("h1", element("span", verdict.badge, class_="badge"), " ", element("span", *inline(verdict.sentence))),
        element("p", *_apart(verdict.context), class_="about"),
        element("ul", *(element("li", *inline(text), class_=f"tone-{tone}") for tone, text in notes), class_="notes")
        if notes
        else None,
        class_=f"verdict tone-{verdict.tone.value}",
    )


def _job(part: JobSection, report: ReviewReport) -> Element:
    job = report.job(part.job_id)
    chart = bars.chart(job, report) if job else None
    return element(
        "section",
        element("h2", *inline(part.title)),
        _facts(part.lines, chart),
        *(_set(each) for each in part.sets if each.lines),
        class_="card",
    )


def _set(part: SetSection) -> Element:
    return element("section", element("h3", *inline(part.title)), _facts(part.lines), class_="set")


def _facts(lines: Iterable[ReportLine], chart: Element | None = None) -> Element:
    return element("dl", *chain.from_iterable(_fact(line, chart) for line in lines), class_="facts")


def _fact(line: ReportLine, chart: Element | None) -> tuple[Element, Element]:
    tone = f"tone-{line.tone.value}"
    value = [chart] if chart is not None and line.label == ALL_TASKS else _apart(line.items)
    return element("dt", line.label, class_=tone), element("dd", *value, class_=tone)


def _list(title: str, texts: Sequence[Text]) -> Element | None:
    if not texts:
        return None
    items = (element("li", *inline(text)) for text in texts)
    return element("section", element("h2", title), element("ul", *items, class_="plain"), class_="card")


def _apart(items: Iterable[Text]) -> Iterator[Element | str]:
    """Join short texts with dots."""
    for place, item in enumerate(items):
        if place:
            yield "\N{NO-BREAK SPACE}· "  # a line may break after the dot
        yield from inline(item)


def inline(text: Text) -> Iterator[Element | str]:
    """Return the pieces of a text."""
    for piece in text:
        yield from _piece(piece)


def _piece(piece: Piece) -> Iterator[Element | str]:
    if piece.kind is Kind.NUMBER:
        exposure = f"exposure-{piece.exposure.value}" if piece.exposure else None
        yield element("b", piece.text.replace(" ", "\N{NARROW NO-BREAK SPACE}"), class_=exposure)
    elif piece.kind is Kind.COMMAND:
        yield element("code", piece.text)
    elif piece.kind is Kind.NAME:
        # Isolates right-to-left text from what follows.
        yield element("bdi", piece.text)
    elif piece.kind is Kind.SAYING:
        for place, part in enumerate(_QUOTED.split(piece.text)):
            if part:
                yield element("code", part) if place % 2 else part
    else:
        yield piece.text
