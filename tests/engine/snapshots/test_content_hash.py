"""The same table has the same hash, however it is laid out in memory and whichever library made it."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.engine.snapshots import content_hash
from instep.engine.snapshots.content_hash import canonical_table, hash_array, hash_table
from instep.engine.snapshots.formats import store
from instep.engine.snapshots.objects import ObjectStore

ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-5, 5),
        st.none() | st.floats(width=64),
        st.none() | st.text(max_size=5),
        st.none() | st.booleans(),
        st.none() | st.lists(st.none() | st.integers(0, 3), max_size=3),
    ),
    max_size=30,
)
SCHEMA = pa.schema([("i", pa.int64()), ("f", pa.float64()), ("s", pa.string()), ("b", pa.bool_()),
                    ("l", pa.list_(pa.int64()))])  # fmt: skip


def table_of(rows):
    return pa.table([pa.array([row[at] for row in rows], kind) for at, kind in enumerate(SCHEMA.types)], schema=SCHEMA)


def hash_of(table):
    return hash_table(canonical_table(table)).table


@given(ROWS, st.integers(0, 30))
def test_chunks_and_offsets_do_not_count(rows, cut):
    table = table_of(rows)
    chunked = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    shifted = pa.concat_tables([table, table]).combine_chunks().slice(len(rows))
    assert hash_of(table) == hash_of(chunked) == hash_of(shifted)


@given(ROWS)
def test_a_dictionary_is_its_values(rows):
    table = table_of(rows)
    assert hash_of(table) == hash_of(table.set_column(2, "s", table["s"].dictionary_encode()))


@given(ROWS, ROWS)
def test_different_tables_have_different_hashes(one, other):
    def shown(rows):
        """−0.0 counts as 0.0, and there is one NaN."""
        return repr([(i, f if f is None else "nan" if math.isnan(f) else f + 0.0, s, b, n) for i, f, s, b, n in rows])

    assert (hash_of(table_of(one)) == hash_of(table_of(other))) == (shown(one) == shown(other))


def test_what_lies_under_a_null_does_not_count():
    def with_under(number):
        buffers = [pa.py_buffer(b"\x01"), pa.py_buffer(np.array([5, number]).tobytes())]
        return pa.table({"a": pa.Array.from_buffers(pa.int64(), 2, buffers)})

    assert hash_of(with_under(1)) == hash_of(with_under(2)) == hash_of(pa.table({"a": [5, None]}))


@pytest.mark.parametrize("mask_of", ["struct", "fixed"])
def test_what_lies_under_a_nested_null_does_not_count(mask_of):
    mask = pa.array([False, True])

    def with_under(number):
        if mask_of == "struct":
            return pa.StructArray.from_arrays([pa.array([1, number])], ["x"], mask=mask)
        return pa.FixedSizeListArray.from_arrays(pa.array([1, 2, 3, number]), 2, mask=mask)

    assert hash_of(pa.table({"a": with_under(1)})) == hash_of(pa.table({"a": with_under(2)}))


@pytest.mark.parametrize(
    "other",
    [
        pa.table({"b": [1, 2]}),
        pa.table({"a": [2, 1]}),
        pa.table({"a": pa.array([1, 2], pa.int32())}),
        pa.table({"a": [1.0, 2.0]}),
        pa.table({"a": [1, 2], "b": [1, 2]}),
    ],
)
def test_names_order_and_types_count(other):
    assert hash_of(pa.table({"a": [1, 2]})) != hash_of(other)


def test_libraries_agree(tmp_path: Path):
    data = {"a": [1, 2], "s": ["x", "y"], "f": [0.5, 1.5]}
    made = [store(make(data), ObjectStore(tmp_path)).artifact for make in (pl.DataFrame, pd.DataFrame, pa.table)]
    assert len({one.content_hash for one in made}) == 1
    assert len({one.identity for one in made}) == 3


def test_rows_added_at_the_end_change_the_last_block_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(content_hash, "BLOCK", 100)
    before = hash_table(canonical_table(pa.table({"a": list(range(350))}))).parts
    after = hash_table(canonical_table(pa.table({"a": list(range(354))}))).parts
    assert (before[:3], len(after)) == (after[:3], 4)
    assert before[3] != after[3]


def test_an_arrays_hash_is_of_dtype_shape_and_values():
    array = np.arange(6.0).reshape(2, 3)
    assert hash_array(array) == hash_array(np.asfortranarray(array)) == hash_array(array[::-1][::-1])
    different = [array.T, array.reshape(3, 2), array.astype("f4"), array.astype(">f8"), array + 1]
    assert len({hash_array(one) for one in [array, *different]}) == 6
