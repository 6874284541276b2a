"""Review report as a comment of a pull or merge request, in the Markdown that GitHub and GitLab share.

Foreign text cannot become markup. A backslash is not enough: both sites make links of `@team`, `#12` and addresses in
rendered text, escaped or not; they leave only code alone. So names are code, and so is every suspect word of a
sentence.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from enos_ota.review import text
from enos_ota.review.exposure import EFFECTS, Exposure
from enos_ota.review.lines import Tone
from enos_ota.review.screen import first_screen
from enos_ota.review.text import Kind, say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from enos_ota.review.lines import ReportLine
    from enos_ota.review.model import KeyReport, ReviewReport
    from enos_ota.review.screen import Headline, JobSection, KeyGroup
    from enos_ota.review.text import Piece, Text

LIMIT: Final = 64_000
"""Characters at most, an emoji counted as two: GitHub takes 65 536, some of which a workflow may need for itself."""

_REASONS: Final = 16_000
_WARNINGS: Final = 6_000
_LISTED: Final = 4_000
"""For other changes, and again for unchanged sets."""
_FOOT: Final = 300
"""Reserved for the line about what was left out."""
_STEPS: Final = (2_000, 1_000, 500, 200, 100, 50, 20, 10)
"""Numbers of keys of each group to try; the largest with which everything fits is taken."""
_COLUMN: Final = 32
_MARKER: Final = 200

_MARKS: Final = {Tone.GOOD: "✅", Tone.CAREFUL: "⚠️", Tone.BAD: "❌"}
_EXPOSURES: Final = {
    Exposure.RUNS: "🟥",
    Exposure.UPGRADING: "🟧",
    Exposure.WAITING: "🟨",
    Exposure.CANCELLED: "🟦",
    Exposure.UNKNOWN: "⬜",
}

_COMMAND: Final = re.compile("(`[^`]+`)")
_BEFORE: Final = "(\"'"
_AFTER: Final = ")\"',;:.?"
"""Characters around a word that are not part of it."""
_PLAIN: Final = re.compile(r"[^\W_]+(?:['.,-][^\W_]+)*…?|…|·|→|")
"""A word, a number, or nothing, that no renderer changes."""
_SUSPECT: Final = re.compile(
    r"""
    (?i:[0-9a-f]{7})                     # a commit
    | (?i:[a-z][0-9]*-[0-9])               # an issue: GH-1, INC-4711
    | [A-Z]{2}-                          # an advisory
    | (?i:[^\W\d]\.\w | \w\.[^\W\d])     # a host, a file
    """,
    re.VERBOSE,
)


def marker(stack: str) -> str:
    """Return the invisible first line of a comment, by which a workflow finds the comment of a stack."""
    quoted = "".join(each if each.isprintable() and each not in "<>%" else f"%{ord(each):02X}" for each in stack)
    return f"<!-- enos-ota review: {quoted[:_MARKER]} -->"


def render(report: ReviewReport) -> str:
    """Return the report as Markdown, of at most `LIMIT` characters."""
    screen = first_screen(report)
    foot = f"\n\n{_inline(screen.everything)}"
    for most in _STEPS:
        page = _Page(LIMIT - _FOOT - _size(foot))
        page.add(f"{marker(report.stack)}\n\n{_heading(screen.verdict)}")
        page.add_list("", screen.verdict.reasons, f"{_MARKS[Tone.BAD]} ", "reasons", _REASONS)
        page.add_list("", screen.verdict.warnings, f"{_MARKS[Tone.CAREFUL]} ", "warnings", _WARNINGS)
        if page.add_jobs(screen.jobs, most):
            break
    page.add_list("\n\n#### Other changes", screen.others, "", "other changes", _LISTED)
    page.add_list("\n\n#### Unchanged", screen.unchanged, "", "unchanged sets", _LISTED)
    if left := [_inline(say(number, f" {what}")) for what, number in page.left.items() if number]:
        page.blocks.append(f"\n\nLeft out here: {', '.join(left)}.")
    has_keys = any(part.groups for job in screen.jobs for part in job.sets)
    return "".join([*page.blocks, foot if left or has_keys else "", "\n"])


class _Page:
    """Blocks of a comment of limited size, and the number of things for which there was no room."""

    def __init__(self, room: int) -> None:
        self._room = room
        self.blocks: list[str] = []
        self.left: Counter[str] = Counter()

    def add(self, block: str, *, reserved: int = 0) -> bool:
        """Add a block if there is room for it; return whether there was."""
        has_room = _size(block) <= self._room - reserved
        if has_room:
            self._room -= _size(block)
            self.blocks.append(block)
        return has_room

    def add_list(self, title: str, texts: Iterable[Text], mark: str, what: str, most: int) -> None:
        """Add as many texts as fit into so many characters."""
        reserved = max(0, self._room - most)
        start = f"{title}\n\n"
        for each in texts:
            if self.add(f"{start}- {mark}{_inline(each)}", reserved=reserved):
                start = "\n"
            else:
                self.left[what] += 1

    def add_jobs(self, jobs: Iterable[JobSection], most: int) -> bool:
        """Add jobs and at most so many keys of each group. Return False where more fits with fewer keys."""
        is_last = most == _STEPS[-1]
        for job in jobs:
            groups = [(part, group) for part in job.sets for group in part.groups]
            if not self.add(f"\n\n#### {_inline(job.title)}\n\n{_lines(job.lines)}", reserved=2 * _LISTED):
                if not is_last:
                    return False
                self.left.update(sets=len(job.sets), keys=sum(group.total for _, group in groups))
                continue
            titled = None if len(job.sets) > 1 else job.sets[0]
            for part, group in groups:
                title = "" if part is titled else f"\n\n##### Keys of {_inline(part.title)}"
                if self.add(f"{title}\n\n{_group(group, most)}", reserved=2 * _LISTED):
                    titled = part
                    self.left["keys"] += group.total - min(most, len(group.keys))
                elif is_last:
                    self.left["keys"] += group.total
                else:
                    return False
        return True


def _heading(verdict: Headline) -> str:
    context = " · ".join(map(_inline, verdict.context))
    return f"### {_MARKS[verdict.tone]} {verdict.badge}: {_inline(verdict.sentence)}\n\n{context}"


def _lines(lines: Iterable[ReportLine]) -> str:
    marks = {tone: f"{_MARKS[tone]} " for tone in (Tone.CAREFUL, Tone.BAD)}
    return "\n".join(
        f"- {marks.get(line.tone, '')}**{line.label}:** {' · '.join(map(_inline, line.items))}" for line in lines
    )


def _group(group: KeyGroup, most: int) -> str:
    """Return the keys of a group, collapsed. Foreign text is inside the fence only."""
    summary = f"{_EXPOSURES[EFFECTS[group.effect].exposure]} {_number(group.total)} {group.title}"
    keys = [(text.key(each.device_key), each) for each in group.keys[:most]]
    column = min(_COLUMN, max((len(key) for key, _ in keys), default=0))
    shown = [_row(f"{key:{column}}", each) for key, each in keys]
    if rest := group.total - len(shown):
        shown.append(f"… {_number(rest)} {'more' if shown else 'keys'}")
    fence = "`" * max(3, 1 + max(_longest_run(row) for row in shown))
    # Indented, as GitLab runs a line that begins with a slash as a command.
    body = "".join(f"  {row}\n" for row in shown)
    return f"<details><summary>{html.escape(summary)}</summary>\n\n{fence}\n{body}{fence}\n\n</details>"


def _row(key: str, each: KeyReport) -> str:
    since = f"from {text.name(each.source_version).text}" if each.source_version else ""
    return f"{key}  {text.name(each.status).text:9}  {since}".rstrip()


def _number(number: int) -> str:
    return text.plain(say(number))


def _inline(pieces: Text) -> str:
    return _joined(map(_piece, pieces))


def _joined(parts: Iterable[str]) -> str:
    """Join parts, with a space between two that are code, so that their back-quotes stay apart."""
    joined: list[str] = []
    for part in filter(None, parts):
        if joined and part[0] == "`" == joined[-1][-1]:
            joined.append(" ")
        joined.append(part)
    return "".join(joined)


def _piece(piece: Piece) -> str:
    if piece.kind is Kind.WORDS:
        return piece.text
    if piece.kind is Kind.NUMBER:
        return f"{_EXPOSURES[piece.exposure]} **{piece.text}**" if piece.exposure else f"**{piece.text}**"
    return _sentence(piece.text) if piece.kind is Kind.SAYING else _code(piece.text)


def _sentence(sentence: str) -> str:
    """Return a sentence with commands and suspect words as code."""
    parts = enumerate(_COMMAND.split(sentence))
    return _joined(_code(part[1:-1]) if place % 2 and part[1:-1].strip() else _words(part) for place, part in parts)


def _words(part: str) -> str:
    return " ".join(map(_word, part.split(" ")))


def _word(word: str) -> str:
    """Return a word; if it is suspect, as code, except brackets, quotes and stops around it."""
    rest = word.lstrip(_BEFORE)
    inside = rest.rstrip(_AFTER)
    if _PLAIN.fullmatch(inside) and not _SUSPECT.search(inside):
        return word
    return word[: len(word) - len(rest)] + _code(inside) + rest[len(inside) :]


def _code(inside: str) -> str:
    """Return any text as code."""
    if not inside:
        return ""
    fence = "`" * (1 + _longest_run(inside))
    # Markdown removes one space on both sides, unless there is nothing else.
    padded = "`" in {inside[0], inside[-1]} or (inside[0] == inside[-1] == " " and inside.strip())
    pad = " " if padded else ""
    return f"{fence}{pad}{inside}{pad}{fence}"


def _longest_run(inside: str) -> int:
    return max(map(len, re.findall("`+", inside)), default=0)


def _size(block: str) -> int:
    return len(block.encode("utf-16-le", errors="surrogatepass")) // 2
