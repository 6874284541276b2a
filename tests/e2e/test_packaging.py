"""The distributions: what is in them, and that they work where there is no checkout."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest

from enos_ota import __version__
from tests.harness.engine import CHECKOUT
from tests.harness.installed import Installation, install
from tests.harness.simulator import JOB
from tests.harness.stack import NAME, Stack, sent

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.engine import PulumiEngine
    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack import Sealed

NO_SOURCE = shutil.ignore_patterns(
    ".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "dist", "build", ".pulumi"
)
OWN_STACK = "stacks/Pulumi.mine.yaml"


@dataclass(frozen=True, slots=True)
class Built:
    """What `python -m build` made of the source."""

    source: Path
    sdist: Path
    wheel: Path

    def shipped(self) -> set[str]:
        """The files of the sdist, without its own directory."""
        with tarfile.open(self.sdist) as archive:
            return {str(PurePosixPath(*PurePosixPath(name).parts[1:])) for name in archive.getnames()}

    def installed(self) -> set[str]:
        """The files of the wheel."""
        with zipfile.ZipFile(self.wheel) as archive:
            return set(archive.namelist())


def build(source: Path, out: Path, *args: str) -> None:
    """Build as a release does, but with the back end that is here."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), *args, str(source)]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Both distributions, of a copy of the checkout in which somebody has a stack of their own."""
    folder = tmp_path_factory.mktemp("built")
    source, out = folder / "source", folder / "dist"
    shutil.copytree(CHECKOUT, source, ignore=NO_SOURCE)
    (source / OWN_STACK).write_text("config: {}\n", encoding="utf-8")
    build(source, out)
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return Built(source, sdist, wheel)


@pytest.fixture(scope="module")
def plain(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The package as `pip install enos-ota` has it."""
    return install(built.wheel, tmp_path_factory.mktemp("plain") / "venv")


@pytest.fixture(scope="module")
def with_simulator(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The package as `pip install 'enos-ota[simulator]'` has it."""
    return install(built.wheel, tmp_path_factory.mktemp("extra") / "venv", "simulator")


def files(folder: Path) -> set[str]:
    """Every file below a directory, relative to it."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_names_and_version_are_right(built: Built) -> None:
    assert built.sdist.name == f"enos_ota-{__version__}.tar.gz"
    assert built.wheel.name == f"enos_ota-{__version__}-py3-none-any.whl"


def test_an_index_would_take_both(built: Built) -> None:
    command = [sys.executable, "-m", "twine", "check", "--strict", str(built.sdist), str(built.wheel)]
    subprocess.run(command, check=True, capture_output=True)


def test_the_wheel_has_both_packages_whole_and_nothing_else(built: Built) -> None:
    inside = {name for name in built.installed() if ".dist-info/" not in name}
    packages = ("enos_ota", "enos_simulator")
    assert inside == {f"{package}/{name}" for package in packages for name in files(built.source / package)}
    assert {"enos_ota/py.typed", "enos_simulator/demo_fleet.yaml"} <= inside


def test_the_source_distribution_has_the_source_whole(built: Built) -> None:
    """But for stacks: those that lie about belong to whoever built it."""
    stacks = {"stacks/Pulumi.example.yaml", "stacks/keys/example.txt"}
    source = {name for name in files(built.source) if not name.startswith("stacks/")}
    assert built.shipped() == source | stacks | {"PKG-INFO"}


def test_the_source_distribution_builds_the_same_wheel(built: Built, tmp_path: Path) -> None:
    build(built.source, tmp_path, "--wheel")
    (direct,) = tmp_path.glob("*.whl")
    assert direct.read_bytes() == built.wheel.read_bytes()


def test_the_command_works_where_there_is_no_checkout(plain: Installation, tmp_path: Path) -> None:
    assert "Usage: enos-ota" in plain.run("enos-ota", "--help", cwd=tmp_path).stdout


def test_what_is_imported_is_what_was_installed(plain: Installation, tmp_path: Path) -> None:
    where = plain.python("import enos_ota; print(enos_ota.__file__)", cwd=tmp_path)
    assert where.startswith(str(plain.folder))


IMPORT_ALL = """
import importlib, json, pkgutil, enos_ota, enos_simulator
packages = (enos_ota, enos_simulator)
names = [each.name for one in packages for each in pkgutil.walk_packages(one.__path__, f"{one.__name__}.")]
failed = {}
for name in names:
    if name.endswith(".__main__"):
        continue
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed[name] = str(error)
print(json.dumps(failed))
"""


def test_with_the_extra_every_module_finds_what_it_needs(with_simulator: Installation, tmp_path: Path) -> None:
    assert json.loads(with_simulator.python(IMPORT_ALL, cwd=tmp_path)) == {}


def test_without_the_extra_only_the_simulator_lacks_something(plain: Installation, tmp_path: Path) -> None:
    failed = json.loads(plain.python(IMPORT_ALL, cwd=tmp_path))
    assert failed
    assert {name for name in failed if not name.startswith("enos_simulator")} == set()


def test_without_the_extra_the_simulator_says_what_to_install(plain: Installation, tmp_path: Path) -> None:
    told = plain.run("enos-ota", "simulate", cwd=tmp_path, code=2)
    assert "the extra 'simulator'" in told.stderr


def test_another_project_can_use_the_resource(
    with_simulator: Installation,
    engine: PulumiEngine,
    simulator: RunningSimulator,
    sealed: Sealed,
    tmp_path: Path,
) -> None:
    """The program, the provider and the engine's launcher find the installed package; then nothing is left to do."""
    project, home = tmp_path / "fleet-ops", tmp_path / "home"
    project.mkdir()
    home.mkdir()
    (project / "Pulumi.yaml").write_text(
        f"name: fleet-ops\nruntime: {{name: python, options: {{virtualenv: {with_simulator.folder}}}}}\n"
        "options: {refresh: always}\n",
        encoding="utf-8",
    )
    (project / "__main__.py").write_text(
        "from enos_ota import CancelledTaskSet, require_converged\n"
        f'require_converged(CancelledTaskSet("pumps", job_id="{JOB}", device_keys=["dk-01", "dk-02"]))\n',
        encoding="utf-8",
    )
    config: dict[str, object] = {
        "enos:apiGateway": simulator.url,
        "enos:orgId": simulator.org_id,
        "enos:appKey": simulator.app_key,
        "enos:appSecret": {"secure": sealed.right},
    }
    stack = Stack(engine, project, home, sealed.salt, venv=with_simulator.folder, config=config)
    stack.write()
    stack.run("stack", "init", NAME)
    stack.up()
    assert sent(simulator) == [["dk-01", "dk-02"]]
    stack.stands()
