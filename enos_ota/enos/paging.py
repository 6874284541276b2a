"""Complete lists and counts from pages of a search.

A list ends with a page that is not full, never because of a total, which may be capped [U]. Rows and total must agree,
so that no caller takes an incomplete list for a complete one.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, TypeVar

from enos_ota.enos.errors import IncompleteList, InvalidArgument, SearchWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from enos_ota.enos.models import Page

T = TypeVar("T")

LARGEST_PAGE: Final = 200
"""Most rows of a page [D]."""

_LEAST_CAP: Final = 1_000

MOST_ROWS: Final = 1_000_000
"""Most rows of a list: ten times the default limit of devices in an organization [D]."""


def all_rows(
    search: Callable[[int, int], Page[T]], identity: Callable[[T], Hashable], *, what: str, size: int = LARGEST_PAGE
) -> Iterator[T]:
    """Yield each row of a search once; pages are read as they are needed.

    Rows may move between pages while they change, so an incomplete list is read a second time from its start. `search`
    reads a page, by its number from 1 and its size; `what` names the rows, for the error.

    Raises:
        IncompleteList: pages repeat, there are fewer rows than the total, or more than `MOST_ROWS`.
        SearchWindow: the service refuses further pages.
    """
    given: set[Hashable] = set()
    for is_last_try in (False, True):
        try:
            for row in _read_through(search, identity, what=what, size=size):
                if (key := identity(row)) not in given:
                    given.add(key)
                    yield row
        except IncompleteList as error:
            if is_last_try or error.permanent:
                raise
        else:
            return


def first_page(search: Callable[[int, int], Page[T]], size: int) -> tuple[Page[T], int]:
    """Return the first page of a search, and the page size, which is halved while EnOS refuses it [U]."""
    try:
        return search(1, size), size
    except InvalidArgument:
        if size > 1:
            with contextlib.suppress(InvalidArgument):
                return first_page(search, size // 2)
        raise


def is_full(page: Page[T], size: int) -> bool:
    """Whether a page that was requested with this size is full, so that more rows may follow."""
    return len(page.items) >= min(size, page.page_size)


def count_rows(search: Callable[[int, int], Page[T]]) -> int | None:
    """Return the number of rows of a search; None if it is unknown.

    A round total may mean "at least", as the caps of search services are [U]. It is checked by the page that should be
    the last one: if the list continues there, or EnOS refuses that page, the number is unknown.
    """
    total = search(1, 1).total_size
    if total is None or total < _LEAST_CAP or (total % 100 and total % 1024):
        return total
    # A size with which the last page should be neither full nor empty.
    size = next(each for each in range(LARGEST_PAGE, 0, -1) if total % each)
    try:
        page = search(total // size + 1, size)
    except InvalidArgument:
        return None
    return total if len(page.items) == total % size else None


def _read_through(
    search: Callable[[int, int], Page[T]], identity: Callable[[T], Hashable], *, what: str, size: int
) -> Iterator[T]:
    seen: set[Hashable] = set()
    page, size = first_page(search, size)
    page_no, total = 1, page.total_size

    def incomplete(why: str, *, permanent: bool = False) -> IncompleteList:
        advice = "" if permanent else " It was read twice, in case rows had moved. Try again later."
        text = f"The list of {what} is not complete: {why}.{advice}"
        return IncompleteList(text, rows=len(seen), total=total, permanent=permanent)

    while True:
        before = len(seen)
        yield from page.items
        seen.update(map(identity, page.items))
        if not is_full(page, size):
            break
        if len(seen) == before:
            raise incomplete(f"page {page_no} repeats rows of the pages before it")
        if page_no * size >= MOST_ROWS:
            raise incomplete(f"it has more than {MOST_ROWS} rows, which enos-ota does not read", permanent=True)
        page_no += 1
        try:
            page = search(page_no, size)
        except InvalidArgument as refusal:
            raise _window(what, refusal, len(seen), total) from None
        total = total if page.total_size is None else page.total_size
    if total is not None and len(seen) < total:
        raise incomplete(f"EnOS reports {total}, but its pages have {len(seen)}")


def _window(what: str, refusal: InvalidArgument, rows: int, total: int | None) -> SearchWindow:
    total = max(rows, total or 0)
    return SearchWindow(
        f"The list of {what} is not complete: EnOS refused rows beyond row {rows} of at least {total}. {refusal} "
        "Read fewer rows (`enos-ota tasks --status …`), or have this limit of EnOS raised.",
        rows=rows,
        total=total,
        operation=refusal.operation,
        permanent=True,
    )
