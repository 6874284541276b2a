"""The per-user cache: complete or absent, made once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from toolchain import cache


def never() -> None:
    pytest.fail("nobody else holds the lock")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"HOME": "/h"}, "/h/.cache/enos-ota"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/c"}, "/c/enos-ota"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "relative"}, "/h/.cache/enos-ota"),
        ({"HOME": "/h", "XDG_CACHE_HOME": ""}, "/h/.cache/enos-ota"),
    ],
)
def test_the_cache_is_where_the_xdg_rules_put_it(environ: dict[str, str], expected: str) -> None:
    assert cache.root(environ) == Path(expected)


def test_what_is_made_appears_complete(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        (folder / "one").write_text("1")
        assert not (tmp_path / "thing").exists()
        (folder / "two").write_text("2")

    cache.make_once(tmp_path / "thing", make, never)
    assert {file.name for file in (tmp_path / "thing").iterdir()} == {"one", "two"}


@pytest.mark.parametrize("interruption", [OSError, KeyboardInterrupt])
def test_what_is_interrupted_leaves_nothing(tmp_path: Path, interruption: type[BaseException]) -> None:
    def make(folder: Path) -> None:
        (folder / "one").write_text("1")
        raise interruption

    with pytest.raises(interruption):
        cache.make_once(tmp_path / "thing", make, never)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    (tmp_path / "thing").mkdir()
    cache.make_once(tmp_path / "thing", lambda _folder: pytest.fail("made again"), never)


def test_two_at_once_make_it_once_and_the_second_is_told_that_it_waits(tmp_path: Path) -> None:
    waiting, made = threading.Event(), []

    def make(folder: Path) -> None:
        made.append(folder)
        second.start()
        assert waiting.wait(60)

    second = threading.Thread(target=cache.make_once, args=(tmp_path / "thing", make, waiting.set))
    cache.make_once(tmp_path / "thing", make, never)
    second.join()
    assert len(made) == 1


def test_another_content_has_another_digest(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("1")
    before = cache.digest([file])
    file.write_text("2")
    assert cache.digest([file]) != before


def test_a_digest_does_not_depend_on_the_directory(tmp_path: Path) -> None:
    digests = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("1")
        digests.add(cache.digest([tmp_path / name / "file"]))
    assert len(digests) == 1


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / ".thing.abc").mkdir()
    (tmp_path / ".thing.abc" / "half").touch()
    cache.make_once(tmp_path / "thing", lambda _folder: None, never)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["thing"]


def test_what_a_killed_process_left_is_cleared_away_but_not_what_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").touch()
    (tmp_path / ".thing.abc").symlink_to(tmp_path / "elsewhere")
    cache.make_once(tmp_path / "thing", lambda _folder: None, never)
    assert (tmp_path / "elsewhere" / "precious").exists()
