"""The HTML report: one file, all of the report in it, and foreign text stays text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from html.parser import HTMLParser
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from enos_ota.review import text
from enos_ota.review.html import bars, render
from enos_ota.review.html.markup import element, json_text, raw, serialise
from enos_ota.review.html.page import ALL_TASKS
from enos_ota.review.model import Effect, ReviewReport
from enos_ota.review.screen import first_screen
from tests.harness import any_report, reports

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

VOID: Final = frozenset({"meta", "link", "input", "col"})
CASES: Final = pytest.mark.parametrize("name", list(reports.CASES))


class Page(HTMLParser):
    """A page as a browser's parser cuts it up.

    Attributes:
        tags: Every element, with its attributes.
        texts: Every text, with the names of the elements that it is in.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[tuple[str, ...], str]] = []
        self.comments: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((tuple(self._open), data))

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def inside(self, tag: str) -> list[str]:
        """The texts of elements of one name."""
        return [text for within, text in self.texts if within[-1:] == (tag,)]

    def read(self, *within: str) -> str:
        """All text that is in such elements, as it is read."""
        return "".join(text for names, text in self.texts if set(within) <= set(names))

    def attributes(self) -> list[tuple[str, str]]:
        """Every attribute of every element."""
        return [(name, value or "") for _, found in self.tags for name, value in found.items()]


@cache
def page(name: str) -> Page:
    return Page(render(reports.CASES[name]()))


def data(of: Page) -> dict[str, Any]:
    """What the page's script gets."""
    loaded: dict[str, Any] = json.loads(of.inside("script")[0])
    return loaded


def keys(of: Page) -> list[tuple[int, str, str]]:
    """The keys that the script gets: place of the set, effect, key."""
    found = data(of)
    return [
        (group["set"], found["effects"][group["effect"]]["name"], key if isinstance(key, str) else key[0])
        for group in found["groups"]
        for key in group["keys"]
    ]


# One file


@CASES
def test_nothing_in_it_points_elsewhere(name: str) -> None:
    pointers = {"src", "srcset", "href", "xlink:href", "action", "formaction", "data", "poster", "background", "ping"}
    assert [each for each in page(name).attributes() if each[0] in pointers] == [("href", "data:,")]


