"""A page is the slice of the table that was stored, whatever is in it, however it is sorted or filtered."""

import datetime as dt
import math
from decimal import Decimal

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored import Refused, Shelf

from instep.engine.reading import opened as opening
from instep.engine.reading.cells import texts
from instep.engine.snapshots.content_hash import BLOCK

_NUMBERS = st.one_of(st.none(), st.floats(-1e150, 1e150), st.sampled_from([0.0, -0.0, math.nan, math.inf]))
_TEXTS = st.one_of(st.none(), st.text(max_size=8))
_TABLES = st.lists(st.tuples(_NUMBERS, st.one_of(st.none(), st.integers(-5, 5)), _TEXTS), max_size=40)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    return Shelf(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def large(shelf):
    """Three parts, the first two equal, and its Arrow copy."""
    half = np.arange(BLOCK)
    frame = pl.DataFrame(
        {
            "n": np.concatenate([half, half, half[:5000] + 7]),
            "x": np.concatenate([half, half, half[:5000]]) * 0.5,
            "s": [f"s{one % 97}" for one in range(2 * BLOCK + 5000)],
            "z": [f"z{one % BLOCK}" for one in range(2 * BLOCK + 5000)],
        }
    ).drop("s")
    return shelf.put(frame), frame


def _same(cells, values):
    """What a page says of a column, against Python's own values."""
    for cell, value in zip(cells, values, strict=True):
        if value is None:
            assert cell is None
        elif isinstance(value, float):
            assert math.isnan(value) if cell == "nan" else float(cell) == value
        else:
            assert cell == str(value)


@given(rows=_TABLES, offset=st.integers(0, 45), count=st.integers(0, 45))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_page_is_the_slice_of_the_table(shelf, rows, offset, count):
    content = shelf.put(_frame(rows))
    page = shelf.ask("page", content=content, offset=offset, count=count)
    wanted = rows[offset : offset + count]
    assert page["total"] == len(rows) and page["ids"] == list(range(len(rows)))[offset : offset + count]
    assert len(page["rows"]) == len(wanted)
    for at in range(3):
        _same([row[at] for row in page["rows"]], [row[at] for row in wanted])


@given(rows=_TABLES, column=st.sampled_from([0, 1, 2]), descending=st.booleans())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_sorted_page_has_every_row_in_order_and_the_missing_last(shelf, rows, column, descending):
    content = shelf.put(_frame(rows))
    page = shelf.ask("page", content=content, sort="xns"[column], descending=descending)
    assert sorted(page["ids"]) == list(range(len(rows)))
    found = [rows[one][column] for one in page["ids"]]
    there = [one for one in found if one is not None]
    assert found[len(there) :] == [None] * (len(rows) - len(there))
    keys = [_key(one) for one in there]
    assert keys == sorted(keys, reverse=descending)
    equal = [a < b for a, b, x, y in zip(page["ids"], page["ids"][1:], keys, keys[1:], strict=False) if x == y]
    assert all(equal), "equal values keep the order of the table"


def _key(value):
    """DuckDB's order: not a number is the largest number; texts by their bytes."""
    if isinstance(value, float):
        return (math.isnan(value), 0.0 if math.isnan(value) else value)
    return value.encode() if isinstance(value, str) else value


def _frame(rows):
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    kinds = [pl.Float64, pl.Int64, pl.String]
    return pl.DataFrame([pl.Series(n, c, k) for n, c, k in zip("xns", columns, kinds, strict=True)])


@given(low=st.integers(-6, 6), missing=st.booleans())
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_filter_leaves_the_rows_that_meet_it(shelf, low, missing):
    rows = [(None, n if n % 3 else None, f"t{n}") for n in range(-5, 6)]
    content = shelf.put(_frame(rows))
    condition = f"n > {low}" + (" or n is null -- what is missing" if missing else "")
    page = shelf.ask("page", content=content, where=condition)
    wanted = [at for at, row in enumerate(rows) if (missing if row[1] is None else row[1] > low)]
    assert page["ids"] == wanted and page["total"] == len(wanted)
    assert [row[2] for row in page["rows"]] == [rows[at][2] for at in wanted]


@pytest.mark.parametrize("offset", [0, BLOCK - 3, 2 * BLOCK - 1, 2 * BLOCK + 4990, 2 * BLOCK + 5000])
@pytest.mark.parametrize("mapped", [True, False])
def test_pages_across_parts_are_the_same_with_and_without_the_copy(shelf, large, offset, mapped):
    content, frame = large
    _copy(shelf, content, there=mapped)
    assert opening.opened(shelf.desk, content).mapped == mapped
    rows = shelf.ask("page", content=content, offset=offset, count=20)["rows"]
    wanted = frame.slice(offset, 20)
    assert [(int(n), float(x), z) for n, x, z in rows] == wanted.rows()


@pytest.mark.parametrize("mapped", [True, False])
def test_equal_parts_are_told_apart_when_sorted(shelf, large, mapped):
    content, frame = large
    _copy(shelf, content, there=mapped)
    page = shelf.ask("page", content=content, sort="n", descending=True, where="x < 4", offset=0, count=50)
    wanted = frame.with_row_index().filter(pl.col("x") < 4).sort(["n", "index"], descending=[True, False])
    assert page["ids"] == wanted["index"].to_list()
    assert [row[2] for row in page["rows"]] == wanted["z"].to_list()


def test_an_evicted_copy_is_made_again_for_many_parts_and_is_the_same(tmp_path):
    shelf = Shelf(tmp_path)
    content = shelf.put(pl.DataFrame({"n": np.arange(5 * BLOCK + 3) % 1000, "x": np.arange(5 * BLOCK + 3) * 1.0}))
    before = shelf.objects.path(content, "arrow").stat().st_size
    shelf.objects.delete(content, "arrow")
    page = shelf.ask("page", content=content, sort="n", count=4)
    assert page["ids"] == [0, 1000, 2000, 3000]
    assert shelf.objects.has(content, "arrow")
    again = shelf.objects.path(content, "arrow").stat().st_size
    assert abs(again - before) < before / 50
    assert shelf.ask("page", content=content, offset=5 * BLOCK, count=9)["rows"][-1] == [
        str((5 * BLOCK + 2) % 1000),
        str(5.0 * BLOCK + 2),
    ]


def test_a_damaged_copy_is_read_from_the_parts(shelf, large):
    content, frame = large
    _copy(shelf, content, there=False)
    path = shelf.objects.path(content, "arrow")
    path.write_bytes(b"ARROW1\0\0 broken")
    shelf.desk.kept.clear()
    assert int(shelf.ask("page", content=content, offset=7, count=1)["rows"][0][0]) == frame["n"][7]
    assert not path.exists()


def _copy(shelf, content, *, there):
    shelf.objects.delete(content, "arrow")
    shelf.desk.kept.clear()
    if there:
        from instep.engine.snapshots.artifact import Artifact
        from instep.engine.snapshots.table_format import read_table

        read_table(Artifact(content, "table", "table", "polars", 0), shelf.objects)


_ODD = {
    "date": (pa.array([dt.date(2024, 2, 29), dt.date(1, 1, 1), None]), ["2024-02-29", "0001-01-01", None]),
    "moment": (
        pa.array([1_700_000_000_123_456_789, 0, None], pa.timestamp("ns")),
        ["2023-11-14 22:13:20.123456789", "1970-01-01 00:00:00", None],
    ),
    "zoned": (pa.array([0, 1_500, None], pa.timestamp("ms", "UTC")), None),
    "time": (pa.array([dt.time(1, 2, 3, 4000), dt.time(0), None]), ["01:02:03.004", "00:00:00", None]),
    "lasting": (pa.array([1_500_000, -1, None], pa.duration("us")), ["1.5 s", "-1e-06 s", None]),
    "decimal": (pa.array([Decimal("1.50"), Decimal("-0.01"), None]), ["1.50", "-0.01", None]),
    "binary": (pa.array([b"\x00\xff", b"", None]), ["0x00ff", "0x", None]),
    "flag": (pa.array([True, False, None]), ["true", "false", None]),
    "short": (pa.array([0.1, 1e30, None], pa.float32()), ["0.1", "1e+30", None]),
    "big": (pa.array([2**64 - 1, 0, None], pa.uint64()), ["18446744073709551615", "0", None]),
    "list": (pa.array([["a, b", None], [], None]), ['["a, b", null]', "[]", None]),
    "nested": (pa.array([[[1], None], [[]], None]), ["[[1], null]", "[[]]", None]),
    "struct": (
        pa.array([{"a": 1, "b": ["x"]}, {"a": None, "b": None}, None]),
        ['{a: 1, b: ["x"]}', "{a: null, b: null}", None],
    ),
    "fixed": (pa.array([[1, 2], [3, 4], None], pa.list_(pa.int64(), 2)), ["[1, 2]", "[3, 4]", None]),
    "nothing": (pa.nulls(3), [None, None, None]),
    "sorts": (pa.array(["b", "a", "b"]).dictionary_encode(), ["b", "a", "b"]),
    "control": (pa.array(["\x1b[31m", "\n\t", "日本🦆"]), ["\x1b[31m", "\n\t", "日本🦆"]),
}


@pytest.mark.parametrize("name", _ODD)
def test_every_type_has_a_text_in_order_and_sorted(shelf, name):
    values, wanted = _ODD[name]
    content = shelf.put(pa.table({name: values, "at": [0, 1, 2]}))
    rows = shelf.ask("page", content=content)["rows"]
    assert [row[1] for row in rows] == ["0", "1", "2"]
    if wanted is not None:
        assert [row[0] for row in rows] == wanted
    assert [row[0] is None for row in rows] == [not one.is_valid for one in values]
    turned = shelf.ask("page", content=content, sort="at", descending=True)["rows"]
    assert turned == rows[::-1]
    told = shelf.ask("profile", content=content, column=name)
    assert told["nulls"] == values.null_count


def test_a_time_beyond_pythons_calendar_has_a_text():
    assert texts(pa.array([400_000_000_000], pa.timestamp("s")))[0].startswith("14645-")


def test_a_map_has_a_text():
    values = pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int64()))
    assert texts(values) == ['{"k": 1}', "{}", None]


