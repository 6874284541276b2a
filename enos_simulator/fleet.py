"""A fleet from YAML: organisations, applications, jobs and their tasks, checked as a whole before anything runs.

    tokenSeconds: 7200                 # lifetime of an access token
    switches: {cancelMode: partial}    # see `switches`
    faults: [latency get nth=3]        # see `faults`
    movement: {begin: [1, 5]}          # see `movement`; default: off
    orgs: [o16172478070561926]
    apps:
      - appKey: 11112222-3333-4444-5555-666677778888
        appSecret: aaaabbbb-cccc-4ddd-8eee-ffff00001111
        orgs: [o16172478070561926]     # default: all
        permissions: [read, control]   # default: both
    jobs:
      - jobId: "65a1b2c3d4e5f60718293a4b"
        orgId: o16172478070561926      # default: the first
        name: Pump firmware 2.3.0      # or {defaultValue: …, i18nValue: {zh_CN: …}}
        firmwareVersion: "2.3.0"       # and every other field of JobInfo
        status: started                # default
        tasks:                         # tasks one by one
          - {deviceKey: dk-01, status: init, fromVersion: "2.2.0"}
        devices:                       # and/or many alike; one such mapping or a list of them
          - count: 1000
            key: "pump-{:05d}"         # numbers from `first`, default 1
            states: {init: 900, published: 60, cancelled: 40}   # in this order; default: all init
            fromVersion: ["2.2.0", "2.1.4"]                     # in turn

A status is one of the five of EnOS, or `cancelled`: what a cancelled task looks like under the switches of the moment.
Everything has a default; an empty file is a fleet with one organisation, one application and no job. Whatever a fleet
says, it takes a bounded amount of memory: file, texts, numbers and tasks have limits.
"""

from __future__ import annotations

import re
import reprlib
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from enos_simulator.faults import FaultError, parse_fault
from enos_simulator.movement import Movement, MovementError
from enos_simulator.switches import SwitchError, Switches

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_ORG: Final = "o16172478070561926"
DEFAULT_APP_KEY: Final = "11112222-3333-4444-5555-666677778888"
DEFAULT_APP_SECRET: Final = "aaaabbbb-cccc-4ddd-8eee-ffff00001111"  # noqa: S105 - for show, opens nothing


MOST_TASKS: Final = 2_000_000
"""Tasks that a simulator holds at most: about 750 MB."""

_LARGEST_FILE: Final = 16 * 1024 * 1024
_MOST_VALUES: Final = 10_000_000
"""Values of a file at most, when its YAML aliases are written out."""

_LONGEST_TEXT: Final = 10_000
_LARGEST_NUMBER: Final = 2**63 - 1
_NUMBERED: Final = re.compile(r"(?:[^{}]|{{|}})*{(?::0?\d{0,2}[dxX]?)?}(?:[^{}]|{{|}})*")
"""Text with one place for a number, as `str.format` reads it. The width is bounded: it takes that much memory."""


