"""A small model of the Pulumi engine: which calls a provider gets, in which order, and what is saved when.

The engine saves the state after each completed step; an engine that dies leaves that state. A refresh comes before
everything else, as with `refresh: always`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

from tests.harness.servicer import ProviderError

Bag: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """One set as the state file holds it.

    Attributes:
        ever: Keys that the state called cancelled at some time while they were declared without a break: not in a state
            file, but what its successive versions said.
    """

    id: str
    inputs: Bag
    outputs: Bag
    ever: frozenset[str] = frozenset()


class Provider(Protocol):
    """What the engine calls. Each call raises `ProviderError` when it fails."""

    @property
    def is_interrupted(self) -> bool:
        """Whether the engine begins nothing else."""
        ...

    def check(self, news: Bag, olds: Bag) -> Bag:
        """Checked inputs."""
        ...

    def diff(self, old: Resource, news: Bag) -> tuple[bool, list[str]]:
        """Whether the resource changes, and which properties require a replacement."""
        ...

    def create(self, inputs: Bag) -> Resource:
        """Create the resource."""
        ...

    def update(self, old: Resource, inputs: Bag) -> Resource:
        """Update the resource."""
        ...

    def read(self, old: Resource) -> Resource | None:
        """Read the resource; None if it is gone."""
        ...

    def delete(self, old: Resource) -> None:
        """Delete the resource."""
        ...


Saved: TypeAlias = Callable[[str, "Resource | None", "Resource | None"], None]
"""Called after each save with the name of the step, the resource before and the resource now."""


class InterruptedRunError(Exception):
    """The engine was interrupted: it saved what was under way and began nothing else."""


class EngineModel:
    """The state of one stack and the operations on it; each takes the provider of that operation.

    Args:
        saved: Called after each save.
    """

    def __init__(self, saved: Saved = lambda _step, _before, _now: None) -> None:
        self.resources: dict[str, Resource] = {}
        self._replaced: list[Resource] = []  # deleted at the end of a run
        self._saved = saved

    def refresh(self, provider: Provider) -> None:
        """Read every resource and save the result. A failed read fails the run after the other reads.

        Raises:
            ProviderError: A read failed.
            InterruptedRunError: The run was interrupted.
        """
        failures = []
        for name, old in list(self.resources.items()):
            try:
                self._save(name, "read", provider.read(old))
            except ProviderError as failure:
                failures.append(str(failure))
                if provider.is_interrupted:
                    break
            else:
                _ensure_not_interrupted(provider)
        if failures:
            raise ProviderError("; ".join(failures))

    def up(self, provider: Provider, program: Mapping[str, Bag], *, refresh: bool = True) -> list[str]:
        """Refresh, then create, update or replace what differs, then delete what is no longer declared.

        Returns:
            The steps other than "same": `create pump`, `update pump`, …

        Raises:
            ProviderError: A call failed. The run begins no later step.
            InterruptedRunError: The run was interrupted.
        """
        if refresh:
            self.refresh(provider)
        steps = []
        for name, declared in program.items():
            old = self.resources.get(name)
            step, inputs = plan(provider, old, declared)
            if old and step == "same":
                self.resources[name] = replace(old, inputs=inputs)
                continue
            steps.append(f"{step} {name}")
            if old and step == "update":
                self._save(name, step, provider.update(old, inputs))
            else:
                self._save(name, step, provider.create(inputs))
                self._replaced += [old] if old else []
            _ensure_not_interrupted(provider)
        for name in [name for name in self.resources if name not in program]:
            provider.delete(self.resources[name])
            self._save(name, "delete", None)
            steps.append(f"delete {name}")
        while self._replaced:
            provider.delete(self._replaced[0])
            self._replaced.pop(0)
        return steps

    def preview(self, provider: Provider, program: Mapping[str, Bag]) -> dict[str, str]:
        """Return the step that an `up` would take for each declared set; save nothing."""
        read = {name: provider.read(resource) for name, resource in self.resources.items()}
        return {name: plan(provider, read.get(name), declared)[0] for name, declared in program.items()}

    def destroy(self, provider: Provider, *, refresh: bool = True) -> None:
        """Refresh, then delete every set; the program does not run."""
        self.up(provider, {}, refresh=refresh)

    def _save(self, name: str, step: str, now: Resource | None) -> None:
        before = self.resources.get(name)
        if now is None:
            del self.resources[name]
        else:
            self.resources[name] = now
        self._saved(step, before, now)


def _ensure_not_interrupted(provider: Provider) -> None:
    if provider.is_interrupted:
        raise InterruptedRunError


def plan(provider: Provider, old: Resource | None, declared: Bag) -> tuple[str, Bag]:
    """Return `create`, `update`, `replace` or `same`, and the checked inputs."""
    if old is None:
        return "create", provider.check(declared, {})
    inputs = provider.check(declared, old.inputs)
    changes, replaces = provider.diff(old, inputs)
    if replaces:
        return "replace", provider.check(declared, {})
    return ("update" if changes else "same"), inputs
