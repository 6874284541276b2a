"""What `enos-ota review --expect-no-changes` leaves of a night, made by the model that it is made by.

leave(project, "changes", "the whole review", [a_set("update", {"pump-00016": "will be cancelled again"})])
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from enos_ota.engine.preview_json import Change
from enos_ota.review.model import Effect, GuardUse, KeyReport, Limit, OtherChange, Outcome, ReviewReport, SetReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


def a_set(
    change: str, keys: Mapping[str, str], *, name: str = "pumps", errors: Sequence[str] = (), outdated: int = 0
) -> SetReport:
    """The report on a set: what happens to it, and what to each of its keys."""
    effects = {key: Effect(effect) for key, effect in keys.items()}
    return SetReport(
        name=name,
        change=Change(change),
        job_id="65a1b2c3d4e5f60718293a4b",
        declared=len(effects),
        counts=dict(Counter(effects.values())),
        guard=GuardUse(limit=Limit()),
        errors=tuple(errors),
        outdated=outdated,
        keys=tuple(KeyReport(device_key=key, effect=effect) for key, effect in effects.items()),
    )


RETRIED = a_set("update", {"pump-00016": "will be cancelled again", "pump-00017": "cancelled already"})
"""Somebody retried one of two devices."""

MORE = a_set("update", dict.fromkeys(("pump-00016", "pump-00018"), "will be cancelled again"))
OTHER = a_set("update", {"pump-00018": "will be cancelled again", "pump-00016": "cancelled already"})
LOST = a_set("none", {"pump-00016": "escaped"}, errors=["set '@all': 1 key escaped"], name="@all")
DECLARED_MEANWHILE = a_set("update", {"pump-00016": "will be cancelled again", "pump-00019": "cancelled already"})

MAKES_IT = "it restores the declared state."
MAKES_SOME = "it restores what it can of the declared state."
FAILS = "An `up` would fail: the review below says why, and what to change."
DOES_NOTHING = "`up` cannot cancel the tasks of some devices"

ADVISED = [
    pytest.param((RETRIED,), [MAKES_IT], id="retried"),
    pytest.param((LOST,), [DOES_NOTHING], id="escaped"),
    pytest.param(
        (a_set("none", {"pump-00009": "too late"}, errors=["1 key too late"]),), [DOES_NOTHING], id="too late"
    ),
    pytest.param((a_set("none", {"pump-00016": "held"}, outdated=1),), [DOES_NOTHING], id="of a stopped job"),
    pytest.param((RETRIED, LOST), [MAKES_SOME, DOES_NOTHING], id="both"),
    pytest.param(
        (a_set("update", {"pump-00016": "will be cancelled again"}, errors=["guard"]),), [FAILS], id="guarded"
    ),
    pytest.param((RETRIED, a_set("create", {"x": "missing"}, errors=["1 key missing"])), [MAKES_SOME, FAILS], id="one"),
]
"""Nights, and what an issue about each must advise."""


def advice(text: str, way: str) -> list[str]:
    """What a text advises; an `up` that helps only if it says the way to start one."""
    helps = [each for each in (MAKES_IT, MAKES_SOME) if f"{way}: {each}" in text]
    return [*helps, *(each for each in (FAILS, DOES_NOTHING) if each in text)]


def leave(project: Path, outcome: str | None, review: str, sets: Iterable[SetReport], **known: Any) -> None:
    """Leave the files of a night in place of those of the one before; None: it came to nothing."""
    for name in ("review.md", "review.json"):
        (project / name).unlink(missing_ok=True)
    if outcome is not None:
        (project / "review.json").write_text(report(outcome, *sets, **known), encoding="utf-8")
        (project / "review.md").write_text(review, encoding="utf-8")


def report(outcome: str, *sets: SetReport, previewed: bool = True, others: Sequence[OtherChange] = ()) -> str:
    """`review.json`; the outcome may be one that no version has yet."""
    known = outcome in {each.value for each in Outcome}
    whole = ReviewReport(
        project="enos-ota",
        stack="prod",
        made_at="2026-11-23T18:40:09Z",
        outcome=Outcome(outcome) if known else Outcome.UNDETERMINED,
        headline=f"The headline of {outcome}.",
        previewed=previewed,
        sets=sets,
        others=tuple(others),
    )
    return json.dumps(whole.model_dump(mode="json") | {"outcome": outcome})
