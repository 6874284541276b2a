"""Reports: one for each situation that a review has to show.

`CASES` has the situations by name. Their numbers, keys and sentences are made as gathering and judging make them, so
that what a format shows of them is what an approver would see.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from enos_ota.engine.preview_json import Change
from enos_ota.plan import Severity
from enos_ota.review.model import (
    Effect,
    GuardUse,
    JobReport,
    KeyReport,
    Limit,
    OtherChange,
    OtherJob,
    Outcome,
    ReviewReport,
    SetMessage,
    SetReport,
    StatusCount,
)
from tests.harness.any_report import HOSTILE

JOB_ID: Final = "65a1b2c3d4e5f60718293a4b"
OTHER_JOB_ID: Final = "65a1b2c3d4e5f60718293a4c"
OLD_JOB_ID: Final = "64ffffffd4e5f60718293a4b"
_GATEWAY: Final = "https://apim.example.com"
_ORG: Final = "o16172478070561926"

_STATUSES: Final = {
    Effect.CANCEL: ("init", "init", "init", "published"),
    Effect.CANCEL_AGAIN: ("init",),
    Effect.CANCELLED: ("failed",),
    Effect.TOO_LATE: ("upgrading", "succeeded", "upgrading", "failed"),
    Effect.ESCAPED: ("upgrading",),
    Effect.AMBIGUOUS: ("init,upgrading",),
    Effect.HELD: ("init",),
    Effect.PENDING: ("init",),
    Effect.RELEASED: ("cancelled",),
}
_VERSIONS: Final = ("2.2.0", "2.2.0", "2.1.7")
_UNREAD: Final = (Effect.MISSING, Effect.UNREAD, Effect.RELEASED)


@dataclass(frozen=True, slots=True)
class Situation:
    """A set to be reported on: keys by effect, and what differs from the plainest of sets."""

    effects: dict[Effect, int]
    name: str = "pump-2.3.0"
    change: Change = Change.CREATE
    job_id: str = JOB_ID
    recorded: int = 0
    limit: Limit = field(default_factory=Limit)
    before: Limit | None = None
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """How sentences about it begin."""
        return f"set {self.name!r} (job {self.job_id})"

    def report(self) -> SetReport:
        """The report on it."""
        order = {effect: place for place, effect in enumerate(_ORDER)}
        keys = []
        number = 0
        for effect in sorted(self.effects, key=order.__getitem__):
            for place in range(self.effects[effect]):
                number += 1
                statuses = _STATUSES.get(effect, ("",))
                version = "" if effect in _UNREAD else _VERSIONS[place % len(_VERSIONS)]
                status = statuses[place % len(statuses)]
                keys.append(
                    KeyReport(device_key=f"pump-{number:05}", effect=effect, status=status, source_version=version)
                )
        return _set_of(self, keys)


_ORDER: Final = (
    Effect.CANCEL_AGAIN,
    Effect.ESCAPED,
    Effect.AMBIGUOUS,
    Effect.MISSING,
    Effect.TOO_LATE,
    Effect.PENDING,
    Effect.HELD,
    Effect.UNREAD,
    Effect.CANCEL,
    Effect.RELEASED,
    Effect.CANCELLED,
)


def _set_of(about: Situation, keys: list[KeyReport]) -> SetReport:
    declared = sorted(key.device_key for key in keys if key.effect is not Effect.RELEASED)
    released = len(keys) - len(declared)
    would = sum(key.effect in {Effect.CANCEL, Effect.CANCEL_AGAIN} for key in keys)
    read = not any(key.effect is Effect.UNREAD for key in keys)
    by = Counter((key.status, key.source_version) for key in keys if key.effect in {Effect.CANCEL, Effect.CANCEL_AGAIN})
    allowed = about.limit.max_devices
    values: dict[str, Any] = {
        "name": about.name,
        "change": about.change,
        "job_id": about.job_id,
        "reason": "INC-4711: 2.3.0 drains the battery",
        "declared": len(declared),
        "added": len(declared) if about.change is Change.CREATE else max(0, len(declared) - about.recorded),
        "removed": released,
        "digest": _digest(declared) if declared else "",
        "digest_before": _digest([str(about.recorded)]) if about.recorded else "",
        "counts": dict(Counter(key.effect for key in keys)),
        "will_cancel_by": tuple(
            StatusCount(status=status, source_version=version, tasks=number)
            for (status, version), number in sorted(by.items(), key=lambda item: (-item[1], item[0]))
        ),
        "guard": GuardUse(
            limit=about.limit,
            before=about.before,
            would_send=would if read else None,
            allowed=allowed,
            exceeded=None if not read else allowed is not None and would > allowed,
            raised=bool(about.before and (allowed or 0) > (about.before.max_devices or 0)),
        ),
        "keys": tuple(keys),
    }
    return SetReport(**{**values, **about.more})


def _digest(keys: list[str]) -> str:
    return hashlib.sha256("".join(f"{key}\n" for key in keys).encode(errors="surrogatepass")).hexdigest()


def job(**more: Any) -> JobReport:
    """A job as EnOS tells of it now; `more` is what differs."""
    values: dict[str, Any] = {
        "job_id": JOB_ID,
        "org_id": _ORG,
        "gateway": _GATEWAY,
        "status": "started",
        "name": "Pump firmware 2.3.0, all sites",
        "firmware_version": "2.3.0",
        "firmware_name": "Pump main board",
        "product_key": "Pk12aB34",
        "type": "upgrade",
        "total": 120,
        "waiting": 48,
        "will_cancel": 0,
        "exposed": 12,
        "by_status": _tasks(init=44, published=4, upgrading=9, succeeded=51, failed=12),
        "looked": True,
    }
    return JobReport(**{**values, **more})


def unlooked(**more: Any) -> JobReport:
    """A job that EnOS was not asked about."""
    values: dict[str, Any] = {"job_id": JOB_ID, "org_id": _ORG, "gateway": _GATEWAY}
    return JobReport(**{**values, **more})


def _tasks(**numbers: int) -> tuple[StatusCount, ...]:
    return tuple(StatusCount(status=status, tasks=number) for status, number in numbers.items())


def report(**more: Any) -> ReviewReport:
    """A review that came to its end; `more` is what differs."""
    values: dict[str, Any] = {
        "project": "enos-ota",
        "stack": "prod",
        "commit": "1f0e2d3c4b5a69788796a5b4c3d2e1f001234567",
        "made_at": "2026-11-23T03:12:04Z",
        "outcome": Outcome.FINE,
        "headline": "nothing to do: what is declared is so",
        "live": True,
        "refreshed": True,
        "previewed": True,
    }
    return ReviewReport(**{**values, **more})


def first_preview() -> ReviewReport:
    """A new set; some keys are too late or cancelled already."""
    about = Situation(
        {Effect.CANCEL: 36, Effect.TOO_LATE: 4, Effect.CANCELLED: 2}, limit=Limit(max_devices=500, max_share=0.5)
    )
    late = "4 keys too late to cancel (pump-00001 upgrading, pump-00002 succeeded, pump-00003 upgrading, … 1 more)"
    pushed = (
        "9 tasks were cancelled after the devices had been notified (pump-00008, pump-00012, pump-00016, … 6 more); "
        "these devices may still upgrade"
    )
    about.more["messages"] = tuple(
        SetMessage(code=code, severity=Severity.WARNING, text=f"{about.subject}: {text}", keys=keys)
        for code, text, keys in (("too-late", late, 0), ("after-push", pushed, 9))
    )
    about.more["warnings"] = tuple(each.text for each in about.more["messages"])
    about.more["guard"] = GuardUse(limit=about.limit, would_send=36, allowed=60, exceeded=False)
    others = (OtherJob(job_id=OTHER_JOB_ID, name="Pump firmware 2.3.0, pilot", waiting=7),)
    return report(
        headline="`pulumi up` will cancel 36 tasks",
        jobs=(job(will_cancel=36, incremental=True, same_firmware=others),),
        sets=(about.report(),),
    )


def large_first_preview() -> ReviewReport:
    """The one of the design: tens of thousands of tasks, of which text shows but a few keys."""
    about = Situation({Effect.CANCEL: 8, Effect.TOO_LATE: 3}, limit=Limit(max_devices=80_000))
    some = about.report()
    every = some.model_copy(
        update={
            "declared": 81_029,
            "added": 81_029,
            "counts": {Effect.TOO_LATE: 13, Effect.CANCEL: 79_812, Effect.CANCELLED: 1_204},
            "will_cancel_by": (
                StatusCount(status="init", source_version="2.2.0", tasks=70_400),
                StatusCount(status="init", source_version="2.1.7", tasks=9_100),
                StatusCount(status="published", source_version="2.2.0", tasks=312),
            ),
            "guard": GuardUse(limit=about.limit, would_send=79_812, allowed=80_000, exceeded=False),
        }
    )
    tasks = _tasks(init=83_688, published=312, upgrading=9_000, succeeded=40_000, failed=2_000)
    large = job(total=135_000, waiting=84_000, will_cancel=79_812, exposed=4_188, by_status=tasks)
    return report(headline="`pulumi up` will cancel 79 812 tasks", jobs=(large,), sets=(every,))


def drift() -> ReviewReport:
    """Somebody retried tasks: three wait again, one went on; found by the nightly run."""
    about = Situation(
        {Effect.CANCEL_AGAIN: 3, Effect.ESCAPED: 1, Effect.CANCELLED: 32}, change=Change.UPDATE, recorded=36
    )
    escaped = (
        f"{about.subject}: 1 key cancelled before and escaped since (pump-00004 upgrading): the device goes on or has "
        "gone on and no cancel can reach it; see to it by hand, then take it out of the set"
    )
    about.more.update(added=0, digest_before=about.report().digest, errors=(escaped,))
    return report(
        outcome=Outcome.FAILS,
        headline="`pulumi up` would fail for 1 set of 1",
        reasons=(escaped,),
        jobs=(job(will_cancel=3, waiting=15),),
        sets=(about.report(),),
    )


def unexpected_change() -> ReviewReport:
    """The nightly run expects no change, and there is one."""
    about = Situation({Effect.CANCEL_AGAIN: 1, Effect.CANCELLED: 35}, change=Change.UPDATE, recorded=36)
    about.more.update(added=0, digest_before=about.report().digest)
    return report(
        outcome=Outcome.CHANGES,
        headline="no change was expected, but there is one in 1 set",
        reasons=(f"{about.subject}: update, 1 will be cancelled again",),
        jobs=(job(will_cancel=1, waiting=13),),
        sets=(about.report(),),
    )


def growth() -> ReviewReport:
    """Keys are added and taken out, and the guard is raised by the same change."""
    about = Situation(
        {Effect.CANCEL: 6, Effect.RELEASED: 2, Effect.CANCELLED: 30},
        change=Change.UPDATE,
        recorded=30,
        limit=Limit(max_devices=500),
        before=Limit(max_devices=50),
    )
    about.more.update(added=6, metadata=("reason", "maxDevices"))
    return report(
        headline="`pulumi up` will cancel 6 tasks",
        jobs=(job(will_cancel=6, waiting=18),),
        sets=(about.report(),),
    )


def removal() -> ReviewReport:
    """A set is removed; its job was not read."""
    about = Situation({Effect.RELEASED: 36}, change=Change.DELETE, recorded=36)
    return report(headline="`pulumi up` will cancel nothing", live=False, sets=(about.report(),))


def replacement() -> ReviewReport:
    """A set is about another job from now on."""
    about = Situation(
        {Effect.CANCEL: 10, Effect.RELEASED: 36},
        change=Change.REPLACE,
        recorded=36,
        more={"job_id_before": OLD_JOB_ID, "added": 10},
    )
    return report(
        headline="`pulumi up` will cancel 10 tasks",
        jobs=(job(will_cancel=10, waiting=22),),
        sets=(about.report(),),
    )


def held() -> ReviewReport:
    """The job is stopped: what waits is held."""
    about = Situation({Effect.HELD: 30, Effect.CANCELLED: 6}, recorded=6, change=Change.UPDATE)
    about.more["warnings"] = (
        f"{about.subject}: 30 keys held (pump-00001 init, pump-00002 init, pump-00003 init, … 27 more): the job is "
        "stopped, nothing is pushed and nothing can be cancelled; the first `pulumi up` after it was started again "
        "cancels what is left",
    )
    return report(
        headline="`pulumi up` will cancel nothing",
        jobs=(job(status="stopped", waiting=42, exposed=12),),
        sets=(about.report(),),
    )


def deleted() -> ReviewReport:
    """The job is gone."""
    about = Situation({Effect.CANCELLED: 34, Effect.PENDING: 2}, change=Change.NONE, recorded=36)
    about.more["warnings"] = (f"{about.subject}: job deleted: retire this set; last seen: 34 cancelled, 2 pending",)
    gone = unlooked(status="deleted", looked=True)
    return report(jobs=(gone,), sets=(about.report(),))


def pending() -> ReviewReport:
    """The last `up` was cut off; the next one sends the rest."""
    about = Situation({Effect.CANCEL: 12, Effect.CANCELLED: 24}, change=Change.UPDATE, recorded=24)
    return report(
        headline="`pulumi up` will cancel 12 tasks",
        warnings=("set 'pump-2.3.0': the last `pulumi up` was cut off by its deadline of 1800 s",),
        jobs=(job(will_cancel=12, waiting=24),),
        sets=(about.report(),),
    )


def expired() -> ReviewReport:
    """A set's last day is over."""
    about = Situation({Effect.CANCELLED: 36}, change=Change.NONE, recorded=36)
    about.more.update(
        expires="2026-10-31",
        expired=True,
        warnings=(
            f"{about.subject}: expired on 2026-10-31: neither read nor written, last seen: 36 cancelled; remove the "
            "set, or set a later day",
        ),
    )
    return report(live=False, jobs=(unlooked(),), sets=(about.report(),))


