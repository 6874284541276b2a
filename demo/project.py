"""The temporary Pulumi project: the program of this repository and a stack with one cancelled task set."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from demo.interrupts import Interrupts

CHECKOUT: Final = Path(__file__).resolve().parent.parent
STACK: Final = "demo"
SET_NAME: Final = "pump-2.3.0"
KEY_FILE: Final = f"keys/{SET_NAME}.txt"

_STACK_FILE: Final = """\
config:
  enos-ota:cancelledTaskSets:
    - name: {name}
      jobId: "{job_id}"
      reason: "INC-4711: 2.3.0 drains the battery"
      deviceKeysFile: {key_file}
"""


@contextlib.contextmanager
def temporary(interrupts: Interrupts) -> Iterator[Path]:
    """Create a directory; remove it at the end of the block."""
    with contextlib.ExitStack() as stack:
        with interrupts.deferred():
            folder = Path(tempfile.mkdtemp(prefix="enos-ota-demo-"))
            stack.callback(_remove, folder, interrupts)
        yield folder


def write(project: Path, job_id: str, device_keys: Sequence[str]) -> str:
    """Write the project into an existing directory; return the text of the stack file."""
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(CHECKOUT / name, project / name)
    # Pulumi.yaml names `.venv`: link it to the current environment.
    (project / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    stack_file = project / "stacks" / f"Pulumi.{STACK}.yaml"
    key_file = stack_file.parent / KEY_FILE
    key_file.parent.mkdir(parents=True)
    key_file.write_text("".join(f"{key}\n" for key in device_keys), encoding="utf-8")
    text = _STACK_FILE.format(name=SET_NAME, job_id=job_id, key_file=KEY_FILE)
    stack_file.write_text(text, encoding="utf-8")
    return text


def _remove(folder: Path, interrupts: Interrupts) -> None:
    with interrupts.deferred():
        shutil.rmtree(folder)
