"""What a program gets from its stack's configuration and the environment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from enos_ota.plan import Guard
from enos_ota.settings import SetSettings, load_checks
from tests.harness.stack_project import BASE, ONE_SET

if TYPE_CHECKING:
    from tests.harness.stack_project import Project


def test_a_set_has_its_defaults(project: Project) -> None:
    project.write(BASE, sets=ONE_SET)
    assert project.load() == (
        SetSettings(
            file=project.file,
            name="pump",
            job_id="65a1",
            api_gateway="https://apim.example.com",
            org_id="o16172478070561926",
            device_keys=("dk-01",),
            on_too_late="report",
            on_missing="fail",
            guard=Guard(),
        ),
    )


def test_every_key_of_a_set_arrives(project: Project) -> None:
    (project.root / "stacks/keys/p.txt").write_text("dk-03\ndk-01\n")
    project.write(
        BASE,
        sets="""\
        - name: pump-2.3.0
          jobId: "123"
          reason: "INC-4711: 2.3.0 drains the battery"
          deviceKeys: ["dk-02", "dk-01", "dk-02"]
          deviceKeysFile: keys/p.txt
          onTooLate: fail
          onMissing: report
          expect: {firmwareVersion: "2.3.0"}
          guard: {maxDevices: 2000, maxShare: 0.5}
          expires: "2027-03-31"
          formerNames: [pump]
          protect: true""",
    )
    assert project.load() == (
        SetSettings(
            file=project.file,
            api_gateway="https://apim.example.com",
            org_id="o16172478070561926",
            name="pump-2.3.0",
            job_id="123",
            expect_firmware_version="2.3.0",
            reason="INC-4711: 2.3.0 drains the battery",
            device_keys=("dk-01", "dk-02", "dk-03"),
            on_too_late="fail",
            on_missing="report",
            guard=Guard(2000, 0.5),
            expires="2027-03-31",
            former_names=("pump",),
            protect=True,
        ),
    )


def test_a_stack_without_sets_is_fine(project: Project) -> None:
    project.write(BASE)
    assert project.load() == ()


def test_missing_credentials_do_not_keep_a_program_from_previewing(project: Project) -> None:
    project.write(BASE, sets=ONE_SET)
    assert project.load()[0].api_gateway == "https://apim.example.com"


def test_encrypted_credentials_and_what_pulumi_adds_are_fine(project: Project) -> None:
    project.write(BASE + "enos:appKey: {secure: v1:a}\nenos:appSecret: {secure: v1:b}\n")
    project.file.write_text("encryptionsalt: v1:abc\n" + project.file.read_text())
    assert project.load() == ()


def test_numbers_may_be_in_quotes_as_pulumi_config_set_writes_them(project: Project) -> None:
    project.write(BASE + 'enos-ota:deadline: "90"\nenos:batchSize: "50"\n')
    assert project.load() == ()
    assert project.connection().deadline == 90.0


def test_sets_may_be_json_text_as_pulumi_config_set_writes_them(project: Project) -> None:
    sets = json.dumps([{"name": "pump", "jobId": "1", "deviceKeys": ["a"]}])
    project.write(BASE + f"enos-ota:cancelledTaskSets: '{sets}'\n")
    assert [each.device_keys for each in project.load()] == [("a",)]


def test_keys_without_a_namespace_belong_to_the_project(project: Project) -> None:
    project.write(BASE + "deadline: 60\n")
    assert project.load() == ()
    assert project.connection().deadline == 60.0


def test_defaults_of_the_project_file_count(project: Project) -> None:
    project.write("enos:orgId: o1\n", sets=ONE_SET)
    (found,) = project.load({**project.delivered(), "enos:apiGateway": "https://a.example"})
    assert found.api_gateway == "https://a.example"


def test_other_peoples_namespaces_are_left_alone(project: Project) -> None:
    project.write(BASE + "aws:region: eu-west-1\naws:guard: 1\nkubernetes:context: 0012\neos:host: x\n")
    assert project.load() == ()


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("auto", "auto"),
        ("off", "off"),
        ('"off"', "off"),
        ("false", "off"),
        ("on", "on"),
        ('"on"', "on"),
        ("true", "on"),
    ],
)
def test_preflight_may_be_written_with_and_without_quotes(project: Project, value: str, meant: str) -> None:
    project.write(BASE + f"enos-ota:preflight: {value}\n")
    delivered = {**project.delivered(), "enos-ota:preflight": value.strip('"')}
    assert project.load(delivered) == ()
    assert load_checks(delivered.get).preflight == meant


@pytest.mark.parametrize(
    ("of_the_set", "effective"),
    [
        ("", Guard(500, 0.25)),
        ("guard: {maxDevices: 2000}", Guard(2000, 0.25)),
        ("guard: {maxShare: 1}", Guard(500, 1.0)),
        ("guard: {maxDevices: 0, maxShare: 0.5}", Guard(0, 0.5)),
    ],
)
def test_a_sets_guard_overrides_the_stacks_key_by_key(project: Project, of_the_set: str, effective: Guard) -> None:
    sets = f"""\
        - name: pump
          jobId: "1"
          deviceKeys: [a]
          {of_the_set}"""
    project.write(BASE + "enos-ota:guard: {maxDevices: 500, maxShare: 0.25}\n", sets=sets)
    assert project.load()[0].guard == effective


def test_a_guard_may_be_json_text_as_pulumi_config_set_writes_it(project: Project) -> None:
    project.write(BASE + """enos-ota:guard: '{"maxDevices": 5}'\n""")
    assert project.load() == ()
    assert load_checks(project.delivered().get).guard == Guard(5)


@pytest.mark.parametrize("path", ["audit/prod.jsonl", "audit.jsonl", "./a/../audit.jsonl", "/var/log/enos-ota.jsonl"])
def test_an_audit_log_lies_in_the_project_or_has_a_whole_path(project: Project, path: str) -> None:
    project.write(BASE + f"enos-ota:auditLog: {path}\n")
    assert project.load() == ()
    assert project.connection().audit_log == path


def test_the_environment_serves_where_the_stack_is_silent(project: Project) -> None:
    project.write("aws:region: x\n", sets=ONE_SET)
    (found,) = project.load(ENOS_API_GATEWAY="http://127.0.0.1:8080/", ENOS_ORG_ID="o1")
    assert (found.api_gateway, found.org_id) == ("http://127.0.0.1:8080", "o1")


def test_two_spellings_of_one_gateway_agree(project: Project) -> None:
    project.write(BASE, sets=ONE_SET)
    (found,) = project.load(ENOS_API_GATEWAY="HTTPS://APIM.example.com:443/")
    assert found.api_gateway == "https://apim.example.com"


def test_a_gateway_that_differs_is_refused(project: Project) -> None:
    project.write(BASE)
    assert project.problems(ENOS_API_GATEWAY="https://other.example.com") == [
        "stacks/Pulumi.prod.yaml:2: the gateway differs: enos:apiGateway is https://apim.example.com, ENOS_API_GATEWAY"
        " is https://other.example.com; unset ENOS_API_GATEWAY or change enos:apiGateway, a stack belongs to one of"
        " them"
    ]


def test_an_organization_that_differs_is_refused(project: Project) -> None:
    project.write(BASE)
    assert project.problems(ENOS_ORG_ID="o2") == [
        "stacks/Pulumi.prod.yaml:3: the organization differs: enos:orgId is o16172478070561926, ENOS_ORG_ID is o2;"
        " unset ENOS_ORG_ID or change enos:orgId, a stack belongs to one of them"
    ]


def test_neither_gateway_nor_organization_is_ever_made_up(project: Project) -> None:
    project.write("aws:region: x\n")
    assert project.problems() == [
        "no gateway: set enos:apiGateway in the stack file or ENOS_API_GATEWAY in the environment",
        "no organization: set enos:orgId in the stack file or ENOS_ORG_ID in the environment",
    ]


def test_plain_http_to_another_host_is_refused_with_its_source(project: Project) -> None:
    project.write("enos:apiGateway: http://apim.example.com\nenos:orgId: o1\n")
    (text,) = project.problems()
    assert text.startswith(
        "stacks/Pulumi.prod.yaml:2: enos:apiGateway cannot be used: The gateway 'http://apim.example.com' must"
    )


def test_plain_http_from_the_environment_names_the_variable(project: Project) -> None:
    project.write("enos:orgId: o1\n")
    (text,) = project.problems(ENOS_API_GATEWAY="http://apim.example.com")
    assert text.startswith("ENOS_API_GATEWAY cannot be used: The gateway 'http://apim.example.com' must use https")


def test_half_a_pair_of_credentials_in_the_environment_is_refused(project: Project) -> None:
    project.write(BASE)
    assert project.problems(ENOS_APP_KEY="k", ENOS_APP_SECRET="") == [
        "ENOS_APP_KEY is set and ENOS_APP_SECRET is not: set both, or neither to use the pair of the stack"
    ]
