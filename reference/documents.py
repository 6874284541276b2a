"""The documents with generated parts, and their update."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from enos_ota.review.jsontext import schema as review_schema
from enos_ota.settings.schema import set_schema, stack_schema
from reference import commands, configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PART: Final = re.compile(r"(<!-- made by `make docs`: (?P<name>[\w ]+) -->\n).*?(<!-- end -->\n)", re.DOTALL)

# Users copy an example as a whole, so it includes the schemas it uses beside its stack file.
_STACK_SCHEMAS: Final = (
    "docs/stack.schema.json",
    *(f"examples/{name}/stacks/stack.schema.json" for name in ("fleet", "gitops-github", "gitops-gitlab", "one-job")),
)
_SET_SCHEMAS: Final = (
    "docs/set.schema.json",
    *(f"examples/{name}/stacks/set.schema.json" for name in ("fleet", "gitops-github", "gitops-gitlab")),
)


@dataclass(frozen=True, slots=True)
class Document:
    """A document with generated parts.

    Attributes:
        path: Relative to the root of the repository.
        update: Converts the current text into the up-to-date text.
    """

    path: str
    update: Callable[[str], str]


def documents() -> tuple[Document, ...]:
    """Return every document with generated parts."""
    return (
        Document("docs/cli.md", lambda text: fill(text, commands.parts())),
        Document("docs/configuration.md", lambda text: fill(text, configuration.parts())),
        Document("docs/review.schema.json", lambda _: review_schema()),
        *(Document(path, lambda _: _json(stack_schema())) for path in _STACK_SCHEMAS),
        *(Document(path, lambda _: _json(set_schema())) for path in _SET_SCHEMAS),
    )


def _json(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def fill(text: str, parts: Mapping[str, str]) -> str:
    """Replace the text between the marks by the generated parts."""
    places = [found["name"] for found in _PART.finditer(text)]
    if sorted(places) != sorted(parts):
        raise ValueError(f"the document has marks for {sorted(places)}, the generated parts are {sorted(parts)}")
    return _PART.sub(lambda found: f"{found[1]}\n{parts[found['name']].strip()}\n\n{found[3]}", text)
