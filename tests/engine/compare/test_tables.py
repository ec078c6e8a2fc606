"""Pairs of tables whose differences were counted by hand."""

import math
from collections import Counter
from datetime import date, datetime

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from instep.engine.compare.cache import FOLDER
from instep.engine.compare.table_rows import as_wholes
from instep.engine.compare.table_sides import opened, pair_of
from instep.engine.compare.tables import compare_tables
from instep.engine.errors import UsageError
from instep.engine.snapshots import formats
from instep.engine.snapshots.content_hash import BLOCK
from instep.engine.snapshots.objects import ObjectStore

NAN = float("nan")


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


def diff(store, a: pl.DataFrame, b: pl.DataFrame, key=(), declared=()):
    left, right = (formats.store(one, ObjectStore(store)).artifact for one in (a, b))
    return compare_tables(
        store,
        (left.content_hash, right.content_hash),
        (left.columns, right.columns),
        (left.rows, right.rows),
        key,
        declared,
    )


def told(found):
    return (found.added, found.removed, found.changed, {one.name: one.changed for one in found.columns})


A = pl.DataFrame(
    {"id": [1, 2, 3, 4], "name": ["ann", "bob", None, "dee"], "x": [1.0, 2.0, NAN, 4.0], "y": [0.0, None, 5.0, 7.0]}
)


def test_added_removed_and_changed_rows_by_a_found_key(store):
    b = pl.DataFrame(
        {"id": [2, 3, 4, 5], "name": ["bob", "cyd", "dee", "eve"], "x": [2.5, NAN, 4.0, 5.0], "y": [1.0, 5.0, 7.0, 9.0]}
    )
    found = diff(store, A, b)
    assert (found.key, found.key_source) == (("id",), "found")
    assert told(found) == (1, 1, 2, {"name": 1, "x": 1, "y": 1})
    assert found.cells == 3
    assert [(one.mark, one.key) for one in found.preview] == [
        ("changed", (2,)),
        ("changed", (3,)),
        ("added", (5,)),
        ("removed", (1,)),
    ]
    assert found.preview[0].cells == {"x": (2.0, 2.5), "y": (None, 1.0)}
    assert found.preview[1].cells == {"name": (None, "cyd")}
    assert found.preview[2].cells == {"name": (None, "eve"), "x": (None, 5.0), "y": (None, 9.0)}


def test_nulls_nan_and_minus_zero(store):
    b = A.with_columns(y=pl.Series([-0.0, None, NAN, None]), x=pl.Series([1.0, NAN, NAN, None]))
    found = diff(store, A, b, key=["id"])
    # y: −0.0 is 0.0; 5 → NaN and 7 → null are changes. x: 2 → NaN and 4 → null are, NaN → NaN is not.
    assert told(found) == (0, 0, 3, {"x": 2, "y": 2})
    cells = {one.key[0]: one.cells for one in found.preview}
    assert cells[3] == {"y": (5.0, "NaN")} and cells[2] == {"x": (2.0, "NaN")}


def test_minus_zero_and_nan_alone_are_no_difference_at_all(store):
    one = pl.DataFrame({"id": [1, 2], "x": [0.0, NAN]})
    other = pl.DataFrame({"id": [1, 2], "x": [-0.0, -NAN]})
    found = diff(store, one, other)
    assert found.same_rows and not found.read


def test_reordered_rows_are_equal_by_key(store):
    found = diff(store, A, A.reverse())
    assert found.key == ("id",) and told(found) == (0, 0, 0, {}) and found.same_rows


def test_reordered_columns_are_told_and_no_data_is_read(store):
    found = diff(store, A, A.select("y", "id", "name", "x"))
    assert found.reordered and found.same_rows and not found.read
    assert found.equal_columns == 4


def test_added_and_removed_columns_do_not_hide_changes(store):
    b = A.drop("name").with_columns(z=pl.Series([1, 1, 1, 1]), x=pl.Series([1.0, 2.0, NAN, 5.0]))
    found = diff(store, A, b)
    assert (found.added_columns, found.removed_columns) == (("z",), ("name",))
    assert told(found) == (0, 0, 1, {"x": 1})


