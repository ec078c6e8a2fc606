"""Lines of a log are drawn so that nothing in them can break the screen, and so that everything can be reached."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from instep.ide.views.log_lines import (
    LogLine,
    body,
    columns_of,
    from_column,
    head,
    height,
    line_of,
    matches,
    names_width,
    shown,
    wrapped,
)
from instep.ide.views.logs import Counted, Looked, Manner, above, below, counted_of, nothing

LINE = LogLine(1_700_000_000_123_456, "train", 7, None, "stdout", "", 1, "epoch 1 loss 0.5")
NASTY = st.text(
    st.sampled_from("aé\t\x1b[31m\x07\r\n\x00\u202e\u200b\ufe0f日本👍\U0001f3fd👨‍👩\u0301 retry"), max_size=300
).map(lambda text: text.replace("\\", ""))
COUNTED = Counted(42, "running", True, 1.0, 88_310, 88_310, {"train": 88_310}, (0, 88_308, 2, 0), ".instep/runs/42")


def test_a_line_has_time_step_and_level_before_what_was_said():
    assert head(LINE, 8, 120).plain.endswith(".123  train     info    ")
    assert head(replace(LINE, rank=2), 8, 120).plain.endswith("warn !  ")
    assert head(replace(LINE, rank=3), 8, 80).plain.endswith("train     ✗ ")
    assert head(replace(LINE, item=3), 8, 120).plain.endswith("train[3]  info    ")
    assert body(LINE, "").plain == "epoch 1 loss 0.5"


@pytest.mark.parametrize("columns", [80, 120])
def test_heads_are_of_one_width(columns):
    names = names_width(["train", "x" * 80], 7, columns)
    heads = {head(replace(LINE, step=step, item=item, rank=rank), names, columns).cell_len
        for step in ("a", "x" * 80, "日本語のステップ") for item in (None, 12_345) for rank in range(4)}  # fmt: skip
    assert len(heads) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("a\tb", "a       b"),
        ("bell\x07 and \x00 nul", "bell and  nul"),
        ("\u202eturned\u202c", "turned"),
        ("👍🏽 👨‍👩‍👧", "👍 👨👩👧"),
        ("two\nlines", "two⏎lines"),
    ],
)
def test_what_a_terminal_would_obey_or_what_has_no_width_is_left_out(text, told):
    assert shown(text) == told


def cells_of(text: str) -> list[str]:
    """A column each; the second half of a wide character is empty."""
    cells: list[str] = []
    for one in text:
        match cell_len(one):
            case 0:
                cells[-1 if cells[-1] else -2] += one
            case 1:
                cells.append(one)
            case _:
                cells += [one, ""]
    return cells


@given(NASTY, st.integers(0, 400), st.integers(1, 120))
def test_a_cut_line_is_what_those_columns_show(text, left, columns):
    told = "a" + shown(text)
    cells = cells_of(told)[left : left + columns]
    if cells and not cells[0]:
        cells[0] = " "
    part = from_column(Text(told), left, columns).plain
    assert part.rstrip(" ") == "".join(cells).rstrip(" ")


@given(NASTY, st.integers(60, 120), st.integers(1, 12))
def test_a_wrapped_line_takes_the_rows_that_were_counted_and_never_more_columns(text, columns, most):
    line = replace(LINE, text="a" + shown(text))
    rows = wrapped(line, "", 8, columns, most)
    assert len(rows) == height(line, 8, columns, most) <= most
    assert all(row.cell_len <= columns for row in rows)
    said = "".join(row.plain[head(line, 8, columns).cell_len :] for row in rows)
    if said != line.text:
        kept, _, more = said.rpartition(" … ")
        assert len(rows) == most and line.text.startswith(kept)
        assert more == f"{len(line.text) - len(kept):,} more"


def test_a_line_of_ten_thousand_characters_ends_by_saying_how_many_more_there_are():
    rows = wrapped(replace(LINE, text="0123456789" * 1_000), "", 5, 100, 4)
    assert len(rows) == 4
    assert rows[-1].plain.endswith(" more")
    assert max(row.cell_len for row in rows) == 100


@pytest.mark.parametrize(
    ("text", "find", "spans"),
    [
        ("retry Retry", "retry", [(0, 5), (6, 11)]),
        ("retry Retry", "Retry", [(6, 11)]),
        ("a.b a+b", "a.b", [(0, 3)]),
        ("anything", "", []),
        ("İstanbul retry", "retry", [(9, 14)]),
    ],
)
def test_matches_are_marked_in_any_case_unless_a_capital_is_asked_for(text, find, spans):
    assert matches(text, find) == spans
    assert [(one.start, one.end) for one in body(replace(LINE, text=text), find).spans if one.style == "match"] == spans


def test_an_answer_becomes_lines_and_counts():
    document = {
        "number": 2,
        "state": "done",
        "going": False,
        "share": 1.0,
        "total": 4,
        "matching": 3,
        "counts": [["a", 1, 2], ["a", 3, 1], ["b", 2, 1]],
        "folder": ".instep/runs/2",
    }
    counted = counted_of(document)
    assert (counted.by_step, counted.by_rank) == ({"a": 3, "b": 1}, (0, 2, 1, 1))
    assert below(counted) == "3 of 4 lines · 1 error · 1 warning · written to .instep/runs/2"
    assert line_of([5, "a", 1, None, "stdout", "", 1, "x\ty"]).text == "x       y"
    assert columns_of(line_of([5, "a", 1, None, "stdout", "", 1, "日本"])) == 4


def test_the_line_above_says_what_is_looked_at():
    looked = Looked(42, "train", "info", "epoch", "retry")
    assert above(looked, COUNTED, (3, 17), Manner(), 120).plain.split("   ")[:5] == [
        " run 42",
        "steps train",
        "level ≥info",
        "only epoch",
        "find:  retry  3/17",
    ]
    assert above(Looked(42), COUNTED, None, Manner(), 120).cell_len == 120
    assert "▼ following" in above(Looked(42), COUNTED, None, Manner(), 120).plain
    assert "not following (f)" in above(Looked(42), COUNTED, None, Manner(follows=False), 120).plain
    assert "✗ failed" in above(Looked(42), replace(COUNTED, going=False, state="failed"), None, Manner(), 120).plain
    assert "wrap on" in above(Looked(42), COUNTED, None, Manner(wrap=True), 120).plain
    assert "from column 33" in above(Looked(42), COUNTED, None, Manner(aside=32), 120).plain
    assert "no match" in above(looked, COUNTED, (0, 0), Manner(), 120).plain


def test_levels_go_round():
    levels = [Looked()]
    for _ in range(4):
        levels.append(levels[-1].next_level())
    assert [one.level for one in levels] == ["debug", "info", "warning", "error", "debug"]
    assert Looked(find="x").same_lines(Looked(find="y")) and not Looked(text="x").same_lines(Looked())


@pytest.mark.parametrize(
    ("looked", "counted", "problem", "words"),
    [
        (Looked(), None, "", ["reading the log"]),
        (Looked(), replace(COUNTED, share=0.34), "", ["34%"]),
        (Looked(), None, "the catalog is held", ["✗ the catalog is held", "Close it."]),
        (Looked(), Counted(), "", ["Nothing was run", "`1`"]),
        (Looked(42), replace(COUNTED, total=0, matching=0), "", ["said nothing yet"]),
        (Looked(42), replace(COUNTED, total=0, matching=0, going=False), "", ["nothing", "`[`"]),
        (Looked(42, "a", "error", "x"), replace(COUNTED, matching=0), "", ["step a, level ≥error, “x”", "`esc`"]),
    ],
)
def test_where_there_is_no_line_it_is_said_why_and_what_to_do(looked, counted, problem, words):
    told = "\n".join(one.plain for one in nothing(looked, counted, problem, "Close it." if problem else ""))
    for word in words:
        assert word in told
