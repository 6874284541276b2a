"""Whether everything is there that it takes to cancel tasks: looked at in order, from the outside in, never writing."""

from enos_ota.operations.doctor.examination import Examination
from enos_ota.operations.doctor.findings import Finding, State, exit_code

__all__ = ["Examination", "Finding", "State", "exit_code"]
