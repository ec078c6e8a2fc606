"""What the screen asks of two runs: what differs at once, lines, courses and rows when they are looked at."""

import json
import shutil
from pathlib import Path

import pytest
from logged_run import LoggedRun
from small_project import PIPELINE, project_in, run

from instep.engine.compare import deep
from instep.engine.errors import UsageError
from instep.engine.reading import comparing
from instep.engine.reading.comparing import (
    compare,
    compare_code,
    compare_many,
    compare_series,
    compare_table,
    compare_time,
    export_many,
)
from instep.engine.reading.desk import Desk
from instep.engine.snapshots.journal import Journal
from instep.engine.snapshots.records import RunNoted

CHANGED = PIPELINE.replace("range(3)", "range(5)").replace('print("reading', 'print("now reading')


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run 1 as it is; run 2 with other code, another param and another file; run 3 with another weight."""
    root = project_in(tmp_path_factory.mktemp("project"))
    run(root)
    (root / "pipeline.py").write_text(CHANGED)
    (root / "data.csv").write_text("a,b\n1,x\n2,q\n3,z\n9,w\n")
    run(root, table__rows=4)
    run(root, table__rows=4, score__weight=2.0)
    return root


def subjects(document: dict, kind: str) -> list[str]:
    return [one["subject"] for one in document["differences"] if one["kind"] == kind]


def test_determinants_come_before_what_came_out_of_them(root):
    told = compare(Desk(root), {"runs": [1, 2]})
    # A step that was slower this time is no difference that this is about.
    kinds = list(dict.fromkeys(one["kind"] for one in told["differences"] if one["kind"] != "step"))
    assert kinds == ["param", "code", "file", "metric", "table", "value", "log"]
    assert subjects(told, "param") == ["table.rows"]
    assert set(subjects(told, "code")) == {"pipeline:table", "pipeline:score"}
    assert told["courses"] == ["score.loss"]
    assert (told["going"], told["first_divergence"]["step"]) == (False, "table")
    assert ["param", "score.weight", 1.0] in told["same"]
    assert sum(told["equal"].values()) >= len(told["same"]) > 5


def test_the_lines_of_a_diff_are_not_sent_before_they_are_looked_at(root):
    told = compare(Desk(root), {"runs": [1, 2]})
    assert all("diff" not in one["detail"] for one in told["differences"])
    kept = Desk(root)
    compare(kept, {"runs": [1, 2]})
    found, _, _ = kept.kept["comparing"]["1", "2"]
    assert any("diff" in one.detail for one in found.differences), "what is kept for others stays whole"


def test_without_runs_the_newest_is_held_against_the_run_before_or_the_baseline(root, tmp_path):
    told = compare(Desk(root), {})
    assert (told["a"], told["b"], told["chosen"]) == (2, 3, False)
    made = [LoggedRun(tmp_path) for _ in range(4)]
    for one in made:
        one.finish()
    with Journal(tmp_path / ".instep" / "journal.sqlite") as journal:
        journal.append(RunNoted(made[0].run_id, baseline=True), RunNoted(made[3].run_id, hidden=True))
    assert comparing._newest(Desk(tmp_path)) == ["1", "3"]


def test_fewer_than_two_runs_are_no_mistake(tmp_path):
    assert compare(Desk(tmp_path), {}) == {"a": None, "there": 0}
    LoggedRun(tmp_path).finish()
    assert compare(Desk(tmp_path), {}) == {"a": None, "there": 1}


def test_code_comes_as_aligned_lines_with_the_places_of_the_changes(root):
    told = compare_code(Desk(root), {"runs": [1, 2], "kind": "code", "subject": "pipeline:score"})
    (start,) = told["hunks"]
    left, right = told["rows"][start]
    assert (left[1], left[2]) == ("    for epoch in range(3):", "-")
    assert (right[1], right[2]) == ("    for epoch in range(5):", "+")
    assert right[1][slice(*right[3][0])] == "5"
    assert told["paths"] == ["pipeline.py", "pipeline.py"]
    assert all(one[0][1] == one[1][1] for at, one in enumerate(told["rows"]) if at != start)


def test_logs_come_as_aligned_lines(root):
    told = compare_code(Desk(root), {"runs": [1, 2], "kind": "log", "subject": "table"})
    assert [[side and side[1] for side in row] for row in told["rows"]] == [
        ["reading \x1b[31m", None],
        [None, "now reading \x1b[31m"],
    ]
    assert told["paths"] == [None, None]


def test_what_does_not_differ_cannot_be_asked_for(root):
    with pytest.raises(UsageError, match="pipeline:square"):
        compare_code(Desk(root), {"runs": [1, 2], "kind": "code", "subject": "pipeline:square"})
    with pytest.raises(UsageError, match="nowhere"):
        compare_table(Desk(root), {"runs": [1, 2], "subject": "nowhere"})
    with pytest.raises(UsageError, match="two sides"):
        compare(Desk(root), {"runs": [1]})


def test_courses_of_both_sides(root):
    told = compare_series(Desk(root), {"runs": [1, 2], "name": "score.loss"})
    assert told["a"] == [[0, 1.0], [1, 0.5], [2, 1 / 3]]
    assert len(told["b"]) == 5
    assert compare_series(Desk(root), {"runs": ["now", 2], "name": "score.loss"})["a"] == []


def test_rows_of_a_table_are_read_only_where_they_are_asked_for(root, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("rows were read")

    desk = Desk(root)
    with monkeypatch.context() as patched:
        patched.setattr(deep, "compare_tables", refuse)
        told = compare(desk, {"runs": [1, 2]})
        assert subjects(told, "table") == ["table"]
        with pytest.raises(AssertionError, match="rows were read"):
            compare_table(desk, {"runs": [1, 2], "subject": "table"})
    data = compare_table(desk, {"runs": [1, 2], "subject": "table"})["data"]
    assert (data["key"], data["added"], data["removed"], data["changed"], data["cells"]) == (["a"], 1, 0, 1, 1)
    assert {one["column"] for one in data["drift"]} == {"a", "b"}


def test_what_is_inside_of_a_value(root):
    data = compare_table(Desk(root), {"runs": [1, 2], "subject": "score"})["data"]
    assert [(one["path"], one["before"], one["after"]) for one in data["paths"]] == [
        ("$.sum", 14.0, 95.0),
        ("$.count", 3, 4),
    ]


def test_several_runs_are_a_table_of_what_differs(root):
    told = compare_many(Desk(root), {"runs": [1, 2, 3]})
    values = {one["subject"]: one["values"] for one in told["rows"]}
    assert told["runs"] == [1, 2, 3] and told["states"] == ["done"] * 3
    assert values["score.weight"] == [1.0, 1.0, 2.0]
    assert values["pipeline:score"] == ["a", "b", "b"]
    assert not told["going"]
    with pytest.raises(UsageError, match="same run"):
        compare_many(Desk(root), {"runs": [3, "latest", 1]})


def test_ended_pairs_are_kept_and_one_that_goes_on_is_read_anew(tmp_path):
    LoggedRun(tmp_path, steps=["load"]).finish()
    going = LoggedRun(tmp_path, steps=["load"])
    desk = Desk(tmp_path)
    assert compare(desk, {"runs": [1, 2]})["going"]
    going.took("load", 0.0, 1.0, state="failed", error="ValueError: no")
    told = compare(desk, {"runs": [1, 2]})
    assert told["going"] and "comparing" in desk.kept and not desk.kept["comparing"]
    going.finish("failed", at=2.0)
    assert not compare(desk, {"runs": [1, 2]})["going"]
    assert list(desk.kept["comparing"]) == [("1", "2")]


def test_metrics_of_a_step_that_goes_on_are_told_and_drawn_as_they_come(root, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    going = LoggedRun(copy, steps=["score"])

    def logs(launch: int, *points: tuple[int, object], item: int | None = None) -> None:
        with going.path("score", launch).open("a") as file:
            for x, value in points:
                record = {"k": "metric", "t": 2_000_000, "i": item, "n": "loss", "v": value, "x": x}
                file.write(json.dumps(record) + "\n")

    desk = Desk(copy)
    asked = {"runs": [1, going.number], "name": "score.loss"}
    logs(1, (0, 9.0), (1, 8.0))
    logs(2, (0, 0.75), (1, "no number"), (1, 0.5))
    logs(2, (0, 77.0), item=3)
    told = compare(desk, {"runs": [1, going.number]})
    (loss,) = [one for one in told["differences"] if one["subject"] == "score.loss"]
    assert (loss["before"], loss["after"], loss["detail"]["change"]) == (1 / 3, 0.5, "worse")
    assert told["courses"] == ["score.loss"] and told["going"]
    drawn = compare_series(desk, asked)
    assert (drawn["a"], drawn["b"]) == ([[0, 1.0], [1, 0.5], [2, 1 / 3]], [[0, 0.75], [1, 0.5]])
    assert (drawn["axis"], drawn["axes"]) == ("count", ["count", "seconds"])
    assert compare_series(desk, asked | {"axis": "seconds"})["b"] == [[0.0, 0.75], [0.0, 0.5]]
    assert compare_series(desk, asked | {"axis": "epoch"})["axis"] == "count", "no epoch was logged along"
    logs(2, (2, 0.25))
    assert compare_series(desk, asked)["b"][-1] == [2, 0.25]
    going.finish(at=5.0)


def test_a_course_is_drawn_over_a_metric_that_was_logged_along(tmp_path):
    root = project_in(tmp_path)
    (root / "pipeline.py").write_text(
        PIPELINE.replace("log(loss=1 / (epoch + 1))", "log(loss=epoch, epoch=10 * epoch)")
    )
    run(root)
    run(root, score__weight=2.0)
    drawn = compare_series(Desk(root), {"runs": [1, 2], "name": "score.loss", "axis": "epoch"})
    assert drawn["axes"] == ["count", "seconds", "epoch"]
    assert drawn["a"] == drawn["b"] == [[0.0, 0.0], [10.0, 1.0], [20.0, 2.0]]


def test_the_time_of_both_and_a_table_of_what_differs(root, tmp_path):
    desk = Desk(root)
    told = compare_time(desk, {"runs": [1, "now"]})["charts"]
    assert [one["step"] for one in told[0]["steps"]] == ["table", "numbers", "square", "score"] and told[1] is None
    written = export_many(desk, {"runs": [1, 2, 3], "path": str(tmp_path / "t.csv")})
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[0] == "kind,subject,run 1,run 2,run 3" and len(lines) == written["rows"] + 1
    with pytest.raises(UsageError, match="no known ending"):
        export_many(desk, {"runs": [1, 2], "path": "t.pdf"})


def test_what_differs_is_shown_with_the_source_that_each_run_had(tmp_path):
    root = project_in(tmp_path)
    run(root)
    noted = PIPELINE.replace('    print("reading', '    # by hand\n    print("reading')
    (root / "pipeline.py").write_text(noted)
    run(root, table__rows=2)
    (root / "pipeline.py").write_text(noted.replace(".head(rows)", ".tail(rows)"))
    run(root, table__rows=2)
    told = compare_code(Desk(root), {"runs": [2, 3], "kind": "code", "subject": "pipeline:table"})
    changed = [[side and side[1] for side in row] for row in told["rows"] if not row[0] or row[0][2] != "="]
    before, after = ("    return pl.read_csv(csv).head(rows)", "    return pl.read_csv(csv).tail(rows)")
    assert changed == [[before, after]], "the comment came before run 2, with the same fingerprint"


def test_no_more_pairs_are_kept_than_are_of_use(tmp_path):
    for _ in range(5):
        LoggedRun(tmp_path).finish()
    desk = Desk(tmp_path)
    for a in range(1, 6):
        for b in range(1, 6):
            if a != b:
                compare(desk, {"runs": [a, b]})
    assert len(desk.kept["comparing"]) == comparing._PAIRS
