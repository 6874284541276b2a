"""Settings in Pulumi.yaml and in a stack file beside it, and what Pulumi makes of the two.

The unit tests hold our reading to this table, and the end-to-end tests hold the table to the real Pulumi.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Shared(NamedTuple):
    """One case.

    Attributes:
        project: the `config:` of Pulumi.yaml, as YAML.
        stack: the `config:` of the stack file, as YAML.
        merged: full key -> text, as Pulumi hands it to a program.
    """

    project: str
    stack: str
    merged: dict[str, str]


MERGED: Final = {
    "short form": Shared(
        'enos:orgId: o1\nenos:batchSize: 5\nenos:cancelledMarkers: ["a", "b"]\nenos-ota:preflight: off',
        "",
        {"enos:orgId": "o1", "enos:batchSize": "5", "enos:cancelledMarkers": '["a", "b"]', "enos-ota:preflight": "off"},
    ),
    "long form": Shared(
        "enos-ota:guard: {value: {maxDevices: 3, maxShare: 0.5}}\nenos-ota:auditLog: {value: audit/a.jsonl}",
        "",
        {"enos-ota:guard": '{"maxDevices": 3, "maxShare": 0.5}', "enos-ota:auditLog": "audit/a.jsonl"},
    ),
    "a number that is not whole": Shared("enos:requestTimeout: {value: 0.5}", "", {"enos:requestTimeout": "0.5"}),
    "typed keys of the project's namespace with a default": Shared(
        "enos-ota:guard: {type: object, default: {maxDevices: 3}}\nenos-ota:deadline: {type: integer, default: 60}",
        "",
        {"enos-ota:guard": '{"maxDevices": 3}', "enos-ota:deadline": "60"},
    ),
    "keys without a namespace": Shared(
        "deadline: 60\nguard: {default: {maxDevices: 3}}\nauditLog: {value: a.jsonl}",
        "",
        {"enos-ota:deadline": "60", "enos-ota:guard": '{"maxDevices": 3}', "enos-ota:auditLog": "a.jsonl"},
    ),
    "the older spelling of a key": Shared("enos:config:orgId: o1", "", {"enos:orgId": "o1"}),
    "the stack file wins": Shared("enos:orgId: o1", "enos:orgId: o2", {"enos:orgId": "o2"}),
    "the stack file's mapping replaces the whole mapping": Shared(
        "enos-ota:guard: {value: {maxDevices: 3}}",
        "enos-ota:guard: {maxShare: 0.5}",
        {"enos-ota:guard": '{"maxShare": 0.5}'},
    ),
    "the same key spelled in two ways": Shared(
        "enos-ota:guard: {value: {maxDevices: 3}}", "guard: {maxShare: 0.5}", {"enos-ota:guard": '{"maxShare": 0.5}'}
    ),
    "sets": Shared(
        'enos-ota:cancelledTaskSets: {value: [{name: pump, jobId: "0012", deviceKeys: ["a", "1"]}]}',
        "",
        {"enos-ota:cancelledTaskSets": '[{"name": "pump", "jobId": "0012", "deviceKeys": ["a", "1"]}]'},
    ),
}
"""What both read alike."""

REFUSED: Final = {
    "a mapping without value:": ("enos-ota:guard: {maxDevices: 3}", "enos-ota:guard has no value that Pulumi reads"),
    "nothing": ("enos-ota:guard:", "enos-ota:guard has no value"),
    "a number that is not whole, in the short form": ("enos:requestTimeout: 0.5", "enos:requestTimeout has no value"),
    "a description alone": ("enos:orgId: {description: ours}", "enos:orgId has no value"),
    "value and default": ("enos-ota:auditLog: {value: a.log, default: b.log}", "enos-ota:auditLog has no value"),
    "a secret": ("enos:appSecret: {value: {secure: v1:abc}}", "enos:appSecret is encrypted, and Pulumi decrypts"),
    "a secret in the short form": ("enos:appSecret: {secure: v1:abc}", "enos:appSecret is encrypted, and Pulumi"),
    "no value in any file": ("enos-ota:guard: {type: object}", "enos-ota:guard has no value"),
}
"""What neither takes: settings in Pulumi.yaml, and how our message begins."""
