"""A stack's configuration as it was written and as Pulumi delivered it, both under full key names."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from enos_ota import yamltext
from enos_ota.settings.models import NAMESPACES
from enos_ota.settings.problems import Problem, SettingsError, label
from enos_ota.yamltext import Unquoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MAX_BYTES: Final = 64 * 1024 * 1024
"""Largest stack file that is read."""

_CONFIG: Final = "config"


@dataclass(frozen=True, slots=True)
class Document:
    """The `config:` part of a stack file.

    Attributes:
        path: the file.
        name: what messages call it.
        values: full key -> value in plain Python types plus `yamltext.Unquoted`; a secret is `{"secure": …}`.
        flaws: what is wrong with the file as such.
    """

    path: Path
    name: str
    values: dict[str, Any]
    flaws: tuple[Problem, ...]
    _tree: yamltext.Tree
    _written: dict[str, str] = field(default_factory=dict)  # full key -> as written

    def problem(self, key: str, path: Sequence[str | int], text: str) -> Problem:
        """A problem with the value at `path` below `key`."""
        line = self._tree.line((_CONFIG, self._written.get(key, key), *path))
        return Problem(text, self.name, line, label((key, *path)))


def read(path: Path, project: str) -> Document | None:
    """Read a stack file; None when there is none. Keys without a namespace get the project's, as in Pulumi."""
    name = shown_path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        return _unreadable(path, Problem(f"cannot be read: {error.strerror}", name))
    if len(data) > MAX_BYTES:
        return _unreadable(path, Problem(f"is larger than {MAX_BYTES // 1024 // 1024} MiB: use deviceKeysFile", name))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return _unreadable(path, Problem("is not UTF-8: save the file as UTF-8", name, line))
    return parse(text, path, project)


def parse(text: str, path: Path, project: str) -> Document:
    """The same for a text at hand; never raises, see `Document.flaws`."""
    name = shown_path(path)
    tree = yamltext.load(text)
    flaws = [Problem(flaw.text, name, flaw.line) for flaw in tree.flaws]
    top = {} if tree.value is None else tree.value
    config = top.get(_CONFIG) if isinstance(top, dict) else None
    if not isinstance(top, dict) or not (config is None or isinstance(config, dict)):
        flaws.append(Problem("must hold a mapping of keys under config:", name, tree.line((_CONFIG,))))
        config = None
    flaws += [
        Problem(f"{yamltext.shown(key)} has no effect outside of config: move it there", name, tree.line((key,)))
        for key in (top if isinstance(top, dict) else ())
        if ":" in key and key.partition(":")[0] in NAMESPACES
    ]
    values: dict[str, Any] = {}
    written: dict[str, str] = {}
    for key, value in (config or {}).items():
        full = _full_key(key, project)
        if full in values:
            line = tree.line((_CONFIG, key))
            flaws.append(Problem(f"{yamltext.shown(key)} is given twice, once as {written[full]}", name, line))
        else:
            values[full], written[full] = value, key
    return Document(path, name, values, tuple(flaws), tree, written)


def is_secret(value: Any) -> bool:
    """Whether a value of a stack file is encrypted."""
    return isinstance(value, dict) and value.keys() == {"secure"}


def secrets(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all encrypted values in a value."""
    if is_secret(value):
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from secrets(inner, (*path, key))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            if not isinstance(inner, str):
                yield from secrets(inner, (*path, position))


def agrees(written: Any, delivered: str) -> bool:
    """Whether a value of the file and the text that Pulumi made of it say the same.

    What is encrypted cannot be compared, and what is not in quotes where it ought to be is another problem's matter.
    """
    if is_secret(written) or written is None or _holds_unquoted(written):
        return True
    if isinstance(written, str):
        return written == delivered
    try:
        return bool(json.loads(delivered) == written)
    except (ValueError, RecursionError):
        return False


def shown_path(path: Path) -> str:
    """A path as an operator would type it: from the working directory when it is below that."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def project_file(root: Path) -> Path:
    """The Pulumi project file of a directory.

    Raises:
        SettingsError: there is none.
    """
    for name in ("Pulumi.yaml", "Pulumi.yml"):
        if (root / name).is_file():
            return root / name
    raise SettingsError([Problem(f"there is no Pulumi.yaml in {shown_path(root)}")])


def stack_file_path(project_root: Path, stack: str) -> Path:
    """Where Pulumi keeps a stack's configuration: `Pulumi.<stack>.yaml` in the project's `stackConfigDir`.

    The file need not exist. What `pulumi --config-file` names is known to the engine alone.

    Raises:
        SettingsError: there is no project file, or it cannot be read.
    """
    project = project_file(project_root)
    name = shown_path(project)
    try:
        tree = yamltext.load(project.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        raise SettingsError([Problem("cannot be read", name)]) from None
    if tree.flaws:
        raise SettingsError(Problem(flaw.text, name, flaw.line) for flaw in tree.flaws)
    keys = tree.value if isinstance(tree.value, dict) else {}
    # `config: <text>` is the older spelling of stackConfigDir; config: {…} is another thing.
    directory = keys.get("stackConfigDir", keys.get("config"))
    parent = project_root / directory if isinstance(directory, str) else project_root
    return parent / f"Pulumi.{stack.replace('/', '-')}{project.suffix}"


def _unreadable(path: Path, flaw: Problem) -> Document:
    return Document(path, flaw.file or "", {}, (flaw,), yamltext.Tree(None, 1, ()))


def _full_key(key: str, project: str) -> str:
    parts = key.split(":")
    if len(parts) == 1:
        return f"{project}:{key}"
    # enos:config:orgId is an old spelling of enos:orgId that Pulumi still reads.
    return f"{parts[0]}:{parts[2]}" if len(parts) == 3 and parts[1] == "config" else key  # noqa: PLR2004 - three parts


def _holds_unquoted(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_unquoted(inner) for inner in value.values())
    if isinstance(value, list):
        return any(not isinstance(inner, str) and _holds_unquoted(inner) for inner in value)
    return isinstance(value, Unquoted)
