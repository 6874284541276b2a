"""What the documents name is there: links, make targets, commands and options, configuration keys, categories."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import pytest

from enos_ota import CancelledTaskSet
from enos_ota.cli import COMMANDS, main
from enos_ota.plan import Category
from enos_ota.settings.models import DeclaredSet, EnosKeys, EnosOtaKeys
from tests.harness.stack_project import check_stack_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

    from enos_ota.settings.models import Keys

ROOT: Final = Path(__file__).parents[3]
README: Final = ROOT / "README.md"
DOCS: Final = ROOT / "docs"
DOCUMENTS: Final = sorted(
    file
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "policy/**/*.md")
    for file in ROOT.glob(pattern)
    if ".venv" not in file.parts
)
PIPELINES: Final = sorted([*ROOT.glob("examples/*/.github/workflows/*.yml"), *ROOT.glob("examples/*/.gitlab-ci.yml")])


def section(title: str, document: Path = README) -> str:
    """The text under a heading of a document, up to the next heading of whatever level."""
    text = document.read_text(encoding="utf-8")
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{document.name} has no section {title!r}"
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
    assert {"demo", "test", "env"} <= named[README]


CALL: Final = re.compile(r"""(?:^|[\s`"'(;|])enos-ota +(?P<rest>[a-z-][^`\n]*)""", re.MULTILINE)


def calls(document: Path) -> Iterator[tuple[str, list[str]]]:
    """Every call of `enos-ota` that is set as code: the command ("" for none) and its options."""
    text = document.read_text(encoding="utf-8") if document.suffix == ".yml" else code_of(document)
    for call in CALL.finditer(re.sub(r"(?m)(^|\s)# .*$", "", text.replace("\\\n", " "))):
        # What stands in quotes is a value, and behind one of these comes another command, or what is said about it.
        alone = re.split(r"[|;&>#)]|\.\.\.|…|,", re.sub(r'"[^"]*"|\'[^\']*\'', "VALUE", call["rest"]))[0]
        words = shlex.split(alone)
        if words:
            command = "" if words[0].startswith("-") else words.pop(0)
            yield command, [word.partition("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)]


def options(command: str) -> set[str]:
    """Every option of a command, long and short."""
    found = main if not command else getattr(importlib.import_module(f"enos_ota.cli.{command}"), command)
    assert isinstance(found, click.Command)
    parameters = found.get_params(click.Context(found, **main.context_settings))
    return {name for parameter in parameters for name in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("document", [*DOCUMENTS, *PIPELINES], ids=lambda file: str(file.relative_to(ROOT)))
def test_every_command_of_enos_ota_that_is_named_exists_and_has_the_options_that_are_named(document: Path) -> None:
    for command, named in calls(document):
        assert command in {"", *COMMANDS}, f"enos-ota {command}"
        assert set(named) <= options(command), f"enos-ota {command} {named}"


def test_commands_and_options_are_found_where_documents_have_them() -> None:
    """So that the test before sees something."""
    found = list(calls(DOCS / "emergency.md"))
    assert ("cancel", ["--job", "--waiting", "--expect-firmware", "--name", "--reason"]) in found
    assert {command for file in DOCUMENTS for command, _ in calls(file)} >= set(COMMANDS)


def test_every_command_is_in_the_table_of_the_readme() -> None:
    rows = re.findall(r"^\| \[`(\w+)`\]\(docs/cli\.md#enos-ota-(\w+)\) \| .+ \|$", section("Commands"), re.MULTILINE)
    assert all(name == anchor for name, anchor in rows)
    assert sorted(name for name, _ in rows) == sorted(COMMANDS)


def test_the_readme_leads_to_every_other_document() -> None:
    linked = {(ROOT / target).resolve() for target in re.findall(r"\]\(([^)#]+)", README.read_text(encoding="utf-8"))}
    assert {file for file in DOCUMENTS if file != README} - linked == set()


def test_that_it_was_never_run_against_a_real_enos_is_said_where_somebody_might_believe_it() -> None:
    for document in (README, DOCS / "enos.md", DOCS / "gitops.md", DOCS / "emergency.md"):
        text = " ".join(document.read_text(encoding="utf-8").split())
        assert "has never been run against a real EnOS" in text, document


def table(text: str, column: int) -> dict[str, str]:
    """First column → another one; a first column with two keys counts for both."""
    rows: dict[str, str] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and (names := re.findall(r"`(\w+)`", cells[0])):
            rows |= dict.fromkeys(names, cells[column])
    return rows


def is_default(said: str, field: FieldInfo) -> bool:
    """Whether this is what a table may say of the default of a setting."""
    said = said.strip("`")
    if field.is_required():
        return said == "required"
    if field.default is None:
        return said in {"none", "\N{EN DASH}"}
    return bool(said == field.default if isinstance(field.default, str) else json.loads(said) == field.default)


@pytest.mark.parametrize(
    ("title", "model"),
    [("How EnOS is reached", EnosKeys), ("What is cancelled", EnosOtaKeys), ("A set", DeclaredSet)],
    ids=["enos", "enos-ota", "set"],
)
def test_the_configuration_has_exactly_the_keys_that_there_are_with_their_defaults(
    title: str, model: type[Keys]
) -> None:
    rows = table(section(title, DOCS / "configuration.md"), column=2)
    assert set(rows) == set(model.names())
    wrong = [name for name, field in model.model_fields.items() if not is_default(rows[field.alias or name], field)]
    assert wrong == []


def test_the_readme_has_what_a_first_set_needs_as_it_is() -> None:
    rows = table(section("Settings of a first set"), column=1)
    fields = {field.alias or name: field for name, field in DeclaredSet.model_fields.items()}
    assert {name for name, field in fields.items() if field.is_required()} <= set(rows) <= set(fields)
    assert [name for name, said in rows.items() if not is_default(said, fields[name])] == []


def test_the_readme_explains_every_category() -> None:
    rows = re.findall(r"^\| ([a-z ]+) \|", section("What a set does"), re.MULTILINE)
    assert set(rows) == {*(category.value for category in Category), "cancelled after push"}


def test_every_argument_and_output_of_a_set_is_told() -> None:
    text = (DOCS / "programs.md").read_text(encoding="utf-8")
    arguments = set(inspect.signature(CancelledTaskSet).parameters) - {"name"}
    outputs = {name for name, member in vars(CancelledTaskSet).items() if isinstance(member, property)}
    words = set(re.findall(r"\b\w+\b", text))
    assert arguments | outputs <= words


def test_the_program_to_begin_with_fits_what_there_is() -> None:
    code = re.search(r"```python\n(.*?)```", (DOCS / "programs.md").read_text(encoding="utf-8"), re.DOTALL)
    assert code
    called: dict[str, Any] = {}

    class Recorded:
        def __init__(self, *arguments: object, **keywords: object) -> None:
            inspect.signature(CancelledTaskSet).bind(*arguments, **keywords)
            called["set"] = self

    source = code[1].replace("from enos_ota import CancelledTaskSet, require_converged\n", "")
    exec(source, {"CancelledTaskSet": Recorded, "require_converged": lambda *sets: called.update(sets=sets)})  # noqa: S102 - our own document
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
    code = re.search(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert code
    stack_file = tmp_path / "Pulumi.prod.yaml"
    stack_file.write_text(code[1], encoding="utf-8")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "pump-2.3.0.txt").write_text("pump-00016\n", encoding="utf-8")
    assert check_stack_file(stack_file) == ()
