"""Completion of stack names in the shell; without a valid project it returns nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    import click


def stacks(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the stacks of the project around the working directory."""
    return [CompletionItem(name) for name in _stack_files() if name.startswith(incomplete)]


def stacks_and_files(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the stacks, the example too, and let the shell add files (bash: if no stack begins like this)."""
    named = [CompletionItem(name) for name in _stack_files(example=True) if name.startswith(incomplete)]
    # For bash click forgets what came before a file.
    return [CompletionItem(incomplete, type="file"), *named]


def _stack_files(*, example: bool = False) -> list[str]:
    from enos_ota.settings import SettingsError  # noqa: PLC0415 - slow to import, and not needed to run a command
    from enos_ota.settings.stackfile import EXAMPLE, find_project  # noqa: PLC0415 - the same

    try:
        project = find_project(Path.cwd())
        names = list(project.stack_files()) if project else []
    except (SettingsError, OSError):
        return []
    return [name for name in names if example or name != EXAMPLE]
