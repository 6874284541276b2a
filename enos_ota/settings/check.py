"""The settings of a stack for its program: read, compared with what Pulumi delivered, checked as a whole."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from enos_ota.devicekeys import files
from enos_ota.devicekeys.visible import shown
from enos_ota.plan.guard import Guard
from enos_ota.settings import stackfile
from enos_ota.settings.connection import combine_addresses, environment_problems
from enos_ota.settings.models import ENOS, ENOS_OTA, NAMESPACES, SECRETS, SETS, EnosOtaKeys, ends_as_log
from enos_ota.settings.problems import MOST, Problem, SettingsError, in_order, label
from enos_ota.settings.set_files import SetFolder, read_set_folder
from enos_ota.settings.sets import SETS_KEY, KeyFileFolder, SetSettings, WrittenSet, items_of, read_sets
from enos_ota.settings.stackfile import project_around
from enos_ota.settings.wording import describe_unknown_setting, explain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from enos_ota.settings.models import Preflight
    from enos_ota.settings.stackfile import Document

SECRET_KEYS_VARIABLE: Final = "PULUMI_CONFIG_SECRET_KEYS"  # noqa: S105 - the name of a variable
"""The variable in which Pulumi's language host lists the secret keys, as JSON."""

_APP_SECRET: Final = f"{ENOS}:appSecret"
_GATEWAY_VARIABLE: Final = "ENOS_API_GATEWAY"
AUDIT_LOG_KEY: Final = f"{ENOS_OTA}:auditLog"
GUARD_KEY: Final = f"{ENOS_OTA}:guard"
_SETS_SHOW: Final = "device keys and outcomes show in previews"


@dataclass(frozen=True, slots=True)
class StackSettings:
    """Settings of a stack for its program, without a secret.

    Attributes:
        gateway: in the normal form of `enos_ota.enos.check_gateway`.
        org_id: the organization.
        deadline: seconds for one set's change.
        guard: limits of one change of a set that has none of its own.
        preflight: whether a preview reads the tasks it would cancel.
        audit_log: file that records writing requests, as configured; None for none.
        sets: those of the list in its order, then those of set files by name.
    """

    gateway: str
    org_id: str
    deadline: float
    guard: Guard
    preflight: Preflight
    audit_log: str | None
    sets: tuple[SetSettings, ...]


def load_stack(
    config: Mapping[str, str] | None, environ: Mapping[str, str], *, stack_file: Path | None, project: str = ENOS_OTA
) -> StackSettings:
    """Check the configuration of a stack and return its settings.

    The values come from the files, because only they show quotes and secrets: stack file, Pulumi.yaml, set files. The
    values that Pulumi delivered must be equal; they add what the files do not have (Pulumi ESC). Credentials may be
    missing: a preview with `--refresh=false` needs none.

    Args:
        config: full key -> text, as Pulumi passes it to a program; None for the files alone.
        environ: the environment.
        stack_file: see `stack_file_path`; None when it is unknown. Then the delivered values are checked as far as
            possible, `deviceKeysFile` is refused, and there are no set files.
        project: name of the Pulumi project, the namespace of keys that are written without one.

    Raises:
        SettingsError: with all problems at once. Nothing was registered or sent.
    """
    found = _Check(config, environ, stackfile.read(stack_file, project) if stack_file else None)
    found.run()
    if found.unreadable:
        raise SettingsError(found.problems)
    address, problems = combine_addresses(found.enos, environ, found.enos_problem, present=found.present)
    problems = [*found.problems, *environment_problems(environ), *problems]
    if problems or address is None:
        raise SettingsError(problems)
    keys = found.keys
    guard = keys.guard.limits() if keys.guard else Guard()
    return StackSettings(
        gateway=address.gateway,
        org_id=address.org_id,
        deadline=keys.deadline,
        guard=guard,
        preflight=keys.preflight,
        audit_log=keys.audit_log,
        sets=tuple(replace(each, guard=each.guard.completed_by(guard)) for each in found.sets),
    )


def check_stack_file(stack_file: Path, *, project: str = ENOS_OTA) -> tuple[Problem, ...]:
    """Return every problem of a stack's files by file and line, without Pulumi or network."""
    return validate_stack_file(stack_file, project=project).problems


