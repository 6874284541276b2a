"""What the Pulumi engine does with the sets of a stack, as small as the questions of these tests allow.

State is saved after every step that was completed; what a step did that never ended is not known to it. A refresh
comes before everything else, as `refresh: always` has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.stateful.witness import Witness

Bag = dict[str, Any]


class InterruptedRunError(Exception):
    """The engine was interrupted: what was under way is saved, nothing else was begun."""


@dataclass
class Resource:
    """One set as the state file holds it.

    Attributes:
        ever: Keys that the state called cancelled at some time while they were declared without a break: not in a state
            file, but what its successive versions said.
    """

    inputs: Bag
    outputs: Bag
    ever: frozenset[str] = frozenset()


@dataclass
class Engine:
    """The state of a stack and the operations on it; each takes the provider process of that operation."""

    resources: dict[str, Resource] = field(default_factory=dict)
    condemned: list[Resource] = field(default_factory=list)
    """Replaced, and not deleted yet."""

    def refresh(self, provider: Witness) -> None:
        """Read every set and save what was read."""
        for name in list(self.resources):
            self.resources[name] = provider.read(self.resources[name])
            _go_on(provider)

    def up(self, provider: Witness, program: Mapping[str, Bag], *, refresh: bool = True) -> list[str]:
        """Bring about what the program declares.

        Returns:
            What was done to each set that was not left alone: `create pump`, `update pump`, …
        """
        if refresh:
            self.refresh(provider)
        done = []
        for name, declared in program.items():
            old = self.resources.get(name)
            verb, inputs = plan(provider, old, declared)
            if verb == "same":
                continue
            done.append(f"{verb} {name}")
            if old is None or verb == "replace":
                new = provider.create(inputs)
                self.condemned += [] if old is None else [old]
            else:
                new = provider.update(old, inputs)
            self.resources[name] = new
            _go_on(provider)
        for old in list(self.condemned):
            provider.delete(old)
            self.condemned.remove(old)
        for name in [name for name in self.resources if name not in program]:
            provider.delete(self.resources[name])
            del self.resources[name]
            done.append(f"delete {name}")
        return done

    def preview(self, provider: Witness, program: Mapping[str, Bag]) -> dict[str, str]:
        """What an `up` would do to each declared set, after a refresh of which nothing is saved."""
        read = {name: provider.read(resource) for name, resource in self.resources.items()}
        return {name: plan(provider, read.get(name), declared)[0] for name, declared in program.items()}

    def destroy(self, provider: Witness, *, refresh: bool = True) -> None:
        """Remove every set."""
        if refresh:
            self.refresh(provider)
        self.up(provider, {}, refresh=False)


def _go_on(provider: Witness) -> None:
    if provider.is_interrupted:
        raise InterruptedRunError


def plan(provider: Witness, old: Resource | None, declared: Bag) -> tuple[str, Bag]:
    """`create`, `update`, `replace` or `same`, and the checked inputs."""
    if old is None:
        return "create", provider.check(declared, {})
    inputs = provider.check(declared, old.inputs)
    changed, replaces = provider.diff(old.outputs, inputs)
    if replaces:
        return "replace", provider.check(declared, {})
    return ("update" if changed else "same"), inputs
