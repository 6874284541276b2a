"""From pages to rows."""

from __future__ import annotations

import pytest

from enos_ota.enos import InvalidAnswer, Page
from enos_ota.enos.paging import all_rows


class Pages:
    """Serves pages as given and counts what was asked for; empty past the end."""

    def __init__(self, *pages: str, size: int = 2, total: int | None = None) -> None:
        self.pages, self.size, self.total = pages, size, total
        self.asked: list[int] = []

    def __call__(self, page_no: int) -> Page[str]:
        self.asked.append(page_no)
        items = self.pages[page_no - 1] if page_no <= len(self.pages) else ""
        return Page(tuple(items), page_no, self.size, self.total)

    def rows(self) -> str:
        return "".join(all_rows(self, str))


@pytest.mark.parametrize(
    ("pages", "total", "asked"),
    [
        ((), 0, [1]),
        (("a",), 1, [1]),
        (("ab",), 2, [1]),
        (("ab", "c"), 3, [1, 2]),
        (("ab", "cd"), 4, [1, 2]),
        ((), None, [1]),
        (("a",), None, [1]),
        (("ab",), None, [1, 2]),
        (("ab", "c"), None, [1, 2]),
        (("ab", "cd"), None, [1, 2, 3]),
    ],
)
def test_no_page_too_few_and_none_too_many_is_asked_for(
    pages: tuple[str, ...], total: int | None, asked: list[int]
) -> None:
    served = Pages(*pages, total=total)

    assert (served.rows(), served.asked) == ("".join(pages), asked)


def test_pages_are_read_as_they_are_needed() -> None:
    served = Pages("ab", "cd", total=4)

    first = next(all_rows(served, str))

    assert (first, served.asked) == ("a", [1])


def test_a_row_that_shifts_to_the_next_page_comes_once() -> None:
    assert Pages("ab", "bc", "d", total=5).rows() == "abcd"


def test_a_short_page_before_the_total_is_no_end() -> None:
    assert Pages("ab", "c", "de", total=6).rows() == "abcde"


def test_an_empty_page_is_the_end_whatever_the_total() -> None:
    served = Pages("ab", total=1000)

    assert (served.rows(), served.asked) == ("ab", [1, 2])


def test_a_page_of_known_rows_is_no_end_while_the_total_says_more() -> None:
    assert Pages("ab", "ba", "c", total=5).rows() == "abc"


def test_a_service_that_repeats_itself_without_a_total_does_not_run_for_ever() -> None:
    with pytest.raises(InvalidAnswer, match=r"^The search has no end: page 2 repeats what came before\.$"):
        Pages("ab", "ab").rows()
