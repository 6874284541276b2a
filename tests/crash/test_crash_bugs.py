"""The harness finds bugs: each of these is planted, and shows in the verdict it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.crash.crash_bugs import BUGS, Bug
from tests.crash.crash_explore import explore

if TYPE_CHECKING:
    from tests.harness.explored import Note


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-"))
def test_a_bug_on_purpose_is_found_and_without_it_nothing_is(bug: Bug, note: Note) -> None:
    sound = explore(bug.scenario, bug.switches or {}, bug.schedules)
    assert not sound.found, str(sound)
    with bug.plant():
        spoiled = explore(bug.scenario, bug.switches or {}, bug.schedules)
    assert bug.wrong in spoiled.kinds(), str(spoiled)
    note(sound.schedules, "sound code")
    note(spoiled.schedules, "planted bugs")
