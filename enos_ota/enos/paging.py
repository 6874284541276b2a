"""From pages to rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from enos_ota.enos.errors import InvalidAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from enos_ota.enos.models import Page

T = TypeVar("T")


def all_rows(page: Callable[[int], Page[T]], identity: Callable[[T], Hashable]) -> Iterator[T]:
    """The rows of all pages, read one page after the other as they are needed, each row once.

    Rows may shift from page to page while they change: a row that comes again is passed over, and a page that is
    shorter than the total leads one to expect is no end.

    Args:
        page: reads the page of this number, from 1.
        identity: what tells a row from the others.

    Raises:
        InvalidAnswer: the service does not say how many rows there are and repeats itself, so there is no end to see.
    """
    seen: set[Hashable] = set()
    page_no = 0
    more = True
    while more:
        page_no += 1
        one = page(page_no)
        fresh = []
        for row in one.items:
            if (key := identity(row)) not in seen:
                seen.add(key)
                fresh.append(row)
        yield from fresh
        if one.total_size is not None:
            more = bool(one.items) and page_no * one.page_size < one.total_size
        elif fresh or not one.items:
            more = len(one.items) >= one.page_size
        else:
            raise InvalidAnswer(f"The search has no end: page {page_no} repeats what came before.")