def test_changed_types_are_told_and_values_compared_across_them(store):
    b = A.with_columns(pl.col("id").cast(pl.Float64), x=pl.col("x").fill_nan(9.0).cast(pl.Int64))
    found = diff(store, A, b, key=["id"])
    assert found.retyped == {"id": ("int64", "double"), "x": ("double", "int64")}
    assert told(found) == (0, 0, 1, {"x": 1})
    texts = diff(store, A, A.with_columns(pl.col("id").cast(pl.String)), key=["id"])
    assert told(texts) == (0, 0, 0, {})


def test_duplicate_keys_are_counted_and_matched_in_order(store):
    one = pl.DataFrame({"k": ["a", "a", "a", "b"], "v": [1, 2, 3, 4]})
    other = pl.DataFrame({"k": ["a", "a", "b", "b"], "v": [1, 5, 4, 6]})
    found = diff(store, one, other, key=["k"])
    # a: 1=1, 2→5, 3 gone; b: 4=4, 6 new.
    assert found.duplicates == (2, 2)
    assert told(found) == (1, 1, 1, {"v": 1})


def test_null_keys_are_counted_and_match_each_other(store):
    one = pl.DataFrame({"k": ["a", None], "v": [1, 2]})
    other = pl.DataFrame({"k": ["a", None], "v": [1, 3]})
    found = diff(store, one, other, key=["k"])
    assert found.null_keys == (1, 1)
    assert told(found) == (0, 0, 1, {"v": 1})
    assert found.preview[0].key == (None,) and found.preview[0].cells == {"v": (2, 3)}


def test_without_a_key_rows_are_a_multiset(store):
    one = pl.DataFrame({"x": [1.5, 1.5, 2.5, NAN], "y": [0.5, 0.5, None, 1.5]})
    other = pl.DataFrame({"x": [NAN, 1.5, 2.5, 2.5, 3.5], "y": [1.5, 0.5, None, None, 0.0]})
    found = diff(store, one, other)
    assert found.key_source == "none"
    assert told(found) == (2, 1, 0, {})
    assert {one.mark for one in found.preview} == {"added", "removed"}
    assert next(one for one in found.preview if one.mark == "removed").cells == {"x": (1.5, None), "y": (0.5, None)}


def test_rows_are_matched_by_position_where_a_column_stayed_in_order(store):
    one = pl.DataFrame({"x": [0.5, 0.25, 0.5], "y": [1.5, 1.5, 1.5]})
    found = diff(store, one, one.with_columns(y=pl.Series([1.5, 2.5, 1.5])))
    assert found.key_source == "position"
    assert told(found) == (0, 0, 1, {"y": 1})
    assert found.preview[0].key == (1,) and found.preview[0].cells == {"y": (1.5, 2.5)}


def test_times_in_order_match_rows_by_position_too(store):
    one = pl.DataFrame({"t": [date(2024, 1, 1), date(2024, 1, 1), date(2024, 1, 5)], "y": [0.5, 1.5, 1.5]})
    found = diff(store, one, one.with_columns(y=pl.Series([0.5, 1.5, 3.5])))
    assert found.key_source == "position" and told(found) == (0, 0, 1, {"y": 1})


def test_a_column_of_few_values_is_no_proof_that_rows_are_in_order(store):
    one = pl.DataFrame({"c": [1, 1, 2, 2], "y": [0.5, 1.5, 2.5, 3.5]})
    assert diff(store, one, one.with_columns(y=pl.Series([1.5, 0.5, 3.5, 2.5]))).key_source == "none"


def test_a_pair_of_columns_is_found_where_no_single_one_is_unique(store):
    one = pl.DataFrame({"shop": ["n", "n", "s", "s"], "day": [1, 2, 1, 2], "v": [1.0, 2.0, 3.0, 4.0]})
    other = pl.DataFrame({"shop": ["s", "n", "s", "n"], "day": [2, 2, 1, 3], "v": [4.0, 2.5, 3.0, 9.0]})
    found = diff(store, one, other)
    assert found.key == ("shop", "day")
    assert told(found) == (1, 1, 1, {"v": 1})


