"""A snapshot that is run again and comes to something else: what the parity report says of it."""

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from lab import Lab

from instep.engine.compare.beside import beside
from instep.engine.compare.facts import RunFacts, StepFact
from instep.engine.compare.read_beside import parity_report
from instep.engine.compare.runs import compare
from instep.engine.errors import UsageError
from instep.engine.session import RunRequest
from instep.ide.views.parity import report_lines

PIPELINE = """
import os
import numpy as np
import polars as pl
from instep import step

def drift():  # what another machine would do, which no key sees
    return float(open(os.environ["LAB_DRIFT"]).read())

@step
def load():
    return [1, 2, 3]

@step
def table(load):
    return pl.DataFrame({"k": load, "x": [1.0, 2.0 + drift(), 4.0], "name": ["a", "b", "c"]})

@step
def array(load):
    return np.array([1.0, 8.0 + drift()])

@step
def score(table, array):
    return {"rmse": float(table["x"].sum() + array.sum()), "n": len(table)}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Run 1; 2 repeats it and comes to the same; 3 repeats it and does not."""
    folder = tmp_path_factory.mktemp("beside")
    lab = Lab(folder / "lab", PIPELINE)
    drift = folder / "drift"
    drift.write_text("0")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LAB_DRIFT", str(drift))
        lab.run()
        for value in ("0", "0.5"):
            drift.write_text(value)
            session = lab.session()
            try:
                session.run(RunRequest(replay=1), lambda _: None, threading.Event())
            finally:
                session.close()
    return lab


def test_a_repeat_that_comes_to_the_same_is_told_as_that(lab):
    report = parity_report(lab.root, 2)
    assert (report["identical"], report["first"], report["outputs"], report["equal"]) == (True, None, [], 4)
    assert report_lines(report, 100)[0] == ("ok", "✓ run 2 on local beside run 1 on local: all 4 outputs identical")


def test_the_first_step_that_differs_and_the_largest_difference_of_each_output(lab):
    report = parity_report(lab.root, 3)
    assert not report["identical"]
    assert report["first"] == {"step": "table", "outputs": ["table"], "state": None}
    largest = {one["name"]: (one["max_absolute"], one["max_relative"]) for one in report["outputs"]}
    assert largest == {"table": (0.5, 0.25), "array": (0.5, 0.0625), "score": (1.0, 1 / 16)}
    (table,) = (one for one in report["outputs"] if one["name"] == "table")
    assert [(one["name"], one["changed"]) for one in table["columns"]] == [("x", 1)]
    assert report["equal"] == 1


def test_time_is_told_step_by_step_of_both(lab):
    report = parity_report(lab.root, 3)
    assert [one["name"] for one in report["steps"]] == ["load", "table", "array", "score"]
    assert all(each is not None for one in report["steps"] for each in one["seconds"])
    assert report["cost"] == [None, None]


def test_a_run_that_repeats_none_has_no_report(lab):
    with pytest.raises(UsageError, match="run 1 repeats no other"):
        parity_report(lab.root, 1)


def facts(label: str, target: str, seconds: float, **steps: StepFact) -> RunFacts:
    return RunFacts(label, "done", target, tuple(steps), {"seconds": seconds}, steps=steps)


def report_of(a: RunFacts, b: RunFacts, prices: Mapping[str, float]) -> dict[str, Any]:
    return beside(a, b, compare(a, b), {"first-time": 40.0}, prices)


def test_the_cost_is_the_price_of_the_target_for_as_long_as_the_run_took():
    a = facts("1", "local", 90.0, fit=StepFact("fit", "reused", 0.1, made_by="first-time"))
    b = facts("2", "gpu", 36.0, fit=StepFact("fit", "done", 30.0, made_by="own"))
    report = report_of(a, b, {"gpu": 2.5})
    assert (report["price"], report["cost"]) == ([None, 2.5], [None, 0.025])
    assert report["steps"][0]["seconds"] == [40.0, 30.0], "what was re-used took what it took when it was made"
    assert any("0.025" in text and "2.5 an hour" in text for _, text in report_lines(report, 100))


def test_a_step_that_fails_there_is_the_first_to_differ():
    a = facts("1", "local", 1.0, fit=StepFact("fit", "done", 1.0), score=StepFact("score", "done", 1.0))
    b = facts("2", "gpu", 1.0, fit=StepFact("fit", "failed", 1.0), score=StepFact("score", "blocked"))
    report = report_of(a, b, {})
    assert report["first"] == {"step": "fit", "outputs": [], "state": ["done", "failed"]}
    assert "fit is the first to differ: failed on gpu, done on local" in report_lines(report, 100)[0][1]
