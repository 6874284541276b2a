"""Lists what is installed where this script runs, as JSON: `[{name, version, requires, plugin}, …]`.

A script, not a module: it runs under the program's interpreter. `plugin` is the content of the package's
pulumi-plugin.json, or null.
"""

from __future__ import annotations

import json
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any


def canonical(name: str) -> str:
    """The spelling by which package names are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def describe(distribution: metadata.Distribution) -> dict[str, Any] | None:
    """One installed package; None for what an uninstallation left over, which has no name."""
    about = distribution.metadata  # parsed at each access, so once
    name = about["Name"]
    if not name:
        return None
    plugin = Path(str(distribution.locate_file(name.replace("-", "_")))) / "pulumi-plugin.json"
    requires = [line for line in about.get_all("Requires-Dist") or [] if "extra ==" not in line]
    return {
        "name": canonical(name),
        "version": about["Version"],
        "requires": [canonical(found[0]) for line in requires if (found := re.match(r"[\w.-]+", line))],
        "plugin": json.loads(plugin.read_text(encoding="utf-8")) if plugin.is_file() else None,
    }


if __name__ == "__main__":
    json.dump([one for each in metadata.distributions() if (one := describe(each))], sys.stdout)