class FleetError(ValueError):
    """A fleet that cannot be used; `problems` has one line each, with where in the file it is."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


Text = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=_LONGEST_TEXT)]
FreeText = Annotated[str, StringConstraints(strict=True, max_length=_LONGEST_TEXT)]
Whole = Annotated[int, Field(ge=-_LARGEST_NUMBER, le=_LARGEST_NUMBER)]
Status = Literal["init", "published", "upgrading", "succeeded", "failed", "canceled", "cancelled"]


def _as_list(value: object) -> object:
    return value if isinstance(value, list) or value is None else [value]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)


class I18nText(_Part):
    """A text in several languages, StringI18n of EnOS. A plain text is its default value."""

    default_value: Text
    i18n_value: Annotated[dict[str, FreeText], Field(alias="i18nValue")] = {}

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        return {"defaultValue": value} if isinstance(value, str) else value


class AppSpec(_Part):
    """An application."""

    app_key: Text
    app_secret: Text
    orgs: list[Text] | None = None
    permissions: list[Literal["read", "control"]] = ["read", "control"]


class TaskSpec(_Part):
    """One task. Unset: desc and progress as they usually go with the status."""

    device_key: Text
    product_key: Text | None = None
    status: Status = "init"
    desc: FreeText | None = None
    progress: Whole | None = None
    from_version: Text | None = None


class DevicesSpec(_Part):
    """Many tasks alike."""

    count: Annotated[int, Field(ge=1, le=MOST_TASKS)]
    key: Annotated[Text, StringConstraints(max_length=100)]
    first: Annotated[Whole, Field(ge=0)] = 1
    product_key: Text | None = None
    states: dict[Status, Annotated[int, Field(ge=0)]] = {}
    from_version: Annotated[list[Text], BeforeValidator(_as_list), Field(min_length=1)] | None = None

    @field_validator("key")
    @classmethod
    def _numbered(cls, key: str) -> str:
        if not _NUMBERED.fullmatch(key):
            raise ValueError('needs one place for the number, as in "pump-{:05d}", with at most 99 digits')
        return key

    @model_validator(mode="after")
    def _adds_up(self) -> DevicesSpec:
        if self.states and sum(self.states.values()) != self.count:
            raise ValueError(f"states add up to {sum(self.states.values())}, count is {self.count}")
        return self


class JobSpec(_Part):
    """A job: the fields of JobInfo, all but `jobId` with a default, and its tasks."""

    job_id: Text
    org_id: Text | None = None
    product_key: Text = "Pk12aB34"
    name: I18nText | None = None
    firmware_id: Text = "65a0f0f0f0f0f0f0f0f0f0f0"
    firmware_version: Text = "1.0.0"
    firmware_name: I18nText | None = None
    type: Literal["upgrade", "verify"] = "upgrade"
    enable_upgrade_request: bool = False
    upgrade_policy: Literal["snapshot", "incremental"] = "snapshot"
    upgrade_scope: dict[str, Any] | None = None
    upgrade_timeout: Whole = 7200
    retry_policy: dict[str, Any] | None = None
    schedule_policy: dict[str, Any] | None = None
    maximum_concurrency: Whole = 300
    status: Literal["started", "stopped"] | None = None
    create_time: Whole | None = None
    start_schedule: Whole = 0
    end_schedule: Whole = 86399
    tasks: list[TaskSpec] = []
    devices: Annotated[list[DevicesSpec], BeforeValidator(_as_list)] = []

    @property
    def size(self) -> int:
        """How many tasks the job has."""
        return len(self.tasks) + sum(devices.count for devices in self.devices)

    @model_validator(mode="after")
    def _each_device_once(self) -> JobSpec:
        # Generated keys are compared when the tasks are made; here only what a person wrote one by one.
        seen = Counter((task.product_key or self.product_key, task.device_key) for task in self.tasks)
        twice = [key for (_, key), count in seen.items() if count > 1]
        if twice:
            raise ValueError(f"tasks: device key {', '.join(twice[:3])} stands more than once under the same product")
        return self


class Fleet(_Part):
    """All that a simulator starts with."""

    token_seconds: Annotated[Whole, Field(ge=1)] = 7200
    switches: dict[str, Any] = {}
    faults: Annotated[list[dict[str, Any] | str], BeforeValidator(_as_list)] = []
    movement: bool | str | dict[str, Any] = False
    orgs: Annotated[list[Text], Field(min_length=1)] = [DEFAULT_ORG]
    apps: Annotated[list[AppSpec], Field(min_length=1)] = [
        AppSpec.model_validate({"appKey": DEFAULT_APP_KEY, "appSecret": DEFAULT_APP_SECRET}),
    ]
    jobs: list[JobSpec] = []

    @field_validator("switches")
    @classmethod
    def _known_switches(cls, values: dict[str, Any]) -> dict[str, Any]:
        try:
            Switches().changed(values)
        except SwitchError as error:
            raise ValueError(str(error)) from None
        return values

    @field_validator("faults")
    @classmethod
    def _known_faults(cls, values: list[Any]) -> list[Any]:
        problems = []
        for number, value in enumerate(values):
            try:
                parse_fault(value)
            except FaultError as error:
                problems += [f"[{number}] {problem}" for problem in error.problems]
        if problems:
            raise ValueError("; ".join(problems))
        return values

    @field_validator("movement")
    @classmethod
    def _possible_movement(cls, value: Any) -> Any:
        try:
            Movement.parse(value)
        except MovementError as error:
            raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Fleet:
        problems = too_many_tasks(sum(job.size for job in self.jobs))
        for kind, ids in (
            ("appKey", [app.app_key for app in self.apps]),
            ("jobId", [job.job_id for job in self.jobs]),
            ("organisation", self.orgs),
        ):
            problems += [f"{kind} {one} stands more than once" for one, count in Counter(ids).items() if count > 1]
        for app in self.apps:
            problems += [f"app {app.app_key}: no organisation {org}" for org in app.orgs or () if org not in self.orgs]
        problems += [
            f"job {job.job_id}: no organisation {job.org_id}"
            for job in self.jobs
            if job.org_id is not None and job.org_id not in self.orgs
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self


def too_many_tasks(count: int) -> list[str]:
    """The problem that a simulator would hold so many tasks, if it is one."""
    return [f"{count} tasks in all; at most {MOST_TASKS} are possible"] if count > MOST_TASKS else []


def parse_fleet(data: object) -> Fleet:
    """A fleet from what a YAML or JSON file holds; None is an empty file.

    Raises:
        FleetError: With all that is wrong at once.
    """
    try:
        return Fleet.model_validate({} if data is None else data)
    except ValidationError as error:
        raise FleetError(_problems(error)) from None


def parse_job(data: object) -> JobSpec:
    """One job, as it stands under `jobs` in a fleet.

    Raises:
        FleetError: With all that is wrong at once.
    """
    try:
        return JobSpec.model_validate(data)
    except ValidationError as error:
        raise FleetError(_problems(error)) from None


def read_fleet(path: Path) -> Fleet:
    """A fleet from a YAML file.

    Raises:
        FleetError: The file cannot be read, is no YAML, or holds something else; each line begins with the path.
    """
    try:
        with path.open("rb") as file:
            return parse_fleet(_load(file.read(_LARGEST_FILE + 1)))
    except FleetError as error:
        raise FleetError([f"{path}: {problem}" for problem in error.problems]) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FleetError([f"{path}: no valid YAML: {' '.join(str(error).split())}"]) from None
    except RecursionError:
        raise FleetError([f"{path}: nested too deeply"]) from None
    except OSError as error:
        raise FleetError([f"{path}: {error.strerror or error}"]) from None


def _load(content: bytes) -> object:
    if len(content) > _LARGEST_FILE:
        raise FleetError([f"larger than {_LARGEST_FILE} bytes"])
    data: object = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - the safe loader, in C where built
    if _values(data, {}) > _MOST_VALUES:
        raise FleetError([f"more than {_MOST_VALUES} values when its aliases are written out"])
    return data


def _values(node: object, known: dict[int, int]) -> int:
    """How many values there are in a node of YAML, each alias counted like what it stands for."""
    if not isinstance(node, dict | list):
        return 1
    if id(node) not in known:
        known[id(node)] = _MOST_VALUES  # an alias of a node that it is in has no end
        parts = chain(node, node.values()) if isinstance(node, dict) else node
        known[id(node)] = 1 + sum(_values(part, known) for part in parts)
    return known[id(node)]


def _problems(error: ValidationError) -> list[str]:
    found = []
    for one in error.errors(include_url=False, include_context=False):
        path = ""
        for step in one["loc"]:
            path += f"[{step}]" if isinstance(step, int) else f"{'.' if path else ''}{step}"
        message = one["msg"].removeprefix("Value error, ")
        if one["type"] == "string_type":
            message = f"must be a text: put it in quotes (YAML reads it as {reprlib.repr(one['input'])})"
        found.append(f"{path or 'fleet'}: {message}")
    return found
