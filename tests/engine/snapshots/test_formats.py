"""What a step returned is what the next one gets, and looking at it later needs no more than what was noted then."""

import datetime
import os
import subprocess
import sys
import threading
from pathlib import Path
from textwrap import dedent

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.engine.errors import MissingObject, StepError, UsageError
from instep.engine.snapshots.artifact import Artifact, ItemRef
from instep.engine.snapshots.formats import (
    OutputError,
    export,
    items_of,
    join_items,
    load,
    load_item,
    store,
    store_items,
)
from instep.engine.snapshots.objects import ObjectStore

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "store")


def again(value, objects):
    return load(store(value, objects).artifact, objects)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    return ObjectStore(tmp_path_factory.mktemp("store"))


@given(PLAIN)
def test_plain_values_come_back_as_they_were(shared, value):
    stored = store(value, shared).artifact
    back = load(stored, shared)
    assert (type(back), repr(back)) == (type(value), repr(value))
    assert store(back, shared).artifact.identity == stored.identity


@pytest.mark.parametrize(
    "table",
    [
        pl.DataFrame({"a": [1, None], "s": ["x", None], "l": [[1], None]}),
        pl.DataFrame({"c": pl.Series(["x", "y"], dtype=pl.Categorical)}),
        pl.DataFrame({"e": pl.Series(["x", "y"], dtype=pl.Enum(["y", "x", "z"]))}),
        pl.DataFrame({"t": pl.Series([0], dtype=pl.Datetime("us", "Europe/Paris"))}),
        pl.DataFrame({"i": pl.Series([1], dtype=pl.Int128)}),
        pl.DataFrame(),
        pl.DataFrame(schema={"a": pl.String}),
    ],
    ids=str,
)
def test_polars_tables_come_back_as_they_were(objects, table):
    back = again(table, objects)
    assert back.schema == table.schema
    assert back.equals(table)


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"a": [1, 2], "s": ["x", None], "t": pd.to_datetime(["2020", "2021"])}),
        pd.DataFrame({"a": [1, 2]}, index=pd.Index(["p", "q"], name="k")),
        pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", "y"])),
        pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(4, 8, 2)),
        pd.DataFrame(np.zeros((2, 2))),
        pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}),
        pd.DataFrame({"o": pd.Series([1, "a", [2]], dtype=object)}),
        pd.DataFrame({"o": pd.Series(["a", None], dtype=object)}),
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame(index=range(3)),
    ],
    ids=str,
)
def test_pandas_tables_come_back_as_they_were(objects, table):
    back = again(table, objects)
    pd.testing.assert_frame_equal(back, table)
    assert type(back.index) is type(table.index)


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"a": ["x"]}),
        pa.table({"a": pa.array(["x", "y"]).dictionary_encode()}),
        pa.table({"a": [1]}).replace_schema_metadata({"k": "v"}),
        pa.table({"a": [1]}, schema=pa.schema([pa.field("a", pa.int64(), nullable=False)])),
        pa.table({"a": pa.array([1], pa.time32("s")), "b": pa.array([1], pa.timestamp("s"))}),
    ],
    ids=["string", "dictionary", "metadata", "not null", "seconds"],
)
def test_arrow_tables_come_back_as_they_were(objects, table):
    back = again(table, objects)
    assert back.schema.equals(table.schema, check_metadata=True)
    assert back.equals(table)


@pytest.mark.parametrize("dtype", ["f8", "i4", ">i4", "?", "U3", "M8[D]", [("a", "i4"), ("b", "f8")]])
def test_arrays_come_back_writable_and_what_is_written_stays_here(objects, dtype):
    array = np.zeros((2, 3), dtype)
    stored = store(array, objects).artifact
    first = load(stored, objects)
    assert (first.dtype, first.shape) == (array.dtype, array.shape)
    first[:] = np.ones((2, 3), dtype)
    assert np.array_equal(load(stored, objects), array)


@pytest.mark.parametrize(
    "value", [{1, 2}, range(3), datetime.date(2020, 1, 1), {1: 2}, "\ud800", b"abc", [datetime.date(2020, 1, 1), 1]]
)
def test_other_values_come_back_as_they_were(objects, value):
    back = again(value, objects)
    assert (type(back), back) == (type(value), value)


def test_a_pickle_keeps_what_is_shared_and_what_is_read_only(objects):
    array = np.arange(20_000.0)
    array.flags.writeable = False
    held = np.zeros(3)
    back = again({1: held, 2: held, 3: array}, objects)
    assert back[1] is back[2]
    assert (back[1].flags.writeable, back[3].flags.writeable) == (True, False)


