"""Editing a stack file adds what was asked for, and changes no other byte."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enos_ota.devicekeys import yamltext
from enos_ota.splice import quoted
from enos_ota.stackedit import CannotEdit, Entry, with_key_file, with_set

ENTRY = Entry("pump-2.3.0", "65a1", "keys/pump.txt", reason="INC-4711", firmware_version="2.3.0")

ALL_OF_IT = """\
# yaml-language-server: $schema=../schema.json
# ours, since 2025
encryptionsalt: v1:yDb5jHvCKnk=:v1:Av8s1R+lkUYyZk5U:TUQLw==
config:
  enos:orgId:   'o1' # quotes as they are
  enos:appSecret:
    secure: v1:AAABAKu9uEmRbUk0cC/aPwrv3Ym5:6sPX
  enos-ota:guard: {maxDevices: 500,   maxShare: 0.250}

  enos-ota:cancelledTaskSets:
    # the first
    - name: "old"
      jobId: "1"
      deviceKeys: [a,
        b]   # and no more
      # protect: false

  # behind the sets
  enos:apiGateway: https://apim.example.com
# the end
"""


def added(before: str, after: str) -> str:
    """What was put in; the test fails if anything else was changed."""
    start = next((at for at, (old, new) in enumerate(zip(before, after, strict=False)) if old != new), len(before))
    rest = len(before) - start
    assert before[:start] == after[:start]
    # What is put in may begin like what follows it.
    for at in range(start, -1, -1):
        if after.endswith(before[at:]) and before[:at] == after[:at]:
            return after[at : len(after) - (len(before) - at)]
    raise AssertionError(f"changed, not only added to: {before[-rest:]!r}")


def sets(text: str) -> Any:
    return yamltext.load(text).value["config"]["enos-ota:cancelledTaskSets"]


def test_a_set_goes_behind_the_last_one_and_its_comments_and_all_else_stays_to_the_byte() -> None:
    after = with_set(ALL_OF_IT, ENTRY, project="enos-ota")
    assert added(ALL_OF_IT, after).strip("\n") == (
        '    - name: "pump-2.3.0"\n'
        '      jobId: "65a1"\n'
        '      reason: "INC-4711"\n'
        '      expect: {firmwareVersion: "2.3.0"}\n'
        '      deviceKeysFile: "keys/pump.txt"'
    )
    assert after.index("# protect: false") < after.index('"pump-2.3.0"') < after.index("# behind the sets")


@pytest.mark.parametrize(
    "before",
    [
        "encryptionsalt: v1:abc\n",
        "encryptionsalt: v1:abc",
        "# nothing but this\n",
        "config:\n  enos:orgId: o1\n",
        "config:\n    enos:orgId: o1 # last\nencryptionsalt: v1:abc\n",
        "config:\n  enos-ota:cancelledTaskSets:\n  enos:orgId: o1\n",
        "config:\n  enos-ota:cancelledTaskSets:\n  - name: a\n  enos:orgId: o1\n",
        "config:\n  cancelledTaskSets:\n  - name: a\n    reason: >-\n      two\n      lines\n",
        "config:\n  enos-ota:cancelledTaskSets: [{name: a}, {name: b},]\n",
        "config:\n  enos-ota:cancelledTaskSets:\n    - {name: a}\n",
        "config:\n  a: 水泵 \U0001f4a7\n  enos-ota:cancelledTaskSets:\n    - name: 水泵\n  b: 1\n",
        "---\nconfig:\n  enos:orgId: o1\n...\n",
        "config:\n",
    ],
)
def test_whatever_the_file_looks_like_there_is_one_set_more_and_nothing_else_changed(before: str) -> None:
    after = with_set(before, ENTRY, project="enos-ota")
    assert added(before, after)
    config = yamltext.load(after).value["config"]
    found = config.get("enos-ota:cancelledTaskSets") or config["cancelledTaskSets"]
    assert found[-1] == ENTRY.value()


@pytest.mark.parametrize("nothing", ["[]", "~", "null", "[ ] # none yet"])
def test_a_list_that_is_empty_gives_way_to_one_with_the_set(nothing: str) -> None:
    before = f"config:\n  enos-ota:cancelledTaskSets: {nothing}\n  enos:orgId: o1\n"
    after = with_set(before, ENTRY, project="enos-ota")
    assert sets(after) == [ENTRY.value()]
    assert after.endswith('"keys/pump.txt"\n  enos:orgId: o1\n')


def test_a_configuration_that_is_empty_gives_way_to_one_with_the_set() -> None:
    after = with_set("config: {}\nencryptionsalt: v1:abc\n", ENTRY, project="enos-ota")
    assert sets(after) == [ENTRY.value()]
    assert after.endswith("\nencryptionsalt: v1:abc\n")


def test_a_file_that_is_not_there_begins_with_the_set() -> None:
    assert with_set("", ENTRY, project="enos-ota").startswith("config:\n  enos-ota:cancelledTaskSets:\n    - name: ")


def test_line_ends_stay_those_of_the_file() -> None:
    before = "config:\r\n  enos-ota:cancelledTaskSets:\r\n    - name: a\r\n  enos:orgId: o1\r\n"
    assert "\n" not in with_set(before, ENTRY, project="enos-ota").replace("\r\n", "")


def test_keys_without_a_namespace_are_those_of_a_project_of_this_name_only() -> None:
    before = "config:\n  cancelledTaskSets:\n    - name: a\n"
    assert "enos-ota:cancelledTaskSets" in with_set(before, ENTRY, project="another")
    assert "enos-ota:cancelledTaskSets" not in with_set(before, ENTRY, project="enos-ota")


@pytest.mark.parametrize(
    "before",
    [
        "config: {enos:orgId: o1}\n",
        "config: {enos:orgId: o1, # whose\n  enos:appKey: k, # which\n  }\n",
        "{config: {enos:orgId: o1}, encryptionsalt: v1:abc}\n",
        "config: {enos-ota:cancelledTaskSets: []}\n",
        "config: {enos-ota:cancelledTaskSets: [ # none yet\n  ]}\n",
        "config:\n  enos-ota:cancelledTaskSets: [ # none yet\n    ]\n  enos:orgId: o1\n",
        "config:\n  enos-ota:cancelledTaskSets: [\n    {name: a}, # first\n    {name: b} # last\n  ]\n",
        "{encryptionsalt: v1:abc}\n",
    ],
)
def test_in_brackets_too_there_is_one_set_more_and_nothing_else_changed(before: str) -> None:
    after = with_set(before, ENTRY, project="enos-ota")
    assert added(before, after)
    assert sets(after)[-1] == ENTRY.value()


def test_a_file_that_is_json_stays_json() -> None:
    before = '{\n  "config": {\n    "enos:orgId": "o1"\n  }\n}\n'
    config = json.loads(with_set(before, ENTRY, project="enos-ota"))["config"]
    assert config == {"enos:orgId": "o1", "enos-ota:cancelledTaskSets": [ENTRY.value()]}


ODD = """\
encryptionsalt: v1:yDb5jHvCKnk=:v1:Av8s1R+lkUYyZk5U:TUQLw==
# ours
config:
    enos:appSecret: # rotated in March
        secure: v1:AAABAKu9uEmRbUk0cC/aPwrv3Ym5:6sPX
    a: ~
    b: 0x1F # not a text
    c: +1
    d: 'it''s'   # quoted
    e: 2026-01-02
    f: "LONG"
    g: [x, # in brackets
        y]
    # the sets
    enos-ota:cancelledTaskSets: SETS
    h:
    - {name: z}
    # the end
