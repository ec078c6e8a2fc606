"""Why a run is as it is, asked by a screen."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from small_project import PIPELINE, project_in, run

from instep.engine.reading.desk import Desk
from instep.engine.reading.steps import since
from instep.engine.reading.why import why
from instep.engine.snapshots.journal import Journal
from instep.engine.snapshots.projector import project
from instep.engine.snapshots.records import RunStarted
from instep.ide.views.why import page


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run 1 as it is, run 2 with another weight, run 3 with a step that fails."""
    root = project_in(tmp_path_factory.mktemp("project"))
    run(root)
    run(root, score__weight=2.0)
    (root / "pipeline.py").write_text(PIPELINE.replace("    for epoch", "    assert not square\n    for epoch"))
    run(root, score__weight=2.0)
    return root


def test_a_metric_is_followed_to_the_param_that_moved_it(root):
    told = why(Desk(root), {"number": 2})
    assert (told["failure"], told["against"], told["metrics"]) == (None, 1, ["score.sum"])
    assert [one["subject"] for one in told["metric"]["causes"]] == ["score.weight"]
    assert [one["step"] for one in told["metric"]["chain"]] == ["score"]


def test_a_run_that_goes_on_is_told_to_go_on(root, tmp_path):
    copy = Path(shutil.copytree(root, tmp_path / "copy"))
    with Journal(copy / ".instep" / "journal.sqlite") as journal:
        run_id, number = journal.new_run()
        (begun,) = [one for one in journal.events_of(journal.run_id(1)) if isinstance(one, RunStarted)]
        journal.append(replace(begun, run_id=run_id, number=number))
    project(copy / ".instep")
    told = why(Desk(copy), {"number": number})
    assert (told["going"], told["metric"]) == (True, None)
    assert not why(Desk(copy), {"number": 2})["going"]
    said = [one.text.plain for one in page(told, "", 80)]
    assert said[:2] == [f"No metric differs from run {number - 1} so far.", "The run is going on."]


def test_a_failure_is_followed_to_the_code_that_changed_since(root):
    told = why(Desk(root), {"number": 3})
    assert (told["failure"]["step"], told["failure"]["last_good"]) == ("score", 2)
    (cause,) = told["failure"]["causes"]
    assert (cause["subject"], cause["at_failure"], "diff" in cause["detail"]) == ("pipeline:score", True, False)
    assert since(Desk(root), {"number": 3, "step": "score"})["since"]["causes"][0]["subject"] == "pipeline:score"


def test_a_first_run_has_its_reasons_and_nothing_to_be_held_against(root):
    told = why(Desk(root), {"number": 1})
    assert (told["against"], told["metric"]) == (None, None)
    assert ["table", "never run"] in told["reasons"]


def test_a_run_that_did_not_fail_has_nothing_since(root):
    assert since(Desk(root), {"number": 1, "step": "score"}) == {"since": None}
