"""2 Runs: the history as a person goes through it."""

from pathlib import Path

from screen_kit import ask, engine, opened, text_of, until

from instep.engine.snapshots.catalog import Catalog


def shown(app) -> list[int]:
    return [row.number for row in app.here._listed.rows]


async def listed(app, pilot, count: int = 3) -> None:
    await until(pilot, lambda: len(app.here._rows) == count)


async def test_every_run_with_its_metrics_and_what_changed(same: Path) -> None:
    async with opened(same, place="runs") as (app, pilot):
        await listed(app, pilot)
        await until(pilot, lambda: "report()" in text_of(app) and "✗ report" in text_of(app))
        told = text_of(app)
        assert "18" in told, "the sum of run 2"
        assert "▃" in told or "█" in told, "a course of the loss"
        assert shown(app) == [3, 2, 1]
        await pilot.press("j")
        await until(pilot, lambda: "heavier" in text_of(app))


async def test_more_runs_than_are_asked_for_at_once_come_with_what_is_shown_of_them(same: Path, monkeypatch) -> None:
    monkeypatch.setattr("instep.ide.screens.runs.FIRST", 2)
    async with opened(same, place="runs") as (app, pilot):
        await listed(app, pilot)
        assert shown(app) == [3, 2, 1]
        assert "total.weight" in [one.name for one in app.here.grid.body.columns]
        await until(pilot, lambda: "report()" in text_of(app) and "✗ report" in text_of(app))
        await pilot.press("slash", *"where total.sum > 10", "enter")
        await until(pilot, lambda: shown(app) == [2])
        await pilot.press("escape")
        await until(pilot, lambda: shown(app) == [3, 2, 1])


async def test_s_sorts_by_the_column_under_the_cursor(same: Path) -> None:
    async with opened(same, place="runs") as (app, pilot):
        await listed(app, pilot)
        names = [one.name for one in app.here.grid.body.columns]
        for _ in range(names.index("total.weight") - 1):
            await pilot.press("l")
        await pilot.press("s")
        assert app.here.choice.sort == "total.weight"
        assert shown(app)[-1] == 2, "3 is the largest"
        await pilot.press("s")
        assert shown(app)[0] == 2
        await pilot.press("s")
        assert shown(app) == [3, 2, 1]


async def test_a_filter_by_text_and_by_sql(same: Path) -> None:
    async with opened(same, place="runs") as (app, pilot):
        await listed(app, pilot)
        await pilot.press("slash", *"heav", "enter")
        await until(pilot, lambda: shown(app) == [2])
        assert "1 run of 3" in text_of(app)
        await pilot.press("escape")
        await until(pilot, lambda: shown(app) == [3, 2, 1])
        await pilot.press("slash", *"where total.sum > 10", "enter")
        await until(pilot, lambda: shown(app) == [2])
        await pilot.press("escape")
        await until(pilot, lambda: shown(app) == [3, 2, 1])
        await pilot.press("slash", *"where nonsense(", "enter")
        await until(pilot, lambda: "Parser Error" in app.query_one("#bottom").plain)


async def test_the_baseline_is_set_and_everything_is_told_against_it(root: Path) -> None:
    async with opened(root, place="runs") as (app, pilot):
        await listed(app, pilot)
        await pilot.press("G", "b")
        await until(pilot, lambda: "◆" in text_of(app))
        assert Catalog(root / ".instep").runs()[2]["baseline"]
        await pilot.press("g", "g")
        await until(pilot, lambda: "against run 1" in text_of(app))
        await until(pilot, lambda: "changed since baseline" in text_of(app))
        await pilot.press("u")
        await until(pilot, lambda: not Catalog(root / ".instep").runs()[2]["baseline"])


async def test_a_note_is_edited(root: Path) -> None:
    async with opened(root, place="runs") as (app, pilot):
        await listed(app, pilot)
        await pilot.press("i", *"spike?", "enter")
        await until(pilot, lambda: "spike?" in text_of(app))
        assert Catalog(root / ".instep").runs()[0]["note"] == "spike?"
        await pilot.press("u")
        await until(pilot, lambda: Catalog(root / ".instep").runs()[0]["note"] == "")


