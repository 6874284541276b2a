"""Policy packs on the stand-in language host, asked over gRPC as the engine asks it.

Where it is about the process, the pack's Python is a shell script; where it is about the pack's answers, a real one.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc, language_pb2

from tests.harness.language_host import RunningHost, language_host, program_info
from tests.unit.toolchain.bundles import script

if TYPE_CHECKING:
    from collections.abc import Iterator

PACK = """\
import os
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy

def tell(args, report_violation):
    names = ("STACK", "PROJECT", "DRY_RUN", "CONFIG")
    report_violation(" ".join(os.environ.get(f"PULUMI_{name}", "-") for name in names))
    report_violation(os.getcwd())
    report_violation(" ".join(args.stack_tags.values()))
    report_violation(str(len(args.props["text"])))

PolicyPack("small", [ResourceValidationPolicy("tell", "Tells.", tell)], EnforcementLevel.MANDATORY)
"""

STACK = analyzer_pb2.AnalyzerStackConfigureRequest(
    stack="prod", project="p", organization="o", dry_run=True, config={"p:key": "größer"}, tags={"team": "pumps"}
)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[RunningHost]:
    """A running host, its working directory the project's root."""
    (tmp_path / "project").mkdir()
    with language_host(tmp_path / "bundle", tmp_path / "project") as running:
        yield running


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A pack's directory."""
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "__main__.py").write_text(PACK, encoding="utf-8")
    return folder


def request(pack: Path, *env: str, virtualenv: str = "env", kind: str = "analyzer") -> language_pb2.RunPluginRequest:
    """What the engine sends for a pack in a directory."""
    info = program_info(pack, virtualenv=virtualenv)
    return language_pb2.RunPluginRequest(info=info, kind=kind, pwd="/", args=["127.0.0.1:7"], env=env)


class RunningPack:
    """A pack that was asked for, and its service."""

    def __init__(self, host: RunningHost, wanted: language_pb2.RunPluginRequest) -> None:
        self.printed = host.stub.RunPlugin(wanted)
        self.port = int(next(self.printed).stdout)
        self._channel = grpc.insecure_channel(f"127.0.0.1:{self.port}", [("grpc.max_receive_message_length", -1)])
        self.stub = analyzer_pb2_grpc.AnalyzerStub(self._channel)

    def configure(self) -> None:
        """What the engine does first."""
        self.stub.Handshake(analyzer_pb2.AnalyzerHandshakeRequest(engine_address="127.0.0.1:7"))
        self.stub.ConfigureStack(STACK)

    def told(self, text: str = "") -> list[str]:
        """The messages of the pack's policy for a resource, without the policy's description."""
        asked = analyzer_pb2.AnalyzeRequest(type="t", urn="urn:pulumi:prod::p::t::n", name="n")
        asked.properties.update({"text": text})
        return [one.message.partition("\n")[2] for one in self.stub.Analyze(asked).diagnostics]

    def rest(self) -> tuple[str, str, int | None]:
        """What is printed until its end on stdout and stderr, and its exit code."""
        out, err, code = b"", b"", None
        for one in self.printed:
            out, err = out + one.stdout, err + one.stderr
            code = one.exitcode if one.HasField("exitcode") else code
        return out.decode(), err.decode(), code

    def close(self) -> None:
        """The engine has no more use for it."""
        self.printed.cancel()
        self._channel.close()


@contextlib.contextmanager
def running(host: RunningHost, wanted: language_pb2.RunPluginRequest) -> Iterator[RunningPack]:
    """A pack, until the end of the block."""
    started = RunningPack(host, wanted)
    try:
        yield started
    finally:
        started.close()


def run(host: RunningHost, pack: Path, python: str, *env: str) -> tuple[str, str, int | None]:
    """Run a pack whose interpreter is the given shell script to its end; gives stdout, stderr and exit code.

    The port that it prints first, as the protocol has it, is nobody's.
    """
    script(pack / "env" / "bin" / "python", f"echo 9; {python}")
    with running(host, request(pack, *env)) as started:
        started.configure()
        return started.rest()


def test_a_pack_is_run_by_the_sdk_with_the_engine_first_and_its_directory_last(host: RunningHost, pack: Path) -> None:
    assert run(host, pack, 'echo "$@"')[0] == f"-u -m pulumi.policy 127.0.0.1:7 {pack}\n"


def test_a_pack_runs_in_its_own_directory(host: RunningHost, pack: Path) -> None:
    assert run(host, pack, "pwd")[0] == f"{pack}\n"


def test_a_virtual_environment_is_looked_for_from_the_pack_and_is_active(host: RunningHost, pack: Path) -> None:
    script(pack.parent / "shared" / "bin" / "python", 'echo 9; echo "$VIRTUAL_ENV"')
    with running(host, request(pack, virtualenv="../shared")) as started:
        started.configure()
        assert Path(started.rest()[0].strip()).resolve() == (pack.parent / "shared").resolve()


