"""The tasks of a job by status, now and after the change: two stacked bars, and the numbers beside them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from enos_ota.review import text
from enos_ota.review.html.markup import Element, element, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from enos_ota.review.model import JobReport, ReviewReport

ROLLED_BACK: Final = "cancelled by this change"

_ORDER: Final = ("succeeded", "upgrading", "published", "init", "failed", ROLLED_BACK)
_MEANING: Final = {
    "succeeded": "new firmware runs",
    "upgrading": "under way, too late",
    "published": "waiting, device was told",
    "init": "waiting",
    "failed": "cancelled earlier or failed",
    ROLLED_BACK: "reads as failed",
}
_WAITING: Final = ("published", "init")

_LEAST: Final = 0.8
"""Percent of a bar's width that the smallest part gets, so that one task can be seen."""

_LABELLED: Final = 14.0
"""Percent of a bar's width from which on a part has room for its number, and for its name or the beginning of it."""

_HEIGHT: Final = 34


@dataclass(frozen=True, slots=True)
class Row:
    """The tasks of one status.

    Attributes:
        status: As EnOS spells it, made visible, or `ROLLED_BACK`.
        now: How many there are.
        after: How many there would be after an `up`.
    """

    status: str
    now: int
    after: int


def rows(job: JobReport, report: ReviewReport) -> list[Row]:
    """The tasks of a job by status; empty if EnOS did not say."""
    now: Counter[str] = Counter()
    for each in job.by_status:
        now[text.name(each.status).text] += each.tasks
    if not now.total():
        return []
    taken = _taken(job, report, now)
    after = now - taken
    after[ROLLED_BACK] = taken.total()
    names = [*_ORDER, *(status for status in now if status not in _ORDER)]
    return [Row(name, now[name], after[name]) for name in names if now[name] or after[name]]


def _taken(job: JobReport, report: ReviewReport, now: Counter[str]) -> Counter[str]:
    """What the change takes from each status, never more than there is: the counts are from different moments."""
    taken: Counter[str] = Counter()
    for each in report.sets:
        if each.job_id == job.job_id:
            for count in each.will_cancel_by:
                taken[text.name(count.status).text] += count.tasks
    taken &= now
    left = job.will_cancel - taken.total()
    for status in _WAITING:  # what was not told by status: the most urgent are sent first
        more = max(0, min(left, now[status] - taken[status]))
        taken[status] += more
        left -= more
    return +taken


def chart(job: JobReport, report: ReviewReport) -> Element | None:
    """Two bars and a table of their numbers; None if EnOS did not say how many tasks there are.

    Args:
        job: The job.
        report: The report it is in.
    """
    found = rows(job, report)
    if not found:
        return None
    changes = any(row.now != row.after for row in found)
    bars = [("Now", [(row.status, row.now) for row in found])]
    if changes:
        bars.append(("After", [(row.status, row.after) for row in found]))
    return element(
        "div",
        *(_bar(name, parts) for name, parts in bars),
        _table(found, job.total, changes=changes),
        class_="chart",
    )


def _bar(name: str, parts: Sequence[tuple[str, int]]) -> Element:
    told = ", ".join(f"{number(tasks)} {status}" for status, tasks in parts if tasks)
    drawn = list(_segments(parts))
    return element(
        "div",
        element("span", name, class_="bar-name", aria_hidden="true"),
        element(
            "svg",
            element("title", f"{name}: {told}"),
            *drawn,
            class_="bar",
            role="img",
            aria_label=f"Tasks {name.lower()}: {told}",
            width="100%",
            height=str(_HEIGHT),
        ),
        class_="bar-row",
    )


def _segments(parts: Sequence[tuple[str, int]]) -> Iterable[Element]:
    total = sum(tasks for _, tasks in parts)
    sizes = [max(100 * tasks / total, _LEAST) if tasks else 0.0 for _, tasks in parts]
    scale = 100 / sum(sizes)
    start = 0.0
    for (status, tasks), size in zip(parts, sizes, strict=True):
        width = size * scale
        if tasks:
            label = None
            if width >= _LABELLED:
                label = element("text", f"{number(tasks)} {status}", x="8", y="22")
            yield element(
                "svg",  # cuts the label off at the part's end
                element("rect", width="100%", height="100%", class_="fill"),
                element("rect", width="100%", height="100%", fill=f"url(#{_kind(status)})"),
                element("rect", width="2", height="100%", class_="edge") if start else None,
                label,
                class_=_kind(status),
                x=f"{start:.3f}%",
                width=f"{width:.3f}%",
                height=str(_HEIGHT),
            )
        start += width


def _kind(status: str) -> str:
    """The name by which page.css and `patterns` know a status."""
    return f"state-{_ORDER.index(status)}" if status in _ORDER else "state-other"


def _table(found: Sequence[Row], total: int | None, *, changes: bool) -> Element:
    heads = [element("th", "Status", scope="col"), element("th", "Now", scope="col", class_="figure")]
    if changes:
        heads += [element("th", "After", scope="col", class_="figure")]
    heads += [element("th", "", scope="col")]
    return element(
        "table",
        element("caption", "Tasks by status", class_="unseen"),
        element("thead", element("tr", *heads)),
        element("tbody", *(_line(row, changes=changes) for row in found)),
        None if total is None else element("tfoot", _total(total, changes=changes)),
        class_="legend",
    )


def _total(total: int, *, changes: bool) -> Element:
    cells = [element("td", number(total), class_="figure") for _ in range(1 + changes)]
    return element("tr", element("th", "in all", scope="row"), *cells, element("td"))


def _line(row: Row, *, changes: bool) -> Element:
    cells = [element("td", number(row.now), class_="figure")]
    if changes:
        is_other = row.now != row.after
        cells.append(element("td", number(row.after), class_="figure changed" if is_other else "figure"))
    kind = _kind(row.status)
    swatch = element(
        "svg",
        element("rect", width="100%", height="100%", class_="fill"),
        element("rect", width="100%", height="100%", fill=f"url(#{kind})"),
        class_=f"swatch {kind}",
        width="14",
        height="14",
        aria_hidden="true",
    )
    return element(
        "tr",
        element("th", swatch, " ", row.status, scope="row"),
        *cells,
        element("td", _MEANING.get(row.status, ""), class_="meaning"),
    )


def patterns() -> Element:
    """What fills the parts beside their colours; once a page."""
    lines = {
        "state-0": None,
        "state-1": "M1 1h2v2h-2z M5 5h2v2h-2z",
        "state-2": "M-2 2l4 -4 M0 8l8 -8 M6 10l4 -4",
        "state-3": None,
        "state-4": "M0 4h8",
        "state-5": "M0 0l8 8 M8 0l-8 8",
        "state-other": "M4 0v8",
    }
    return element(
        "svg",
        element(
            "defs",
            *(
                element(
                    "pattern",
                    element("path", d=line, class_="hatch") if line else None,
                    id=kind,
                    width="8",
                    height="8",
                    patternUnits="userSpaceOnUse",
                )
                for kind, line in lines.items()
            ),
        ),
        class_="patterns",
        width="0",
        height="0",
        aria_hidden="true",
    )
