"""The layout of the product: few modules at the root, one meaning for each class name."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

PRODUCT = Path(__file__).parents[2] / "enos_ota"


def classes() -> dict[str, list[str]]:
    """Map each class name of the product to the modules that define it."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PRODUCT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(str(path.relative_to(PRODUCT)))
    return found


def test_each_class_name_has_one_meaning() -> None:
    """No class name occurs twice."""
    assert not {name: paths for name, paths in classes().items() if len(paths) > 1}


def test_the_root_of_the_product_has_few_files() -> None:
    """The root holds only what users import and what states name."""
    files = sorted(path.name for path in PRODUCT.iterdir() if path.is_file())
    assert len(files) <= 6, files
