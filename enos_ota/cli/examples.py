"""Commands whose help ends with examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping


class WithExamples(click.Command):
    """A command with examples below its options, each what it is for and the line to type, never wrapped."""

    def __init__(self, *arguments: Any, examples: Mapping[str, str], **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.examples = dict(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, then what else stands below."""
        with formatter.section("Examples"):
            indent = " " * formatter.current_indent
            formatter.write("\n".join(f"{indent}# {what}\n{indent}{line}\n" for what, line in self.examples.items()))
        super().format_epilog(ctx, formatter)
