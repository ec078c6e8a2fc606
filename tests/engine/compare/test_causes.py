"""Why a run failed and why a metric moved, in pipelines whose causes are known."""

import pytest
from lab import Lab

from instep.engine.compare.explain import explain_failure, explain_metric
from instep.engine.errors import UsageError

PIPELINE = """
from instep import Each, File, step
from helpers import scale, check

@step
def raw(csv=File("data.txt")):
    return [int(one) for one in csv.read_text().split()]

@step
def side(*, unused: int = 0):
    return unused

@step
def clean(raw, *, low: int = 0):
    return [one for one in raw if one >= low]

@step
def doubled(one=Each("clean")):
    return one * 2

@step
def model(doubled, *, rate: float = 1.0):
    return {"weight": scale(sum(doubled), rate)}

@step
def score(model, side, *, limit: int = 0):
    check(model["weight"])
    return {"rmse": model["weight"] - limit}
"""
HELPERS = """
def scale(x, rate):
    return x * rate

def check(x):
    if x > 1000:
        raise ValueError(f"{x} is too much")
"""


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path, PIPELINE, **{"helpers.py": HELPERS, "data.txt": "1 2 3"})


def named(causes):
    return [(one.difference.kind, one.difference.subject, one.distance) for one in causes]


def test_a_metric_is_followed_through_the_steps_to_the_file_and_the_param_that_moved_it(lab):
    lab.run()
    lab.write("data.txt", "1 2 4")
    lab.run(score__limit=1)
    found = explain_metric(lab.root, "2", "1", "score.rmse")
    assert (found.metric.before, found.metric.after) == (12.0, 13.0)
    assert [one.step for one in found.chain] == ["score", "model", "doubled", "clean", "raw"]
    assert named(found.causes) == [("param", "score.limit", 0), ("file", "data.txt", 4)]
    assert found.causes[1].via == ("raw", "clean", "doubled", "model", "score")
    assert found.chain[1].outputs[0].subject == "model" and found.chain[1].before == ("doubled",)


def test_what_had_no_effect_is_no_cause(lab):
    """`low` changes the code path of `clean` and nothing comes out different; `unused` reaches the score."""
    lab.run()
    lab.run(clean__low=1, side__unused=5, model__rate=2.0)
    found = explain_metric(lab.root, "latest", "1", "score.rmse")
    assert named(found.causes) == [("param", "model.rate", 1), ("param", "side.unused", 1)]


def test_the_only_metric_needs_no_name_and_one_of_several_does(lab):
    lab.run()
    lab.run(score__limit=1)
    assert explain_metric(lab.root, "2", "1").metric.subject == "score.rmse"
    lab.run(model__rate=2.0)
    with pytest.raises(UsageError, match=r"model.weight, score.rmse|score.rmse, model.weight"):
        explain_metric(lab.root, "3", "1")
    with pytest.raises(UsageError, match=r"`score\.rmse`"):
        explain_metric(lab.root, "3", "1", "score.rms")
    with pytest.raises(UsageError, match="no metric differs"):
        explain_metric(lab.root, "1", str(lab.run(model__rate=1.0, side__unused=0, score__limit=0, clean__low=-1)))


def test_a_step_that_differs_without_a_cause_is_called_unexplained(tmp_path):
    lab = Lab(
        tmp_path,
        "import time\nfrom instep import step\n@step(cache=False)\ndef s():\n    return {'t': time.perf_counter()}\n",
    )
    lab.run()
    lab.run()
    found = explain_metric(tmp_path, "2", "1")
    assert found.causes == () and [one.unexplained for one in found.chain] == [True]


def test_a_failure_names_the_last_good_run_and_what_changed_nearest_first(lab):
    lab.run()
    lab.run(side__unused=3)
    lab.write("data.txt", "1 2 4000")
    lab.edit("helpers.py", "is too much", "is far too much")
    lab.edit("helpers.py", "return x * rate", "return x * rate * 1")
    failed = lab.run(side__unused=3)
    assert lab.run(side__unused=3) == failed + 1
    found = explain_failure(lab.root, failed)
    assert (found.step, found.last_good) == ("score", "2")
    assert named(found.causes) == [
        ("code", "helpers:check", 0),
        ("code", "helpers:scale", 1),
        ("file", "data.txt", 4),
    ]
    assert [one.at_failure for one in found.causes] == [True, False, False]
    assert found.elsewhere == 0


def test_changes_that_cannot_have_reached_the_failure_are_counted(lab):
    lab.run()
    lab.edit(
        "pipeline.py",
        "def score(model, side, *, limit: int = 0):",
        "def other(*, p: int = 1):\n    return p\n\n@step\ndef score(model, side, *, limit: int = 0):",
    )
    lab.run()
    failed = lab.run(model__rate=1e6, other__p=2)
    found = explain_failure(lab.root, failed)
    assert named(found.causes) == [("param", "model.rate", 1)]
    assert found.elsewhere == 1


def test_a_step_that_never_ended_well_has_no_last_good_run(lab):
    failed = lab.run(model__rate=1e6)
    found = explain_failure(lab.root, failed)
    assert (found.step, found.last_good, found.causes) == ("score", None, ())


def test_a_run_without_a_failure_has_none(lab):
    assert explain_failure(lab.root, lab.run()) is None
