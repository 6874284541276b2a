"""The smallest program with one set: its provider returns the inputs unchanged.

It measures the cost of Pulumi itself. A project that uses it has a `__main__.py` that calls `declare`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

if TYPE_CHECKING:
    import pulumi

KEY_FILE = "stacks/keys/pumps.txt"


class StubProvider(ResourceProvider):
    """Sends no request. Its refresh, inherited, changes nothing."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Compare the keys."""
        return DiffResult(changes=olds.get("deviceKeys") != news.get("deviceKeys"))

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Return the inputs."""
        return CreateResult("stub", props)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Return the inputs."""
        return UpdateResult(news)


class StubSet(Resource, module="enos_ota", name="StubSet"):
    """Keys as one sorted text, as in a CancelledTaskSet."""

    deviceKeys: pulumi.Output[str]  # noqa: N815 - Pulumi's name

    def __init__(self, name: str, keys: str) -> None:
        super().__init__(StubProvider(), name, {"setName": name, "deviceKeys": keys})


def declare() -> None:
    """Declare the keys of the project's key file."""
    keys = Path(KEY_FILE).read_text(encoding="utf-8").split()
    StubSet("pumps", "".join(f"{key}\n" for key in sorted(keys)))
