"""The review as one self-contained HTML file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enos_ota.review import text
from enos_ota.review.html import bars, firstscreen, keys, keysection
from enos_ota.review.html.document import document
from enos_ota.review.screen import first_screen

if TYPE_CHECKING:
    from enos_ota.review.model import ReviewReport

__all__ = ["render"]


def render(report: ReviewReport) -> str:
    """One HTML file that works wherever it is opened and loads nothing.

    The first screen can be read without JavaScript; the table of all keys needs it. Texts of the report may hold
    anything: they stay texts.
    """
    screen = first_screen(report)
    paper = keysection.paper(screen)
    body = [
        bars.patterns(),
        firstscreen.first(screen, report),
        keysection.table(),
        *([paper] if paper is not None else []),
    ]
    about = [text.name(report.stack).text] if report.stack else []
    about += [f"({text.name(report.project).text})"] if report.project else []
    title = ": ".join(filter(None, (screen.verdict.badge, " ".join(about))))
    return document(title=title, body=body, data=keys.payload(report))
