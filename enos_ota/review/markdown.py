"""Review report as a comment of a pull or merge request, in the Markdown that GitHub and GitLab share.

Foreign text cannot become markup. A backslash is not enough: both sites make links of `@team`, `#12` and addresses in
rendered text, escaped or not; they leave only code alone. So names are code, and so is every suspect word of a
sentence.
"""

from __future__ import annotations

import html
import itertools
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from enos_ota.review import text
from enos_ota.review.exposure import Exposure
from enos_ota.review.model import Effect
from enos_ota.review.screen import Tone, first_screen
from enos_ota.review.text import Kind, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from enos_ota.review.model import KeyReport, ReviewReport
    from enos_ota.review.screen import Headline, JobSection, KeyGroup, ReportLine, Screen, SetSection
    from enos_ota.review.text import Piece, Text

LIMIT: Final = 64_000
"""Characters at most, an emoji counted as two: GitHub takes 65 536, some of which a workflow may need for itself."""

_LEFT: Final = 300
"""Reserved for the line about what was left out."""
_REASONS: Final = 16_000
_WARNINGS: Final = 6_000
_LISTED: Final = 4_000
"""For other changes, and again for unchanged sets."""
_KEYS: Final = 12_000
"""Reserved for keys."""
_STEPS: Final = (2_000, 1_000, 500, 200, 100, 50, 20, 10, 5, 2, 1)
"""Numbers of keys of each group to try, the largest that fits is taken."""
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
_LATER: Final = {Effect.CANCEL: 1, Effect.RELEASED: 1, Effect.CANCELLED: 2}
"""Groups that give way to more serious ones."""

_COMMAND: Final = re.compile("(`[^`]+`)")
_BEFORE: Final = "(\"'"
_AFTER: Final = ")\"',;:.?"
"""Characters around a word that are not part of it."""
_PLAIN: Final = re.compile(r"[^\W_]+(?:['.,-][^\W_]+)*…?|…|·|→|")
"""A word, a number, or nothing, that no renderer changes."""
_SUSPECT: Final = re.compile(
    r"""
    (?i:[0-9a-f]{7})                     # a commit
    | (?i:[a-z][a-z0-9]*-[0-9])          # an issue: GH-1, INC-4711
    | [A-Z]{2}-                          # an advisory
    | (?i:[^\W\d]\.\w | \w\.[^\W\d])     # a host, a file
    """,
    re.VERBOSE,
)


def marker(stack: str) -> str:
    """Return the invisible first line of a comment, by which a workflow finds the comment of a stack."""
    quoted = "".join(character if _is_tame(character) else f"%{ord(character):02X}" for character in stack)
    return f"<!-- enos-ota review: {quoted[:_MARKER]} -->"


def _is_tame(character: str) -> bool:
    return character.isprintable() and character not in "<>%"


def render(report: ReviewReport) -> str:
    """Return the report as Markdown, of at most `LIMIT` characters."""
    return _Page(report).text()


