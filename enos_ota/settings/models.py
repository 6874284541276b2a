"""The keys of a stack's configuration: names, types, limits, defaults, descriptions.

Keys directly under a namespace may also be numbers or JSON as texts, as `pulumi config set` writes them and Pulumi
passes them to a program. The keys below those are strict.
"""

from __future__ import annotations

import json
import math
import posixpath
import re
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError
from typing_extensions import Self

from enos_ota.devicekeys import rules as keys
from enos_ota.devicekeys.visible import shown
from enos_ota.devicekeys.yamltext import Unquoted
from enos_ota.enos import ConfigurationError, check_gateway
from enos_ota.plan import Guard, days
from enos_ota.settings import ids

ENOS: Final = "enos"
ENOS_OTA: Final = "enos-ota"
SETS: Final = "cancelledTaskSets"

LOG_SUFFIXES: Final = (".jsonl", ".ndjson", ".log")
"""Endings of an audit log's name; no stack file, set file or key file has one of them."""

SECRETS: Final = frozenset({"appKey", "appSecret"})
"""Keys of `enos:` that may be secret; messages never show their values."""

_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")

# The same rules as patterns for the JSON Schema (`enos_ota.settings.schema`), as far as a pattern can express them, in
# the syntax that Python and ECMAScript share.
_NO_CONTROLS: Final = r"(?!.*[\u0000-\u001f\u007f-\u009f\u2028\u2029])"
_ONE_LINE_PATTERN: Final = rf"^{_NO_CONTROLS}\S(.*\S)?$"
_ODD_IN_ID: Final = r"\s\"'`\u00ab\u00ad\u00b4\u00bb\u200b-\u200f\u2018-\u201f\u2060\u2039\u203a\ufeff"
_ID_PATTERN: Final = rf"^{_NO_CONTROLS}[^{_ODD_IN_ID}]+$"
_NAME_PATTERN: Final = rf"^{_NO_CONTROLS}(?!.*::)[^\s/]+$"
_DATE_PATTERN: Final = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_LOG_FILE_PATTERN: Final = (
    rf"^{_NO_CONTROLS}(?!~|\.\./)(\S.*)?[^\s/]\.([jJ][sS][oO][nN][lL]|[nN][dD][jJ][sS][oO][nN]|[lL][oO][gG])$"
)
_KEY_PATTERN: Final = rf"^{_NO_CONTROLS}.*\S"
_KEY_FILE_PATTERN: Final = rf"^{_NO_CONTROLS}(?![/~])(\S.*)?\.([tT][xX][tT]|[cC][sS][vV]|[yY][aA]?[mM][lL])$"
_GATEWAY_PATTERN: Final = (
    r"^([hH][tT][tT][pP][sS]://[^\s/?#@\\]+|"
    r"[hH][tT][tT][pP]://(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?)/?$"
)


def _looks_like(pattern: str) -> Any:
    """For the JSON Schema only: pydantic's own pattern check would produce another text."""
    return Field(json_schema_extra={"pattern": pattern})


def _fault(text: str) -> PydanticCustomError:
    # As a template the text must not contain braces.
    return PydanticCustomError("settings", "{text}", {"text": text})


def _one_line(text: str) -> str:
    if any(keys.is_control(character) for character in text):
        raise _fault("has control characters or line breaks: it must be one line")
    if text != text.strip():
        raise _fault("has white space around it: remove it")
    return text


def _id(text: str) -> str:
    if why := ids.problem(text):
        raise _fault(why)
    return text


def _name(text: str) -> str:
    if "/" in text or "::" in text or any(character.isspace() for character in text):
        raise _fault("must be without white space, / and :: (it becomes part of the resource's id)")
    return text


def _iso_date(text: str) -> str:
    if not days.is_day(text):
        raise _fault(f'is "{shown(text)}", no date such as "2027-03-31"')
    return text


def _log_file(text: str) -> str:
    if text.startswith("~"):
        raise _fault("begins with ~, which is not expanded: write an absolute path, or one relative to the project")
    if not ends_as_log(text):
        raise _fault(f"{shown(text)} does not end in {', '.join(LOG_SUFFIXES)}: a log is a file of its own")
    return text


