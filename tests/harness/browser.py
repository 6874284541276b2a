"""A real headless Chromium, for tests of the HTML report."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from typing import TYPE_CHECKING, Any, Final

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from toolchain import browser

if TYPE_CHECKING:
    from collections.abc import Iterator

FOUND: Final = browser.find(os.environ)

IN_CI: Final = os.environ.get("CI") == "true"

FLAGS: Final = (
    "--headless",
    "--no-sandbox",  # Chromium refuses to run as root with one; the pages are ours
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--window-size=1200,1000",
)


def require() -> None:
    """Skip the calling module where there is no browser; in CI its tests fail instead, each by `driven`."""
    if FOUND is None and not IN_CI:
        pytest.skip("no chromium and chromedriver on PATH: `make test-deps` tells more", allow_module_level=True)


@contextlib.contextmanager
def driven() -> Iterator[Chrome]:
    """A browser with a profile of its own that notes what the console says and what it asks a network for."""
    assert FOUND is not None, "no chromium and chromedriver on PATH; `make test-deps` says why"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ChromeOptions()
        options.binary_location = FOUND.command
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        chrome = Chrome(options=options, service=Service(FOUND.driver))
        try:
            yield chrome
        finally:
            chrome.quit()


def console(chrome: Chrome) -> list[str]:
    """What the console said since this was last asked."""
    return [f"{entry['level']}: {entry['message']}" for entry in _log(chrome, "browser")]


def requests(chrome: Chrome) -> list[str]:
    """The addresses that the page asked for since this was last asked, its own included."""
    events = (json.loads(entry["message"])["message"] for entry in _log(chrome, "performance"))
    asked = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
    # What the browser shows at its start may still be loading.
    return [each["request"]["url"] for each in asked if not each["documentURL"].startswith("chrome://")]


def _log(chrome: Chrome, kind: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = chrome.execute("getLog", {"type": kind})["value"]
    return entries


def emulate(chrome: Chrome, *, medium: str = "", **features: str) -> None:
    """Pretend another medium (`print`) or taste (`prefers_color_scheme="dark"`); without arguments, none."""
    settings: dict[str, Any] = {
        "media": medium,
        "features": [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()],
    }
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", settings)
