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

from enos_ota.devicekeys import files
from enos_ota.devicekeys.visible import shown
from enos_ota.plan.guard import Guard
from enos_ota.settings import stackfile
from enos_ota.settings.connection import VARIABLES, combine_addresses, read_environment, validate_keys
from enos_ota.settings.models import (
    ENOS,
    ENOS_OTA,
    KNOWN_KEYS,
    NAMESPACES,
    SECRETS,
    SETS,
    EnosKeys,
    EnosOtaKeys,
    ends_as_log,
)
from enos_ota.settings.problems import MOST, Problem, SettingsError, in_order, label
from enos_ota.settings.set_files import read_set_folder
from enos_ota.settings.sets import SETS_KEY, SetSettings, WrittenSet, items_of, read_sets
from enos_ota.settings.stackfile import project_around
from enos_ota.settings.wording import describe_unknown_setting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from enos_ota.settings.set_files import SetFolder
    from enos_ota.settings.stackfile import Document

SECRET_KEYS_VARIABLE: Final = "PULUMI_CONFIG_SECRET_KEYS"  # noqa: S105 - the name of a variable
"""The variable in which Pulumi's language host lists the secret keys, as JSON."""

AUDIT_LOG_KEY: Final = f"{ENOS_OTA}:auditLog"
GUARD_KEY: Final = f"{ENOS_OTA}:guard"


def load_sets(
    config: Mapping[str, str], environ: Mapping[str, str], *, stack_file: Path, project: str = ENOS_OTA
) -> tuple[SetSettings, ...]:
    """Check the configuration of a stack and return its sets: those of the list in its order, then set files by name.

    The values come from the files, because only they show quotes and secrets: stack file, Pulumi.yaml, set files. The
    values that Pulumi delivered (`config`) must be equal; they add what the files do not have (Pulumi ESC). Credentials
    may be missing: a preview with `--refresh=false` needs none.

    Raises:
        SettingsError: with all problems at once. Nothing was registered or sent.
    """
    document = stackfile.read(stack_file, project)
    found = _Check(document, environ, delivered=config)
    if found.unreadable:
        raise SettingsError(found.problems)
    environment = read_environment(environ)
    address, problems = combine_addresses(found.enos, environment, document.problem, present=found.present)
    problems = [*found.problems, *environment.problems, *problems]
    if problems or address is None:
        raise SettingsError(problems)
    guard = found.keys.guard.limits() if found.keys.guard else Guard()
    return tuple(
        replace(each, api_gateway=address.gateway, org_id=address.org_id, guard=each.guard.completed_by(guard))
        for each in found.sets
    )


