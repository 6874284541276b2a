"""What `enos-ota review --expect-no-changes` leaves of a night, made by the model that it is made by.

night = report("changes", a_set("update", {"pump-00016": "will be cancelled again"}))
(project / "review.json").write_text(night, encoding="utf-8")
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from enos_ota.review.model import Change, Effect, GuardUse, Key, Limit, OtherChange, Outcome, Report, SetReport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


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
        keys=tuple(Key(device_key=key, effect=effect) for key, effect in effects.items()),
    )


RETRIED = a_set("update", {"pump-00016": "will be cancelled again", "pump-00017": "cancelled already"})
"""Somebody retried one of two devices."""


def report(outcome: str, *sets: SetReport, previewed: bool = True, others: Sequence[OtherChange] = ()) -> str:
    """`review.json`; the outcome may be one that no version has yet."""
    known = outcome in {each.value for each in Outcome}
    whole = Report(
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