def test_a_pack_gets_the_environment_of_the_command(host: RunningHost, pack: Path) -> None:
    assert run(host, pack, 'echo "$TICKETS"', "TICKETS=INC=yes")[0] == "INC=yes\n"


def test_the_stack_that_is_worked_on_wins_over_the_environment(host: RunningHost, pack: Path) -> None:
    assert run(host, pack, 'echo "$PULUMI_STACK"', "PULUMI_STACK=other")[0] == "prod\n"


def test_what_a_pack_prints_and_how_it_ends_is_handed_on(host: RunningHost, pack: Path) -> None:
    assert run(host, pack, "echo told; echo warned >&2; exit 3") == ("told\n", "warned\n", 3)


def test_a_pack_is_told_about_the_stack(host: RunningHost, pack: Path) -> None:
    with running(host, request(pack, virtualenv=sys.prefix)) as started:
        started.configure()
        about, folder, tags, _ = started.told()
    assert about == 'prod p true {"p:key": "gr\\u00f6\\u00dfer"}'
    assert (folder, tags) == (str(pack), "pumps")


def test_a_pack_answers_without_a_stack_as_for_publishing(host: RunningHost, pack: Path) -> None:
    with running(host, request(pack, virtualenv=sys.prefix)) as started:
        info = started.stub.GetAnalyzerInfo(empty_pb2.Empty())
    assert (info.name, [policy.name for policy in info.policies]) == ("small", ["tell"])


def test_messages_may_be_large(host: RunningHost, pack: Path) -> None:
    """A hundred thousand device keys are more than the four megabytes that gRPC allows by itself."""
    with running(host, request(pack, virtualenv=sys.prefix)) as started:
        started.configure()
        assert started.told("k" * 5_000_000)[-1] == "5000000"


def test_what_the_pack_refuses_is_refused_in_its_words(host: RunningHost, pack: Path) -> None:
    (pack / "__main__.py").write_text(PACK.replace("report_violation(os.getcwd())", "raise ValueError('no day')"))
    with running(host, request(pack, virtualenv=sys.prefix)) as started:
        started.configure()
        with pytest.raises(grpc.RpcError) as refused:
            started.told()
    assert refused.value.details() == "Exception calling application: no day"


@pytest.mark.parametrize(
    ("python", "reason"),
    [
        ("exit 3", "ended with exit code 3 before it could be asked"),
        ("echo hello; exec sleep 600", "printed something before its port: hello"),
    ],
)
def test_who_asks_a_pack_that_cannot_answer_is_told_why(
    host: RunningHost, pack: Path, python: str, reason: str
) -> None:
    script(pack / "env" / "bin" / "python", python)
    with running(host, request(pack)) as started:
        started.configure()
        started.rest()
        with pytest.raises(grpc.RpcError) as refused:
            started.stub.GetAnalyzerInfo(empty_pb2.Empty())
    assert refused.value.details() == f"the policy pack in {pack} {reason}"


@pytest.mark.skipif(sys.platform != "linux", reason="the process is watched in Linux's way")
def test_a_pack_that_is_cancelled_is_ended(host: RunningHost, pack: Path) -> None:
    started_at = pack / "started"
    os.mkfifo(started_at)
    script(pack / "env" / "bin" / "python", f"echo $$ > {started_at}; exec sleep 600")
    with running(host, request(pack)) as started:
        started.configure()
        watched = os.pidfd_open(int(started_at.read_text()))
    # Readable once the process has ended; the limit of the whole test bounds it.
    select.select([watched], [], [])
    os.close(watched)


def test_a_host_that_ends_takes_its_packs_with_it(host: RunningHost, pack: Path) -> None:
    started_at = pack / "started"
    os.mkfifo(started_at)
    script(pack / "env" / "bin" / "python", f"echo $$ > {started_at}; exec sleep 600")
    with running(host, request(pack)) as started:
        started.configure()
        process = int(started_at.read_text())
        host.process.send_signal(signal.SIGINT)
        host.process.communicate()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_pack_that_is_never_configured_is_never_started(host: RunningHost, pack: Path) -> None:
    script(pack / "env" / "bin" / "python", f"echo > {pack}/ran")
    with running(host, request(pack)) as started:
        started.stub.Handshake(analyzer_pb2.AnalyzerHandshakeRequest())
    host.process.send_signal(signal.SIGINT)
    host.process.communicate()
    assert not (pack / "ran").exists()


def test_a_virtual_environment_that_is_none_is_refused_with_the_file_that_names_it(
    host: RunningHost, pack: Path
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        next(host.stub.RunPlugin(request(pack)))
    assert f"the 'virtualenv' option in PulumiPolicy.yaml means {pack}/env" in str(refused.value.details())


def test_other_plugins_are_refused(host: RunningHost, pack: Path) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        next(host.stub.RunPlugin(request(pack, virtualenv=sys.prefix, kind="resource")))
    assert "runs policy packs, but no other plugins that are written in Python" in str(refused.value.details())
