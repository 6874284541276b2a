"""The configuration of a stack: its stack file and the settings of Pulumi.yaml, merged as Pulumi merges them."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from enos_ota.devicekeys import files, yamltext
from enos_ota.devicekeys.visible import shown
from enos_ota.devicekeys.yamltext import Unquoted
from enos_ota.settings.models import NAMESPACES
from enos_ota.settings.problems import Problem, SettingsError, label
from enos_ota.settings.wording import suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_PROJECT_FILES: Final = ("Pulumi.yaml", "Pulumi.yml")
EXAMPLE: Final = "example"
"""The name of the stack file to copy; it is no stack."""

STACK_FILE: Final = re.compile(r"Pulumi\..*\.ya?ml", re.DOTALL)
"""The name of a stack file."""

_CONFIG: Final = "config"
_ENVIRONMENT: Final = "environment"
_OPTIONS: Final = "options"
_STACK_KEYS: Final = (_CONFIG, _ENVIRONMENT)
_PROJECT_KEYS: Final = (_CONFIG, _OPTIONS, "stackConfigDir", "name")
"""Keys that enos-ota needs in each file; Pulumi ignores a misspelled one."""

_SETTING_KEYS: Final = frozenset({"type", "items", "description", "secret", "default", "value"})
"""Keys that Pulumi allows in the long form of a setting in Pulumi.yaml."""


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A YAML file of a project; its tree is empty if it is missing or cannot be read.

    `flaws` are problems of the file as such.
    """

    path: Path
    tree: yamltext.Tree = yamltext.EMPTY
    flaws: tuple[Problem, ...] = ()
    exists: bool = True

    def problem(self, text: str, path: Sequence[str | int] = (), key: str = "") -> Problem:
        """Return a problem with the value at `path`; `key` is its name for the operator."""
        return Problem(text, shown_path(self.path), self.tree.line(path), key)


@dataclass(frozen=True, slots=True)
class _Setting:
    """A setting as written, and its place."""

    value: Any
    file: YamlFile
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """The configuration of a stack.

    Attributes:
        file: the stack file, which may be missing.
        values: full key -> value in plain Python types plus `yamltext.Unquoted`; a secret is `{"secure": …}`.
        flaws: problems of a file as such.
    """

    file: YamlFile
    values: dict[str, Any]
    flaws: tuple[Problem, ...]
    _settings: Mapping[str, _Setting]

    def problem(self, key: str, path: Sequence[str | int], text: str) -> Problem:
        """Return a problem with the value at `path` below `key`."""
        if setting := self._settings.get(key):
            return setting.file.problem(text, (*setting.path, *path), label((key, *path)))
        return Problem(text, path=label((key, *path)))

    def file_of(self, key: str) -> Path:
        """Return the file that gives the value of a key: the stack file or Pulumi.yaml."""
        return self._settings[key].file.path if key in self._settings else self.file.path

    def left_to_esc(self, *keys: str) -> Problem | None:
        """Return a problem if some of these keys may be in a Pulumi ESC environment, which only Pulumi can read."""
        top = self.file.tree.value
        missing = [key for key in keys if key not in self.values]
        if not missing or not isinstance(top, dict) or not top.get(_ENVIRONMENT):
            return None
        text = (
            f"only Pulumi can read what `environment` imports, and {' and '.join(missing)} may be there: write"
            f" {'it' if len(missing) == 1 else 'both'} under config:, here or in Pulumi.yaml"
        )
        return self.file.problem(text, (_ENVIRONMENT,))


def read(path: Path, project: str) -> Document:
    """Read the configuration of a stack; never raises, see `Document.flaws`.

    As in Pulumi, a key that the stack file does not have comes from Pulumi.yaml; of a key in both, the value in the
    stack file replaces the other. Keys without a namespace get the project's. A file with another kind of name is read
    without Pulumi.yaml.
    """
    stack = read_yaml(path)
    own, flaws = _settings(stack, project, known=_STACK_KEYS)
    shared: dict[str, _Setting] = {}
    if STACK_FILE.fullmatch(path.name) and (project_file := _project_file(project_around(path.parent))):
        shared, more = _settings(read_yaml(project_file), project, known=_PROJECT_KEYS)
        if flaws and not own:
            shared = {}  # the unreadable stack file may override them
        flaws += more
    settings = shared | own
    return Document(stack, {key: setting.value for key, setting in settings.items()}, tuple(flaws), settings)


