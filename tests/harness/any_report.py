"""Any report at all, for properties: what others wrote is anything, and tries to be something that it is not."""

from __future__ import annotations

import types
from enum import Enum
from typing import Any, Final, Literal, Union, get_args, get_origin

from hypothesis import strategies as st

from enos_ota.review.model import JobReport, ReportPart, ReviewReport, SetReport

HOSTILE: Final = (
    "<script>alert(1)</script>",
    "</script><!--",
    "<img src=x onerror=alert(1)>",
    "--> </details><h1>approved</h1>",
    "`code` ``` ~~~ **bold** _it_ # h | t |",
    "[click](https://evil.example) ![x](http://evil.example/x.png) https://evil.example www.evil.example",
    "@team #123 GH-1 !12 ~label $7 &3 INC-1 :tada: mail@evil.example 1f0e2d3c4b5a69788796a5b4c3d2e1f001234567",
    "\x1b[31mred\x1b[0m \x1b]8;;https://evil.example\x07link\x1b]8;;\x07 \x9b1m",
    "[bold red]markup[/] [link=https://evil.example]x[/link]",
    "a\nb\r\nc\td\x00\x07\x7f\u2028e\u0085f",
    "\u202egpj.exe \u2066\u200b\u200d\ufeff\u00ad\u3164 \u115f",
    "Z\u0300\u0301\u0302\u0303\u0304\u0305\u0306algo \u0336\ud800 \U000e0041",
    "/close",
    "'; rm -rf / #",
    "&lt;b&gt; &amp; &#64;",
    "- [ ] task",
    "    indented",
    "1. one",
    "```",
    "---",
    "\\x1b \\",
    "日本語 Gerät ключ",
)
"""Foreign texts: HTML, Markdown, ANSI, shell, and invisible characters."""

_SHORT_TEXTS: Final = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40))
_TEXTS: Final = st.one_of(
    _SHORT_TEXTS,
    st.lists(st.sampled_from(HOSTILE), max_size=3).map(" ".join),
    st.builds(lambda text, times: text * times, st.sampled_from(HOSTILE), st.sampled_from([50, 2000])),
)
_ENOUGH: Final = 1_000_000
"""Characters; a comment holds 65 535. What is drawn once and repeated costs time with each repetition."""
_NUMBERS: Final = st.one_of(st.integers(0, 200), st.integers(0, 10**9))


def _of(kind: Any, texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Any value of a type that the model uses, with such texts."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is not None:
        return _of_generic(origin, arguments, texts)
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: texts,
        int: _NUMBERS,
        bool: st.booleans(),
        float: st.floats(0.001, 1),
        type(None): st.none(),
    }
    if kind in plain:
        return plain[kind]
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    assert issubclass(kind, ReportPart), kind
    return st.fixed_dictionaries({name: _of(each.annotation, texts) for name, each in kind.model_fields.items()}).map(
        lambda values: kind(**values)
    )


def _of_generic(origin: Any, arguments: tuple[Any, ...], texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(_of(arguments[0], texts), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(_of(arguments[0], texts), _of(arguments[1], texts), max_size=4)
    assert origin in {Union, types.UnionType}, origin
    return st.one_of([_of(each, texts) for each in arguments])


def reports() -> st.SearchStrategy[ReviewReport]:
    """Any report, however unlikely: what others wrote is anything, numbers need not add up."""
    return _of(ReviewReport, _TEXTS)


def huge_reports(sets: int) -> st.SearchStrategy[ReviewReport]:
    """Any report, with far too much of everything: some 10 000 keys, texts beyond any comment.

    Args:
        sets: As often each set is there, if its texts are not too long for that.
    """
    return st.builds(
        _enlarged,
        # Hundreds of sets come of short texts.
        st.one_of(reports(), _of(ReviewReport, _SHORT_TEXTS)),
        _of(SetReport, _SHORT_TEXTS),
        sets=st.just(sets),
        keys=st.sampled_from([1, 30, 1000]),
        said=st.sampled_from([1, 30, 300]),
    )


def _enlarged(drawn: ReviewReport, spare: SetReport, *, sets: int, keys: int, said: int) -> ReviewReport:
    """The same with every list longer, but none much longer than `_ENOUGH`."""
    small = drawn.model_copy(update={"sets": drawn.sets or (spare,)})
    jobs = small.jobs or (JobReport(job_id="j", org_id="o", gateway="g"),)
    each_set = _times(sets, jobs, small.sets)
    each_key = _times(keys, *(one.keys for one in small.sets), already=each_set)
    each_said = _times(said, small.reasons, small.warnings, small.others)
    each_said_of_set = _times(min(said, 50), *((one.errors, one.warnings) for one in small.sets), already=each_set)
    return small.model_copy(
        update={
            "reasons": small.reasons * each_said,
            "warnings": small.warnings * each_said,
            "others": small.others * each_said,
            "jobs": tuple(
                one.model_copy(update={"job_id": f"{one.job_id}{number}"}) for number in range(each_set) for one in jobs
            ),
            "sets": tuple(
                one.model_copy(
                    update={
                        "name": f"{one.name}{number}",
                        # Half of the sets share their job with the next.
                        "job_id": f"{jobs[place % len(jobs)].job_id}{number // 2}",
                        "keys": one.keys * each_key,
                        "errors": one.errors * each_said_of_set,
                        "warnings": one.warnings * each_said_of_set,
                    }
                )
                for number in range(each_set)
                for place, one in enumerate(small.sets)
            ),
        }
    )


def _times(wanted: int, *parts: object, already: int = 1) -> int:
    """As often as wanted, unless these would be far more than enough before; they are there so often already."""
    enough = _ENOUGH if already == 1 else _ENOUGH // 4
    return max(1, min(wanted, enough // (already * max(1, len(repr(parts))))))
