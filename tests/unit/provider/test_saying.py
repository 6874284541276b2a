"""What a provider prints is read line by line by the engine, from several sets at once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from enos_ota import provider
from enos_ota.engine.properties import task_set_of

if TYPE_CHECKING:
    import pytest


class _Counts:
    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, text: str) -> None:
        if text:
            self.written.append(text)

    def flush(self) -> None: ...


def test_a_line_and_its_end_are_one_write_so_that_lines_of_two_sets_do_not_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    out = _Counts()
    monkeypatch.setattr(sys, "stdout", out)
    bag = {"setName": "pump", "apiGateway": "https://a", "orgId": "o1", "jobId": "65a1", "deviceKeys": "dk-01\n"}
    provider._say(task_set_of(bag), "1 cancelled")
    assert out.written == ["set 'pump' (job 65a1): 1 cancelled\n"]
