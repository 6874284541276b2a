"""Texts for what pydantic found."""

from __future__ import annotations

import difflib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from enos_ota.devicekeys.visible import shown
from enos_ota.devicekeys.yamltext import Unquoted
from enos_ota.plan.guard import percent_hint
from enos_ota.settings.models import KNOWN_KEYS, NAMESPACES, PARTS, SECRETS, SETS, Keys
from enos_ota.settings.problems import MOST, label

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_FIXED: Final = {
    "missing": "is missing",
    "string_too_short": "is empty",
    "too_short": "is empty",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false, without quotes",
    "list_type": "must be a list",
    "model_type": "must be a mapping of keys and values",
    "model_attributes_type": "must be a mapping of keys and values",
    "dict_type": "must be a mapping of keys and values",
}
_BOUNDS: Final = {
    "greater_than": ("must be more than", "gt"),
    "greater_than_equal": ("must be at least", "ge"),
    "less_than": ("must be less than", "lt"),
    "less_than_equal": ("must be at most", "le"),
}


def explain(
    error: ValidationError, model: type[Keys], *, noun: str, hints: bool = True
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the path of each error and a text that begins with the key, as many as a message lists.

    `noun` is the kind of key in "onToolate is no …". Without `hints` no key is suggested for an unknown one, which is
    slow for thousands of them.
    """
    for details in error.errors(include_url=False, include_context=True)[: MOST + 2]:
        path = details["loc"]
        if details["type"] != "extra_forbidden":
            yield path, f"{label(path)} {_describe(details)}".strip()
            continue
        key, above = str(path[-1]), path[:-1]
        part = PARTS.get(str(above[-1])) if above else None
        hint = suggest(key, (part or model).names()) if hints else None
        text = f"{shown(key)} is no {f'key of {above[-1]}' if part else noun}{_did_you_mean(hint)}"
        yield path, f"{label(above)}.{text}" if part else text


def suggest(word: str, words: Iterable[str]) -> str | None:
    """Return the word that is closest, without regard to case, - and _; None if none is close."""
    plain = {_folded(candidate): candidate for candidate in words}
    found = difflib.get_close_matches(_folded(word), plain, n=1, cutoff=0.7)
    return plain[found[0]] if found else None


def _did_you_mean(hint: str | None) -> str:
    return f"; did you mean {hint}?" if hint else ""


@lru_cache(maxsize=1024)
def describe_unknown_setting(key: str) -> str:
    """Describe a full configuration key that looks like one of enos-ota and is none; empty for any other key."""
    if key in KNOWN_KEYS:
        return ""
    namespace, _, name = key.partition(":")
    close = suggest(namespace, NAMESPACES)
    # Both namespaces may have the name; the written namespace wins.
    spaces = sorted(NAMESPACES, key=lambda space: space == close)
    owners = {candidate: space for space in spaces for candidate in NAMESPACES[space].names()}
    found = suggest(name, owners)
    hint = f"{owners[found]}:{found}" if found else None
    # No other program has sets of cancelled tasks: in a project of another name this key has lost its namespace.
    if namespace in NAMESPACES or found == SETS or (hint and close):
        return f"{shown(key)} is no configuration key{_did_you_mean(hint)}"
    return ""


def _describe(details: ErrorDetails) -> str:
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    if kind in _FIXED:
        return _FIXED[kind]
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"{words} {context[bound]:g}" + (percent_hint(value) if details["loc"][-1] == "maxShare" else "")
    if kind == "string_type":
        return _describe_non_text(value, secret=bool(SECRETS & set(details["loc"])))
    if kind == "string_too_long":
        return f"is longer than {context['max_length']} characters"
    if kind == "literal_error":
        return _describe_choice(value, str(context["expected"]))
    return details["msg"]


def _describe_non_text(value: Any, *, secret: bool) -> str:
    if isinstance(value, (list, dict)):
        return f"must be a text, not a {'list' if isinstance(value, list) else 'mapping'}"
    written = shown(str(value).lower() if isinstance(value, bool) else str(value))
    given = "is not in quotes" if secret else f"is {written} without quotes"
    return f"{given}, and YAML may turn that into another text: put it in quotes"


def _describe_choice(value: Any, expected: str) -> str:
    choices = [word.strip("' ") for word in expected.replace(" or ", ",").split(",")]
    hint = suggest(value, choices) if isinstance(value, str) else None
    given = f'is "{shown(str(value))}", ' if isinstance(value, (str, Unquoted)) else ""
    return f"{given}must be {' or '.join(choices)}{_did_you_mean(hint)}"


def _folded(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "")