def test_of_unique_columns_the_one_that_finds_most_rows_is_the_key(store):
    one = pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    found = diff(store, one, one.with_columns(a=pl.Series([1, 2, 9])))
    assert found.key == ("b",) and told(found) == (0, 0, 1, {"a": 1})


def test_a_declared_key_is_taken_where_both_have_it(store):
    b = A.with_columns(id=pl.Series([1, 2, 3, 9]))
    assert diff(store, A, b, declared=["id"]).key_source == "declared"
    assert diff(store, A, b, declared=["gone"]).key_source == "found"
    assert diff(store, A, b, key=["name"], declared=["id"]).key == ("name",)


def test_a_given_key_that_is_not_there_is_a_mistake(store):
    with pytest.raises(UsageError, match="nam"):
        diff(store, A, A.reverse(), key=["nam"])


def test_names_that_differ_in_case_only_are_two_columns(store):
    one = pl.DataFrame({"k": [1, 2], "V": [1, 2], "v": [3, 4]})
    found = diff(store, one, one.with_columns(v=pl.Series([3, 5])))
    assert told(found) == (0, 0, 1, {"v": 1})


def test_nested_times_and_texts_are_compared_too(store):
    one = pl.DataFrame(
        {
            "k": [1, 2],
            "l": [[1, 2], [3]],
            "s": [{"a": 1.0}, {"a": NAN}],
            "d": [date(2024, 1, 1), date(2024, 1, 2)],
            "t": [datetime(2024, 1, 1, 12), None],
            "b": [b"x", b"y"],
        }
    )
    other = one.with_columns(
        l=pl.Series([[1, 2], [4]]),
        d=pl.Series([date(2024, 1, 1), date(2025, 1, 2)]),
        s=pl.Series([{"a": 2.0}, {"a": NAN}]),
    )
    found = diff(store, one, other)
    assert told(found) == (0, 0, 2, {"l": 1, "s": 1, "d": 1})
    assert found.preview[1].cells["d"] == ("2024-01-02", "2025-01-02")


@pytest.mark.parametrize("key", [["k"], ["t"], []])
def test_times_with_a_zone_are_compared_and_shown_in_utc(store, key):
    zoned = pl.Series([datetime(2024, 1, 1, 12), datetime(2024, 1, 2), None]).dt.replace_time_zone("Europe/Berlin")
    one = pl.DataFrame({"k": [1, 2, 3], "t": zoned, "l": [[one] for one in zoned]})
    other = one.with_columns(t=pl.col("t") + pl.duration(hours=pl.Series([1, 0, 0])))
    found = diff(store, one, other if key != ["t"] else one.with_columns(k=pl.Series([1, 5, 3])).reverse(), key=key)
    assert found.note == "" and found.changed == 1
    cells = found.preview[0].cells
    assert cells == ({"t": ("2024-01-01T11:00:00", "2024-01-01T12:00:00")} if key != ["t"] else {"k": (2, 5)})
    if key == ["t"]:
        assert found.preview[0].key == ("2024-01-01T23:00:00",)


def test_tables_without_a_common_column_have_no_common_row(store):
    found = diff(store, pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"b": [1, 2, 3]}))
    assert told(found) == (3, 2, 0, {}) and not found.same_rows
    assert told(diff(store, pl.DataFrame(), pl.DataFrame({"b": [1]}))) == (1, 0, 0, {})


def test_empty_tables(store):
    empty = A.clear()
    assert told(diff(store, empty, A, key=["id"])) == (4, 0, 0, {})
    assert told(diff(store, A, empty)) == (0, 4, 0, {})


