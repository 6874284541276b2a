"""A search in pages as large as the service takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enos_ota.enos import InvalidArgument
from enos_ota.pagesize import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def service(allowed: int, asked: list[int], *, rows: int = 3) -> Callable[[int], Iterator[int]]:
    """A search that refuses larger pages."""

    def search(size: int) -> Iterator[int]:
        asked.append(size)
        if size > allowed:
            raise InvalidArgument("too large")
        yield from range(rows)

    return search


@pytest.mark.parametrize(
    ("allowed", "tried"),
    [(200, [200]), (199, [200, 100]), (30, [200, 100, 50, 25]), (1, [200, 100, 50, 25, 12, 6, 3, 1])],
)
def test_a_page_that_is_refused_is_halved(allowed: int, tried: list[int]) -> None:
    asked: list[int] = []
    assert (list(rows_of(service(allowed, asked))), asked) == ([0, 1, 2], tried)


def test_what_no_size_helps_is_passed_on() -> None:
    with pytest.raises(InvalidArgument, match="too large"):
        list(rows_of(service(0, [])))


def test_a_search_that_finds_nothing_ends() -> None:
    assert list(rows_of(service(200, [], rows=0))) == []


def test_a_refusal_after_the_first_row_is_passed_on() -> None:
    def search(_: int) -> Iterator[int]:
        yield 1
        raise InvalidArgument("later")

    rows = rows_of(search)
    assert next(rows) == 1
    with pytest.raises(InvalidArgument, match="later"):
        next(rows)
