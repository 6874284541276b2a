"""A set as a policy sees it: property bags end here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from pulumi_policy.proxy import UnknownValueError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TYPE: Final = "pulumi-python:dynamic/enos_ota:CancelledTaskSet"
"""The type of the resources that the policies are about; part of the state format, so it stays."""

IDENTITY: Final = ("apiGateway", "orgId", "jobId")
"""Properties that say which job a set is about: with another one the same keys mean other tasks."""


class Unknown(Enum):
    """What a preview cannot know yet, because it comes out of another resource."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN


@dataclass(frozen=True, slots=True)
class DeclaredSet:
    """What a program declares of one set; None: nothing."""

    name: str
    reason: str | Unknown | None = None
    max_devices: float | Unknown | None = None
    max_share: float | Unknown | None = None
    expect_firmware_version: str | Unknown | None = None
    expires: str | Unknown | None = None
    """The last day, as `2027-03-31`."""

    @classmethod
    def parse(cls, name: str, props: Mapping[str, Any]) -> DeclaredSet:
        """Read a resource's inputs."""
        return cls(
            name=name,
            reason=_value(props, "reason"),
            max_devices=_value(props, "maxDevices"),
            max_share=_value(props, "maxShare"),
            expect_firmware_version=_value(props, "expectFirmwareVersion"),
            expires=_value(props, "expires"),
        )


@dataclass(frozen=True, slots=True)
class PlannedSet:
    """One set as it will be after a change."""

    name: str
    urns: tuple[str, ...]
    """Its URN, and those it had before it was renamed."""

    identity: tuple[str | Unknown | None, ...]
    """Gateway, organization and job."""

    keys: frozenset[str] | Unknown
    """The device keys it declares."""

    changes: bool
    """Whether the change creates or updates it."""

    @classmethod
    def parse(cls, name: str, urns: Iterable[str], props: Mapping[str, Any]) -> PlannedSet:
        """Read a resource at the end of a preview.

        By then a set that stays as it is, or is removed, has the outputs that are recorded. One that is to be created
        or updated has its inputs only: what will have come of it nobody can know yet.
        """
        text = _value(props, "deviceKeys")
        return cls(
            name=name,
            urns=tuple(urns),
            identity=tuple(_value(props, each) for each in IDENTITY),
            keys=UNKNOWN if text is UNKNOWN else keys_of(text),
            changes=_value(props, "cancelledCount") in (None, UNKNOWN),
        )


def keys_of(text: str | None) -> frozenset[str]:
    """The device keys of a property: one text, a key a line."""
    return frozenset(filter(None, (text or "").split("\n")))


def stack_of(urn: str) -> str:
    """The name of the stack in a resource's URN."""
    return urn.removeprefix("urn:pulumi:").partition("::")[0]


def _value(props: Mapping[str, Any], name: str) -> Any:
    try:
        return props.get(name)
    except UnknownValueError:
        return UNKNOWN
