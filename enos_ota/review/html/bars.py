"""Tasks of a job by status, now and after the change: two stacked bars and a table of their numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from enos_ota.review import text
from enos_ota.review.exposure import Exposure, of_status
from enos_ota.review.html.markup import Element, element, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from enos_ota.review.model import JobReport, ReviewReport

ROLLED_BACK: Final = "cancelled by this change"

_MEANING: Final = {
    "succeeded": "runs the firmware",
    "upgrading": "installing the firmware, too late",
    "published": "will get the firmware, device was notified",
    "init": "will get the firmware",
    "failed": "cancelled earlier or failed",
    ROLLED_BACK: "called back",
}
"""Statuses in the order of the bars, the most exposed devices first."""
_WAITING: Final = ("published", "init")

_LEAST: Final = 0.8
"""Percent of a bar's width that the smallest part gets, so that one task is visible."""

_LABELLED: Final = 14.0
"""Percent of a bar's width that a part needs for its number and the beginning of its name."""

_HEIGHT: Final = 34


@dataclass(frozen=True, slots=True)
class StatusRow:
    """Tasks of one status.

    Attributes:
        status: As EnOS spells it, made visible, or `ROLLED_BACK`.
        now: Number of tasks now.
        after: Number of tasks after `pulumi up`.
    """

    status: str
    now: int
    after: int


def rows(job: JobReport, report: ReviewReport) -> list[StatusRow]:
    """Return the tasks of a job by status; nothing if EnOS did not return them."""
    now: Counter[str] = Counter()
    for each in job.by_status:
        now[text.name(each.status).text] += each.tasks
    if not now.total():
        return []
    taken = _taken(job, report, now)
    after = now - taken
    after[ROLLED_BACK] = taken.total()
    names = [*_MEANING, *(status for status in now if status not in _MEANING)]
    return [StatusRow(name, now[name], after[name]) for name in names if now[name] or after[name]]


def _taken(job: JobReport, report: ReviewReport, now: Counter[str]) -> Counter[str]:
    """Return how many tasks the change takes from each status, at most those counted: the counts differ in time."""
    taken: Counter[str] = Counter()
    for each in report.sets:
        if each.job_id == job.job_id:
            for count in each.will_cancel_by:
                taken[text.name(count.status).text] += count.tasks
    taken &= now
    left = job.will_cancel - taken.total()
    for status in _WAITING:  # tasks without a status: the most urgent are sent first
        more = max(0, min(left, now[status] - taken[status]))
        taken[status] += more
        left -= more
    return +taken


def chart(job: JobReport, report: ReviewReport) -> Element | None:
    """Return two bars and a table of their numbers; None if EnOS did not return the tasks by status."""
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
    numbers = ", ".join(f"{number(tasks)} {status}" for status, tasks in parts if tasks)
    return element(
        "div",
        element("span", name, class_="bar-name", aria_hidden="true"),
        element(
            "svg",
            element("title", f"{name}: {numbers}"),
            *_segments(parts),
            class_="bar",
            role="img",
            aria_label=f"Tasks {name.lower()}: {numbers}",
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
                *_fill(status),
                element("rect", width="2", height="100%", class_="edge") if start else None,
                label,
                class_=_exposure(status),
                x=f"{start:.3f}%",
                width=f"{width:.3f}%",
                height=str(_HEIGHT),
            )
        start += width


def _fill(status: str) -> tuple[Element, Element]:
    """Return the colour of an exposure and above it the hatching of a status, see `page.html`."""
    hatching = "cancelled" if status == ROLLED_BACK else status if status in _MEANING else "other"
    return (
        element("rect", width="100%", height="100%", class_="fill"),
        element("rect", width="100%", height="100%", fill=f"url(#bar-{hatching})"),
    )


def _exposure(status: str) -> str:
    exposure = Exposure.CANCELLED if status == ROLLED_BACK else of_status(status)
    return f"exposure-{exposure.value}"


def _table(found: Sequence[StatusRow], total: int | None, *, changes: bool) -> Element:
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


def _line(row: StatusRow, *, changes: bool) -> Element:
    cells = [element("td", number(row.now), class_="figure")]
    if changes:
        is_other = row.now != row.after
        cells.append(element("td", number(row.after), class_="figure changed" if is_other else "figure"))
    swatch = element(
        "svg",
        *_fill(row.status),
        class_=f"swatch {_exposure(row.status)}",
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
