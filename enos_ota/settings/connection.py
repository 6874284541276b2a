"""The connection to EnOS: settings of the environment and of the stack, combined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from enos_ota.enos import ConfigurationError, Credentials, Timeout, check_gateway
from enos_ota.plan import Guard
from enos_ota.settings.models import ENOS, ENOS_OTA, EnosKeys, EnosOtaKeys
from enos_ota.settings.problems import NoCredentials, Problem, SettingsError, label
from enos_ota.settings.wording import explain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from enos_ota.settings.models import Preflight

CONNECT_TIMEOUT: Final = 5.0
"""Seconds for opening a connection; less when `enos:requestTimeout` is less."""

VARIABLES: Final = {
    "apiGateway": "ENOS_API_GATEWAY",
    "orgId": "ENOS_ORG_ID",
    "appKey": "ENOS_APP_KEY",
    "appSecret": "ENOS_APP_SECRET",
    "caBundle": "ENOS_CA_BUNDLE",
}
"""The environment variable for each key under `enos:` that may have one."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Everything that a client of EnOS needs.

    Attributes:
        gateway: in the normal form of `enos_ota.enos.check_gateway`.
        org_id: the organization.
        credentials: from the environment if they are there, else from the stack.
        ca_bundle: file of certificates to trust, or None for those of the system.
        timeout: in seconds.
        batch_size: device keys in one cancelTask call.
        max_concurrency: concurrent requests.
        max_requests_per_second: None for no limit.
        cancelled_markers: texts by which EnOS marks a cancelled task.
        deadline: seconds for one set's change.
        audit_log: file that records every writing request, as configured: relative to the project, or an absolute
            path; None for none.
    """

    gateway: str
    org_id: str
    credentials: Credentials = field(repr=False)
    ca_bundle: str | None
    timeout: Timeout
    batch_size: int
    max_concurrency: int
    max_requests_per_second: float | None
    cancelled_markers: tuple[str, ...]
    deadline: float
    audit_log: str | None


@dataclass(frozen=True, slots=True)
class Checks:
    """Checks that a program makes before anything is sent.

    Attributes:
        preflight: whether a preview reads the tasks it would cancel.
        guard: limits of one change of a set that has none of its own.
    """

    preflight: Preflight
    guard: Guard


@dataclass(frozen=True, slots=True)
class EnosAddress:
    """An EnOS, and an organization in it.

    Attributes:
        gateway: in the normal form of `enos_ota.enos.check_gateway`.
        org_id: the organization.
    """

    gateway: str
    org_id: str


@dataclass(frozen=True, slots=True)
class _Stack:
    """The keys of the stack under `enos:`; `sound` leaves out the invalid ones, which are in `problems`."""

    present: frozenset[str]
    sound: dict[str, str]
    keys: EnosKeys
    problems: list[Problem]


def load_address(
    get: Callable[[str], str | None], environ: Mapping[str, str], *, org_id: str | None = None
) -> EnosAddress:
    """Return gateway and organization for a program that declares its own sets; it needs no credentials.

    Args:
        get: the text of a configuration key such as `enos:apiGateway`, or None.
        environ: the environment.
        org_id: the organization if neither of them names one.

    Raises:
        SettingsError: with every problem.
    """
    stack = _read_stack(get, ("apiGateway", "orgId"))
    address, problems = combine_addresses(stack.sound, environ, _unplaced, present=stack.present, org_id=org_id)
    problems = [*stack.problems, *environment_problems(environ), *problems]
    if address is None or problems:
        raise SettingsError(problems)
    return address


def load_connection(
    get: Callable[[str], str | None], environ: Mapping[str, str], *, org_id: str | None = None
) -> Connection:
    """Return the connection of a provider or a command.

    Args:
        get: the text of a configuration key such as `enos:apiGateway`, secrets decrypted, or None.
        environ: the environment.
        org_id: the organization if neither of them names one.

    Raises:
        NoCredentials: the only problem is that there are none; a program can run without.
        SettingsError: with every problem.
    """
    stack = _read_stack(get, EnosKeys.names())
    own, wrong = _read_own(get, ("deadline", "auditLog"))
    faults = [*stack.problems, *wrong, *environment_problems(environ)]
    address, more = combine_addresses(stack.sound, environ, _unplaced, present=stack.present, org_id=org_id)
    credentials = None if faults else _credentials(stack.keys, environ)
    problems = [*faults, *more]
    if credentials is None and not faults:
        problems.append(Problem(_no_credentials(stack.keys)))
        if len(problems) == 1:
            raise NoCredentials(problems)
    if address is None or credentials is None or problems:
        raise SettingsError(problems)
    keys = stack.keys
    return Connection(
        gateway=address.gateway,
        org_id=address.org_id,
        credentials=credentials,
        ca_bundle=environ.get(VARIABLES["caBundle"]) or keys.ca_bundle,
        timeout=Timeout(connect=min(CONNECT_TIMEOUT, keys.request_timeout), read=keys.request_timeout),
        batch_size=keys.batch_size,
        max_concurrency=keys.max_concurrency,
        max_requests_per_second=keys.max_requests_per_second,
        cancelled_markers=tuple(keys.cancelled_markers),
        deadline=own.deadline,
        audit_log=own.audit_log,
    )


def load_checks(get: Callable[[str], str | None]) -> Checks:
    """Return the checks that a program makes before anything is sent.

    Args:
        get: the text of a configuration key such as `enos-ota:guard`, or None.

    Raises:
        SettingsError: with every problem.
    """
    own, problems = _read_own(get, ("preflight", "guard"))
    if problems:
        raise SettingsError(problems)
    return Checks(own.preflight, own.guard.limits() if own.guard else Guard())


def environment_problems(environ: Mapping[str, str]) -> list[Problem]:
    """Return the problems of the environment alone: half a pair of credentials, white space, control characters.

    An empty variable counts as not set: CI systems pass a missing secret as an empty text.
    """
    problems = []
    given = {VARIABLES[name]: value for name, value in _from_environment(environ).items()}
    try:
        EnosKeys.model_validate(_from_environment(environ))
    except ValidationError as error:
        problems = [
            Problem(VARIABLES[str(path[0])] + text[len(str(path[0])) :])
            for path, text in explain(error, EnosKeys, noun="variable")
        ]
    pair = ("ENOS_APP_KEY", "ENOS_APP_SECRET")
    here = [name for name in pair if name in given]
    if len(here) == 1:
        other = pair[1 - pair.index(here[0])]
        problems.append(
            Problem(f"{here[0]} is set and {other} is not: set both, or neither to use the pair of the stack")
        )
    return problems


def combine_addresses(
    stack: Mapping[str, Any],
    environ: Mapping[str, str],
    locate: Callable[[str, str], Problem],
    *,
    present: Collection[str] | None = None,
    org_id: str | None = None,
) -> tuple[EnosAddress | None, list[Problem]]:
    """Return gateway and organization, and the problems; environment and stack must not contradict each other.

    Args:
        stack: the valid keys under `enos:`.
        environ: the environment.
        locate: makes a problem of a key's name and a text.
        present: the keys that the stack gives, valid or not; then a key that is given nowhere is a problem.
        org_id: the organization if neither of them names one.
    """
    problems: list[Problem] = []
    found: dict[str, str | None] = {}
    around = _from_environment(environ)
    for name, noun in (("apiGateway", "gateway"), ("orgId", "organization")):
        variable, key = VARIABLES[name], f"{ENOS}:{name}"
        inside, outside = stack.get(name), around.get(name)
        if name == "apiGateway":
            inside = _gateway(inside, key, lambda text: problems.append(locate("apiGateway", text)))
            outside = _gateway(outside, variable, lambda text: problems.append(Problem(text)))
        if inside and outside and inside != outside:
            problems.append(
                locate(
                    name,
                    f"the {noun} differs: {key} is {inside}, {variable} is {outside}; unset {variable} or change {key},"
                    " a stack belongs to one of them",
                )
            )
        otherwise = org_id if name == "orgId" else None
        found[name] = inside or outside or otherwise
        if present is not None and name not in present and name not in around and not otherwise:
            problems.append(
                Problem(f"no {noun}: set {key} in the stack file or {variable} in the environment", path=key)
            )
    gateway, org_id = found["apiGateway"], found["orgId"]
    return (EnosAddress(gateway, org_id) if gateway and org_id else None), problems


def _unplaced(name: str, text: str) -> Problem:
    return Problem(text, path=f"{ENOS}:{name}")


def _read_stack(get: Callable[[str], str | None], names: Iterable[str]) -> _Stack:
    given = {name: text for name in names if (text := get(f"{ENOS}:{name}")) is not None}
    sound, problems = dict(given), []
    try:
        EnosKeys.model_validate(given)
    except ValidationError as error:
        for path, text in explain(error, EnosKeys, noun=f"{ENOS}: key"):
            problems.append(_unplaced(str(path[0]), f"{ENOS}:{text}"))
            sound.pop(str(path[0]), None)
    return _Stack(frozenset(given), sound, EnosKeys.model_validate(sound), problems)


def _read_own(get: Callable[[str], str | None], names: Iterable[str]) -> tuple[EnosOtaKeys, list[Problem]]:
    """Return these keys under `enos-ota:`, defaults for all of them if any is invalid, and the problems."""
    given = {name: text for name in names if (text := get(f"{ENOS_OTA}:{name}")) is not None}
    try:
        return EnosOtaKeys.model_validate(given), []
    except ValidationError as error:
        return EnosOtaKeys(), [
            Problem(f"{ENOS_OTA}:{text}", path=f"{ENOS_OTA}:{label(path)}")
            for path, text in explain(error, EnosOtaKeys, noun=f"{ENOS_OTA}: key")
        ]


def _gateway(url: str | None, source: str, note: Callable[[str], None]) -> str | None:
    if not url:
        return None
    try:
        return check_gateway(url)
    except ConfigurationError as error:
        note(f"{source}: {error}")
        return None


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, variable in VARIABLES.items() if (value := environ.get(variable))}


def _credentials(keys: EnosKeys, environ: Mapping[str, str]) -> Credentials | None:
    outside = _from_environment(environ)
    if "appKey" in outside and "appSecret" in outside:
        return Credentials(outside["appKey"], outside["appSecret"])
    if keys.app_key and keys.app_secret:
        return Credentials(keys.app_key, keys.app_secret)
    return None


def _no_credentials(keys: EnosKeys) -> str:
    if keys.app_key or keys.app_secret:
        there, missing = ("appKey", "appSecret") if keys.app_key else ("appSecret", "appKey")
        what = f"{ENOS}:{there} is set and {ENOS}:{missing} is not"
    else:
        what = "no credentials for EnOS"
    return (
        f"{what}: set ENOS_APP_KEY and ENOS_APP_SECRET, or {ENOS}:appKey and {ENOS}:appSecret"
        f" (pulumi config set --secret {ENOS}:appSecret)"
    )
