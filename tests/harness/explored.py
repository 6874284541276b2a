"""How many schedules a test run explored, said once at its end. Works with workers of pytest-xdist too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

Note: TypeAlias = Callable[[int, str], None]
"""Takes how many schedules a test explored, and of which kind."""

_PROPERTY = "schedules explored: "


@pytest.fixture
def note(record_property: Callable[[str, object], None]) -> Note:
    """Notes what a test explored."""
    return lambda schedules, kind: record_property(f"{_PROPERTY}{kind}", schedules)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """One line for all tests."""
    counts: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                for name, value in report.user_properties:
                    if name.startswith(_PROPERTY):
                        counts[name.removeprefix(_PROPERTY)] += int(str(value))
    if counts:
        kinds = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
        terminalreporter.write_line(f"{counts.total()} schedules explored: {kinds}")
