"""What the documents name is there: links, make targets, commands, configuration keys, arguments, categories."""

from __future__ import annotations

import inspect
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from enos_ota import CancelledTaskSet
from enos_ota.cli import COMMANDS
from enos_ota.reconciler import Category
from enos_ota.settings import check_stack_file
from enos_ota.settings.models import DeclaredSet, EnosKeys, EnosOtaKeys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enos_ota.settings.models import Keys

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])


def section(title: str) -> str:
    """The text under a heading of the README, up to the next heading of whatever level."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, f"README has no section {title!r}"
    return found[1]


def without_code(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


def code_of(document: Path) -> str:
    """Blocks and words that are set as code, a line each at least; what is left out is prose."""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", document.read_text(encoding="utf-8"), re.DOTALL))


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives a document's headings."""
    found: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", without_code(document.read_text(encoding="utf-8")), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return set(found)


def links() -> Iterator[Any]:
    """Every link to a file or heading of this repository."""
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)\s]+)\)", without_code(document.read_text(encoding="utf-8"))):
            if "://" not in target and not target.startswith("mailto:"):
                yield pytest.param(document, target, id=f"{document.relative_to(ROOT)}: {target}")


@pytest.mark.parametrize(("document", "target"), [*links()])
def test_a_link_leads_somewhere(document: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    file = document.parent / path if path else document
    assert file.exists(), f"{target} does not exist"
    if anchor:
        assert anchor in anchors(file)


def make_targets(document: Path) -> set[str]:
    """The targets of our Makefile, and of the one beside the document: an example may have its own."""
    makefiles = {ROOT / "Makefile", document.parent / "Makefile"}
    texts = [file.read_text(encoding="utf-8") for file in makefiles if file.exists()]
    return {target for text in texts for target in re.findall(r"^([a-z]+):", text, re.MULTILINE)}


def test_every_make_target_that_is_named_exists() -> None:
    named: dict[Path, set[str]] = {}
    for document in DOCUMENTS:
        # In running text "make" is a verb; in code it is the command.
        named[document] = set(re.findall(r"\bmake (?:-s |PYTHON=\S+ )*([a-z]+)", code_of(document)))
        assert named[document] <= make_targets(document), document
    assert {"demo", "test", "env"} <= named[ROOT / "README.md"]


def test_every_command_of_enos_ota_that_is_named_exists() -> None:
    words = [re.findall(r"^[`$ ]*enos-ota ([a-z]+)", code_of(document), re.MULTILINE) for document in DOCUMENTS]
    named = {word for found in words for word in found}
    assert "simulate" in named
    assert named <= set(COMMANDS)


def test_what_is_called_planned_is_not_there_yet() -> None:
    planned = set(re.findall(r"`([a-z]+)`", section("What there is not yet").partition("Planned:")[2]))
    assert not planned & set(COMMANDS)


def test_every_command_that_there_is_is_named() -> None:
    text = section("What there is not yet").partition("Planned:")[0]
    assert set(re.findall(r"`([a-z]+)`", text)) == set(COMMANDS)


def table(title: str) -> dict[str, tuple[str, str]]:
    """First column → the other two; a first column with two keys counts for both."""
    rows: dict[str, tuple[str, str]] = {}
    for line in section(title).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and (names := re.findall(r"`(\w+)`", cells[0])):
            rows |= dict.fromkeys(names, (cells[1], cells[2]))
    return rows


@pytest.mark.parametrize(
    ("title", "model"),
    [
        ("How EnOS is reached: `enos:`", EnosKeys),
        ("What is cancelled: `enos-ota:`", EnosOtaKeys),
        ("A set", DeclaredSet),
    ],
    ids=["enos", "enos-ota", "set"],
)
def test_the_readme_has_exactly_the_keys_that_there_are_with_their_defaults(title: str, model: type[Keys]) -> None:
    rows = table(title)
    assert set(rows) == set(model.names())
    for name, field in model.model_fields.items():
        said = rows[field.alias or name][0].strip("`")
        if field.is_required():
            assert said == "required"
        elif field.default is None:
            # Either nothing, or words for what happens then.
            assert not re.search(r"\d", said)
        elif isinstance(field.default, str):
            assert said == field.default
        else:
            assert json.loads(said) == field.default


def test_the_readme_explains_every_category() -> None:
    rows = re.findall(r"^\| ([a-z ]+) \|", section("What a set does"), re.MULTILINE)
    assert set(rows) == {*(category.value for category in Category), "cancelled after push"}


def test_the_readme_names_every_argument_and_output_of_a_set() -> None:
    text = section("In a program of your own")
    arguments = set(inspect.signature(CancelledTaskSet).parameters) - {"name"}
    outputs = {name for name, member in vars(CancelledTaskSet).items() if isinstance(member, property)}
    words = set(re.findall(r"\b\w+\b", text))
    assert arguments | outputs <= words


def test_the_program_in_the_readme_fits_what_there_is() -> None:
    code = re.search(r"```python\n(.*?)```", section("In a program of your own"), re.DOTALL)
    assert code
    called: dict[str, Any] = {}

    class Recorded:
        def __init__(self, *arguments: object, **keywords: object) -> None:
            inspect.signature(CancelledTaskSet).bind(*arguments, **keywords)
            called["set"] = self

    source = code[1].replace("from enos_ota import CancelledTaskSet, require_converged\n", "")
    exec(source, {"CancelledTaskSet": Recorded, "require_converged": lambda *sets: called.update(sets=sets)})  # noqa: S102 - our own README
    assert called["sets"] == (called["set"],)


def test_the_stack_file_to_copy_is_sound() -> None:
    assert check_stack_file(ROOT / "stacks" / "Pulumi.example.yaml") == ()


def test_everything_that_the_stack_file_to_copy_has_commented_out_is_sound(tmp_path: Path) -> None:
    text = (ROOT / "stacks" / "Pulumi.example.yaml").read_text(encoding="utf-8")
    full = re.sub(r"^( +)# (?=[\w:-]+: )", r"\1", text, flags=re.MULTILINE)
    assert full.count("#") < text.count("#") - 6
    stack_file = tmp_path / "Pulumi.copy.yaml"
    stack_file.write_text(full, encoding="utf-8")
    shutil.copytree(ROOT / "stacks" / "keys", tmp_path / "keys")
    assert check_stack_file(stack_file) == ()


def test_the_stack_file_that_the_readme_begins_with_is_sound(tmp_path: Path) -> None:
    code = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert code
    stack_file = tmp_path / "Pulumi.prod.yaml"
    stack_file.write_text(code[1], encoding="utf-8")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "pump-2.3.0.txt").write_text("pump-00016\n", encoding="utf-8")
    assert check_stack_file(stack_file) == ()
