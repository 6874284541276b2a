"""Things that are written down in two places say the same."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from toolchain import build, engine, venv

CHECKOUT = Path(__file__).parents[3]


def read(name: str) -> str:
    return (CHECKOUT / name).read_text(encoding="utf-8")


def test_the_sdk_in_the_lock_is_the_one_that_the_tests_name() -> None:
    """PyPI has no SDK for every engine, so the newest one is pinned; pyproject.toml names it."""
    named = re.search(r'"pulumi==([\d.]+)"', read("pyproject.toml"))
    assert named
    assert f"\npulumi=={named[1]} " in read("requirements.lock")
    assert named[1].partition(".")[0] == build.CURRENT.version.partition(".")[0]


def test_the_ranges_in_requirements_txt_are_those_of_the_package() -> None:
    declared = re.search(r"^dependencies = \[\n(.*?)^\]", read("pyproject.toml"), re.MULTILINE | re.DOTALL)
    assert declared
    ranges = re.findall(r'"([^"]+)"', declared[1])
    assert [line for line in read("requirements.txt").splitlines() if not line.startswith("#")] == ranges


def test_every_requirement_of_the_package_has_a_lower_bound_that_is_tested() -> None:
    """Pins at the bounds are what `.venv-lowest` is made from, so that an untrue bound is noticed."""
    lists = re.findall(r"^(?:dependencies|simulator) = \[\n(.*?)^\]", read("pyproject.toml"), re.MULTILINE | re.DOTALL)
    required = re.findall(r'"([\w.-]+)[^"]*"', "".join(lists))
    assert len(lists) == 2
    assert [pin.partition("==")[0] for pin in venv.lower_bounds(read("pyproject.toml"))] == required


def test_the_lock_has_what_the_lowest_versions_are_tested_with() -> None:
    pins = [install.partition("==")[0] for install in venv.lowest(CHECKOUT).installs[0]]
    assert set(venv.TEST_TOOLS) <= set(pins)


def test_the_oldest_engine_that_is_accepted_is_the_one_that_tests_run_on() -> None:
    assert build.OLDEST.version == ".".join(map(str, engine.OLDEST))


def test_the_package_allows_no_sdk_older_than_the_oldest_engine() -> None:
    major, minor, _ = engine.OLDEST
    assert f'"pulumi>={major}.{minor},<{major + 1}"' in read("pyproject.toml")


EXAMPLES = sorted(file.parent.name for file in CHECKOUT.glob("examples/*/Pulumi.yaml"))
LOCKS = [f"examples/{name}/requirements.lock" for name in EXAMPLES]


@pytest.mark.parametrize("name", ["requirements.lock", "toolchain/go-requirements.txt", *LOCKS])
def test_every_pin_has_a_hash(name: str) -> None:
    pins = re.split(r"^(?=[a-z])", read(name), flags=re.MULTILINE)[1:]
    assert [pin.split("==")[0] for pin in pins if "--hash=sha256:" not in pin] == []


@pytest.mark.parametrize("name", ["requirements.lock", *LOCKS])
def test_the_lock_names_no_host_and_no_path(name: str) -> None:
    assert re.findall(r"https?://\S+|^--\S+|(?<=-[cr] )\S+", read(name), re.MULTILINE) == []


def pins(name: str) -> dict[str, str]:
    """What a lock file pins: a requirement, and the lines of its hashes."""
    return dict(re.findall(r"^([a-z]\S*==.*?) \\\n((?:    --hash=\S+.*\n?)+)", read(name), re.MULTILINE))


@pytest.mark.parametrize("name", LOCKS)
def test_an_example_installs_what_was_tested(name: str) -> None:
    """Each version and hash is that of requirements.lock, which the tests run with."""
    assert len(pins(name)) > 30
    assert pins(name).items() <= pins("requirements.lock").items()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_takes_enos_ota_from_a_commit_and_from_no_index(name: str) -> None:
    """Nobody has published it: whoever takes its name on an index would run with write credentials.

    `.invalid` is a domain that never exists, so that nothing is installed before a reader has filled it in.
    """
    required = [line for line in read(f"examples/{name}/requirements.txt").splitlines() if not line.startswith("#")]
    assert required == ["git+https://REPOSITORY.invalid/enos-ota@COMMIT"]


def test_no_document_has_a_reader_install_enos_ota_from_an_index() -> None:
    """A path, or a commit of the repository, are all that may follow."""
    places = ("*.md", "docs/*.md", "examples/*/README.md", "policy/README.md")
    documents = [file for place in places for file in CHECKOUT.glob(place)]
    told = [line for file in documents for line in file.read_text("utf-8").splitlines() if "pip install" in line]
    assert told
    assert [line for line in told if re.search(r"(?<![/\w])enos[-_]ota", line.partition("pip install")[2])] == []


def test_an_old_python_is_refused_in_one_line_that_names_the_way_out() -> None:
    # Run with a version that is pretended: no old Python is at hand, and the check comes before all else.
    code = (
        "import runpy, sys; sys.version_info = (3, 9, 2, 'final', 0); sys.argv = ['toolchain', 'engine'];"
        "runpy.run_path('toolchain/__main__.py', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        f"enos-ota needs Python 3.10 or newer; {sys.executable} is 3.9. Name another one: make PYTHON=python3.12 ...\n"
    )
