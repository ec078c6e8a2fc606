"""A run on a line of time: the longest chain is the longest, what is expected follows what is needed, bars are where
their times are."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.ide.views.chain import longest_chain
from instep.ide.views.charting import chart_of
from instep.ide.views.gantt import bar_line, names_width
from instep.ide.views.live import Live, StepNow
from instep.ide.views.sums import below, figures
from instep.ide.views.time_scale import LABEL, axis, fitting, moved, zoomed
from instep.ide.views.timeline import Chart, Row, Span

BEGAN = 1_700_000_000_000_000


def step(name: str, *spans: tuple[float, float | None, str], **more: Any) -> dict[str, Any]:
    told = {
        "step": name,
        "state": spans[-1][2] if spans else "reused",
        "needs": [],
        "spans": [
            [BEGAN + round(start * 1e6), None if end is None else BEGAN + round(end * 1e6), state]
            for start, end, state in spans
        ],
        "seconds": None,
        "saved": None,
        "before": None,
        "node": "",
        "target": "local",
        "error": "",
        "items": None,
        "parallel": [],
        "peak": 0,
    }
    return told | more


def document(*steps: dict[str, Any], ended: float | None = None, state: str = "done") -> dict[str, Any]:
    return {
        "number": 42,
        "state": "running" if ended is None else state,
        "going": ended is None,
        "started": BEGAN,
        "ended": None if ended is None else BEGAN + round(ended * 1e6),
        "older": 41,
        "newer": None,
        "steps": list(steps),
    }


def chart(told: dict[str, Any], live: Live | None = None, now: float = 0.0) -> Chart:
    return chart_of(told, live or Live(), BEGAN / 1e6 + now)


def rows(found: Chart) -> dict[str, Row]:
    return {one.step: one for one in found.rows}


ENDED = document(
    step("raw", saved=12.0),
    step("clean", (0.5, 4.5, "done"), needs=["raw"]),
    step("stats", (6.0, 7.0, "done"), needs=["clean"], before=[41, 0.9]),
    step("train", (4.5, 64.5, "done"), needs=["clean"], before=[41, 130.0]),
    step("report", (65.0, 66.0, "failed"), (68.0, 70.0, "failed"), needs=["train", "stats"], error="ValueError: no"),
    ended=70.0,
    state="failed",
)
FAN = step("fan", (10.0, 20.0, "done"), items={"done": 6, "failed": 1}, parallel=[1.0, 3.0, 2.0, 0.5], peak=3)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, list[str]], dict[str, float]]:
    names = [f"s{at}" for at in range(draw(st.integers(0, 7)))]
    needs = {
        name: draw(st.lists(st.sampled_from(names[:at]), unique=True)) if at else [] for at, name in enumerate(names)
    }
    took = {name: float(draw(st.integers(0, 9))) for name in names}
    return dict(sorted(needs.items(), key=lambda _: draw(st.integers(0, 9)))), took


def chains(needs: dict[str, list[str]], end: str) -> list[list[str]]:
    return [[end], *([*chain, end] for need in needs[end] for chain in chains(needs, need))]


@given(graphs())
def test_the_longest_chain_is_one_and_no_other_is_longer(graph):
    needs, took = graph
    found = longest_chain(needs, took)
    every = [chain for name in needs for chain in chains(needs, name)]
    assert list(found) in every or (not found and not every)
    assert sum(took[one] for one in found) == max((sum(took[one] for one in chain) for chain in every), default=0)


def test_a_graph_of_a_thousand_steps_in_a_row_has_one_chain():
    needs = {f"s{at}": [f"s{at - 1}"] if at else [] for at in range(1_000)}
    assert len(longest_chain(needs, dict.fromkeys(needs, 1.0))) == 1_000


def test_an_ended_run_tells_the_chain_what_waited_and_what_was_saved():
    found = chart(ENDED)
    assert found.critical == ("clean", "train", "report")
    assert found.critical_seconds == pytest.approx(4 + 60 + 3)
    assert {one.step: one.waited for one in found.rows if one.spans} == pytest.approx(
        {"clean": 0.5, "stats": 1.5, "train": 0.0, "report": 0.5}
    )
    assert (found.saved, found.now, found.end) == (12.0, 70.0, 70.0)
    assert [one.step for one in found.longest()] == ["train", "clean", "report", "stats"]


def test_of_a_run_that_goes_on_the_rest_is_expected_from_its_history():
    live = Live(
        run=42,
        going=True,
        steps={
            "clean": StepNow("clean", doing="done", plan="fresh"),
            "train": StepNow("train", doing="running", seconds=100.0, needs=("clean",)),
            "half": StepNow("half", doing="running", seconds=1.0, needs=("clean",), done=1, total=4),
            "new": StepNow("new", doing="running", needs=("clean",)),
            "report": StepNow("report", doing="waiting", plan="pending", seconds=6.0, needs=("train", "half")),
            "cached": StepNow("cached", doing="waiting", plan="fresh", seconds=50.0),
        },
    )
    told = document(
        step("clean", (0.0, 4.0, "done")),
        *(step(name, (4.0, None, "running"), needs=None) for name in ("train", "half", "new")),
    )
    found = chart(told, live, now=24.0)
    by_name = rows(found)
    assert by_name["train"].expected == pytest.approx((24.0, 104.0))  # 100 s last time, 20 s so far
    assert by_name["half"].expected == pytest.approx((24.0, 84.0))  # a quarter in 20 s
    assert by_name["new"].expected is None
    assert by_name["report"].expected == pytest.approx((104.0, 110.0))
    assert by_name["cached"].rest() == 0
    assert found.end == pytest.approx(110.0)
    assert found.critical == ("clean", "train", "report")
    assert rows(chart(told, live, now=300.0))["train"].expected == (300.0, 300.0)  # late: nothing is promised


def test_a_step_whose_inputs_are_there_waits_for_a_worker_until_now():
    ready = StepNow("ready", doing="ready", plan="stale", seconds=6.0, needs=("clean",))
    after = StepNow("after", doing="waiting", plan="pending", needs=("ready",))
    live = Live(run=42, going=True, steps={"ready": ready, "after": after})
    found = chart(document(step("clean", (0.0, 4.0, "done"))), live, now=24.0)
    assert (rows(found)["ready"].waits, rows(found)["after"].waits) == (True, False)
    told = bar_line(rows(found)["ready"], found, fitting(found, 100), 8).plain
    assert told.startswith("◌ ready") and told.index("░") < told.index("╌")
    assert told.endswith("waits  ~6.0 s")
    assert bar_line(rows(found)["after"], found, fitting(found, 100), 8).plain.endswith("not run before")


def test_what_another_run_says_is_not_drawn_into_an_old_one():
    live = Live(run=43, going=True, steps={"late": StepNow("late", doing="waiting", seconds=5.0)})
    assert "late" not in rows(chart(ENDED, live))


def test_a_step_that_was_cut_off_ends_with_its_run():
    found = chart(document(step("train", (1.0, None, "running"), needs=None), ended=9.0, state="interrupted"))
    assert found.rows[0].spans == (Span(1.0, 9.0, "interrupted"),)
    assert (found.rows[0].ready, found.rows[0].waited) == (None, 0.0)


@pytest.mark.parametrize("columns", [60, 100])
def test_bars_are_where_their_times_are(columns):
    found = chart(ENDED)
    scale = fitting(found, columns)
    names = names_width(found, columns)
    for row in found.rows:
        line = bar_line(row, found, scale, names)
        assert line.cell_len <= columns + names + 4
        cells = line.plain[names + 4 :].ljust(columns)
        for span in row.spans:
            first = scale.column(span.start)
            last = max(first + 1, scale.column(span.end or 0.0))
            assert set(cells[first:last]) <= set("█▆✗↻")
    assert scale.column(found.end) == columns - LABEL


def drawn(row: dict[str, Any], found: Chart | None = None, columns: int = 100, **live: Any) -> str:
    made = found or chart(document(row, ended=60.0))
    return bar_line(rows(made)[row["step"]], made, fitting(made, columns), 8).plain


def test_marks_say_what_colours_say():
    found = chart(ENDED)
    told = {one.step: bar_line(one, found, fitting(found, 100), 8).plain for one in found.rows}
    assert told["raw"] == "✓ raw       ✓ cached, saved 12 s"
    assert "█" in told["train"] and "▆" in told["stats"] and "░" in told["stats"]
    assert "↻" in told["report"] and "✗" in told["report"][2:]
    assert "3.0 s  ValueError: no" in told["report"]
    assert "1m00" in told["train"]
    assert drawn(step("report", state="blocked", needs=None)).endswith("‖ blocked")


def test_a_fan_out_is_drawn_by_how_many_items_were_at_work():
    told = drawn(FAN)
    assert [char for char in "▃█▅▁" if char in told] == ["▃", "█", "▅", "▁"]
    assert told.index("▃") < told.index("█") < told.rindex("▁")
    assert told.endswith("10 s  7 items · 1 failed · 3 at once")


def test_what_goes_on_has_now_and_what_is_expected():
    live = Live(run=42, going=True, steps={"train": StepNow("train", doing="running", seconds=40.0)})
    found = chart(document(step("train", (0.0, None, "running"))), live, now=10.0)
    told = drawn(step("train", (0.0, None, "running")), found)
    assert told.startswith("▶ train")
    assert told.index("█") < told.rindex("▶") < told.index("╌")
    assert told.endswith("eta 30 s")


def test_a_step_without_room_for_its_label_has_it_on_the_left():
    found = chart(
        document(step("end", (50.0, 60.0, "failed"), error="ValueError: " + "long " * 5, needs=None), ended=60.0)
    )
    told = bar_line(found.rows[0], found, fitting(found, 100), 8).plain
    assert told.index("ValueError") < told.index("█")


def test_the_scale_stays_within_the_run():
    found = chart(ENDED)
    whole = fitting(found, 100)
    finer = zoomed(whole, 2, found)
    assert finer.per == pytest.approx(whole.per / 2)
    assert zoomed(finer, 1 / 8, found).per == whole.per
    assert moved(finer, -1_000, found).left == 0
    far = moved(finer, 1_000, found)
    assert far.column(found.end) == pytest.approx(100 - LABEL, abs=1)
    assert zoomed(whole, 1e9, found).per == 0.001
    clean = rows(found)["clean"]
    assert bar_line(clean, found, far, 8).plain.endswith("‹ 4.0 s")
    assert bar_line(rows(found)["report"], found, moved(finer, -1_000, found), 8).plain.endswith(" ›")


@given(st.floats(0.001, 1e6), st.integers(20, 200))
def test_ticks_are_apart_and_within_the_line(length, columns):
    found = replace(chart(ENDED), now=length, end=length)
    line = axis(fitting(found, columns), 8)
    assert line.cell_len == columns + 12
    labels = line.plain[12:].split()
    assert labels[:1] == ["0s"] and len(labels) == len(set(labels))
    assert len(labels) <= columns // 9 + 1


def test_the_sums_tell_the_longest_steps_with_what_they_took_before():
    told = [one.plain for one in figures(chart(ENDED), 116, 7)]
    assert told[0].startswith("train") and "1m00" in told[0] and "(run 41: 2m10)" in told[0]
    assert "(first time)" in told[1]
    assert "waited 1.5 s" in told[3]
    assert "saved by re-use" in told[0] and "12 s  1 step" in told[0]
    assert "1m07  96% of the run" in told[1]
    assert "2.5 s  for a worker" in told[3]
    assert all(one.cell_len <= 76 for one in figures(chart(ENDED), 76, 5))
    assert len(figures(chart(ENDED), 76, 5)) == 5


def test_the_frame_says_how_long_and_the_longest_chain():
    assert below(chart(ENDED)) == "failed in 1m10 · critical path: clean → train → report"
    assert below(chart(document(step("raw", saved=1.0)), now=3.0)) == "3.0 s so far"
