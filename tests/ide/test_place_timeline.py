"""6 Time, by keyboard: the bars of a run, finer and coarser, other runs, and the way to a step."""

import sys
import time
from pathlib import Path

import pytest
from place_app import app_on, picture
from screen_kit import at_rest, until
from textual.pilot import Pilot

sys.path.insert(0, str(Path(__file__).parents[1] / "engine" / "reading"))

from logged_run import LoggedRun
from timed_runs import churn

from instep.ide.app import InstepApp
from instep.ide.screens.timeline import TimePlace

SIZES = [(120, 40), (80, 24)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    churn(tmp_path)
    return tmp_path


def place(app: InstepApp) -> TimePlace:
    found = app.places["time"]
    assert isinstance(found, TimePlace)
    return found


async def shown(pilot: Pilot[None], number: int | None = None) -> TimePlace:
    """The place, once it shows (that) run."""
    await until(pilot, lambda: "time" in pilot.app.places)
    here = place(pilot.app)
    await until(pilot, lambda: here.chart is not None and number in (None, here.chart.number))
    await at_rest(pilot)
    return here


def drawn(here: TimePlace) -> dict[str, str]:
    """What is right of each step's name."""
    bars = here.gantt.bars
    lines = [bars.render_line(y).text.rstrip() for y in range(min(bars.count, bars.size.height))]
    return {line.split()[1]: line for line in lines}


def said(here: TimePlace) -> str:
    return "\n".join(line.plain for line in here.none.texts)


def sums(here: TimePlace) -> str:
    return "\n".join(line.plain for line in here.sums.texts)


@pytest.mark.parametrize("size", SIZES)
async def test_the_newest_run_is_drawn_with_what_it_waited_for_and_what_was_saved(root, size):
    async with app_on(root, "time").run_test(size=size) as pilot:
        here = await shown(pilot)
        told = drawn(here)
        assert list(told) == ["load_raw", "clean", "stats", "split", "train", "tokenize", "evaluate", "report"]
        assert told["load_raw"].endswith("✓ cached, saved 12 s")
        assert told["train"].count("█") > told["split"].count("█") > 0
        assert "░" in told["tokenize"] and "60 items · 6 at once" in told["tokenize"]
        assert "✗" in told["evaluate"][2:] and "↻" in told["evaluate"]
        assert told["report"].endswith("‖ blocked")
        assert "critical path: split → train → evaluate" in str(here.box.border_subtitle)
        assert "(run 1: 2m10)" in sums(here) and "20 s" in sums(here)
        assert all(line.cell_len <= here.sums.size.width for line in here.sums.texts)
        assert here.gantt.axis.texts[0].plain.split()[:2] == ["step", "0s"]


async def test_the_scale_and_what_is_shown_of_it(root):
    async with app_on(root, "time").run_test(size=(120, 40)) as pilot:
        here = await shown(pilot)
        whole = drawn(here)["split"].count("█")
        await pilot.press("-")
        assert "the whole run is shown" in pilot.app.said.plain
        await pilot.press("+", "+", *["h"] * 20)
        assert drawn(here)["split"].count("█") >= 3 * whole
        assert drawn(here)["evaluate"].endswith("›")
        await pilot.press(*["l"] * 40)
        assert "‹" in drawn(here)["stats"]
        assert "✗" in drawn(here)["evaluate"][2:]
        await pilot.press("-", "-")
        assert drawn(here)["split"].count("█") == whole and here.gantt.bars.scale is None


async def test_a_bar_leads_to_its_step_and_to_the_clipboard(root):
    app = app_on(root, "time")
    async with app.run_test(size=(120, 40)) as pilot:
        here = await shown(pilot)
        await pilot.press("j", "j", "j", "j")
        assert here.gantt.bars.step == "train"
        assert "train: from 4.5 s for 1m02, waited 0.1 s" in here.footer()
        await pilot.press("y")
        assert app.clipboard == "train 1m02"
        went = []
        app.go = lambda name, **where: went.append((name, where))
        await pilot.press("enter")
        assert went == [("pipeline", {"step": "train"})]


async def test_other_runs_can_be_looked_at(root):
    app = app_on(root, "time")
    async with app.run_test(size=(120, 40)) as pilot:
        here = await shown(pilot, 2)
        await pilot.press("]")
        assert "no newer run" in app.said.plain
        await pilot.press("[")
        await shown(pilot, 1)
        assert drawn(here)["load_raw"].endswith("12 s")
        await pilot.press("[")
        assert "no older run" in app.said.plain
        await pilot.press("]")
        await shown(pilot, 2)
        await pilot.press("#", "ctrl+u", "1", "enter")
        await shown(pilot, 1)
        await pilot.press("]")
        await shown(pilot, 2)
        app.go("time", run=1, step="split")
        await shown(pilot, 1)
        assert here.gantt.bars.step == "split"


@pytest.mark.parametrize("size", SIZES)
async def test_a_run_that_goes_on_grows_and_tells_what_is_expected(tmp_path, size):
    run = LoggedRun(tmp_path, time.time_ns() // 1000 - 10_000_000, ["load", "train", "report"])
    run.took("load", 0.5, 4.0)
    train = run.starts("train", 4.0)
    app = app_on(tmp_path, "time")
    async with app.run_test(size=size) as pilot:
        app.feed.say(
            picture(
                {"name": "load"},
                {"name": "train", "state": "stale", "seconds": 30.0, "needs": ["load"]},
                {"name": "report", "state": "pending", "seconds": 5.0, "needs": ["train"]},
            ),
            {"t": "run", "run": 1, "steps": [{"name": name, "state": "stale"} for name in ("load", "train", "report")]},
        )
        here = await shown(pilot)
        await until(pilot, lambda: list(drawn(here)) == ["load", "train", "report"])
        told = drawn(here)
        assert told["train"].startswith("▶") and "╌" in told["train"] and "eta " in told["train"]
        assert "╌" in told["report"] and told["report"].endswith("~5.0 s")
        assert "so far · critical path: load → train → report" in str(here.box.border_subtitle)
        await pilot.press("j")
        now = here.chart.now
        await until(pilot, lambda: here.chart.now > now + 0.1)
        assert here.gantt.bars.step == "train"
        run.took("train", 4.0, 11.0, ["load"], step_run_id=train)
        app.feed.say({"t": "step", "step": "train", "state": "done", "seconds": 7.0, "counts": {}})
        await until(pilot, lambda: drawn(here)["train"].endswith("7.0 s"))
        run.finish(at=12.0)
        app.feed.say({"t": "ran", "doc": {"run": 1, "state": "done", "seconds": 12.0, "steps": []}})
        await until(pilot, lambda: "done in 12 s" in str(here.box.border_subtitle))
        assert here.gantt.bars.step == "train"


@pytest.mark.parametrize("size", SIZES)
async def test_nothing_run_yet_a_run_of_nothing_and_an_error_say_so(tmp_path, size):
    app = app_on(tmp_path, "time")
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "time" in app.places and "Nothing was run here yet" in said(place(app)))
        await pilot.press("+")
        assert "there is no run here" in app.said.plain
        LoggedRun(tmp_path).finish()
        await pilot.press("1", "6")
        await until(pilot, lambda: "ended before any step did" in said(place(app)))
        (tmp_path / ".instep" / "journal.sqlite").write_text("this is no database, whatever its name says" * 100)
        await pilot.press("1", "6")
        await until(pilot, lambda: "✗" in said(place(app)))


async def test_a_terminal_of_twenty_by_five_stays_usable(root):
    async with app_on(root, "time").run_test(size=(20, 5)) as pilot:
        here = await shown(pilot)
        assert not here.sums.display
        await pilot.press("j", "+", "l", "h", "-", "G")
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: here.sums.display and len(drawn(here)) == 8)
        assert here.gantt.bars.step == "report"