def test_long_cells_are_cut_in_a_page_and_whole_when_copied(shelf):
    content = shelf.put(pl.DataFrame({"t": ["é" * 10_000], "l": [list(range(5_000))]}))
    ((text, listed),) = shelf.ask("page", content=content)["rows"]
    assert len(text) <= 400 and text.endswith("…") and len(listed) <= 400
    assert shelf.ask("cell", content=content, row=0, column="t")["text"] == "é" * 10_000
    whole = shelf.ask("cell", content=content, row=0, column="l")["text"]
    assert whole == str(list(range(5_000)))


def test_names_that_duckdb_takes_for_one_are_two(shelf):
    content = shelf.put(pa.table({"a": [1, 2], "A": [2, 1], 'q"; drop': [5, 4]}))
    assert shelf.ask("page", content=content, sort="A")["ids"] == [1, 0]
    assert shelf.ask("page", content=content, sort="a")["ids"] == [0, 1]
    assert shelf.ask("page", content=content, sort='q"; drop')["ids"] == [1, 0]
    assert shelf.ask("profile", content=content, column="A")["max"] == 2


def test_columns_that_are_called_like_duckdbs_own(shelf):
    frame = pl.DataFrame({"file_index": [9, 8, 7], "file_row_number": [1, 1, 0]})
    page = shelf.ask("page", content=shelf.put(frame), where="file_index < 9", sort="file_row_number")
    assert page["ids"] == [2, 1]


