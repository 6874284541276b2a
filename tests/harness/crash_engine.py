"""A small model of the Pulumi engine: which calls a provider gets, in which order, and what is saved when.

Values travel as they do over gRPC: numbers are floats, None vanishes, `__provider` is in every bag. The state is saved
after each step: an engine that dies leaves that. A refresh comes before every `up`, as with `refresh: always`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from pulumi.dynamic import ResourceProvider

Bag: TypeAlias = "dict[str, Any]"
Returned: TypeAlias = Callable[[str], None]
"""Told of each call's name when the provider has answered and nothing is saved yet. May raise."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource as the state file holds it."""

    id: str
    inputs: Bag
    outputs: Bag


Saved: TypeAlias = Callable[[str, "Resource | None", "Resource | None"], None]
"""Told of each step: the call's name, what was in the state, what is now."""


class RunFailed(Exception):  # noqa: N818 - says what happened to a run
    """The run ended with an error; what was saved before stays."""


class Engine:
    """The state of one stack, and the runs that work on it.

    Args:
        returned: Called between a provider's answer and the save.
        saved: Called after each save.
    """

    def __init__(self, returned: Returned, saved: Saved) -> None:
        self.state: dict[str, Resource] = {}
        self._replaced: list[Resource] = []  # deleted at the end of a run
        self._returned = returned
        self._saved = saved

    def refresh(self, provider: ResourceProvider) -> None:
        """Read every resource. One that cannot be read fails the run, after the others were read.

        Raises:
            RunFailed: A read failed.
        """
        failures = []
        for name, old in list(self.state.items()):
            try:
                answer = provider.read(old.id, wire(old.outputs))
            except Exception as error:  # noqa: BLE001 - whatever a provider raises is the error of the run
                failures.append(str(error))
                continue
            self._returned("read")
            if not answer.id:
                self._save(name, "read", None)
                continue
            inputs = old.inputs if answer.inputs is None else _marked(answer.inputs)
            self._save(name, "read", Resource(answer.id, inputs, _marked(answer.outs or {})))
        if failures:
            raise RunFailed("; ".join(failures))

    def up(self, provider: ResourceProvider, desired: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Refresh, then make it so: create, update or replace what differs, then delete what is no longer there.

        Returns:
            The steps other than "same", as `create pump`.

        Raises:
            RunFailed: A call raised. What comes after it is not begun.
        """
        self.refresh(provider)
        steps = []
        try:
            for name, news in desired.items():
                if step := self._one(provider, name, _marked(news)):
                    steps.append(f"{step} {name}")
            for name in [name for name in self.state if name not in desired]:
                self._delete(provider, name)
                steps.append(f"delete {name}")
            while self._replaced:
                provider.delete(self._replaced[0].id, wire(self._replaced[0].outputs))
                self._returned("delete")
                self._replaced.pop(0)
        except Exception as error:
            raise RunFailed(str(error)) from error
        return steps

    def destroy(self, provider: ResourceProvider) -> None:
        """Refresh, then delete everything; the program does not run.

        Raises:
            RunFailed: A call raised.
        """
        self.up(provider, {})

    def _one(self, provider: ResourceProvider, name: str, news: Bag) -> str:
        old = self.state.get(name)
        checked = self._checked(provider, old.inputs if old else {}, news)
        if old is None:
            self._create(provider, name, checked, "create")
            return "create"
        difference = provider.diff(old.id, wire(old.outputs), wire(checked))
        if not difference.changes:
            self.state[name] = Resource(old.id, checked, old.outputs)
            return ""
        if difference.replaces:
            self._create(provider, name, self._checked(provider, {}, news), "replace")
            self._replaced.append(old)
            return "replace"
        answer = provider.update(old.id, wire(old.outputs), wire(checked))
        self._returned("update")
        self._save(name, "update", Resource(old.id, checked, _marked(answer.outs or {})))
        return "update"

    @staticmethod
    def _checked(provider: ResourceProvider, olds: Bag, news: Bag) -> Bag:
        answer = provider.check(wire(olds), wire(news))
        if answer.failures:
            raise RunFailed("; ".join(failure.reason for failure in answer.failures))
        return wire(answer.inputs)

    def _create(self, provider: ResourceProvider, name: str, inputs: Bag, step: str) -> None:
        answer = provider.create(wire(inputs))
        self._returned(step)
        self._save(name, step, Resource(answer.id, inputs, _marked(answer.outs or {})))

    def _delete(self, provider: ResourceProvider, name: str) -> None:
        provider.delete(self.state[name].id, wire(self.state[name].outputs))
        self._returned("delete")
        self._save(name, "delete", None)

    def _save(self, name: str, step: str, now: Resource | None) -> None:
        before = self.state.get(name)
        if now is None:
            self.state.pop(name, None)
        else:
            self.state[name] = now
        self._saved(step, before, now)


def wire(bag: Mapping[str, Any]) -> Bag:
    """A bag as it arrives at the other side of gRPC."""
    return {name: _value(value) for name, value in bag.items() if value is not None}


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return wire(value)
    if isinstance(value, list):
        return [_value(one) for one in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _marked(bag: Mapping[str, Any]) -> Bag:
    """The SDK's server adds the serialized provider to whatever a provider answers."""
    return wire(bag) | {"__provider": "gASV"}