async def test_a_deleted_run_comes_back_with_u(root: Path) -> None:
    async with opened(root, place="runs") as (app, pilot):
        await listed(app, pilot)
        await pilot.press("j", "D")
        await until(pilot, lambda: shown(app) == [3, 1])
        assert [one["run"] for one in Catalog(root / ".instep").runs()] == [3, 1]
        await pilot.press("u")
        await until(pilot, lambda: shown(app) == [3, 2, 1])


async def test_columns_are_chosen_and_remembered(root: Path) -> None:
    async with opened(root, place="runs") as (app, pilot):
        await listed(app, pilot)
        assert "total.count" in app.here.choice.metrics
        await pilot.press("t")
        await until(pilot, lambda: hasattr(app.screen, "_names"))
        names = app.screen._names
        for _ in range(names.index("total.count")):
            await pilot.press("j")
        await pilot.press("space", "enter")
        await until(pilot, lambda: "total.count" not in app.here.choice.metrics)
        app.leave()
    async with opened(root, place="runs") as (app, pilot):
        await listed(app, pilot)
        assert "total.count" not in app.here.choice.metrics


async def test_marks_are_a_and_b_and_c_goes_to_compare(same: Path) -> None:
    async with opened(same, place="runs") as (app, pilot):
        await listed(app, pilot)
        await pilot.press("c")
        assert "mark two runs" in app.query_one("#bottom").plain
        await pilot.press("space", "j", "space")
        assert app.here.choice.marked == (3, 2)
        assert "2 marked" in text_of(app)
        await pilot.press("c")
        await until(pilot, lambda: app.place == "compare")


async def test_a_run_that_begins_appears_and_the_cursor_stays(root: Path) -> None:
    async with opened(root, place="runs") as (app, pilot):
        await listed(app, pilot)
        await pilot.press("j")
        assert app.here.run.number == 2
        ask(root, {"op": "run", "set": {"total.weight": 9.0}})
        await listed(app, pilot, 4)
        assert app.here.run.number == 2


async def test_no_runs_yet(tmp_path: Path) -> None:
    from screen_kit import write_project

    root = write_project(tmp_path / "new")
    with engine(root):
        async with opened(root, place="runs") as (app, pilot):
            await until(pilot, lambda: "no runs yet" in text_of(app))
            await pilot.press("enter")
            assert "there is no run" in app.query_one("#bottom").plain


async def test_w_says_why_a_run_failed_and_enter_opens_the_cause_in_compare(same: Path) -> None:
    async with opened(same, place="runs") as (app, pilot):
        await listed(app, pilot)
        await pilot.press("w")
        await until(pilot, lambda: "Why run 3 failed" in text_of(app))
        await until(pilot, lambda: "it failed in here  +1 −0 lines" in text_of(app))
        assert "it last ended well in run 2" in text_of(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.place == "compare" and app.here.shown is not None)
        assert (app.here.shown.a, app.here.shown.b, app.here.row.title) == ("2", "3", "report()")


async def test_w_says_why_a_metric_is_not_what_it_was(same: Path) -> None:
    async with opened(same, place="runs") as (app, pilot):
        await listed(app, pilot)
        await pilot.press("j", "w")
        await until(pilot, lambda: "total.sum  6 → 18" in text_of(app))
        assert "param    total.weight  1 → 3" in text_of(app)
        await pilot.press("escape")
        await pilot.press("j", "w")
        await until(pilot, lambda: "There is no other run to hold it against" in text_of(app))
        await pilot.press("q")
        await until(pilot, lambda: len(app.screen_stack) == 1)


async def test_what_determined_a_run_stands_beside_what_came_out_of_it(same: Path) -> None:
    async with opened(same, place="runs") as (app, pilot):
        await listed(app, pilot)
        await pilot.press("j")
        await until(pilot, lambda: "total.weight  1.0 → 3.0" in text_of(app))
        line = next(one for one in text_of(app).splitlines() if "total.weight  1.0 → 3.0" in one)
        assert "steps    1 reused · 2 done" in line
        assert "total.sum  18  (1: 6, +12)" in text_of(app)
