"""Every situation on a terminal, and some in the other formats, as the approver reads them.

A snapshot is a whole file. After an intended change, rewrite them with `--snapshot-update` and read each changed one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from enos_ota.review import jsontext, markdown, terminal
from tests.harness import reports

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion


class _Text(SingleFileSnapshotExtension):
    _write_mode = WriteMode.TEXT
    file_extension = "txt"


class _Markdown(_Text):
    file_extension = "md"


class _Json(_Text):
    file_extension = "json"


@pytest.mark.parametrize("case", reports.CASES)
def test_on_a_terminal(case: str, snapshot: SnapshotAssertion) -> None:
    assert terminal.render(reports.CASES[case]()) == snapshot(extension_class=_Text)


@pytest.mark.parametrize("case", [*reports.IN_ALL_FORMATS, "refused", "several_sets", "hostile"])
def test_as_markdown(case: str, snapshot: SnapshotAssertion) -> None:
    assert markdown.render(reports.CASES[case]()) == snapshot(extension_class=_Markdown)


def test_a_sentence_of_the_product_reaches_its_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enos_ota.plan.messages.describe_excess", lambda _: "goes too far")
    assert "the guard stops this change, which goes too far" in terminal.render(reports.refused(), width=200)


@pytest.mark.parametrize("case", reports.IN_ALL_FORMATS)
def test_as_json(case: str, snapshot: SnapshotAssertion) -> None:
    assert jsontext.render(reports.CASES[case]()) == snapshot(extension_class=_Json)