def _gateway(text: str) -> str:
    try:
        return check_gateway(text)
    except ConfigurationError as error:
        raise _fault(f"cannot be used: {error}") from None


def ends_as_log(path: str) -> bool:
    """Whether a path has the ending of an audit log."""
    return posixpath.splitext(path)[1].lower() in LOG_SUFFIXES


def _number(value: Any) -> Any:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        number = float(value)
        # Pulumi passes 100000 as "100000" and 1e21 as "1e+21"; both spellings must give the same number.
        return int(number) if number.is_integer() and math.fabs(number) < 2**53 else number
    return value


def _json(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _switch(value: Any) -> Any:
    # `off` without quotes is a truth value in YAML 1.1 and a text in YAML 1.2; both are accepted.
    word = value.text if isinstance(value, Unquoted) else value
    if isinstance(word, (bool, str)):
        return {"false": "off", "true": "on"}.get(str(word).lower(), word)
    return word


Text: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=1000), AfterValidator(_one_line), _looks_like(_ONE_LINE_PATTERN)
]
Id: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=256), AfterValidator(_one_line), AfterValidator(_id), _looks_like(_ID_PATTERN)
]
Name: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=100),
    AfterValidator(_one_line),
    AfterValidator(_name),
    _looks_like(_NAME_PATTERN),
]
LogFile: TypeAlias = Annotated[Text, AfterValidator(_log_file), _looks_like(_LOG_FILE_PATTERN)]
DeviceKey: TypeAlias = Annotated[
    # `enos_ota.devicekeys.rules` reports invalid keys, once for all keys of a kind.
    str,
    Field(json_schema_extra={"minLength": 1, "maxLength": keys.MAX_KEY_LENGTH, "pattern": _KEY_PATTERN}),
]
Preflight: TypeAlias = Literal["auto", "on", "off"]
IsoDate: TypeAlias = Annotated[str, Field(min_length=1), AfterValidator(_iso_date), _looks_like(_DATE_PATTERN)]


class Keys(BaseModel):
    """A mapping of the configuration. Unknown keys and keys without a value are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)

    @field_validator("*", mode="before")
    @classmethod
    def _has_a_value(cls, value: Any) -> Any:
        if value is None:
            raise _fault("has no value: give it one, in quotes, or remove the key")
        return value

    @classmethod
    def names(cls) -> list[str]:
        """The names of the keys in a file."""
        return [field.alias or name for name, field in cls.model_fields.items()]


class EnosKeys(Keys):
    """Keys under `enos:`: the connection to EnOS."""

    api_gateway: Annotated[Text, AfterValidator(_gateway), _looks_like(_GATEWAY_PATTERN)] | None = Field(
        default=None, description="Address of the EnOS API gateway, https://host[:port]."
    )
    org_id: Id | None = Field(default=None, description="Organization that owns the jobs.")
    app_key: Id | None = Field(default=None, description="Access key of the application registered in EnOS.")
    app_secret: Text | None = Field(default=None, description="Its secret; encrypted in the stack file.")
    ca_bundle: Text | None = Field(
        default=None,
        description="File with the certificates to trust, for a private authority, or a directory with hash links.",
    )
    max_concurrency: Annotated[int, BeforeValidator(_number)] = Field(
        default=8, ge=1, le=64, description="Concurrent requests."
    )
    max_requests_per_second: (
        Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False), BeforeValidator(_number)] | None
    ) = Field(default=None, description="Limit over all requests of a run; without it there is none.")
    request_timeout: Annotated[float, BeforeValidator(_number)] = Field(
        default=30.0,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="Seconds for one attempt of a request, from the connection to the last byte of the answer.",
    )
    batch_size: Annotated[int, BeforeValidator(_number)] = Field(
        default=200, ge=1, le=1000, description="Device keys in one cancelTask call; EnOS documents no limit."
    )
    cancelled_markers: Annotated[list[Text], BeforeValidator(_json)] = Field(
        default=["Cancelled by user"],
        min_length=1,
        description="Texts by which EnOS marks a failed task as cancelled, compared trimmed and without case.",
    )


class GuardKeys(Keys):
    """Limits of one change of one set, counted in devices whose cancel would be sent."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    max_devices: int | None = Field(default=None, ge=0, description="Largest number of devices; 0 allows none.")
    max_share: float | None = Field(
        default=None, gt=0, le=1, allow_inf_nan=False, description="Largest share of all tasks of the job, as 0.25."
    )

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.max_devices is None and self.max_share is None:
            raise _fault("is empty: give it maxDevices, maxShare or both, or remove it")
        return self

    def limits(self) -> Guard:
        """Return the limits as a guard."""
        return Guard(self.max_devices, self.max_share)


