"""Checks of everything that a cancel needs. They only read."""

from enos_ota.operations.doctor.examination import examine
from enos_ota.operations.doctor.findings import Finding, FindingState, exit_code

__all__ = ["Finding", "FindingState", "examine", "exit_code"]
