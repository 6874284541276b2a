"""The life of a set as the engine sees it: the real dynamic provider server over gRPC, against the simulator."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.servicer import ROOT, SERIALIZED, UNKNOWN_TEXT, ProviderError, Servicer
from tests.harness.simulator import JOB, RunningSimulator, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "aaaabbbb-cccc-4ddd-8eee-ffff00001111"


def config(simulator: RunningSimulator, **others: str) -> dict[str, str]:
    return {
        "enos:apiGateway": simulator.url,
        "enos:orgId": simulator.org_id,
        "enos:appKey": simulator.app_key,
        "enos:appSecret": simulator.app_secret,
        **{f"enos:{name}": value for name, value in others.items()},
    }


@pytest.fixture
def provider(simulator: RunningSimulator) -> Iterator[Servicer]:
    with Servicer(config(simulator)) as running:
        yield running


def inputs(simulator: RunningSimulator, *keys: str, **others: Any) -> dict[str, Any]:
    return {
        "setName": "pump",
        "apiGateway": simulator.url,
        "orgId": simulator.org_id,
        "jobId": JOB,
        "deviceKeys": "".join(f"{key}\n" for key in keys),
        "onTooLate": "report",
        "onMissing": "fail",
        **others,
    }


def writes(simulator: RunningSimulator) -> list[list[str]]:
    return [sorted(entry["keys"]) for entry in simulator.journal() if entry["operation"] == "cancelTask"]


# Serialization


def test_the_pickled_provider_is_a_reference_of_a_few_bytes() -> None:
    import base64  # noqa: PLC0415 - for this one look

    pickled = base64.b64decode(SERIALIZED)
    assert len(pickled) < 80
    assert b"enos_ota.provider" in pickled
    assert b"CancelledTaskSetProvider" in pickled


# check


def test_check_sorts_the_keys_and_drops_duplicates(provider: Servicer, simulator: RunningSimulator) -> None:
    checked, failures = provider.check(inputs(simulator) | {"deviceKeys": "b\na\nb"})
    assert (checked["deviceKeys"], failures) == ("a\nb\n", [])


def test_check_accepts_quotes_of_both_kinds(provider: Servicer, simulator: RunningSimulator) -> None:
    checked, failures = provider.check(inputs(simulator, "it's", 'say "pump"'))
    assert (checked["deviceKeys"], failures) == ('it\'s\nsay "pump"\n', [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no device keys"),
        ("a\n\nb\n", "1 device key is empty (no. 2: '')"),
        ("a\tb\n", "1 device key has control characters (no. 1: 'a\\tb')"),
        ("k" * 257 + "\n", "1 device key is longer than 256 characters"),
    ],
)
def test_check_refuses_in_one_failure_without_a_property_so_that_no_value_is_printed(
    provider: Servicer, simulator: RunningSimulator, text: str, said: str
) -> None:
    _, failures = provider.check(inputs(simulator) | {"deviceKeys": text})
    (failure,) = failures
    assert failure.startswith(f"set 'pump': {said}")


def test_check_says_all_problems_at_once(provider: Servicer) -> None:
    _, (failure,) = provider.check({"setName": "pump", "apiGateway": "https://a", "deviceKeys": "\n"})
    assert failure.startswith("set 'pump': orgId is missing; jobId is missing; 1 device key is empty")


@pytest.mark.parametrize("others", [{"jobId": 123}, {"expires": "2026-9-1"}, {"reason": ["INC-1"]}])
def test_check_refuses_what_is_no_text_or_no_day(
    provider: Servicer, simulator: RunningSimulator, others: dict[str, Any]
) -> None:
    _, (failure,) = provider.check(inputs(simulator, "dk-01", **others))
    assert f"{next(iter(others))} " in failure


def test_check_refuses_a_job_id_with_what_no_id_has(provider: Servicer, simulator: RunningSimulator) -> None:
    """Such an id may come from anywhere in a program of one's own."""
    _, (failure,) = provider.check(inputs(simulator, "dk-01", jobId="65\u200ba1"))
    assert failure == "set 'pump': jobId contains U+200B ZERO WIDTH SPACE; ids never contain it: remove it"


