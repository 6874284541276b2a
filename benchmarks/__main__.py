"""`python -m benchmarks [--quick] [NAME…]`: measures; the exit code does not depend on the figures."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks import core, emergency, large_set, reviewing, searching, small_set, urgency
from benchmarks.figures import number, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.figures import Figure


@dataclass(frozen=True, slots=True)
class Size:
    """Size of a run: keys of a large set, keys of an urgent set, tasks, pairs of each measurement."""

    keys: int
    urgent: int
    tasks: int
    rounds: int


FULL: Final = Size(keys=100_000, urgent=urgency.GOAL_KEYS, tasks=1_000_000, rounds=5)
QUICK: Final = Size(keys=2_000, urgent=4_000, tasks=20_000, rounds=1)


_MEASURES: Final[Mapping[str, Callable[[Size], Iterator[Figure]]]] = {
    "simulator": lambda size: searching.measure(size.tasks),
    "core": lambda size: core.measure(size.keys),
    "urgency": lambda size: urgency.measure(size.urgent),
    "emergency": lambda size: emergency.measure(size.urgent),
    "small-set": lambda size: small_set.measure(size.rounds),
    "large-set": lambda size: large_set.measure(size.keys, size.rounds),
    "review": lambda size: reviewing.measure(size.keys, size.rounds),
}
NAMES: Final = tuple(_MEASURES)


def measure(name: str, size: Size) -> Iterator[Figure]:
    """Yield the figures of one benchmark."""
    return _MEASURES[name](size)


def main(arguments: Sequence[str]) -> int:
    """Measure; print each figure at once, and a table of all figures at the end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Durations as ratios to references.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"benchmarks to run: {', '.join(NAMES)}; default: all")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"{number(QUICK.keys)} keys instead of {number(FULL.keys)}: a trial run",
    )
    parser.add_argument(
        "--pairs", type=int, metavar="N", help=f"pairs per measurement (default {FULL.rounds}, with --quick 1)"
    )
    options = parser.parse_args(arguments)
    if wrong := sorted(set(options.names).difference(NAMES)):
        parser.error(f"unknown benchmark {', '.join(wrong)}; known: {', '.join(NAMES)}")
    size = QUICK if options.quick else FULL
    if options.pairs is not None:
        if options.pairs < 1:
            parser.error("--pairs must be at least 1")
        size = Size(size.keys, size.urgent, size.tasks, options.pairs)
    figures = []
    for name in options.names or NAMES:
        for figure in measure(name, size):
            figures.append(figure)
            print_now(str(figure))
    print_now(f"\n{table(figures)}")
    return 0


def print_now(text: str) -> None:
    """Print at once: a benchmark takes minutes."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
