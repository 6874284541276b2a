"""What leans on a dependency works with the lowest version that pyproject.toml allows, too.

The tests named here run once more in `.venv-lowest`. They are a choice, bounded in time: those that fail when a
dependency is too old. A defence that needs a certain version belongs to them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Final

import pytest

from tests.harness.engine import CHECKOUT
from toolchain import venv

LOWEST: Final = venv.lowest(CHECKOUT)
PYTHON: Final = LOWEST.folder / "bin" / "python"

NO_DEPENDENCY: Final = "not throttling and not expressions and not no_json_breaks_a_model"
"""The slowest tests of the client are about our own arithmetic."""

EACH_CALL: Final = (
    "not newest and (check_says or create_cancels or update_sends or refresh_takes or removals_say or several_calls"
    " or wrong_credentials)"
)
"""Each call of the provider's protocol; every test starts a process."""

CHOSEN: Final = {
    "client": ("tests/unit/enos", "-k", NO_DEPENDENCY),  # requests, urllib3, pydantic
    "settings": ("tests/unit/settings", "tests/unit/cli/test_set_writer.py"),  # pydantic, PyYAML
    "commands": ("tests/unit/cli/test_cli.py", "tests/unit/cli/test_tasks_command.py"),  # click, rich
    "simulator": ("tests/unit/simulator/test_simulator_search.py",),  # lark, starlette, uvicorn
    "provider": ("tests/contract/test_provider.py", "-k", EACH_CALL),  # pulumi
}


@pytest.fixture(scope="module", autouse=True)
def _environment() -> None:
    why = venv.stale(LOWEST, "{}.{}".format(*sys.version_info[:2]))
    if why is not None:
        pytest.skip(f"{why or 'there is no .venv-lowest'}: `make test` makes it")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the Python of the environment, with nothing of this test run in its variables."""
    return subprocess.run(
        [PYTHON, *arguments],
        cwd=CHECKOUT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("chosen", CHOSEN.values(), ids=CHOSEN)
def test_it_works_with_the_lowest_versions(chosen: tuple[str, ...]) -> None:
    ended = run("-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen)
    assert ended.returncode == 0, f"{ended.stdout[-8000:]}\n{ended.stderr}"


def test_each_dependency_is_there_at_its_lower_bound() -> None:
    """Not at what another dependency asks for."""
    pins = venv.lower_bounds((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    program = (
        "import sys; from importlib.metadata import version; from packaging.specifiers import SpecifierSet;"
        "print([pin for pin in sys.argv[1:] for name, _, bound in [pin.partition('==')]"
        " if not SpecifierSet(f'=={bound}').contains(version(name))])"
    )
    assert run("-c", program, *pins).stdout == "[]\n"