def test_check_lets_through_what_is_not_known_yet(provider: Servicer, simulator: RunningSimulator) -> None:
    news = inputs(simulator) | {"deviceKeys": UNKNOWN_TEXT, "jobId": UNKNOWN_TEXT}
    checked, failures = provider.check(news)
    assert failures == []
    assert (checked["deviceKeys"], checked["jobId"]) == (UNKNOWN_TEXT, UNKNOWN_TEXT)


def test_check_sends_nothing(provider: Servicer, simulator: RunningSimulator) -> None:
    provider.check(inputs(simulator, "dk-01"))
    assert simulator.counters() == {}


# diff


@pytest.mark.parametrize("name", ["apiGateway", "orgId", "jobId"])
def test_another_place_or_job_replaces_the_set(provider: Servicer, simulator: RunningSimulator, name: str) -> None:
    _, olds = provider.create(inputs(simulator, "dk-01"))
    assert provider.diff(olds, inputs(simulator, "dk-01") | {name: "another"}) == (True, [name])


@pytest.mark.parametrize("change", [{"reason": "INC-1"}, {"onTooLate": "fail"}, {"expires": "2999-01-01"}])
def test_other_metadata_is_an_update(provider: Servicer, simulator: RunningSimulator, change: dict[str, Any]) -> None:
    _, olds = provider.create(inputs(simulator, "dk-01"))
    assert provider.diff(olds, inputs(simulator, "dk-01", **change)) == (True, [])


def test_another_name_alone_is_no_change(provider: Servicer, simulator: RunningSimulator) -> None:
    _, olds = provider.create(inputs(simulator, "dk-01"))
    assert provider.diff(olds, inputs(simulator, "dk-01", setName="renamed")) == (False, [])


def test_keys_that_are_not_known_yet_are_an_update(provider: Servicer, simulator: RunningSimulator) -> None:
    _, olds = provider.create(inputs(simulator, "dk-01"))
    assert provider.diff(olds, inputs(simulator) | {"deviceKeys": UNKNOWN_TEXT}) == (True, [])


def test_a_pending_key_that_is_no_longer_declared_is_an_update_that_sends_nothing(
    provider: Servicer, simulator: RunningSimulator
) -> None:
    """Somebody retried dk-02 and is right: it is taken out of the set, and that is the end of it."""
    _, olds = provider.create(inputs(simulator, "dk-01", "dk-02"))
    simulator.retry(JOB, ["dk-02"])
    _, olds, _ = provider.read(olds)
    news = inputs(simulator, "dk-01")
    assert provider.diff(olds, news) == (True, [])
    outputs = provider.update(olds, news)
    assert outputs["exceptions"] == ""
    assert provider.diff(outputs, news) == (False, [])
    provider.update(olds, inputs(simulator, "dk-01", "dk-03"))
    assert writes(simulator) == [["dk-01", "dk-02"], ["dk-03"]]
    assert simulator.states()["dk-02"] == ("init", "")


# create, update, read, delete


def test_create_cancels_and_records(provider: Servicer, simulator: RunningSimulator) -> None:
    id_, outputs = provider.create(inputs(simulator, "dk-01", "dk-08"))
    assert id_ == f"{simulator.org_id}/{JOB}/pump"
    assert outputs == inputs(simulator, "dk-01", "dk-08") | {
        "cancelledCount": 1,
        "exceptions": "dk-08\ttoo late\tupgrading\n",
        "problem": "",
        "job": {
            "status": "started",
            "name": "Pump firmware 2.3.0",
            "firmwareVersion": "2.3.0",
            "automaticRetry": False,
        },
    }
    assert writes(simulator) == [["dk-01"]]


def test_nothing_changed_is_no_diff_even_with_keys_that_were_too_late_or_missing(
    provider: Servicer, simulator: RunningSimulator
) -> None:
    news = inputs(simulator, "dk-01", "dk-08", "dk-99")
    _, olds = provider.create(news)
    assert provider.diff(olds, news) == (False, [])


