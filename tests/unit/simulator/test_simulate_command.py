"""`enos-ota simulate` as a process: what it prints, how it is turned, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import requests

from tests.harness.simulator import simulator_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND = [sys.executable, "-m", "enos_ota.cli", "simulate"]


@pytest.fixture
def started() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_without_a_fleet_it_serves_the_demo() -> None:
    with simulator_process() as simulator:
        jobs = simulator.control("GET", "jobs")["jobs"]
    assert [(job["firmwareVersion"], job["tasks"]) for job in jobs] == [("2.3.0", 40), ("2.2.1", 12)]


def test_a_fleet_and_switches_are_taken_and_the_command_line_wins(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text('switches: {maxPage: 50, maxKeys: 7}\njobs: [{jobId: "j"}]\n')
    with simulator_process("--fleet", str(fleet), "--max-page", "60", "--cancelled-as", "canceled") as simulator:
        switches = simulator.control("GET", "switches")
        jobs = [job["jobId"] for job in simulator.control("GET", "jobs")["jobs"]]
    assert (jobs, switches["maxPage"], switches["maxKeys"], switches["cancelledAs"]) == (["j"], 60, 7, "canceled")


def test_faults_of_the_command_line_and_of_the_fleet_are_set(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text("faults: [throttle get]\n")
    with simulator_process("--fleet", str(fleet), "--fault", "cut stop nth=2", "--fault", "html") as simulator:
        faults = simulator.control("GET", "faults")["faults"]
    assert [fault["what"] for fault in faults] == ["throttle", "cut", "html"]


@pytest.mark.parametrize(("option", "moving"), [([], True), (["--movement", "off"], False)])
def test_devices_move_as_the_fleet_or_rather_the_command_line_says(
    tmp_path: Path, option: list[str], *, moving: bool
) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text("movement: on\n")
    with simulator_process("--fleet", str(fleet), *option) as simulator:
        assert simulator.control("GET", "movement")["moving"] is moving


def test_with_a_seed_the_same_comes_out_again() -> None:
    ids = []
    for _ in range(2):
        with simulator_process("--seed", "7") as simulator:
            ids.append(requests.get(simulator.url, timeout=9).json()["requestId"])
    assert ids[0] == ids[1]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_exports_for_a_shell_and_ends_quietly(started: subprocess.Popen[str], end: signal.Signals) -> None:
    assert started.stdout
    lines = []
    while not (line := started.stdout.readline()).startswith("Tasks of a job:"):
        assert line, "ended too early"
        lines.append(line.strip())
    exports = dict(line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))
    assert set(exports) == {"ENOS_API_GATEWAY", "ENOS_ORG_ID", "ENOS_APP_KEY", "ENOS_APP_SECRET"}
    # A connection that stays open does not hold up the end.
    with requests.Session() as session:
        assert session.get(f"{exports['ENOS_API_GATEWAY']}/_simulator/health", timeout=9).ok
        started.send_signal(end)
        output, errors = started.communicate(timeout=20)
    assert (started.returncode, output, errors) == (0, "", "")


def test_a_signal_before_it_listens_ends_it_quietly_too(tmp_path: Path) -> None:
    pipe = tmp_path / "fleet.yaml"
    os.mkfifo(pipe)
    command = [*COMMAND, "--fleet", str(pipe)]
    # Opening the pipe succeeds once the command has opened its end, that is, while it reads its fleet.
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
        pipe.open("w"),
    ):
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, output, errors) == (0, "", "")


def test_json_is_one_line(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(
        'orgs: [o1, o2]\napps: [{appKey: k, appSecret: "s s", orgs: [o2]}]\njobs: [{jobId: "j", name: 水泵}]'
    )
    command = [*COMMAND, "--format", "json", "--fleet", str(fleet)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        told = json.loads(process.stdout.readline())
        process.terminate()
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, output, errors) == (0, "", "")
    assert (told["orgId"], told["appKey"], told["appSecret"], told["pid"]) == ("o2", "k", "s s", process.pid)
    assert [(job["jobId"], job["name"], job["counts"]["init"]) for job in told["jobs"]] == [("j", "水泵", 0)]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--fleet", "none.yaml"], "none.yaml: No such file or directory"),
        (
            ["--fault", "throttle nth=0"],
            "Invalid value for '--fault': nth: Input should be greater than or equal to 1",
        ),
        (
            ["--movement", "fast"],
            "Invalid value for '--movement': moving: Input should be a valid boolean, unable to interpret input",
        ),
        (["--index-delay", "soon"], "Invalid value for '--index-delay': 'soon' is not a valid float."),
        (["--index-delay", "-1"], "index_delay: Input should be greater than or equal to 0"),
    ],
)
def test_wrong_usage_is_reported_and_exits_2(arguments: list[str], error: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout, done.stderr.splitlines()[-1]) == (2, "", f"Error: {error}")


def test_of_many_problems_of_a_fleet_the_first_20_are_listed(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(f"orgs: [{', '.join(['1'] * 25)}]\n")
    problems = run("--fleet", str(fleet)).stderr.splitlines()
    assert (len(problems), problems[-1]) == (21, "…")


@pytest.mark.parametrize("option", ["--latency", "--cancel-published=x", "--cancel-mode=x", "--port=99999"])
def test_an_option_that_is_not_built_or_out_of_range_is_refused(option: str) -> None:
    assert run(option, "1").returncode == 2


def test_a_port_that_is_taken_is_reported_and_exits_3() -> None:
    with simulator_process() as simulator:
        port = simulator.url.rpartition(":")[2]
        done = run("--port", port)
    error = f"Error: cannot listen on 127.0.0.1 port {port}: Address already in use"
    assert (done.returncode, done.stderr[: len(error)]) == (3, error)


def test_a_host_that_does_not_exist_is_reported_and_exits_3() -> None:
    done = run("--host", "256.0.0.1")
    assert (done.returncode, done.stderr.startswith("Error: cannot listen on 256.0.0.1 port 0: ")) == (3, True)
