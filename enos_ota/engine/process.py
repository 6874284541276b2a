"""Settings of the whole process that reviewers of Python code usually refuse; nothing else in enos_ota touches them.

Tried with the Pulumi SDK 3.272.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def hide_tracebacks() -> None:
    """Leave tracebacks out of the errors that the SDK reports, for the rest of this process.

    SDK 3.260 and newer send `traceback.format_exc()` as the error of a provider call; without frames only the message
    is left. Call it in the provider process, in `configure`: at import time it hangs programs with SDK 3.272, because
    `pulumi/runtime/resource.py` then leaves a variable unbound.
    """
    sys.tracebacklimit = 0


def exit_immediately(code: int) -> NoReturn:
    """End this process without waiting for its threads, which Python's normal exit does. Nothing is flushed."""
    os._exit(code)
