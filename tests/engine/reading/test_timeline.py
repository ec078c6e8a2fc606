"""A chart of a run tells when each step worked, what it waited for and what it took before, as it was recorded."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logged_run import LoggedRun
from small_project import PIPELINE, project_in, run

from instep.engine.errors import UsageError
from instep.engine.ids import StepName, StepRunId
from instep.engine.reading.desk import Desk
from instep.engine.reading.timeline import needs_of, neighbours, parallel, peak, timeline
from instep.engine.snapshots.journal import Journal
from instep.engine.snapshots.records import RunNoted, StepStarted

FAILING = """
@step(retries=1)
def bad(score):
    raise ValueError('no')
@step
def after(bad):
    return bad
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run 1 as it is, run 2 with another weight, run 3 fails."""
    root = project_in(tmp_path_factory.mktemp("project"))
    run(root)
    run(root, score__weight=2.0)
    (root / "pipeline.py").write_text(PIPELINE + FAILING)
    run(root)
    return root


def steps(document: dict) -> dict[str, dict]:
    return {one["step"]: one for one in document["steps"]}


def test_steps_are_told_in_the_order_of_the_graph_with_their_needs(root):
    told = timeline(Desk(root), {"number": 1})
    assert (told["state"], told["going"], told["older"], told["newer"]) == ("done", False, None, 2)
    assert list(steps(told)) == ["table", "numbers", "square", "score"]
    # `square` takes `number=Each("numbers")`: known by content, not by name.
    assert [one["needs"] for one in told["steps"]] == [[], ["table"], ["numbers"], ["square"]]
    begun = told["started"]
    for one in told["steps"]:
        ((start, end, state),) = one["spans"]
        assert begun <= start <= end <= told["ended"] and state == "done"
        begun = start


def test_a_fan_out_is_one_row_with_its_course(root):
    fan = steps(timeline(Desk(root), {"number": 1}))["square"]
    assert fan["items"] == {"done": 3}
    assert len(fan["parallel"]) == 120
    assert fan["peak"] == 1 and 0 < max(fan["parallel"]) <= 1


def test_what_was_reused_tells_what_it_saved_and_has_no_bar(root):
    first = steps(timeline(Desk(root), {"number": 1}))
    second = steps(timeline(Desk(root), {"number": 2}))
    for name in ("table", "numbers", "square"):
        assert (second[name]["state"], second[name]["spans"]) == ("reused", [])
        assert second[name]["saved"] == first[name]["seconds"]
    assert second["score"]["before"] == [1, first["score"]["seconds"]]
    assert first["score"]["before"] is None


def test_each_attempt_is_a_span_and_what_was_blocked_has_none(root):
    told = steps(timeline(Desk(root), {}))
    assert [span[2] for span in told["bad"]["spans"]] == ["failed", "failed"]
    assert "ValueError" in told["bad"]["error"]
    assert told["bad"]["needs"] == ["score"]
    assert (told["after"]["state"], told["after"]["spans"], told["after"]["needs"]) == ("blocked", [], None)


def test_a_step_that_goes_on_has_an_open_end_and_needs_that_are_not_known(tmp_path):
    run = LoggedRun(tmp_path)
    run.journal.append(StepStarted(run.run_id, StepRunId("s1"), StepName("train"), None, 1, "local", "", 1_500_000))
    told = timeline(Desk(tmp_path), {})
    assert (told["state"], told["going"], told["ended"]) == ("running", True, None)
    assert steps(told)["train"]["spans"] == [[1_500_000, None, "running"]]
    assert steps(told)["train"]["needs"] is None
    run.finish("interrupted")


def test_neighbours_leave_out_hidden_runs(root, tmp_path):
    assert neighbours(Desk(root), {"number": 2}) == {"older": 1, "newer": 3}
    assert neighbours(Desk(root), {"number": 3}) == {"older": 2, "newer": None}
    made = [LoggedRun(tmp_path) for _ in range(3)]
    for one in made:
        one.finish()
    with Journal(tmp_path / ".instep" / "journal.sqlite") as journal:
        journal.append(RunNoted(made[1].run_id, hidden=True))
    assert neighbours(Desk(tmp_path), {"number": 3})["older"] == 1


def test_nothing_recorded_yet_is_no_mistake_and_a_run_that_is_not_there_is_one(root, tmp_path):
    assert timeline(Desk(tmp_path), {}) == {"number": None, "steps": []}
    for op in (timeline, neighbours):
        with pytest.raises(UsageError, match="99"):
            op(Desk(root), {"number": 99})


def test_needs_go_by_name_before_content():
    outputs = [
        {"step": "split", "name": "train", "content_hash": "same"},
        {"step": "other", "name": "other", "content_hash": "same"},
        {"step": "lists", "name": "lists", "content_hash": "l"},
    ]
    inputs = [
        {"step": "model", "name": "train", "content_hash": "same"},
        {"step": "fan", "name": "country", "content_hash": "l"},
        {"step": "fan", "name": "nowhere", "content_hash": "gone"},
    ]
    assert needs_of(inputs, outputs) == {"model": ["split"], "fan": ["lists"]}


worked = st.builds(
    lambda begin, spans: [(begin + start, begin + start + took) for start, took in spans],
    st.sampled_from([0, 1_795_517_780_194_561]),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 3_000))),
)


@given(worked, st.integers(1, 50))
def test_the_course_of_a_fan_out_holds_all_the_work_and_never_more_than_its_peak(spans, bins):
    filled = parallel(spans, bins)
    if not spans:
        assert filled == [] and peak(spans) == 0
        return
    width = max(1.0, (max(end for _, end in spans) - min(start for start, _ in spans)) / bins)
    work = sum(end - start for start, end in spans)
    assert sum(filled) * width == pytest.approx(work, rel=0.02, abs=0.006 * bins * width)
    assert max(filled) <= peak(spans) + 0.01
    moments = {start for start, _ in spans}
    assert peak(spans) == max(sum(start <= at < end for start, end in spans) for at in moments)
