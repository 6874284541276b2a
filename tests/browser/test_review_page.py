"""The HTML report in a real browser: what its reader can do with it, and what a foreign text cannot."""

from __future__ import annotations

import http
import http.server
import json
import logging
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from enos_ota.review import text
from enos_ota.review.html import render
from enos_ota.review.model import Effect, KeyReport
from tests.harness import browser, reports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

    from enos_ota.review.model import ReviewReport

browser.require()

log = logging.getLogger(__name__)
"""Times, with `--log-cli-level=INFO`; no test judges them."""

MANY: Final = 100_000
PATIENCE: Final = 30.0
"""Seconds for something that takes milliseconds."""

WIDE: Final = {"width": 1200, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
NARROW: Final = {"width": 340, "height": 700, "deviceScaleFactor": 1, "mobile": False}


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    with browser.driven() as driven:
        yield driven


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Address of the file with the page of a situation, which is made once."""
    folder = tmp_path_factory.mktemp("pages")
    made: dict[str, str] = {}

    def address(name: str) -> str:
        if name not in made:
            build = LARGE.get(name) or reports.CASES[name]
            file = folder / f"{name}.html"
            file.write_text(render(build()), encoding="utf-8")
            made[name] = file.as_uri()
        return made[name]

    return address


@pytest.fixture
def opened(chrome: Chrome, saved: Callable[[str], str]) -> Iterator[Callable[..., Page]]:
    """Opens the page of a situation. In the end nothing was said in the console and nothing but the page asked for."""
    addresses = []
    browser.console(chrome)
    browser.requests(chrome)

    def open_(name: str, *, size: dict[str, Any] | None = None) -> Page:
        chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size or WIDE)
        addresses.append(saved(name))
        chrome.get(addresses[-1])
        return Page(chrome)

    yield open_
    browser.emulate(chrome)
    assert browser.console(chrome) == []
    assert browser.requests(chrome) == addresses


@dataclass(frozen=True)
class Served:
    """A server with a page.

    Attributes:
        address: Of the page.
        asked: The paths that were asked for so far.
    """

    address: str
    asked: list[str]


@pytest.fixture
def served() -> Iterator[Served]:
    content = render(reports.first_preview()).encode()
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(http.HTTPStatus.OK)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Served(f"http://127.0.0.1:{server.server_port}/review.html", asked)
        server.shutdown()
        thread.join()


class Page:
    """The opened page, as its reader sees it."""

    def __init__(self, chrome: Chrome) -> None:
        self.chrome = chrome

    def one(self, selector: str) -> WebElement:
        return self.chrome.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """What elements say, in one question to the browser."""
        found: list[str] = self.ask(
            "return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent)", selector
        )
        return found

    def ask(self, script: str, *arguments: Any) -> Any:
        return self.chrome.execute_script(script, *arguments)

    def wait(self, until: Callable[[], object]) -> None:
        WebDriverWait(self.chrome, PATIENCE, poll_frequency=0.01).until(lambda _: until())

    @property
    def keys(self) -> list[str]:
        """The keys of the rows that are drawn."""
        return self.texts(".key-row .cell-key")

    @property
    def count(self) -> str:
        return self.one("#count").text.replace("\N{NARROW NO-BREAK SPACE}", " ")

    @property
    def focused(self) -> str:
        return str(self.ask("return document.activeElement.id || document.activeElement.textContent"))

    def search(self, words: str) -> None:
        self.one("#search").clear()
        self.one("#search").send_keys(words)

    def press(self, *keys: str) -> None:
        self.chrome.switch_to.active_element.send_keys(*keys)

    def click(self, selector: str, said: str) -> None:
        next(each for each in self.chrome.find_elements(By.CSS_SELECTOR, selector) if said in each.text).click()

    def visible_keys(self) -> list[str]:
        """The keys of rows that can be seen in the pane, below its heading."""
        found: list[str] = self.ask(
            """const pane = document.getElementById("pane").getBoundingClientRect();
            const top = pane.top + document.querySelector("#key-table thead").getBoundingClientRect().height;
            return [...document.querySelectorAll(".key-row")]
              .filter((row) => row.getBoundingClientRect().top >= top - 1)
              .filter((row) => row.getBoundingClientRect().bottom <= pane.bottom + 1)
              .map((row) => row.cells[0].textContent)"""
        )
        return found


# Search, filters, order


def test_a_search_leaves_the_keys_that_hold_the_words(opened: Callable[..., Page]) -> None:
    page = opened("first_preview")
    page.search("P-0001")
    assert page.keys == [f"pump-0001{digit}" for digit in range(10)]
    assert page.count == "10 of 42 keys"


def test_words_of_status_version_and_effect_are_found_too(opened: Callable[..., Page]) -> None:
    page = opened("first_preview")
    page.search("published 2.1.7")
    assert page.count == "3 of 42 keys"
    page.search("late succ")
    assert page.keys == ["pump-00002"]


def test_a_search_without_hits_shows_an_empty_table_and_says_so(opened: Callable[..., Page]) -> None:
    page = opened("first_preview")
    page.search("no such pump")
    assert (page.keys, page.count) == ([], "0 of 42 keys")


def test_effects_can_be_chosen_one_or_more_and_given_up_again(opened: Callable[..., Page]) -> None:
    page = opened("drift")
    page.click(".chip", "escaped")
    assert (page.keys, page.count) == (["pump-00004"], "1 of 36 keys")
    page.click(".chip", "again")
    assert page.count == "4 of 36 keys"
    assert page.ask("return [...document.querySelectorAll('.chip')].map((each) => each.ariaPressed)") == [
        "true",
        "true",
        "false",
    ]
    page.click(".chip", "escaped")
    page.click(".chip", "again")
    assert page.count == "36 keys"


def test_each_effect_to_choose_tells_how_many_keys_it_has(opened: Callable[..., Page]) -> None:
    page = opened("drift")
    assert page.texts(".chip") == ["will be cancelled again 3", "escaped 1", "cancelled already 32"]


def test_one_of_several_sets_can_be_chosen(opened: Callable[..., Page]) -> None:
    page = opened("several_sets")
    assert page.count == "52 keys"
    page.click("#set-choice option", "valve-1.5")
    assert page.count == "4 of 52 keys"
    assert set(page.texts(".key-row .cell-set")) == {"valve-1.5"}


def test_a_single_set_needs_no_choice_and_no_column(opened: Callable[..., Page]) -> None:
    page = opened("first_preview")
    assert not page.one("#set-choice").is_displayed()
    assert page.texts("#key-table th") == ["Device key", "Effect", "Status now", "From version"]


def test_search_and_choices_go_together(opened: Callable[..., Page]) -> None:
    page = opened("several_sets")
    page.click("#set-choice option", "pump-north")
    page.click(".chip", "will be cancelled")
    page.search("published")
    assert page.count == "5 of 52 keys"


def test_the_gravest_effects_come_first(opened: Callable[..., Page]) -> None:
    effects = opened("missing").texts(".key-row .cell-effect")
    assert effects[:4] == ["ambiguous", "missing", "missing", "will be cancelled"]


def test_a_heading_sorts_by_its_column_and_a_second_time_the_other_way_round(opened: Callable[..., Page]) -> None:
    page = opened("first_preview")

    def sorts() -> list[str]:
        found: list[str] = page.ask("return [...document.querySelectorAll('#key-table th')].map((e) => e.ariaSort)")
        return found

    assert sorts() == ["none", "ascending", "none", "none"]
    page.click("th button", "Device key")
    assert (page.keys[0], sorts()) == ("pump-00001", ["ascending", "none", "none", "none"])
    page.click("th button", "Device key")
    assert (page.keys[0], sorts()) == ("pump-00042", ["descending", "none", "none", "none"])
    page.click("th button", "Status")
    statuses = page.texts(".key-row .cell-status")
    assert statuses == sorted(statuses)


def test_the_keys_that_are_shown_can_be_copied_a_line_each(chrome: Chrome, opened: Callable[..., Page]) -> None:
    page = opened("drift")
    chrome.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite"]})
    page.click(".chip", "again")
    page.one("#copy").click()
    page.wait(lambda: page.one("#copied").text)
    assert page.one("#copied").text == "3 copied"
    assert page.ask("return navigator.clipboard.readText()") == "pump-00001\npump-00002\npump-00003\n"


# Keyboard


def test_slash_goes_to_the_search_and_is_not_typed(opened: Callable[..., Page]) -> None:
    page = opened("first_preview")
    page.press("/")
    assert page.focused == "search"
    page.press("1/")
    assert page.one("#search").get_attribute("value") == "1/"


def test_escape_clears_the_search(opened: Callable[..., Page]) -> None:
    page = opened("first_preview")
    page.press("/")
    page.press("00042")
    assert page.count == "1 of 42 keys"
    page.press(Keys.ESCAPE)
    assert page.count == "42 keys"


def test_down_goes_from_the_search_into_the_table_where_keys_scroll(opened: Callable[..., Page]) -> None:
    page = opened("many_keys")
    page.press("/")
    page.press(Keys.ARROW_DOWN)
    assert page.focused == "pane"
    first = page.visible_keys()
    page.press(Keys.PAGE_DOWN)
    page.wait(lambda: page.visible_keys() and page.visible_keys()[0] not in first[:-3])
    page.press(Keys.END)
    page.wait(lambda: page.visible_keys()[-1:] == ["pump-99999"])
    page.press(Keys.HOME)
    page.wait(lambda: page.visible_keys()[:1] == ["pump-00001"])


def test_everything_can_be_reached_by_tab_and_shows_that_it_has_the_focus(opened: Callable[..., Page]) -> None:
    page = opened("several_sets")
    reached = []
    for _ in range(12):
        page.press(Keys.TAB)
        reached.append(page.focused)
        style = page.ask("const s = getComputedStyle(document.activeElement); return [s.outlineStyle, s.outlineWidth]")
        assert style == ["solid", "3px"]
    assert reached == [
        "search",
        "set-choice",
        "too late 1",
        "will be cancelled 40",
        "cancelled already 11",
        "copy",
        "pane",
        "Device key",
        "Effect",
        "Status now",
        "From version",
        "Set",
    ]


def test_a_chosen_effect_answers_to_the_space_bar(opened: Callable[..., Page]) -> None:
    page = opened("drift")
    page.ask("document.querySelector('.chip').focus()")
    page.press(Keys.SPACE)
    assert page.count == "3 of 36 keys"


def test_the_table_tells_its_size_to_who_does_not_see_it(opened: Callable[..., Page]) -> None:
    page = opened("first_preview")
    assert page.one("#key-table").get_attribute("aria-rowcount") == "43"
    places = page.ask("return [...document.querySelectorAll('#key-table [aria-rowindex]')].map((e) => e.ariaRowIndex)")
    assert places[:3] == ["1", "2", "3"]
    page.search("00042")
    assert page.one("#key-table").get_attribute("aria-rowcount") == "2"
    assert page.one("#pane").accessible_name == "Device keys"
    assert page.one("#search").accessible_name == "Search keys, effects, statuses and versions"


def test_the_bars_have_a_role_and_a_name(opened: Callable[..., Page]) -> None:
    page = opened("first_preview")
    bar = page.one("svg.bar")
    assert bar.aria_role in {"img", "image"}
    assert bar.accessible_name == "Tasks now: 51 succeeded, 9 upgrading, 9 published, 39 init, 12 failed"


# A hundred thousand keys


def test_of_very_many_keys_only_those_near_the_window_are_drawn(opened: Callable[..., Page]) -> None:
    page = opened("many_keys")
    assert page.count == "100 000 keys"
    assert page.one("#key-table").get_attribute("aria-rowcount") == "100001"
    for share in (0, 0.5, 1):
        page.ask("const p = document.getElementById('pane'); p.scrollTop = arguments[0] * p.scrollHeight", share)
        near = range(round(share * MANY) - 60, round(share * MANY) + 60)
        page.wait(lambda near=near: any(int(key[5:]) in near for key in page.visible_keys()))  # type: ignore[misc]
        assert len(page.texts("tr")) < 120


def test_a_search_in_very_many_keys_finds_each_of_them(opened: Callable[..., Page]) -> None:
    page = opened("many_keys")
    page.search("pump-99998")
    assert (page.keys, page.count) == (["pump-99998"], "1 of 100 000 keys")
    page.search("9999")
    assert page.count == "19 of 100 000 keys"
    spent = page.ask(
        """const search = document.getElementById("search");
        return ["p", "pu", "pump-", "pump-1", "pump-12", "published", "zzz", ""].map((words) => {
          const began = performance.now();
          search.value = words;
          search.dispatchEvent(new Event("input"));
          document.body.getBoundingClientRect();
          return performance.now() - began;
        })"""
    )
    log.info("milliseconds for a keystroke in %d keys: %s", MANY, [round(each, 1) for each in spent])
    assert page.count == "100 000 keys"


def test_what_is_sorted_stays_so_over_very_many_keys(opened: Callable[..., Page]) -> None:
    page = opened("many_keys")
    page.click("th button", "Device key")
    page.click("th button", "Device key")
    assert page.keys[:2] == ["pump-99999", "pump-99998"]
    page.ask("const p = document.getElementById('pane'); p.scrollTop = p.scrollHeight")
    page.wait(lambda: page.keys[-1] == "pump-00001")


def more_keys_than_a_browser_lays_out() -> ReviewReport:
    """So many that rows of their true height would not fit into any scroll bar."""
    every = tuple(
        KeyReport.model_construct(
            device_key=f"pump-{number:06}", effect=Effect.CANCEL, status="init", source_version="2.2.0"
        )
        for number in range(400_000)
    )
    small = reports.many_keys(30)
    return small.model_copy(update={"sets": (small.sets[0].model_copy(update={"keys": every}),)})


def test_where_the_scroll_bar_is_a_scale_every_row_can_still_be_reached(opened: Callable[..., Page]) -> None:
    page = opened("more_keys_than_a_browser_lays_out")
    page.ask("document.getElementById('pane').focus()")
    seen = page.visible_keys()
    page.press(Keys.PAGE_DOWN)
    page.wait(lambda: page.visible_keys() and seen[0] not in page.visible_keys())
    assert seen[-1] in page.visible_keys()
    page.press(Keys.END)
    page.wait(lambda: page.visible_keys()[-1:] == ["pump-399999"])
    last = page.visible_keys()
    page.press(Keys.ARROW_UP)
    page.wait(lambda: page.visible_keys()[-1:] == [last[-2]])
    assert len(page.texts("tr")) < 120


LARGE: Final[dict[str, Callable[[], ReviewReport]]] = {
    "many_keys": reports.many_keys,
    "more_keys_than_a_browser_lays_out": more_keys_than_a_browser_lays_out,
}


# Foreign texts


def test_hostile_texts_stay_texts(opened: Callable[..., Page]) -> None:
    page = opened("hostile")
    tags = set(page.ask("return [...document.querySelectorAll('*')].map((each) => each.localName)"))
    assert not tags & {"img", "a", "iframe", "object", "embed", "form", "video", "base", "details"}
    assert page.texts("script:not([type])")[0].startswith("// The key table of the review")
    assert len(page.texts("script")) == 2


def test_hostile_keys_are_shown_as_in_the_other_formats(opened: Callable[..., Page]) -> None:
    page = opened("hostile")
    wanted = [text.key(key.device_key) for each in reports.hostile().sets for key in each.keys]
    assert sorted(page.keys) == sorted(wanted)
    page.search("<img src=x onerror")
    assert "<img src=x onerror=alert(1)>" in page.keys


def test_the_policy_stops_what_would_get_in_nevertheless(chrome: Chrome, served: Served) -> None:
    chrome.get(served.address)
    got = chrome.execute_script(
        """const made = (name) => document.body.appendChild(document.createElement(name));
        const tries = [
          () => { const e = made("p"); e.setAttribute("onclick", "window.got = 1"); e.click(); },
          () => document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.got = 1'>"),
          () => made("script").append("window.got = 1"),
          () => { made("img").src = "/x.png"; },
          () => { made("p").setAttribute("style", "color: red"); },
        ];
        for (const attempt of tries) { try { attempt(); } catch { /* refused */ } }
        return [window.got ?? null, getComputedStyle(document.body.lastChild).color === "rgb(255, 0, 0)"];"""
    )
    assert got == [None, False]
    chrome.get("about:blank")
    assert served.asked == ["/review.html"]


# Nothing else is needed


def test_as_an_artifact_of_a_server_it_is_the_only_thing_asked_for(chrome: Chrome, served: Served) -> None:
    browser.console(chrome)
    chrome.get(served.address)
    page = Page(chrome)
    page.search("00042")
    assert page.count == "1 of 42 keys"
    chrome.get("about:blank")  # an icon would have been asked for by now
    assert served.asked == ["/review.html"]
    assert browser.console(chrome) == []


def test_without_javascript_the_first_screen_and_the_first_keys_can_be_read(
    chrome: Chrome, opened: Callable[..., Page]
) -> None:
    chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page = opened("first_preview")
        assert "pulumi up will cancel 36 tasks" in page.one("h1").text
        assert page.one(".paper").is_displayed()
        assert "pump-00042" in page.one(".paper").text
        assert not page.one("#keys").is_displayed()
    finally:
        chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


# Eyes, paper, pockets

CONTRASTS: Final = """
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const over = (colour, ground) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const each of [ground, colour]) { canvas.fillStyle = each; canvas.fillRect(0, 0, 1, 1); }
    const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
    return `rgb(${r}, ${g}, ${b})`;
  };
  const ground = (element) => {
    const grounds = [];
    for (let each = element; each; each = each.parentElement) {
      const filled = each.querySelector(":scope > rect.fill");
      if (each !== element && filled) { grounds.push(getComputedStyle(filled).fill); }
      grounds.push(getComputedStyle(each).backgroundColor);
    }
    return grounds.reduceRight((below, each) => over(each, below), "white");
  };
  const light = (colour) => {
    const [r, g, b] = colour.match(/[0-9]+/g).map((n) => n / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = {};
  for (const element of document.querySelectorAll("body *")) {
    const says = [...element.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim());
    if (!says || !element.checkVisibility() || element.matches("title, script, option, .unseen")) { continue; }
    const style = getComputedStyle(element);
    const below = ground(element);
    const [dark, bright] = [light(over(element.matches("text") ? style.fill : style.color, below)), light(below)]
      .sort((one, other) => one - other);
    const ratio = (bright + 0.05) / (dark + 0.05);
    const name = `${element.localName}.${element.className.baseVal ?? element.className}`;
    found[name] = Math.min(found[name] ?? 99, ratio);
  }
  return found;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["first_preview", "drift", "hostile", "several_sets"])
def test_every_text_stands_out_from_its_ground(
    chrome: Chrome, opened: Callable[..., Page], scheme: str, name: str
) -> None:
    browser.emulate(chrome, prefers_color_scheme=scheme)
    page = opened(name)
    if name == "drift":
        page.click(".chip", "escaped")
    ratios = page.ask(CONTRASTS)
    assert len(ratios) > 10
    # 4.5 is what WCAG 2.2 asks of text (1.4.3, level AA).
    assert {where: round(ratio, 2) for where, ratio in ratios.items() if ratio < 4.5} == {}


def test_at_night_the_page_is_dark(chrome: Chrome, opened: Callable[..., Page]) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        browser.emulate(chrome, prefers_color_scheme=scheme)
        ground = opened("first_preview").ask("return getComputedStyle(document.documentElement).backgroundColor")
        grounds.append(sum(map(int, re.findall(r"\d+", ground))) / 3)
    assert grounds[0] > 230
    assert grounds[1] < 25


def test_paper_gets_every_first_screen_and_a_bounded_list_instead_of_the_table(
    chrome: Chrome, opened: Callable[..., Page]
) -> None:
    page = opened("many_keys")
    browser.emulate(chrome, medium="print")
    assert page.one("main").is_displayed()
    assert not page.one("#keys").is_displayed()
    assert page.one(".paper").is_displayed()
    assert len(page.texts(".paper li")) == 50 + 12 + 8
    assert "99 980 will be cancelled" in page.one(".paper").text.replace("\N{NARROW NO-BREAK SPACE}", " ")


def test_on_paper_a_dark_screen_is_forgotten(chrome: Chrome, opened: Callable[..., Page]) -> None:
    page = opened("drift")
    browser.emulate(chrome, medium="print", prefers_color_scheme="dark")
    assert page.ask("return getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert {where: ratio for where, ratio in page.ask(CONTRASTS).items() if ratio < 4.5} == {}


@pytest.mark.parametrize("name", ["several_sets", "hostile", "refused"])
def test_on_a_narrow_screen_nothing_sticks_out(opened: Callable[..., Page], name: str) -> None:
    page = opened(name, size=NARROW)
    wide: list[str] = page.ask(
        """const limit = document.documentElement.clientWidth;
        return [...document.querySelectorAll("body *")]
          .filter((each) => !each.closest("#pane, svg, .unseen") && each.getBoundingClientRect().right > limit + 1)
          .map((each) => `${each.localName}.${each.className}`)"""
    )
    assert wide == []
    assert page.ask("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_data_in_the_page_is_the_report_s(opened: Callable[..., Page]) -> None:
    data = json.loads(opened("drift").ask("return document.getElementById('keys-data').textContent"))
    assert sum(len(group["keys"]) for group in data["groups"]) == len(reports.drift().sets[0].keys)
