"""What the list of runs is given: which metrics have a course, and in what order they are wanted."""

from small_project import project_in, run

from instep.engine.reading.desk import Desk
from instep.engine.reading.history import SPARK, about, runs
from instep.engine.reading.runs import thinned

COUNTING = """
@step
def trained(*, seed: int = 1):
    from instep import log
    for epoch in range(3):
        log(epoch=epoch, loss=1 / (1 + epoch))
    return 1
"""


def test_the_course_of_a_count_comes_after_those_of_what_it_counts(tmp_path):
    root = project_in(tmp_path)
    pipeline = root / "pipeline.py"
    pipeline.write_text(pipeline.read_text() + COUNTING)
    run(root)
    series = [one for one in runs(Desk(root), {})["series"] if one.startswith("trained.")]
    assert series == ["trained.loss", "trained.epoch"]


def two_runs_of_a_course(tmp_path, epochs=3):
    root = project_in(tmp_path)
    pipeline = root / "pipeline.py"
    pipeline.write_text(pipeline.read_text() + COUNTING.replace("range(3)", f"range({epochs})"))
    run(root)
    run(root, trained__seed=2)
    return root


def test_the_newest_runs_can_be_had_alone_and_say_whether_there_are_more(tmp_path):
    desk = Desk(two_runs_of_a_course(tmp_path))
    newest, every = runs(desk, {"limit": 1}), runs(desk, {"limit": 3})
    assert [one[0] for one in newest["runs"]] == [2] and newest["more"]
    assert [one[0] for one in every["runs"]] == [2, 1] and not every["more"]
    assert newest["runs"][0] == every["runs"][0]


def test_the_values_of_chosen_metrics_are_told_and_the_names_of_all(tmp_path):
    desk = Desk(two_runs_of_a_course(tmp_path))
    for _ in range(2):  # the second answer knows the names from the first
        told = runs(desk, {"metrics": ["trained.loss"]})
        assert told["metrics"] == runs(desk, {})["metrics"] and len(told["metrics"]) > 1
        assert [list(one[11]) for one in told["runs"]] == [["trained.loss"]] * 2
    assert runs(desk, {"where": "trained.loss > 1"})["runs"] == []
    assert [one[0] for one in runs(desk, {"where": "trained.loss < 1 and number = 1"})["runs"]] == [1]


def test_a_trend_is_thinned_as_courses_are(tmp_path):
    desk = Desk(two_runs_of_a_course(tmp_path, epochs=101))
    whole = [[at, 1 / (1 + at)] for at in range(101)]
    told = about(desk, {"numbers": [1, 2], "baseline": None, "metric": "trained.loss"})["about"]
    assert told["1"]["trend"] == told["2"]["trend"] == [value for _, value in thinned(whole, SPARK)]
