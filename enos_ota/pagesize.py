"""Searches in pages as large as the service takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from enos_ota.enos import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

LARGEST: Final = 200
"""Rows a page at most, as documented [D]."""


def rows_of(search: Callable[[int], Iterator[T]]) -> Iterator[T]:
    """The rows of a search; a page size that is refused is halved [U].

    Args:
        search: the search with a page size, read as it is needed.

    Raises:
        InvalidArgument: the search is refused whatever the size.
        EnosError: anything else that the search raises.
    """
    size = LARGEST
    while True:
        rows = search(size)
        try:
            first = next(rows, None)
        except InvalidArgument:
            if size == 1:
                raise
            size //= 2
            continue
        if first is not None:
            yield first
            yield from rows
        return
