"""The provider in this process; values travel as they do over gRPC.

Numbers become floats, None vanishes, `__provider` is in every bag.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from tests.harness.engine_model import Bag, Resource
from tests.harness.servicer import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pulumi.dynamic import ResourceProvider

_Answer = TypeVar("_Answer")


class InProcessProvider:
    """A dynamic provider as `EngineModel` calls it.

    Args:
        provider: The provider under test.
        returned: Called with the name of the call when the provider has answered and the engine has not saved yet.
    """

    is_interrupted = False  # the harness interrupts the provider alone: it must send nothing whatever the engine calls

    def __init__(self, provider: ResourceProvider, returned: Callable[[str], None]) -> None:
        self._provider = provider
        self._returned = returned

    def check(self, news: Bag, olds: Bag) -> Bag:
        """Checked inputs."""
        answer = _call(lambda: self._provider.check(wire(olds), wire(_marked(news))))
        if answer.failures:
            raise ProviderError("; ".join(failure.reason for failure in answer.failures))
        return wire(answer.inputs)

    def diff(self, old: Resource, news: Bag) -> tuple[bool, list[str]]:
        """Whether the resource changes, and which properties require a replacement."""
        answer = _call(lambda: self._provider.diff(old.id, wire(old.outputs), wire(news)))
        return bool(answer.changes), list(answer.replaces or ())

    def create(self, inputs: Bag) -> Resource:
        """Create the resource."""
        answer = _call(lambda: self._provider.create(wire(inputs)))
        self._returned("create")
        return Resource(answer.id, inputs, _marked(answer.outs or {}))

    def update(self, old: Resource, inputs: Bag) -> Resource:
        """Update the resource."""
        answer = _call(lambda: self._provider.update(old.id, wire(old.outputs), wire(inputs)))
        self._returned("update")
        return Resource(old.id, inputs, _marked(answer.outs or {}))

    def read(self, old: Resource) -> Resource | None:
        """Read the resource; None if it is gone."""
        answer = _call(lambda: self._provider.read(old.id, wire(old.outputs)))
        self._returned("read")
        if not answer.id:
            return None
        inputs = old.inputs if answer.inputs is None else _marked(answer.inputs)
        return Resource(answer.id, inputs, _marked(answer.outs or {}))

    def delete(self, old: Resource) -> None:
        """Delete the resource."""
        _call(lambda: self._provider.delete(old.id, wire(old.outputs)))
        self._returned("delete")


def _call(call: Callable[[], _Answer]) -> _Answer:
    try:
        return call()
    except Exception as error:
        raise ProviderError(str(error)) from error


def wire(bag: Mapping[str, Any]) -> Bag:
    """Return a bag as it arrives at the other side of gRPC."""
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
    """Add the serialized provider, as the SDK's server does to every answer."""
    return wire(bag) | {"__provider": "gASV"}
