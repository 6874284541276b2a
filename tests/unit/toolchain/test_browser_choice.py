"""How a machine gets the browser that the tests of the HTML report drive."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from tests.unit.toolchain.bundles import script
from toolchain import browser
from toolchain.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

APT = """
echo "$@" >> "{log}"
case "$*" in
  *install*) for name in {brings}; do printf '#!/bin/sh\\n' > "{bin}/$name"; /bin/chmod +x "{bin}/$name"; done;;
esac
"""


def apt(folder: Path, *brings: str) -> Path:
    """An apt-get that puts commands beside itself; gives the file in which it notes how it was called."""
    log = folder / "calls"
    script(folder / "bin" / "apt-get", APT.format(log=log, bin=folder / "bin", brings=" ".join(brings) or '""'))
    return log


def ensure(folder: Path, *, root: bool = True) -> tuple[browser.Browser | None, str]:
    stream = io.StringIO()
    found = browser.ensure({"PATH": str(folder / "bin")}, Progress(stream), root=root)
    return found, stream.getvalue()


def test_a_browser_that_is_there_is_used_and_nothing_is_installed(tmp_path: Path) -> None:
    log = apt(tmp_path, "chromium", "chromedriver")
    chromium, driver = script(tmp_path / "bin" / "chromium"), script(tmp_path / "bin" / "chromedriver")
    found, said = ensure(tmp_path)
    assert found == browser.Browser(str(chromium), str(driver))
    assert said == f"Browser tests: {chromium} and {driver} are there.\n"
    assert not log.exists()


def test_a_browser_without_its_driver_does_not_count(tmp_path: Path) -> None:
    script(tmp_path / "bin" / "chromium")
    assert browser.find({"PATH": str(tmp_path / "bin")}) is None


def test_chrome_serves_as_well(tmp_path: Path) -> None:
    chrome, driver = script(tmp_path / "bin" / "google-chrome"), script(tmp_path / "bin" / "chromedriver")
    assert browser.find({"PATH": str(tmp_path / "bin")}) == browser.Browser(str(chrome), str(driver))


def test_root_installs_both_packages_after_reading_the_lists(tmp_path: Path) -> None:
    log = apt(tmp_path, "chromium", "chromedriver")
    found, said = ensure(tmp_path)
    assert found == browser.Browser(str(tmp_path / "bin" / "chromium"), str(tmp_path / "bin" / "chromedriver"))
    assert said.splitlines()[-1] == "Browser tests: chromium and chromium-driver installed."
    update, install = log.read_text(encoding="utf-8").splitlines()
    assert update.endswith(" update")
    assert install.endswith(" install -y --no-install-recommends chromium chromium-driver")


def test_whoever_is_not_root_is_told_the_command(tmp_path: Path) -> None:
    log = apt(tmp_path, "chromium", "chromedriver")
    found, said = ensure(tmp_path, root=False)
    assert found is None
    assert said.count("\n") == 1
    assert "sudo apt-get install chromium chromium-driver" in said
    assert not log.exists()


def test_where_there_is_no_apt_get_that_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    found, said = ensure(tmp_path)
    assert found is None
    assert said == "Browser tests: no chromium and chromedriver on PATH, and no apt-get to install them with.\n"


def test_an_apt_get_that_fails_is_no_error_and_says_why(tmp_path: Path) -> None:
    script(tmp_path / "bin" / "apt-get", "echo 'Temporary failure resolving deb.debian.org' >&2; exit 100")
    found, said = ensure(tmp_path)
    assert found is None
    assert "could not be installed. Reading the lists of packages: failed with exit code 100" in said
    assert "Temporary failure resolving deb.debian.org" in said


def test_packages_that_bring_no_browser_are_told_apart(tmp_path: Path) -> None:
    apt(tmp_path)
    found, said = ensure(tmp_path)
    assert found is None
    assert said.splitlines()[-1] == "Browser tests: chromium and chromium-driver bring no browser here."
