"""Imports the messages of Pulumi's protocol without the SDK around them: the engine starts two hosts a command."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType


def skip_the_sdk() -> None:
    """Make `pulumi.runtime.proto` importable without what `pulumi` and `pulumi.runtime` import (0.2 s of 0.4 s).

    Call it before the first import of `pulumi`, in a process that needs nothing else of the SDK.
    """
    found = find_spec("pulumi")
    if found is None or found.submodule_search_locations is None:
        return
    folders = list(found.submodule_search_locations)
    for name, path in (("pulumi", folders), ("pulumi.runtime", [f"{folder}/runtime" for folder in folders])):
        module = ModuleType(name)
        module.__path__ = path
        sys.modules[name] = module
