"""Differences between facts that were made by hand: determinants, steps, metrics, outputs."""

import math
from dataclasses import replace

import pytest

from instep.engine.compare.determinants import compare_determinants
from instep.engine.compare.facts import FileFact, OutputFact, RunFacts, StepFact
from instep.engine.compare.happened import compare_steps, first_divergence
from instep.engine.compare.metrics import compare_metrics, spread_of, t95
from instep.engine.compare.outputs import compare_outputs
from instep.engine.compare.runs import compare, equal_things
from instep.engine.metric_names import direction


def run(label="1", **facts):
    return RunFacts(label, "done", graph=("a", "b"), **facts)


def differing(a, b):
    return [(one.kind, one.subject) for part in compare_determinants(a, b) for one in part.differences]


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ({"params": {"a.x": 1}}, {"params": {"a.x": 1.0}}, [("param", "a.x")]),
        ({"params": {"a.x": 1}}, {"params": {"a.x": True}}, [("param", "a.x")]),
        ({"params": {"a.x": [1, {"k": None}]}}, {"params": {"a.x": [1, {"k": None}]}}, []),
        ({"params": {"a.x": None}}, {"params": {}}, [("param", "a.x")]),
        (
            {"packages": {"polars": "1", "gone": "2"}},
            {"packages": {"polars": "2"}},
            [("package", "polars"), ("package", "gone")],
        ),
        ({"python": "3.11"}, {"python": "3.12"}, [("python", "python")]),
        ({"hardware": {"cpus": 2, "gpus": []}}, {"hardware": {"cpus": 4, "gpus": []}}, [("hardware", "cpus")]),
        ({"target": "local"}, {"target": "gpu"}, [("target", "target")]),
        ({"host": "x"}, {"host": "y"}, [("target", "host")]),
    ],
)
def test_determinants_differ_by_value_and_type(before, after, wanted):
    assert differing(run(**before), run("2", **after)) == wanted


DECLARED, SEEN = FileFact("h", 1, ("a",), "csv"), FileFact("h", 1, ("a",))


@pytest.mark.parametrize(
    ("file", "state", "told"),
    [
        (DECLARED, "done", True),
        (DECLARED, "reused", True),
        (DECLARED, "blocked", False),  # it was not known whether it would have been read
        (SEEN, "done", True),
        (SEEN, "reused", False),  # what is only seen to be read is recorded where the step ran
    ],
)
def test_a_file_that_one_side_lacks_is_told_where_the_other_would_know_it(file, state, told):
    a = run(files={"d.csv": file}, steps={"a": StepFact("a", "done")})
    b = run("2", steps={"a": StepFact("a", state)})
    assert differing(a, b) == ([("file", "d.csv")] if told else [])
    assert differing(b, a) == ([("file", "d.csv")] if told else [])


def change(old, new):
    """The change of one step whose two sides are these."""
    a, b = run(steps={"a": old} if old else {}), run("2", steps={"a": new} if new else {})
    found = compare_steps(a, b).differences
    return found[0].detail["change"] if found else ""


DONE = StepFact("a", "done", seconds=1.0, target="local", made_by="x")


@pytest.mark.parametrize(
    ("new", "wanted"),
    [
        (replace(DONE, state="reused", seconds=None), ""),
        (replace(DONE, state="failed"), "state"),
        (replace(DONE, seconds=1.2), ""),
        (replace(DONE, seconds=1.3), "slower"),
        (replace(DONE, seconds=0.5), "faster"),
        (replace(DONE, target="gpu"), "where"),
        (replace(DONE, attempt=2, made_by="y"), "attempts"),
        (replace(DONE, step_key="k2"), ""),
        (None, ""),  # it is in the graph and was not asked for
    ],
)
def test_of_a_step_only_what_is_worth_it_is_told(new, wanted):
    assert change(DONE, new) == wanted


def test_a_failure_is_told_of_a_step_that_the_other_run_was_not_asked_for():
    assert change(replace(DONE, state="failed"), None) == "state"


def test_short_steps_are_never_slower():
    assert change(replace(DONE, seconds=0.01), replace(DONE, seconds=0.09)) == ""


def test_two_failures_with_other_errors_differ():
    one = replace(DONE, state="failed", error="ValueError: a")
    assert change(one, replace(one, error="ValueError: b")) == "error"
    assert change(one, one) == ""


