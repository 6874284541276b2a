"""What may be uploaded to PyPI: what was tested, under the tag of its version, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from toolchain import dist
from toolchain.errors import ToolchainError
from toolchain.progress import Progress


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of version 1.2.3 in which something was built."""
    (tmp_path / "dist").mkdir()
    for name in ("enos_ota-1.2.3.tar.gz", "enos_ota-1.2.3-py3-none-any.whl"):
        (tmp_path / "dist" / name).write_text(name, encoding="utf-8")
    (tmp_path / "enos_ota").mkdir()
    (tmp_path / "enos_ota" / "__init__.py").write_text('__version__ = "1.2.3"\n', encoding="utf-8")
    return tmp_path


def asked(checkout: Path, **environ: str) -> str | None:
    return dist.objection(dist.built(checkout), dist.version(checkout), environ)


def test_what_was_tested_may_be_published_under_its_tag(checkout: Path) -> None:
    digests = dist.describe(dist.built(checkout))
    assert asked(checkout, GITHUB_REF_NAME="v1.2.3", DIST_DIGESTS=digests) is None


def test_a_tag_of_another_version_may_not(checkout: Path) -> None:
    digests = dist.describe(dist.built(checkout))
    told = asked(checkout, GITHUB_REF_NAME="v1.2.4", DIST_DIGESTS=digests)
    assert told == "the version is 1.2.3, but GITHUB_REF_NAME is v1.2.4; it must be v1.2.3"


def test_what_differs_from_what_was_tested_may_not(checkout: Path) -> None:
    digests = dist.describe(dist.built(checkout))
    (checkout / "dist" / "enos_ota-1.2.3.tar.gz").write_text("something else", encoding="utf-8")
    told = asked(checkout, GITHUB_REF_NAME="v1.2.3", DIST_DIGESTS=digests)
    assert told is not None
    assert told.startswith("what was built is not what was tested: ")


def test_what_nobody_says_was_tested_may_not(checkout: Path) -> None:
    told = asked(checkout, GITHUB_REF_NAME="v1.2.3")
    assert told is not None
    assert "DIST_DIGESTS does not say what was tested" in told


def test_nothing_may_not_be_published(tmp_path: Path) -> None:
    assert dist.objection(dist.built(tmp_path), "1.2.3", {}) == "dist is empty: `make dist` fills it"


def test_what_must_not_be_published_never_reaches_twine(checkout: Path) -> None:
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        pytest.raises(ToolchainError, match=r"^Nothing was uploaded: the version is 1\.2\.3, but"),
    ):
        dist.publish(checkout, checkout / "no-python", {}, Progress(nowhere))


def test_digests_reach_later_jobs_as_an_output_of_the_step(tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.write_text("earlier=1\n", encoding="utf-8")
    dist.announce("a.whl=12 a.tar.gz=34", {"GITHUB_OUTPUT": str(output)})
    assert output.read_text(encoding="utf-8") == "earlier=1\ndigests=a.whl=12 a.tar.gz=34\n"
    dist.announce("a.whl=12 a.tar.gz=34", {})


def test_the_digest_is_that_of_the_content(checkout: Path) -> None:
    (checkout / "dist" / "enos_ota-1.2.3.tar.gz").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert f"enos_ota-1.2.3.tar.gz={empty}" in dist.describe(dist.built(checkout)).split()
