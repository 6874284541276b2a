"""The HTML page of a review: the first screen, a table of all keys for `page.js`, and some keys for paper."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any, Final

from enos_ota.review import text
from enos_ota.review.exposure import EFFECTS
from enos_ota.review.html.bars import chart
from enos_ota.review.html.markup import Element, element, json_text, number, raw, serialise
from enos_ota.review.screen import first_screen
from enos_ota.review.text import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from enos_ota.review.model import Effect, ReviewReport
    from enos_ota.review.screen import Headline, JobSection, KeyGroup, Screen
    from enos_ota.review.text import Piece, Text

ALL_TASKS: Final = "Whole job"
"""Label of the line that the bars and their numbers replace."""

_MOST: Final = 500
_MOST_OF_ONE: Final = 50
"""Keys that are listed on paper, in all and of one group."""

_ORDER: Final = {effect: place for place, effect in enumerate(EFFECTS)}
_QUOTED: Final = re.compile("`([^`]+)`")


def render(report: ReviewReport) -> str:
    """Return one HTML file that works wherever it is opened and loads nothing.

    The first screen needs no JavaScript; the table of all keys does. Whatever is not in `page.html` is made by
    `markup`, which escapes foreign texts.
    """
    screen = first_screen(report)
    stack = [text.name(report.stack).text] if report.stack else []
    project = [f"({text.name(report.project).text})"] if report.project else []
    title = ": ".join(filter(None, (screen.verdict.badge, " ".join(stack + project))))
    style, script = _read("page.css"), _read("page.js")
    return Template(_read("page.html")).substitute(
        title=html.escape(title, quote=False),
        style_hash=_hash(style),
        script_hash=_hash(script),
        style=serialise(raw("style", style)),
        first_screen=serialise(_first_screen(screen, report)),
        paper=serialise(*_paper(screen)),
        data=serialise(raw("script", json_text(_all_keys(report)), type="application/json", id="keys-data")),
        script=serialise(raw("script", script)),
    )


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(source: str) -> str:
    """Return the hash by which a Content-Security-Policy allows a style or script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode('ascii')}"


def _first_screen(screen: Screen, report: ReviewReport) -> Element:
    return element(
        "main",
        _verdict(screen.verdict),
        *(_job(part, report) for part in screen.jobs),
        _list("Other changes", screen.others),
        _list("Unchanged", screen.unchanged),
    )


def _verdict(verdict: Headline) -> Element:
    notes = [*(("bad", text) for text in verdict.reasons), *(("careful", text) for text in verdict.warnings)]
    items = [element("li", *_inline(text), class_=f"tone-{tone}") for tone, text in notes]
    return element(
        "header",
        element("h1", element("span", verdict.badge, class_="badge"), " ", element("span", *_inline(verdict.sentence))),
        element("p", *_apart(verdict.context), class_="about"),
        element("ul", *items, class_="notes") if items else None,
        class_=f"verdict tone-{verdict.tone.value}",
    )


def _job(part: JobSection, report: ReviewReport) -> Element:
    bars = chart(part.job, report)
    facts: list[Element] = []
    for line in part.lines:
        tone = f"tone-{line.tone.value}"
        value = [bars] if bars is not None and line.label == ALL_TASKS else _apart(line.items)
        facts += [element("dt", line.label, class_=tone), element("dd", *value, class_=tone)]
    return element("section", element("h2", *_inline(part.title)), element("dl", *facts, class_="facts"), class_="card")


def _list(title: str, texts: Sequence[Text]) -> Element | None:
    if not texts:
        return None
    items = (element("li", *_inline(text)) for text in texts)
    return element("section", element("h2", title), element("ul", *items, class_="plain"), class_="card")


def _apart(items: Iterable[Text]) -> Iterator[Element | str]:
    """Join short texts with dots."""
    for place, item in enumerate(items):
        if place:
            yield "\N{NO-BREAK SPACE}· "  # a line may break after the dot
        yield from _inline(item)


def _inline(pieces: Text) -> Iterator[Element | str]:
    for piece in pieces:
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


def _all_keys(report: ReviewReport) -> dict[str, Any]:
    """Return all keys for `page.js`, which shows their texts unchanged.

    A group is the keys of one set that have effect, status and source version in common, so that a key costs three
    bytes beside itself. A key with invisible characters is a pair: the key, and the text to show.
    """
    groups: dict[tuple[int, Effect, str, str], list[str | list[str]]] = {}
    for place, each in enumerate(report.sets):
        for key in each.keys:
            itself, shown = key.device_key, text.key(key.device_key)
            group = groups.setdefault((place, key.effect, key.status, key.source_version), [])
            group.append(itself if shown == itself else [itself, shown])
    return {
        "sets": [text.name(each.name).text for each in report.sets],
        "effects": [
            {"name": effect.value, "meaning": display.meaning, "exposure": display.exposure.value}
            for effect, display in EFFECTS.items()
        ],
        "groups": [
            {
                "set": place,
                "effect": _ORDER[effect],
                "status": text.name(status).text,
                "version": text.name(version).text,
                "keys": keys,
            }
            for (place, effect, status, version), keys in groups.items()
        ],
    }


def _paper(screen: Screen) -> Iterator[Element]:
    """Return the first keys of each group as plain lists; nothing without keys."""
    left = _MOST
    parts: list[Element] = []
    for each in (each for job in screen.jobs for each in job.sets):
        for group in each.groups:
            keys = [text.key(key.device_key) for key in group.keys[: min(left, _MOST_OF_ONE)]]
            left -= len(keys)
            parts += _paper_list(each.title, group, keys)
    if parts:
        yield element("section", element("h2", "Device keys"), *parts, class_="card paper")


def _paper_list(title: Text, group: KeyGroup, keys: Sequence[str]) -> Iterator[Element]:
    more = f", the first {number(len(keys))} of them" if 0 < len(keys) < group.total else ""
    count = element("b", number(group.total), class_=f"exposure-{EFFECTS[group.effect].exposure.value}")
    yield element("h3", *_inline(title), ": ", count, f" {group.title}{more}")
    if keys:
        yield element("ul", *(element("li", key) for key in keys), class_="keys")
