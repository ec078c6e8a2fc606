"""1 Pipeline: what a person types and what stands there then."""

import os
import signal
from pathlib import Path

import pytest
from screen_kit import PIPELINE, ask, engine, opened, text_of, until, write_project


async def test_every_step_stands_there_with_its_state_and_why(same: Path) -> None:
    async with opened(same) as (app, pilot):
        await pilot.press("G")
        await until(pilot, lambda: "failed last time" in text_of(app))
        told = text_of(app)
        assert "table   ✓" in told
        assert "report  ✗" in told
        assert "3 steps · 1 failed" in told


async def test_r_runs_what_is_stale_and_says_before_what_it_costs(root: Path) -> None:
    (root / "pipeline.py").write_text(PIPELINE.replace("WEIGHT = 2.0", "WEIGHT = 5.0"))
    async with opened(root) as (app, pilot):
        await until(pilot, lambda: app.live.count("stale") == 1)
        assert "1 step" in app.query_one("#bottom").plain
        await pilot.press("r")
        await until(pilot, lambda: app.live.last == "done")
        assert app.live.steps["report"].doing == "done"
        assert "nothing to run" in app.query_one("#bottom").plain
        await pilot.press("r")
        assert "every step is fresh" in app.query_one("#bottom").plain


async def test_a_save_makes_stale_and_runs(root: Path) -> None:
    async with opened(root) as (app, pilot):
        (root / "pipeline.py").write_text(PIPELINE.replace("WEIGHT = 2.0", "WEIGHT = 7.0"))
        await until(pilot, lambda: app.live.last == "done")
        told = text_of(app)
        assert "saved pipeline.py → 1 step stale: report" in told
        assert "1 run, 2 cached" in told


async def test_p_pauses_what_a_save_does(root: Path) -> None:
    async with opened(root) as (app, pilot):
        await pilot.press("p")
        await until(pilot, lambda: "paused" in app.query_one("#top").plain)
        (root / "pipeline.py").write_text(PIPELINE.replace("WEIGHT = 2.0", "WEIGHT = 8.0"))
        await until(pilot, lambda: app.live.count("stale") == 1)
        await pilot.pause(0.3)
        assert not app.live.going
        assert app.live.last == ""
        assert "paused" in app.query_one("#top").plain


async def test_a_param_is_edited_in_place_and_taken_back(root: Path) -> None:
    async with opened(root) as (app, pilot):
        await pilot.press("p")
        before = (root / "instep.toml").read_text()
        await pilot.press("g", "g", "j", "]", "]", "tab")
        await pilot.press("enter")
        await pilot.press("ctrl+u", "4", ".", "5", "enter")
        await until(pilot, lambda: (root / "instep.toml").read_text() != before)
        assert (root / "instep.toml").read_text() == before.replace("1.0", "4.5")
        await until(pilot, lambda: app.live.count("stale", "pending") == 2)
        await until(pilot, lambda: "was 1.0" in text_of(app))
        await pilot.press("u")
        await until(pilot, lambda: (root / "instep.toml").read_text() == before)


async def test_an_error_shows_line_locals_and_last_good_run(same: Path) -> None:
    async with opened(same) as (app, pilot):
        await pilot.press("G")
        await until(pilot, lambda: "Last good run" in text_of(app))
        told = text_of(app)
        assert "ValueError: no report" in told
        assert 'raise ValueError("no report")' in told
        assert "total" in told
        assert app.place == "pipeline"


async def test_what_changed_in_a_step_is_marked_in_its_source(same: Path) -> None:
    async with opened(same) as (app, pilot):
        await pilot.press("G")
        await until(pilot, lambda: "Last good run" in text_of(app))
        await pilot.press("]", "]")
        await until(pilot, lambda: "Code·Δ1" in text_of(app))
        assert '+     raise ValueError("no report")' in text_of(app)