def test_a_list_of_tables_is_a_list_of_tables(objects):
    frames = [pl.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]}), pa.table({"a": [3]})]
    stored = store(frames, objects).artifact
    assert (stored.kind, stored.rows) == ("sequence", 3)
    assert [type(one) for one in load(stored, objects)] == [type(one) for one in frames]


def test_pickles_have_one_hash_in_every_process():
    code = """
        import sys, tempfile
        from pathlib import Path
        import numpy as np
        from sklearn.ensemble import RandomForestRegressor
        from instep.engine.snapshots.formats import store
        from instep.engine.snapshots.objects import ObjectStore
        x = np.random.default_rng(0).normal(size=(50, 3))
        values = [{"a", "bb", "ccc"}, {1: frozenset("xyz"), 2: "".join(["x", "y"])}, [{("a", 1), ("b", 2)}],
                  RandomForestRegressor(3, random_state=0).fit(x, x[:, 0])]
        objects = ObjectStore(Path(tempfile.mkdtemp()))
        print([store(one, objects).artifact.content_hash for one in values])
    """
    root = Path(__file__).resolve().parents[3]
    told = {
        subprocess.run(
            [sys.executable, "-c", dedent(code)],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(root / ".dev")},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }  # fmt: skip
    assert len(told) == 1


class Model:
    pass


def test_what_cannot_be_pickled_is_named_by_its_path(objects):
    model = Model()
    model.parts = {"a": [1, threading.Lock()]}
    with pytest.raises(OutputError, match=r"parts\['a'\]\[1\].*lock") as error:
        store(model, objects)
    assert error.value.problems[0].mend


@pytest.mark.parametrize(
    "value",
    [iter([1]), (n for n in ()), pl.LazyFrame({"a": [1]}), threading.Lock()],
    ids=["iterator", "generator", "lazy", "lock"],
)
def test_what_can_be_used_once_is_refused_with_a_mend(objects, value):
    with pytest.raises(OutputError) as error:
        store(value, objects)
    assert "Return" in error.value.problems[0].mend


class Rude:
    def __init__(self, text):
        self.text = text

    def __repr__(self):
        if not self.text:
            raise RuntimeError
        return self.text


@pytest.mark.parametrize("value", [Rude(""), Rude("\x1b[31m" * 5000), list(range(10**5)), "\x1b]0;x\x07" * 999])
def test_a_preview_is_short_and_harmless(objects, value):
    shown = store(value, objects).artifact.preview
    assert shown
    assert len(shown) <= 2000
    assert not set("\x1b\x07") & set(shown)


def test_an_artifact_survives_json(objects):
    for value in (pl.DataFrame({"a": [1.5, None], "s": ["x", None]}), np.zeros(3), {"rmse": 0.5}):
        artifact = store(value, objects).artifact
        assert Artifact.from_json(artifact.to_json()) == artifact
    assert artifact.summary == {"metrics": {"rmse": 0.5}}


def test_one_percent_more_rows_are_one_new_part(objects):
    frame = pl.DataFrame({"a": np.random.default_rng(0).normal(size=300_000)})
    before = store(frame, objects).artifact.parts
    after = store(pl.concat([frame, frame.head(3_000)]), objects).artifact.parts
    assert len(set(after) - set(before)) == 1


def test_a_table_is_read_without_its_copy(objects):
    frame = pl.DataFrame({"a": np.arange(300_000)})
    stored = store(frame, objects).artifact
    assert objects.has(stored.content_hash, "arrow")
    objects.delete(stored.content_hash, "arrow")
    assert load(stored, objects).equals(frame)


@given(st.lists(PLAIN | st.dates(), max_size=8))
def test_items_come_back_one_by_one_and_all_together(shared, values):
    refs, block = store_items(values, shared)
    assert [repr(load_item(one, shared)) for one in refs] == [repr(one) for one in values]
    assert (block is None) == all(one.block is None for one in refs)
    joined = join_items(refs, shared).artifact
    assert joined.kind == "sequence"
    assert repr(load(joined, shared)) == repr(values)
    assert list(items_of(joined, shared)) == list(refs)


def test_an_item_that_cannot_be_kept_leaves_the_others(objects):
    refs, _ = store_items([1, threading.Lock(), {2}], objects)
    assert [type(one) for one in refs] == [ItemRef, OutputError, ItemRef]


def test_the_items_of_a_list_are_those_of_a_fan_out(objects):
    values = [1, (2,), np.float64(3)]
    refs, _ = store_items(values, objects)
    assert [one.identity for one in items_of(store(values, objects).artifact, objects)] == [
        one.identity for one in refs
    ]  # fmt: skip


@pytest.mark.parametrize("value", [5, "text", {"a": 1}, pl.DataFrame({"a": [1]}), np.zeros((2, 2)), {1}], ids=repr)
def test_what_is_no_list_has_no_items(objects, value):
    with pytest.raises(StepError, match="not a list"):
        items_of(store(value, objects).artifact, objects)


