"""From declared device keys to an outcome, whatever the job, the devices and the network do meanwhile.

Knows EnOS through `enos_ota.enos` only, and nothing of Pulumi.
"""

from enos_ota.reconciler.cancellation import Limits
from enos_ota.reconciler.outcome import Category, Finding, JobFacts, JobStatus, Record
from enos_ota.reconciler.reconciler import DEFAULT_MARKERS, Plan, Reconciler, plan
from enos_ota.reconciler.verdict import Rules, Verdict, judge, summary

__all__ = [
    "DEFAULT_MARKERS",
    "Category",
    "Finding",
    "JobFacts",
    "JobStatus",
    "Limits",
    "Plan",
    "Reconciler",
    "Record",
    "Rules",
    "Verdict",
    "judge",
    "plan",
    "summary",
]