def test_a_key_that_differs_by_nothing_that_is_told_is_told_itself():
    one, other = replace(DONE, step_key="k1"), replace(DONE, step_key="k2")
    assert change(one, other) == "key"
    assert change(replace(one, inputs={"x": "1"}), replace(other, inputs={"x": "2"})) == ""


def test_steps_that_left_or_joined_the_graph_are_told():
    a = RunFacts("1", "done", graph=("a",), steps={"a": DONE})
    b = RunFacts("2", "done", graph=("b",), steps={"b": replace(DONE, name="b")})
    assert [(one.subject, one.detail["change"]) for one in compare_steps(a, b).differences] == [
        ("b", "added"),
        ("a", "removed"),
    ]


def test_the_first_divergence_is_the_first_step_with_equal_inputs():
    a = run(steps={"a": replace(DONE, outputs={"a": "1"}), "b": replace(DONE, inputs={"a": "1"}, outputs={"b": "1"})})
    b = run(
        "2", steps={"a": replace(DONE, outputs={"a": "1"}), "b": replace(DONE, inputs={"a": "1"}, outputs={"b": "2"})}
    )
    assert first_divergence(a, b, ()) == {"step": "b", "outputs": ["b"], "because": []}
    assert first_divergence(a, a, ()) is None


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("score.rmse", "lower"),
        ("score.val_loss", "lower"),
        ("model.log_loss", "lower"),
        ("x.error_rate", "lower"),
        ("fit.test-accuracy", "higher"),
        ("x.r2", "higher"),
        ("score.n", None),  # `score` is the step
        ("loss.rows", None),
    ],
)
def test_the_direction_is_in_the_last_part_of_the_name(name, wanted):
    assert direction(name) == wanted


@pytest.mark.parametrize(
    ("before", "after", "wanted", "relative"),
    [(0.2, 0.1, "better", -0.5), (0.1, 0.2, "worse", 1.0), (0.0, 0.2, "worse", None), (math.nan, 0.2, "changed", None)],
)
def test_metrics_tell_better_from_worse(before, after, wanted, relative):
    (one,) = compare_metrics(run(metrics={"a.loss": before}), run("2", metrics={"a.loss": after})).differences
    assert one.detail["change"] == wanted
    assert one.detail["relative"] == (pytest.approx(relative) if relative is not None else None)


def test_a_metric_of_a_step_that_did_not_end_is_not_told_as_gone():
    a = run(metrics={"a.loss": 1.0}, steps={"a": DONE})
    assert compare_metrics(a, run("2", steps={"a": replace(DONE, state="failed")})).differences == ()
    (one,) = compare_metrics(a, run("2", steps={"a": DONE})).differences
    assert one.detail["change"] == "removed"
    assert compare_metrics(run(metrics={"a.loss": math.nan}), run(metrics={"a.loss": math.nan})).equal == 1


def test_the_spread_is_pooled_over_the_groups():
    found = spread_of([1.0, 3.0], [10.0, 14.0], [7.0])
    assert found.seeds == 4 and found.deviation == pytest.approx(5**0.5)
    assert found.margin == pytest.approx(t95(2) * 2**0.5 * 5**0.5)
    assert spread_of([1.0], [2.0]) is None
    assert t95(1) > t95(5) > t95(11) > t95(1000)


def test_outputs_that_are_not_known_are_left_out_and_kinds_are_kept_apart():
    one = OutputFact("t", "a", "1", "table", "table", "polars", 3, 10)
    a = run(outputs={"t": one}, steps={"a": DONE})
    assert [part.differences for part in compare_outputs(a, run("2", steps={"a": replace(DONE, state="failed")}))] == [
        (),
        (),
        (),
    ]
    other = replace(one, content_hash="2", kind="object", format="pkl", rows=None)
    found = [
        d for part in compare_outputs(a, run("2", outputs={"t": other}, steps={"a": DONE})) for d in part.differences
    ]
    assert [(d.kind, d.detail["kind"]) for d in found] == [("value", ["table", "object"])]


def test_what_is_equal_is_counted_and_named_alike():
    a = run(params={"a.x": 1, "a.y": 2}, python="3.11", metrics={"a.n": 1.0}, steps={"a": DONE})
    b = run("2", params={"a.x": 1, "a.y": 3}, python="3.11", metrics={"a.n": 1.0}, steps={"a": DONE})
    found = compare(a, b)
    named = equal_things(a, b, found)
    for kind in ("param", "python", "metric", "step", "target"):
        assert sum(one.kind == kind for one in named) == found.equal[kind], kind
