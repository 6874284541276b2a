"""Text that is no list of device keys is recognised; no list of ordinary keys ever is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enos_ota.devicekeys.other_formats import recognise

CONFLICT = "<<<<<<< HEAD\ndk-01\n=======\ndk-02\n>>>>>>> hotfix"
DIFF3 = "<<<<<<<\ndk-01\n|||||||\ndk-00\n=======\ndk-02\n>>>>>>>"
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 12345"
DIFF = "diff --git a/k.txt b/k.txt\nindex 3b18..9f2 100644\n--- a/k.txt\n+++ b/k.txt\n@@ -1,2 +1,3 @@\n dk-01\n+dk-02"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (CONFLICT, 1, "an unresolved merge conflict"),
        ("dk-01\n" + CONFLICT.replace("<<<<<<< HEAD\n", ""), 3, "an unresolved merge conflict"),
        (DIFF3, 1, "an unresolved merge conflict"),
        ("dk-01\n=======\ndk-02", 2, "an unresolved merge conflict"),
        ("dk-01\n||||||| 3b18e51\ndk-02", 2, "an unresolved merge conflict"),
        (LFS, 1, "a Git LFS pointer"),
        ("<!DOCTYPE html>\n<html lang=en>\n<title>Sign in</title>", 1, "an HTML page"),
        ("\n  <html>\n<body>502 Bad Gateway</body></html>", 2, "an HTML page"),
        ('<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', 1, "an XML document"),
        ('{"code":99400,"msg":"invalid","requestId":"7b2f"}', 1, "a JSON object"),
        ('{\n  "code": 24620,\n  "msg": "not started"\n}', 2, "a JSON object"),
        ('[\n{"deviceKey": "dk-01", "status": "init"},\n{"deviceKey": "dk-02"}\n]', 2, "a JSON object"),
        ("{}", 1, "a JSON object"),
        ("HTTP/1.1 403 Forbidden\ncontent-type: text/plain", 1, "an HTTP answer"),
        (DIFF, 1, "a diff"),
        ("--- /dev/null\n+++ b/k.txt", 1, "a diff"),
        ("dk-01\n@@ -1 +1,2 @@\n+dk-02", 2, "a diff"),
        (r"{\rtf1\ansi\ansicpg1252", 1, "an RTF document"),
        ("Keys:\n```\ndk-01\n```", 2, "a Markdown text"),
        ("| deviceKey | site |\n|---|:---:|\n| dk-01 | A |", 2, "a Markdown text"),
        ("key | site\n--- | ---\ndk-01 | A", 2, "a Markdown text"),
        ("DEVICE  STATUS  PROGRESS\ndk-01   init    0", 1, "a table of `enos-ota tasks`"),
    ],
)
def test_the_text_is_recognised_by_its_first_certain_line(text: str, line: int, what: str) -> None:
    found = recognise(text.split("\n"), is_txt=False)
    assert found is not None
    assert (found[0] + 1, what in found[1]) == (line, True), found


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("deviceKey,status,cancelled\ndk-01,init,false", "a CSV file"),
        ("site;deviceKey\nA;dk-01", "a CSV file"),
        ("deviceKey\ndk-01", "a CSV file"),
        ('"site"\t"deviceKey"\t"x"', "a CSV file"),
        ('- "dk-01"\n- "dk-02"', "a YAML list"),
    ],
)
def test_csv_and_yaml_are_wrong_only_where_each_line_is_read_as_a_key(text: str, what: str) -> None:
    assert recognise(text.split("\n"), is_txt=False) is None
    found = recognise(text.split("\n"), is_txt=True)
    assert found is not None
    assert what in found[1]


def test_the_sentence_says_what_it_looks_like_by_which_line_and_what_to_do() -> None:
    found = recognise(CONFLICT.split("\n"), is_txt=True)
    assert found is not None
    assert found[1] == (
        "this looks like an unresolved merge conflict, not like a list of device keys ('<<<<<<< HEAD'): resolve it"
    )


@pytest.mark.parametrize(
    "key",
    [
        *(
            "========",
            "---",
            "+++",
            "--- a",
            "<a>",
            "{a}",
            "[a]",
            "|a|",
            "@@",
        ),
        *(
            "{3F2504E0-4F89-11D3-9A0C-0305E82C3301}",
            "version https",
            "DEVICE STATUS",
            "#dk",
            "a:b",
            '"a"',
            "- a",
            "diff",
        ),
    ],
)
def test_one_odd_key_is_no_other_text(key: str) -> None:
    assert recognise(["dk-01", key, "dk-02", key], is_txt=True) is None


@given(st.lists(st.from_regex(r"[A-Za-z0-9._-]{4,64}", fullmatch=True)))
def test_keys_of_the_documented_default_rule_are_never_recognised_as_another_text(device_keys: list[str]) -> None:
    assert recognise(device_keys, is_txt=True) is None