def without_credentials() -> ReviewReport:
    """A pull request from a fork: what is declared is known, how things stand is not."""
    about = Situation({Effect.UNREAD: 42}, limit=Limit(max_devices=500))
    return report(
        headline="`pulumi up` will work on 42 device keys; how they stand now was not looked at",
        warnings=("without credentials for EnOS: what is declared is shown, how things stand now is not",),
        live=False,
        refreshed=False,
        jobs=(unlooked(),),
        sets=(about.report(),),
    )


def failing_preview() -> ReviewReport:
    """One set trips its guard, another expects another firmware."""
    guarded = Situation({Effect.CANCEL: 36}, limit=Limit(max_devices=20))
    wrong = Situation({Effect.CANCEL: 5}, name="valve-1.4", job_id=OTHER_JOB_ID)
    guard = (
        f"{guarded.subject}: the guard stops this change, which would cancel 36 devices: at most 20 may be "
        "(maxDevices); raise the guard in the stack file, split the change, or set ENOS_OTA_BREAK_GLASS=<reason> for "
        "this run"
    )
    expectation = f"{wrong.subject}: firmware 1.4.0 is expected, but the job is about 1.5.0: check jobId and `expect`"
    guarded.more["errors"] = (guard,)
    wrong.more.update(errors=(expectation,), expect_firmware_version="1.4.0", reason="")
    valves = job(
        job_id=OTHER_JOB_ID, name="Valves 1.5", firmware_version="1.5.0", firmware_name="Valve", waiting=5, exposed=0,
        will_cancel=5, total=9, by_status=_tasks(init=5, succeeded=4),
    )  # fmt: skip
    return report(
        outcome=Outcome.FAILS,
        headline="`pulumi up` would fail for 2 sets of 2",
        reasons=(guard, expectation),
        previewed=False,
        jobs=(job(will_cancel=36), valves),
        sets=(guarded.report(), wrong.report()),
    )


