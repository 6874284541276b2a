"""What docs/semantics.md tells: its tests are there, its words are those of the code, and nothing is left out."""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from enos_ota.plan import (
    Category,
    Guard,
    JobFacts,
    KeyOutcome,
    Objection,
    Record,
    RecordedJobStatus,
    TaskSet,
    describe_record,
)
from enos_ota.plan.guard import firmware_objection, guard_objection
from enos_ota.plan.messages import describe_objection
from enos_ota.plan.record import AFTER_PUSH, UNKNOWN_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs" / "semantics.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
EXITS = {"0", "✗", "-", "", "0 for a new set, else ✗", "✗ until `pulumi cancel`"}


class Row(NamedTuple):
    """One case."""

    case: str
    device: str
    said: str
    preview: str
    up: str
    then: str
    tests: str


def rows() -> list[Row]:
    """All cases, without the headings among them."""
    cells = [re.split(r" *\| *", line.strip().strip("|").strip()) for line in TEXT.splitlines() if line.startswith("|")]
    # A heading has its first cell only.
    return [Row(*each) for each in cells[2:] if any(each[1:])]


def quotes(row: Row) -> list[str]:
    """The run's words in a row."""
    return re.findall(r"“([^”]+)”", f"{row.device} {row.said}")


ROWS = rows()
QUOTES = sorted({quote for row in ROWS for quote in quotes(row)})


def links() -> Iterator[tuple[str, str]]:
    for row in ROWS:
        yield from re.findall(r"\[(test_\w+)\]\(([^)]+)\)", row.tests)


def test_every_case_has_all_its_cells_and_a_test() -> None:
    assert len(ROWS) > 50
    for row in ROWS:
        assert row.case
        assert row.device
        assert re.fullmatch(r"\[test_\w+\]\(\S+\)(, \[test_\w+\]\(\S+\))*", row.tests), row.case
        assert {row.preview, row.up} <= EXITS, row.case


def test_no_case_is_told_twice() -> None:
    cases = [row.case for row in ROWS]
    assert [case for case in cases if cases.count(case) > 1] == []


@pytest.mark.parametrize(("function", "target"), sorted(set(links())))
def test_a_test_that_is_named_is_there(function: str, target: str) -> None:
    tree = ast.parse((DOCUMENT.parent / target).read_text(encoding="utf-8"))
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


# What a run can say


def literals() -> Iterator[str]:
    """Every literal text in the package, and the literal parts of those with values in between."""
    for file in sorted((ROOT / "enos_ota").rglob("*.py")):
        if "simulator" not in file.relative_to(ROOT).parts:
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


WORDS = "\n".join(literals())


@pytest.mark.parametrize("quote", QUOTES)
def test_the_words_of_a_run_are_those_of_the_code(quote: str) -> None:
    pieces = [piece.strip(" ,;:()?=") for piece in quote.split("…")]
    assert any(len(piece) > 3 for piece in pieces)
    for piece in pieces:
        assert piece in WORDS


def is_quoted(sentence: str) -> bool:
    """Whether some quote is this sentence, from its beginning to its end."""
    return any(re.fullmatch(".+".join(map(re.escape, quote.split("…"))), sentence) for quote in QUOTES)


PUMPS = TaskSet("pumps", "j1")
STARTED = JobFacts(RecordedJobStatus.STARTED)


def of(finding: KeyOutcome | None, *, job: JobFacts = STARTED, problem: str = "") -> Record:
    """A record of one key, and of one that is plainly cancelled."""
    outcomes = {} if finding is None else {"dk-1": finding}
    return Record(frozenset({"dk-1", "dk-2"}), outcomes, job, problem)


def sentences() -> Iterator[str]:
    """What a verdict can say: every category and remark, every status of a job, either way of judging."""
    outcomes = [None, AFTER_PUSH, UNKNOWN_TEXT, *(KeyOutcome(category, "init") for category in Category)]
    jobs = [JobFacts(status, automatic_retry=retry) for status in RecordedJobStatus for retry in (False, True)]
    judging = [
        PUMPS,
        TaskSet("pumps", "j1", on_too_late="fail", on_missing="report"),
        TaskSet("pumps", "j1", expires="2020-01-31"),
    ]
    for outcome, job, task_set in itertools.product(outcomes, jobs, judging):
        verdict = describe_record(of(outcome, job=job), task_set, is_expired=bool(task_set.expires))
        yield from (each.text.removeprefix(f"{task_set.subject}: ") for each in verdict.messages)


@pytest.mark.parametrize("sentence", sorted(set(sentences())))
def test_every_sentence_of_a_verdict_is_told(sentence: str) -> None:
    assert is_quoted(sentence)


@pytest.mark.parametrize(
    "objection",
    [
        guard_objection(Guard(max_devices=1), 2, 10),
        guard_objection(Guard(max_share=0.1), 2, None),
        firmware_objection("2.4.0", "2.3.0"),
        firmware_objection("2.4.0", ""),
    ],
)
def test_every_objection_is_told(objection: Objection) -> None:
    assert is_quoted(describe_objection(objection))


def is_call_of(node: ast.AST, names: Sequence[str]) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in names


def early_ends() -> Iterator[str]:
    """The longest literal part of every text with which a change ends early or is not begun."""
    for file in sorted((ROOT / "enos_ota").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            is_stop = isinstance(node, ast.Call) and ast.unparse(node.func) == "stop.set"
            if is_stop or is_call_of(node, ["Stopped", "EngineGone", "AuditError"]):
                parts = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
                texts = [part for part in parts if isinstance(part, str) and len(part) > 20]
                if texts:
                    yield max(texts, key=len).strip(" :;")


# The engine's address belongs to every provider of every engine that there is.
NOT_SEEN = "The address of the Pulumi engine is not known to this provider, so nothing may be sent."


@pytest.mark.parametrize("text", sorted(set(early_ends()) - {NOT_SEEN}))
def test_every_early_end_is_told(text: str) -> None:
    assert any(text.lower() in quote.lower() or quote.lower() in text.lower() for quote in QUOTES)


# What a key and a job can be


@pytest.mark.parametrize("category", list(Category))
def test_every_category_is_a_case(category: Category) -> None:
    assert any(row.case.startswith(f"**{category.value}**") for row in ROWS)


@pytest.mark.parametrize("status", list(RecordedJobStatus))
def test_every_status_of_a_job_is_a_case(status: RecordedJobStatus) -> None:
    job = TEXT.partition("| **The job** |")[2].partition("| **Refused")[0]
    assert re.search(rf"^\| {status.value}\b", job, re.MULTILINE)
