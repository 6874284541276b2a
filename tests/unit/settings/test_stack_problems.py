"""One clear text, with file and line, for everything that is wrong with a stack's keys and values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enos_ota.settings import SettingsError
from tests.harness.stack_project import BASE, SECRET

if TYPE_CHECKING:
    from tests.harness.stack_project import Project


NO_LOG = "does not end in .jsonl, .ndjson, .log: a log is a file of its own"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("enos-ota:appKey: x", "enos-ota:appKey is no configuration key; did you mean enos:appKey?"),
        ("enos:deadline: 5", "enos:deadline is no configuration key; did you mean enos-ota:deadline?"),
        ("enos:apigateway: x", "enos:apigateway is no configuration key; did you mean enos:apiGateway?"),
        ("enos_ota:guard: {}", "enos_ota:guard is no configuration key; did you mean enos-ota:guard?"),
        ("ENOS:orgid: x", "ENOS:orgid is no configuration key; did you mean enos:orgId?"),
        (
            "fleet:cancelledTaskSets: []",
            "fleet:cancelledTaskSets is no configuration key; did you mean enos-ota:cancelledTaskSets?",
        ),
        ("enos-ota:xyzzy: x", "enos-ota:xyzzy is no configuration key"),
    ],
)
def test_an_unknown_key_names_the_nearest_right_one(project: Project, line: str, text: str) -> None:
    project.write(BASE + line + "\n")
    assert project.problems() == [f"stacks/Pulumi.prod.yaml:4: {text}"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("enos:batchSize: 0", "enos:batchSize must be at least 1"),
        ("enos:batchSize: 1001", "enos:batchSize must be at most 1000"),
        ("enos:batchSize: 1.5", "enos:batchSize must be a whole number"),
        ("enos:maxConcurrency: many", "enos:maxConcurrency must be a whole number"),
        ("enos:maxRequestsPerSecond: 0", "enos:maxRequestsPerSecond must be more than 0"),
        ("enos:requestTimeout: -1", "enos:requestTimeout must be more than 0"),
        ("enos-ota:deadline: 1e3", "enos-ota:deadline must be a number"),
        ("enos-ota:deadline: true", "enos-ota:deadline must be a number"),
        ("enos-ota:preflight: maybe", 'enos-ota:preflight is "maybe", must be auto or on or off'),
        ("enos:cancelledMarkers: []", "enos:cancelledMarkers is empty"),
        ("enos:cancelledMarkers: stopped", "enos:cancelledMarkers must be a list"),
        ("enos:cancelledMarkers: [' x']", "enos:cancelledMarkers[0] has white space around it: remove it"),
        ("enos:caBundle: ''", "enos:caBundle is empty"),
        ("enos-ota:cancelledTaskSets: pump", "enos-ota:cancelledTaskSets must be a list of sets"),
        ("enos-ota:preflight: 5", "enos-ota:preflight must be auto or on or off"),
        ("enos-ota:guard: 5", "enos-ota:guard must be a mapping of keys and values"),
        ("enos-ota:guard: {}", "enos-ota:guard is empty: give it maxDevices, maxShare or both, or remove it"),
        ("enos-ota:guard: {maxDevices: -1}", "enos-ota:guard.maxDevices must be at least 0"),
        ("enos-ota:guard: {maxDevices: 1.5}", "enos-ota:guard.maxDevices must be a whole number"),
        ('enos-ota:guard: {maxDevices: "5"}', "enos-ota:guard.maxDevices must be a whole number"),
        ("enos-ota:guard: {maxShare: 0}", "enos-ota:guard.maxShare must be more than 0"),
        ("enos-ota:guard: {maxShare: 25}", "enos-ota:guard.maxShare must be at most 1; for 25 % write 0.25"),
        ("enos-ota:guard: {maxShare: true}", "enos-ota:guard.maxShare must be a number"),
        (
            "enos-ota:guard: {maxdevices: 5}",
            "enos-ota:guard.maxdevices is no key of guard; did you mean maxDevices?",
        ),
        ("enos-ota:auditLog: ''", "enos-ota:auditLog is empty"),
        ("enos-ota:auditLog: audit/", f"enos-ota:auditLog audit/ {NO_LOG}"),
        ("enos-ota:auditLog: '.'", f"enos-ota:auditLog . {NO_LOG}"),
        (
            "enos-ota:auditLog: stacks/Pulumi.prod.yaml",
            f"enos-ota:auditLog stacks/Pulumi.prod.yaml {NO_LOG}",
        ),
        (
            "enos-ota:auditLog: /dev/null",
            f"enos-ota:auditLog /dev/null {NO_LOG}",
        ),
        (
            "enos-ota:auditLog: ../x.jsonl",
            "enos-ota:auditLog ../x.jsonl leads out of the project: write an absolute path",
        ),
        (
            "enos-ota:auditLog: away/x.jsonl",
            "enos-ota:auditLog away/x.jsonl leads out of the project: write an absolute path",
        ),
        (
            "enos-ota:auditLog: ~/x.jsonl",
            "enos-ota:auditLog begins with ~, which is not expanded: write an absolute path, or one relative to the"
            " project",
        ),
        ("enos-ota:cancelledTaskSets: {}", "enos-ota:cancelledTaskSets must be a list of sets"),
        ("enos-ota:cancelledTaskSets: []x", "this is not YAML: did not find expected key"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(project: Project, line: str, text: str) -> None:
    (project.root / "away").symlink_to(project.root.parent)
    project.write(BASE + line + "\n")
    delivered = {} if "YAML" in text else project.delivered()
    assert project.problems(delivered) == [f"stacks/Pulumi.prod.yaml:4: {text}"]


def test_an_unquoted_id_is_refused(project: Project) -> None:
    project.write("enos:apiGateway: https://a.example\nenos:orgId: 0012345\n")
    assert project.problems({**project.delivered(), "enos:orgId": "5349"}) == [
        "stacks/Pulumi.prod.yaml:3: enos:orgId is 0012345 without quotes, and YAML may turn that into another text:"
        " put it in quotes"
    ]


def test_an_app_secret_in_plain_text_is_refused_and_not_shown(project: Project) -> None:
    project.write(BASE + f"enos:appSecret: {SECRET}\n")
    assert project.problems() == [
        "stacks/Pulumi.prod.yaml:4: enos:appSecret is in plain text: pulumi config set --secret enos:appSecret"
    ]


def test_an_app_secret_of_a_simulator_may_be_in_plain_text(project: Project) -> None:
    project.write(f"enos:apiGateway: http://127.0.0.1:8080\nenos:orgId: o1\nenos:appSecret: {SECRET}\n")
    assert project.load() == ()


def test_an_app_secret_in_plain_text_is_refused_where_the_environment_names_a_real_gateway(project: Project) -> None:
    project.write(f"enos:orgId: o1\nenos:appSecret: {SECRET}\n")
    (problem,) = project.problems(ENOS_API_GATEWAY="https://apim.example.com")
    assert "enos:appSecret is in plain text" in problem


def test_an_unquoted_app_secret_is_not_shown(project: Project) -> None:
    project.write(BASE + "enos:appSecret: 0012345\n")
    assert "12345" not in "".join(project.problems())


@pytest.mark.parametrize(
    ("sets", "path"),
    [
        ('- {name: p, jobId: "1", deviceKeys: [a, {secure: v1:x}]}', "[0].deviceKeys[1]"),
        ('- {name: p, jobId: "1", deviceKeys: {secure: v1:x}}', "[0].deviceKeys"),
        ("- {name: p, jobId: {secure: v1:x}, deviceKeys: [a]}", "[0].jobId"),
        ("- {secure: v1:x}", "[0]"),
    ],
)
def test_nothing_of_a_set_may_be_secret(project: Project, sets: str, path: str) -> None:
    project.write(BASE, sets=sets)
    assert project.problems() == [
        f"stacks/Pulumi.prod.yaml:5: enos-ota:cancelledTaskSets{path} must not be secret: it shows in previews"
        " and state; write it in plain text"
    ]


def test_a_setting_that_shows_must_not_be_secret(project: Project) -> None:
    project.write("enos:apiGateway: https://a.example\nenos:orgId: {secure: v1:x}\n")
    assert project.problems() == [
        "stacks/Pulumi.prod.yaml:3: enos:orgId must not be secret: it shows in previews and state;"
        " write it in plain text"
    ]


def test_what_pulumi_calls_secret_is_refused_without_the_file_too(project: Project) -> None:
    config = {"enos:apiGateway": "https://a.example", "enos:orgId": "o1"}
    assert project.problems(config, PULUMI_CONFIG_SECRET_KEYS='["enos:orgId"]') == [
        "enos:orgId must not be secret: it shows in previews and state; write it in plain text"
    ]


def test_all_problems_come_at_once_in_the_order_of_the_file(project: Project) -> None:
    (project.root / "stacks/keys/bad.txt").write_text("a\n\tb\tc\n")
    project.write(
        BASE + "enos:batchSize: 0\nenos-ota:guard: {maxDevices: -1}\n",
        sets="""\
        - name: one
          jobId: "1"
          onToolate: fail
          deviceKeysFile: keys/bad.txt
        - name: two
          jobId: 1e5
          deviceKeys: []""",
    )
    with pytest.raises(SettingsError) as caught:
        project.load(ENOS_APP_KEY="k")
    assert str(caught.value).splitlines() == [
        "The configuration has 7 problems; nothing was sent to EnOS:",
        "  ENOS_APP_KEY is set and ENOS_APP_SECRET is not: set both, or neither to use the pair of the stack",
        "  stacks/Pulumi.prod.yaml:4: enos:batchSize must be at least 1",
        "  stacks/Pulumi.prod.yaml:5: enos-ota:guard.maxDevices must be at least 0",
        '  stacks/Pulumi.prod.yaml:9: set "one": onToolate is no key of a set; did you mean onTooLate?',
        '  stacks/Pulumi.prod.yaml:12: set "two": jobId is 1e5 without quotes, and YAML may turn that into another'
        " text: put it in quotes",
        '  stacks/Pulumi.prod.yaml:13: set "two": no device keys; to end a set remove the whole set, what is'
        " cancelled stays cancelled",
        "  stacks/keys/bad.txt:2: set \"one\": 1 device key has control characters (line 2: 'b\\tc')",
    ]


def test_a_broken_file_brings_no_follow_up_errors(project: Project) -> None:
    project.write(BASE)
    delivered = project.delivered()
    project.file.write_text("config:\n  a: [1\n")
    assert project.problems(delivered) == [
        "stacks/Pulumi.prod.yaml:3: this is not YAML: did not find expected ',' or ']'"
    ]
