"""Key files: three formats, and one clear error for everything that is wrong with one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from enos_ota.devicekeys import files
from enos_ota.devicekeys import reader as keyfiles
from enos_ota.devicekeys.yamltext import Flaw

if TYPE_CHECKING:
    from pathlib import Path


def write(directory: Path, name: str, content: str | bytes) -> Path:
    path = directory / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path: Path) -> str:
    with pytest.raises(keyfiles.KeyFileError) as caught:
        keyfiles.read_key_file(path, name=path.name)
    return str(caught.value)


def test_text_holds_one_key_a_line(tmp_path: Path) -> None:
    path = write(tmp_path, "k.txt", "# waiting on 3 May\n\ndk-01\n  dk-02\t\n  # more\ndk#03 # x\n")
    assert keyfiles.read_key_file(path) == ("dk-01", "dk-02", "dk#03 # x")


def test_duplicates_and_order_are_left_to_the_caller(tmp_path: Path) -> None:
    assert keyfiles.read_key_file(write(tmp_path, "k.txt", "b\na\nb")) == ("b", "a", "b")


@pytest.mark.parametrize("name", ["k.txt", "k.csv", "k.yaml", "k.yml", "K.TXT"])
def test_crlf_and_a_byte_order_mark_are_accepted(tmp_path: Path, name: str) -> None:
    lines = {"csv": "deviceKey\r\na\r\nb\r\n", "txt": "a\r\nb\r\n"}.get(name[-3:].lower(), "- a\r\n- b\r\n")
    assert keyfiles.read_key_file(write(tmp_path, name, b"\xef\xbb\xbf" + lines.encode())) == ("a", "b")


def test_csv_takes_the_column_by_its_name_and_passes_over_empty_rows(tmp_path: Path) -> None:
    path = write(tmp_path, "k.csv", 'site,deviceKey\nA,"dk,01"\n\n,\nB, dk-02 \n')
    assert keyfiles.read_key_file(path) == ("dk,01", "dk-02")


def test_yaml_is_a_list_of_texts(tmp_path: Path) -> None:
    assert keyfiles.read_key_file(write(tmp_path, "k.yaml", '- "0012"\n- dk-02\n')) == ("0012", "dk-02")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("k.txt", "", "k.txt: the file has no device key"),
        ("k.txt", "# only this\n", "k.txt: the file has no device key"),
        ("k.yaml", "", "k.yaml: the file has no device key"),
        ("k.csv", "deviceKey\n", "k.csv: the file has no device key"),
        ("k.txt", b"dk-01\n# \xfcber\n", "k.txt:2: the file is not UTF-8: save it as UTF-8"),
        ("k.txt", "a\nb\x00\n", "k.txt:2: 1 device key has control characters (line 2: 'b\\x00')"),
        ("k.txt", "a\rb", "k.txt:1: 1 device key has control characters (line 1: 'a\\rb')"),
        ("k.csv", "", "k.csv:1: the file has no column deviceKey; its header names nothing"),
        ("k.csv", "id,devicekey\n1,a\n", "k.csv:1: the file has no column deviceKey; its header names id, devicekey"),
        (
            "k.csv",
            "id;deviceKey\n1;a\n",
            "k.csv:1: the file has no column deviceKey; its header names id;deviceKey; columns are separated by commas",
        ),
        ("k.csv", "deviceKey,deviceKey\na,b\n", "k.csv:1: the file has more than one column deviceKey"),
        ("k.csv", "id,deviceKey\n1,a\n2\n", "k.csv:3: 1 device key is empty (line 3: '')"),
        ("k.csv", 'deviceKey\na\n"b\nc"\n', "k.csv:3: 1 device key has control characters (line 3: 'b\\nc')"),
        ("k.yaml", "- a\n- !x [b]\n", "k.yaml:2: the tag !x is not read: remove it"),
        ("k.yaml", "a: b\n", "k.yaml:1: the file must hold one list of device keys"),
        (
            "k.yaml",
            "- a\n- 0012\n- 1e5\n",
            "k.yaml:2: 2 device keys are not texts: put them in quotes (line 2: 0012, line 3: 1e5)",
        ),
        (
            "k.txt",
            "a\nb\u200b\n",
            "k.txt:2: 1 device key has invisible characters: type it again"
            " (line 2: U+200B ZERO WIDTH SPACE in 'b\\u200b')",
        ),
        ("k.json", "[]", "k.json: a key file ends in .txt, .csv, .yaml or .yml"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    assert refusal(write(tmp_path, name, content)) == message


@pytest.mark.parametrize(
    ("name", "head", "key"),
    [("k.txt", "# keys", "dk-01"), ("k.csv", "site,deviceKey", "A,dk-01"), ("k.yaml", "- dk-00", "- dk-01")],
)
def test_a_merge_conflict_is_refused_with_its_line_whatever_the_file_ends_in(
    tmp_path: Path, name: str, head: str, key: str
) -> None:
    text = f"{head}\n<<<<<<< HEAD\n{key}\n=======\n{key}\n>>>>>>> hotfix\n"
    assert refusal(write(tmp_path, name, text)) == (
        f"{name}:2: this looks like an unresolved merge conflict, not like a list of device keys"
        " ('<<<<<<< HEAD'): resolve it"
    )


def test_a_file_of_ordinary_keys_has_no_warning(tmp_path: Path) -> None:
    assert keyfiles.load(write(tmp_path, "k.txt", "dk-01\ndk-02\n")).warning() is None


def test_unusual_keys_are_one_warning_with_the_lines_of_the_first_few(tmp_path: Path) -> None:
    path = write(tmp_path, "k.csv", "site,deviceKey\nA,dk-01\n\nB,a b\nC,dk 3\nD,x\nE,y\n")
    assert keyfiles.load(path).warning() == Flaw(
        4,
        "4 device keys do not follow EnOS's default rule of 4 to 64 letters, digits or - _ ."
        " (line 4: 'a b', line 5: 'dk 3', line 6: 'x', …)",
    )


def test_a_path_as_windows_writes_it_is_told_how_to_be_written(tmp_path: Path) -> None:
    with pytest.raises(keyfiles.KeyFileError) as caught:
        keyfiles.read_key_file(tmp_path / "keys\\pump.txt", name="keys\\pump.txt")
    assert str(caught.value) == "keys\\pump.txt: there is no such file; write the path with / in place of \\"


def test_broken_quotes_in_csv_are_named_with_their_line(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, "k.csv", 'deviceKey\na\n"b"c\n')).startswith("k.csv:3: this is not CSV: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "k.txt") == "k.txt: there is no such file"


def test_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "k.txt").mkdir()
    assert refusal(tmp_path / "k.txt") == "k.txt: the file cannot be read: it is a directory, not a regular file"


def test_a_named_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "k.txt")
    assert refusal(tmp_path / "k.txt") == "k.txt: the file cannot be read: it is a named pipe, not a regular file"


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "k.txt", "")
    os.truncate(path, files.MAX_BYTES + 1)
    assert refusal(path) == "k.txt: the file cannot be read: it is larger than 64 MiB"


def test_every_kind_of_problem_has_its_line(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, "k.txt", f"a\n{'x' * 257}\nb\tc\n")).splitlines() == [
        f"k.txt:2: 1 device key is longer than 256 characters (line 2: '{'x' * 36}…)",
        "k.txt:3: 1 device key has control characters (line 3: 'b\\tc')",
    ]


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "k.txt").symlink_to("k.txt")
    assert refusal(tmp_path / "k.txt") == "k.txt: the file cannot be read: Too many levels of symbolic links"
