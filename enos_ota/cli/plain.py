"""Text from outside as it may stand on a terminal: whatever it holds, it is shown and never obeyed."""

from __future__ import annotations

from enos_ota.devicekeys.visible import is_visible


def plain(text: str) -> str:
    r"""The text with everything that does not print, or would steer a terminal, as an escape such as `\x1b`.

    Line breaks are among it, characters that do not show, and marks that turn the direction of writing.
    """
    if is_visible(text):
        return text
    return "".join(c if is_visible(c) else c.encode("unicode_escape").decode("ascii") for c in text)
