"""The start page: a folder without steps, two ways to a first one, and back."""

from pathlib import Path

import pytest
from place_app import Told, picture
from screen_kit import text_of, until

from instep.engine.first_steps import candidates
from instep.ide.app import InstepApp
from instep.ide.screens import start

WORK = """import csv


def rows():
    return [1, 2]


def total(rows):
    return sum(rows)


def read(path="data.csv"):
    return path


def _inner(rows):
    return rows


def every(*rows):
    return rows
"""


@pytest.fixture
def feeds(monkeypatch: pytest.MonkeyPatch) -> list[Told]:
    """An engine that says what the test has it say follows the first step."""
    made: list[Told] = []

    def feed(root: Path) -> Told:
        made.append(Told())
        return made[-1]

    monkeypatch.setattr(start, "Feed", feed)
    return made


async def test_enter_writes_a_first_pipeline_shows_it_and_u_takes_all_of_it_back(tmp_path: Path, feeds) -> None:
    app = InstepApp(tmp_path, None)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "has no Python file yet" in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.place == "pipeline" and feeds)
        assert {path.name for path in tmp_path.iterdir()} >= {"instep.toml", "pipeline.py"}
        assert "wrote a first pipeline" in app.query_one("#bottom").plain
        assert app.run_first, "it runs as soon as its plan is there"
        await pilot.press("u")
        await until(pilot, lambda: app.place == "start")
        assert list(tmp_path.iterdir()) == []


async def test_functions_are_picked_and_marked_and_unmarked(tmp_path: Path, feeds) -> None:
    (tmp_path / "work.py").write_text(WORK)
    app = InstepApp(tmp_path, None)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "work.py: 2" in text_of(app))
        await pilot.press("s")
        await until(pilot, lambda: "Which of these are steps?" in text_of(app))
        await pilot.press("space", "j", "space", "enter")
        await until(pilot, lambda: app.place == "pipeline" and feeds)
        assert (tmp_path / "work.py").read_text().count("@step\ndef ") == 2
        assert 'steps = ["work.py"]' in (tmp_path / "instep.toml").read_text()
        feeds[0].say(picture({"name": "rows"}, {"name": "total", "needs": ["rows"]}))
        await until(pilot, lambda: "2 steps" in text_of(app))
        await pilot.press("u")
        await until(pilot, lambda: (tmp_path / "work.py").read_text() == WORK)


async def test_what_was_changed_since_is_left_as_it_is(tmp_path: Path, feeds) -> None:
    app = InstepApp(tmp_path, None)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "has no Python file yet" in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.place == "pipeline")
        (tmp_path / "pipeline.py").write_text("mine = 1\n")
        await pilot.press("u")
        await until(pilot, lambda: not (tmp_path / "instep.toml").exists())
        assert (tmp_path / "pipeline.py").read_text() == "mine = 1\n"


def test_only_functions_that_could_be_steps_are_offered(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "broken.py").write_text("def x(:")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_work.py").write_text("def a(): ...")
    assert [(one.path, one.name, one.needs) for one in candidates(tmp_path)] == [
        ("work.py", "rows", ()),
        ("work.py", "total", ("rows",)),
    ]
