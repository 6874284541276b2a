"""What of the documents is made of code is up to date, and knows its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from enos_ota.cli import COMMANDS
from reference.documents import Document, documents, filled

ROOT = Path(__file__).parents[2]
PLACE = "before\n<!-- made by `make docs`: one -->\nold\n<!-- end -->\nafter\n"


@pytest.mark.parametrize("document", documents(), ids=lambda document: document.path)
def test_a_document_is_up_to_date(document: Document) -> None:
    text = (ROOT / document.path).read_text(encoding="utf-8")
    assert document.written(text) == text, "make docs"


def test_every_command_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"\n## enos-ota {name}\n" not in text] == []


def test_a_part_is_written_anew_and_the_rest_stays() -> None:
    new = filled(PLACE, {"one": "new\n"})
    assert new == PLACE.replace("old\n", "\nnew\n\n")
    assert filled(new, {"one": "new"}) == new


@pytest.mark.parametrize("parts", [{}, {"one": "", "two": ""}, {"two": ""}])
def test_a_part_without_a_place_and_a_place_without_a_part_are_refused(parts: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="the document has places for"):
        filled(PLACE, parts)