def read_stack_file(
    stack_file: Path,
    environ: Mapping[str, str],
    *,
    project: str = ENOS_OTA,
) -> tuple[tuple[SetSettings, ...], tuple[Problem, ...]]:
    """Return the valid sets of a stack, and every problem of its files, without engine or network.

    Args:
        stack_file: the stack file; if it is missing, Pulumi.yaml alone counts.
        environ: the environment, which may name the gateway.
        project: see `load_stack`.
    """
    found = _examined(stack_file, environ, project)
    return found.sets, found.problems


@dataclass(frozen=True, slots=True)
class StackFileCheck:
    """Result of checking the files of a stack.

    Attributes:
        sets: the valid sets.
        problems: every error, by file and line.
        warnings: every warning, by file and line.
        is_empty: whether the stack file has no setting.
    """

    sets: tuple[SetSettings, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    is_empty: bool = False


def validate_stack_file(stack_file: Path, *, project: str = ENOS_OTA) -> StackFileCheck:
    """Check the files of a stack, without Pulumi, environment or network."""
    if not (os.path.lexists(stack_file) or read_set_folder(stack_file).files):
        return StackFileCheck(problems=(Problem("there is no such file", stackfile.shown_path(stack_file)),))
    return _examined(stack_file, {}, project)


def _examined(
    stack_file: Path,
    environ: Mapping[str, str],
    project: str,
) -> StackFileCheck:
    gateway = {name: value for name, value in environ.items() if name == _GATEWAY_VARIABLE}
    document = stackfile.read(stack_file, project)
    found = _Check(None, gateway, document)
    found.run()
    _, problems = combine_addresses(found.enos, {}, found.enos_problem)
    is_empty = document.values.keys() <= document.of_project
    return StackFileCheck(found.sets, in_order([*found.problems, *problems]), in_order(found.warnings), is_empty)


def check_all_but_sets(document: Document, environ: Mapping[str, str]) -> tuple[Problem, ...]:
    """Check the configuration that a command on a job needs: everything except sets and key files.

    Args:
        document: the configuration.
        environ: the environment, which may name the gateway.
    """
    gateway = {name: value for name, value in environ.items() if name == _GATEWAY_VARIABLE}
    found = _Check(None, gateway, document, sets=False)
    found.run()
    _, problems = combine_addresses(found.enos, {}, found.enos_problem)
    return in_order([*found.problems, *problems])


class _Check:
    """One check of a stack's configuration; it collects all problems."""

    def __init__(
        self,
        config: Mapping[str, str] | None,
        environ: Mapping[str, str],
        document: Document | None,
        *,
        sets: bool = True,
    ) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.enos: dict[str, Any] = {}  # the valid keys under enos:
        self.present: frozenset[str] = frozenset()  # all keys there, valid or not
        self.keys = EnosOtaKeys()  # the keys under enos-ota:, defaults if any is invalid
        self.sets: tuple[SetSettings, ...] = ()
        self.unreadable = False  # the stack file could not be read, so every key would be missing
        self._delivered = config
        self._secret_keys = _secret_keys(environ)
        self._gateway_outside = environ.get(_GATEWAY_VARIABLE)
        self._with_sets = sets
        self._listed: list[Any] = []  # the items of the list of sets

    def run(self) -> None:
        if self.document:
            self.problems.extend(self.document.flaws)
            self.unreadable = bool(self.document.flaws) and not self.document.values
            self._compare(self.document)
        if not self.unreadable:
            values = self._values()
            self.problems.extend(islice(self._unknown(values), MOST + 2))
            for namespace in NAMESPACES:
                self._check_namespace(namespace, values)
        if self._with_sets:
            self._check_sets()
        self.problems = _without_repetitions(self.problems)

    def problem(self, key: str, path: Sequence[str | int], text: str) -> Problem:
        """A problem with a value of any source."""
        if self.document and key in self.document.values:
            return self.document.problem(key, path, text)
        return Problem(text, path=label((key, *path)))

    def enos_problem(self, name: str, text: str) -> Problem:
        """A problem with a key under `enos:`."""
        return self.problem(f"{ENOS}:{name}", (), text)

    def _values(self) -> dict[str, Any]:
        delivered = dict(self._delivered or {})
        return delivered | self.document.values if self.document else delivered

    def _compare(self, document: Document) -> None:
        """Refuse a value that Pulumi changed on the way, and a stack file other than the one that Pulumi read."""
        if self._delivered is None:
            return
        other = [
            key
            for key, value in document.values.items()
            if _is_known(key)
            and not list(stackfile.secrets(value))  # `_check_secrets` reports these
            and not (key in self._delivered and stackfile.agrees(value, self._delivered[key]))
            and value is not None
        ]
        if other:
            text = (
                f"Pulumi delivered other values than this file has for {', '.join(other)}:"
                " it was edited meanwhile, or pulumi --config-file names another file;"
                " only this one can be checked, so put the settings here"
            )
            self.problems.append(document.problem(other[0], (), text))

    def _unknown(self, values: Mapping[str, Any]) -> Iterator[Problem]:
        for key in values:
            if text := describe_unknown_setting(key):
                yield self.problem(key, (), text)

    def _check_namespace(self, namespace: str, values: Mapping[str, Any]) -> None:
        model = NAMESPACES[namespace]
        given = {name: values[key] for name in model.names() if (key := f"{namespace}:{name}") in values}
        if namespace == ENOS:
            self.present = frozenset(given)
        if not self._with_sets:
            given.pop(SETS, None)
        self._check_secrets(namespace, given)
        if namespace == ENOS_OTA and SETS in given:
            self._read_list(given.pop(SETS))
        try:
            checked = model.model_validate(given)
        except ValidationError as error:
            for path, text in explain(error, model, noun=f"{namespace}: key"):
                self.problems.append(self.problem(f"{namespace}:{path[0]}", path[1:], f"{namespace}:{text}"))
                given.pop(str(path[0]), None)
        else:
            if isinstance(checked, EnosOtaKeys):
                self.keys = checked
                self._check_audit_log(checked.audit_log)
        if namespace == ENOS:
            self.enos = given

    def _check_secrets(self, namespace: str, given: dict[str, Any]) -> None:
        """Refuse secrets that would show, and an application secret in plain text; remove encrypted values."""
        for name, value in list(given.items()):
            key = f"{namespace}:{name}"
            written = self.document is not None and key in self.document.values
            paths = list(stackfile.secrets(value)) if written else [()] if key in (self._secret_keys or ()) else []
            if namespace == ENOS and name in SECRETS:
                secret = bool(paths) or (not written and self._secret_keys is None)
                if key == _APP_SECRET and not secret and not self._is_local(given):
                    text = f"{key} is in plain text: pulumi config set --secret {key}"
                    self.problems.append(self.problem(key, (), text))
                if written and paths:
                    given.pop(name)
                    if self._delivered and key in self._delivered:
                        given[name] = self._delivered[key]
                continue
            for path in paths:
                why = _SETS_SHOW if name == SETS else "it shows in previews and state"
                text = f"{label((key, *path))} must not be secret: {why}; write it in plain text"
                self.problems.append(self.problem(key, path, text))
            if () in paths and written:
                given.pop(name)
            elif paths and written:
                given[name] = _stand_in(value)

    def _is_local(self, given: Mapping[str, Any]) -> bool:
        """Whether the gateway is plain http, so on this machine: there the secret is a simulator's."""
        gateways = [str(gateway) for gateway in (self._gateway_outside, given.get("apiGateway")) if gateway]
        return bool(gateways) and all(gateway.strip().lower().startswith("http://") for gateway in gateways)

    def _read_list(self, value: Any) -> None:
        items = items_of(value)
        if items is None:
            self.problems.append(self.problem(SETS_KEY, (), f"{SETS_KEY} must be a list of sets"))
        self._listed = items or []

    def _check_sets(self) -> None:
        folder = read_set_folder(self.document.path) if self.document else SetFolder()
        self.problems.extend(folder.problems)
        written = [*self._written_in_list(), *self._written_in_files(folder)]
        self.sets, found = read_sets(written)
        self.problems.extend(problem for problem in found if problem.severity == "error")
        self.warnings.extend(problem for problem in found if problem.severity == "warning")
        if not folder.problems:  # a set that cannot be read may name any key file
            self.warnings.extend(_unused(folder.key_files, written))

    def _written_in_list(self) -> Iterator[WrittenSet]:
        key_files = self._key_files()
        file = self.document.file_of(SETS_KEY) if self.document else None
        for position, item in enumerate(self._listed):

            def locate(path: Sequence[str | int], text: str, position: int = position) -> Problem:
                return self.problem(SETS_KEY, (position, *path), text)

            yield WrittenSet(item, position + 1, file, locate, key_files)

    def _written_in_files(self, folder: SetFolder) -> Iterator[WrittenSet]:
        if self.document and folder.path and folder.files and not self.document.exists:
            text = f"there is no stack file {self.document.name} for the set files here: create it, or move them"
            self.problems.append(Problem(text, stackfile.shown_path(folder.path)))
        for file in folder.files:
            for path in stackfile.secrets(file.item):
                text = f"{label(path)} must not be secret: {_SETS_SHOW}; write it in plain text"
                self.problems.append(file.problem(path, text))
            key_files = KeyFileFolder(file.path.parent, project_around(file.path.parent), "set file")
            yield WrittenSet(_stand_in(file.item), None, file.path, file.problem, key_files)

    def _key_files(self) -> KeyFileFolder | str:
        if self.document is None:
            return "that is not known here (pulumi --config-file hides it)"
        if not self.document.exists:
            return f"there is none at {self.document.name}"
        directory = self.document.path.parent
        return KeyFileFolder(directory, project_around(directory), "stack file")

    def _check_audit_log(self, named: str | None) -> None:
        """Refuse an audit log that only the file system shows to be impossible."""
        if named is None or self.document is None:
            return
        if text := audit_log_objection(project_around(self.document.path.parent), named):
            self.problems.append(self.problem(AUDIT_LOG_KEY, (), f"{AUDIT_LOG_KEY} {shown(named)} {text}"))


def audit_log_objection(project: Path, named: str) -> str:
    """Return why a file cannot be the audit log, as far as only the file system shows it; empty if it can.

    Neither the file nor its folder need exist. A link counts as its target.

    Args:
        project: the project's directory, to which the file may be relative.
        named: the file as configured.
    """
    path = project / named
    mode = stat.S_IFREG
    try:
        target = path.resolve()
        inside = Path(named).is_absolute() or target.is_relative_to(project.resolve())
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # writing creates it or fails
            mode = path.stat().st_mode
    except (OSError, RuntimeError, ValueError) as error:
        return f"cannot be used: {getattr(error, 'strerror', None) or 'it is no valid path'}"
    if not inside:
        return "leads out of the project: write an absolute path"
    if stat.S_ISDIR(mode):
        return "is a directory: name a file in it"
    if not stat.S_ISREG(mode):
        return f"is {files.kind_of(mode)}, not a regular file: name a file"
    if not ends_as_log(target.name):
        return f"is a link to {shown(target.name)}, which is not a log: name a separate file"
    return ""


def _is_known(key: str) -> bool:
    namespace, _, name = key.partition(":")
    return namespace in NAMESPACES and name in NAMESPACES[namespace].names()


def _secret_keys(environ: Mapping[str, str]) -> frozenset[str] | None:
    """Return the keys that Pulumi lists as secret; None if it lists nothing."""
    try:
        listed = json.loads(environ.get(SECRET_KEYS_VARIABLE, ""))
    except ValueError:
        return None
    return frozenset(str(key) for key in listed) if isinstance(listed, list) else None


def _stand_in(value: Any, path: str = "secret") -> Any:
    """Replace each secret by a text of its own, so that one mistake is reported once."""
    if stackfile.is_secret(value):
        return path
    if isinstance(value, dict):
        return {key: _stand_in(inner, f"{path}.{key}") for key, inner in value.items()}
    if isinstance(value, list):
        return [
            inner if isinstance(inner, str) else _stand_in(inner, f"{path}.{position}")
            for position, inner in enumerate(value)
        ]
    return value


def _unused(key_files: Iterable[Path], written: Iterable[WrittenSet]) -> Iterator[Problem]:
    """Warnings of key files that no set names."""
    named = {os.path.realpath(path) for each in written if (path := each.key_file)}
    for path in key_files:
        if os.path.realpath(path) not in named:
            text = "no set names this key file: add it to a set as deviceKeysFile, or remove it"
            yield Problem(text, stackfile.shown_path(path), severity="warning")


def _without_repetitions(problems: list[Problem]) -> list[Problem]:
    """Drop the other problems of a value that must not be secret: they are about its stand-in."""

    def is_secret(problem: Problem) -> bool:
        return " must not be secret: " in problem.text

    secret = {(problem.file, problem.path) for problem in problems if problem.path and is_secret(problem)}
    return [problem for problem in problems if (problem.file, problem.path) not in secret or is_secret(problem)]
