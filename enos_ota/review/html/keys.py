"""The device keys of the page: data of all keys for `page.js`, and a bounded list for paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from enos_ota.review import text
from enos_ota.review.exposure import EFFECTS
from enos_ota.review.html.firstscreen import inline
from enos_ota.review.html.markup import Element, element, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from enos_ota.review.model import Effect, KeyReport, ReviewReport
    from enos_ota.review.screen import KeyGroup, Screen, SetSection

ORDER: Final = {effect: place for place, effect in enumerate(EFFECTS)}
"""Order of the table when the page opens."""

_MOST_OF_ONE: Final = 50
_MOST: Final = 500


def payload(report: ReviewReport) -> dict[str, Any]:
    """Return all keys for `page.js`, which shows their texts unchanged.

    A group is the keys of one set that have effect, status and source version in common, so that a key costs three
    bytes beside itself. A key with invisible characters is a pair: the key, and the text to show.
    """
    groups: dict[tuple[int, Effect, str, str], list[str | list[str]]] = {}
    for place, each in enumerate(report.sets):
        for key in each.keys:
            groups.setdefault((place, key.effect, key.status, key.source_version), []).append(_named(key))
    return {
        "sets": [text.name(each.name).text for each in report.sets],
        "effects": [
            {"name": effect.value, "meaning": display.meaning, "exposure": display.exposure.value}
            for effect, display in EFFECTS.items()
        ],
        "groups": [
            {
                "set": place,
                "effect": ORDER[effect],
                "status": text.name(status).text,
                "version": text.name(version).text,
                "keys": keys,
            }
            for (place, effect, status, version), keys in groups.items()
        ],
    }


def _named(key: KeyReport) -> str | list[str]:
    shown = text.key(key.device_key)
    return key.device_key if shown == key.device_key else [key.device_key, shown]


def paper(screen: Screen) -> Iterator[Element]:
    """Return the first keys of each set and effect as plain lists, at most 500 in all; nothing without keys."""
    left = _MOST
    parts: list[Element] = []
    for each in (each for job in screen.jobs for each in job.sets):
        for group in each.groups:
            some = group.keys[: min(left, _MOST_OF_ONE)]
            left -= len(some)
            parts += _list(each, group, [text.key(key.device_key) for key in some])
    if parts:
        yield element("section", element("h2", "Device keys"), *parts, class_="card paper")


def _list(each: SetSection, group: KeyGroup, keys: Sequence[str]) -> Iterator[Element]:
    more = f", the first {number(len(keys))} of them" if 0 < len(keys) < group.total else ""
    effect = f" {group.effect.value}" + (f" ({group.meaning})" if group.meaning else "") + more
    count = element("b", number(group.total), class_=f"exposure-{group.exposure.value}")
    yield element("h3", *inline(each.title), ": ", count, effect)
    if keys:
        yield element("ul", *(element("li", key) for key in keys), class_="keys")
