"""Two real runs, and the working tree, are compared as they were made."""

import json

import pytest
from lab import Lab

from instep.engine.compare.deep import deepen
from instep.engine.compare.differences import KINDS, Comparison
from instep.engine.compare.look import compare_runs, read_facts
from instep.engine.compare.runs import compare, only_step
from instep.engine.errors import UsageError

PIPELINE = """
import polars as pl
from instep import File, log, step
from helpers import scale

LIMIT = 2

@step
def table(csv=File("data.csv"), *, rows: int = 3):
    print("reading", rows, "rows")
    return pl.read_csv(csv).head(rows)

@step
def model(table, *, rate: float = 0.1, seed: int = 0):
    return {"weight": scale(table["a"].sum(), rate) + seed}

@step
def score(model, table, *, limit: int = LIMIT):
    for epoch in range(2):
        log(loss=1 / (epoch + 1))
    return {"rmse": model["weight"] - limit}
"""
HELPERS = "def scale(x, rate):\n    return x * rate\n"
DATA = "a,b\n1,x\n2,y\n3,z\n4,w\n"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Run 1 as it is; 2 another param; 3 another helper and a line more of data; 4 fails; 5 only the table."""
    lab = Lab(tmp_path_factory.mktemp("lab"), PIPELINE, **{"helpers.py": HELPERS, "data.csv": DATA})
    lab.run()
    lab.run(model__rate=0.5)
    lab.edit("helpers.py", "x * rate", "x * rate + 1")
    lab.write("data.csv", "a,b\n1,x\n2,y\n9,z\n4,w\n")
    lab.run()
    lab.edit("pipeline.py", 'return {"weight"', 'raise ValueError("no")\n    return {"weight"')
    lab.run()
    lab.run("table", table__rows=2)
    lab.write("pipeline.py", PIPELINE)
    return lab


def told(comparison):
    return [(one.kind, one.subject) for one in comparison.differences]


def test_one_param_and_what_followed_from_it(lab):
    found = compare_runs(lab.root, "1", "2")
    assert told(found) == [
        ("param", "model.rate"),
        ("metric", "model.weight"),
        ("metric", "score.rmse"),
        ("value", "model"),
        ("value", "score"),
    ]
    assert (found.differences[0].before, found.differences[0].after) == (0.1, 0.5)
    assert found.first_divergence == {"step": "model", "outputs": ["model"], "because": ["model.rate"]}
    rmse = found.of("metric")[1]
    assert (rmse.before, rmse.after) == (pytest.approx(-1.4), pytest.approx(1.0))
    assert rmse.detail["absolute"] == pytest.approx(2.4)
    assert (rmse.detail["change"], rmse.detail["better"], rmse.detail["spread"]) == ("worse", "lower", None)


def test_equal_things_are_counted(lab):
    equal = compare_runs(lab.root, "1", "2").equal
    assert set(equal) == set(KINDS)
    assert (equal["param"], equal["file"], equal["table"], equal["python"]) == (3, 1, 1, 1)
    assert equal["code"] >= 5 and equal["package"] >= 1


def test_a_helper_and_a_file_are_the_causes_that_come_first(lab):
    found = compare_runs(lab.root, "1", "3")
    assert told(found)[:2] == [("code", "helpers:scale"), ("file", "data.csv")]
    code, file = found.differences[:2]
    assert code.detail["steps"] == ["model"] and code.before == "helpers.py:1"
    assert file.detail["steps"] == ["table"] and file.before != file.after
    (table,) = found.of("table")
    assert table.detail["columns"] == {
        "added": [],
        "removed": [],
        "retyped": {},
        "changed": ["a"],
        "equal": 1,
        "reordered": False,
    }
    assert found.first_divergence["step"] == "table" and found.first_divergence["because"] == ["data.csv"]


def test_a_failure_is_a_difference_and_what_it_kept_from_being_known_is_not(lab):
    found = compare_runs(lab.root, "3", "4")
    assert told(found) == [("code", "pipeline:model"), ("step", "model"), ("step", "score")]
    model, score = found.of("step")
    assert (model.before, model.after, model.detail["error"]) == ("done", "failed", [None, "ValueError: no"])
    assert score.after == "blocked"


def test_code_is_compared_also_where_a_step_was_never_decided(lab):
    lab.edit("pipeline.py", 'model["weight"] - limit', 'model["weight"] + limit')
    lab.edit("pipeline.py", 'return {"weight"', 'raise ValueError("no")\n    return {"weight"')
    failed = lab.run()
    found = compare_runs(lab.root, "3", str(failed))
    assert {"pipeline:model", "pipeline:score"} == {one.subject for one in found.of("code")}
    lab.write("pipeline.py", PIPELINE)


def test_of_steps_that_were_not_asked_for_only_a_failure_is_a_difference(lab):
    found = compare_runs(lab.root, "4", "5")
    assert [one.subject for one in found.of("param")] == ["table.rows"]
    assert [(one.subject, one.before, one.after) for one in found.of("step", "metric")] == [("model", "failed", None)]
    assert [one.subject for one in found.of("table")] == ["table"]


def test_the_working_tree_is_compared_without_running_anything(lab):
    before = len(list((lab.store / "runs").iterdir()))
    same = compare_runs(lab.root, "3", "now")
    assert same.b == "now" and same.determinants() == ()
    lab.edit("helpers.py", "rate + 1", "rate + 2")
    try:
        found = compare_runs(lab.root, "3", "now")
    finally:
        lab.edit("helpers.py", "rate + 2", "rate + 1")
    assert told(found) == [("code", "helpers:scale"), ("step", "model"), ("step", "score")]
    assert [one.after for one in found.of("step")] == ["stale", "pending"]
    assert found.of("step")[0].detail["reasons"]
    assert len(list((lab.store / "runs").iterdir())) == before


def test_swapping_the_sides_swaps_before_and_after(lab):
    one, other = read_facts(lab.root, ["1", "3"])
    there, back = compare(one, other), compare(other, one)
    assert {(d.kind, d.subject) for d in there.differences} == {(d.kind, d.subject) for d in back.differences}
    swapped = {(d.kind, d.subject): (d.after, d.before) for d in back.differences}
    assert all(swapped[d.kind, d.subject] == (d.before, d.after) for d in there.differences)
    assert there.equal == back.equal


def test_a_run_has_no_difference_from_itself(lab):
    (one,) = read_facts(lab.root, ["1"])
    assert compare(one, one).differences == ()


def test_one_step_alone(lab):
    found = only_step(compare_runs(lab.root, "1", "3"), "table")
    assert told(found) == [("file", "data.csv"), ("table", "table")]


def test_the_document_is_json_and_gives_the_comparison_back(lab):
    one, other = read_facts(lab.root, ["1", "3"])
    found = deepen(lab.store, compare_runs(lab.root, "1", "3"), one, other, every=True)
    document = found.to_json()
    assert Comparison.from_json(json.loads(json.dumps(document, allow_nan=False))).to_json() == document
    assert (document["a"], document["b"]) == (1, 3)
    assert set(document["differences"][0]) == {"kind", "subject", "before", "after", "detail"}
    assert document["runs"][0]["steps"] == {"done": 3}


@pytest.mark.parametrize(
    ("a", "b", "hint"), [("1", "77", "no run 77"), ("1", "1", "itself"), ("now", "now", "compared with a run")]
)
def test_what_cannot_be_compared_is_said(lab, a, b, hint):
    with pytest.raises(UsageError, match=hint):
        compare_runs(lab.root, a, b)


def test_logs_that_differ_in_numbers_only_are_equal(tmp_path):
    lab = Lab(
        tmp_path, 'from instep import step\n@step\ndef a(*, n: int = 1):\n    print("took", n, "s")\n    return n\n'
    )
    lab.run()
    lab.run(n=2)
    lab.edit("pipeline.py", 'print("took", n, "s")', 'print("took", n, "s")\n    print("done")')
    lab.run()
    assert compare_runs(tmp_path, "1", "2").of("log") == ()
    assert compare_runs(tmp_path, "1", "2").equal["log"] == 1
    (one,) = compare_runs(tmp_path, "2", "3").of("log")
    assert (one.before, one.after, one.detail["only_b"], one.detail["only_a"]) == (1, 2, ["done"], [])


def test_a_change_is_measured_against_the_spread_of_the_seeds(tmp_path):
    lab = Lab(
        tmp_path,
        """
        from instep import step

        @step
        def score(*, seed: int = 0, rate: float = 1.0):
            return {"rmse": [10.0, 12.0, 14.0][seed] * rate, "n": 1}
        """,
    )
    for seed in range(3):
        lab.run(seed=seed)
    lab.run(score__rate=1.1)
    lab.run(score__rate=9.0)
    (near,) = compare_runs(tmp_path, "1", "4").of("metric")
    assert near.detail["spread"]["seeds"] == 3
    assert near.detail["spread"]["deviation"] == pytest.approx(2.0)
    assert near.detail["spread"]["margin"] == pytest.approx(4.303 * 2**0.5 * 2.0)
    assert near.detail["within_spread"] is True
    assert compare_runs(tmp_path, "1", "5").of("metric")[0].detail["within_spread"] is False