def broken_glass() -> ReviewReport:
    """The guard is overridden for this run."""
    about = Situation({Effect.CANCEL: 36}, limit=Limit(max_devices=20))
    text = (
        f"{about.subject}: the guard is overridden by ENOS_OTA_BREAK_GLASS (INC-4711: fire); this change would cancel "
        "36 devices: at most 20 may be (maxDevices)"
    )
    about.more["warnings"] = (text,)
    about.more["messages"] = (SetMessage(code="guard-overridden", severity=Severity.WARNING, text=text),)
    about.more["guard"] = GuardUse(
        limit=about.limit, would_send=36, allowed=20, exceeded=True, broken_glass="INC-4711: fire"
    )
    return report(headline="`pulumi up` will cancel 36 tasks", jobs=(job(will_cancel=36),), sets=(about.report(),))


def missing() -> ReviewReport:
    """Keys that the job does not know fail the `up`, which cancels the others."""
    about = Situation({Effect.CANCEL: 30, Effect.MISSING: 2, Effect.AMBIGUOUS: 1})
    errors = (
        f"{about.subject}: 1 key with tasks in several products (pump-00001 init,upgrading): a cancel cannot tell them "
        "apart; cancel it in the EnOS console, then take it out of the set",
        f"{about.subject}: 2 keys without a task in this job, so there is nothing to cancel (pump-00002, pump-00003): "
        "check the key and the job, or take it out of the set (or set onMissing: report)",
    )
    about.more["errors"] = errors
    return report(
        outcome=Outcome.FAILS,
        headline="`pulumi up` would fail for 1 set of 1",
        reasons=errors,
        jobs=(job(will_cancel=30, waiting=30, exposed=0),),
        sets=(about.report(),),
    )