def test_a_table_of_no_rows(shelf):
    content = shelf.put(pl.DataFrame({"a": pl.Series([], dtype=pl.Int64)}))
    for request in ({}, {"sort": "a"}, {"where": "a > 1"}):
        page = shelf.ask("page", content=content, **request)
        assert (page["total"], page["rows"]) == (0, [])
    assert shelf.ask("profile", content=content, column="a")["nulls"] == 0


def test_what_is_not_in_the_store_is_said_with_how_to_mend_it(shelf):
    with pytest.raises(Refused, match=r"not in the store.*verify"):
        shelf.ask("page", content="0" * 32)
    content = shelf.put(pl.DataFrame({"a": ["lost"]}))
    next(path for name, kind, path in shelf.objects.iter() if kind == "parquet" and _holds(path, "lost")).unlink()
    for request in ({}, {"sort": "a"}, {"where": "a = 'x'"}):
        with pytest.raises(Refused, match=r"not in the store.*verify"):
            shelf.ask("page", content=content, **request)


def _holds(path, text):
    frame = pl.read_parquet(path)
    return frame.columns == ["a"] and frame.dtypes == [pl.String] and frame["a"].to_list() == [text]


@pytest.mark.parametrize(
    "condition",
    [
        "a in (select 1 from read_text('{secret}'))",
        "a in (from '{secret}')",
        "exists (select 1 from read_csv('{secret}'))",
        "exists (select 1 from glob('/etc/*'))",
        "true) union all select 1 from read_text('{secret}') where (true",
        "true; copy (select 1) to '{out}'",
        "true) ; copy (select 1) to '{out}' --",
        "a, b",
        "a > 0 order by a",
        "a >",
        "a > 'x",
        "nope > 1",
        "sum(a) > 1",
        "a",
        "getenv('HOME') = 'x'",
    ],
)
def test_a_condition_reads_nothing_else_and_is_one(shelf, tmp_path, condition):
    secret, out = tmp_path / "secret.csv", tmp_path / "out.csv"
    secret.write_text("a\n1\n")
    content = shelf.put(pl.DataFrame({"a": ["1", "2"], "b": [1, 2]}))
    with pytest.raises(Refused) as error:
        shelf.ask("page", content=content, where=condition.format(secret=secret, out=out))
    assert error.value.problem["what"] and "bug of instep" not in error.value.problem["mend"]
    assert not out.exists()


