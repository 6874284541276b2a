"""What documents have a reader type is run as it stands there, in order, and what they show is what comes out.

`make test ARGS="tests/e2e/test_documents_run.py --snapshot-update"` puts the whole output into a document where it
shows another one; it is then for its author to leave out what no reader needs (`…`).
"""

from __future__ import annotations

import os
import re
import shutil
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from tests.harness.engine import CHECKOUT, VENV
from tests.harness.sessions import LEFT_OUT, Shell, Step, is_shown_by, replaced, steps
from tests.harness.stack import NEVER_SHOWN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.engine import PulumiEngine

LAST_DAY: Final = "2027-05-15"
"""The day in the documents that stands for one in three months."""

SECRET: Final = "aaaabbbb-cccc-4ddd-8eee-ffff00001111"


class Part(NamedTuple):
    """What is run of a document: all of it, or what stands under one heading of the second level."""

    path: str
    heading: str = ""

    def text(self) -> str:
        """The whole document."""
        return (CHECKOUT / self.path).read_text(encoding="utf-8")

    def steps(self) -> list[Step]:
        """What the part has a reader type. Nothing in it is passed over."""
        text = self.text()
        start, end = 0, len(text)
        if self.heading:
            start = text.index(f"\n## {self.heading}\n")
            end = text.find("\n## ", start + 1)
        blocks = len(re.findall(r"^ *(?:> *)?```(?:sh|console|bash|shell)$", text[start:end], re.MULTILINE))
        found = [step for step in steps(text) if start < step.start < end]
        assert len(found) == blocks > 0, f"{self.path}: a block of commands that cannot be read"
        return found


PRACTICE: Final = Part("docs/gitops.md", "A fleet to practise on")
"""Makes the project in which emergency.md is rehearsed."""

README: Final = Part("README.md", "Your first rollback")

DOCUMENTS: Final = {Part("docs/gitops.md"): (), Part("docs/emergency.md"): (PRACTICE,), README: ()}
"""And what has to be done before."""


@pytest.fixture
def shell(engine: PulumiEngine, tmp_path: Path) -> Iterator[Shell]:
    """A terminal in a checkout, with what `make env` makes."""
    checkout, home = tmp_path / "enos-ota", tmp_path / "home"
    for folder in ("examples", "policy", "stacks"):
        ignored = shutil.ignore_patterns("__pycache__", ".pulumi", ".venv")
        shutil.copytree(CHECKOUT / folder, checkout / folder, ignore=ignored)
    for file in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(CHECKOUT / file, checkout / file)
    (checkout / ".venv").symlink_to(VENV)
    names = {f"GIT_{who}_{what}": "ana" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environ = engine.env(checkout, home, extra={**names, "USER": "ana", "GIT_CONFIG_NOSYSTEM": "1"})
    missing = [tool for tool in ("bash", "curl", "git") if not shutil.which(tool, path=environ["PATH"])]
    if missing and not os.environ.get("CI"):
        pytest.skip(f"there is no {', no '.join(missing)}, which the documents have a reader type")
    assert missing == []
    last_day = str(datetime.now(timezone.utc).date() + timedelta(days=90))
    with Shell(checkout, environ, {LAST_DAY: last_day}) as opened:
        yield opened


def typed(shell: Shell, part: Part) -> dict[Step, str]:
    """What each step prints; none prints a secret or a traceback."""
    printed = {step: shell.type(step) for step in part.steps()}
    everything = "\n".join(printed.values())
    assert [text for text in (SECRET, *NEVER_SHOWN) if text in everything] == []
    return printed


def others(printed: dict[Step, str]) -> dict[Step, str]:
    """What is printed where the document shows something else."""
    return {
        step: text for step, text in printed.items() if step.shown is not None and not is_shown_by(step.shown, text)
    }


@pytest.mark.parametrize("part", DOCUMENTS, ids=lambda part: part.path)
def test_what_a_document_has_a_reader_type_prints_what_it_shows(
    part: Part, shell: Shell, request: pytest.FixtureRequest
) -> None:
    for before in DOCUMENTS[part]:
        typed(shell, before)
    printed = typed(shell, part)
    differ = others(printed)
    if differ and request.config.getoption("update_snapshots"):
        (CHECKOUT / part.path).write_text(replaced(part.text(), differ), encoding="utf-8")
    told = [f"{part.path}, line {step.line}, shows something else than\n{text}" for step, text in differ.items()]
    assert not told, "\n".join(told)
    if part == README:
        picture = re.search(r"```console\n\$ enos-ota review\n(.*?)```", part.text(), re.DOTALL)
        assert picture
        review = next(text for step, text in printed.items() if step.typed[-1] == "enos-ota review")
        assert is_shown_by((LEFT_OUT, *picture[1].splitlines()), review), (
            f"the README begins with another screen than\n{review}"
        )