""".replace("LONG", "x " * 200)


@pytest.mark.parametrize(
    "before",
    [
        ODD.replace("SETS", """'[{"name": "a", "deviceKeys": ["0012345"], "protect": true}]' # as Pulumi set it"""),
        ODD.replace("SETS", '|\n        [{"name": "a",\n          "deviceKeys": ["0012345"], "protect": true}]'),
        ODD.replace("SETS", "*them").replace("[x,", "&them [{name: a, deviceKeys: ['0012345'], protect: true},"),
        ODD.replace(
            "SETS",
            "\n    - {name: b, deviceKeys: &keys ['0012345']} # first\n    # second\n"
            "    - name: a\n      protect: true\n      deviceKeys: *keys",
        ),
        ODD.replace("SETS", '"[]"'),
        ODD.replace("SETS", '"[]"').replace("\n", "\r\n"),
        "all: &all\n  enos:orgId: o1 # whose\nconfig: *all\n",
        "config: {enos-ota:cancelledTaskSets: , enos:orgId: o1} # short\n",
        "{config: , encryptionsalt: v1:abc}\n",
        "---\nconfig:\n  enos-ota:cancelledTaskSets: '[]'\n",
    ],
)
def test_what_cannot_be_spliced_is_written_anew_with_all_its_comments_and_says_the_same_and_one_set_more(
    before: str,
) -> None:
    after = with_set(before, ENTRY, project="enos-ota")
    old, new = yamltext.load(before).value, yamltext.load(after).value
    assert sets(after) == [*listed(old), ENTRY.value()]
    for each in (old, new):
        (each.get("config") or {}).pop("enos-ota:cancelledTaskSets", None)
    assert new == {**old, "config": old["config"] or {}}
    assert comments(before) <= comments(after)


def listed(file: Any) -> Any:
    found = (file["config"] or {}).get("enos-ota:cancelledTaskSets")
    return json.loads(found) if isinstance(found, str) else found or []


def comments(text: str) -> Counter[str]:
    return Counter(re.findall(r"# .*?(?=\r?$)", text, re.MULTILINE))


