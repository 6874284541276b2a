"""Generated parts of the documents are up to date, and replace nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from enos_ota.cli import COMMANDS
from reference import __main__ as command
from reference.documents import Document, documents, fill

ROOT = Path(__file__).parents[3]
PLACE = "before\n<!-- made by `make docs`: one -->\nold\n<!-- end -->\nafter\n"


@pytest.mark.parametrize("document", documents(), ids=lambda document: document.path)
def test_a_document_is_up_to_date(document: Document) -> None:
    text = (ROOT / document.path).read_text(encoding="utf-8")
    assert document.update(text) == text, "make docs"


def test_every_command_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"\n## enos-ota {name}\n" not in text] == []


def test_a_part_is_replaced_and_the_rest_stays() -> None:
    new = fill(PLACE, {"one": "new\n"})
    assert new == PLACE.replace("old\n", "\nnew\n\n")
    assert fill(new, {"one": "new"}) == new


@pytest.mark.parametrize("parts", [{}, {"one": "", "two": ""}, {"two": ""}])
def test_parts_without_marks_and_marks_without_parts_are_refused(parts: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="the document has marks for"):
        fill(PLACE, parts)


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The documents in a directory of the test's own."""
    for document in documents():
        (tmp_path / document.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / document.path, tmp_path / document.path)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    return tmp_path / "docs"


def test_check_names_outdated_documents_and_changes_none(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copied / "stack.schema.json").write_text("{}")
    assert command.main(["--check"]) == 1
    assert "docs/stack.schema.json is out of date: run `make docs`\n" in capsys.readouterr().err
    assert (copied / "stack.schema.json").read_text() == "{}"


def test_outdated_documents_are_updated(copied: Path) -> None:
    text = (copied / "configuration.md").read_text(encoding="utf-8")
    (copied / "configuration.md").write_text(text.replace("| `batchSize` |", "| `batchsize` |"), encoding="utf-8")
    (copied / "stack.schema.json").unlink()
    assert (command.main([]), command.main(["--check"])) == (0, 0)
    assert (copied / "configuration.md").read_text(encoding="utf-8") == text
