"""However much is wrong with a configuration, the list of it stays short."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enos_ota.settings.problems import MOST
from tests.harness.stack_project import check_stack_file

if TYPE_CHECKING:
    from tests.harness.stack_project import Project

MANY = range(MOST + 500)


@pytest.mark.parametrize(
    "config",
    [
        "".join(f"  enos-ota:guard{n}: 1\n" for n in MANY),
        "  enos-ota:guard:\n" + "".join(f"    maxDevices{n}: 1\n" for n in MANY),
        "  enos-ota:cancelledTaskSets:\n" + "".join(f"  - {{name: a, jobId: j, onToLate{n}: fail}}\n" for n in MANY),
        f"  enos:cancelledMarkers: {[*MANY]}\n",
        "".join("  enos-ota:guard: 1\n" for _ in MANY),
    ],
    ids=["unknown keys", "unknown keys of a mapping", "sets", "items of a list", "keys given again"],
)
def test_problems_beyond_the_first_thousand_are_only_mentioned(project: Project, config: str) -> None:
    project.file.write_text(f"config:\n{config}")
    found = check_stack_file(project.file)
    assert len(found) == MOST + 1
    assert found[-1].text == "and more problems, which are not listed: correct these first"
