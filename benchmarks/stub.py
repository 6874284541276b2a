"""The least that a program with one set can be: a text goes in, the provider gives it back at once.

What Pulumi itself costs is measured with it. A project that uses it has a `__main__.py` that calls `declare`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

if TYPE_CHECKING:
    import pulumi

KEY_FILE = "stacks/keys/pumps.txt"


class StubProvider(ResourceProvider):
    """Asks nobody. Its refresh is that of its base: all is as it was."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Compare."""
        return DiffResult(changes=olds.get("deviceKeys") != news.get("deviceKeys"))

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Give back what came."""
        return CreateResult("stub", props)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Give back what came."""
        return UpdateResult(news)


class StubSet(Resource, module="enos_ota", name="StubSet"):
    """Some keys as one sorted text, as a set of ours has them."""

    deviceKeys: pulumi.Output[str]  # noqa: N815 - Pulumi's name

    def __init__(self, name: str, keys: str) -> None:
        super().__init__(StubProvider(), name, {"setName": name, "deviceKeys": keys})


def declare() -> None:
    """Declare the keys of the project's key file."""
    keys = Path(KEY_FILE).read_text(encoding="utf-8").split()
    StubSet("pumps", "".join(f"{key}\n" for key in sorted(keys)))
