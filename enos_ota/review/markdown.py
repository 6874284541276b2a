"""A report as a comment of a pull or merge request, in the Markdown that GitHub and GitLab have in common.

What others wrote cannot become markup. A backslash would not do: both make links of `@team`, `#12` and addresses in
what was rendered already, escaped or not, and only leave code alone. So names are code, and of sentences every word
that could be taken for anything.
"""

from __future__ import annotations

import html
import itertools
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from enos_ota.review import text
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
"""Kept for what is said of what was left out."""
_REASONS: Final = 16_000
_WARNINGS: Final = 6_000
_LISTED: Final = 4_000
"""For other changes, and again for unchanged sets."""
_KEYS: Final = 12_000
"""Kept for keys, so that the sets do not take it all."""
_STEPS: Final = (2_000, 1_000, 500, 200, 100, 50, 20, 10, 5, 2, 1)
"""Keys of each group that are named: as many as there is room for."""
_COLUMN: Final = 32
_MARKER: Final = 200

_MARKS: Final = {Tone.GOOD: "✅", Tone.CAREFUL: "⚠️", Tone.BAD: "❌"}
_LATER: Final = {Effect.CANCEL: 1, Effect.RELEASED: 1, Effect.CANCELLED: 2}
"""Groups that have to wait until there is room for what is graver."""

_COMMAND: Final = re.compile("(`[^`]+`)")
_BEFORE: Final = "(\"'"
_AFTER: Final = ")\"',;:.?"
"""What may stand around a word and be no part of it."""
_PLAIN: Final = re.compile(r"[^\W_]+(?:['.,-][^\W_]+)*…?|…|·|→|")
"""A word, a number, or nothing, without anything that a renderer acts on."""
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
    """The first line of a comment, which nobody sees: by it a workflow finds the comment on a stack, to edit it."""
    quoted = "".join(character if _is_tame(character) else f"%{ord(character):02X}" for character in stack)
    return f"<!-- enos-ota review: {quoted[:_MARKER]} -->"


def _is_tame(character: str) -> bool:
    return character.isprintable() and character not in "<>%"


def render(report: ReviewReport) -> str:
    """The report as Markdown, of at most `LIMIT` characters."""
    return _Page(report).text()


class _Page:
    """A comment that is put together as long as there is room, the gravest first."""

    def __init__(self, report: ReviewReport) -> None:
        self._screen = first_screen(report)
        self._blocks = [f"{marker(report.stack)}\n\n{_heading(self._screen.verdict)}"]
        self._everything = _inline(self._screen.everything)
        self._room = LIMIT - _LEFT - _size(self._blocks[0]) - _size(self._everything)
        self._left: Counter[str] = Counter()

    def text(self) -> str:
        """The comment."""
        screen = self._screen
        verdict = screen.verdict
        said = [
            *self._list(verdict.reasons, _MARKS[Tone.BAD], _REASONS, "reasons"),
            *self._list(verdict.warnings, _MARKS[Tone.CAREFUL], _WARNINGS, "warnings"),
        ]
        others = self._list(screen.others, "", _LISTED, "other changes")
        unchanged = self._list(screen.unchanged, "", _LISTED, "unchanged sets")
        parts = self._parts(screen)
        details = self._details([part for _, part in parts if part])
        blocks = [*self._blocks, *said]
        for block, part in parts:
            blocks += [block] if block else []
            blocks += [details[id(group)] for group in part.groups if id(group) in details] if part else []
        blocks += ["#### Other changes", *others] if others else []
        blocks += ["#### Unchanged", *unchanged] if unchanged else []
        return "\n\n".join([*blocks, *self._foot(screen)]) + "\n"

    def _take(self, block: str, room: int) -> bool:
        """Whether there is room for a block; it is taken."""
        size = _size(block) + 2
        if size > min(room, self._room):
            return False
        self._room -= size
        return True

    def _list(self, texts: Sequence[Text], mark: str, most: int, what: str) -> list[str]:
        """A list of as many texts as there is room for, as one block, or none."""
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
        """What is said of jobs and sets, as long as there is room; of each set the keys are still to come."""
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
        """The keys, by the `id` of their group: the gravest groups first, of each as many as there is room for all."""
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
    """Blocks of jobs and sets; with the set whose keys follow."""
    for job in jobs:
        alone = job.sets[0] if len(job.sets) == 1 and not job.sets[0].lines else None
        yield f"#### Job {_inline(job.title[1:])}\n\n{_lines(job.lines)}", alone
        if alone is None:
            for part in job.sets:
                yield f"##### Set {_inline(part.title[1:])}\n\n{_lines(part.lines)}", part


def _heading(verdict: Headline) -> str:
    occasion = " · ".join(map(_inline, verdict.occasion))
    return f"### {_MARKS[verdict.tone]} {verdict.badge}: {_inline(verdict.sentence)}\n\n{occasion}"


def _lines(lines: Iterable[ReportLine]) -> str:
    return "\n".join(f"- {_mark(line)}**{line.label}:** {' · '.join(map(_inline, line.items))}" for line in lines)


def _mark(line: ReportLine) -> str:
    return f"{_MARKS[line.tone]} " if line.tone in {Tone.CAREFUL, Tone.BAD} else ""


def _patience(group: KeyGroup) -> int:
    return _LATER.get(group.effect, 0)


def _group(group: KeyGroup, most: int) -> str:
    """The keys of a group, collapsed. What others wrote is in the fence alone."""
    summary = f"{_number(group.total)} {group.title}" + (f": {group.meaning}" if group.meaning else "")
    keys = [(text.key(each.device_key), each) for each in group.keys[:most]]
    column = min(_COLUMN, max((len(key) for key, _ in keys), default=0))
    shown = [_row(f"{key:{column}}", each) for key, each in keys]
    if rest := group.total - len(shown):
        shown.append(f"… {_number(rest)} more" if shown else f"… {_number(rest)} keys")
    fence = "`" * max(3, 1 + max(_longest_run(row) for row in shown))
    # Indented, as GitLab takes a line that begins with a slash for an order.
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
    """Parts one after the other; between two that are code a space, as their back-quotes would run together."""
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
        return f"**{piece.text}**"
    return _sentence(piece.text) if piece.kind is Kind.SAYING else _code(piece.text)


def _sentence(said: str) -> str:
    """A sentence, in it as code whatever a renderer could act on, and what is in back-quotes."""
    parts = enumerate(_COMMAND.split(said))
    return _joined(_code(part[1:-1]) if place % 2 and part[1:-1].strip() else _words(part) for place, part in parts)


def _words(part: str) -> str:
    """The words of a text as they are, and those as code that could be more than words; neighbours share their code."""
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
    """As code, but for brackets, quotes and stops around it."""
    rest = words.lstrip(_BEFORE)
    inside = rest.rstrip(_AFTER)
    return words[: len(words) - len(rest)] + _code(inside) + rest[len(inside) :]


def _code(inside: str) -> str:
    """As code, whatever is in it."""
    if not inside:
        return ""
    fence = "`" * (1 + _longest_run(inside))
    # A space on both sides is taken away again, unless there is nothing else.
    padded = "`" in {inside[0], inside[-1]} or (inside[0] == inside[-1] == " " and inside.strip())
    pad = " " if padded else ""
    return f"{fence}{pad}{inside}{pad}{fence}"


def _longest_run(inside: str) -> int:
    return max(map(len, re.findall("`+", inside)), default=0)


def _size(block: str) -> int:
    return len(block.encode("utf-16-le", errors="surrogatepass")) // 2