@pytest.mark.parametrize("part", ["page.css", "page.js"])
def test_style_and_script_ask_for_nothing(part: str) -> None:
    content = files("enos_ota.review.html").joinpath(part).read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]|@import|url\(|fetch\(|XMLHttpRequest|WebSocket|import\(|sendBeacon", content)


def test_the_script_makes_no_markup_of_texts() -> None:
    script = files("enos_ota.review.html").joinpath("page.js").read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|new Function|srcdoc", script)


def policy(of: Page) -> dict[str, str]:
    content = next(each["content"] for tag, each in of.tags if tag == "meta" and "http-equiv" in each)
    return dict(part.split(" ", 1) for part in (content or "").split("; "))


def fingerprint(content: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() + "'"


def test_its_policy_allows_its_own_style_and_script_and_nothing_else() -> None:
    found = page("first_preview")
    _, script = found.inside("script")
    assert policy(found) == {
        "default-src": "'none'",
        "script-src": fingerprint(script),
        "style-src": fingerprint(found.inside("style")[0]),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


def test_the_policy_precedes_what_it_restricts() -> None:
    assert [tag for tag, _ in page("first_preview").tags[:4]] == ["html", "head", "meta", "meta"]


@CASES
def test_no_attribute_has_a_style_or_a_handler(name: str) -> None:
    assert [each for each in page(name).attributes() if each[0] == "style" or each[0].startswith("on")] == []


# All of the report


@CASES
def test_the_verdict_is_the_first_thing(name: str) -> None:
    verdict = first_screen(reports.CASES[name]()).verdict
    begins = page(name).read("main").split("·")[0]
    assert begins.startswith(f"{verdict.badge} ")
    assert next(tag for tag, _ in page(name).tags if tag in {"h1", "h2", "h3", "dl"}) == "h1"


def spoken(said: text.Text) -> str:
    """A text as the page has it: commands without back-quotes, spaces as a reader takes them."""
    return plain("".join(re.sub("`([^`]+)`", r"\1", p.text) if p.kind is text.Kind.SAYING else p.text for p in said))


def plain(read: str) -> str:
    return " ".join(read.replace("\N{NARROW NO-BREAK SPACE}", " ").split())


@CASES
def test_everything_on_the_first_screen_is_in_it_in_the_same_order(name: str) -> None:
    screen = first_screen(reports.CASES[name]())
    verdict = screen.verdict
    said = [spoken(each) for each in (verdict.sentence, *verdict.context, *verdict.reasons, *verdict.warnings)]
    for job in screen.jobs:
        said.append(spoken(job.title))
        for line in job.lines:
            if line.label != ALL_TASKS:
                said += [line.label, *map(spoken, line.items)]
    said += [spoken(each) for each in (*screen.others, *screen.unchanged)]
    read = plain(page(name).read("main"))
    place = 0
    for each in filter(None, said):
        found = read.find(each, place)
        assert found >= 0, f"{each!r} is not in {read[place : place + 300]!r}"
        place = found + len(each)


def test_bars_take_the_place_of_the_line_with_their_numbers() -> None:
    (job,) = first_screen(reports.first_preview()).jobs
    assert ALL_TASKS in {line.label for line in job.lines}
    assert "51 succeeded" in plain(page("first_preview").read("svg"))


@CASES
def test_every_key_of_every_set_is_in_it(name: str) -> None:
    report = reports.CASES[name]()
    wanted = [(place, key.effect.value, key.device_key) for place, each in enumerate(report.sets) for key in each.keys]
    assert sorted(keys(page(name))) == sorted(wanted)


def test_a_key_that_would_not_show_as_it_is_comes_with_how_it_is_shown() -> None:
    pairs = [key for group in data(page("hostile"))["groups"] for key in group["keys"] if not isinstance(key, str)]
    assert pairs
    assert all(shown == text.key(key) != key for key, shown in pairs)


def test_a_key_costs_three_bytes_beside_itself() -> None:
    few, many = reports.many_keys(1_000), reports.many_keys(101_000)
    more = (len(render(many).encode()) - len(render(few).encode())) / 100_000
    assert len("pump-00001") + 3 <= more <= len("pump-100000") + 3


def test_without_javascript_there_is_a_list_of_the_first_keys_of_each_effect() -> None:
    read = plain(page("first_preview").read("section", "ul"))
    assert all(f"pump-{number:05}" in read for number in (1, 4, 5, 40, 41, 42))


def test_that_list_is_bounded_and_says_so() -> None:
    found = Page(render(reports.many_keys(2_000)))
    listed = [item for item in found.inside("li") if item.startswith("pump-")]
    assert len(listed) == 50 + 12 + 8
    assert "1 980 will be cancelled, the first 50 of them" in plain(found.read("section", "h3"))


def test_hundreds_of_sets_list_no_more_keys_on_paper() -> None:
    one = reports.many_keys(60).sets[0]
    sets = tuple(one.model_copy(update={"name": f"set-{number}"}) for number in range(300))
    found = Page(render(reports.many_keys(60).model_copy(update={"sets": sets})))
    assert sum(item.startswith("pump-") for item in found.inside("li")) == 500


def test_a_report_without_keys_has_an_empty_table_that_stays_hidden() -> None:
    assert data(page("misconfigured"))["groups"] == []
    section = next(each for tag, each in page("misconfigured").tags if tag == "section" and each.get("id") == "keys")
    assert "hidden" in section


# Tasks by status


@given(any_report.reports())
def test_no_task_gets_lost_between_now_and_after(report: ReviewReport) -> None:
    for job in report.jobs:
        columns = bars.count_tasks(job, report).values()
        assert len({sum(tasks.values()) for tasks in columns}) <= 1
        assert all(number >= 0 for tasks in columns for number in tasks.values())


def test_what_will_be_cancelled_leaves_the_status_that_it_has_now() -> None:
    report = reports.first_preview()
    assert bars.count_tasks(report.jobs[0], report) == {
        "Now": {"succeeded": 51, "upgrading": 9, "published": 9, "init": 39, "failed": 12, bars.ROLLED_BACK: 0},
        "After": {"succeeded": 51, "upgrading": 9, "published": 0, "init": 12, "failed": 12, bars.ROLLED_BACK: 36},
    }


def test_where_nothing_changes_there_is_one_bar() -> None:
    names = [each.get("aria-label") for tag, each in page("held").tags if tag == "svg" and each.get("role") == "img"]
    assert names == ["Tasks now: 50 succeeded, 7 upgrading, 42 init, 15 failed"]


def test_a_change_for_which_no_request_would_be_sent_has_no_bar_after_it() -> None:
    report = reports.refused()
    assert [list(bars.count_tasks(job, report)) for job in report.jobs] == [["Now"], ["Now"]]


def test_a_bar_tells_its_numbers_to_who_cannot_see_it() -> None:
    names = [each.get("aria-label") or "" for tag, each in page("first_preview").tags if each.get("role") == "img"]
    assert names[1] == (f"Tasks after: 51 succeeded, 9 upgrading, 12 init, 12 failed, 36 {bars.ROLLED_BACK}")


def test_a_single_task_among_very_many_can_be_seen_and_the_bar_stays_full() -> None:
    report = reports.many_keys()
    job = report.jobs[0]
    counts = tuple(each.model_copy(update={"tasks": 1 if place else 10**6}) for place, each in enumerate(job.by_status))
    chart = bars.chart(job.model_copy(update={"by_status": counts}), report)
    assert chart is not None
    parts = [float(each.attrib["width"].rstrip("%")) for each in chart.findall("./div[1]/svg/svg")]
    assert min(parts) > 0.5
    assert sum(parts) == pytest.approx(100, abs=0.01)


# Foreign texts


def test_hostile_texts_make_no_element_that_harmless_ones_do_not() -> None:
    harmless = {tag for name in reports.CASES if name != "hostile" for tag, _ in page(name).tags}
    assert {tag for tag, _ in page("hostile").tags} <= harmless
    assert page("hostile").comments == []


TAGS: Final = frozenset(
    (
        "html", "head", "meta", "title", "link", "style", "body", "main", "header", "section", "h1", "h2",
        "h3", "p", "span", "bdi", "b", "code", "dl", "dt", "dd", "ul", "li", "div", "svg", "defs", "pattern",
        "path", "rect", "text", "table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td",
        "input", "label", "select", "option", "output", "button", "kbd", "script",
    )
)  # fmt: skip


@given(any_report.reports())
def test_whatever_is_in_a_report_the_page_has_only_elements_of_ours(report: ReviewReport) -> None:
    found = Page(render(report))
    assert {tag for tag, _ in found.tags} <= TAGS
    assert [tag for tag, _ in found.tags].count("script") == 2
    assert [each for each in found.attributes() if each[0].startswith("on") or each[0] == "style"] == []
    assert found.comments == []


@given(any_report.reports())
def test_whatever_is_in_a_report_every_key_reads_back(report: ReviewReport) -> None:
    wanted = [(place, key.effect.value, key.device_key) for place, each in enumerate(report.sets) for key in each.keys]
    assert sorted(keys(Page(render(report)))) == sorted(wanted)


@given(any_report.reports())
def test_whatever_is_in_a_report_the_page_can_be_saved_and_nothing_in_it_is_invisible(report: ReviewReport) -> None:
    saved = render(report).encode("utf-8").decode("utf-8")
    assert set(re.findall("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]", saved)) == {"\n"}


def test_text_is_escaped_in_content_and_attributes() -> None:
    made = element("p", "<b>&", element("i", "x"), "<", title='"><script>')
    assert serialise(made) in {
        f'<p title="&quot;&gt;{script}&gt;">&lt;b&gt;&amp;<i>x</i>&lt;</p>' for script in ("<script", "&lt;script")
    }


@pytest.mark.parametrize("content", ["</script>", "x</SCRIPT >", "<!-- x"])
def test_a_script_that_would_end_its_element_is_refused(content: str) -> None:
    with pytest.raises(ValueError, match="would end its script element"):
        raw("script", content)


def test_json_in_the_page_says_the_same_without_a_letter_that_ends_a_script() -> None:
    value = ["</script><!--", "\u2028", "&amp;", "\ud800", "日本"]
    assert json.loads(json_text(value)) == value
    assert json_text(value) == r'["\u003c/script\u003e\u003c!--","\u2028","\u0026amp;","\ud800","\u65e5\u672c"]'


def test_every_effect_has_its_place_in_the_table() -> None:
    assert {each["name"] for each in data(page("drift"))["effects"]} == {effect.value for effect in Effect}


# Snapshots


class HtmlFile(SingleFileSnapshotExtension):
    """A snapshot that a browser opens."""

    file_extension = "html"
    _write_mode = WriteMode.TEXT


def body(html: str) -> str:
    """The body without style and script, a line for each block."""
    found = re.search(r"<body>\n(.*?)<script>", html, re.DOTALL)
    assert found
    return re.sub(r"(?=<(?:header|section|h[1-3]|p|ul|li|dl|dt|div|svg|rect|table|tr|script)\b)", "\n", found[1])


@pytest.mark.parametrize("name", reports.IN_ALL_FORMATS)
def test_the_page_of_a_situation(name: str, snapshot: SnapshotAssertion) -> None:
    assert body(render(reports.CASES[name]())) == snapshot(extension_class=HtmlFile)