def misconfigured() -> ReviewReport:
    """The stack file is wrong."""
    problems = (
        "stacks/Pulumi.prod.yaml:12: enos-ota:cancelledTaskSets[0].jobID: unknown key, did you mean jobId?",
        "stacks/keys/pump-2.3.0.txt:7: device key has control characters",
    )
    return report(
        outcome=Outcome.MISCONFIGURED,
        headline="the configuration has 2 problems: nothing was looked at",
        reasons=problems,
        live=False,
        refreshed=False,
        previewed=False,
    )


def outage() -> ReviewReport:
    """EnOS does not answer."""
    about = Situation({Effect.UNREAD: 36}, change=Change.DECLARED)
    about.more.update(added=0)
    return report(
        outcome=Outcome.UNDETERMINED,
        headline="it could not be found out what `pulumi up` would do",
        reasons=(
            "set 'pump-2.3.0' (job 65a1b2c3d4e5f60718293a4b): the tasks could not be read; "
            "the recorded state is unchanged: https://apim.example.com did not answer in 30 s, 5 times (searchTask)",
        ),
        live=False,
        refreshed=False,
        previewed=False,
        jobs=(unlooked(name="Pump firmware 2.3.0, all sites", firmware_version="2.3.0", status="started"),),
        sets=(about.report(),),
    )


