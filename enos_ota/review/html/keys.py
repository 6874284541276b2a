"""Every key of every set, as data for the page's script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from enos_ota.review import text
from enos_ota.review.lines import EFFECTS

if TYPE_CHECKING:
    from enos_ota.review.model import Effect, KeyReport, ReviewReport

ORDER: Final = {effect: place for place, effect in enumerate(EFFECTS)}
"""The table is sorted so until somebody sorts it otherwise."""


def payload(report: ReviewReport) -> dict[str, Any]:
    """All keys, for `page.js`, which shows the texts in it as they are.

    A group is the keys of one set that have effect, status and source version in common, so that a key costs three
    bytes beside itself. A key that would not show as it is is a pair: the key, and what to show.
    """
    groups: dict[tuple[int, Effect, str, str], list[str | list[str]]] = {}
    for place, each in enumerate(report.sets):
        for key in each.keys:
            groups.setdefault((place, key.effect, key.status, key.source_version), []).append(_named(key))
    return {
        "sets": [text.name(each.name).text for each in report.sets],
        "effects": [
            {"name": effect.value, "meaning": meaning, "tone": tone.value}
            for effect, (meaning, tone) in EFFECTS.items()
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
