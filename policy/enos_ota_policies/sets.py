"""A set as a policy sees it: property bags end here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from pulumi_policy.proxy import UnknownValueError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TYPE: Final = "pulumi-python:dynamic/enos_ota:CancelledTaskSet"
"""The type of the resources that the policies check; part of the state format, so it stays."""

IDENTITY: Final = ("apiGateway", "orgId", "jobId")
"""Properties that identify the job of a set: in another job the same keys are other tasks."""


class Unknown(Enum):
    """A value that a preview cannot know yet, because it comes from another resource."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN


@dataclass(frozen=True, slots=True)
class DeclaredSet:
    """The inputs of one set; None for an input that is not declared."""

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
    """One set after a change."""

    name: str
    urns: tuple[str, ...]
    """Its URN, and those of its former names."""

    identity: tuple[str | Unknown | None, ...]
    """Gateway, organization and job."""

    keys: frozenset[str] | Unknown
    """The device keys it declares."""

    changes: bool
    """Whether the change creates or updates it."""

    @classmethod
    def parse(cls, name: str, urns: Iterable[str], props: Mapping[str, Any]) -> PlannedSet:
        """Read a resource at the end of a preview.

        Then an unchanged or removed set has its recorded outputs. A set to be created or updated has its inputs only:
        its outcome is not known yet.
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
    """Return the device keys of a property: one text, one key a line."""
    return frozenset(filter(None, (text or "").split("\n")))


def stack_of(urn: str) -> str:
    """Return the name of the stack in a resource's URN."""
    return urn.removeprefix("urn:pulumi:").partition("::")[0]


def _value(props: Mapping[str, Any], name: str) -> Any:
    try:
        return props.get(name)
    except UnknownValueError:
        return UNKNOWN
