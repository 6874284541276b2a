"""Call back a firmware rollout on Envision EnOS as safely as a code change."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from enos_ota.resource import CancelledTaskSet, require_converged

__version__ = "0.1.0"

__all__ = ["CancelledTaskSet", "require_converged"]


def __getattr__(name: str) -> object:
    # On first use, not at import: the client and the reconciler work without Pulumi, and the CLI starts faster.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from enos_ota import resource  # noqa: PLC0415 - see above

    return getattr(resource, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