async def test_a_filter_narrows_the_rail_and_esc_widens_it(same: Path) -> None:
    async with opened(same) as (app, pilot):
        await pilot.press("slash", "o", "t", "enter")
        assert [row.step for row in app.here.rail.rows if row.step] == ["total"]
        await pilot.press("escape")
        assert len([row for row in app.here.rail.rows if row.step]) == 3


async def test_x_ends_the_run(tmp_path: Path) -> None:
    slow = PIPELINE.replace('    return f"the', '    import time\n    time.sleep(60)\n    return f"the')
    root = write_project(tmp_path / "slow", slow)
    with engine(root):
        async with opened(root) as (app, pilot):
            await pilot.press("r")
            await until(pilot, lambda: app.live.steps["report"].running)
            assert "▶ run 1" in app.query_one("#top").plain
            await pilot.press("x")
            await until(pilot, lambda: app.live.last == "cancelled")


def waiting_for(gate: Path) -> str:
    """The pipeline with a last step that waits for a file, so that a test says when it may end."""
    waits = f"    import pathlib, time\n    while not pathlib.Path({str(gate)!r}).exists():\n        time.sleep(0.02)\n"
    return PIPELINE.replace('    return f"the', f'{waits}    return f"the')


async def test_the_screen_may_close_while_a_run_goes_on(tmp_path: Path) -> None:
    root = write_project(tmp_path / "slow", waiting_for(tmp_path / "gate"))
    with engine(root):
        async with opened(root) as (app, pilot):
            await pilot.press("r")
            await until(pilot, lambda: app.live.steps["report"].running)
        async with opened(root) as (app, pilot):
            assert app.live.going, "a screen that comes later sees the run"
            (tmp_path / "gate").touch()
            await until(pilot, lambda: app.live.last == "done")


async def test_help_and_palette_and_places(same: Path) -> None:
    async with opened(same) as (app, pilot):
        await pilot.press("question_mark")
        assert "Keys in Pipeline" in text_of(app)
        await pilot.press("escape")
        await pilot.press("colon", *"rep", "enter")
        await until(pilot, lambda: app.here.rail.step == "report")
        for key, name in (("2", "runs"), ("3", "compare"), ("7", "cluster"), ("1", "pipeline")):
            await pilot.press(key)
            await until(pilot, lambda name=name: app.place == name)
        await pilot.press("x")
        assert "nothing is running" in app.query_one("#bottom").plain


async def test_a_syntax_error_keeps_the_last_good_graph(root: Path) -> None:
    async with opened(root) as (app, pilot):
        (root / "pipeline.py").write_text(PIPELINE + "\ndef broken(:\n")
        await until(pilot, lambda: app.live.problems)
        assert "syntax error" in text_of(app)
        assert len(app.live.steps) == 3


async def test_the_engine_dies_and_another_is_followed(root: Path) -> None:
    async with opened(root) as (app, pilot):
        first = app.live
        os.kill(int(str(ask(root, {"op": "ping"})["pid"])), signal.SIGKILL)
        await until(pilot, lambda: app.live.engine == "lost")
        assert app.live.steps.keys() == first.steps.keys(), "what was known stays"
        await until(pilot, lambda: app.live.engine == "up")
    ask(root, {"op": "stop"})


async def test_capital_r_runs_a_step_and_what_is_below_it(tmp_path: Path) -> None:
    root = write_project(tmp_path / "new", PIPELINE + "\n\n@step\ndef apart():\n    return 1\n")
    with engine(root):
        async with opened(root) as (app, pilot):
            await pilot.press("slash", *"total", "enter")
            await pilot.press("R")
            await until(pilot, lambda: app.live.last == "done")
            states = {name: one.plan for name, one in app.live.steps.items()}
            assert states == {"table": "fresh", "total": "fresh", "report": "fresh", "apart": "stale"}


