"""What the documents say is so: commands, public names, JSON keys, links, and the code in the README."""

import ast
import re
from pathlib import Path

import instep
from instep.engine.graph import Options
from instep.engine.options import _READERS
from instep.ide.cli import _parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def commands() -> set[str]:
    actions = [action for action in _parser()._actions if action.choices]
    return set(actions[0].choices)  # type: ignore[arg-type]


def test_the_readme_names_every_command() -> None:
    for name in commands():
        assert re.search(rf"`(instep )?{name}\b", README), name


def test_the_readme_begins_with_the_two_commands() -> None:
    first = README.index("pip install uv && uv run instep demo")
    assert first < README.index("uv run pytest") < README.index("## ")


def test_the_python_in_the_readme_is_python_and_uses_public_names() -> None:
    for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and node.module == "instep":
                assert {alias.name for alias in node.names} <= set(instep.__all__)


def test_every_step_option_is_read_and_named_in_the_readme() -> None:
    fields = set(Options.__dataclass_fields__)
    assert fields == set(_READERS)
    for name in fields:
        assert f"`{name}" in README, name


def test_all_public_names_can_be_imported() -> None:
    for name in instep.__all__:
        assert getattr(instep, name) is not None
    assert set(instep.__all__) <= set(dir(instep))


def test_links_in_the_documents_lead_somewhere() -> None:
    for document in ROOT.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (ROOT / target).exists(), f"{document.name}: {target}"


def test_the_architecture_names_files_that_are_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    for name in re.findall(r"`((?:engine|ide|remote|tests)/[\w/]+\.py)`", text):
        assert (ROOT / name).is_file(), name
