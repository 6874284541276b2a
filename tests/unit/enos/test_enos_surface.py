"""The package's surface."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from types import ModuleType

import pytest

from enos_ota import enos

SOURCES = sorted(Path(enos.__file__).parent.glob("*.py"))


def test_all_names_what_is_exported() -> None:
    exported = {
        name for name, value in vars(enos).items() if not name.startswith("_") and not isinstance(value, ModuleType)
    }

    assert set(enos.__all__) == exported


def test_each_public_class_and_function_is_documented() -> None:
    undocumented = [
        name
        for name in enos.__all__
        if (value := getattr(enos, name))
        and (inspect.isclass(value) or inspect.isfunction(value))
        and not inspect.getdoc(value)
    ]

    assert undocumented == []


def test_every_error_is_in_the_tree_of_the_errors_module() -> None:
    from enos_ota.enos import errors  # noqa: PLC0415 - the module itself is what is looked at

    tree = errors.__doc__ or ""
    public = [
        name for name, value in vars(errors).items() if inspect.isclass(value) and value.__module__ == errors.__name__
    ]

    assert [
        name for name in public if not name.startswith("_") and f" {name} " not in f" {tree} ".replace("\n", " ")
    ] == []


def test_an_error_takes_its_own_attributes_only() -> None:
    assert enos.JobNotFound("gone", code=24404, operation="get").code == 24404
    with pytest.raises(TypeError, match=r"^ConnectError has no attribute code$"):
        enos.ConnectError("refused", code=24404)


def test_the_client_imports_neither_pulumi_nor_the_simulator() -> None:
    imported = {
        name
        for source in SOURCES
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    foreign = {name for name in imported if name.split(".")[0] in {"pulumi", "pydantic", "yaml"}}
    ours = {name for name in imported if name.startswith("enos_ota") and not name.startswith("enos_ota.enos")}
    assert foreign | ours == set()
