"""What differs inside of the outputs of real runs: keys, small and large tables, lost bytes."""

import pytest
from lab import Lab

from instep.engine.compare import deep
from instep.engine.compare.deep import deepen, table_diff, table_drift
from instep.engine.compare.look import compare_facts, read_facts
from instep.engine.errors import UsageError

PIPELINE = """
import numpy as np
import polars as pl
from instep import step

KEY = ["name"]

@step(key=KEY)
def table(*, shift: int = 0):
    ids = [1 + shift, 2 + shift, 3 + shift]
    return pl.DataFrame({"id": ids, "name": ["x", "y", "z"], "v": [1.0, 2.0, 3.0 + shift]})

@step(outputs=["left", "right"], key="id")
def halves(table):
    return table.head(2), table.tail(1)

@step
def array(table):
    return np.asarray(table["v"])

@step
def kind(*, shift: int = 0):
    return [1, 2] if shift else {"a": 1}
"""


@pytest.fixture
def lab(tmp_path):
    lab = Lab(tmp_path, PIPELINE)
    lab.run()
    lab.run(shift=1)
    return lab


def deepened(lab, a="1", b="2", **more):
    one, other = read_facts(lab.root, [a, b])
    found = deepen(lab.store, compare_facts(lab.root, one, other), one, other, **more)
    return {(each.kind, each.subject): each.detail.get("data") for each in found.differences}


def test_a_key_is_taken_as_declared_also_for_named_outputs_and_the_working_tree(lab):
    found = deepened(lab)
    assert (found["table", "table"]["key"], found["table", "table"]["key_source"]) == (["name"], "declared")
    assert found["table", "table"]["changed"] == 3
    assert found["table", "left"]["key"] == ["id"]  # a text is a key of one column
    assert found["array", "array"]["max_absolute"] == 1.0
    assert deepened(lab, "2", "now")["table", "table"]["key_source"] == "declared"


def test_a_given_key_is_taken_where_it_fits(lab):
    found = deepened(lab, key=["v"])
    assert found["table", "table"]["key_source"] == found["table", "left"]["key_source"] == "given"
    with pytest.raises(UsageError, match="no table that differs has the columns `w`"):
        deepened(lab, key=["w"])


def test_a_key_changes_nothing_of_what_is_stale(lab):
    before = lab.run()
    lab.edit("pipeline.py", 'KEY = ["name"]', 'KEY = ["id"]')
    session = lab.session()
    try:
        from instep.engine.session import RunRequest

        assert [one["state"] for one in session.status(RunRequest())["steps"]] == ["fresh"] * 4
    finally:
        session.close()
    assert before == 3


def test_large_tables_are_read_when_they_are_asked_for(lab, monkeypatch):
    monkeypatch.setattr(deep, "READ_BY_ITSELF", 3)
    assert deepened(lab)["table", "table"] is None
    found = deepened(lab, step="table")
    assert found["table", "table"]["changed"] == 3 and found["table", "left"] is None
    assert [one["column"] for one in found["table", "table"]["drift"]] == ["id", "v"]
    assert deepened(lab, every=True)["table", "left"]["read"]


def test_an_output_of_another_kind_is_told_as_that(lab):
    found = deepened(lab)
    assert found["value", "kind"]["paths"][0]["path"] == "$"


def test_one_table_and_one_column_for_a_screen(lab):
    a, b = read_facts(lab.root, ["1", "2"])
    assert table_diff(lab.store, a, b, "table").changed == 3
    assert table_diff(lab.store, a, b, "table", ["id"]).added == 1
    assert table_drift(lab.store, a, b, "table", "v").quantiles[1][-1] == pytest.approx(3.8)
    with pytest.raises(UsageError, match="no output `nope`"):
        table_diff(lab.store, a, b, "nope")
    with pytest.raises(UsageError, match="column `w`"):
        table_drift(lab.store, a, b, "table", "w")
    with pytest.raises(UsageError, match="array"):
        table_diff(lab.store, a, b, "array")


def test_pandas_and_arrow_tables_are_compared_as_well(tmp_path):
    pytest.importorskip("pandas")
    lab = Lab(
        tmp_path,
        """
        import pandas as pd
        from instep import step

        @step
        def frame(*, last: str = "c"):
            index = pd.Index(["p", "q", "r"], name="who")
            return pd.DataFrame({"x": pd.Categorical(["a", "b", last]), "y": [1.0, None, 3.0]}, index=index)
        """,
    )
    lab.run()
    lab.run(frame__last="a")
    data = deepened(lab)["table", "frame"]
    assert data["changed"] == 1 and data["key"] == ["who"]
    assert data["preview"][0]["cells"] == {"x": ["c", "a"]}
