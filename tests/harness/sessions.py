"""What documents have a reader type, run as it stands there, and what they show of the output, compared.

    commands in a block       ```sh
                              enos-ota jobs --firmware-version 2.3.0
                              ```
    what these print          ```text                                or, where it is Markdown, a quotation (`> `);
                              NAME  …                                the first such block after the commands counts,
                              ```                                    if no heading comes between

`…` is what was left out: as a line, any number of lines; at the end of a line, the rest of it.

`Shell` types what stands there, in one bash for the whole document. It knows three lines, and no others:

    eval "$(make -s env)"     is left out: the tests run in what it makes
    enos-ota simulate …       is another terminal
    # paste the …             does what a reader does with what the simulator prints
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tests.harness.simulator import RunningSimulator, simulator_process

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from typing_extensions import Self

LEFT_OUT: Final = "…"

PREPARED: Final = 'eval "$(make '
"""How lines begin that make what the tests run in."""

PASTE: Final = "# paste the "

_PIECES: Final = re.compile(
    r"^(?P<heading>\#+[ ][^\n]*)$|^```(?P<info>\w*)\n(?P<body>.*?)^```$|(?P<quote>(?:^>[^\n]*\n?)+)",
    re.MULTILINE | re.DOTALL,
)

PROMPT: Final = re.compile(r"^(To cancel, type the number of devices \(\d+\): )(.+)$", re.MULTILINE)
"""A question, and behind it what the reader answers."""

_END: Final = "-- end of a command --"


@dataclass(frozen=True, slots=True)
class Step:
    """Commands that a reader copies at once.

    Attributes:
        typed: each command, some over several lines.
        shown: the lines that they are said to print; None if nothing is said.
        line: where the commands begin.
        start: the same, in characters.
        output: the part of the document that says it, from where to where; none is empty.
        margin: what stands before each line of it.
    """

    typed: tuple[str, ...]
    shown: tuple[str, ...] | None
    line: int
    start: int
    output: tuple[int, int] = (0, 0)
    margin: str = ""


def steps(text: str) -> list[Step]:
    """The commands of a document in their order, each block with what it is said to print."""
    found: list[Step] = []
    is_open = False
    for piece in _PIECES.finditer(text):
        if piece["info"] == "sh":
            line = text.count("\n", 0, piece.start()) + 2
            found.append(Step(tuple(_commands(piece["body"])), None, line, piece.start()))
            is_open = True
        elif piece["heading"]:
            is_open = False
        elif is_open and (piece["info"] == "text" or piece["quote"]):
            is_open = False
            name, margin = ("quote", "> ") if piece["quote"] else ("body", "")
            shown = tuple(re.sub("^> ?", "", line) if margin else line for line in piece[name].splitlines())
            found[-1] = replace(found[-1], shown=shown, output=piece.span(name), margin=margin)
    return found


def _commands(block: str) -> Iterator[str]:
    """The commands of a block: a line each, but for those that end in a backslash or have a text behind them (<<)."""
    pending: list[str] = []
    until = ""
    for line in block.splitlines():
        pending.append(line)
        if until:
            until = "" if line == until else until
        elif heredoc := re.search(r"<<'?(\w+)'?", line):
            until = heredoc[1]
        if until or line.endswith("\\"):
            continue
        yield "\n".join(pending)
        pending = []
    assert not pending, f"this does not end: {pending}"


def replaced(text: str, outputs: Mapping[Step, str]) -> str:
    """The document with these outputs, whole, in place of those that it shows."""
    for step in sorted(outputs, key=lambda each: each.output, reverse=True):
        start, end = step.output
        lines = [f"{step.margin}{line}".rstrip() for line in outputs[step].splitlines()]
        text = text[:start] + "".join(f"{line}\n" for line in lines) + text[end:]
    return text


_VOLATILE: Final = {
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)": "TIME",
    r"\b\d+ (d|h|min)$": "AGE",
    r"\(\d+(\.\d+)?s\)": "(SECONDS)",
    r"^Duration: \d+s$": "Duration: SECONDS",
    r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b": "ID",
    r"\bencryptionsalt: .*": "encryptionsalt: SALT",
}
"""What is another one each time."""


def settled(line: str) -> str:
    """A line without what is another one each time."""
    for pattern, name in _VOLATILE.items():
        line = re.sub(pattern, name, line)
    return line.rstrip()


def is_shown_by(shown: tuple[str, ...], printed: str) -> bool:
    """Whether what a document shows is what was printed, but for what is left out."""
    parts: list[str] = []
    for line in map(settled, shown):
        if line == LEFT_OUT:
            parts.append(r"(?:.*\n)*?")
        elif line.endswith(LEFT_OUT):
            parts.append(re.escape(line.removesuffix(LEFT_OUT)) + r".*\n")
        else:
            parts.append(re.escape(line) + r"\n")
    text = "".join(f"{settled(line)}\n" for line in printed.splitlines())
    return re.fullmatch("".join(parts), text) is not None


class Shell:
    """A terminal of a reader's.

    Args:
        folder: where it is opened.
        environ: the whole environment.
        stands_for: texts of the document, and what is typed for them here: an address with a port that is free, say.
            What is printed is put back likewise.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], stands_for: Mapping[str, str]) -> None:
        self._folder = folder
        self._stands_for = dict(stands_for)
        self._simulator: RunningSimulator | None = None
        self._others = contextlib.ExitStack()
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],  # noqa: S607 - as a reader's, the one on PATH
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._bash.stdin
        with self._others:
            self._bash.stdin.close()
            self._bash.wait()
            if self._bash.stdout:
                self._bash.stdout.close()

    def type(self, step: Step) -> str:
        """Run the commands of a step; gives what they print, both streams as they come.

        What is said to stand behind a prompt is typed there. Only what is said to print an error may fail, and must.

        Raises:
            AssertionError: it is otherwise.
        """
        printed = ""
        answers = PROMPT.findall("\n".join(step.shown or ()))
        fails = any(line.startswith("Error: ") for line in step.shown or ())
        for command in step.typed:
            if command.startswith(PREPARED):
                continue
            if command.startswith("enos-ota simulate "):
                self._simulate(command)
            elif command.startswith(PASTE):
                self._paste()
            else:
                printed += self._run(command, answers, fails=fails)
        return printed

    def _simulate(self, command: str) -> None:
        found = re.fullmatch(r"enos-ota simulate --port (\d+)(?: +#.*)?", command)
        assert found, f"this is not how a document starts the simulator: {command}"
        self._simulator = self._others.enter_context(simulator_process(cwd=self._folder))
        self._stands_for[f"http://127.0.0.1:{found[1]}"] = self._simulator.url

    def _paste(self) -> None:
        assert self._simulator, "there is no simulator yet"
        told = {
            "ENOS_API_GATEWAY": self._simulator.url,
            "ENOS_ORG_ID": self._simulator.org_id,
            "ENOS_APP_KEY": self._simulator.app_key,
            "ENOS_APP_SECRET": self._simulator.app_secret,
        }
        self._run("; ".join(f"export {name}={value}" for name, value in told.items()))

    def _run(self, command: str, answers: Sequence[tuple[str, str]] = (), *, fails: bool = False) -> str:
        assert self._bash.stdin
        assert self._bash.stdout
        for shown, meant in self._stands_for.items():
            command = command.replace(shown, meant)
        # In the shell itself, so that what it exports and where it goes is there for the next one.
        typed = "".join(f"{answer}\n" for _, answer in answers)
        self._bash.stdin.write(f"{{\n{command}\n}} <<'{_END}'\n{typed}{_END}\nprintf '\\n%s %d\\n' '{_END}' $?\n")
        self._bash.stdin.flush()
        lines: list[str] = []
        while not (line := self._bash.stdout.readline()).startswith(_END):
            assert line, f"{command}\nended the shell:\n{''.join(lines)}"
            lines.append(line)
        printed = "".join(lines).removesuffix("\n")
        for shown, meant in self._stands_for.items():
            printed = printed.replace(meant, shown)
        for question, answer in answers:
            # What is typed shows on a terminal only.
            printed = printed.replace(question, f"{question}{answer}\n", 1)
        code = line.split()[-1]
        assert (code != "0") == fails, f"{command}\nended with exit code {code}:\n{printed}"
        return printed
