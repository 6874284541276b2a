"""Writer of key files, which `enos_ota.devicekeys.reader` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from enos_ota.devicekeys import other_formats
from enos_ota.devicekeys import rules as keys
from enos_ota.devicekeys.visible import is_visible

if TYPE_CHECKING:
    from collections.abc import Iterable

_CUT_OFF: Final = " \t\r"  # the reader removes these at both ends of a line


def fits_txt(key: str) -> bool:
    """Whether a .txt key file can contain a key: it must not begin with #, end in a blank or look like CSV."""
    is_whole = key.strip(_CUT_OFF) == key and not key.startswith("#")
    return is_whole and keys.problem(key) is None and other_formats.recognise([key], is_txt=True) is None


def to_txt(device_keys: Iterable[str], comments: Iterable[str] = ()) -> str:
    """Return the text of a .txt key file: comments, then the keys, sorted and without duplicates, one a line."""
    unique = sorted(set(device_keys))
    if not all(map(fits_txt, unique)):
        raise ValueError("a key that no .txt can hold")
    return _commented(comments) + keys.to_text(unique)


def to_yaml(device_keys: Iterable[str], comments: Iterable[str] = ()) -> str:
    """The same as a .yaml key file, which can hold every key that a set may have."""
    unique = sorted(set(device_keys))
    if any(map(keys.problem, unique)):
        raise ValueError("a key that no set may have")
    return _commented(comments) + "".join(f"- {quoted(key)}\n" for key in unique)


def quoted(text: str) -> str:
    """Return a text in double quotes, which every YAML reader reads back as this text."""
    if text.isprintable() and not set(text) & set('"\\'):
        return f'"{text}"'
    return '"' + "".join(map(_escaped, text)) + '"'


def _commented(comments: Iterable[str]) -> str:
    # A line break in a comment would turn the rest of it into a key.
    return "".join(f"# {''.join(c if is_visible(c) else '?' for c in comment)}\n" for comment in comments)


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"
