"""The run that went wrong, and what in it did, in histories that were made to go wrong at a known place."""

import pytest
from lab import Lab

from instep.engine.compare.bisect import bisect
from instep.engine.compare.conditions import Condition
from instep.engine.errors import UsageError

PIPELINE = """
from instep import File, step
from helpers import shift

@step
def base(csv=File("data.txt"), *, x: float = 0.0):
    return float(csv.read_text()) + x

@step
def score(base, *, y: float = 0.0):
    if shift(y) > 50:
        raise ValueError("too far")
    return {"rmse": base + shift(y)}
"""
HELPERS = "def shift(y):\n    return y\n"


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path, PIPELINE, **{"helpers.py": HELPERS, "data.txt": "0"})


def found(lab, good, bad, condition="score.rmse < 10"):
    session = lab.session()
    try:
        return bisect(session, good, bad, Condition.parse(condition) if condition else Condition())
    finally:
        session.close()


@pytest.mark.parametrize(
    ("text", "value", "judged"),
    [
        ("score.rmse < 0.30", 0.29, "good"),
        ("score.rmse<0.30", 0.30, "bad"),
        ("score.r2>=-1e-3", -0.001, "good"),
        ("a.b != .5", 0.5, "bad"),
        ("a.b == 1", float("nan"), "unknown"),
    ],
)
def test_conditions(text, value, judged):
    assert Condition.parse(text).judge("done", value) == judged


@pytest.mark.parametrize("text", ["score.rmse", "< 3", "a.b < c", "a.b << 3", ""])
def test_what_is_no_condition_is_a_mistake(text):
    with pytest.raises(UsageError, match="no condition"):
        Condition.parse(text)


def test_the_run_and_the_param_in_it_are_named_with_few_looks(lab):
    for at in range(12):
        # From the eighth run on `y` is 20; `x` moves all the time and never enough.
        lab.run(base__x=at / 10, score__y=20.0 if at >= 7 else 0.0)
    told = found(lab, 1, 12)
    assert (told.last_good, told.first_bad, told.unjudged) == (7, 8, ())
    assert [one.name for one in told.guilty] == ["score.y"] and told.alone
    assert len(told.looked) <= 2 + 4 and not any(one.again for one in told.looked)
    assert {one.taken: one.value for one in told.tried} == pytest.approx({("score.y",): 20.6, ("base.x",): 0.7})


def test_the_only_determinant_needs_no_trial(lab):
    lab.run()
    lab.write("data.txt", "30")
    lab.run()
    told = found(lab, 1, 2)
    assert [(one.kind, one.name) for one in told.guilty] == [("file", "data.txt")]
    assert told.tried == () and "only determinant" in told.notes[0]


def test_code_is_guilty_among_other_changes(lab):
    lab.run()
    lab.edit("helpers.py", "return y", "return y + 15")
    lab.run(base__x=2.0)
    assert [one.name for one in found(lab, 1, 2).guilty] == ["code of score"]


def test_what_takes_several_together_is_said(lab):
    lab.run()
    lab.write("data.txt", "1")
    lab.run(base__x=6.0, score__y=6.0)
    told = found(lab, 1, 2)
    assert {one.name for one in told.guilty} == {"base.x", "score.y"} and not told.alone


def test_a_run_that_did_not_get_to_the_metric_is_run_again_from_its_snapshot(lab):
    lab.run()
    lab.run("base", base__x=1.0)  # the score was not asked for
    lab.run("base", base__x=11.0)
    lab.run(base__x=12.0)
    told = found(lab, 1, 4)
    assert (told.last_good, told.first_bad) == (2, 3)
    assert {one.run: (one.value, one.again) for one in told.looked} == {
        1: (0.0, False),
        2: (1.0, True),
        3: (11.0, True),
        4: (12.0, False),
    }


def test_a_failure_is_found_by_the_run_and_the_determinant(lab):
    lab.run()
    lab.run(base__x=1.0)
    lab.run(base__x=2.0, score__y=60.0)
    lab.run(base__x=3.0, score__y=60.0)
    told = found(lab, 1, 4, "")
    assert (told.last_good, told.first_bad) == (2, 3)
    assert [one.name for one in told.guilty] == ["score.y"]


def test_what_is_no_determinant_of_the_project_is_not_blamed_on_one(tmp_path):
    """The metric goes by a file that nobody declares and that lies outside; `x` changes at the same time."""
    outside = tmp_path / "outside.txt"
    outside.write_text("0")
    source = "from pathlib import Path\nfrom instep import step\n\n@step(cache=False)\n"
    source += "def score(*, x: float = 0.0, y: int = 0):\n"
    lab = Lab(tmp_path / "project", source + f"    return {{'rmse': float(Path('{outside}').read_text()) + x}}\n")
    lab.run()
    outside.write_text("30")
    lab.run(score__x=1.0, score__y=1)
    outside.write_text("0")
    told = found(lab, 1, 2)
    assert told.guilty == () and "none of these" in told.notes[-1]


def test_the_ends_must_be_what_they_are_said_to_be(lab):
    lab.run()
    lab.run(score__y=20.0)
    with pytest.raises(UsageError, match="run 2 is not good"):
        found(lab, 2, 1)
    with pytest.raises(UsageError, match="run 1 is not bad"):
        found(lab, 2, 1, "score.rmse > -1")
    with pytest.raises(UsageError, match="cannot be both"):
        found(lab, 1, 1)
    with pytest.raises(UsageError, match="no run 9"):
        found(lab, 1, 9)
