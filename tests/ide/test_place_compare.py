"""3 Compare, by keyboard: what differs, each difference by itself, other runs, and a run that goes on."""

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from place_app import app_on, picture
from screen_kit import at_rest, steady, text_of, until
from test_screen_looks import compare as look_of
from textual.pilot import Pilot

sys.path.insert(0, str(Path(__file__).parents[1] / "engine" / "reading"))
sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))

from logged_run import LoggedRun
from small_project import PIPELINE, project_in, run

from instep.engine.errors import StoreBusy
from instep.ide.app import InstepApp
from instep.ide.asking import Asker
from instep.ide.screens.compare import ComparePlace
from instep.ide.views.compare import is_time
from instep.ide.views.diff import Diff

SIZES = {"120x40": (120, 40), "80x24": (80, 24)}
CHANGED = PIPELINE.replace(
    "    for epoch in range(3):\n        log(loss=1 / (epoch + 1))",
    "    for epoch in range(30):\n        loss = 1 / (epoch + 1)\n        log(loss=loss)",
).replace('print("reading', 'print("now reading')


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run 1 as it is; run 2 with other code, param and file; run 3 with another weight."""
    root = tmp_path_factory.mktemp("compared") / "small"
    root.mkdir()
    project_in(root)
    run(root)
    (root / "pipeline.py").write_text(CHANGED)
    (root / "data.csv").write_text("a,b\n1,x\n2,q\n3,z\n9,w\n")
    run(root, table__rows=4)
    run(root, table__rows=4, score__weight=2.0)
    return root


def place(app: InstepApp) -> ComparePlace:
    found = app.places["compare"]
    assert isinstance(found, ComparePlace)
    return found


async def compared(pilot: Pilot[None], a: object, b: object) -> ComparePlace:
    """The place, once it shows these runs."""
    await until(pilot, lambda: "compare" in pilot.app.places)
    here = place(pilot.app)
    await until(pilot, lambda: here.shown is not None and (here.shown.a, here.shown.b) == (str(a), str(b)))
    await at_rest(pilot)
    return here


async def to(pilot: Pilot[None], here: ComparePlace, title: str, kind: str = "") -> None:
    """The cursor on a row, as `j` would bring it there."""
    at = next(i for i, one in enumerate(here.list.rows) if one.title == title and one.one and kind in one.one.kind)
    here.list.focus()
    here.list.move_to(at)
    await at_rest(pilot)


def listed(here: ComparePlace) -> list[str]:
    """Without the row about how long both took, which is always there."""
    return [one.title for one in here.list.rows if one.one is not None and not is_time(one.one)]


def said(here: ComparePlace) -> str:
    return "\n".join(line.plain for line in here.pane.told.texts)


@pytest.mark.parametrize("size", SIZES)
async def test_the_newest_run_is_held_against_the_one_before(root, size):
    async with app_on(root, "compare").run_test(size=SIZES[size]) as pilot:
        here = await compared(pilot, 2, 3)
        assert listed(here) == ["score.weight", "score.sum", "score"]
        assert pilot.app.focused is here.list
        assert here.pane.display == (size == "120x40")
        assert "A 2 ✓" in here.head.texts[0].plain and "B 3 ✓" in here.head.texts[0].plain
        assert "1 param · 1 metric · 1 value differ" in here.head.texts[1].plain


async def test_the_screen_can_be_opened_at_a_comparison(root):
    app = app_on(root, "runs")
    app.compare_first = ("3", "1")
    async with app.run_test(size=(120, 40)) as pilot:
        here = await compared(pilot, 3, 1)
        assert app.place == "compare" and "table.rows" in listed(here)


async def test_the_pane_follows_the_cursor(root):
    async with app_on(root, "compare").run_test(size=(120, 40)) as pilot:
        pilot.app.go("compare", runs=[1, 2])
        here = await compared(pilot, 1, 2)
        await to(pilot, here, "table.rows")
        assert said(here) == "A  3\nB  4"
        await to(pilot, here, "score()")
        await until(pilot, lambda: here.pane.diff.display)
        assert "for epoch in range(3)" in text_of(pilot.app) and "for epoch in range(30)" in text_of(pilot.app)
        await to(pilot, here, "score.loss")
        await until(pilot, lambda: here.pane.chart.display)
        assert [one.name for one in here.pane.chart._curves] == ["A 1", "B 2"]
        assert [one.style for one in here.pane.chart._curves] == ["side-a", "side-b"]
        await pilot.press("S")
        assert here.pane.chart._log
        await to(pilot, here, "table", "log")
        await until(pilot, lambda: here.pane.diff.display and "now reading" in text_of(pilot.app))


async def test_curves_are_drawn_over_seconds_too_and_a_part_of_them_is_looked_at(root):
    async with app_on(root, "compare").run_test(size=(120, 40)) as pilot:
        pilot.app.go("compare", runs=[1, 2])
        here = await compared(pilot, 1, 2)
        await pilot.press("X")
        assert "this is no curve" in pilot.app.query_one("#bottom").plain
        await to(pilot, here, "score.loss")
        await until(pilot, lambda: here.pane.chart.display)
        chart = here.pane.chart
        assert "x: count" in here.pane.border_subtitle
        assert (chart.extent(), chart.window) == ((0, 29), None)
        await pilot.press("+", "+")
        assert chart.window == (14.5 - 29 / 8, 14.5 + 29 / 8)
        await pilot.press("l", "l", "l", "l", "l", "l", "l", "l")
        assert chart.window == (29 - 29 / 4, 29)
        await pilot.press("-", "-", "-")
        assert chart.window is None
        await pilot.press("X")
        await until(pilot, lambda: here.pane.axis == "seconds" and chart.extent()[1] != 29)
        assert "x: seconds" in here.pane.border_subtitle
        await pilot.press("X")
        await until(pilot, lambda: here.pane.axis == "count")


async def test_the_time_of_both_is_drawn_on_one_scale(root):
    async with app_on(root, "compare").run_test(size=(120, 40)) as pilot:
        here = await compared(pilot, 2, 3)
        await to(pilot, here, "time")
        await until(pilot, lambda: " B 3" in said(here))
        told = said(here).splitlines()
        assert told[0].startswith("  step") and sum("step   " in line for line in told) == 1, "one scale"
        assert [line[:4] for line in told if "critical path" in line] == [" A 2", " B 3"]
        assert [line.split()[1] for line in told[2:6]] == ["table", "numbers", "square", "score"]
        assert "cached" in told[8], "run 3 took table over"


async def test_what_differs_is_written_as_a_table(root, tmp_path):
    async with app_on(root, "compare").run_test(size=(120, 40)) as pilot:
        pilot.app.go("compare", runs=[1, 2, 3])
        await until(pilot, lambda: place(pilot.app).matrix is not None)
        await pilot.press("E")
        await until(pilot, lambda: len(pilot.app.screen_stack) > 1)
        await pilot.press("ctrl+u", *str(tmp_path / "what.md"), "enter")
        await until(pilot, (tmp_path / "what.md").exists)
        assert (tmp_path / "what.md").read_text().startswith("| kind | subject | run 1 | run 2 | run 3 |\n")
        await until(pilot, lambda: "rows to" in pilot.app.query_one("#bottom").plain)
        await pilot.press("E")
        await until(pilot, lambda: len(pilot.app.screen_stack) > 1)
        await pilot.press("ctrl+u", *"what.pdf", "enter")
        await until(pilot, lambda: "Give .csv, .parquet or .md" in pilot.app.query_one("#bottom").plain)


async def test_brackets_go_from_kind_to_kind(root):
    async with app_on(root, "compare").run_test(size=(120, 40)) as pilot:
        pilot.app.go("compare", runs=[1, 2])
        here = await compared(pilot, 1, 2)
        seen = [here.row.one.kind]
        for _ in range(7):
            await pilot.press("]")
            seen.append(here.row.one.kind)
        assert seen == ["param", "code", "file", "step", "metric", "table", "value", "log"]
        await pilot.press("]")
        assert here.row.one.kind == "param"
        await pilot.press("[")
        assert here.row.one.kind == "log"


async def test_w_goes_from_a_metric_back_to_its_causes(root):
    async with app_on(root, "compare").run_test(size=(120, 40)) as pilot:
        here = await compared(pilot, 2, 3)
        await to(pilot, here, "score.sum")
        await pilot.press("w")
        await until(pilot, lambda: "Why run 3 is not as run 2" in text_of(pilot.app))
        told = text_of(pilot.app)
        assert "score  differs: its own 1 change" in told
        await pilot.press("G", "enter")
        await until(pilot, lambda: here.row is not None and here.row.title == "score.weight")


async def test_rows_of_a_table_are_read_when_enter_says_so(root):
    app = app_on(root, "compare")
    async with app.run_test(size=(120, 40)) as pilot:
        app.go("compare", runs=[1, 2])
        here = await compared(pilot, 1, 2)
        await to(pilot, here, "table", "table")
        assert "enter reads the rows" in said(here)
        await pilot.press("enter")
        await until(pilot, lambda: "1 added · 0 removed · 1 changed" in said(here))
        assert app.focused is here.pane.told
        assert "~ 2  y → q" in said(here) and "PSI" in said(here)


async def test_hunks_split_and_zoom(root):
    app = app_on(root, "compare")
    async with app.run_test(size=(120, 40)) as pilot:
        app.go("compare", runs=[1, 2])
        here = await compared(pilot, 1, 2)
        await pilot.press("|")
        assert "this is no diff" in app.said.plain
        await to(pilot, here, "score()")
        diff = here.pane.diff
        await until(pilot, lambda: diff.display and diff.is_split)
        on = diff.place
        assert on == ("pipeline.py", 20)
        await pilot.press("|")
        assert not diff.is_split and diff.place == on
        assert "| split" in str(here.pane.border_subtitle)
        await pilot.press("z")
        assert not here.list.display and app.focused is diff
        await pilot.press("escape")
        assert here.list.display and app.place == "compare" and app.focused is here.list
        before = here.row.key
        await pilot.press("n")
        assert here.row.key != before, "past the last change comes the next difference"
        await pilot.press("N")
        assert here.row.key == before


async def test_n_goes_from_change_to_change_in_five_thousand_lines_without_a_pause(root):
    """Only lines that are looked at are drawn: a page of a long diff costs what a page of a short one does."""
    lines = [[[n, f"x{n} = {n}", "=", []], [n, f"x{n} = {n}", "=", []]] for n in range(1, 5001)]
    for at in (100, 2500, 4900):
        lines[at] = [[at, "a = 1", "-", [[4, 5]]], [at, "a = 2", "+", [[4, 5]]]]
    document = {"rows": lines, "hunks": [100, 2500, 4900], "paths": ["p.py", "p.py"]}
    async with app_on(root, "compare").run_test(size=(120, 40)) as pilot:
        pilot.app.go("compare", runs=[1, 2])
        here = await compared(pilot, 1, 2)
        await to(pilot, here, "score()")
        view = here.pane.diff
        await until(pilot, lambda: view.display)
        view.show(Diff.of(document))
        view.focus()
        seen = [view.cursor]
        await pilot.press("n", "n", "N", "|", "ctrl+d", "G")
        seen.append(view.cursor)
        assert seen == [100, 5002], "three lines are there twice in one column"
        assert view.hunk == (3, 3)
        assert len(view._drawn) < 300


async def test_equal_things_are_shown_and_hidden_with_the_cursor_where_it_was(root):
    async with app_on(root, "compare").run_test(size=(120, 40)) as pilot:
        here = await compared(pilot, 2, 3)
        await to(pilot, here, "score.sum")
        await pilot.press("=")
        assert here.row.title == "score.sum" and "table.rows" in listed(here)
        await to(pilot, here, "table.rows")
        assert "equal in A and B" in said(here)
        await to(pilot, here, "score.sum")
        await pilot.press("=")
        assert here.row.title == "score.sum" and "table.rows" not in listed(here)
        assert here.remember() == {"equal": False, "split": None}


async def test_other_runs_are_chosen_and_swapped(root):
    app = app_on(root, "compare")
    async with app.run_test(size=(120, 40)) as pilot:
        here = await compared(pilot, 2, 3)
        await pilot.press("~")
        await compared(pilot, 3, 2)
        await pilot.press("B", "ctrl+u", "1", "enter")
        await compared(pilot, 3, 1)
        await pilot.press("A", "ctrl+u", "9", "9", "enter")
        await until(pilot, lambda: "99" in app.said.plain)
        assert (here.shown.a, here.shown.b) == ("3", "1"), "what was shown stays"
        await pilot.press("A", "ctrl+u", *"now", "enter")
        await compared(pilot, "now", 1)
        assert "the working tree" in here.head.texts[0].plain


async def test_a_difference_is_copied_and_its_line_opened(root):
    app = app_on(root, "compare")
    async with app.run_test(size=(120, 40)) as pilot:
        app.go("compare", runs=[1, 2])
        here = await compared(pilot, 1, 2)
        await to(pilot, here, "table.rows")
        await pilot.press("y")
        assert app.clipboard == "table.rows: 3 → 4"
        await to(pilot, here, "score()")
        await until(pilot, lambda: here.pane.diff.display)
        await pilot.press("y")
        assert "-    for epoch in range(3):\n" in app.clipboard
        opened: list[tuple[str, int]] = []
        app.open_editor = lambda path, line=0: opened.append((path, line))
        await pilot.press("e")
        await to(pilot, here, "data.csv")
        await pilot.press("e")
        assert opened == [("pipeline.py", 20), ("data.csv", 1)]


async def test_one_pane_at_a_time_where_there_is_little_room(root):
    app = app_on(root, "compare")
    async with app.run_test(size=(80, 24)) as pilot:
        app.go("compare", runs=[1, 2])
        here = await compared(pilot, 1, 2)
        await to(pilot, here, "score()")
        await pilot.press("enter")
        await until(pilot, lambda: here.pane.display and not here.list.display and here.pane.diff.display)
        await until(pilot, lambda: app.focused is here.pane.diff and not here.pane.diff.is_split)
        await pilot.press("escape")
        assert here.list.display and not here.pane.display and here.row.title == "score()"
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: here.pane.display and here.list.display)


@pytest.mark.parametrize("size", SIZES)
async def test_several_runs_are_a_table_and_one_of_them_is_opened_and_left_again(request, root, size):
    app = app_on(root, "compare")
    async with app.run_test(size=SIZES[size]) as pilot:
        await until(pilot, lambda: "compare" in app.places)
        here = place(app)
        app.go("compare", runs=[1, 2, 3])
        await until(pilot, lambda: here.matrix is not None)
        assert app.focused is here.grid.body
        look_of(request, f"compare-{size}-several", _steady(text_of(app)))
        await pilot.press("j", "y")
        assert app.clipboard.startswith("score.weight\t1\t1\t2")
        await pilot.press("h", "enter")
        await compared(pilot, 1, 2)
        await pilot.press("escape")
        await until(pilot, lambda: here.matrix is not None and here.grid.display)
        await pilot.press("h", "h", "enter")
        assert "h and l choose a run" in app.said.plain


def _steady(told: str) -> str:
    return "\n".join(line for line in steady(told).split("\n") if "seconds" not in line)


async def test_a_run_that_goes_on_is_read_again_and_the_cursor_stays_on_its_row(tmp_path):
    first = LoggedRun(tmp_path, 1_000_000, ["load", "train", "report"])
    for at, name in enumerate(("load", "train", "report")):
        first.took(name, float(at), at + 1.0)
    first.finish(at=3.0)
    going = LoggedRun(tmp_path, time.time_ns() // 1000 - 5_000_000, ["load", "train", "report"])
    going.took("load", 0.0, 3.0)
    app = app_on(tmp_path, "compare")
    async with app.run_test(size=(120, 40)) as pilot:
        app.feed.say(picture({"name": "load"}), {"t": "run", "run": 2, "steps": [{"name": "load", "state": "stale"}]})
        here = await compared(pilot, 1, 2)
        await until(pilot, lambda: here.shown.going)
        assert "goes on" in here.head.texts[0].plain
        assert listed(here) == ["load"], "a step that is not there yet is no difference"
        await to(pilot, here, "load")
        going.took("train", 3.0, 4.0, state="failed", error="ValueError: no")
        await until(pilot, lambda: "train" in listed(here))
        assert here.row.title == "load"
        going.finish("failed", at=5.0)
        app.feed.say({"t": "ran", "doc": {"run": 2, "state": "failed", "seconds": 5.0, "steps": []}})
        await until(pilot, lambda: not here.shown.going)
        assert here.row.title == "load" and "B 2 ✗" in here.head.texts[0].plain


@pytest.mark.parametrize("size", SIZES)
async def test_nothing_run_and_one_run_say_what_to_do(request, tmp_path, size):
    folder = tmp_path / "small"
    folder.mkdir()
    app = app_on(folder, "compare")
    async with app.run_test(size=SIZES[size]) as pilot:
        await until(pilot, lambda: "Nothing was run here yet" in text_of(app))
        look_of(request, f"compare-{size}-empty", text_of(app))
        await pilot.press("=")
        assert "two runs are needed" in app.said.plain
        LoggedRun(folder).finish()
        await pilot.press("1", "3")
        await until(pilot, lambda: "There is one run" in text_of(app))


class Silent(Asker):
    """Reads for ever."""

    async def ask(self, op: str, request: Mapping[str, Any]) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}


class Broken(Asker):
    """The catalog is held by somebody."""

    async def ask(self, op: str, request: Mapping[str, Any]) -> dict[str, Any]:
        raise StoreBusy("the catalog is open in process 4711", mend="Close it there, or try again when it has ended.")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [Silent, Broken])
async def test_not_read_yet_and_not_readable_look_like_neither_none_nor_each_other(request, root, size, kind):
    app = app_on(root, "compare")
    app.asker = kind(root)
    async with app.run_test(size=SIZES[size]) as pilot:
        word = "reading" if kind is Silent else "✗ the catalog is open"
        await until(pilot, lambda: word in text_of(app))
        look_of(request, f"compare-{size}-{'loading' if kind is Silent else 'error'}", text_of(app))


async def test_a_terminal_of_twenty_by_five_stays_usable(root):
    async with app_on(root, "compare").run_test(size=(20, 5)) as pilot:
        here = await compared(pilot, 2, 3)
        await pilot.press("j", "enter", "escape", "=", "G", "|", "S", "n", "N")
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: here.list.display and here.pane.display)
