"""A notebook sees the runs, their values and their tables."""

from typing import Any

import polars as pl
import pytest
from small_project import project_in, run

import instep
from instep.engine.errors import ProjectError, UsageError


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = project_in(tmp_path_factory.mktemp("project"))
    run(root)
    run(root, score__weight=2.0)
    return instep.open_project(root)


def test_runs_are_a_frame_with_metrics_and_params(opened):
    frame = opened.runs()
    assert frame["run"].to_list() == [2, 1]
    assert frame["score.sum"].to_list() == [28.0, 14.0]
    assert frame["params.score.weight"].to_list() == [2.0, 1.0]
    assert opened.runs("score.sum > 20").height == 1


def test_a_run_gives_values_as_they_were_returned(opened):
    first = opened.run(1)
    assert isinstance(first["table"], pl.DataFrame) and first["table"].rows() == [(1, "x"), (2, "y"), (3, "z")]
    assert first["square"] == [1, 4, 9]
    assert first["score"] == {"sum": 14.0, "count": 3}
    assert first.metrics["score.count"] == 3 and first.params["score"] == {"weight": 1.0}
    assert opened.run().number == 2 and "table" in first and "nope" not in first


def test_sql_is_a_frame(opened):
    assert opened.sql("from run_2.table select a, a").columns == ["a", "a_1"]
    assert opened.sql("from run where false").height == 0


def test_it_says_what_it_is(opened):
    assert repr(opened).startswith("<instep project ")
    assert repr(opened.run(1)) == "<run 1, done: table, numbers, square, score>"


def test_what_is_not_there_is_said(opened, tmp_path):
    with pytest.raises(UsageError, match="no run 9"):
        opened.run(9)
    with pytest.raises(UsageError, match="Did you mean"):
        opened.run(1)["tabel"]
    with pytest.raises(ProjectError):
        instep.open_project(tmp_path)


def test_a_project_without_runs_has_an_empty_frame(tmp_path):
    project_in(tmp_path)
    assert instep.open_project(tmp_path).runs().is_empty()
