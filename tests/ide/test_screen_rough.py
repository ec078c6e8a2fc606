"""Rough conditions: the screen stays usable and says what is going on."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from screen_kit import ask, engine, opened, recorded, text_of, until, write_project

from instep.engine.ids import RunId
from instep.engine.snapshots.journal import Journal
from instep.engine.snapshots.records import RunEnded, RunStarted

MANY = "from instep import step\n\n@step\ndef s0():\n    return 0\n" + "".join(
    f"\n@step\ndef s{at}(s{at - 1}{f', s{at // 2}' if at > 3 else ''}):\n    return {at}\n" for at in range(1, 300)
)
LONG = "n" * 80


async def test_three_hundred_steps_and_a_name_of_eighty_characters(tmp_path: Path) -> None:
    root = write_project(tmp_path / "many", MANY + f"\n@step\ndef {LONG}(s299):\n    return 'x' * 10_000\n")
    (root / "instep.toml").write_text('[project]\nname = "many"\n')
    with engine(root):
        async with opened(root) as (app, pilot):
            await pilot.press("G")
            assert app.here.rail.step == LONG
            assert max(len(line) for line in text_of(app).splitlines()) <= 120
            for _ in range(20):
                await pilot.press("k")
            assert app.here.rail.step == "s280"
            await pilot.press("r")
            await until(pilot, lambda: app.live.last == "done", 60)
            assert app.live.count("fresh") == 301


async def test_a_terminal_of_twenty_by_five_and_back(tmp_path: Path) -> None:
    root = recorded(tmp_path / "small")
    with engine(root):
        async with opened(root) as (app, pilot):
            await pilot.press("j")
            for place in ("pipeline", "runs", "data", "logs", "time"):
                await app.show_place(place)
                await pilot.resize_terminal(20, 5)
                await pilot.pause(0.2)
                assert text_of(app)
                await pilot.resize_terminal(120, 40)
            await app.show_place("pipeline")
            await pilot.pause(0.2)
            assert app.here.rail.step == "total", "the cursor stays through resizes"


async def test_a_place_that_is_taken_away_while_a_run_goes_on_is_not_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = recorded(tmp_path / "small")
    told = []
    with engine(root):
        async with opened(root) as (app, _):
            close_all = app._close_all

            async def closed() -> None:
                await app.here.rail.remove()  # as closing does, one after the other
                app.live = replace(app.live, going=True)
                app._tick()
                app.on_engine_spoke()
                told.append("no harm")
                await close_all()

            monkeypatch.setattr(app, "_close_all", closed)
    assert told == ["no harm"]


async def test_the_project_is_deleted_under_it(tmp_path: Path) -> None:
    root = recorded(tmp_path / "small")
    with engine(root):
        async with opened(root) as (app, pilot):
            root.rename(tmp_path / "away")  # at once: the engine must not see it half deleted
            while (tmp_path / "away").exists():
                shutil.rmtree(tmp_path / "away", ignore_errors=True)  # the engine may write while it goes
            await until(pilot, lambda: app.live.problems or app.live.engine == "lost")
            await pilot.press("2")
            await pilot.pause(0.3)
            await pilot.press("1")
            assert app.live.steps, "what was known stays"
            await pilot.press("q")


async def test_five_thousand_runs(tmp_path: Path) -> None:
    root = recorded(tmp_path / "small")
    with Journal(root / ".instep" / "journal.sqlite") as journal:
        code = next(one for one in journal.events_of(journal.run_id(1)) if isinstance(one, RunStarted))
        for _ in range(10):
            events = []
            for _ in range(500):
                run_id, number = journal.new_run()
                params = {"total": {"weight": number / 10}}
                events.append(replace(code, run_id=run_id, number=number, params=params, note=f"n{number}"))
                events.append(RunEnded(RunId(run_id), "done", code.started_us + number))
            journal.append(*events)
    with engine(root):
        async with opened(root, place="runs") as (app, pilot):
            await until(pilot, lambda: len(app.here._rows) == 5_003, 60)
            await pilot.press("G")
            assert app.here.run.number == 1
            await pilot.press("g", "g")
            for _ in range(10):
                await pilot.press("ctrl+d")
            assert app.here.run.number < 5_003 - 100
            await pilot.press("slash", *"n4711", "enter")
            await until(pilot, lambda: [row.number for row in app.here._listed.rows] == [4711])


async def test_the_catalog_is_held_by_somebody_else(tmp_path: Path) -> None:
    import duckdb

    root = recorded(tmp_path / "small")
    with engine(root), duckdb.connect(str(root / ".instep" / "catalog.duckdb")):
        # DuckDB's lock is between processes: this one is a stranger to the reading process.
        async with opened(root, place="runs") as (app, pilot):
            await until(pilot, lambda: "Close it there" in text_of(app))
            await pilot.press("1")
            await until(pilot, lambda: app.place == "pipeline")
            assert app.live.steps


async def test_the_editor_opens_at_the_line_and_the_screen_comes_back(tmp_path: Path, monkeypatch) -> None:
    from instep.ide import editing

    script = tmp_path / "ed"
    monkeypatch.setenv("EDITOR", f"{script} --flag")
    monkeypatch.delenv("VISUAL", raising=False)
    path = tmp_path / "x.py"
    path.write_text("a\n")
    assert editing.command(path, 7) == [str(script), "--flag", "+7", str(path)]
    monkeypatch.setenv("EDITOR", "code -r")
    assert editing.command(path, 7) == ["code", "-r", "--wait", "--goto", f"{path}:7"]


async def test_a_click_chooses_a_step_and_a_place(tmp_path: Path) -> None:
    root = recorded(tmp_path / "small")
    with engine(root):
        async with opened(root) as (app, pilot):
            await pilot.click("#rail", offset=(6, 3))
            assert app.here.rail.step == "total"
            heading = app.here.detail.query_one("Heading")
            await until(pilot, lambda: "Params" in heading._texts[0].plain)
            await pilot.click("Heading", offset=(heading._texts[0].plain.index("Params") + 2, 0))
            assert app.here.detail.tab == "Params"
            at = app.query_one("#top").plain.index("2 Runs")
            await pilot.click("#top", offset=(at + 3, 0))
            await until(pilot, lambda: app.place == "runs" and len(app.here._rows) == 3)
            grid = app.here.grid
            at = sum(one.width + 2 for one in grid.body.columns[:4])
            await pilot.click("#history Head", offset=(at + 1, 0))
            assert app.here.choice.sort == grid.body.columns[4].name == "took"
            await pilot.click("#history Body", offset=(2, 1))
            assert (grid.cursor_row, grid.cursor_column) == (1, 0)


async def test_themes_change_and_are_remembered(tmp_path: Path) -> None:
    root = recorded(tmp_path / "small")
    with engine(root):
        async with opened(root) as (app, pilot):
            assert app.theme == "instep-dark"
            await pilot.press("colon", *">theme", "enter")
            await until(pilot, lambda: app.theme == "instep-light")
            await pilot.press("2")
            await until(pilot, lambda: app.place == "runs")
            app.leave()
        async with opened(root) as (app, pilot):
            assert app.theme == "instep-light"
            assert app.place == "runs"


async def test_a_second_screen_sees_what_the_first_starts(tmp_path: Path) -> None:
    root = write_project(tmp_path / "small")
    with engine(root):
        async with opened(root) as (app, pilot):
            ask(root, {"op": "run"})
            await until(pilot, lambda: app.live.last == "done")
            assert app.live.count("fresh") == 3
    assert not (root / ".instep" / "engine.sock").exists()
