"""The page as a whole: what stands around the first screen, and the policy that keeps everything else out."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING

from enos_ota.review.html.markup import Element, element, json_text, raw, serialise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


def document(*, title: str, body: Iterable[Element], data: Mapping[str, Any]) -> str:
    """One HTML file that needs nothing else and may load nothing else.

    Args:
        title: Of the window.
        body: What is in it.
        data: What its script gets.
    """
    style, script = _part("page.css"), _part("page.js")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_fingerprint(script)}'",
            f"style-src '{_fingerprint(style)}'",
            "img-src data:",  # the icon below
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )
    head = [
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="robots", content="noindex"),
        element("title", title),
        element("link", rel="icon", href="data:,"),  # else a browser asks the server for one
        raw("style", style),
    ]
    inside = [*body, raw("script", json_text(data), type="application/json", id="keys-data"), raw("script", script)]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n'
        f"{serialise(head)}</head>\n<body>\n{serialise(inside)}</body>\n</html>\n"
    )


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _fingerprint(text: str) -> str:
    """A text as a Content-Security-Policy knows it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"
