"""What a change of a set would do: the declared set, its record, its state in EnOS now. Pure data, no network."""

from enos_ota.plan.codes import Code
from enos_ota.plan.guard import Guard, Objection
from enos_ota.plan.live import LiveSet
from enos_ota.plan.messages import Message, SetVerdict, Severity, describe_plan, describe_record
from enos_ota.plan.plan import Plan, build_plan
from enos_ota.plan.record import Category, JobFacts, KeyOutcome, Record, RecordedJobStatus
from enos_ota.plan.task_set import TaskSet

__all__ = [
    "Category",
    "Code",
    "Guard",
    "JobFacts",
    "KeyOutcome",
    "LiveSet",
    "Message",
    "Objection",
    "Plan",
    "Record",
    "RecordedJobStatus",
    "SetVerdict",
    "Severity",
    "TaskSet",
    "build_plan",
    "describe_plan",
    "describe_record",
]
