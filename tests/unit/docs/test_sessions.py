"""Reading what documents have a reader type, and comparing what they show: else a document could show anything."""

from __future__ import annotations

import pytest

from tests.harness.sessions import is_shown_by, replaced, steps

DOCUMENT = """\
# Title

```sh
one --long \\
  --line
cat > file <<'END'
enos-ota: no command
END
two
```

It prints:

```text
first
…
last
```

```text
nothing of the above
```

```sh
three
```

> ### quoted
>
> text

```sh
four
```

## Another heading

```text
of nobody
```
"""


def test_a_step_is_a_block_with_what_it_prints() -> None:
    first, second, third = steps(DOCUMENT)
    assert first.typed == ("one --long \\\n  --line", "cat > file <<'END'\nenos-ota: no command\nEND", "two")
    assert (first.shown, first.line) == (("first", "…", "last"), 4)
    assert (second.typed, second.shown) == (("three",), ("### quoted", "", "text"))
    assert (third.typed, third.shown) == (("four",), None), "a heading ends what a block may print"


def test_an_output_is_put_in_place_with_its_margin_and_nothing_else_changes() -> None:
    first, second, _ = steps(DOCUMENT)
    text = replaced(DOCUMENT, {first: "all\nof it\n", second: "### new\n\nlines\n"})
    assert text == DOCUMENT.replace("first\n…\nlast", "all\nof it").replace(
        "> ### quoted\n>\n> text", "> ### new\n>\n> lines"
    )


@pytest.mark.parametrize(
    "shown",
    [
        ("a", "b 12.5", "c"),
        ("…",),
        ("…", "c"),
        ("a", "…"),
        ("a", "…", "c"),
        ("a", "b …", "c"),
        ("a", "b 12.5", "…", "c"),
    ],
)
def test_what_is_left_out_is_marked(shown: tuple[str, ...]) -> None:
    assert is_shown_by(shown, "a\nb 12.5\nc\n")


@pytest.mark.parametrize(
    "shown", [(), ("a", "c"), ("a", "b 12.5"), ("b 12.5", "c"), ("…", "b 12.5"), ("a", "b 12x5", "c"), ("…", "c", "a")]
)
def test_what_is_not_printed_and_what_is_missing_is_seen(shown: tuple[str, ...]) -> None:
    assert not is_shown_by(shown, "a\nb 12.5\nc\n")


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("asked at 2026-11-23 18:40:09 UTC", "asked at 2027-01-02 03:04:05 UTC"),
        ("created (0.01s)", "created (12s)"),
        ("started  snapshot  161 d", "started  snapshot  5 h"),
    ],
)
def test_what_is_another_one_each_time_does_not_count(shown: str, printed: str) -> None:
    assert is_shown_by((shown,), f"{printed}\n")