@pytest.mark.parametrize("end_of_line", ["\n", "\r\n"])
def test_what_is_written_anew_differs_in_few_lines_and_keeps_what_is_encrypted(end_of_line: str) -> None:
    before = ODD.replace("SETS", "'[]' # none").replace("\n", end_of_line)
    after = with_set(before, ENTRY, project="enos-ota").split(end_of_line)
    gone = [line.strip() for line in before.split(end_of_line) if line not in after]
    assert gone == [
        "g: [x, # in brackets",
        "y]",
        "enos-ota:cancelledTaskSets: '[]' # none",
    ]


def test_an_alias_in_place_of_the_sets_leaves_alone_what_it_names() -> None:
    before = "them: &them\n- name: a\nconfig:\n  enos-ota:cancelledTaskSets: *them\n"
    after = yamltext.load(with_key_file(before, 0, "keys/a.txt", project="enos-ota")).value
    assert after["them"] == [{"name": "a"}]
    assert after["config"]["enos-ota:cancelledTaskSets"] == [{"name": "a", "deviceKeysFile": "keys/a.txt"}]


def test_of_aliases_all_is_written_as_it_was_but_the_one_in_place_of_the_sets() -> None:
    before = "---\nthem: &them [{name: a}]\nconfig:\n  others: *them\n  enos-ota:cancelledTaskSets: *them\n"
    after = with_set(before, Entry("b", "1", "k.txt"), project="enos-ota")
    added_set = '    - name: "b"\n      jobId: "1"\n      deviceKeysFile: "k.txt"\n'
    assert after == before.replace("Sets: *them\n", "Sets:\n    - {name: a}\n" + added_set)


def test_sets_that_are_json_in_a_text_get_a_key_file_too() -> None:
    before = """config:\n  enos-ota:cancelledTaskSets: '[{"name": "a", "deviceKeysFile": "k.txt"}, {"name": "b"}]'\n"""
    after = with_key_file(before, 0, "keys/a.txt", project="enos-ota")
    assert sets(after) == [{"name": "a", "deviceKeysFile": "keys/a.txt"}, {"name": "b"}]


def test_ruamel_is_not_loaded_for_what_can_be_spliced() -> None:
    program = (
        "import sys; from enos_ota.stackedit import *; with_set('config: {}', Entry('a', '1', 'k'), project='p');"
        "sys.exit('ruamel.yaml' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    "before",
    [
        "config:\n  enos-ota:cancelledTaskSets: {name: a}\n",
        "config:\n  enos-ota:cancelledTaskSets: a text\n",
        "config: a text\n",
        "- a list\n",
        "config:\n  a: 1\n  a: 2\n",
        "config: [\n",
        "config:\n  a: ! 5\n  enos-ota:cancelledTaskSets: '[]'\n",  # the round trip would make a number of it
    ],
)
def test_what_is_broken_or_would_say_something_else_is_left_alone_and_what_to_add_is_told(before: str) -> None:
    with pytest.raises(CannotEdit) as caught:
        with_set(before, ENTRY, project="enos-ota")
    assert yamltext.load(caught.value.addition).value == {"config": {"enos-ota:cancelledTaskSets": [ENTRY.value()]}}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_in_quotes_reads_as_itself(text: str) -> None:
    assert yamltext.load(f"- {quoted(text)}\n").value == [text]


@pytest.mark.parametrize(
    "text", ["no", "0x1F", "0012345", "2026-01-02", "a: b", "# c", '"', "\\", "'", "\x1b[31m", "~", "\u202e", "\ufeff"]
)
def test_hostile_texts_stay_what_they_are(text: str) -> None:
    after = with_set(ALL_OF_IT, Entry(text, text, text, text, text), project="enos-ota")
    assert sets(after)[-1] == {
        "name": text,
        "jobId": text,
        "reason": text,
        "expect": {"firmwareVersion": text},
        "deviceKeysFile": text,
    }
    assert "\x1b" not in after


def test_a_set_gets_a_key_file_where_it_had_none() -> None:
    after = with_key_file(ALL_OF_IT, 0, "keys/a.txt", project="enos-ota")
    assert added(ALL_OF_IT, after).strip() == 'deviceKeysFile: "keys/a.txt"'
    assert sets(after)[0]["deviceKeysFile"] == "keys/a.txt"


def test_a_set_in_one_line_gets_a_key_file_too() -> None:
    before = "config:\n  enos-ota:cancelledTaskSets:\n    - {name: a, jobId: '1'} # short\n"
    after = with_key_file(before, 0, "keys/a.txt", project="enos-ota")
    assert added(before, after).strip(", ") == 'deviceKeysFile: "keys/a.txt"'


def test_a_key_file_is_exchanged_for_another() -> None:
    before = ALL_OF_IT.replace("deviceKeys: [a,\n        b]   # and no more", "deviceKeysFile: k.txt # these")
    after = with_key_file(before, 0, "keys/a.txt", project="enos-ota")
    assert after == before.replace("k.txt", '"keys/a.txt"')