def test_an_update_sends_the_added_key_only(provider: Servicer, simulator: RunningSimulator) -> None:
    _, olds = provider.create(inputs(simulator, "dk-01"))
    outputs = provider.update(olds, inputs(simulator, "dk-01", "dk-02"))
    assert outputs["deviceKeys"] == "dk-01\ndk-02\n"
    assert writes(simulator) == [["dk-01"], ["dk-02"]]


def test_metadata_and_removals_are_saved_without_a_request(provider: Servicer, simulator: RunningSimulator) -> None:
    _, olds = provider.create(inputs(simulator, "dk-01", "dk-08"))
    before = simulator.counters()
    outputs = provider.update(olds, inputs(simulator, "dk-01", reason="INC-1"))
    assert (outputs["reason"], outputs["deviceKeys"], outputs["exceptions"]) == ("INC-1", "dk-01\n", "")
    assert simulator.counters() == before


def test_a_refresh_takes_a_retried_key_out_of_outputs_and_inputs(
    provider: Servicer, simulator: RunningSimulator
) -> None:
    news = inputs(simulator, "dk-01", "dk-02")
    _, olds = provider.create(news)
    simulator.retry(JOB, ["dk-02"])
    id_, outputs, read_inputs = provider.read(olds)
    assert id_ == "id"
    assert read_inputs == inputs(simulator, "dk-01")
    assert (outputs["deviceKeys"], outputs["exceptions"]) == ("dk-01\n", "dk-02\tpending\tinit, was cancelled\n")
    assert provider.diff(outputs, news) == (True, [])


def test_a_refresh_without_drift_gives_back_what_was_recorded(provider: Servicer, simulator: RunningSimulator) -> None:
    news = inputs(simulator, "dk-01", "dk-07", "dk-08", "dk-99")
    _, olds = provider.create(news)
    assert provider.read(olds)[1:] == (olds, news)


def test_an_expired_set_is_neither_read_nor_written(provider: Servicer, simulator: RunningSimulator) -> None:
    news = inputs(simulator, "dk-01", expires="2001-01-01")
    _, olds = provider.create(news)
    assert provider.read(olds)[1] == olds
    assert provider.diff(olds, news) == (False, [])
    assert simulator.counters() == {}


def test_delete_sends_nothing_and_needs_no_credentials(simulator: RunningSimulator) -> None:
    with Servicer({}) as provider:
        provider.delete(inputs(simulator, "dk-01"))
    assert simulator.counters() == {}


def test_removals_say_that_what_is_cancelled_stays_cancelled(simulator: RunningSimulator) -> None:
    with Servicer(config(simulator)) as provider:
        _, olds = provider.create(inputs(simulator, "dk-01", "dk-02", "dk-08"))
        olds = provider.update(olds, inputs(simulator, "dk-02"))
        provider.delete(olds)
    assert provider.said.splitlines() == [
        f"set 'pump' (job {JOB}): no longer declared: 1 cancelled task stays cancelled, no request was sent",
        f"set 'pump' (job {JOB}): 1 cancelled task stays cancelled, no request was sent",
    ]


def test_an_orphan_sends_nothing(provider: Servicer, simulator: RunningSimulator) -> None:
    provider.kill_engine()
    with pytest.raises(ProviderError, match="The Pulumi engine of this run is gone"):
        provider.create(inputs(simulator, "dk-01"))
    assert writes(simulator) == []


def test_credentials_in_the_environment_win_over_the_stack(simulator: RunningSimulator) -> None:
    environ = {"ENOS_APP_KEY": simulator.app_key, "ENOS_APP_SECRET": simulator.app_secret}
    with Servicer(config(simulator, appSecret="old"), environ=environ) as provider:
        assert provider.create(inputs(simulator, "dk-01"))[1]["cancelledCount"] == 1


def test_markers_and_batch_size_come_from_the_configuration() -> None:
    with (
        running_simulator(cancelled_marker="已被用户取消") as simulator,
        Servicer(config(simulator, cancelledMarkers='["已被用户取消"]', batchSize="2")) as provider,
    ):
        _, outputs = provider.create(inputs(simulator, "dk-01", "dk-02", "dk-03"))
        assert (outputs["exceptions"], outputs["cancelledCount"]) == ("", 3)
        assert writes(simulator) == [["dk-01", "dk-02"], ["dk-03"]]