class _Page:
    """A comment of limited size; what is most serious gets room first."""

    def __init__(self, report: ReviewReport) -> None:
        self._screen = first_screen(report)
        self._blocks = [f"{marker(report.stack)}\n\n{_heading(self._screen.verdict)}"]
        self._everything = _inline(self._screen.everything)
        self._room = LIMIT - _LEFT - _size(self._blocks[0]) - _size(self._everything)
        self._left: Counter[str] = Counter()

    def text(self) -> str:
        """Return the comment."""
        screen = self._screen
        verdict = screen.verdict
        notes = [
            *self._list(verdict.reasons, _MARKS[Tone.BAD], _REASONS, "reasons"),
            *self._list(verdict.warnings, _MARKS[Tone.CAREFUL], _WARNINGS, "warnings"),
        ]
        others = self._list(screen.others, "", _LISTED, "other changes")
        unchanged = self._list(screen.unchanged, "", _LISTED, "unchanged sets")
        parts = self._parts(screen)
        details = self._details([part for _, part in parts if part])
        blocks = [*self._blocks, *notes]
        for block, part in parts:
            blocks += [block] if block else []
            blocks += [details[id(group)] for group in part.groups if id(group) in details] if part else []
        blocks += ["#### Other changes", *others] if others else []
        blocks += ["#### Unchanged", *unchanged] if unchanged else []
        return "\n\n".join([*blocks, *self._foot(screen)]) + "\n"

    def _take(self, block: str, room: int) -> bool:
        """Reserve room for a block; return whether there was enough."""
        size = _size(block) + 2
        if size > min(room, self._room):
            return False
        self._room -= size
        return True

    def _list(self, texts: Sequence[Text], mark: str, most: int, what: str) -> list[str]:
        """Return one block with as many texts as fit, or none."""
        least = self._room - most
        shown: list[str] = []
        for each in texts:
            bullet = f"- {mark} {_inline(each)}" if mark else f"- {_inline(each)}"
            if self._take(bullet, self._room - least):
                shown.append(bullet)
            else:
                self._left[what] += 1
        return ["\n".join(shown)] if shown else []

    def _parts(self, screen: Screen) -> list[tuple[str, SetSection | None]]:
        """Return the blocks of jobs and sets that fit; a set goes with the block that its keys follow."""
        shown: list[tuple[str, SetSection | None]] = []
        full = False
        for block, part in _sections(screen.jobs):
            full = full or not self._take(block, self._room - _KEYS)
            if not full:
                shown.append((block, part))
            elif part:
                self._left["sets"] += 1
                self._left["keys"] += sum(group.total for group in part.groups)
        return shown

    def _details(self, parts: Sequence[SetSection]) -> dict[int, str]:
        """Return blocks of keys by the `id` of their group; groups of equal priority list equally many keys."""
        groups = [group for part in parts for group in part.groups]
        shown: dict[int, str] = {}
        for _, tier in itertools.groupby(sorted(groups, key=_patience), key=_patience):
            of_tier = list(tier)
            most = next((step for step in _STEPS if self._fits(of_tier, step)), _STEPS[-1])
            for group in of_tier:
                block = _group(group, most)
                if self._take(block, self._room):
                    shown[id(group)] = block
                    self._left["keys"] += group.total - min(most, len(group.keys))
                else:
                    self._left["keys"] += group.total
        return shown

    def _fits(self, groups: Iterable[KeyGroup], most: int) -> bool:
        room = self._room
        for group in groups:
            room -= _size(_group(group, most)) + 2
            if room < 0:
                return False
        return True

    def _foot(self, screen: Screen) -> Iterator[str]:
        left = [_inline(say(number, f" {what}")) for what, number in self._left.items() if number]
        if left:
            yield f"Left out here: {', '.join(left)}."
        if left or any(part.groups for job in screen.jobs for part in job.sets):
            yield self._everything


def _sections(jobs: Iterable[JobSection]) -> Iterator[tuple[str, SetSection | None]]:
    """Return blocks of jobs and sets, each with the set whose keys follow it."""
    for job in jobs:
        alone = job.sets[0] if len(job.sets) == 1 and not job.sets[0].lines else None
        yield f"#### Job {_inline(job.title[1:])}\n\n{_lines(job.lines)}", alone
        if alone is None:
            for part in job.sets:
                yield f"##### Set {_inline(part.title[1:])}\n\n{_lines(part.lines)}", part


def _heading(verdict: Headline) -> str:
    context = " · ".join(map(_inline, verdict.context))
    return f"### {_MARKS[verdict.tone]} {verdict.badge}: {_inline(verdict.sentence)}\n\n{context}"


def _lines(lines: Iterable[ReportLine]) -> str:
    return "\n".join(f"- {_mark(line)}**{line.label}:** {' · '.join(map(_inline, line.items))}" for line in lines)


def _mark(line: ReportLine) -> str:
    return f"{_MARKS[line.tone]} " if line.tone in {Tone.CAREFUL, Tone.BAD} else ""


def _patience(group: KeyGroup) -> int:
    return _LATER.get(group.effect, 0)


def _group(group: KeyGroup, most: int) -> str:
    """Return the keys of a group, collapsed. Foreign text is inside the fence only."""
    summary = f"{_EXPOSURES[group.exposure]} {_number(group.total)} {group.title}" + (
        f": {group.meaning}" if group.meaning else ""
    )
    keys = [(text.key(each.device_key), each) for each in group.keys[:most]]
    column = min(_COLUMN, max((len(key) for key, _ in keys), default=0))
    shown = [_row(f"{key:{column}}", each) for key, each in keys]
    if rest := group.total - len(shown):
        shown.append(f"… {_number(rest)} more" if shown else f"… {_number(rest)} keys")
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
    """Return words unchanged and suspect words as code; neighbours share one code span."""
    done: list[str] = []
    words = [(_is_plain(word), word) for word in part.split(" ")]
    for number, (plain, run) in enumerate(itertools.groupby(words, key=lambda each: each[0])):
        together = " ".join(word for _, word in run)
        done += [" "] if number else []
        done.append(together if plain else _peeled(together))
    return "".join(done)


def _is_plain(word: str) -> bool:
    inside = word.lstrip(_BEFORE).rstrip(_AFTER)
    return _PLAIN.fullmatch(inside) is not None and not _SUSPECT.search(inside)


def _peeled(words: str) -> str:
    """Return words as code, except brackets, quotes and stops around them."""
    rest = words.lstrip(_BEFORE)
    inside = rest.rstrip(_AFTER)
    return words[: len(words) - len(rest)] + _code(inside) + rest[len(inside) :]


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
