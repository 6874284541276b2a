"""Fleet: organizations, applications, jobs and their tasks, parsed from YAML; docs/simulator.md has an example."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import yaml
from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from enos_simulator.errors import SetupError
from enos_simulator.faults import Fault  # noqa: TC001 - pydantic needs it
from enos_simulator.movement import NO_MOVEMENT, Movement
from enos_simulator.parsing import InputModel, NotNegative
from enos_simulator.switches import Switches

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_ORG: Final = "o16172478070561926"
DEFAULT_APP_KEY: Final = "11112222-3333-4444-5555-666677778888"
DEFAULT_APP_SECRET: Final = "aaaabbbb-cccc-4ddd-8eee-ffff00001111"  # noqa: S105 - for show, opens nothing


MOST_TASKS: Final = 2_000_000
"""Tasks in one group of devices at most: about 750 MB."""

_LONGEST_TEXT: Final = 10_000
_LARGEST_NUMBER: Final = 2**63 - 1
_KEY_PATTERN: Final = re.compile(r"(?:[^{}]|{{|}})*{(?::0?\d{0,2}[dxX]?)?}(?:[^{}]|{{|}})*")
"""A text with one place for a number, as `str.format` reads it."""

Text = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=_LONGEST_TEXT)]
FreeText = Annotated[str, StringConstraints(strict=True, max_length=_LONGEST_TEXT)]
Whole = Annotated[int, Field(ge=-_LARGEST_NUMBER, le=_LARGEST_NUMBER)]
Status = Literal["init", "published", "upgrading", "succeeded", "failed", "canceled", "cancelled"]


def _as_list(value: object) -> object:
    return value if isinstance(value, list) or value is None else [value]


class I18nText(InputModel):
    """A text in several languages, StringI18n of EnOS. A plain text sets the default value."""

    default_value: Text
    i18n_value: dict[str, FreeText] = Field(default={}, alias="i18nValue")

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: object) -> object:
        return {"defaultValue": value} if isinstance(value, str) else value


class App(InputModel):
    """An application: its credentials, its organizations (None: all) and its permissions in them."""

    app_key: Text
    app_secret: Text
    orgs: tuple[Text, ...] | None = None
    permissions: tuple[Literal["read", "control"], ...] = ("read", "control")


class TaskSpec(InputModel):
    """One task. If unset, desc and progress follow from the status."""

    device_key: Text
    product_key: Text | None = None
    status: Status = "init"
    desc: FreeText | None = None
    progress: Whole | None = None
    from_version: Text = "1.0"


class DevicesSpec(InputModel):
    """Many similar tasks."""

    count: Annotated[int, Field(ge=1, le=MOST_TASKS)]
    key: Annotated[Text, StringConstraints(max_length=100)]
    first: Annotated[Whole, Field(ge=0)] = 1
    product_key: Text | None = None
    states: dict[Status, Annotated[int, Field(ge=0)]] = Field(default={})
    from_version: Annotated[tuple[Text, ...], BeforeValidator(_as_list), Field(min_length=1)] = ("1.0",)

    @field_validator("key")
    @classmethod
    def _check_pattern(cls, key: str) -> str:
        if not _KEY_PATTERN.fullmatch(key):
            raise ValueError('needs one place for the number, for example "pump-{:05d}", with at most 99 digits')
        return key

    @model_validator(mode="after")
    def _check_states(self) -> DevicesSpec:
        if self.states and sum(self.states.values()) != self.count:
            raise ValueError(f"states add up to {sum(self.states.values())}, count is {self.count}")
        return self


class RetryPolicy(InputModel):
    """The retryPolicy of a job. The unit of the interval is not documented [U]; here it is seconds."""

    enable_retry: bool = False
    retry_interval: NotNegative = 60
    retry_count: Annotated[Whole, Field(ge=0)] = 1


class JobSpec(InputModel):
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
    retry_policy: RetryPolicy | None = None
    schedule_policy: dict[str, Any] | None = None
    maximum_concurrency: Whole = 300
    status: Literal["started", "stopped"] | None = None
    create_time: Whole | None = None
    start_schedule: Whole = 0
    end_schedule: Whole = 86399
    tasks: tuple[TaskSpec, ...] = ()
    devices: Annotated[tuple[DevicesSpec, ...], BeforeValidator(_as_list)] = ()


class Fleet(InputModel):
    """The initial content of a simulator."""

    token_seconds: Annotated[Whole, Field(ge=1)] = 7200
    switches: Switches = Switches()
    faults: Annotated[tuple[Fault, ...], BeforeValidator(_as_list)] = ()
    movement: Movement = NO_MOVEMENT
    orgs: Annotated[tuple[Text, ...], Field(min_length=1)] = (DEFAULT_ORG,)
    apps: Annotated[tuple[App, ...], Field(min_length=1)] = (
        App(app_key=DEFAULT_APP_KEY, app_secret=DEFAULT_APP_SECRET),
    )
    jobs: tuple[JobSpec, ...] = ()

    @model_validator(mode="after")
    def _check_references(self) -> Fleet:
        problems = []
        for kind, ids in (
            ("appKey", [app.app_key for app in self.apps]),
            ("jobId", [job.job_id for job in self.jobs]),
            ("organization", self.orgs),
        ):
            problems += [f"{kind} {one} occurs more than once" for one, count in Counter(ids).items() if count > 1]
        for app in self.apps:
            problems += [f"app {app.app_key}: no organization {org}" for org in app.orgs or () if org not in self.orgs]
        problems += [
            f"job {job.job_id}: no organization {job.org_id}"
            for job in self.jobs
            if job.org_id is not None and job.org_id not in self.orgs
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self


def parse_fleet(data: object) -> Fleet:
    """Parse the content of a YAML or JSON file; None is an empty file. Raises SetupError with every problem."""
    return Fleet.parse({} if data is None else data)


def read_fleet(path: Path) -> Fleet:
    """Read a fleet from a YAML file. Raises SetupError; each of its lines begins with the path."""
    try:
        with path.open("rb") as file:
            # The safe loader, in C where built.
            return parse_fleet(yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))  # noqa: S506
    except SetupError as error:
        raise SetupError([f"{path}: {problem}" for problem in error.problems]) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SetupError([f"{path}: invalid YAML: {' '.join(str(error).split())}"]) from None
    except OSError as error:
        raise SetupError([f"{path}: {error.strerror or error}"]) from None