# Failures: one or two lines, no traceback, no secret, with both SDKs


def failure(call: Any, *arguments: Any) -> str:
    with pytest.raises(ProviderError) as caught:
        call(*arguments)
    text = str(caught.value).strip()
    assert "Traceback" not in text
    assert SECRET not in text
    assert len(text.splitlines()) <= 2
    return text


def test_wrong_credentials_fail_a_create(python: str, simulator: RunningSimulator) -> None:
    with Servicer(config(simulator, appKey="wrong"), python=python) as provider:
        text = failure(provider.create, inputs(simulator, "dk-01"))
    assert f"set 'pump' (job {JOB}): no request was sent: " in text
    assert "1002" in text
    assert writes(simulator) == []


def test_wrong_credentials_fail_a_refresh_and_say_the_ways_out(python: str, simulator: RunningSimulator) -> None:
    with Servicer(config(simulator, appKey="wrong"), python=python) as provider:
        text = failure(provider.read, inputs(simulator, "dk-01"))
    assert "1002" in text
    assert "not by the stack file: after a change there export ENOS_APP_KEY and ENOS_APP_SECRET" in text
    assert "With --refresh=false a preview shows the declared change" in text


def test_missing_credentials_fail_a_create(python: str, simulator: RunningSimulator) -> None:
    present = {"enos:apiGateway": simulator.url, "enos:orgId": simulator.org_id}
    with Servicer(present, python=python) as provider:
        text = failure(provider.create, inputs(simulator, "dk-01"))
    assert "ENOS_APP_KEY" in text


def test_a_gateway_that_is_down_fails_a_refresh_without_calling_anything_changed(
    python: str, simulator: RunningSimulator
) -> None:
    down = "http://127.0.0.1:9"
    with Servicer(config(simulator) | {"enos:apiGateway": down}, python=python) as provider:
        text = failure(provider.read, inputs(simulator, "dk-01") | {"apiGateway": down})
    assert f"set 'pump' (job {JOB}): the tasks could not be read; the recorded state is unchanged: " in text


def test_another_gateway_than_recorded_fails_a_refresh(python: str, simulator: RunningSimulator) -> None:
    with Servicer(config(simulator), python=python) as provider:
        text = failure(provider.read, inputs(simulator, "dk-01") | {"apiGateway": "https://other.example.com"})
    assert "recorded for gateway https://other.example.com" in text
    assert simulator.counters() == {}


def test_another_organization_than_recorded_fails_a_refresh(simulator: RunningSimulator) -> None:
    """With credentials of another organization EnOS would not know the job: that must not read as "deleted"."""
    with Servicer(config(simulator)) as provider:
        text = failure(provider.read, inputs(simulator, "dk-01") | {"orgId": "o-other"})
    assert f"recorded for organization o-other, but {simulator.org_id} is configured" in text
    assert simulator.counters() == {}


def test_a_set_may_bring_its_organization_where_none_is_configured(simulator: RunningSimulator) -> None:
    present = {key: value for key, value in config(simulator).items() if key != "enos:orgId"}
    with Servicer(present) as provider:
        assert provider.create(inputs(simulator, "dk-01"))[1]["cancelledCount"] == 1


def test_several_calls_at_once_share_one_token(simulator: RunningSimulator) -> None:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - for this one test

    with Servicer(config(simulator)) as provider, ThreadPoolExecutor(4) as pool:
        sets = [inputs(simulator, f"dk-0{n}", setName=f"set {n}") for n in range(1, 7)]
        outputs = [outputs for _, outputs in pool.map(provider.create, sets)]
    assert [each["cancelledCount"] for each in outputs] == [1] * 6
    assert simulator.counters()["token/get"] == 1


def test_the_client_and_the_reconciler_do_not_import_pulumi() -> None:
    import subprocess  # noqa: PLC0415 - for this one test

    program = "import sys, enos_ota.enos, enos_ota.reconciler; sys.exit('pulumi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=Path(ROOT), check=False).returncode == 0