def read_yaml(path: Path) -> YamlFile:
    """Read a YAML file; never raises, see `YamlFile.flaws`."""
    try:
        tree = yamltext.load(files.read_text(path))
    except FileNotFoundError:
        return YamlFile(path, exists=False)
    except files.UnreadableFileError as error:
        return YamlFile(path, flaws=(Problem(str(error), shown_path(path), error.line),))
    return YamlFile(path, tree, tuple(Problem(flaw.text, shown_path(path), flaw.line) for flaw in tree.flaws))


def _settings(file: YamlFile, project: str, *, known: Collection[str]) -> tuple[dict[str, _Setting], list[Problem]]:
    """Return the settings under `config:` by their full keys, and the problems of the file."""
    flaws = list(file.flaws)
    top = {} if file.tree.value is None else file.tree.value
    config = top.get(_CONFIG) if isinstance(top, dict) else top
    if config is not None and not isinstance(config, dict):
        flaws.append(file.problem("must hold a mapping of keys under config:", (_CONFIG,)))
        config = None
    if isinstance(top, dict):
        flaws += _misplaced(file, top, known)
        if known is _PROJECT_KEYS and isinstance(options := top.get(_OPTIONS), dict):
            flaws += _misplaced(file, options, ("refresh",), (_OPTIONS,))
    found: dict[str, _Setting] = {}
    for key, value in (config or {}).items():
        full, path = _full_key(key, project), (_CONFIG, key)
        if full in found:
            text = f"{shown(key)} is given twice, once as {found[full].path[1]}"
            flaws.append(file.problem(text, path, full))
        elif known is _STACK_KEYS or full.partition(":")[0] not in NAMESPACES:
            found[full] = _Setting(value, file, path)
        elif text := _project_setting_problem(full, value):
            flaws.append(file.problem(text, path, full))
        elif isinstance(value, dict):
            name = "value" if value.get("value") is not None else "default"
            found[full] = _Setting(value[name], file, (*path, name))
        else:
            found[full] = _Setting(value, file, path)
    return found, flaws


def _project_setting_problem(key: str, entry: Any) -> str:
    """Return why Pulumi would not read a setting of Pulumi.yaml, or would read another value; empty if it reads it."""
    if holds_secret(entry):
        return f"{key} is encrypted, and Pulumi decrypts nothing in Pulumi.yaml: move it to the stack file"
    if isinstance(entry, dict):
        given = [name for name in ("value", "default") if entry.get(name) is not None]
        is_readable = len(given) == 1 and entry.keys() <= _SETTING_KEYS
    else:
        # Pulumi's short form allows texts, whole numbers, truth values and lists.
        is_readable = entry is not None and not isinstance(entry, float)
    return "" if is_readable else f"{key} has no value that Pulumi reads here: write {key}: {{value: …}}"


def _misplaced(
    file: YamlFile, keys: Mapping[str, Any], known: Collection[str], path: tuple[str, ...] = ()
) -> Iterator[Problem]:
    """Yield problems of keys that Pulumi ignores by mistake: settings beside `config:`, and misspelled known keys.

    With `Config:` or `confg:` a stack would have no guard and no audit log.
    """
    for key, value in keys.items():
        text = ""
        if _is_setting(key):
            text = "has no effect outside of config: move it there"
        elif key in known:
            continue
        elif near := suggest(key, known):
            text = f"has no effect: did you mean {near}?"
        elif isinstance(value, dict) and any(map(_is_setting, value)):
            text = f"has no effect: settings must be under {_CONFIG}:"
        if text:
            yield file.problem(f"{shown(key)} {text}", (*path, key))


def _is_setting(key: str) -> bool:
    return ":" in key and key.partition(":")[0] in NAMESPACES


def _full_key(key: str, project: str) -> str:
    parts = key.split(":")
    if len(parts) == 1:
        return f"{project}:{key}"
    # enos:config:orgId is an old spelling of enos:orgId that Pulumi still reads.
    return f"{parts[0]}:{parts[2]}" if len(parts) == 3 and parts[1] == "config" else key  # noqa: PLR2004 - three parts


def is_secret(value: Any) -> bool:
    """Whether a value of a stack file is encrypted."""
    return isinstance(value, dict) and value.keys() == {"secure"}


