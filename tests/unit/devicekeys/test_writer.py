"""Device keys as the text of a key file: what is written is what is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enos_ota.devicekeys import reader as keyfiles
from enos_ota.devicekeys import rules as keys
from enos_ota.devicekeys.writer import fits_txt, to_txt, to_yaml

if TYPE_CHECKING:
    from pathlib import Path

ANY_KEYS = st.lists(
    st.text(min_size=1, max_size=12).filter(lambda key: keys.problem(key) is None)
    | st.sampled_from(["#a", " a", "a ", "'", '"', "\\", "a: b", "- a", "no", "0012345", "1e5", "2026-01-02", "- 'a"])
    | st.sampled_from(
        ["\ufffe", "\U0001f600", "已取消", "&a", "*a", "!x", "%a", "@a", "`a", "{a}", "---", "a,deviceKey", "========"]
    ),
    min_size=1,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


def read_back(file: Path, text: str) -> list[str]:
    file.write_bytes(text.encode())
    return list(keyfiles.read_key_file(file))


@given(listed=ANY_KEYS, comment=st.text())
def test_a_yaml_file_holds_every_key_that_a_set_may_have(folder: Path, listed: list[str], comment: str) -> None:
    assert read_back(folder / "keys.yaml", to_yaml(listed, [comment])) == sorted(set(listed))


@given(listed=ANY_KEYS, comment=st.text())
def test_a_txt_file_holds_every_key_that_fits(folder: Path, listed: list[str], comment: str) -> None:
    fitting = {key for key in listed if fits_txt(key)} | {"dk-01"}
    assert read_back(folder / "keys.txt", to_txt(fitting, [comment])) == sorted(fitting)


@pytest.mark.parametrize("key", ["#a", " a", "a ", "\ta", "", " ", "a\nb", "k" * 257])
def test_a_key_that_a_txt_cannot_hold_is_not_written(key: str) -> None:
    with pytest.raises(ValueError, match=r"no \.txt can hold"):
        to_txt(["dk-01", key])


@pytest.mark.parametrize("key", ["", " ", "a\nb", "\x1b[31m", "k" * 257])
def test_a_key_that_no_set_may_have_is_not_written(key: str) -> None:
    with pytest.raises(ValueError, match="no set may have"):
        to_yaml(["dk-01", key])