def nothing_to_do() -> ReviewReport:
    """What is declared is so."""
    about = Situation({Effect.CANCELLED: 36}, change=Change.NONE, recorded=36)
    return report(jobs=(job(waiting=12),), sets=(about.report(),))


def several_sets() -> ReviewReport:
    """Two sets on one job, a third on another, a fourth with nothing to do."""
    north = Situation({Effect.CANCEL: 20, Effect.TOO_LATE: 1}, name="pump-north", limit=Limit(max_devices=500))
    south = Situation({Effect.CANCEL: 16, Effect.CANCELLED: 3}, name="pump-south", limit=Limit(max_devices=500))
    valves = Situation({Effect.CANCEL: 4}, name="valve-1.5", job_id=OTHER_JOB_ID)
    fans = Situation({Effect.CANCELLED: 8}, name="fan-3.1", job_id=OLD_JOB_ID, change=Change.NONE)
    north.more["warnings"] = (f"{north.subject}: 1 key too late to cancel (pump-00001 upgrading)",)
    valves.more["reason"] = ""
    return report(
        headline="`pulumi up` will cancel 40 tasks",
        jobs=(
            job(will_cancel=36),
            job(
                job_id=OTHER_JOB_ID, name="Valves 1.5", firmware_version="1.5.0", firmware_name="", waiting=4,
                exposed=0, will_cancel=4, total=9, by_status=_tasks(init=4, succeeded=5),
            ),
            job(job_id=OLD_JOB_ID, name="Fans 3.1", waiting=0, exposed=0),
        ),
        sets=(north.report(), south.report(), valves.report(), fans.report()),
    )  # fmt: skip


