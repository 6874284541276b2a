"""Stack configuration and environment as typed settings; all problems are reported at once."""

from enos_ota.settings.check import (
    audit_log_objection,
    load_sets,
    read_stack_file,
)
from enos_ota.settings.connection import Checks, Connection, EnosAddress, load_address, load_checks, load_connection
from enos_ota.settings.problems import NoCredentials, Problem, SettingsError
from enos_ota.settings.sets import SetSettings
from enos_ota.settings.stackfile import project_around, short_name

__all__ = [
    "Checks",
    "Connection",
    "EnosAddress",
    "NoCredentials",
    "Problem",
    "SetSettings",
    "SettingsError",
    "audit_log_objection",
    "load_address",
    "load_checks",
    "load_connection",
    "load_sets",
    "project_around",
    "read_stack_file",
    "short_name",
]
