"""What each situation looks like, in each format, to be read as the approver reads it.

The snapshots are whole files, one for each situation and format. After a change that is meant, write them anew with
`--snapshot-update`, and look at every one that changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from enos_ota.review import jsontext, markdown, terminal
from tests.harness import reports

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

EVERY = pytest.mark.parametrize("case", reports.CASES)


class _Text(SingleFileSnapshotExtension):
    _write_mode = WriteMode.TEXT
    file_extension = "txt"


class _Markdown(_Text):
    file_extension = "md"


class _Json(_Text):
    file_extension = "json"


@EVERY
def test_on_a_terminal(case: str, snapshot: SnapshotAssertion) -> None:
    assert terminal.render(reports.CASES[case]()) == snapshot(extension_class=_Text)


@EVERY
def test_as_markdown(case: str, snapshot: SnapshotAssertion) -> None:
    assert markdown.render(reports.CASES[case]()) == snapshot(extension_class=_Markdown)


@EVERY
def test_as_json(case: str, snapshot: SnapshotAssertion) -> None:
    assert jsontext.render(reports.CASES[case]()) == snapshot(extension_class=_Json)
