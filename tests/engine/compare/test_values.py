"""Arrays, values, texts, lists and objects, by hand; drift by formula."""

import math

import numpy as np
import polars as pl
import pytest

from instep.engine.compare.drift import column_drift, psi
from instep.engine.compare.facts import OutputFact
from instep.engine.compare.values import compare_values
from instep.engine.snapshots import formats
from instep.engine.snapshots.objects import ObjectStore


def output(store, value):
    one = formats.store(value, ObjectStore(store)).artifact
    told = (one.content_hash, one.kind, one.format, one.carrier, one.rows, one.bytes, one.schema)
    return OutputFact("o", "s", *told, inline=one.inline)


def compared(store, a, b):
    return compare_values(store, output(store, a), output(store, b))


def test_arrays_tell_shape_type_and_the_largest_differences(tmp_path):
    found = compared(tmp_path, np.array([1.0, 2.0, -4.0]), np.array([1.0, 2.5, -3.0]))
    assert (found["max_absolute"], found["max_relative"], found["changed"]) == (1.0, 0.25, 2)
    assert not found["within_tolerance"]
    other = compared(tmp_path, np.zeros((2, 3)), np.zeros((3, 2), np.float32))
    assert other["shape"] == [[2, 3], [3, 2]] and other["dtype"] == ["float64", "float32"]
    assert other["max_absolute"] is None


def test_arrays_within_a_millionth_are_told_as_such(tmp_path):
    found = compared(tmp_path, np.array([1e6, 1.0]), np.array([1e6 + 0.5, 1.0 + 1e-7]))
    assert found["within_tolerance"] and found["changed"] == 2


def test_nan_equals_nan_and_nothing_else(tmp_path):
    found = compared(tmp_path, np.array([np.nan, 1.0, np.inf]), np.array([np.nan, np.nan, np.inf]))
    assert found["changed"] == 1 and found["max_absolute"] == "inf" and not found["within_tolerance"]


def test_arrays_of_texts_and_flags_count_what_differs(tmp_path):
    assert compared(tmp_path, np.array(["a", "b"]), np.array(["a", "c"]))["changed"] == 1
    assert compared(tmp_path, np.array([True, False]), np.array([True, True]))["max_absolute"] == 1.0


def test_values_name_the_paths_that_differ(tmp_path):
    before = {"a": 1, "b": [1, {"c": math.nan}], "d e": "x", "gone": 0}
    after = {"a": 1.0, "b": [1, {"c": math.nan}, 3], "d e": "y", "new": None}
    found = compared(tmp_path, before, after)
    assert [(one["path"], one["change"], one["before"], one["after"]) for one in found["paths"]] == [
        ("$.a", "changed", 1, 1.0),
        ("$.b[2]", "added", None, 3),
        ("$['d e']", "changed", "x", "y"),
        ("$.gone", "removed", 0, None),
        ("$.new", "added", None, None),
    ]
    assert found["differing"] == 5


def test_texts_are_told_line_by_line(tmp_path):
    found = compared(tmp_path, "a\nb\nc", "a\nB\nc\nd")
    assert (found["added"], found["removed"], found["lines"]) == (2, 1, [3, 4])
    assert "-b" in found["diff"] and "+B" in found["diff"]


def test_lists_of_objects_are_compared_item_by_item(tmp_path):
    found = compared(tmp_path, [np.zeros(2), np.ones(2), {"x"}], [np.zeros(2), np.zeros(2), {"x"}, {"y"}])
    assert (found["changed"], found["added"], found["items"]) == (1, 1, [3, 4])
    assert found["shown"][0]["item"] == 1


class Bomb:
    def __init__(self, size):
        self.size = size

    def __reduce__(self):
        return (Bomb._explode, (self.size,))

    @staticmethod
    def _explode(size):
        raise AssertionError("it was unpickled")


def test_objects_are_equal_in_bytes_or_not_and_never_unpickled(tmp_path):
    found = compared(tmp_path, Bomb(1), Bomb(2))
    assert found["bytes_equal"] is False and "Bomb" in found["carrier"]


def test_bytes_that_are_gone_are_told_and_looked_for_again(tmp_path):
    one, other = output(tmp_path, np.zeros(3)), output(tmp_path, np.ones(3))
    path = ObjectStore(tmp_path).path(one.content_hash, "npy")
    kept = path.read_bytes()
    path.unlink()
    assert "not in the store" in compare_values(tmp_path, one, other)["note"]
    path.write_bytes(kept)
    assert compare_values(tmp_path, one, other)["max_absolute"] == 1.0


def drift(store, a, b):
    left, right = (formats.store(pl.DataFrame({"x": one}), ObjectStore(store)).artifact for one in (a, b))
    return column_drift(
        store,
        (left.content_hash, right.content_hash),
        (left.columns, right.columns),
        (left.rows, right.rows),
        "x",
    )


def test_psi_is_the_sum_over_the_shares():
    assert psi([50, 50], [50, 50]) == 0.0
    assert psi([50, 50], [25, 75]) == pytest.approx(-0.25 * math.log(0.5) + 0.25 * math.log(1.5))
    assert psi([0, 0], [1, 1]) is None
    assert psi([1, 0], [1, 0]) == 0.0


def test_numbers_drift_by_quantiles_histogram_and_nulls(tmp_path):
    found = drift(tmp_path, [float(i) for i in range(101)], [i + 50.0 for i in range(100)] + [None])
    assert found.quantiles[0][2] == 50.0 and found.quantiles[1][2] == 99.5
    assert found.nulls == (0, 1) and found.means == (50.0, 99.5)
    assert sum(one.a for one in found.bins) == 101 and sum(one.b for one in found.bins) == 100
    assert found.bins[0].b == 0 and found.bins[-1].a == 0
    assert found.shift == "large"
    assert drift(tmp_path, [1.0, 2.0, 3.0], [3.0, 1.0, 2.0]).psi == 0.0


def test_texts_drift_by_their_values(tmp_path):
    found = drift(tmp_path, ["a"] * 6 + ["b"] * 4, ["a"] * 4 + ["b"] * 5 + ["c"])
    assert [(one.label, one.a, one.b) for one in found.bins] == [("a", 6, 4), ("b", 4, 5), ("c", 0, 1)]
    expected = sum((b - a) * math.log(b / a) for a, b in ((0.6, 0.4), (0.4, 0.5), (1e-4, 0.1)))
    assert found.psi == pytest.approx(expected)


def test_times_drift_and_are_shown_as_times(tmp_path):
    from datetime import datetime

    found = drift(tmp_path, [datetime(2024, 1, 1), datetime(2024, 1, 3)], [datetime(2024, 1, 1), datetime(2025, 1, 1)])
    assert found.quantiles[0][2] == "2024-01-02 00:00:00"
    assert found.means == (None, None)
