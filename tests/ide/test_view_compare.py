"""What differs as rows and lines: causes first, words beside every colour, nothing that a terminal obeys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.engine.compare.differences import Difference
from instep.engine.compare.lines import hunks, side_by_side
from instep.ide.views import compare as view
from instep.ide.views.compare_many import columns_of, row_text, rows_of_matrix
from instep.ide.views.compare_told import same_told, told
from instep.ide.views.diff import Diff, flat_lines, side_text, unified_line

RUN = {"run": 1, "state": "done", "target": "local", "started_at": None, "seconds": 130.0, "note": "", "steps": {}}
RATE = Difference("param", "model.rate", 0.1, 0.3, {"change": "changed"})
FIT = Difference(
    "code", "train:fit", "train.py:14", "train.py:15",
    {"change": "changed", "kind": "function", "name": "fit", "was": None, "steps": ["model"], "added": 6, "removed": 2},
)  # fmt: skip
SLOW = Difference(
    "step", "model", "done", "done",
    {"change": "slower", "seconds": [1.0, 4.0], "where": ["local", "local"], "attempts": [1, 2], "items": [None, None],
     "error": [None, None], "reasons": []},
)  # fmt: skip
TABLE = Difference(
    "table", "clean", {"rows": 48120, "content": "a"}, {"rows": 48121, "content": "b"},
    {"change": "changed", "step": "clean", "rows": [48120, 48121],
     "columns": {"added": ["plan"], "removed": [], "retyped": {"age": ["int64", "double"]}, "changed": ["income"],
                 "equal": 7, "reordered": False}},
)  # fmt: skip


def metric(before: float, after: float, change: str, **detail: object) -> Difference:
    told = {"change": change, "absolute": after - before, "relative": (after - before) / before, "spread": None}
    return Difference("metric", "model.val_loss", before, after, told | detail)


WORSE = metric(0.2, 0.25, "worse", spread={"seeds": 5, "margin": 0.011, "deviation": 0.01}, within_spread=False)


def shown(*differences: Difference, **fields: object) -> view.Shown:
    second = {**RUN, "run": 2, "state": "running", "seconds": None}
    return view.Shown(**({"a": "1", "b": "2", "runs": (RUN, second), "differences": differences} | fields))


def plain(lines) -> list[str]:
    return [line.plain.rstrip() for line in lines]


def test_causes_come_before_what_happened_and_what_came_out():
    rows = view.rows_of(shown(RATE, FIT, SLOW, WORSE, TABLE), equal=True)
    assert [row.title for row in rows] == [
        "what determined them", "model.rate", "fit()", "what happened", "model", "time", "what came out",
        "model.val_loss", "clean",
    ]  # fmt: skip
    assert [row.one is None for row in rows] == [True, False, False, True, False, False, True, False, False]


def test_equal_things_are_counted_and_listed_only_when_asked_for():
    both = shown(RATE, same=(("param", "model.depth", 3), ("metric", "model.acc", 0.5)), equal={"param": 28})
    told = ["what determined them", "model.rate", "what happened", "time"]
    assert [row.title for row in view.rows_of(both, equal=False)] == told
    assert [row.title for row in view.rows_of(both, equal=True)][-3:] == ["equal", "model.depth", "model.acc"]
    assert view.below(both, equal=False) == "28 equal hidden · = shows them"
    assert view.below(shown(RATE), equal=False) == ""


@pytest.mark.parametrize(("one", "words"), [
    (WORSE, "▲ worse 25.0%, beyond the spread of 5 seeds (±0.011)"),
    (metric(0.2, 0.1, "better"), "▼ better 50.0%"),
    (metric(2.0, 3.0, "changed"), "▲ 50.0%"),
    (metric(2.0, 3.0, "changed", relative=None), "▲ 1"),
    (Difference("metric", "m", None, 1.0, {"change": "added"}), "added"),
])  # fmt: skip
def test_a_metric_says_in_words_which_way_it_went(one, words):
    assert view.change_of(one).plain == words


@pytest.mark.parametrize("columns", [75, 115])
def test_each_row_has_its_name_both_sides_and_how(columns):
    lines = plain(view.lines_of(view.rows_of(shown(RATE, FIT, SLOW, WORSE, TABLE), equal=False), columns))
    assert lines[1].split() == ["param", "model.rate", "0.1", "0.3"]
    assert lines[2].split()[:2] == ["code", "fit()"] and lines[2].endswith("+6 −2 lines")
    assert lines[4].split() == ["step", "model", "1.0", "s", "4.0", "s", "▲", "slower"]
    assert lines[5].split() == ["time", "2m10", "–"]
    assert "▲ worse 25.0%" in lines[7]
    assert "48,120" in lines[8] and "+1 row " in lines[8] and "+plan, income" in lines[8]


def test_in_a_narrow_terminal_how_it_changed_is_still_read():
    long = Difference("value", "report", {"preview": "x" * 90}, {"preview": "y" * 90}, {"change": "changed"})
    lines = plain(view.lines_of(view.rows_of(shown(WORSE, long), equal=False), 75))
    assert "▲ worse 25.0%" in lines[3][:75]


def test_the_head_says_what_both_runs_are_and_how_much_differs():
    first, second = plain(view.head(shown(RATE, FIT, WORSE, divergence={"step": "model"}), 118))
    assert first.startswith(" A 1 ✓  2m10 · local") and "vs" in first and "B 2 ▶ goes on" in first
    assert second == " 1 param · 1 definition · 1 metric differ · first in model"
    now = shown(RATE, runs=(RUN, {"run": "now", "state": "stale", "steps": {}}))
    assert "B the working tree" in view.head(now, 80)[0].plain
    assert view.summary(shown()).plain == "nothing that was recorded differs"
    assert view.summary(shown(RATE)).plain == "1 param differs"


def test_a_table_says_that_enter_reads_it_then_that_it_is_read_then_what_is_in_it():
    assert plain(told(TABLE, None, asked=False)) == [
        "48,120 → 48,121 rows", "schema   +plan  age int64 → float64", "differ   income  (7 columns equal)", "",
        "enter reads the rows",
    ]  # fmt: skip
    assert plain(told(TABLE, None, asked=True))[-1] == "… reading the rows"
    data = {
        "note": "", "read": True, "added": 1, "removed": 0, "changed": 2, "cells": 3, "key": ["id"],
        "key_source": "found",
        "preview": [
            {"mark": "changed", "key": [1047], "cells": {"income": [52000, 51900]}},
            {"mark": "added", "key": [9981], "cells": {"income": [None, 48100], "plan": [None, "free\x1b[31m"]}},
        ],
        "drift": [{"column": "income", "nulls": [0, 3], "quantiles": [[1, 2, 3.0, 4, 5], [1, 2, 5.0, 4, 5]],
                   "bins": [{"label": "a", "a": 1, "b": 3}, {"label": "b", "a": 2, "b": 1}], "psi": 0.3,
                   "shift": "large"}],
    }  # fmt: skip
    lines = plain(told(TABLE, data, asked=True))
    assert lines[4:6] == ["1 added · 0 removed · 2 changed (3 cells)", "rows matched by id, found: unique in both"]
    assert " ~ 1047  52000 → 51900  ·" in lines
    assert " + 9981  48100          free" in lines
    assert lines[-1].endswith("PSI 0.30 moved far  median 3 → 5  nulls 0 → 3")


def test_a_value_is_shown_before_and_after_and_then_path_by_path():
    one = Difference("value", "score", {"preview": "{}"}, None, {"change": "removed"})
    assert plain(told(one, None, asked=False))[:2] == ['A  { "preview": "{}" }', "B  not there"]
    data = {"differing": 1, "paths": [{"path": "$.sum", "before": 1, "after": 2.5}]}
    assert plain(told(one, data, asked=True))[-2:] == ["1 path differs", " $.sum  1 → 2.5"]
    array = {"shape": [[2, 3], [2, 3]], "dtype": ["float64", "float64"], "changed": 4, "size": 6,
             "max_absolute": 1e-9, "max_relative": 1e-8, "within_tolerance": True, "tolerance": 1e-6}  # fmt: skip
    assert "equal within 1e-06" in plain(told(one, array, asked=True))


def test_a_step_that_failed_says_why_and_what_it_was_run_for():
    detail = SLOW.detail | {"change": "state", "error": [None, "ValueError: no rows"], "reasons": ["rate changed"]}
    one = Difference("step", "model", "done", "failed", detail)
    assert plain(told(one, None, asked=False)) == [
        "A  done · 1 s · local", "B  failed · 4 s · local · 2 attempts", "   ✗ ValueError: no rows",
        "   because rate changed",
    ]  # fmt: skip
    assert "ValueError: no rows" in view.lines_of([view.Row("model", one)], 118)[0].plain
    assert plain(same_told(RATE))[0] == "equal in A and B"


@given(st.text(max_size=30), st.text(max_size=30))
def test_nothing_from_data_reaches_the_terminal_as_a_command(name, value):
    ones = [
        Difference("param", name, value, [value], {"change": "changed"}),
        Difference("value", name, {"preview": value}, {"preview": name}, {"change": "changed"}),
        Difference("file", name, value, None, {"change": "removed", "bytes": [3, None], "steps": [name]}),
    ]
    lines = view.lines_of(view.rows_of(shown(*ones, same=(("param", name, value),)), equal=True), 118)
    lines += [line for one in ones for line in told(one, None, asked=False)]
    diff = diff_of(value, name)
    lines += [unified_line(one) for one in flat_lines(diff)]
    lines += [side_text(side, "side-a", 40) for row in diff.rows for side in (row.left, row.right)]
    assert not any(ord(one) < 32 or 127 <= ord(one) < 160 for line in lines for one in line.plain)


# Diffs

BEFORE = "def fit(data):\n    for x in data:\n        step(x)\n    return 1"
AFTER = "def fit(data):\n    for i, x in enumerate(data):\n        log(i)\n        step(x)\n    return 1"


def diff_of(before: str, after: str) -> Diff:
    rows = side_by_side(before, after, 14, 14)
    starts = tuple(next(rows.index(row) for row in hunk.rows if not row.equal) for hunk in hunks(rows))
    return Diff(rows, starts, ("a.py", "a.py"))


def test_one_column_has_what_went_before_what_came():
    lines = plain(unified_line(one) for one in flat_lines(diff_of(BEFORE, AFTER)))
    assert lines == [
        "   14   def fit(data):",
        "   15 −     for x in data:",
        "   15 +     for i, x in enumerate(data):",
        "   16 +         log(i)",
        "   17           step(x)",
        "   18       return 1",
    ]


def test_two_columns_are_as_wide_as_they_are_told_and_hatched_where_nothing_is():
    diff = diff_of(BEFORE, AFTER)
    sides = [side_text(side, "side-a", 30) for row in diff.rows for side in (row.left, row.right)]
    assert {one.cell_len for one in sides} == {30}
    assert any("╲╲╲" in one.plain for one in sides) and any(one.plain.endswith("…") for one in sides)


def test_a_diff_is_read_from_what_was_answered():
    told = {"rows": [[None, [3, "x", "+", [[0, 1]]]]], "hunks": [0], "paths": [None, "b.py"]}
    diff = Diff.of(told)
    assert diff.rows[0].left is None and diff.rows[0].right.changed == ((0, 1),)
    assert diff.counts == (1, 0)
    assert view.as_text(FIT, diff_of("a\nb", "a\nc")) == " a\n-b\n+c"
    assert view.as_text(RATE, None) == "model.rate: 0.1 → 0.3"


def test_several_runs_have_a_column_each_and_the_best_a_mark():
    document = {
        "runs": [1, 2], "states": ["done", "failed"], "equal": {},
        "rows": [{"kind": "metric", "subject": "model.loss", "values": [0.5, 0.25], "best": [1]},
                 {"kind": "code", "subject": "train:fit", "values": ["a", None], "best": []}],
    }  # fmt: skip
    assert [one.title for one in columns_of(document)] == ["", "what", "1 ✓", "2 ✗"]
    assert [[cell.plain for cell in row] for row in rows_of_matrix(document)] == [
        ["metric", "model.loss", "0.5", "0.25 ★"], ["code", "train:fit", "a", "–"],
    ]  # fmt: skip
    assert row_text(document, 0) == "model.loss\t0.5\t0.25 ★"
