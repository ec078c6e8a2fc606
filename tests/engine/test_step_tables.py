"""`[step.NAME]` says where and when a step runs, and nothing of what it gives."""

from pathlib import Path

import pytest

from instep.engine.graph import Graph
from instep.engine.knowledge import Recorded
from instep.engine.plan import Facts, make_plan
from instep.engine.planner import Planner, Wishes
from instep.engine.snapshots.journal import Journal

PIPELINE = """
from instep import step

@step(gpus=1)
def model():
    return 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    return tmp_path


def facts_of(folder: Path, table: str) -> Facts:
    (folder / "instep.toml").write_text(table)
    with Journal(folder / ".instep" / "journal.sqlite") as journal:
        return Planner(folder, Recorded(journal, folder / ".instep")).facts({}, Wishes.none())


def graph_of(folder: Path, table: str) -> Graph:
    return facts_of(folder, table).graph


def test_a_table_wins_over_the_code(folder: Path) -> None:
    options = (
        graph_of(folder, '[step.model]\ngpus = 2\nrun_on = "gpu"\nlabels = { zone = "b" }\n').steps["model"].options
    )
    assert (options.gpus, options.run_on, options.labels) == (2.0, "gpu", {"zone": "b"})


def test_where_a_step_runs_is_no_part_of_its_key(folder: Path) -> None:
    keys: list[str | None] = []
    for table in ("", '[step.model]\nrun_on = "gpu"\nmemory = "1GiB"\n'):
        facts = facts_of(folder, table)
        with Journal(folder / ".instep" / "journal.sqlite") as journal:
            keys.append(make_plan(facts, Recorded(journal, folder / ".instep")).steps["model"].key)
    assert keys[0] == keys[1]


@pytest.mark.parametrize(
    ("table", "what", "mend"),
    [
        ("[step.modle]\ngpus = 1\n", "[step.modle] names no step", "Did you mean `model`?"),
        ("[step.model]\ngpsu = 1\n", "unknown key `gpsu` in [step.model]", "Did you mean `gpus`?"),
        ("[step.model]\nversion = 'b'\n", "unknown key `version` in [step.model]", ""),
        ("[step.model]\ngpus = 'many'\n", "`gpus` in [step.model] is 'many'", "Give a number of at least 0."),
    ],
)
def test_a_mistake_is_told_and_changes_nothing(folder: Path, table: str, what: str, mend: str) -> None:
    graph = graph_of(folder, table)
    assert [one.what for one in graph.problems] == [what]
    assert graph.problems[0].mend.startswith(mend)
    assert graph.steps["model"].options.gpus == 1.0
