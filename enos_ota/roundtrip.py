"""A stack file written anew so that its sets can be spliced into: for aliases, JSON in a text, and other odd shapes.

ruamel.yaml keeps comments, order and quotes as well as it can. It drops comments in brackets: these go to the end.
"""

from __future__ import annotations

import copy
import io
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, Format
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ruamel.yaml.nodes import ScalarNode

_CONFIG: Final = "config"
_WIDE: Final = 2**31
_LOADER: Final = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


def rewritten(text: str, keys: tuple[str, ...]) -> str:
    """The same stack file, its sets a list in block style that shares nothing with the rest of the file.

    Args:
        text: The file, without byte order mark, a mapping.
        keys: The key of the sets, and its other spellings.

    Raises:
        Exception: The file is of another shape, or ruamel.yaml stumbles over it.
    """
    source = text.replace("\r\n", "\n")
    round_trip = _round_trip(source)
    file = round_trip.load(source)
    config = file.get(_CONFIG)
    config = file[_CONFIG] = config if isinstance(config, CommentedMap) else CommentedMap()
    if config.anchor.value:
        config = file[_CONFIG] = _unshared(config)
    _indent(round_trip, config)
    key = next((key for key in config if key in keys), keys[0])
    sets = _unshared(_decoded(config.get(key)))
    config[key] = sets or None  # a comment behind an empty list would be written before its brackets
    for each in (file, config, sets):
        each.fa.set_block_style()
    out = io.StringIO()
    round_trip.dump(file, out)
    new = out.getvalue()
    dropped = Counter(_comments(source)) - Counter(_comments(new))
    new += "".join(f"{comment}\n" for comment in dropped.elements())
    return new.replace("\n", "\r\n") if "\r\n" in text else new


class _AsWritten:
    """A scalar that is no text: `~`, `+1` and `0x1F` stay what they are."""

    def __init__(self, node: ScalarNode) -> None:
        self.tag = node.ctag
        self.value = node.value
        self.style = node.style


class _Constructor(RoundTripConstructor):
    pass


class _Representer(RoundTripRepresenter):
    pass


for _kind in ("null", "bool", "int", "float", "timestamp"):
    _Constructor.add_constructor(f"tag:yaml.org,2002:{_kind}", lambda _, node: _AsWritten(node))
_Representer.add_representer(
    _AsWritten, lambda self, scalar: self.represent_scalar(scalar.tag, scalar.value, style=scalar.style)
)


def _round_trip(text: str) -> YAML:
    found = YAML()
    found.Constructor, found.Representer = _Constructor, _Representer
    found.preserve_quotes = True
    found.width = _WIDE
    found.brace_single_entry_mapping_in_flow_sequence = True
    found.explicit_start = bool(re.search(r"^---", text, re.MULTILINE))
    return found


def _indent(round_trip: YAML, config: CommentedMap) -> None:
    """Have the whole file indented as the configuration and its first list are: there is one way for all of it."""
    step = 2 if config.fa.flow_style() or not config else config.lc.key(next(iter(config)))[1]
    lists = [each for each in config.values() if isinstance(each, CommentedSeq) and each and not each.fa.flow_style()]
    dash = max(0, lists[0].lc.item(0)[1] - 2 - step) if lists else 2
    round_trip.indent(mapping=step, sequence=dash + 2, offset=dash)


def _decoded(value: Any) -> CommentedSeq:
    """The list that stands there, as YAML, as JSON in a text, or not at all."""
    if isinstance(value, str):
        value = _from_json(json.loads(value))
    return value if isinstance(value, CommentedSeq) else CommentedSeq()


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        return CommentedMap((key, _from_json(inner)) for key, inner in value.items())
    if isinstance(value, list):
        return CommentedSeq(map(_from_json, value))
    return DoubleQuotedScalarString(value) if isinstance(value, str) else value


def _unshared(value: Any) -> Any:
    """A copy that no alias reaches, and that holds none."""
    if isinstance(value, CommentedMap):
        own: Any = CommentedMap((key, _unshared(inner)) for key, inner in value.items())
    elif isinstance(value, CommentedSeq):
        own = CommentedSeq(map(_unshared, value))
    else:
        return type(value)(value) if isinstance(value, str) else copy.copy(value)
    value.copy_attributes(own)  # comments among them
    setattr(own, Format.attrib, copy.copy(value.fa))
    return own


def _comments(text: str) -> Iterator[str]:
    """Every comment, from its `#` on: what stands between tokens."""
    at = 0
    for token in yaml.scan(text, Loader=_LOADER):
        yield from map(str.rstrip, re.findall(r"#.*", text[at : token.start_mark.index]))
        at = max(at, token.end_mark.index)
