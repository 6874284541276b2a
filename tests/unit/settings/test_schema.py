"""The JSON Schemas of stack files and set files agree with `enos-ota validate`, as far as a schema can."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from enos_ota.settings.models import DeclaredSet, EnosKeys, EnosOtaKeys
from enos_ota.settings.schema import set_schema, stack_schema
from tests.harness.stack_project import BASE, ONE_SET, check_stack_file

if TYPE_CHECKING:
    from tests.harness.stack_project import Project

ROOT = Path(__file__).parents[3]
SCHEMA = stack_schema()
SET_SCHEMA = set_schema()
ROOT_SETS = "enos-ota:cancelledTaskSets:"


def as_an_editor_reads(text: str) -> Any:
    """YAML 1.2, as the language server behind `# yaml-language-server` reads it."""
    return YAML(typ="safe", pure=True).load(text)


def schema_accepts(text: str) -> bool:
    return bool(jsonschema.Draft7Validator(SCHEMA).is_valid(as_an_editor_reads(text)))


def both(project: Project, text: str) -> tuple[bool, bool]:
    """Whether schema and `check_stack_file` accept a stack file."""
    project.file.write_text(dedent(text), encoding="utf-8")
    (project.root / "stacks" / "keys" / "pump.txt").write_text("dk-01\n")
    return schema_accepts(dedent(text)), check_stack_file(project.file) == ()


def config(lines: str) -> str:
    return "config:\n" + indent(dedent(lines), "  ")


def with_set(lines: str) -> str:
    """A stack file with one set of these keys."""
    return config(BASE + ROOT_SETS + "\n") + "    - " + indent(dedent(lines), "      ").lstrip()


def with_keys(*lines: str) -> str:
    return config(BASE + "".join(f"{line}\n" for line in lines))


A_SET = 'name: pump\njobId: "65a1"\ndeviceKeys: [dk-01]\n'

GOOD = {
    "the least": config(BASE),
    "nothing under config": "config:\n",
    "an empty config": "config: {}\n",
    "what Pulumi writes": "encryptionsalt: v1:abc=\n" + config(BASE + "enos:appSecret: {secure: v1:abc}\n"),
    "both credentials encrypted": with_keys("enos:appKey: {secure: v1:a}", "enos:appSecret: {secure: v1:b}"),
    "other namespaces": with_keys("aws:region: eu-central-1", "other:thing: {a: [1, {secure: x}]}"),
    "the simulator's secret": config('enos:apiGateway: http://127.0.0.1:8480\nenos:appSecret: "aaaa"\n'),
    "numbers": with_keys("enos:maxConcurrency: 4", "enos:maxRequestsPerSecond: 2.5", "enos:requestTimeout: 12"),
    "numbers in quotes": with_keys('enos:maxConcurrency: "4"', 'enos:requestTimeout: "2.5"', 'enos:batchSize: "1e2"'),
    "lists and mappings as JSON": with_keys(
        "enos:cancelledMarkers: '[\"stop\"]'", "enos-ota:guard: '{\"maxDevices\": 5}'"
    ),
    "sets as JSON": with_keys('enos-ota:cancelledTaskSets: \'[{"name":"a","jobId":"1","deviceKeys":["d"]}]\''),
    "preflight as a word": with_keys("enos-ota:preflight: off"),
    "preflight as a truth value": with_keys("enos-ota:preflight: true"),
    "an old spelling": config("enos:config:orgId: o1\n"),
    "an audit log": with_keys("enos-ota:auditLog: audit/prod.jsonl"),
    "a set": with_set(A_SET),
    "a set with everything": with_set(
        A_SET
        + """\
        deviceKeysFile: keys/pump.txt
        reason: "INC-4711: it drains the battery"
        expect: {firmwareVersion: "2.3.0"}
        onTooLate: fail
        onMissing: report
        guard: {maxDevices: 0, maxShare: 1}
        expires: "2027-03-31"
        formerNames: [old]
        protect: true
        """.replace(" " * 8, "")
    ),
    "a key file alone": with_set('name: pump\njobId: "65a1"\ndeviceKeysFile: keys/pump.txt\n'),
    "a key file and an empty list": with_set(
        'name: pump\njobId: "65a1"\ndeviceKeys: []\ndeviceKeysFile: keys/pump.txt\n'
    ),
    "keys in other scripts": with_set('name: 泵\njobId: "65a1"\ndeviceKeys: [泵-01, "😀", "it\'s", "#1"]\n'),
}

BAD = {
    "config is a list": "config: []\n",
    "config is a text": "config: hello\n",
    "a setting outside of config": "enos:orgId: o1\n" + config(BASE),
    "an unknown key": with_keys("enos:apiGatway: https://x"),
    "a key under the other namespace": with_keys("enos:guard: {maxDevices: 1}"),
    "a key without a value": with_keys("enos:caBundle:"),
    "plain http": config("enos:apiGateway: http://apim.example.com\n"),
    "a gateway with a path": config("enos:apiGateway: https://apim.example.com/connect\n"),
    "no address": config("enos:apiGateway: apim.example.com\n"),
    "an organization without quotes": config("enos:orgId: 12345\n"),
    "a plain secret": with_keys("enos:appSecret: hunter2"),
    "a plain secret without a gateway": config("enos:appSecret: hunter2\n"),
    "a setting that must not be secret": with_keys("enos:batchSize: {secure: v1:a}"),
    "sets that must not be secret": with_keys("enos-ota:cancelledTaskSets: {secure: v1:a}"),
    "a number that is too small": with_keys("enos:batchSize: 0"),
    "a number that is too large": with_keys("enos:maxConcurrency: 65"),
    "a pace of nothing": with_keys("enos:maxRequestsPerSecond: 0"),
    "half a device": with_keys("enos:batchSize: 2.5"),
    "a number that is a truth value": with_keys("enos:batchSize: true"),
    "no number": with_keys('enos:batchSize: "many"'),
    "no marker": with_keys("enos:cancelledMarkers: []"),
    "an empty marker": with_keys('enos:cancelledMarkers: [""]'),
    "a guard without a limit": with_keys("enos-ota:guard: {}"),
    "a guard with a share above one": with_keys("enos-ota:guard: {maxShare: 1.5}"),
    "a guard with a text": with_keys('enos-ota:guard: {maxDevices: "5"}'),
    "an unknown limit": with_keys("enos-ota:guard: {maxDevice: 5}"),
    "no such preflight": with_keys("enos-ota:preflight: maybe"),
    "an audit log at home": with_keys("enos-ota:auditLog: ~/audit.jsonl"),
    "an audit log above": with_keys("enos-ota:auditLog: ../audit.jsonl"),
    "an audit log that is a directory": with_keys("enos-ota:auditLog: audit/"),
    "sets that are no list": with_keys("enos-ota:cancelledTaskSets: {name: pump}"),
    "a set that is a text": with_keys("enos-ota:cancelledTaskSets: [pump]"),
    "a set without a name": with_set('jobId: "65a1"\ndeviceKeys: [dk-01]\n'),
    "a set without a job": with_set("name: pump\ndeviceKeys: [dk-01]\n"),
    "a set without keys": with_set('name: pump\njobId: "65a1"\n'),
    "a set with an empty list": with_set('name: pump\njobId: "65a1"\ndeviceKeys: []\n'),
    "an unknown key of a set": with_set(A_SET + "onToLate: fail\n"),
    "a name with a slash": with_set(A_SET.replace("pump", "pump/2")),
    "a name with a blank": with_set(A_SET.replace("pump", '"pump 2"')),
    "a name with colons": with_set(A_SET.replace("pump", '"a::b"')),
    "a job without quotes": with_set(A_SET.replace('"65a1"', "65")),
    "a key without quotes": with_set(A_SET.replace("dk-01", "0012345")),
    "a key in scientific notation": with_set(A_SET.replace("dk-01", "1e5")),
    "an empty key": with_set(A_SET.replace("dk-01", '""')),
    "a blank key": with_set(A_SET.replace("dk-01", '" "')),
    "a key with a control character": with_set(A_SET.replace("dk-01", '"a\\x07b"')),
    "a key with a line break": with_set(A_SET.replace("dk-01", '"a\\nb"')),
    "a key that is too long": with_set(A_SET.replace("dk-01", "k" * 257)),
    "a key file of another kind": with_set('name: pump\njobId: "65a1"\ndeviceKeysFile: keys/pump.json\n'),
    "a key file with a whole path": with_set('name: pump\njobId: "65a1"\ndeviceKeysFile: /keys/pump.txt\n'),
    "a reason of two lines": with_set(A_SET + 'reason: "a\\nb"\n'),
    "a reason that is too long": with_set(A_SET + f'reason: "{"x" * 501}"\n'),
    "an expectation of nothing": with_set(A_SET + "expect: {}\n"),
    "an expectation without quotes": with_set(A_SET + "expect: {firmwareVersion: 2.3}\n"),
    "no such choice": with_set(A_SET + "onMissing: ignore\n"),
    "a day that is none": with_set(A_SET + 'expires: "next year"\n'),
    "protection in quotes": with_set(A_SET + 'protect: "yes"\n'),
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_schema_and_validation_both_accept(project: Project, text: str) -> None:
    assert both(project, text) == (True, True)


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_schema_and_validation_both_refuse(project: Project, text: str) -> None:
    assert both(project, text) == (False, False)


@pytest.mark.parametrize(
    "text",
    [
        config(BASE + f"{ROOT_SETS}\n  {ONE_SET}\n  {ONE_SET}\n"),
        with_set('name: pump\njobId: "65a1"\ndeviceKeysFile: keys/gone.txt\n'),
        with_set(A_SET.replace("dk-01", "no")),
        config("enos_ota:guard: {maxDevices: 1}\n"),
    ],
    ids=["one name twice", "a missing key file", "a no without quotes", "a misspelled namespace"],
)
def test_what_only_validation_finds(project: Project, text: str) -> None:
    assert both(project, text) == (True, False)


def set_file_accepted(project: Project, text: str) -> tuple[bool, bool]:
    """Whether schema and `check_stack_file` accept a set file."""
    project.write(BASE)
    project.write_set("pump.yaml", text)
    project.write_set("pump.txt", "dk-01\n")
    accepted = jsonschema.Draft7Validator(SET_SCHEMA).is_valid(as_an_editor_reads(text))
    return bool(accepted), check_stack_file(project.file) == ()


@pytest.mark.parametrize(
    "text",
    [
        'jobId: "65a1"\ndeviceKeysFile: pump.txt\n',
        A_SET + 'guard: {maxDevices: 1}\nexpect: {firmwareVersion: "2.3.0"}\nexpires: "2027-03-31"\n',
    ],
)
def test_schema_and_validation_both_accept_a_set_file(project: Project, text: str) -> None:
    assert set_file_accepted(project, text) == (True, True)


@pytest.mark.parametrize(
    "text",
    [
        "- " + A_SET.replace("\n", "\n  ").rstrip() + "\n",
        "deviceKeys: [dk-01]\n",
        'jobId: "65a1"\n',
        A_SET.replace('"65a1"', "65"),
        A_SET + "onToLate: fail\n",
        A_SET + "guard: {}\n",
        "config:\n  enos:orgId: o1\n",
    ],
)
def test_schema_and_validation_both_refuse_a_set_file(project: Project, text: str) -> None:
    assert set_file_accepted(project, text) == (False, False)


@pytest.mark.parametrize("schema", [SCHEMA, SET_SCHEMA])
def test_the_schema_is_one(schema: dict[str, Any]) -> None:
    jsonschema.Draft7Validator.check_schema(schema)


def test_every_key_has_a_description() -> None:
    properties = [SCHEMA["properties"]["config"]["properties"]]
    properties += [part.get("properties", {}) for part in SCHEMA["definitions"].values()]
    found = {name: part for each in properties for name, part in each.items() if name != "secure"}
    assert [name for name, part in found.items() if not part.get("description")] == []


TEXTS = [
    *("", " ", "a", "a b", "a/b", "a::b", " a", "a ", "a\nb", "a\x07", "泵", "x" * 101, "x" * 257, "x" * 501),
    *("0012345", "5", "2.5", "-1", "1e3", "1e400", "true", "off", "auto", "True", "report", "fail", "pump.txt"),
    *("{}", "[]", '["a"]', '{"maxDevices": 1}', "[1", "~", "~/a", "..", "../a", "a/", "/a/b", "a/..", "PUMP.TXT"),
    *(
        "https://a",
        "https://a/",
        "https://a/b",
        "http://a",
        "http://localhost:80/",
        "HTTP://127.0.0.1",
        "https://[::1]",
    ),
    *("2027-03-31", "2027-13-31", "2027-3-1"),
]
PLAIN = [None, True, False, 0, 1, 5, 65, 1001, -1, 2.5, 0.0, 1.0, 1e9]
OTHERS: list[Any] = [
    *([], ["a"], [""], [" a"], [1], ["a", "a"], [None], {}, {"secure": "x"}, {"a": 1}),
    *({"maxDevices": 1}, {"maxShare": 1}, {"maxShare": "1"}, {"firmwareVersion": "2"}, {"firmwareVersion": 2}),
]
ANY_VALUE = st.sampled_from([*TEXTS, *PLAIN, *OTHERS])
SETTINGS = [f"enos:{name}" for name in EnosKeys.names()] + [f"enos-ota:{name}" for name in EnosOtaKeys.names()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "Pulumi.yaml").write_text("name: enos-ota\n")
    for name in ("pump.txt", "PUMP.TXT"):
        (folder / name).write_text("dk-01\n")
    return folder / "Pulumi.prod.yaml"


@given(
    settings=st.dictionaries(st.sampled_from(SETTINGS), ANY_VALUE, max_size=2),
    of_a_set=st.dictionaries(st.sampled_from(DeclaredSet.names()), ANY_VALUE, max_size=2),
)
def test_an_editor_never_marks_what_validation_accepts(
    place: Path, settings: dict[str, Any], of_a_set: dict[str, Any]
) -> None:
    a_set = {"name": "pump", "jobId": "65a1x", "deviceKeys": ["dk-01"]} | of_a_set
    text = yaml.safe_dump({"config": {ROOT_SETS[:-1]: [a_set]} | settings}, allow_unicode=True, sort_keys=False)
    place.write_text(text, encoding="utf-8")
    assert schema_accepts(text) or check_stack_file(place)


@pytest.mark.parametrize(
    "file",
    [*ROOT.glob("stacks/*.yaml"), *ROOT.glob("examples/**/Pulumi.*.yaml")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_stack_file_of_this_repository_is_accepted(file: Path) -> None:
    assert schema_accepts(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "file",
    [*ROOT.glob("stacks/*/*.yaml"), *ROOT.glob("examples/*/stacks/*/*.yaml")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_set_file_of_this_repository_is_accepted(file: Path) -> None:
    """Folders of key files hold none, see the examples."""
    assert jsonschema.Draft7Validator(SET_SCHEMA).is_valid(as_an_editor_reads(file.read_text(encoding="utf-8")))