def test_a_wrong_name_is_answered_with_the_right_one(shelf):
    content = shelf.put(pl.DataFrame({"income": [1], "age": [2]}))
    with pytest.raises(Refused, match="income"):
        shelf.ask("page", content=content, where="incme > 1")


def test_a_text_in_double_quotes_is_answered_with_single_ones(shelf):
    content = shelf.put(pl.DataFrame({"plan": ["pro"]}))
    with pytest.raises(Refused, match="single quotes"):
        shelf.ask("page", content=content, where='plan = "pro"')


def test_a_condition_that_never_ends_is_stopped(shelf, monkeypatch):
    monkeypatch.setattr("instep.engine.reading.sealed.LONGEST", 0.3)
    content = shelf.put(pl.DataFrame({"a": [1, 2]}))
    with pytest.raises(Refused, match=r"longer than 0\.3 seconds"):
        forever = "a < (select sum(x * y) from range(10000000) s(x), range(10000000) t(y))"
        shelf.ask("page", content=content, where=forever)


def test_the_profile_counts_every_row(shelf, large):
    content, frame = large
    told = shelf.ask("profile", content=content, column="x")
    assert (told["min"], told["max"], told["nulls"], told["rows"]) == (0, frame["x"].max(), 0, frame.height)
    assert told["mean"] == pytest.approx(frame["x"].mean())
    assert told["p50"] == frame["x"].median()
    assert sum(told["histogram"]["counts"]) == frame.height
    assert told["distinct"] == pytest.approx(frame["x"].n_unique(), rel=0.1)
    bins = np.histogram(frame["x"], bins=len(told["histogram"]["counts"]))[0]
    assert np.abs(bins - told["histogram"]["counts"]).max() <= 4


def test_the_middle_of_a_very_long_column_is_drawn_from_all_of_it(shelf, monkeypatch):
    monkeypatch.setattr("instep.engine.reading.profile.MANY", 50_000)
    told = shelf.ask("profile", content=shelf.put(pl.DataFrame({"n": range(500_000)})), column="n")
    assert told["p50"] == pytest.approx(250_000, rel=0.05)


@given(values=st.lists(_NUMBERS, min_size=1, max_size=30))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_profile_of_odd_numbers(shelf, values):
    told = shelf.ask("profile", content=shelf.put(pl.DataFrame({"v": pl.Series(values, dtype=pl.Float64)})), column="v")
    there = [one for one in values if one is not None]
    finite = [one for one in there if math.isfinite(one)]
    assert (told["nulls"], told["nan"]) == (len(values) - len(there), len(there) - len(finite))
    assert (told["min"], told["max"]) == (min(finite, default=None), max(finite, default=None))
    if told["histogram"]:
        assert sum(told["histogram"]["counts"]) == len(finite)


def test_the_profile_of_texts_is_its_most_common(shelf):
    frame = pl.DataFrame({"t": ["a"] * 5 + ["b"] * 3 + [None] + [f"x{n}" for n in range(20)]})
    told = shelf.ask("profile", content=shelf.put(frame), column="t")
    assert told["top"][:2] == [["a", 5], ["b", 3]] and told["nulls"] == 1


def test_the_profile_of_dates_is_in_dates(shelf):
    days = [dt.date(2024, 1, 1) + dt.timedelta(n) for n in range(31)]
    told = shelf.ask("profile", content=shelf.put(pl.DataFrame({"d": days})), column="d")
    assert (told["min"], told["p50"], told["max"]) == ("2024-01-01", "2024-01-16", "2024-01-31")
    assert told["histogram"]["low"] == "2024-01-01" and sum(told["histogram"]["counts"]) == 31