def test_export_writes_what_the_ending_says(objects, tmp_path):
    table = store(pl.DataFrame({"a": [1, 2]}), objects).artifact
    for ending, read in (("parquet", pl.read_parquet), ("csv", pl.read_csv), ("json", pl.read_json)):
        export(table, objects, tmp_path / f"out.{ending}")
        assert read(tmp_path / f"out.{ending}").to_dict(as_series=False) == {"a": [1, 2]}
    export(store(np.arange(3), objects).artifact, objects, tmp_path / "a.npy")
    assert np.load(tmp_path / "a.npy").tolist() == [0, 1, 2]
    with pytest.raises(UsageError, match=r"\.parquet"):
        export(table, objects, tmp_path / "out.npy")
    assert {one.name for one in tmp_path.iterdir()} == {"store", "out.parquet", "out.csv", "out.json", "a.npy"}


@pytest.mark.parametrize("value", [pl.DataFrame({"a": [1]}), {1, 2}, [{1}, {2}]], ids=repr)
def test_a_damaged_object_is_an_error_with_a_mend(objects, value):
    artifact = store(value, objects).artifact
    path = objects.path(artifact.content_hash, artifact.format)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(MissingObject) as error:
        load(artifact, objects)
    assert "instep verify" in error.value.problems[0].mend


# What a review found.


class Loud:
    """Says so when it is built."""

    built = 0

    def __init__(self, array):
        self.array = array

    def __reduce__(self):
        return _build, (self.array,)


def _build(array):
    Loud.built += 1
    return Loud(array)


def test_exporting_a_pickle_with_buffers_builds_nothing(tmp_path):
    import pickle

    objects = ObjectStore(tmp_path)
    artifact = store(Loud(np.arange(1000.0)), objects).artifact
    Loud.built = 0
    export(artifact, objects, tmp_path / "x.pkl")
    assert Loud.built == 0
    back = pickle.loads((tmp_path / "x.pkl").read_bytes())
    assert back.array.tolist() == list(range(1000))


def test_pandas_categories_and_frequencies_come_back_as_they_were(tmp_path):
    import pandas as pd

    objects = ObjectStore(tmp_path)
    kinds = pd.CategoricalDtype(["c", "b", "a", "never"], ordered=True)
    frame = pd.DataFrame(
        {"k": pd.Categorical(["a", "b", None], dtype=kinds), "x": [1, 2, 3]},
        index=pd.date_range("2024-01-01", periods=3, freq="D"),
    )
    artifact = store(frame, objects).artifact
    back = load(artifact, objects)
    assert artifact.kind == "table"
    assert back["k"].dtype == kinds
    assert list(back["k"]) == list(frame["k"]) or back["k"].equals(frame["k"])
    assert back.index.freq == frame.index.freq
    pd.testing.assert_frame_equal(back, frame)


def test_arrow_tables_that_cannot_be_kept_as_tables_are_kept_all_the_same(tmp_path):
    import pyarrow as pa

    objects = ObjectStore(tmp_path)
    for table in (
        pa.table([pa.array([1]), pa.array([2])], names=["x", "x"]),
        pa.table({"s": pa.array([{}], pa.struct([]))}),
        pa.record_batch({"x": [1]}),
    ):
        back = load(store(table, objects).artifact, objects)
        assert type(back) is type(table)
        assert back.equals(table)


def test_a_damaged_object_is_told_as_one(tmp_path):
    from instep.engine.errors import MissingObject

    objects = ObjectStore(tmp_path)
    for value, ending in (({"x": "y" * 9000}, "json"), (np.arange(1000), "npy"), (set(range(500)), "pickle")):
        artifact = store(value, objects).artifact
        path = objects.path(artifact.content_hash, ending)
        path.write_bytes(path.read_bytes()[:60])
        with pytest.raises(MissingObject):
            load(artifact, objects)


def test_arrays_come_back_as_arrays(tmp_path):
    objects = ObjectStore(tmp_path)
    for array in (np.arange(6).reshape(2, 3), np.array(3.5), np.zeros((0, 4))):
        back = load(store(array, objects).artifact, objects)
        assert type(back) is np.ndarray
        assert back.shape == array.shape
        assert back.dtype == array.dtype


def test_dates_and_numbers_beyond_what_python_and_floats_can_square_are_stored(tmp_path):
    far = pa.array([2**60, None], pa.int64()).cast(pa.timestamp("us"))
    table = pa.table({"far": far, "huge": [1e200, -1e300]})
    objects = ObjectStore(tmp_path)
    stored = store(table, objects)
    assert "huge" in stored.artifact.preview
    assert load(stored.artifact, objects).equals(table)
