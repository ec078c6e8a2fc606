"""Attribution on pipelines whose true contributions are known."""

import threading

import pytest
from lab import Lab

from instep.engine.compare.attribution import attribute, quote
from instep.engine.errors import UsageError
from instep.engine.offline import status_here
from instep.engine.snapshots.catalog import Catalog

ADDITIVE = """
from instep import File, step
from helpers import shift

@step
def base(csv=File("data.txt")):
    return float(csv.read_text())

@step
def left(base, *, x: float = 1.0):
    return base + x

@step
def right(*, y: float = 2.0):
    return shift(y)

@step
def other(*, z: int = 0):
    return z

@step
def score(left, right):
    return {"rmse": left + right}
"""
HELPERS = "def shift(y):\n    return y\n"


def lab_of(tmp_path, pipeline=ADDITIVE, **files):
    return Lab(tmp_path, pipeline, **{"helpers.py": HELPERS, "data.txt": "10", **files})


def taken_apart(lab, a="1", b="2", metric="score.rmse", seeds=()):
    session = lab.session()
    try:
        quoted = quote(session, a, b, metric, seeds=seeds)
        return quoted, attribute(session, quoted)
    finally:
        session.close()


def values(found):
    return {one.factor.name: one.value for one in found.contributions}


def test_an_additive_pipeline_is_taken_apart_exactly(tmp_path):
    lab = lab_of(tmp_path)
    lab.run()
    lab.edit("helpers.py", "return y", "return y + 5")
    lab.write("data.txt", "13")
    lab.run(left__x=2.5, other__z=1)
    quoted, found = taken_apart(lab)
    assert values(found) == pytest.approx({"code of right": 5.0, "data.txt": 3.0, "left.x": 1.5})
    assert (found.before, found.after, found.method) == (13.0, 22.5, "exact")
    assert all(one.error == 0.0 for one in found.contributions)
    assert found.interactions == () and found.left_out == ()
    assert any("nothing is known of chance" in one for one in found.notes)
    # Of 8 hybrids the ends are known; base has 2 results, right 2 (all known), left 4 (2 new), score 8 (6 new).
    assert (quoted.price.hybrids, quoted.price.step_runs) == (6, 8)
    assert sum(one.run is not None for one in found.tried) == 6


def test_a_second_time_everything_is_known(tmp_path):
    lab = lab_of(tmp_path)
    lab.run()
    lab.run(left__x=2.5, right__y=0.0)
    _, first = taken_apart(lab)
    quoted, again = taken_apart(lab)
    assert (quoted.price.hybrids, quoted.price.step_runs) == (0, 0)
    assert quoted.price.reused == 4 * 4  # of four hybrids four steps: `other` does not reach the score
    assert values(again) == values(first) == pytest.approx({"left.x": 1.5, "right.y": -2.0})
    assert all(one.run is None for one in again.tried)


def test_an_interaction_is_shared_and_named(tmp_path):
    lab = lab_of(tmp_path, ADDITIVE.replace("left + right}", "left * right}"))
    lab.run()  # (10 + 1) · 2 = 22
    lab.run(left__x=3.0, right__y=5.0)  # (10 + 3) · 5 = 65
    _, found = taken_apart(lab)
    # Alone: x 13·2 − 22 = 4, y 11·5 − 22 = 33; together 43, so 6 are of both.
    assert values(found) == pytest.approx({"right.y": 36.0, "left.x": 7.0})
    (both,) = found.interactions
    assert set(both.factors) == {"left.x", "right.y"} and both.value == pytest.approx(6.0)


def test_code_of_several_steps_in_one_file_is_taken_apart_step_by_step(tmp_path):
    lab = lab_of(tmp_path)
    lab.run()
    lab.edit("pipeline.py", "return base + x", "return base + x + math.floor(4.5)")
    lab.edit("pipeline.py", "return shift(y)", "return -twice(y)")
    lab.edit("pipeline.py", "from helpers import shift", "import math\nfrom helpers import twice")
    lab.write("helpers.py", HELPERS + "\ndef twice(y):\n    return 2 * y\n")
    lab.run()
    _, found = taken_apart(lab)
    assert values(found) == pytest.approx({"code of right": -6.0, "code of left": 4.0})
    assert found.method == "exact"


def test_a_new_step_comes_with_the_code_that_takes_it(tmp_path):
    lab = lab_of(tmp_path)
    lab.run()
    lab.edit(
        "pipeline.py",
        '@step\ndef score(left, right):\n    return {"rmse": left + right}',
        "@step\ndef more(left):\n    return left * 2\n\n"
        '@step\ndef score(more, right):\n    return {"rmse": more + right}',
    )
    lab.run(right__y=3.0)
    _, found = taken_apart(lab)
    assert values(found) == pytest.approx({"code of score": 11.0, "right.y": 1.0})


