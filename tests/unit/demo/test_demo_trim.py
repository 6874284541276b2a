"""What the demo leaves out of pulumi's output, and what it keeps."""

from __future__ import annotations

from demo.trim import trim

SET = "pulumi-python:dynamic/enos_ota:CancelledTaskSet pump-2.3.0"


def trimmed(*lines: str) -> list[str]:
    return list(trim("\n".join(lines)))


def test_a_resource_is_shown_once_when_it_is_done() -> None:
    assert trimmed(
        f" +  {SET} creating (0s) ",
        "@ updating....",
        f" +  {SET} created (0.03s) ",
        f" +  {SET} created (0.03s) warning: set 'pump-2.3.0': 2 keys too late",
    ) == [f" +  {SET} created (0.03s)"]


def test_an_error_stays_where_pulumi_lists_it() -> None:
    assert trimmed(f" +  {SET} creating (0s) error: no", "Diagnostics:", "    error: no") == [
        "Diagnostics:",
        "    error: no",
    ]


def test_a_resource_without_a_change_is_kept() -> None:
    assert trimmed(f"    {SET}  ") == [f"    {SET}"]


def test_urns_and_ids_are_left_out() -> None:
    assert trimmed("+ pulumi:pulumi:Stack: (create)", "    [urn=urn:pulumi:demo::x]", "    [id=o1/j1/s]") == [
        "+ pulumi:pulumi:Stack: (create)"
    ]


def test_keys_of_a_diff_are_kept_whatever_they_are_called() -> None:
    keys = ["          + refreshing", "            updating (0s)", "          - [urn-like]"]
    assert trimmed(*keys) == keys


def test_blank_lines_do_not_pile_up() -> None:
    assert trimmed("", "Updating (demo):", "", "@ updating....", "", "Resources:", "") == [
        "Updating (demo):",
        "",
        "Resources:",
    ]
