"""Text from outside, made safe for a terminal."""

from __future__ import annotations

from enos_ota.devicekeys.visible import is_visible


def plain(text: str) -> str:
    r"""Return the text; line breaks, and characters that do not print or steer a terminal, are escaped: `\x1b`."""
    if is_visible(text):
        return text
    return "".join(c if is_visible(c) else c.encode("unicode_escape").decode("ascii") for c in text)


def plain_lines(text: str) -> str:
    """Return the text like `plain`, with its line breaks."""
    return "\n".join(map(plain, text.split("\n")))
