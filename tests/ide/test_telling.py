"""Every kind of difference as lines for a terminal, and nothing in them that a terminal would obey."""

import pytest

from instep.engine.compare.differences import Comparison, Difference
from instep.engine.compare.table_diff import ColumnChange, RowChange, TableDiff
from instep.ide.commands.telling import difference_lines, told

EVIL = "\x1b[31mred\x07\x1b]0;title\x07"
TABLE = TableDiff(
    rows=(3, 4),
    key=("id",),
    key_source="found",
    duplicates=(0, 2),
    added=1,
    changed=1,
    cells=1,
    columns=(ColumnChange("x", "int64", "double", 1),),
    preview=(
        RowChange("changed", (7,), {"x": (1, 2.5)}),
        RowChange("added", (9,), {"x": (None, 3), "y": (None, EVIL)}),
    ),
    read=True,
)
COLUMNS = {
    "added": ["z"],
    "removed": [],
    "retyped": {"x": ["int64", "double"]},
    "changed": ["x"],
    "equal": 1,
    "reordered": True,
}


def output(kind, data, change="changed", **more):
    detail = {"change": change, "step": "s", "kind": [kind, kind], "content": ["1", "2"], "bytes": [10, 2000]}
    side = {"rows": 3, "content": "abc"} if kind == "table" else {"preview": EVIL, "content": "abc"}
    return Difference(kind, "out", side, side, detail | ({"data": data} if data is not None else {}) | more)


CASES = [
    (Difference("param", "a.x", 1, None, {"change": "removed"}), ["param", "1 → —"]),
    (Difference("package", "polars", "1.0", "2.0", {"change": "changed"}), ["polars", "1.0 → 2.0"]),
    (Difference("param", "a.t", EVIL, "ok", {"change": "changed"}), ["→ ok"]),
    (
        Difference(
            "code",
            "m:new",
            "m.py:1",
            "m.py:5",
            {
                "change": "renamed",
                "kind": "function",
                "name": "new",
                "was": "m:old",
                "steps": ["a", "b"],
                "added": 1,
                "removed": 1,
                "diff": ["@@ -1,1 +5,1 @@", f"-{EVIL}", "+def new():"],
            },
        ),
        ["new()", "renamed from m:old", "+1 −1", "for a, b", "+def new():"],
    ),
    (
        Difference("file", f"d{EVIL}.csv", "aa", None, {"bytes": [1000, None], "steps": ["a"]}),
        ["aa → —", "1.0 kB → —", "read by a"],
    ),
    (output("table", TABLE.to_json(), rows=[3, 4], columns=COLUMNS), [
        "3 → 4 rows, +z, x: int64 → double, columns in another order",
        "+1 −0 rows, 1 changed (1 cell)  by id (found: unique in both); 0 → 2 rows with a key that occurs before",
        "1 cell changed  int64 → double",
        "~ id=7  x 1 → 2.5",
        "+ id=9  x 3",
    ]),
    (output("table", None, rows=[3, 3], columns=COLUMNS), ["3 rows", "columns that differ: x", "--step s"]),
    (output("table", None, change="added"), ["added, 3 rows"]),
    (
        output("array", {"shape": [[2, 3], [2, 3]], "dtype": ["float64", "float32"], "changed": 2, "size": 6,
                         "max_absolute": 0.5, "max_relative": "inf", "within_tolerance": False, "tolerance": 1e-6}),
        ["2×3 float64 → float32", "2 of 6 items differ", "largest difference 0.5 (relative inf)"],
    ),
    (
        output("value", {"differing": 1, "paths": [{"path": "$.a", "change": "changed", "before": "1", "after": 1}]}),
        ["1 path differs", '$.a  "1" → 1'],
    ),
    (
        output("value", {"items": [3, 3], "changed": 1, "added": 0, "removed": 0,
                         "shown": [{"item": 2, "before": 1, "after": EVIL}]}),
        ["3 items, 1 changed", "[2]  1 →"],
    ),
    (output("value", {"lines": [1, 1], "added": 1, "removed": 1, "diff": ["-a", f"+{EVIL}"]}), ["text, +1 −1 lines"]),
    (output("value", {"bytes_equal": False, "bytes": [10, 2000], "carrier": EVIL}), ["other bytes  10 B → 2.0 kB"]),
    (output("value", {"note": f"the object is {EVIL} not in the store"}), ["not in the store"]),
    (output("value", None), ["→"]),
    (
        Difference("log", "a", 3, 4, {"removed": 0, "added": 1, "only_a": [], "only_b": [EVIL], "cut": False}),
        ["3 → 4 lines, +1 −0 (numbers aside)"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("one", "parts"), CASES, ids=[f"{one.kind}-{at}" for at, (one, _) in enumerate(CASES)])
def test_a_difference_says_what_differs_and_commands_nothing(one, parts):
    text = "\n".join(difference_lines(one, on=False, whole=True))
    for part in parts:
        assert part in text, text
    assert not any(ord(letter) < 32 and letter != "\n" for letter in text)


def test_a_step_says_what_became_of_it():
    detail = {"change": "state", "seconds": [1.0, None], "where": ["local", "local"], "attempts": [1, 1]}
    detail |= {"items": [None, None], "error": [None, EVIL], "reasons": [EVIL]}
    one = Difference("step", "fit", "done", "failed", detail)
    assert "\n".join(difference_lines(one, on=False)) == "  step     fit  done → failed: red"
    slower = Difference("step", "fit", "done", "done", detail | {"change": "slower", "seconds": [1.0, 62.0]})
    assert "1.0 s → 1m02  slower" in "\n".join(difference_lines(slower, on=False))


def test_long_texts_are_cut_and_said_to_be():
    detail = dict(CASES[3][0].detail) | {"change": "changed", "diff": [f"+line {at}" for at in range(40)]}
    one = Difference("code", "m:new", "m.py:1", "m.py:5", detail)
    short = list(difference_lines(one, on=False))
    assert len(short) == 16 and short[-1].strip() == "… 26 lines more (--all)"
    assert len(list(difference_lines(one, on=False, whole=True))) == 41


def test_nothing_differs():
    run = {"run": "now", "steps": {"fresh": 2}}
    found = Comparison("1", "now", (), {"param": 3, "code": 1}, (run, run))
    text = "\n".join(told(found, on=False))
    assert "no difference" in text and "equal: 3 params, 1 definition" in text
