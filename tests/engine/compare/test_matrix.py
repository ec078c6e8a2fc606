"""Several runs: what differs only, a column each, the best marked."""

import csv

import polars as pl
import pytest

from instep.engine.compare.facts import FileFact, RunFacts
from instep.engine.compare.matrix import as_csv, as_markdown, export, matrix_of
from instep.engine.errors import UsageError

RUNS = [
    RunFacts("1", "done", params={"m.rate": 1, "m.k": "a|b"}, metrics={"s.rmse": 0.5, "s.acc": 0.9, "s.n": 3.0}),
    RunFacts("2", "done", params={"m.rate": 1.0, "m.k": "a|b"}, metrics={"s.rmse": 0.25, "s.acc": 0.9, "s.n": 4.0}),
    RunFacts("now", "stale", params={"m.rate": 1, "m.k": "x"}, files={"d.csv": FileFact("h", 1)}),
]


def rows(runs):
    return {(one.kind, one.subject): (one.values, one.best) for one in matrix_of(runs).rows}


def test_only_what_differs_is_a_row_and_types_count():
    found = rows(RUNS[:2])
    assert found == {
        ("param", "m.rate"): ((1, 1.0), ()),
        ("metric", "s.rmse"): ((0.5, 0.25), (1,)),
        ("metric", "s.n"): ((3.0, 4.0), ()),
    }
    assert matrix_of(RUNS[:2]).equal["param"] == 1


def test_what_a_run_has_not_is_empty_and_contents_are_letters():
    found = rows(RUNS)
    assert found["file", "d.csv"] == ((None, None, "a"), ())
    assert found["metric", "s.rmse"] == ((0.5, 0.25, None), (1,))
    assert found["metric", "s.acc"] == ((0.9, 0.9, None), ())


def test_it_is_written_as_csv_markdown_and_parquet(tmp_path):
    matrix = matrix_of(RUNS)
    lines = list(csv.reader(as_csv(matrix).splitlines()))
    assert lines[0] == ["kind", "subject", "run 1", "run 2", "now"]
    assert ["param", "m.k", "a|b", "a|b", "x"] in lines
    assert "| param | m.k | a\\|b | a\\|b | x |\n" in as_markdown(matrix)
    assert "| metric | s.rmse | 0.5 | **0.25** |  |\n" in as_markdown(matrix)
    export(matrix, tmp_path / "m.parquet", "parquet")
    assert pl.read_parquet(tmp_path / "m.parquet").filter(subject="m.k")["now"].to_list() == ["x"]
    with pytest.raises(UsageError, match="cannot write"):
        export(matrix, tmp_path / "gone" / "m.csv", "csv")