def own_program() -> ReviewReport:
    """A program of one's own changes other things too."""
    return first_preview().model_copy(
        update={
            "others": (
                OtherChange(op="create", type="aws:s3/bucket:Bucket", name="ota-audit"),
                OtherChange(op="delete", type="random:index/randomPet:RandomPet", name="pet"),
            )
        }
    )


def hostile() -> ReviewReport:
    """Every foreign text tries to be markup or a command."""
    texts = HOSTILE
    about = Situation({Effect.CANCEL: 1}, name=texts[0], job_id=texts[13])
    effects = tuple(Effect)
    keys = [
        KeyReport(device_key=text, effect=effects[place % len(effects)], status=texts[-place], source_version=text)
        for place, text in enumerate(texts)
    ]
    keys.sort(key=lambda key: (_ORDER.index(key.effect), key.device_key))
    about.more.update(
        reason=texts[5],
        job_id_before=texts[6],
        digest=_digest(["hostile"]),
        expires=texts[7],
        expect_firmware_version=texts[8],
        metadata=texts,
        errors=texts,
        warnings=texts[::-1],
        guard=GuardUse(limit=Limit(max_devices=1), would_send=9, allowed=1, exceeded=True, broken_glass=texts[6]),
    )
    strange = job(
        job_id=texts[13],
        name=texts[2],
        gateway=texts[5],
        org_id=texts[6],
        firmware_version=texts[7],
        firmware_name=texts[4],
        product_key=texts[10],
        by_status=tuple(StatusCount(status=text, tasks=7) for text in texts),
        same_firmware=tuple(OtherJob(job_id=text, name=text, waiting=1) for text in texts),
    )
    return report(
        project=texts[1],
        stack=texts[3],
        commit=texts[6],
        outcome=Outcome.FAILS,
        headline=" ".join(texts[:6]),
        reasons=texts,
        warnings=texts[::-1],
        jobs=(strange,),
        sets=(_set_of(about, keys),),
        others=tuple(OtherChange(op=text, type=text, name=text) for text in texts),
    )


def many_keys(number: int = 100_000) -> ReviewReport:
    """So many keys that only the HTML page shows them all."""
    about = Situation({Effect.CANCEL: number - 20, Effect.TOO_LATE: 12, Effect.CANCELLED: 8}).report()
    large = job(total=number, waiting=number - 20, will_cancel=number - 20, exposed=0)
    return report(headline=f"`pulumi up` will cancel {number - 20} tasks", jobs=(large,), sets=(about,))


CASES: Final = {
    build.__name__: build
    for build in (
        first_preview,
        large_first_preview,
        drift,
        unexpected_change,
        growth,
        removal,
        replacement,
        held,
        deleted,
        pending,
        expired,
        without_credentials,
        failing_preview,
        broken_glass,
        missing,
        misconfigured,
        outage,
        nothing_to_do,
        several_sets,
        own_program,
        hostile,
    )
}
"""Every situation that is worth a look, by name; each call makes a new report."""

IN_ALL_FORMATS: Final = ("first_preview", "drift", "misconfigured")
"""Situations whose snapshots are kept in every format."""
