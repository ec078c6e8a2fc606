"""What is drawn of data: lists, cells, profiles, differences, completions, as functions of what was read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from instep.ide.text import width
from instep.ide.views import cells, column, console, data

KEYS = ("version", "content", "run", "kind", "format", "carrier", "rows", "columns", "bytes", "here")


def version(step="clean", name="clean", number=1, **more):
    base = dict(
        zip(
            KEYS,
            (number, f"{step}{name}{number}", 40 + number, "table", "table", "polars", 48_121, 9, 10**6, True),
            strict=True,
        )
    )
    return data.Version(step, name, **(base | more))


def lines(rows, columns=34, shown=""):
    return [data.row_text(one, columns, shown).plain for one in rows]


def test_a_table_is_told_with_its_rows_and_columns_and_the_rest_with_kind_and_size():
    model = version(
        "train", "model", kind="object", format="pickle", carrier="sklearn.linear_model.Ridge", bytes=4_100_000
    )
    told = lines(data.rows_of([version(number=8), model], ["clean", "train", "evaluate"], (), ()))
    assert told == [
        "▾ clean",
        "    clean      v8       48,121 × 9",
        "▾ train",
        "    model      v1     Ridge 4.1 MB",
        "  evaluate  –",
    ]


def test_older_versions_are_offered_and_shown_when_asked_for():
    held = [version(number=at) for at in range(9, 0, -1)]
    short = data.rows_of(held, [], (), ())
    assert [one.kind for one in short] == ["step", *["version"] * data.FEW, "more"]
    assert lines(short)[-1] == "    … 6 older"
    assert len(data.rows_of(held, [], (), {("clean", "clean")})) == 10
    assert len(data.rows_of(held, [], {"clean"}, ())) == 1


def test_steps_are_in_the_order_of_the_graph_and_gone_ones_last():
    rows = data.rows_of([version("old", "old"), version("b", "b"), version("a", "a")], ["a", "b"], (), ())
    assert [one.step for one in rows if one.kind == "step"] == ["a", "b", "old"]


def test_what_was_removed_says_so_in_a_word():
    told = data.row_text(data.Row("version", "clean", "clean", version(here=False)), 34, "")
    assert "✗ removed" in told.plain


@given(name=st.text(max_size=120), columns=st.integers(24, 60), rows=st.integers(0, 10**9))
def test_no_name_is_wider_than_the_list(name, columns, rows):
    for row in data.rows_of([version(name, name, rows=rows)], [name], (), ()):
        text = data.row_text(row, columns, "")
        assert "\n" not in text.plain and width(text.plain) <= max(columns, 36)


def test_the_summary_counts_a_content_once():
    two = [
        version(number=2, content="x"),
        version("b", "b", content="x"),
        version("c", "c", kind="value", format="json", bytes=10),
    ]
    assert data.summary(two) == "1 table · 1 other · 1.0 MB"
    assert data.summary([]) == "0 tables · 0 B"


def test_what_is_gone_to_is_the_newest_unless_a_run_is_named():
    held = [version(number=3, run=9), version(number=2, run=7), version("b", "b", run=9)]
    assert data.chosen(held, {"step": "clean"}) is held[0]
    assert data.chosen(held, {"step": "clean", "run": 7}) is held[1]
    assert data.chosen(held, {"step": "clean", "run": 1}) is held[0]
    assert data.chosen(held, {"step": "nope"}) is None
    assert data.previous(held, held[0]) is held[1] and data.previous(held, held[1]) is None


def test_a_file_gets_a_name_that_any_disk_takes():
    assert data.file_name(version(name="a/b c")) == "a_b_c_v1.parquet"
    assert data.file_name(version(format="pickle")) == "clean_v1.pkl"


def test_a_value_is_shown_as_its_text_and_obeyed_by_no_terminal():
    document = {
        "kind": "value", "bytes": 12, "carrier": "json", "rows": None, "summary": {"min": 1.5}, "preview": "short",
        "text": "{'a': '\x1b[31mred'}\nline",
    }  # fmt: skip
    told = [one.plain for one in data.value_lines(document)]
    assert told == ["value, 12 B", "min 1.5", "", "{'a': 'red'}", "line"]


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        ("double", "float64"),
        ("large_string", "text"),
        ("large_list<item: large_list<item: float>>", "list[list[float32]]"),
        ("fixed_size_list<item: int64>[2]", "list[int64][2]"),
        ("timestamp[us]", "timestamp[us]"),
    ],
)
def test_types_are_called_as_people_call_them(dtype, name):
    assert cells.type_name(dtype) == name


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nan", "nan"),
        ("inf", "inf"),
        ("0.1", "0.1"),
        ("3.0", "3.0"),
        ("57920123.456", "57920123.46"),
        ("1e-12", "1e-12"),
    ],
)
def test_floats_are_short_and_as_large_as_they_are(text, shown):
    assert cells.page_cells([[text]], ["double"]) == [[shown]]


def test_missing_empty_and_look_alikes_are_told_apart():
    missing, empty, alike, blank = (cells.cell(one) for one in (None, "", "∅", "  "))
    assert isinstance(missing, Text) and missing.plain == "∅"
    assert (empty, alike, blank) == ('""', '"∅"', '"  "')


@given(st.text(max_size=300), st.integers(10, 80))
def test_any_text_is_one_line_within_its_column(text, room):
    from instep.ide.widgets.grid import _cell

    found = cells.page_cells([[text]], ["large_string"])
    (one,) = cells.columns_of(["c"], [False], found, room)
    drawn = _cell(found[0][0], one)
    assert "\n" not in drawn.plain and drawn.cell_len <= one.width + 2
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in drawn.plain)


def test_room_that_is_left_goes_to_what_was_cut():
    rows = cells.page_cells([["x" * 90, "1"]], ["large_string", "int64"])
    assert [one.width for one in cells.columns_of(["t", "n"], [False, True], rows, 60)] == [52, 4]
    assert [one.width for one in cells.columns_of(["t", "n"], [False, True], rows, 20)] == [cells.WIDEST, 4]


COLUMN = {
    "name": "income",
    "dtype": "double",
    "rows": 48_121,
    "nulls": 412,
    "summary": {"min": 0.0, "max": 411_000.0, "mean": 57_920.4, "quantiles": [1, 2, 54_100.0, 4, 5]},
}


def test_the_stored_summary_is_shown_before_anything_is_counted():
    told = [one.plain for one in column.profile_lines(COLUMN, None, None, 100, 6)]
    assert told == ["nulls 412 (0.9%)   min 0   p50 54,100   mean 57,920.4   max 411,000", "counting …"]


def test_the_profile_has_a_histogram_and_what_changed():
    profile = {
        "distinct": 9114,
        "histogram": {"low": 0.0, "high": 411_000.0, "counts": [0, 5, 100, 1] * 15},
        "rows": 48_121,
    }
    change = {
        "title": "v7 → v8",
        "state": "changed",
        "dtype": ["double", "double"],
        "nulls": [411, 412],
        "summary": [{"mean": 1.0, "sampled": 50}, {"mean": 2.0, "sampled": 50}],
        "rows": [50, 100],
    }
    told = [one.plain for one in column.profile_lines(COLUMN, profile, change, 100, 5)]
    assert "distinct ≈9,114" in told[0] and told[-1] == "v7 → v8: ~ nulls 411 → 412, mean 1 → ≈2"
    assert told[-2].startswith("0 ┤") and told[-2].endswith("├ 411,000") and "█" in told[-2]
    assert all(width(line) <= 100 for line in told)


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=60), st.integers(20, 160), st.integers(1, 6))
def test_a_histogram_fits_and_shows_every_bin_that_holds_anything(counts, room, tall):
    told = column.histogram_lines({"low": 0.0, "high": 1.0, "counts": counts}, room, tall)
    assert all(one.cell_len <= room for one in told) and len(told) <= 4
    bars = told[-1].plain[3:-3]
    groups = column.grouped(counts, max(4, room - 6))
    assert [one != " " for one in bars] == [one > 0 for one in groups]
    assert sum(column.grouped(counts, 7)) == sum(counts) or len(counts) <= 7


def test_common_values_have_bars_counts_and_shares():
    told = [one.plain for one in column.top_lines([["pro", 30], ["free\n", 10]], 40, 60, 5)]
    assert told[0].startswith("pro") and told[0].endswith("30  75.0%") and told[1].startswith("free⏎")


def _change(name, state, dtype=("int64", "int64"), nulls=(0, 0), summary=(None, None)):
    return {"name": name, "state": state, "dtype": dtype, "nulls": nulls, "summary": summary, "rows": (10, 12)}


def test_a_difference_names_what_changed_and_counts_what_did_not():
    document = {
        "rows": [10, 12], "bytes": [1000, 2000], "shared": 0,
        "columns": [
            _change("a", "equal"),
            _change("b", "changed", nulls=(1, 2)),
            _change("c", "retyped", ("int64", "double")),
            _change("d", "added", (None, "large_string"), (None, 0)),
            _change("e", "removed", ("int64", None), (0, None)),
        ],
    }  # fmt: skip
    told = [one.plain for one in column.change_lines(document, "v1", "v2", 80)]
    assert told[0] == "rows 10 → 12 (+2)   stored 1.0 kB → 2.0 kB"
    assert told[1:5] == [
        "~ b  nulls 1 → 2",
        "± c  type int64 → float64",
        "+ d  added, text",
        "- e  removed, was int64",
    ]
    assert told[5] == "= 1 column equal: a"


def test_equal_tables_are_said_to_be_equal():
    document = {"rows": [1, 1], "bytes": [1, 1], "shared": 1, "columns": [_change("a", "equal")]}
    assert "= every column is equal" in "\n".join(one.plain for one in column.change_lines(document, "v1", "v2", 80))


NAMES = console.Names(
    {"run": ["number", "state"], "step_run": ["run", "step", "state"], "latest.clean": ["age", "net income"]},
    ["select", "where", "from"],
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("from r", ["run"]),
        ("from ", ["run", "step_run", "latest.clean"]),
        ("from la", ["latest.clean"]),
        ("select st| from run", ["state", "step_run"]),
        ("from step_run s where s.st", ["s.step", "s.state"]),
        ("from step_run as s where S.r", ["S.run"]),
        ("from latest.clean where a", ["age"]),
        ("from latest.clean where ne", ['"net income"']),
        ("from latest.clean where clean.", ["clean.age", 'clean."net income"']),
        ("sel", ["select"]),
        ("from run where ", ["number", "state", "run", "step_run", "latest.clean"]),
        ("", []),
        ("from run where state = 'zzz", []),
    ],
)
def test_a_word_is_completed_by_where_it_stands(text, wanted):
    at = text.index("|") if "|" in text else len(text)
    assert console.candidates(text.replace("|", ""), at, NAMES) == wanted


def test_a_completion_replaces_the_word_alone():
    assert console.completed("select st from run", 9, "state") == ("select state from run", 12)
    assert console.common(["step", "State"]) == "st" and console.common([]) == ""


def test_a_condition_is_completed_with_a_column():
    assert console.column_completion("age > 1 and net", ["age", "net income"]) == 'age > 1 and "net income"'
    assert console.column_completion("age", ["age"]) is None and console.column_completion("", ["a"]) is None


def test_the_history_has_each_question_once_and_the_newest_last():
    assert console.remembered(["a", "b"], "a") == ["b", "a"]
    assert console.remembered([str(n) for n in range(300)], "x")[-1] == "x"
    assert len(console.remembered([str(n) for n in range(300)], "x")) == 200


@given(st.lists(st.text(min_size=1, max_size=60), max_size=80), st.integers(20, 120), st.integers(1, 6))
def test_hints_fit_their_room(found, room, tall):
    told = console.hint_lines(found, room, tall)
    assert len(told) <= tall and all(one.cell_len <= room for one in told)