class ExpectKeys(Keys):
    """Expectation about a set's job."""

    firmware_version: Text = Field(description="Target version of the job; another one, or none, stops the change.")


class DeclaredSet(Keys):
    """A set of devices whose tasks in one job are to be cancelled."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["deviceKeysFile"]},
                {"required": ["deviceKeys"], "properties": {"deviceKeys": {"minItems": 1}}},
            ]
        }
    )

    name: Name = Field(description="Name of the set, unique in the stack; a set file may leave it out.")
    job_id: Id = Field(description="The OTA job.")
    expect: ExpectKeys | None = Field(
        default=None, description="Firmware that the job must be about; otherwise nothing is sent."
    )
    reason: (
        Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_one_line), _looks_like(_ONE_LINE_PATTERN)]
        | None
    ) = Field(default=None, description="The reason, for reviewers and the audit log.")
    device_keys: list[DeviceKey] | None = Field(default=None, description="Device keys, in any order.")
    device_keys_file: Annotated[Text, _looks_like(_KEY_FILE_PATTERN)] | None = Field(
        default=None,
        description="More device keys: a .txt, .csv or .yaml file in the project, relative to the file of the set.",
    )
    on_too_late: Literal["report", "fail"] = Field(
        default="report", description="What to do about devices that were already upgrading or finished."
    )
    on_missing: Literal["fail", "report"] = Field(
        "fail", description="What to do about keys without a task in the job."
    )
    guard: GuardKeys | None = Field(
        default=None, description="Limits of one change of this set; each replaces the stack's."
    )
    expires: IsoDate | None = Field(
        default=None,
        description="Last day of the set, as 2027-03-31; afterwards it is only reported, never read or written.",
    )
    former_names: list[Name] = Field(
        default=[],
        description="Earlier names of this set, so that Pulumi renames the resource and does not replace it.",
    )
    protect: bool = Field(default=False, description="Whether Pulumi refuses to remove the set.")


class EnosOtaKeys(Keys):
    """Keys under `enos-ota:`: what to cancel, and how."""

    guard: Annotated[GuardKeys | None, BeforeValidator(_json)] = Field(
        default=None, description="Limits of one change of one set; a set may have its own."
    )
    preflight: Annotated[Preflight, BeforeValidator(_switch)] = Field(
        default="auto",
        description="When a preview reads the tasks: `auto` if there are credentials, `on` always, `off` never.",
    )
    deadline: Annotated[float, BeforeValidator(_number)] = Field(
        default=1800.0,
        gt=0,
        le=604_800,
        allow_inf_nan=False,
        description="Seconds for one set's change, and for one command.",
    )
    audit_log: LogFile | None = Field(
        default=None,
        description="Audit log (.jsonl, .ndjson or .log), which records every writing request. A relative path"
        " starts at the project and stays in it.",
    )
    cancelled_task_sets: Annotated[list[DeclaredSet], BeforeValidator(_json)] = Field(
        default=[], description="The sets of devices whose tasks are to be cancelled, beside the set files."
    )


PARTS: Final[dict[str, type[Keys]]] = {"guard": GuardKeys, "expect": ExpectKeys}
"""The model of each nested mapping, by its key."""

NAMESPACES: Final[dict[str, type[Keys]]] = {ENOS: EnosKeys, ENOS_OTA: EnosOtaKeys}
"""The model of each namespace of enos-ota."""

KNOWN_KEYS: Final = frozenset(f"{space}:{name}" for space, model in NAMESPACES.items() for name in model.names())
"""Every configuration key, in full."""