def test_a_step_that_moved_to_another_file_leaves_code_as_one_factor(tmp_path):
    lab = lab_of(tmp_path)
    lab.run()
    moved = "@step\ndef right(*, y: float = 2.0):\n    return shift(y)\n"
    lab.edit("pipeline.py", moved, "")
    lab.write("steps/more.py", "from instep import step\nfrom helpers import shift\n\n" + moved)
    lab.edit("pipeline.py", "left + right}", "left + right + 1}")
    lab.edit("helpers.py", "return y", "return y + 2")
    lab.run(left__x=2.0)
    _, found = taken_apart(lab)
    assert values(found) == pytest.approx({"all code": 3.0, "left.x": 1.0})


def test_hybrids_that_cannot_run_are_named_and_the_rest_is_told(tmp_path):
    pipeline = ADDITIVE.replace(
        'return {"rmse": left + right}',
        'if left > 20 and right < 5:\n        raise ValueError("out of range")\n    return {"rmse": left + right}',
    )
    lab = lab_of(tmp_path, pipeline)
    lab.run()
    lab.run(left__x=30.0, right__y=6.0)
    _, found = taken_apart(lab)
    (failed,) = [one for one in found.tried if one.problem]
    assert failed.taken == ("left.x",) and "ValueError: out of range" in failed.problem
    assert found.method == "partial" and values(found) == pytest.approx({"left.x": 29.0, "right.y": 4.0})
    assert any("1 of 4 hybrids have no value" in one for one in found.notes)


def test_hybrids_are_hidden_runs_and_leave_the_project_as_it_was(tmp_path):
    lab = lab_of(tmp_path)
    lab.run()
    lab.run(left__x=2.5, right__y=0.0)
    before = status_here(lab.root, {})
    _, found = taken_apart(lab)
    numbers = [one.run for one in found.tried if one.run]
    catalog = Catalog(lab.store)
    assert [one["run"] for one in catalog.runs()] == [2, 1]
    assert {one["run"] for one in catalog.runs(hidden=True)} == {1, 2, *numbers}
    assert catalog.latest() == 2
    assert catalog.show(numbers[0])["note"] == "score.rmse of 1 and 2"
    assert [(one["name"], one["state"], one["reasons"]) for one in status_here(lab.root, {})["steps"]] == [
        (one["name"], one["state"], one["reasons"]) for one in before["steps"]
    ]
    assert not (lab.store / "hybrid").exists()


WIDE = """
from instep import Each, File, log, step
from lib.parts import piece

@step
def parts(texts=File("data/*.txt")):
    return [float(one.read_text()) for one in texts]

@step
def pieces(part=Each("parts"), *, factor: float = 1.0):
    return piece(part) * factor

@step(outputs=["total", "count"])
def sums(pieces, *, factor: float = 1.0):
    return sum(pieces) * factor, len(pieces)

@step
def score(total, count):
    log(mean=total / count)
    log(mean=total + count)
"""


def test_globs_fan_outs_named_outputs_packages_and_logged_metrics(tmp_path):
    """Before: (1 + 2) · 1 + 2 = 5. A third file of 4 adds 5, the two factors of 2 multiply the sum by 4."""
    lab = Lab(
        tmp_path,
        WIDE,
        **{
            "lib/__init__.py": "",
            "lib/parts.py": "def piece(part):\n    return part\n",
            "data/a.txt": "1",
            "data/b.txt": "2",
        },
    )
    lab.run()
    lab.write("data/c.txt", "4")
    lab.edit("lib/parts.py", "return part", "return part + 1")
    lab.run(factor=2.0)
    quoted, found = taken_apart(lab, metric="score.mean")
    assert {one.name for one in quoted.factors} == {"data/c.txt", "code of pieces", "factor"}
    assert quoted.factors[-1].subjects == ("data/c.txt",)

    def value(taken):
        parts = [1.0, 2.0, *([4.0] if "data/c.txt" in taken else [])]
        total = sum(one + ("code of pieces" in taken) for one in parts) * (4 if "factor" in taken else 1)
        return total + len(parts)

    assert (found.before, found.after) == (value(()), value(("data/c.txt", "code of pieces", "factor")))
    for one in found.tried:
        assert one.value == value(one.taken), one
    assert sum(values(found).values()) == pytest.approx(found.after - found.before)
    assert found.method == "exact" and found.interactions


