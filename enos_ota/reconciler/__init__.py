"""From declared device keys to an outcome, whatever the job, the devices and the network do meanwhile.

Knows EnOS through `enos_ota.enos` only, and nothing of Pulumi.
"""

from enos_ota.reconciler.ending import EarlyEnd, Stop, StoppableClock
from enos_ota.reconciler.guard import Guard
from enos_ota.reconciler.outcome import Category, Finding, JobFacts, JobStatus, Record
from enos_ota.reconciler.reconciler import DEFAULT_MARKERS, Plan, Reconciler, plan
from enos_ota.reconciler.terms import Limits, Terms
from enos_ota.reconciler.verdict import Rules, Verdict, judge, summary
from enos_ota.reconciler.workers import InTurn, Pool

__all__ = [
    "DEFAULT_MARKERS",
    "Category",
    "EarlyEnd",
    "Finding",
    "Guard",
    "InTurn",
    "JobFacts",
    "JobStatus",
    "Limits",
    "Plan",
    "Pool",
    "Reconciler",
    "Record",
    "Rules",
    "Stop",
    "StoppableClock",
    "Terms",
    "Verdict",
    "judge",
    "plan",
    "summary",
]
