"""What the program refuses: one clear error, and nothing was sent. The complete list is in the settings' own tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.simulator import JOB
from tests.harness.stack import Stack, a_set, diagnostics

if TYPE_CHECKING:
    from tests.harness.simulator import RunningSimulator

HEADLINE = "error: The configuration has a problem; nothing was sent to EnOS:"
FILE = "stacks/Pulumi.dev.yaml"


def refused(stack: Stack, simulator: RunningSimulator) -> list[str]:
    """The lines of the one error of a `pulumi up` that is refused before anything is registered or sent."""
    ended = stack.up(code=1)
    told = [text for text in diagnostics(ended) if "exited with non-zero exit code" not in text]
    assert len(told) == 1, ended.output
    assert simulator.counters() == {}
    assert stack.resources() == {}
    return told[0].splitlines()


def line_of(stack: Stack, text: str) -> int:
    """The number of the line in the stack file that holds a text."""
    (number,) = [at for at, line in enumerate(stack.file.read_text().splitlines(), 1) if text in line]
    return number


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("onToolate", 'set "pumps": onToolate is no key of a set; did you mean onTooLate?'),
        ("guard", 'set "pumps": guard must be a mapping of keys and values'),
    ],
)
def test_an_unknown_key_of_a_set(stack: Stack, simulator: RunningSimulator, key: str, told: str) -> None:
    stack.declare(a_set("dk-01", **{key: "fail"}))
    assert refused(stack, simulator) == [HEADLINE, f"{FILE}:{line_of(stack, key)}: {told}"]


def test_a_key_under_the_wrong_namespace(stack: Stack, simulator: RunningSimulator) -> None:
    stack.config["enos-ota:appKey"] = stack.config.pop("enos:appKey")
    stack.declare(a_set("dk-01"))
    _, *told = refused(stack, simulator)
    line = line_of(stack, "enos-ota:appKey")
    assert f"{FILE}:{line}: enos-ota:appKey is no configuration key; did you mean enos:appKey?" in told


def test_ids_and_keys_without_quotes(stack: Stack, simulator: RunningSimulator) -> None:
    """Pulumi would turn them into other texts on the way: 5349, 100000, a date with a time."""
    stack.write(
        sets="""\
  enos-ota:cancelledTaskSets:
    - name: pumps
      jobId: 0012345
      deviceKeys:
        - dk-01
        - 1e5
        - 2026-01-02
"""
    )
    _, *told = refused(stack, simulator)
    assert len(told) == 2
    assert told[0].startswith(f'{FILE}:{line_of(stack, "0012345")}: set "pumps": jobId is 0012345 without quotes')
    assert told[1].startswith(f'{FILE}:{line_of(stack, "1e5")}: set "pumps": deviceKeys: 2 device keys are not texts')
    assert "put it in quotes" in told[0]


def test_plain_http_to_a_host_that_is_not_loopback(stack: Stack, simulator: RunningSimulator) -> None:
    stack.config["enos:apiGateway"] = "http://apim.example.com"
    stack.declare(a_set("dk-01"))
    headline, told = refused(stack, simulator)
    assert headline == HEADLINE
    assert "The gateway 'http://apim.example.com' must use https" in told


def test_a_missing_gateway_never_means_the_simulator(stack: Stack, simulator: RunningSimulator) -> None:
    del stack.config["enos:apiGateway"]
    stack.declare(a_set("dk-01"))
    assert refused(stack, simulator) == [
        HEADLINE,
        "no gateway: set enos:apiGateway in the stack file or ENOS_API_GATEWAY in the environment",
    ]


def test_a_key_in_two_sets_of_one_job(stack: Stack, simulator: RunningSimulator) -> None:
    stack.declare(a_set("dk-01", "dk-02"), a_set("dk-02", "dk-03", name="site-2"))
    _, told = refused(stack, simulator)
    assert told.endswith(
        f"""set "site-2": shares 1 device key of job {JOB} with set "pumps" ('dk-02'); keep each key in one set"""
    )


def test_a_key_file_that_is_not_there(stack: Stack, simulator: RunningSimulator) -> None:
    stack.declare({"name": "pumps", "jobId": JOB, "deviceKeysFile": "keys/pumps.txt"})
    _, told = refused(stack, simulator)
    assert told.endswith('set "pumps": deviceKeysFile stacks/keys/pumps.txt: there is no such file')


def test_a_secret_in_plain_text(stack: Stack, simulator: RunningSimulator) -> None:
    """It is not repeated in the message either: no run of this suite may print it."""
    stack.config["enos:apiGateway"] = "https://apim.example.com"  # a simulator's secret may be in plain text
    stack.config["enos:appSecret"] = simulator.app_secret
    stack.declare(a_set("dk-01"))
    _, told = refused(stack, simulator)
    assert told.endswith("enos:appSecret is in plain text: pulumi config set --secret enos:appSecret")


def test_several_problems_are_one_error(stack: Stack, simulator: RunningSimulator) -> None:
    stack.config["enos:batchsize"] = "10"
    stack.declare(a_set(), a_set("dk-01", name="site-2", onMissing="ignore"), a_set("dk-\x07", name="site-3"))
    headline, *told = refused(stack, simulator)
    assert headline == "error: The configuration has 4 problems; nothing was sent to EnOS:"
    for part in (
        "enos:batchsize is no configuration key; did you mean enos:batchSize?",
        'set "pumps": no device keys',
        'set "site-2": onMissing is "ignore", must be fail or report',
        'set "site-3": deviceKeys: 1 device key has control characters',
    ):
        assert sum(part in line for line in told) == 1


def test_keys_from_a_file_are_read_relative_to_the_stack_file(stack: Stack, simulator: RunningSimulator) -> None:
    """The good case beside the bad ones: list and file together make the set."""
    keys = stack.file.parent / "keys" / "pumps.txt"
    keys.parent.mkdir()
    keys.write_text("# the pumps of site 1\ndk-03\ndk-02\n\ndk-02\n", encoding="utf-8")
    stack.declare(a_set("dk-01", deviceKeysFile="keys/pumps.txt"))
    stack.up()
    assert [entry["keys"] for entry in simulator.journal()] == [["dk-01", "dk-02", "dk-03"]]


def test_a_set_file_is_declared_beside_the_list_and_a_broken_one_stops_all(
    stack: Stack, simulator: RunningSimulator
) -> None:
    """Two incidents, two forms; the engine registers both sets or none."""
    folder = stack.file.parent / stack.file.stem.removeprefix("Pulumi.")
    folder.mkdir()
    (folder / "site-2.yaml").write_text(f'jobId: "{JOB}"\ndeviceKeysFile: site-2.txt\n', encoding="utf-8")
    (folder / "site-2.txt").write_text("dk-02\n", encoding="utf-8")
    (folder / "notes.md").touch()
    stack.declare(a_set("dk-01"))
    _, problem = refused(stack, simulator)
    assert f"{folder.name}/notes.md: does not belong here: this folder holds set files" in problem
    (folder / "notes.md").unlink()
    stack.up()
    assert sorted(entry["keys"] for entry in simulator.journal()) == [["dk-01"], ["dk-02"]]
    assert set(stack.resources()) == {"pumps", "site-2"}