def test_only_parts_that_differ_are_read_and_counted_right(store):
    n = BLOCK + 10
    one = pl.DataFrame({"id": range(n), "x": [float(i) for i in range(n)]})
    longer = pl.concat([one, pl.DataFrame({"id": [n], "x": [1.0]})])
    assert told(diff(store, one, longer)) == (1, 0, 0, {})
    changed = one.with_columns(x=pl.when(pl.col("id") == BLOCK + 3).then(-1.0).otherwise(pl.col("x")))
    found = diff(store, one, changed)
    assert told(found) == (0, 0, 1, {"x": 1})
    assert found.preview[0].key == (BLOCK + 3,) and found.preview[0].cells == {"x": (BLOCK + 3.0, -1.0)}
    shuffled = changed.sample(fraction=1.0, shuffle=True, seed=1)
    assert told(diff(store, one, shuffled)) == (0, 0, 1, {"x": 1})


def test_what_was_compared_is_kept_and_read_back_the_same(store, tmp_path):
    b = A.with_columns(x=pl.Series([1.0, 2.0, 3.0, None]))
    first = diff(tmp_path, A, b)
    for path in (tmp_path / "objects").rglob("*.parquet"):
        path.unlink()
    assert len(list((tmp_path / FOLDER).rglob("*.json"))) == 1
    left, right = (formats.store(one, ObjectStore(store)).artifact for one in (A, b))
    again = compare_tables(tmp_path, (left.content_hash, right.content_hash), (left.columns, right.columns), (4, 4))
    assert again == first


def test_a_table_whose_bytes_are_gone_is_told_by_its_schema(tmp_path):
    left, right = (formats.store(one, ObjectStore(tmp_path)).artifact for one in (A, A.reverse()))
    for path in (tmp_path / "objects").rglob("*.parquet"):
        path.unlink()
    found = compare_tables(
        tmp_path, (left.content_hash, right.content_hash), (left.columns, right.columns), (left.rows, right.rows)
    )
    assert "not in the store" in found.note and not found.read


rows = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([None, 0.0, 1.0, NAN]), st.sampled_from([None, "a", "b"])), max_size=12
)


def frame(values):
    return pl.DataFrame(values, schema={"k": pl.Int64, "x": pl.Float64, "s": pl.String}, orient="row")


def cell(value):
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


@settings(max_examples=60)
@given(rows, rows)
@example([(0, 1.0, None)], [(0, 1.0, None), (0, NAN, None)])
def test_the_multiset_difference_is_that_of_python(store, one, other):
    a, b = frame(one).drop("k"), frame(other).drop("k")
    counts = [Counter(tuple(cell(value) for value in row) for row in side.rows()) for side in (a, b)]
    left, right = (formats.store(side, ObjectStore(store)).artifact for side in (a, b))
    pair = pair_of(
        store,
        left.content_hash,
        right.content_hash,
        (left.columns, right.columns),
        (left.rows, right.rows),
    )
    with opened(store) as db:
        found = as_wholes(db, pair)
    assert found.added == (counts[1] - counts[0]).total()
    assert found.removed == (counts[0] - counts[1]).total()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows, rows)
@pytest.mark.parametrize("large", [1, 100_000])
def test_the_keyed_difference_is_that_of_python(store, monkeypatch, large, one, other):
    monkeypatch.setattr("instep.engine.compare.table_rows.LARGE", large)  # from which on equal rows are left out first
    monkeypatch.setattr("instep.engine.compare.table_rows.FEW", 9.0)
    monkeypatch.setattr("instep.engine.compare.tables.remembered", lambda _store, _what, make, *_: make())
    a, b = ({row[0]: row for row in side} for side in (one, other))
    found = diff(store, frame(list(a.values())), frame(list(b.values())), key=["k"])
    both = a.keys() & b.keys()
    differ = {name: sum(cell(a[key][at]) != cell(b[key][at]) for key in both) for name, at in (("x", 1), ("s", 2))}
    changed = sum(any(cell(a[key][at]) != cell(b[key][at]) for at in (1, 2)) for key in both)
    assert (found.added, found.removed, found.changed) == (len(b.keys() - a), len(a.keys() - b), changed)
    assert {one.name: one.changed for one in found.columns} == {name: n for name, n in differ.items() if n}
