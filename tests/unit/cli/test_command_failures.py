"""How a command ends that did not come to its end: which exit code each failure has, and what is shown of it."""

from __future__ import annotations

import inspect

import click
import pytest

from enos_ota import enos
from enos_ota.cli.failures import exit_with_message
from enos_ota.settings import Problem, SettingsError

ERRORS = sorted(
    (
        kind
        for _, kind in inspect.getmembers(enos, inspect.isclass)
        if issubclass(kind, enos.EnosError) and kind is not enos.EnosError
    ),
    key=lambda kind: kind.__name__,
)
CODES = dict.fromkeys(ERRORS, 3) | {
    enos.ConfigurationError: 2,
    enos.JobNotFound: 1,
    enos.JobNotRunning: 1,
    enos.JobHasStarted: 1,
    enos.JobHasStopped: 1,
    enos.TasksNotCancellable: 1,
    enos.TasksNotRetryable: 1,
}


def ended(error: Exception) -> click.ClickException:
    with pytest.raises(click.ClickException) as caught, exit_with_message():
        raise error
    return caught.value


@pytest.mark.parametrize("kind", ERRORS)
def test_every_failure_of_the_client_is_a_no_or_a_configuration_or_left_open(kind: type[enos.EnosError]) -> None:
    assert ended(kind("what happened")).exit_code == CODES[kind]


@pytest.mark.parametrize("kind", ERRORS)
def test_the_message_is_the_clients_own(kind: type[enos.EnosError]) -> None:
    assert ended(kind("what happened")).format_message() == "what happened"


def test_where_enos_objects_to_the_organization_the_setting_to_check_is_named() -> None:
    error = ended(enos.InvalidArgument("EnOS refused searchJob: 99400 Invalid Argument orgId:  orgId does not exist"))
    assert error.format_message().endswith("does not exist Check enos:orgId (ENOS_ORG_ID).")
    assert "enos:orgId" not in ended(enos.InvalidArgument("Invalid Argument pageSize")).format_message()


def test_a_wrong_configuration_is_2_and_names_every_problem() -> None:
    error = ended(SettingsError([Problem("one", "stacks/Pulumi.prod.yaml", 3), Problem("two")]))
    assert error.exit_code == 2
    assert error.format_message().splitlines()[1:] == ["  two", "  stacks/Pulumi.prod.yaml:3: one"]


def test_nothing_in_the_name_of_a_file_is_obeyed() -> None:
    error = ended(SettingsError([Problem("text", "stacks/Pulumi.\x1b[31mred.yaml")]))
    assert error.format_message().splitlines()[1] == r"  stacks/Pulumi.\x1b[31mred.yaml: text"


def test_nothing_of_what_was_under_way_shows() -> None:
    error = ended(enos.AnswerLost("what happened"))
    assert (error.__cause__, error.__suppress_context__) == (None, True)


def test_what_is_no_failure_of_ours_is_passed_on() -> None:
    with pytest.raises(ZeroDivisionError), exit_with_message():
        raise ZeroDivisionError


def test_where_nothing_fails_nothing_is_said() -> None:
    with exit_with_message():
        pass
