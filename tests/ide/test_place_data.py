"""4 Data: what a person types and what stands there then."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from screen_kit import ask, at_rest, engine, opened, text_of, until, write_project

from instep.ide.screens.data import DataPlace

PIPELINE = '''
import numpy as np
import polars as pl
from instep import step

@step
def clean(*, rows: int = 1000):
    at = np.arange(rows)
    text = ["表😀\\x1b[31m\\n" + "z" * 10_000] * rows
    return pl.DataFrame({"id": at, "x": ((at * 7919) % 1000) / 4, "text": text}).with_columns(
        x=pl.when(pl.col("id") % 10 == 0).then(None).otherwise(pl.col("x")))

class Model:
    """Nothing may build it but a step."""
    def __reduce__(self):
        return (exec, ("raise SystemExit",))

@step
def model(clean):
    return Model()

@step
def score(clean):
    return {"rmse": 0.25}
'''


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_project(tmp_path_factory.mktemp("history") / "small", PIPELINE)
    (root / "instep.toml").write_text('[project]\nname = "small"\n')
    with engine(root):
        ask(root, {"op": "run"})
        ask(root, {"op": "run", "set": {"clean.rows": 1500}})
    return root


@pytest.fixture
def root(history: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "small"
    shutil.copytree(history, copy)
    return copy


def data(app) -> DataPlace:
    return app.places["data"]


def shows(root: Path, size=(120, 40)):
    return opened(root, size, place="data", feed=False)


async def ready(app, pilot):
    await until(pilot, lambda: data(app).table.version is not None)


async def into_grid(app, pilot):
    await ready(app, pilot)
    await pilot.press("enter")
    await until(pilot, lambda: data(app).table.grid.body.has_focus)


async def type_in(pilot, text):
    for letter in text:
        await pilot.press({" ": "space", "'": "apostrophe", ">": "greater_than_sign"}.get(letter, letter))


async def test_outputs_stand_there_by_step_and_version_and_the_first_table_is_open(root):
    async with shows(root) as (app, pilot):
        await ready(app, pilot)
        told = text_of(app)
        assert "clean      v2        1,500 × 3" in told and "clean      v1        1,000 × 3" in told
        assert "model      v1" in told
        assert "clean v2  (run 2)" in told and "of 1,500" in told


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 10), (20, 5)])
async def test_odd_texts_break_no_line(root, size):
    async with shows(root, size) as (app, pilot):
        await ready(app, pilot)
        await pilot.press("enter", "l", "l")
        await at_rest(pilot)
        lines = text_of(app).split("\n")
        assert len(lines) == size[1]
        assert all(one.cell_length == size[0] for one in app.screen._compositor.render_strips())
        assert "\x1b" not in "".join(lines)


async def test_a_narrow_screen_shows_the_list_then_the_table_and_esc_goes_back(root):
    async with shows(root, (80, 24)) as (app, pilot):
        await ready(app, pilot)
        assert "Outputs" in text_of(app) and "row 1–" not in text_of(app)
        await into_grid(app, pilot)
        assert "Outputs" not in text_of(app) and "row 1–" in text_of(app)
        await pilot.press("escape")
        assert "Outputs" in text_of(app)


async def test_the_list_opens_what_the_cursor_is_on_and_nothing_is_unpickled(root):
    async with shows(root) as (app, pilot):
        await ready(app, pilot)
        await pilot.press("j")
        await until(pilot, lambda: data(app).table.version.version == 1)
        await pilot.press("j", "j", "enter")
        await until(pilot, lambda: data(app).mode == "value")
        assert "Model object" in text_of(app)
        await pilot.press("escape", "G", "k", "enter")
        await until(pilot, lambda: "'rmse': 0.25" in text_of(app))


async def test_steps_fold(root):
    async with shows(root) as (app, pilot):
        await ready(app, pilot)
        before = len(data(app).list.rows)
        await pilot.press("h")
        assert len(data(app).list.rows) == before - 2 and "▸ clean" in text_of(app)
        await pilot.press("enter")
        assert len(data(app).list.rows) == before


async def test_s_sorts_up_down_and_not_and_the_missing_stay_last(root):
    async with shows(root) as (app, pilot):
        await into_grid(app, pilot)
        await pilot.press("l", "s")
        await until(pilot, lambda: data(app).table.seen.sort == "x")
        assert "x ↑" in text_of(app) and data(app).table.grid.body.row(0)[1] == "0.25"
        await pilot.press("s")
        await until(pilot, lambda: data(app).table.seen.descending)
        assert "x ↓" in text_of(app) and data(app).table.grid.body.row(0)[1] == "249.75"
        await pilot.press("G")
        await until(pilot, lambda: data(app).table.grid.body.row(1499) is not None)
        assert data(app).table.grid.body.row(1499)[1].plain == "∅"
        await pilot.press("s")
        await until(pilot, lambda: not data(app).table.seen.sort)
        assert data(app).table.grid.body.row(0)[0] == "0"


async def test_a_filter_leaves_rows_and_an_empty_one_brings_them_back(root):
    async with shows(root) as (app, pilot):
        await into_grid(app, pilot)
        await pilot.press("slash")
        await type_in(pilot, "id > 1489")
        await pilot.press("enter")
        await until(pilot, lambda: data(app).table.total == 10)
        assert "where id > 1489" in text_of(app) and "of 10 of 1,500" in text_of(app)
        await pilot.press("slash", *["backspace"] * 9, "enter")
        await until(pilot, lambda: data(app).table.total == 1500)
        await pilot.press("slash")
        await type_in(pilot, "id > 1489")
        await pilot.press("enter")
        await until(pilot, lambda: data(app).table.total == 10)
        await pilot.press("escape")
        await until(pilot, lambda: data(app).table.total == 1500 and data(app).table.seen.where == "")


async def test_a_mistaken_filter_is_explained_and_can_be_mended(root):
    async with shows(root) as (app, pilot):
        await into_grid(app, pilot)
        await pilot.press("slash")
        await type_in(pilot, "idd > 1")
        await pilot.press("enter")
        await until(pilot, lambda: "Candidate" in text_of(app) and len(app.screen_stack) > 1)
        assert data(app).table.total == 1500
        await pilot.press(*["backspace"] * 5, *"> 2", "enter")
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        assert data(app).table.below == "column"


async def test_d_tells_what_changed_since_the_version_before(root):
    async with shows(root) as (app, pilot):
        await into_grid(app, pilot)
        await pilot.press("d")
        await until(pilot, lambda: "rows 1,000 → 1,500 (+500)" in text_of(app))
        assert "clean v1 → v2" in text_of(app)
        await pilot.press("d")
        assert "rows 1,000" not in text_of(app)
        await pilot.press("escape", "j")
        await until(pilot, lambda: data(app).table.version.version == 1)
        assert app.why_not("diff") == "this is the first version"


async def test_the_column_under_the_cursor_is_described(root):
    async with shows(root) as (app, pilot):
        await into_grid(app, pilot)
        await pilot.press("l")
        await until(pilot, lambda: "├ 249.75" in text_of(app))
        told = text_of(app)
        assert "x  float64" in told and "nulls 150 (10.0%)" in told and "v1 → v2:" in told


async def test_y_copies_the_whole_cell_and_enter_shows_it(root):
    async with shows(root) as (app, pilot):
        await into_grid(app, pilot)
        await pilot.press("l", "l", "y")
        await until(pilot, lambda: app.clipboard)
        assert app.clipboard == "表😀\x1b[31m\n" + "z" * 10_000
        await pilot.press("enter")
        await until(pilot, lambda: data(app).table.below == "cell")
        assert "text, row 1" in text_of(app) and "zzzzz" in text_of(app)
        await pilot.press("escape")
        assert data(app).table.below == "column" and data(app).table.grid.body.has_focus


async def test_e_writes_a_file_and_asks_before_it_overwrites(root):
    async with shows(root) as (app, pilot):
        await into_grid(app, pilot)
        await pilot.press("E")
        await until(pilot, lambda: "clean_v2.parquet" in text_of(app))
        await pilot.press("enter")
        await until(pilot, (root / "clean_v2.parquet").is_file)
        await until(pilot, lambda: "wrote" in text_of(app))
        assert pl.read_parquet(root / "clean_v2.parquet").height == 1500
        (root / "clean_v2.parquet").write_text("mine")
        await pilot.press("E", "enter")
        await until(pilot, lambda: "overwrite it?" in text_of(app))
        await pilot.press("n")
        await at_rest(pilot)
        assert (root / "clean_v2.parquet").read_text() == "mine"
        await pilot.press("E", *["backspace"] * 7, *"txt", "enter")
        await until(pilot, lambda: "cannot be written" in text_of(app))


async def test_gs_goes_to_the_step(root, monkeypatch):
    async with shows(root) as (app, pilot):
        await ready(app, pilot)
        gone = []
        monkeypatch.setattr(app, "go", lambda name, **where: gone.append((name, where)))
        await pilot.press("g", "s")
        assert gone == [("pipeline", {"step": "clean"})]


async def test_a_question_is_completed_answered_and_remembered(root):
    async with shows(root) as (app, pilot):
        await ready(app, pilot)
        await pilot.press("S")
        line = data(app).sql.line
        await until(pilot, lambda: line.names.tables)
        await type_in(pilot, "select number from ru")
        await pilot.press("tab")
        assert line.value == "select number from run"
        await type_in(pilot, " order by 1")
        await pilot.press("enter")
        await until(pilot, lambda: "2 rows" in text_of(app))
        assert [row[0] for row in (data(app).sql.grid.body.row(0), data(app).sql.grid.body.row(1))] == ["1", "2"]
        line.value = ""
        await pilot.press("up")
        assert line.value == "select number from run order by 1"
        line.value = "drop table run"
        await pilot.press("enter")
        await until(pilot, lambda: "not allowed here" in text_of(app))
        await pilot.press("escape", "y")
        await until(pilot, lambda: app.clipboard == "1")
        await pilot.press("escape")
        assert data(app).mode == "table"
        kept = json.loads(json.dumps(data(app).remember()))
        assert kept["history"] == ["select number from run order by 1", "drop table run"]


async def test_how_a_table_was_looked_at_is_there_the_next_time(root):
    async with shows(root) as (app, pilot):
        await into_grid(app, pilot)
        await pilot.press("s", "s")
        await until(pilot, lambda: data(app).table.seen.descending)
        kept = json.loads(json.dumps(app.remembered()))
    async with opened(root, feed=False) as (app, pilot):
        app.kept = kept
        await app.show_place("data")
        await ready(app, pilot)
        assert data(app).table.seen.sort == "id" and data(app).table.grid.body.row(0)[0] == "1499"


async def test_gone_to_with_a_step_its_newest_output_is_shown(root):
    async with shows(root) as (app, pilot):
        await ready(app, pilot)
        await app.show_place("data", step="score")
        await until(pilot, lambda: "'rmse'" in text_of(app))
        await app.show_place("data", step="clean", run=1)
        await until(pilot, lambda: data(app).mode == "table" and data(app).table.version.version == 1)


async def test_a_project_without_runs_says_what_to_do(tmp_path):
    async with shows(write_project(tmp_path / "new")) as (app, pilot):
        await until(pilot, lambda: "no outputs yet" in text_of(app))
        assert "`1`, then `r` runs the steps" in text_of(app)
        assert app.why_not("export") == "there are no outputs yet"


async def test_what_was_removed_from_the_store_is_said_with_what_to_do(root):
    for path in (root / ".instep" / "objects").rglob("*.table"):
        path.unlink()
    async with shows(root) as (app, pilot):
        await until(pilot, lambda: "✗ removed" in text_of(app))
        await pilot.press("gg", "g", "g", "j", "enter")
        await until(pilot, lambda: "is not in the store" in text_of(app))
        assert "instep verify" in text_of(app)