@dataclass(frozen=True, slots=True)
class StackFileCheck:
    """The valid sets of a stack, and every error and every warning of its files, by file and line."""

    sets: tuple[SetSettings, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def validate_stack_file(
    stack_file: Path, environ: Mapping[str, str] | None = None, *, project: str = ENOS_OTA
) -> StackFileCheck:
    """Check the files of a stack, without Pulumi or network.

    If the stack file is missing, Pulumi.yaml and the set files count. The environment may name the gateway.
    """
    found = _Check(stackfile.read(stack_file, project), environ or {})
    return StackFileCheck(found.sets, in_order(found.problems), in_order(found.warnings))


def read_stack_file(
    stack_file: Path, environ: Mapping[str, str], *, project: str = ENOS_OTA
) -> tuple[tuple[SetSettings, ...], tuple[Problem, ...]]:
    """Return the valid sets of a stack and every problem of its files, see `validate_stack_file`."""
    check = validate_stack_file(stack_file, environ, project=project)
    return check.sets, check.problems


def check_all_but_sets(document: Document, environ: Mapping[str, str]) -> tuple[Problem, ...]:
    """Check the configuration that a command on a job needs: everything except sets and key files."""
    return in_order(_Check(document, environ, with_sets=False).problems)


class _Check:
    """One check of a stack's configuration: the valid settings, and all problems.

    `enos` and `keys` are the valid keys, `present` the names of all keys under `enos:`. If the stack file is
    `unreadable`, every key would be missing.
    """

    def __init__(
        self,
        document: Document,
        environ: Mapping[str, str],
        *,
        delivered: Mapping[str, str] | None = None,
        with_sets: bool = True,
    ) -> None:
        self.problems = list(document.flaws)
        self.warnings: list[Problem] = []
        self.enos = EnosKeys()
        self.present: frozenset[str] = frozenset()
        self.keys = EnosOtaKeys()
        self.sets: tuple[SetSettings, ...] = ()
        self.unreadable = bool(document.flaws) and not document.values
        self._document = document
        self._delivered = delivered or {}
        self._secret_keys = _secret_keys(environ)
        self._gateway_outside = environ.get(VARIABLES["apiGateway"])
        listed: list[Any] = []
        if not self.unreadable:
            if delivered is not None:
                self._compare()
            self.problems.extend(islice(self._unknown(), MOST + 2))
            self.present = frozenset(self._given(ENOS))
            self.enos, problems = validate_keys(EnosKeys, ENOS, self._usable(ENOS), document.problem)
            given = self._usable(ENOS_OTA)
            items = items_of(given.pop(SETS, []))
            if items is None:
                self.problems.append(document.problem(SETS_KEY, (), f"{SETS_KEY} must be a list of sets"))
            listed = items or []
            self.keys, more = validate_keys(EnosOtaKeys, ENOS_OTA, given, document.problem)
            self.problems += [*problems, *more]
            self._check_audit_log(self.keys.audit_log)
        if with_sets:
            self._check_sets(listed, read_set_folder(document.file.path))

    def _compare(self) -> None:
        """Refuse a value that Pulumi changed on the way, and a stack file other than the one that Pulumi read."""
        other = [
            key
            for key, value in self._document.values.items()
            if key in KNOWN_KEYS
            and not stackfile.holds_secret(value)  # `_usable` reports these
            and not (key in self._delivered and stackfile.agrees(value, self._delivered[key]))
            and value is not None
        ]
        if other:
            text = (
                f"Pulumi delivered other values than this file has for {', '.join(other)}:"
                " it was edited meanwhile, or pulumi --config-file names another file;"
                " only this one can be checked, so put the settings here"
            )
            self.problems.append(self._document.problem(other[0], (), text))

    def _unknown(self) -> Iterator[Problem]:
        for key in {**self._delivered, **self._document.values}:
            if text := describe_unknown_setting(key):
                yield self._document.problem(key, (), text)

    def _given(self, namespace: str) -> dict[str, Any]:
        values = {**self._delivered, **self._document.values}
        names = NAMESPACES[namespace].names()
        return {name: values[key] for name in names if (key := f"{namespace}:{name}") in values}

    def _usable(self, namespace: str) -> dict[str, Any]:
        """Return the keys of a namespace without secrets; refuse secrets that would show, and a plain secret."""
        given = self._given(namespace)
        for name, value in list(given.items()):
            key = f"{namespace}:{name}"
            written = key in self._document.values
            paths = list(stackfile.secrets(value)) if written else [()] if key in (self._secret_keys or ()) else []
            if namespace == ENOS and name in SECRETS:
                secret = bool(paths) or (not written and self._secret_keys is None)
                if name == "appSecret" and not secret and not self._is_local(given):
                    text = f"{key} is in plain text: pulumi config set --secret {key}"
                    self.problems.append(self._document.problem(key, (), text))
                if written and paths:
                    given.pop(name)
                    if key in self._delivered:
                        given[name] = self._delivered[key]
                continue
            for path in paths:
                self.problems.append(self._document.problem(key, path, _must_not_be_secret((key, *path))))
            if paths and not (name == SETS and isinstance(value, list)):  # `_check_sets` leaves out single sets
                given.pop(name)
        return given

    def _is_local(self, given: Mapping[str, Any]) -> bool:
        """Whether the gateway is plain http, so on this machine: there the secret is a simulator's."""
        gateways = [str(gateway) for gateway in (self._gateway_outside, given.get("apiGateway")) if gateway]
        return bool(gateways) and all(gateway.strip().lower().startswith("http://") for gateway in gateways)

    def _check_sets(self, listed: list[Any], folder: SetFolder) -> None:
        self.problems.extend(folder.problems)
        if folder.path and folder.sets and not self._document.file.exists:
            name = stackfile.shown_path(self._document.file.path)
            text = f"there is no stack file {name} for the set files here: create it, or move them"
            self.problems.append(Problem(text, stackfile.shown_path(folder.path)))
        for each in folder.sets:
            for path in stackfile.secrets(each.item):
                self.problems.append(each.locate(path, _must_not_be_secret(path)))
        written = [*self._written_in_list(listed), *folder.sets]
        self.sets, found = read_sets(each for each in written if not stackfile.holds_secret(each.item))
        self.problems.extend(problem for problem in found if problem.severity == "error")
        self.warnings.extend(problem for problem in found if problem.severity == "warning")
        if not folder.problems:  # a set that cannot be read may name any key file
            self.warnings.extend(_unused(folder.key_files, written))

    def _written_in_list(self, listed: list[Any]) -> Iterator[WrittenSet]:
        folder = self._document.file.path.parent if self._document.file.exists else None
        for position, item in enumerate(listed):

            def locate(path: Sequence[str | int], text: str, position: int = position) -> Problem:
                return self._document.problem(SETS_KEY, (position, *path), text)

            yield WrittenSet(item, position + 1, self._document.file_of(SETS_KEY), locate, folder)

    def _check_audit_log(self, named: str | None) -> None:
        """Refuse an audit log that only the file system shows to be impossible."""
        if named and (text := audit_log_objection(project_around(self._document.file.path.parent), named)):
            text = f"{AUDIT_LOG_KEY} {shown(named)} {text}"
            self.problems.append(self._document.problem(AUDIT_LOG_KEY, (), text))


def audit_log_objection(project: Path, named: str) -> str:
    """Return why a file cannot be the audit log, as far as only the file system shows it; empty if it can.

    Neither the file nor its folder need exist. A link counts as its target. `named` may be relative to the project.
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
    if not stat.S_ISREG(mode):
        return f"is {files.kind_of(mode)}, not a regular file: name a file"
    if not ends_as_log(target.name):
        return f"is a link to {shown(target.name)}, which is not a log: name a separate file"
    return ""


def _secret_keys(environ: Mapping[str, str]) -> frozenset[str] | None:
    """Return the keys that Pulumi lists as secret; None if it lists nothing."""
    try:
        listed = json.loads(environ.get(SECRET_KEYS_VARIABLE, ""))
    except ValueError:
        return None
    return frozenset(str(key) for key in listed) if isinstance(listed, list) else None


def _must_not_be_secret(path: tuple[str | int, ...]) -> str:
    return f"{label(path)} must not be secret: it shows in previews and state; write it in plain text"


def _unused(key_files: Iterable[Path], written: Iterable[WrittenSet]) -> Iterator[Problem]:
    """Yield warnings of key files that no set names."""
    named = {os.path.realpath(path) for each in written if (path := each.key_file)}
    for path in key_files:
        if os.path.realpath(path) not in named:
            text = "no set names this key file: add it to a set as deviceKeysFile, or remove it"
            yield Problem(text, stackfile.shown_path(path), severity="warning")
