"""The part of the page about single keys: an empty table that `page.js` fills, and a list for paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from enos_ota.review import text
from enos_ota.review.html.firstscreen import inline
from enos_ota.review.html.markup import Element, element, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from enos_ota.review.screen import KeyGroup, Screen, SetSection

_COLUMNS: Final = (
    ("key", "Device key"),
    ("effect", "Effect"),
    ("status", "Status now"),
    ("version", "From version"),
    ("set", "Set"),
)

_MOST_OF_ONE: Final = 50
_MOST: Final = 500


def table() -> Element:
    """The table with its search and filters; hidden until the script has filled it."""
    return element(
        "section",
        element("h2", "Device keys", id="keys-title"),
        element(
            "div",
            element(
                "input",
                type="search",
                id="search",
                aria_label="Search keys, effects, statuses and versions",
                placeholder="Search (press /)",
                autocomplete="off",
                spellcheck="false",
            ),
            element(
                "label",
                "Set ",
                element("select", element("option", "all", value=""), id="set-choice"),
                id="set-label",
            ),
            class_="controls",
        ),
        element("div", id="effect-choice", class_="chips", role="group", aria_label="Show only these effects"),
        element(
            "div",
            element("output", id="count", aria_live="polite"),
            element("button", "Copy these keys", type="button", id="copy"),
            element("span", id="copied", role="status", class_="quiet"),
            class_="counted",
        ),
        element(
            "div",
            element(
                "table",
                element("colgroup", *(element("col", class_=f"col-{name}") for name, _ in _COLUMNS)),
                element(
                    "thead",
                    element("tr", *(_heading(name, text) for name, text in _COLUMNS), aria_rowindex="1"),
                ),
                element("tbody"),
                id="key-table",
                class_="key-table",
                aria_labelledby="keys-title",
            ),
            id="pane",
            class_="pane",
            tabindex="0",
            role="region",
            aria_labelledby="keys-title",
        ),
        element(
            "p",
            element("kbd", "/"),
            " searches, ",
            element("kbd", "Esc"),
            " clears, ",
            element("kbd", "↓"),
            " goes to the table; arrows, ",
            element("kbd", "PgDn"),
            " and ",
            element("kbd", "End"),
            " scroll it. Several words must all be there.",
            class_="hint",
        ),
        id="keys",
        class_="card",
        hidden="hidden",
    )


def _heading(name: str, text: str) -> Element:
    button = element("button", text, type="button")
    return element("th", button, scope="col", data_column=name, class_=f"col-{name}", aria_sort="none")


def paper(screen: Screen) -> Element | None:
    """The first keys of each set and effect, as plain lists, at most 500 in all; None if there are no keys."""
    left = _MOST
    parts: list[Element] = []
    for each in (each for job in screen.jobs for each in job.sets):
        for group in each.groups:
            some = group.keys[: min(left, _MOST_OF_ONE)]
            left -= len(some)
            parts += _listed(each, group, [text.key(key.device_key) for key in some])
    return element("section", element("h2", "Device keys"), *parts, class_="card paper") if parts else None


def _listed(each: SetSection, group: KeyGroup, shown: Sequence[str]) -> Iterator[Element]:
    more = f", the first {number(len(shown))} of them" if 0 < len(shown) < group.total else ""
    told = f" {group.effect.value}" + (f" ({group.meaning})" if group.meaning else "") + more
    yield element("h3", *inline(each.title), ": ", element("b", number(group.total)), told)
    if shown:
        yield element("ul", *(element("li", key) for key in shown), class_="keys")
