"""The connection to EnOS: settings of the environment and of the stack, combined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

from pydantic import ValidationError

from enos_ota.enos import Credentials, Timeout
from enos_ota.plan import Guard
from enos_ota.settings.models import ENOS, ENOS_OTA, EnosKeys, EnosOtaKeys
from enos_ota.settings.problems import NoCredentials, Problem, SettingsError, label
from enos_ota.settings.wording import explain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from enos_ota.settings.models import Preflight

CONNECT_TIMEOUT: Final = 5.0
"""Seconds for opening a connection; less when `enos:requestTimeout` is less."""

_Get: TypeAlias = Callable[[str], str | None]
Locate: TypeAlias = Callable[[str, Sequence[str | int], str], Problem]
_Keys = TypeVar("_Keys", EnosKeys, EnosOtaKeys)

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
        timeout: in seconds.
        batch_size: device keys in one cancelTask call.
        max_requests_per_second: None for no limit.
        deadline: seconds for one set's change.
        audit_log: as configured: relative to the project, or an absolute path; None for none.
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
    """Checks that a program makes before anything is sent; `guard` limits a set that has none of its own."""

    preflight: Preflight
    guard: Guard


@dataclass(frozen=True, slots=True)
class EnosAddress:
    """An EnOS, by its gateway in the normal form of `enos_ota.enos.check_gateway`, and an organization in it."""

    gateway: str
    org_id: str


def load_address(get: _Get, environ: Mapping[str, str], *, org_id: str | None = None) -> EnosAddress:
    """Return gateway and organization for a program that declares its own sets; it needs no credentials.

    `get` returns the text of a configuration key such as `enos:apiGateway`, or None; `org_id` is the organization if
    neither of them names one.

    Raises:
        SettingsError: with every problem.
    """
    given = _given(get, ENOS, ("apiGateway", "orgId"))
    keys, problems = validate_keys(EnosKeys, ENOS, given, _unplaced)
    environment = read_environment(environ)
    address, more = combine_addresses(keys, environment, _unplaced, present=given, org_id=org_id)
    problems += [*environment.problems, *more]
    if address is None or problems:
        raise SettingsError(problems)
    return address


def load_connection(get: _Get, environ: Mapping[str, str], *, org_id: str | None = None) -> Connection:
    """Return the connection of a provider or a command; the arguments are those of `load_address`, secrets decrypted.

    Raises:
        NoCredentials: the only problem is that there are none; a program can run without.
        SettingsError: with every problem.
    """
    given = _given(get, ENOS, EnosKeys.names())
    keys, problems = validate_keys(EnosKeys, ENOS, given, _unplaced)
    own, more = validate_keys(EnosOtaKeys, ENOS_OTA, _given(get, ENOS_OTA, ("deadline", "auditLog")), _unplaced)
    environment = read_environment(environ)
    problems += [*more, *environment.problems]
    credentials = None if problems else _credentials(environment.keys) or _credentials(keys)
    missing = [] if problems or credentials else [Problem(_no_credentials(keys))]
    address, more = combine_addresses(keys, environment, _unplaced, present=given, org_id=org_id)
    problems += more
    if missing and not problems:
        raise NoCredentials(missing)
    if address is None or credentials is None or problems:
        raise SettingsError([*problems, *missing])
    return Connection(
        gateway=address.gateway,
        org_id=address.org_id,
        credentials=credentials,
        ca_bundle=environment.keys.ca_bundle or keys.ca_bundle,
        timeout=Timeout(connect=min(CONNECT_TIMEOUT, keys.request_timeout), read=keys.request_timeout),
        batch_size=keys.batch_size,
        max_concurrency=keys.max_concurrency,
        max_requests_per_second=keys.max_requests_per_second,
        cancelled_markers=tuple(keys.cancelled_markers),
        deadline=own.deadline,
        audit_log=own.audit_log,
    )


def load_checks(get: _Get) -> Checks:
    """Return the checks that a program makes before anything is sent; argument and error as in `load_address`."""
    own, problems = validate_keys(EnosOtaKeys, ENOS_OTA, _given(get, ENOS_OTA, ("preflight", "guard")), _unplaced)
    if problems:
        raise SettingsError(problems)
    return Checks(own.preflight, own.guard.limits() if own.guard else Guard())


def validate_keys(
    model: type[_Keys], namespace: str, given: Mapping[str, Any], locate: Locate
) -> tuple[_Keys, list[Problem]]:
    """Return the keys of a namespace, each invalid one with its default, and the problems."""
    try:
        return model.model_validate(given), []
    except ValidationError as error:
        found = list(explain(error, model, noun=f"{namespace}: key"))
    wrong = {path[0] for path, _ in found}
    problems = [locate(f"{namespace}:{path[0]}", path[1:], f"{namespace}:{text}") for path, text in found]
    return model.model_validate({name: value for name, value in given.items() if name not in wrong}), problems


class Environment(NamedTuple):
    """The valid keys that the environment gives, the names of all that it gives, and the problems."""

    keys: EnosKeys
    present: Collection[str]
    problems: list[Problem]


def read_environment(environ: Mapping[str, str]) -> Environment:
    """Read the environment alone; one of its problems is half a pair of credentials.

    An empty variable counts as not set: CI systems pass a missing secret as an empty text.
    """
    given = {name: value for name, variable in VARIABLES.items() if (value := environ.get(variable))}

    def locate(key: str, _: Sequence[str | int], text: str) -> Problem:
        name = key.removeprefix(f"{ENOS}:")
        return Problem(VARIABLES[name] + text.removeprefix(key))

    keys, problems = validate_keys(EnosKeys, ENOS, given, locate)
    pair = [VARIABLES[name] for name in ("appKey", "appSecret")]
    if len(here := [variable for variable in pair if environ.get(variable)]) == 1:
        (other,) = set(pair).difference(here)
        text = f"{here[0]} is set and {other} is not: set both, or neither to use the pair of the stack"
        problems.append(Problem(text))
    return Environment(keys, given, problems)


def combine_addresses(
    stack: EnosKeys,
    environment: Environment,
    locate: Locate,
    *,
    present: Collection[str],
    org_id: str | None = None,
) -> tuple[EnosAddress | None, list[Problem]]:
    """Return gateway and organization, and the problems; environment and stack must not contradict each other.

    `stack` has the valid keys of the stack, `present` the names of all that it gives.
    """
    problems: list[Problem] = []
    around = environment.keys
    gateway = stack.api_gateway or around.api_gateway
    org_id = stack.org_id or around.org_id or org_id
    for name, noun, inside, outside, found in (
        ("apiGateway", "gateway", stack.api_gateway, around.api_gateway, gateway),
        ("orgId", "organization", stack.org_id, around.org_id, org_id),
    ):
        variable, key = VARIABLES[name], f"{ENOS}:{name}"
        if inside and outside and inside != outside:
            text = (
                f"the {noun} differs: {key} is {inside}, {variable} is {outside}; unset {variable} or change {key},"
                " a stack belongs to one of them"
            )
            problems.append(locate(key, (), text))
        elif not (found or name in present or name in environment.present):
            text = f"no {noun}: set {key} in the stack file or {variable} in the environment"
            problems.append(Problem(text, path=key))
    return (EnosAddress(gateway, org_id) if gateway and org_id else None), problems


def _unplaced(key: str, path: Sequence[str | int], text: str) -> Problem:
    return Problem(text, path=label((key, *path)))


def _given(get: _Get, namespace: str, names: Iterable[str]) -> dict[str, str]:
    return {name: text for name in names if (text := get(f"{namespace}:{name}")) is not None}


def _credentials(keys: EnosKeys) -> Credentials | None:
    return Credentials(keys.app_key, keys.app_secret) if keys.app_key and keys.app_secret else None


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
