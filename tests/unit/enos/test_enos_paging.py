"""Complete lists from pages."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from enos_ota.enos import IncompleteList, InvalidArgument, Page, SearchWindow
from enos_ota.enos.paging import all_rows

if TYPE_CHECKING:
    from collections.abc import Iterator


class Pages:
    """Serves pages as given and counts what was asked for; empty past the end.

    Args:
        pages: The rows of each page, a letter a row.
        size: Rows a page.
        total: What the answers say of it; a list has one for each request.
        applied: Rows a page as the answers name them, if it is another number.
        largest: The largest page that is taken.
        window: The last page that is taken.
    """

    def __init__(
        self,
        *pages: str,
        size: int = 2,
        total: int | list[int] | None = None,
        applied: int = 0,
        largest: int = 0,
        window: int = 0,
    ) -> None:
        self.pages, self.size, self.total = pages, size, total
        self.applied, self.largest, self.window = applied, largest, window
        self.asked: list[int] = []
        self.sizes: list[int] = []

    def __call__(self, page_no: int, size: int) -> Page[str]:
        self.asked.append(page_no)
        self.sizes.append(size)
        if self.largest and size > self.largest:
            raise InvalidArgument(f"pageSize {size}")
        if self.window and page_no > self.window:
            raise InvalidArgument("EnOS refused searchTask: 99400 too far.", operation="searchTask")
        items = self.pages[page_no - 1] if page_no <= len(self.pages) else ""
        total = self.total[len(self.asked) - 1] if isinstance(self.total, list) else self.total
        return Page(tuple(items), page_no, self.applied or size, total)

    def __iter__(self) -> Iterator[str]:
        return all_rows(self, str, what="letters", size=self.size)

    def rows(self) -> str:
        return "".join(self)


def read_until_it_fails(pages: Pages) -> tuple[str, IncompleteList]:
    rows: list[str] = []
    with pytest.raises(IncompleteList) as caught:
        rows.extend(pages)
    return "".join(rows), caught.value


# Where a list ends


@pytest.mark.parametrize("total", [True, False])
@pytest.mark.parametrize(
    ("pages", "asked"),
    [((), [1]), (("a",), [1]), (("ab",), [1, 2]), (("ab", "c"), [1, 2]), (("ab", "cd"), [1, 2, 3])],
)
def test_a_list_ends_with_a_page_that_is_not_full(pages: tuple[str, ...], asked: list[int], *, total: bool) -> None:
    served = Pages(*pages, total=len("".join(pages)) if total else None)

    assert (served.rows(), served.asked) == ("".join(pages), asked)


def test_a_total_that_is_too_small_ends_no_list() -> None:
    """As where a search counts no further than some number."""
    assert Pages("ab", "cd", "e", total=2).rows() == "abcde"


def test_a_page_is_full_when_it_has_as_many_rows_as_its_answer_names() -> None:
    """As where a service gives fewer rows a page than were asked for."""
    assert Pages("ab", "cd", "e", size=3, applied=2, total=5).rows() == "abcde"


def test_pages_are_read_as_they_are_needed() -> None:
    served = Pages("ab", "cd", total=4)

    first = next(iter(served))

    assert (first, served.asked) == ("a", [1])


# How large a page is


@pytest.mark.parametrize(
    ("largest", "tried"),
    [(200, [200]), (199, [200, 100]), (30, [200, 100, 50, 25]), (1, [200, 100, 50, 25, 12, 6, 3, 1, 1])],
)
def test_a_page_size_that_is_refused_is_halved(largest: int, tried: list[int]) -> None:
    served = Pages("a", size=200, largest=largest)

    assert (served.rows(), served.sizes) == ("a", tried)


def test_a_search_that_is_refused_with_any_page_size_raises_the_first_refusal() -> None:
    with pytest.raises(InvalidArgument, match="pageSize 200"):
        Pages(size=200, largest=-1).rows()


# What has to add up


def test_a_row_that_moves_to_the_next_page_comes_once() -> None:
    assert Pages("ab", "bc", "d", total=4).rows() == "abcd"


@pytest.mark.parametrize(
    ("pages", "total", "why"),
    [
        (("ab", "ab"), None, "page 2 repeats rows of the pages before it"),
        (("ab", "ab", "cd"), 1000, "page 2 repeats rows of the pages before it"),
        (("ab", "c"), 1000, "EnOS reports 1000, but its pages have 3"),
        (("ab",), 1000, "EnOS reports 1000, but its pages have 2"),
        ((), 1000, "EnOS reports 1000, but its pages have 0"),
    ],
)
def test_pages_that_do_not_add_up_are_an_error_after_a_second_look(
    pages: tuple[str, ...], total: int | None, why: str
) -> None:
    served = Pages(*pages, total=total)

    rows, error = read_until_it_fails(served)

    assert str(error) == (
        f"The list of letters is not complete: {why}. It was read twice, in case rows had moved. Try again later."
    )
    assert (rows, error.rows, error.total) == ("".join(dict.fromkeys("".join(pages[:2]))), len(rows), total)
    assert served.asked.count(1) == 2


def test_rows_that_moved_show_in_the_second_look_and_none_comes_twice() -> None:
    class Moves(Pages):
        def __call__(self, page_no: int, size: int) -> Page[str]:
            if len(self.asked) == 2:
                self.pages = ("ab", "cd", "e")
            return super().__call__(page_no, size)

    assert Moves("ab", "d", total=5).rows() == "abdce"


def test_a_list_without_end_is_given_up_at_a_fixed_number_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enos_ota.enos.paging.MOST_ROWS", 6)
    numbers = itertools.count()
    asked: list[int] = []

    def search(page_no: int, size: int) -> Page[int]:
        asked.append(page_no)
        return Page((next(numbers), next(numbers)), page_no, size, 2)

    with pytest.raises(IncompleteList, match="it has more than 6 rows, which enos-ota does not read"):
        list(all_rows(search, lambda row: row, what="numbers", size=2))
    assert asked == [1, 2, 3]


# A search window


@pytest.mark.parametrize(("total", "at_least"), [(9, 9), (4, 4), (None, 4)])
def test_a_page_that_is_refused_after_others_were_answered_is_a_search_window(total: int | None, at_least: int) -> None:
    served = Pages("ab", "cd", "ef", total=total, window=2)

    rows, error = read_until_it_fails(served)

    assert isinstance(error, SearchWindow)
    assert str(error) == (
        f"The list of letters is not complete: EnOS refused rows beyond row 4 of at least {at_least}."
        " EnOS refused searchTask: 99400 too far. Read fewer rows (`enos-ota tasks --status …`), or have"
        " this limit of EnOS raised."
    )
    assert (rows, error.rows, error.total) == ("abcd", 4, at_least)
    assert served.asked == [1, 2, 3]
