"""The report as a comment of a pull request: bounded, and no foreign text is markup."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, get_origin

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from enos_ota.enos import TaskStatus
from enos_ota.review.markdown import LIMIT, marker, render
from enos_ota.review.model import ReportPart, ReviewReport
from enos_ota.review.screen import first_screen
from tests.harness import reports
from tests.harness.any_report import HOSTILE, huge_reports
from tests.harness.any_report import reports as any_report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from markdown_it.token import Token

PARSER = MarkdownIt("js-default", {"html": True})

_OURS = re.compile(r"<!-- enos-ota review: [^<>]* -->\n\n?|<details><summary>[^<>]*</summary>\n|</details>\n")
_ACTIVE = re.compile(
    r"""
    [@#!~$%^&*_`|<>\[\]{}\\]            # mentions, references, markup
    | :// | www\. | \b(?i:gh)-[0-9]      # addresses, issues
    | \b[A-Z]{2,}-[0-9]                  # issues of a tracker
    | \b[0-9a-f]{7,40}\b                 # commits
    | :(?:[a-z+-]\w*|[0-9]{3,}):          # emoji
    """,
    re.VERBOSE,
)
_LEFT_OUT = "Left out here: "
_STATUSES = {status.value for status in TaskStatus}


def tokens(markdown: str) -> list[Token]:
    return PARSER.parse(markdown)


def inline(markdown: str) -> Iterator[Token]:
    return (child for token in tokens(markdown) for child in token.children or ())


def structure(markdown: str) -> list[tuple[str, str, int]]:
    """What blocks there are, without their texts."""
    return [(token.type, token.tag, token.level) for token in tokens(markdown)]


def check(parsed: Sequence[Token]) -> None:
    """What holds of every comment, whatever the report."""
    is_open = False
    for token in parsed:
        if token.type == "html_block":
            assert _OURS.fullmatch(token.content), token.content
            if not token.content.startswith("<!--"):
                is_open = not is_open
                assert ("<details>" in token.content) is is_open, token.content
        if token.type == "fence":
            assert is_open
            assert all(line.startswith("  ") for line in token.content.splitlines())
        for child in token.children or ():
            assert child.type in {"text", "code_inline", "strong_open", "strong_close"}, child
            if child.type == "text":
                assert not _ACTIVE.search(child.content), child.content
    assert not is_open


def tamed(value: Any, names: dict[str, str]) -> Any:
    """A part of a report in which foreign texts are harmless words, different ones where they differ."""
    if isinstance(value, ReportPart):
        # Literals and codes are none of theirs.
        fields = type(value).model_fields.items()
        theirs = [name for name, each in fields if get_origin(each.annotation) is not Literal and name != "code"]
        return value.model_copy(update={name: tamed(getattr(value, name), names) for name in theirs})
    if isinstance(value, tuple):
        return tuple(tamed(each, names) for each in value)
    if type(value) is not str or not value.strip() or value in _STATUSES:
        return value
    if value not in names:
        # The lines of a sentence stay lines.
        lines = [line for line in value.split("\n") if line.strip()]
        word = f"word{_letters(len(names))}x"
        names[value] = "\n".join(f"{word}{_letters(place)}" for place, _ in enumerate(lines))
    return names[value]


def _letters(number: int) -> str:
    return "".join("abcdefghij"[int(digit)] for digit in str(number))


@pytest.mark.parametrize("case", reports.CASES)
def test_each_situation_is_well_formed(case: str) -> None:
    check(tokens(render(reports.CASES[case]())))


@given(any_report())
def test_any_report_is_well_formed_and_no_foreign_text_is_markup(report: ReviewReport) -> None:
    check(tokens(render(report)))


@given(any_report())
def test_the_structure_does_not_depend_on_foreign_texts(report: ReviewReport) -> None:
    theirs, harmless = render(report), render(tamed(report, {}))
    assume(_LEFT_OUT not in theirs)
    assume(_LEFT_OUT not in harmless)
    assert structure(theirs) == structure(harmless)


def test_the_structure_of_a_hostile_report_is_that_of_a_harmless_one() -> None:
    assert structure(render(reports.hostile())) == structure(render(tamed(reports.hostile(), {})))


@pytest.mark.parametrize("sets", [1, 40, 400])
@settings(max_examples=10)
@given(data=st.data())
def test_any_report_fits_into_a_comment_that_says_what_is_left_out(sets: int, data: st.DataObject) -> None:
    report = data.draw(huge_reports(sets))
    markdown = render(report)
    assert len(markdown.encode("utf-16-le")) // 2 <= LIMIT < 65_535
    parsed = tokens(markdown)
    check(parsed)
    screen = first_screen(report)
    assert screen.verdict.badge in parsed[2].content
    whole = sum(group.total for job in screen.jobs for part in job.sets for group in part.groups)
    shown = sum(
        not line.startswith("  … ") for token in parsed if token.type == "fence" for line in token.content.splitlines()
    )
    left = _left_out(markdown)
    assert whole - shown == left.get("keys", 0)
    assert len(screen.verdict.reasons) == _bullets(markdown, "❌ ") + left.get("reasons", 0)


def _left_out(markdown: str) -> dict[str, int]:
    line = next((line for line in markdown.splitlines() if line.startswith(_LEFT_OUT)), "")
    return {what: int(number.replace(" ", "")) for number, what in re.findall(r"\*\*([0-9 ]+)\*\* ([a-z ]+)", line)}


def _bullets(markdown: str, mark: str) -> int:
    """Bullets above the first job that begin with a mark."""
    head = markdown.partition("\n#### ")[0]
    return sum(line.startswith(f"- {mark}") for line in head.splitlines())


def test_a_hundred_thousand_keys_fit_and_the_gravest_are_all_there() -> None:
    markdown = render(reports.many_keys())
    assert all(f"pump-{number:05}" in markdown for number in range(1, 13))
    assert _left_out(markdown)["keys"] > 90_000
    assert len(markdown) <= LIMIT


def test_hundreds_of_sets_leave_room_for_the_keys_of_the_first() -> None:
    one = reports.drift()
    sets = tuple(one.sets[0].model_copy(update={"name": f"pump-{number}"}) for number in range(400))
    markdown = render(one.model_copy(update={"sets": sets}))
    assert _left_out(markdown)["keys"] > 10_000
    assert "pump-00004" in markdown


@pytest.mark.parametrize("many", [1, 40, 2000])
def test_a_stack_whose_name_costs_three_times_its_length_as_code_leaves_room_for_the_end(many: int) -> None:
    one = reports.drift()
    reasons = tuple(f"reason {number} {'x' * 900}" for number in range(100))
    crowd = tuple(one.sets[0].model_copy(update={"name": f"pump-{number}"}) for number in range(400))
    markdown = render(one.model_copy(update={"stack": "`" * many, "reasons": reasons, "sets": crowd}))
    assert len(markdown) <= LIMIT
    assert "enos-ota review --stack" in markdown


def test_an_ordinary_report_leaves_nothing_out() -> None:
    assert _LEFT_OUT not in render(reports.first_preview())


@pytest.mark.parametrize("case", reports.CASES)
def test_the_marker_is_the_first_line_and_the_verdict_the_next(case: str) -> None:
    report = reports.CASES[case]()
    first, blank, heading, *_ = render(report).split("\n")
    assert first == marker(report.stack)
    assert not blank
    assert heading.startswith("### ")
    assert f"{first_screen(report).verdict.badge}: " in heading


def test_the_marker_names_the_stack() -> None:
    assert marker("acme/pumps/prod") == "<!-- enos-ota review: acme/pumps/prod -->"


@given(st.one_of(st.text(), st.sampled_from(HOSTILE)))
def test_no_stack_ends_its_marker(stack: str) -> None:
    line = marker(stack)
    assert line.isprintable()
    assert line.index("-->") == len(line) - 3
    (token,) = tokens(line)
    assert (token.type, token.content) == ("html_block", line)


@pytest.mark.parametrize(
    ("said", "markdown"),
    [
        ("the guard stops this change", "the guard stops this change"),
        ("cancel 36 devices: at most 20 may be (maxDevices);", "cancel 36 devices: at most 20 may be (maxDevices);"),
        ("check jobId and `expect`", "check jobId and `expect`"),
        ("run `pulumi up` again", "run `pulumi up` again"),
        ("set ENOS_OTA_BREAK_GLASS=<reason> for this run", "set `ENOS_OTA_BREAK_GLASS=<reason>` for this run"),
        ("set 'pump-2.3.0' (job 65a1b2c3d4e5f607): x", "set '`pump-2.3.0`' (job `65a1b2c3d4e5f607`): x"),
        ("ask @team about #12, !3 and GH-1", "ask `@team` about `#12`, `!3` and `GH-1`"),
        ("see https://evil.example or www.evil.example", "see `https://evil.example` or `www.evil.example`"),
        ("https://a.example did not answer", "`https://a.example` did not answer"),
        ("re-publishes failed tasks", "re-publishes failed tasks"),
        ("firmware 1.4.0 is expected", "firmware 1.4.0 is expected"),
        ("a ` b", "a `` ` `` b"),
        ("a ``` b", "a ```` ``` ```` b"),
        ("/close now", "`/close` now"),
        ("|`code`|", "`|` `code` `|`"),
        ("<b>bold</b>", "`<b>bold</b>`"),
        ("fix :tada: 1f0e2d3c", "fix `:tada`: `1f0e2d3c`"),
    ],
)
def test_of_a_sentence_only_what_a_renderer_could_act_on_is_code(said: str, markdown: str) -> None:
    assert f"- ❌ {markdown}\n" in render(reports.nothing_to_do().model_copy(update={"reasons": (said,)}))


@pytest.mark.parametrize("text", ["`", "``x``", " x ", "x`", "   ", "a  b"])
def test_a_name_reads_the_same_in_the_rendered_comment(text: str) -> None:
    markdown = render(reports.nothing_to_do().model_copy(update={"commit": text}))
    codes = [token.content for token in inline(markdown) if token.type == "code_inline"]
    assert text in codes


def test_a_key_that_looks_like_a_fence_does_not_end_the_list_of_keys() -> None:
    report = reports.hostile()
    fences = [token for token in tokens(render(report)) if token.type == "fence"]
    assert len(fences) == len(report.sets[0].counts)


def rows(markdown: str) -> Sequence[str]:
    return [line.strip() for token in tokens(markdown) if token.type == "fence" for line in token.content.splitlines()]


def test_each_key_has_its_status_and_source_version_beside_it() -> None:
    assert "pump-00001  upgrading  from 2.2.0" in rows(render(reports.first_preview()))