def secrets(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the paths of all encrypted values in a value."""
    if is_secret(value):
        yield path
    elif isinstance(value, (dict, list)):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if not isinstance(inner, str):
                yield from secrets(inner, (*path, step))


def holds_secret(value: Any) -> bool:
    """Whether a value has an encrypted value anywhere."""
    return next(secrets(value), None) is not None


def agrees(written: Any, delivered: str) -> bool:
    """Whether a value of the file and the text that Pulumi delivered are equal, as far as they can be compared.

    Encrypted values cannot; another check reports values without quotes.
    """
    if is_secret(written) or written is None or _holds_unquoted(written):
        return True
    if isinstance(written, str):
        return written == delivered
    try:
        return bool(json.loads(delivered) == written)
    except (ValueError, RecursionError):
        return False


def _holds_unquoted(value: Any) -> bool:
    if isinstance(value, (dict, list)):
        inner = value.values() if isinstance(value, dict) else value
        return any(not isinstance(each, str) and _holds_unquoted(each) for each in inner)
    return isinstance(value, Unquoted)


@dataclass(frozen=True, slots=True)
class Project:
    """A project, by its Pulumi.yaml; its name is the namespace of keys without one."""

    file: YamlFile
    name: str

    @property
    def root(self) -> Path:
        """The folder."""
        return self.file.path.parent

    @property
    def keys(self) -> Mapping[str, Any]:
        """The keys of Pulumi.yaml."""
        return self.file.tree.value if isinstance(self.file.tree.value, dict) else {}

    def stack_file(self, stack: str) -> Path:
        """Return the stack file of a stack, whose name may be qualified; the file need not exist.

        Only the engine knows the file that `pulumi --config-file` names.
        """
        directory = self.keys.get("stackConfigDir")
        parent = self.root / directory if isinstance(directory, str) else self.root
        return parent / f"Pulumi.{short_name(stack)}{self.file.path.suffix}"

    def stacks(self) -> tuple[str, ...]:
        """Return the stacks that have a stack file, sorted, without the example."""
        return tuple(name for name in self.stack_files() if name != EXAMPLE)

    def stack_files(self) -> dict[str, Path]:
        """Return every stack file by the stack's name, sorted, with the example."""
        pattern = self.stack_file("*")
        prefix, _, suffix = pattern.name.partition("*")
        found = {path.name[len(prefix) : -len(suffix)]: path for path in sorted(pattern.parent.glob(pattern.name))}
        return {name: path for name, path in found.items() if name}


def find_project(directory: Path) -> Project | None:
    """Return the project around a folder; None if there is none. A Pulumi.yaml that cannot be used is an error."""
    path = _project_file(project_around(directory))
    if path is None:
        return None
    file = read_yaml(path)
    if file.flaws:
        raise SettingsError(file.flaws)
    name = file.tree.value.get("name") if isinstance(file.tree.value, dict) else None
    if not isinstance(name, str) or not name:
        raise SettingsError([Problem("must give the project a name", shown_path(path))])
    return Project(file, name)


def require_project(directory: Path) -> Project:
    """Return the project around a folder; it is an error if there is none."""
    if project := find_project(directory):
        return project
    raise SettingsError([Problem("there is no Pulumi.yaml here or above: run this in the project's directory")])


def project_around(directory: Path) -> Path:
    """Return the folder of the project around a folder; without a project, the folder itself."""
    real = Path(os.path.realpath(directory))  # Path.resolve fails on a loop of links
    return next((parent for parent in (real, *real.parents) if _project_file(parent)), directory)


def _project_file(directory: Path) -> Path | None:
    """Return Pulumi.yaml of a folder, also a pipe or a broken link, so that the problem is reported."""
    paths = (directory / name for name in _PROJECT_FILES)
    return next((path for path in paths if os.path.lexists(path) and not path.is_dir()), None)


def short_name(stack: str) -> str:
    """Return the last part of a stack's name, `prod` of `organization/project/prod`; its files have that name."""
    return stack.rpartition("/")[2]


def shown_path(path: Path) -> str:
    """Format a path as an operator would type it: relative to the working directory if it is below that."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def is_inside(path: Path, root: Path) -> bool:
    """Whether a path is inside of a folder once links are followed: no pull request must show what lies outside."""
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):
        return True  # a loop of links: reading it fails with a clear error