async def test_to_ignore_the_cache_is_asked_first(root: Path) -> None:
    async with opened(root) as (app, pilot):
        await pilot.press("g", "g", "exclamation_mark", "n")
        await pilot.pause(0.3)
        assert app.live.run is None
        await pilot.press("exclamation_mark", "y")
        await until(pilot, lambda: app.live.last == "done")
        assert app.live.steps["table"].doing == "done"


async def test_z_gives_a_pane_the_screen_and_all_frames_of_an_error(same: Path) -> None:
    async with opened(same) as (app, pilot):
        await pilot.press("g", "g", "z")
        assert not app.here.rail.display
        await pilot.press("escape")
        assert app.here.rail.display
        await pilot.press("G")
        await until(pilot, lambda: "Last good run" in text_of(app))
        await pilot.press("z")
        assert app.here.detail.frames == 0


async def test_y_copies_the_step_or_the_error(same: Path) -> None:
    async with opened(same) as (app, pilot):
        await pilot.press("g", "g", "y")
        assert app.clipboard == "table"
        await pilot.press("G")
        await until(pilot, lambda: "Last good run" in text_of(app))
        await pilot.press("y")
        assert "ValueError: no report" in app.clipboard


async def test_e_opens_the_failing_line(same: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(same) as (app, pilot):
        asked: list[tuple[str, int]] = []
        monkeypatch.setattr(app, "open_editor", lambda path, line: asked.append((path, line)))
        await pilot.press("G")
        await until(pilot, lambda: "Last good run" in text_of(app))
        await pilot.press("e")
        line = 1 + (same / "pipeline.py").read_text().splitlines().index('    raise ValueError("no report")')
        assert asked == [("pipeline.py", line)]


async def test_an_error_says_what_changed_since_and_what_was_kept(same: Path) -> None:
    async with opened(same) as (app, pilot):
        await pilot.press("G")
        await until(pilot, lambda: "Changed since, nearest first" in text_of(app))
        told = text_of(app)
        assert "code     report()" in told
        assert "it failed in here" in told
        assert "2 steps kept what they made" in told


async def test_d_compares_a_failure_with_the_last_good_run_and_what_is_stale_with_now(root: Path) -> None:
    async with opened(root) as (app, pilot):
        await pilot.press("p", "g", "g", "d")
        assert "nothing is known to compare it with" in app.query_one("#bottom").plain
        await pilot.press("G")
        await until(pilot, lambda: "Last good run" in text_of(app))
        await pilot.press("d")
        await until(pilot, lambda: app.place == "compare" and app.here.shown is not None)
        assert (app.here.shown.a, app.here.shown.b) == ("2", "3")
        await pilot.press("1", "g", "g")
        (root / "pipeline.py").write_text(PIPELINE.replace("head(rows)", "tail(rows)"))
        await until(pilot, lambda: app.live.steps["table"].plan == "stale" and app.here.detail.good == 3)
        await pilot.press("d")
        await until(pilot, lambda: app.place == "compare" and app.here.shown and app.here.shown.b == "now")


async def test_what_a_step_measures_is_drawn_while_it_runs_and_where_it_was_logged(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waits = (
        f"import pathlib, time\n        while epoch == 9 and not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.02)"
    )
    root = write_project(
        tmp_path / "live",
        PIPELINE.replace("log(loss=1 / (epoch + 1))", f"log(loss=1 / (epoch + 1), epoch=epoch)\n        {waits}"),
    )
    with engine(root):
        async with opened(root) as (app, pilot):
            await pilot.press("g", "g", "j", "r")
            detail = app.here.detail
            await until(pilot, lambda: len(detail._series().get("loss", ())) == 10)
            assert detail._series()["loss"] == [[at, 1 / (at + 1)] for at in range(10)]
            assert "run 1 now" in text_of(app)
            assert "loss  1/2" in text_of(app), "what says how far it is comes last"
            await pilot.press("l")
            assert "epoch  2/2" in text_of(app)
            await pilot.press("h")
            gate.touch()
            await until(pilot, lambda: app.live.last == "done" and len(detail._series().get("loss", ())) == 20)
            await until(pilot, lambda: "run 1 now" not in text_of(app))
            assert "run 1 ran it because never run" in text_of(app)


async def test_a_step_that_has_ended_is_told_while_its_run_goes_on(tmp_path: Path) -> None:
    root = write_project(tmp_path / "slow", waiting_for(tmp_path / "gate"))
    with engine(root):
        async with opened(root) as (app, pilot):
            await pilot.press("g", "g", "r")
            await until(pilot, lambda: app.live.steps["report"].running)
            await until(pilot, lambda: "table  table · 3 rows" in text_of(app))
            assert "run 1 ─╯" in text_of(app)
            (tmp_path / "gate").touch()
            await until(pilot, lambda: app.live.last == "done")


async def test_a_step_without_metrics_shows_what_came_out_and_the_chosen_tab_is_remembered(root: Path) -> None:
    async with opened(root) as (app, pilot):
        await pilot.press("g", "g")
        await until(pilot, lambda: "table  table · 3 rows" in text_of(app))
        assert "this step has measured nothing" in text_of(app)
        await pilot.press("]")
        await until(pilot, lambda: "def table" in text_of(app))
        app.leave()
    async with opened(root) as (app, pilot):
        await until(pilot, lambda: "def table" in text_of(app))
        assert app.here.detail.tab == "Code"


async def test_the_source_of_a_run_is_that_of_the_run_also_where_its_fingerprint_is_older(root: Path) -> None:
    documented = PIPELINE.replace("rows: int = 3):", "rows: int = 3):\n    # what it is for")
    (root / "pipeline.py").write_text(documented)
    with_engine = ask(root, {"op": "run"})
    assert with_engine["t"] == "end"
    (root / "pipeline.py").write_text(documented.replace("rows: int = 3", "rows: int = 2"))
    async with opened(root) as (app, pilot):
        await pilot.press("p", "g", "g", "]")
        await until(pilot, lambda: "Code·Δ2" in text_of(app))
        assert "- def table" in text_of(app)
        assert "+     # what it is for" not in text_of(app), "that was there in the run"


async def test_a_worker_of_the_screen_that_breaks_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaks(op: str, request: object) -> None:
        raise ZeroDivisionError

    async with opened(root) as (app, pilot):
        monkeypatch.setattr(app.asker, "ask", breaks)
        await pilot.press("g", "g", "j")
        await until(pilot, lambda: "the screen itself failed: ZeroDivisionError" in app.query_one("#bottom").plain)
        assert "ZeroDivisionError" in (root / ".instep" / "screen.log").read_text()
        app.failures.clear()


async def test_the_course_of_a_metric_is_drawn_over_the_run_before(same: Path) -> None:
    async with opened(same) as (app, pilot):
        await pilot.press("g", "g", "j")
        await until(pilot, lambda: "loss" in text_of(app) and "┤" in text_of(app))
        assert "run 3" in text_of(app)
        assert any("⠀" < glyph < "⣿" for glyph in text_of(app)), "braille"


async def test_a_step_that_waits_for_a_key_is_not_run_by_a_save(tmp_path: Path) -> None:
    manual = PIPELINE.replace("@step\ndef report", "@step(auto=False)\ndef report")
    root = write_project(tmp_path / "manual", manual)
    with engine(root):
        async with opened(root) as (app, pilot):
            await pilot.press("r")
            await until(pilot, lambda: app.live.last == "done" and app.live.count("fresh") == 3)
            both = manual.replace("epoch + 1", "epoch + 2").replace("WEIGHT = 2.0", "WEIGHT = 4.0")
            (root / "pipeline.py").write_text(both)
            await until(pilot, lambda: app.live.steps["total"].doing == "done" and app.live.run == 2)
            await until(pilot, lambda: "stale, waits for r" in text_of(app))
            await pilot.press("r")
            await until(pilot, lambda: app.live.count("fresh") == 3)
