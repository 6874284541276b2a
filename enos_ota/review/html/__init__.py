"""Review report as one self-contained HTML file."""

from __future__ import annotations

import base64
import hashlib
import html
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from enos_ota.review import text
from enos_ota.review.html import firstscreen, keys
from enos_ota.review.html.markup import json_text, raw, serialise
from enos_ota.review.screen import first_screen

if TYPE_CHECKING:
    from enos_ota.review.model import ReviewReport

__all__ = ["render"]


def render(report: ReviewReport) -> str:
    """Return one HTML file that works wherever it is opened and loads nothing.

    The first screen needs no JavaScript; the table of all keys does. Foreign texts stay texts: whatever is not in
    `page.html` is made by `markup`, which escapes it.
    """
    screen = first_screen(report)
    stack = [text.name(report.stack).text] if report.stack else []
    project = [f"({text.name(report.project).text})"] if report.project else []
    title = ": ".join(filter(None, (screen.verdict.badge, " ".join(stack + project))))
    style, script = _read("page.css"), _read("page.js")
    data = json_text(keys.payload(report))
    return Template(_read("page.html")).substitute(
        title=html.escape(title, quote=False),
        style_hash=_hash(style),
        script_hash=_hash(script),
        style=serialise(raw("style", style)),
        first_screen=serialise(firstscreen.first(screen, report)),
        paper=serialise(*keys.paper(screen)),
        data=serialise(raw("script", data, type="application/json", id="keys-data")),
        script=serialise(raw("script", script)),
    )


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(source: str) -> str:
    """Return the hash by which a Content-Security-Policy allows a style or script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode('ascii')}"