def test_another_configuration_goes_with_all_code(tmp_path):
    lab = lab_of(tmp_path)
    lab.run()
    lab.write("instep.toml", '[project]\nname = "lab"\nroots = ["lib", "."]\n')
    lab.write("lib/helpers.py", "def shift(y):\n    return y + 7\n")
    lab.run(left__x=2.0)
    _, found = taken_apart(lab)
    assert values(found) == pytest.approx({"all code": 7.0, "left.x": 1.0})


def test_input_files_that_are_gone_keep_their_hybrids_from_running(tmp_path):
    lab = lab_of(tmp_path)
    lab.run()
    lab.write("data.txt", "13")
    lab.run(left__x=2.0)
    for path in (lab.store / "objects").rglob("*.file"):
        path.unlink()
    quoted, found = taken_apart(lab)
    assert {one.problem for one in quoted.outlooks} >= {"the bytes of `data.txt` as a run read it are gone"}
    assert found.method == "partial"


def test_a_cancelled_attribution_says_what_it_knows(tmp_path):
    lab = lab_of(tmp_path)
    lab.run()
    lab.run(left__x=2.0, right__y=5.0)
    session = lab.session()
    try:
        quoted = quote(session, "1", "2", "score.rmse")
        cancel = threading.Event()
        found = attribute(session, quoted, cancel=cancel, progress=lambda done, of: cancel.set() if done == 2 else None)
    finally:
        session.close()
    assert [one.problem for one in found.tried] == ["", "", "cancelled", "cancelled"]
    assert found.method == "partial" and found.contributions[0].value is not None
    assert Catalog(lab.store).show(found.tried[1].run)["state"] == "done"


NOISY = """
import random
from instep import step

@step
def sample(*, seed: int = 0, shift: float = 0.0):
    source = random.Random(f"{seed}")
    return [source.gauss(shift, 1.0) for _ in range(20)]

@step
def score(sample, *, seed: int = 0, scale: float = 1.0):
    return {"rmse": scale * sum(sample) / len(sample) + random.Random(f"score {seed} {scale}").gauss(0.0, 0.3)}
"""


def test_with_seeds_the_truth_lies_within_the_error(tmp_path):
    """True contributions: shift adds 5 to the mean; scale does 2 · 5 − 5 = 5 more with it and nothing without."""
    lab = lab_of(tmp_path, NOISY)
    lab.run()
    lab.run(sample__shift=5.0, score__scale=2.0)
    quoted, found = taken_apart(lab, seeds=range(6))
    told = {one.factor.name: one for one in found.contributions}
    truth = {"sample.shift": 7.5, "score.scale": 2.5}
    assert set(told) == set(truth)
    for name, wanted in truth.items():
        assert 0 < told[name].error < 2.0
        assert abs(told[name].value - wanted) <= told[name].error
        assert told[name].beyond_chance is True
    assert quoted.price.hybrids == 4 * 6 - 2  # with seed 0 the ends are known
    assert {one.seed for one in found.tried} == set(range(6))


def test_a_contribution_within_the_spread_of_the_seeds_is_said_to_be(tmp_path):
    lab = lab_of(tmp_path, NOISY)
    for seed in range(4):
        lab.run(seed=seed)
    lab.run(seed=0, sample__shift=9.0, score__scale=1.0001)
    _, found = taken_apart(lab, "1", "5")
    told = {one.factor.name: one.beyond_chance for one in found.contributions}
    assert told == {"sample.shift": True, "score.scale": False}
    assert found.noise.seeds == 4


def test_many_factors_are_sampled_with_an_error(tmp_path):
    params = ", ".join(f"p{at}: float = 0.0" for at in range(6))
    total = " + ".join(f"p{at}" for at in range(6))
    lab = lab_of(
        tmp_path, f'from instep import step\n@step\ndef score(*, {params}):\n    return {{"rmse": {total} + p0 * p1}}\n'
    )
    lab.run()
    lab.run(**{f"score__p{at}": float(at + 1) for at in range(6)})
    _, found = taken_apart(lab)
    assert found.method == "sampled"
    told = {one.factor.name: one for one in found.contributions}
    truth = {f"score.p{at}": at + 1 + (1.0 if at < 2 else 0.0) for at in range(6)}
    for name, wanted in truth.items():
        assert abs(told[name].value - wanted) <= told[name].error + 1e-9
    assert sum(one.value for one in found.contributions) == pytest.approx(23.0)


def test_what_cannot_be_taken_apart_is_said(tmp_path):
    lab = lab_of(tmp_path)
    lab.run()
    lab.run(left__x=2.0)
    session = lab.session()
    try:
        with pytest.raises(UsageError, match="working tree"):
            quote(session, "1", "now", "score.rmse")
        with pytest.raises(UsageError, match="no metric"):
            quote(session, "1", "2", "score.r2")
    finally:
        session.close()
