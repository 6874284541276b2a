"""Recognition of texts in other formats than a list of device keys: a merge conflict, a web page, a table.

Every recognised line has characters that EnOS's default rule for keys does not allow.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from enos_ota.devicekeys.visible import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Form(NamedTuple):
    """Another format: the beginning of its lines, its name, and what to do."""

    pattern: str
    what: str
    cure: str


_FORMS: Final = (
    _Form(r"(?:<{7}|>{7}|\|{7}|={7})(?:\s|$)", "an unresolved merge conflict", "resolve it"),
    _Form(r"version https://git-lfs\.", "a Git LFS pointer", "fetch the file itself with `git lfs pull`"),
    _Form(r"(?i:<!doctype\b|<html\b|<head\b|<body\b)", "an HTML page", "download the list again, with a login"),
    _Form(r"<\?xml\b", "an XML document", "save the keys one a line"),
    _Form(r'\{\s*"|\{\s*\}\s*$|"\w+"\s*:', "a JSON object, such as an answer of EnOS", "save the keys one a line"),
    _Form(r"HTTP/[\d.]+ \d{3}\b", "an HTTP answer", "save the keys one a line"),
    _Form(
        r"diff --git |(?:---|\+\+\+) (?:[ab]/|/dev/null)|@@ -\d+(?:,\d+)? \+\d", "a diff", "apply it to the key file"
    ),
    _Form(r"\{\\rtf", "an RTF document", "save it as plain text"),
    _Form(r"```|\|?[ \t]*:?-{2,}:?[ \t]*\|[-:| \t]*$", "a Markdown text", "save the keys one a line"),
    _Form(r"DEVICE\s{2,}STATUS\b", "a table of `enos-ota tasks`", "write it with --format keys"),
)
_FORMS_OF_TXT: Final = (
    _Form(r'"?deviceKey"?\s*(?:[,;\t]|$)|.*[,;\t] ?"?deviceKey"?(?: ?[,;\t]|$)', "a CSV file", "name it .csv"),
    _Form(r"""- ["']""", "a YAML list", "name the file .yaml"),
)
SOURCES: Final = tuple(form.what for form in _FORMS)
"""Names of the formats that `source_of` recognises."""

_WIDTH: Final = 1000
"""Characters of a line that are compared."""


def _one_of(forms: Iterable[_Form]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?P<_{number}>{form.pattern})" for number, form in enumerate(forms)))


_ANY_FORM: Final = _one_of(_FORMS)
_ANY_FORM_OF_TXT: Final = _one_of((*_FORMS, *_FORMS_OF_TXT))


def recognise(lines: Iterable[str], *, is_txt: bool) -> tuple[int, str] | None:
    """Return the first line which shows that a text is not a list of device keys; None if there is none.

    The line is returned as its position, counted from 0, and a sentence with the format, the line, and what to do. With
    `is_txt` each line would be a key, so that CSV and YAML are other formats too.
    """
    any_form = _ANY_FORM_OF_TXT if is_txt else _ANY_FORM
    for position, whole in enumerate(lines):
        line = whole.strip()[:_WIDTH]
        if found := any_form.match(line):
            form = _form(found)
            what = f"this looks like {form.what}, not like a list of device keys"
            return position, f"{what} ({excerpt(line)}): {form.cure}"
    return None


def source_of(key: str) -> str:
    """Return the name of the other format of which a device key is a line, or ""."""
    found = _ANY_FORM.match(key)
    return _form(found).what if found else ""


def _form(found: re.Match[str]) -> _Form:
    return (*_FORMS, *_FORMS_OF_TXT)[int((found.lastgroup or "")[1:])]
