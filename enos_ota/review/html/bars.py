"""Tasks of a job by status, now and after the change: two stacked bars and a table of their numbers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from enos_ota.review import text
from enos_ota.review.exposure import Exposure, of_status
from enos_ota.review.html.markup import Element, element, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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
_LEAST: Final = 0.8
"""Percent of a bar's width that the smallest part gets, so that one task is visible."""

_LABELLED: Final = 14.0
"""Percent of a bar's width that a part needs for its number and the beginning of its name."""

_HEIGHT: Final = 34


def count_tasks(job: JobReport, report: ReviewReport) -> dict[str, dict[str, int]]:
    """Return the tasks of a job by status: "Now", and "After" the change if it is one; empty if EnOS returned none."""
    now: Counter[str] = Counter()
    for each in job.by_status:
        now[text.name(each.status).text] += each.tasks
    sets = [one for one in report.sets if one.job_id == job.job_id and not one.is_refused]
    cancelled: Counter[str] = Counter()
    for one in sets:
        for each in one.will_cancel_by:
            cancelled[text.name(each.status).text] += each.tasks
    cancelled &= now
    # The counts differ in time: what is not counted with its status is taken from the other waiting tasks.
    for status in ("published", "init"):
        missing = sum(one.will_cancel for one in sets) - cancelled.total()
        cancelled[status] += max(0, min(missing, now[status] - cancelled[status]))
    after = now - cancelled
    after[ROLLED_BACK] = cancelled.total()
    statuses = [each for each in dict.fromkeys([*_MEANING, *now]) if now[each] or after[each]]
    columns = {"Now": now, "After": after} if cancelled.total() else {"Now": now}
    return {name: {status: tasks[status] for status in statuses} for name, tasks in columns.items() if statuses}


def chart(job: JobReport, report: ReviewReport) -> Element | None:
    """Return a bar for now and one for after the change, and a table of their numbers; None without tasks."""
    columns = count_tasks(job, report)
    if not columns:
        return None
    bars = (_bar(name, tasks) for name, tasks in columns.items())
    return element("div", *bars, _table(columns, job.total), class_="chart")


def _bar(name: str, tasks: Mapping[str, int]) -> Element:
    numbers = ", ".join(f"{number(count)} {status}" for status, count in tasks.items() if count)
    return element(
        "div",
        element("span", name, class_="bar-name", aria_hidden="true"),
        element(
            "svg",
            *_segments(tasks),
            class_="bar",
            role="img",
            aria_label=f"Tasks {name.lower()}: {numbers}",
            width="100%",
            height=str(_HEIGHT),
        ),
        class_="bar-row",
    )


def _segments(tasks: Mapping[str, int]) -> Iterator[Element]:
    counted = {status: count for status, count in tasks.items() if count}
    sizes = {status: max(100 * count / sum(counted.values()), _LEAST) for status, count in counted.items()}
    start = 0.0
    for status, count in counted.items():
        width = 100 * sizes[status] / sum(sizes.values())
        label = element("text", f"{number(count)} {status}", x="8", y="22") if width >= _LABELLED else None
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
    """Return the colour of an exposure (`page.css`) and above it the hatching of a status (`page.html`)."""
    hatching = "cancelled" if status == ROLLED_BACK else status if status in _MEANING else "other"
    return (
        element("rect", width="100%", height="100%", class_="fill"),
        element("rect", width="100%", height="100%", fill=f"url(#bar-{hatching})"),
    )


def _exposure(status: str) -> str:
    exposure = Exposure.CANCELLED if status == ROLLED_BACK else of_status(status)
    return f"exposure-{exposure.value}"


def _table(columns: Mapping[str, Mapping[str, int]], total: int | None) -> Element:
    heads = (element("th", name, scope="col", class_="figure") for name in columns)
    totals = (element("td", number(total or 0), class_="figure") for _ in columns)
    foot = element("tr", element("th", "in all", scope="row"), *totals, element("td"))
    return element(
        "table",
        element("caption", "Tasks by status", class_="unseen"),
        element("thead", element("tr", element("th", "Status", scope="col"), *heads, element("th", "", scope="col"))),
        element("tbody", *(_row(status, [each[status] for each in columns.values()]) for status in columns["Now"])),
        None if total is None else element("tfoot", foot),
        class_="legend",
    )


def _row(status: str, counts: Sequence[int]) -> Element:
    swatch = element(
        "svg", *_fill(status), class_=f"swatch {_exposure(status)}", width="14", height="14", aria_hidden="true"
    )
    figures = ("figure" if count == counts[0] else "figure changed" for count in counts)
    return element(
        "tr",
        element("th", swatch, " ", status, scope="row"),
        *(element("td", number(count), class_=figure) for count, figure in zip(counts, figures, strict=True)),
        element("td", _MEANING.get(status, ""), class_="meaning"),
    )
