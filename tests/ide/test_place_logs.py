"""5 Logs, by keyboard: what is said is shown, found, filtered, followed, and leads to the step that said it."""

import sys
from pathlib import Path

import pytest
from place_app import app_on, picture
from screen_kit import at_rest, until
from textual import events
from textual.pilot import Pilot

sys.path.insert(0, str(Path(__file__).parents[1] / "engine" / "reading"))

from logged_run import LoggedRun, logged

from instep.ide.app import InstepApp
from instep.ide.screens.logs import LogsPlace

T = 1_700_000_000_000_000
SIZES = [(120, 40), (80, 24)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Run 1 said one line; run 2 said 300 of `train` and five of `clean`, of which some are longer, some worse."""
    logged(tmp_path, {"old": [(T - 1_000, "stdout", "", "the run before")]})
    clean = ["rows 5", "wide 日本語 👍🏽", "x" * 10_000, "\x1b[31mred\x1b[0m retry", "Retry once"]
    levels = ["", "warning", "", "error", ""]
    logged(
        tmp_path,
        {
            "train": [(T + at * 1_000, "stdout", "", f"epoch {at}") for at in range(300)],
            "clean": [(T + at * 1_000 + 500, "logging", levels[at], text) for at, text in enumerate(clean)],
        },
        "failed",
    )
    return tmp_path


def place(app: InstepApp) -> LogsPlace:
    found = app.places["logs"]
    assert isinstance(found, LogsPlace)
    return found


async def shown(pilot: Pilot[None], lines: int | None = None) -> LogsPlace:
    """The place, once it shows (so many) lines."""
    await until(pilot, lambda: "logs" in pilot.app.places)
    view = place(pilot.app).view
    await until(pilot, lambda: view.count and lines in (None, view.count))
    await until(pilot, lambda: place(pilot.app).view.at_cursor() is not None)
    return place(pilot.app)


def drawn(here: LogsPlace) -> list[str]:
    """The rows of the screen that the lines take."""
    view = here.view
    return [view.render_line(y).text.rstrip() for y in range(view.scrollable_content_region.height)]


def head(here: LogsPlace) -> str:
    return here.head.texts[0].plain


async def type_in(pilot: Pilot[None], key: str, text: str, *, clear: bool = False) -> None:
    """A key that asks for a line of text, and the answer, added to what was there or instead of it."""
    await pilot.press(key)
    await until(pilot, lambda: len(pilot.app.screen_stack) == 2)
    if clear:
        await pilot.press("ctrl+u")
    await pilot.press(*("space" if one == " " else one for one in text), "enter")
    await until(pilot, lambda: len(pilot.app.screen_stack) == 1)


@pytest.mark.parametrize("size", SIZES)
async def test_the_newest_run_is_shown_from_its_end(root, size):
    async with app_on(root, "logs").run_test(size=size) as pilot:
        here = await shown(pilot)
        assert here.view.cursor == 304
        assert drawn(here)[-1].endswith("epoch 299")
        assert head(here).startswith(" run 2   steps all   level all")
        assert "✗ failed" in head(here)
        assert "305 lines · 1 error · 1 warning" in str(here.view.border_subtitle)
        await pilot.press("g", "g")
        await until(pilot, lambda: here.view.at_cursor() is not None)
        told = drawn(here)
        assert [line.split()[-1] for line in told[:4]] == ["0", "5", "1", "👍"]
        assert all(len(here.view.render_line(y).text) > 0 for y in range(10))
        assert {here.view.render_line(y).cell_length for y in range(10)} == {here.view.scrollable_content_region.width}


async def test_find_marks_and_goes_from_match_to_match(root):
    async with app_on(root, "logs").run_test(size=(120, 40)) as pilot:
        here = await shown(pilot)
        await pilot.press("g", "g")
        await type_in(pilot, "/", "retry")
        await until(pilot, lambda: "1/2" in head(here))
        assert "red retry" in drawn(here)[here.view.cursor - here.view.scroll_offset.y]
        await pilot.press("n")
        await until(pilot, lambda: "2/2" in head(here))
        assert here.view.at_cursor().text == "Retry once"
        await pilot.press("n")
        await until(pilot, lambda: "1/2" in head(here))
        await pilot.press("N")
        await until(pilot, lambda: "2/2" in head(here))
        await type_in(pilot, "/", "2")  # added to what was asked for before
        await until(pilot, lambda: "no match" in head(here))
        await pilot.press("escape")
        await until(pilot, lambda: "find" not in head(here))


async def test_a_filter_leaves_lines_and_the_cursor_on_its_line(root):
    async with app_on(root, "logs").run_test(size=(120, 40)) as pilot:
        here = await shown(pilot)
        here.view.move_to(200)
        await until(pilot, lambda: here.view.at_cursor() is not None)
        line = here.view.at_cursor()
        await type_in(pilot, "&", "epoch 1")
        await until(pilot, lambda: here.view.count == 111)
        assert here.view.at_cursor() == line
        assert "111 of 305 lines" in str(here.view.border_subtitle)
        await pilot.press("escape")
        await until(pilot, lambda: here.view.count == 305)
        assert here.view.at_cursor() == line


async def test_levels_and_steps_leave_their_lines(root):
    async with app_on(root, "logs").run_test(size=(120, 40)) as pilot:
        here = await shown(pilot)
        await pilot.press("v", "v")
        await until(pilot, lambda: here.view.count == 2)
        assert "level ≥warning" in head(here)
        await pilot.press("v")
        await until(pilot, lambda: here.view.count == 1)
        await pilot.press("v")
        await until(pilot, lambda: here.view.count == 305)
        await type_in(pilot, "s", "clean")
        await until(pilot, lambda: here.view.count == 5)
        assert "steps clean" in head(here)
        await pilot.press("S")
        await until(pilot, lambda: here.view.count == 305)
        await pilot.press("G", "S")
        await until(pilot, lambda: here.view.count == 300)
        await type_in(pilot, "&", "nowhere")
        await until(pilot, lambda: here.view.count == 0)
        assert "None of 305 lines is left by step train, “nowhere”." in "\n".join(drawn(here))


@pytest.mark.parametrize("size", SIZES)
async def test_a_long_line_can_be_moved_along_or_wrapped(root, size):
    async with app_on(root, "logs").run_test(size=size) as pilot:
        here = await shown(pilot)
        await pilot.press("g", "g")
        await until(pilot, lambda: here.view.at_cursor() is not None)
        long = next(y for y, line in enumerate(drawn(here)) if line.endswith("xxx"))
        await pilot.press("l")
        assert "from column 17" in head(here)
        assert drawn(here)[0].endswith("info") or "epoch" not in drawn(here)[0]
        await pilot.press("h", "w")
        await until(pilot, lambda: "wrap on" in head(here))
        assert all(line.endswith("x") for line in drawn(here)[long:-1])
        await pilot.press("G")
        await pilot.pause()
        assert drawn(here)[-1].endswith("epoch 299")
        await pilot.press("g", "g", *["j"] * long)
        await until(pilot, lambda: " more" in drawn(here)[-1] or " more" in "".join(drawn(here)))
        assert here.view.at_cursor().text == "x" * 10_000
        await pilot.press("j")
        await pilot.pause()
        assert any("epoch 3" in line for line in drawn(here))


async def test_a_line_leads_to_its_step_its_source_and_the_clipboard(root, monkeypatch):
    app, edited = app_on(root, "logs"), []
    async with app.run_test(size=(120, 40)) as pilot:
        here = await shown(pilot)
        await pilot.press("e")
        assert "not in the project any more" in app.said.plain
        app.feed.say(picture({"name": "train", "place": ["steps/model.py", 12]}))
        await until(pilot, lambda: "train" in app.live.steps)
        monkeypatch.setattr(app, "open_editor", lambda path, line: edited.append((path, line)))
        await pilot.press("e")
        assert edited == [("steps/model.py", 12)]
        await pilot.press("y")
        assert app.clipboard == "epoch 299"
        assert here.view.at_cursor().step == "train"
        await pilot.press("enter")
        await until(pilot, lambda: app.place == "pipeline")
        await pilot.press("5")
        await until(pilot, lambda: app.place == "logs")
        await pilot.press("g", "s")
        await until(pilot, lambda: app.place == "pipeline")


async def test_other_runs_can_be_looked_at(root):
    app = app_on(root, "logs")
    async with app.run_test(size=(120, 40)) as pilot:
        here = await shown(pilot)
        await pilot.press("]")
        await until(pilot, lambda: "no newer run" in app.said.plain)
        await pilot.press("[")
        await until(pilot, lambda: here.view.count == 1)
        assert head(here).startswith(" run 1")
        await pilot.press("]")
        await until(pilot, lambda: here.view.count == 305)
        await type_in(pilot, "#", "9")
        await until(pilot, lambda: "there is no run" in app.said.plain)
        assert here.view.count == 305
        await type_in(pilot, "#", "1", clear=True)
        await until(pilot, lambda: here.view.count == 1)
        app.go("logs", run=2)
        await until(pilot, lambda: here.view.count == 305)
        app.go("logs", run=1)
        await until(pilot, lambda: here.view.count == 1)
        app.go("logs", run=None, step="clean")
        await until(pilot, lambda: here.view.count == 5)


async def test_the_palette_finds_a_text_in_the_log(root):
    app = app_on(root, "pipeline")
    async with app.run_test(size=(120, 40)) as pilot:
        app.go("logs", find="rows 5")
        await until(pilot, lambda: app.place == "logs")
        here = await shown(pilot)
        await until(pilot, lambda: "1/1" in head(here) and here.view.at_cursor() is not None)
        assert here.view.at_cursor().text == "rows 5"


async def test_a_run_that_goes_on_is_followed_until_one_scrolls_up(tmp_path):
    run = LoggedRun(tmp_path)
    app = app_on(tmp_path, "logs")
    async with app.run_test(size=(120, 40)) as pilot:
        app.feed.say(picture({}), {"t": "run", "run": 1, "steps": [{"name": "train", "state": "stale", "reasons": []}]})
        await until(pilot, lambda: "said nothing yet" in "\n".join(drawn(place(app))))
        here = place(app)
        run.say("train", [(T + at, "stdout", "", f"epoch {at}") for at in range(100)])
        await until(pilot, lambda: here.view.count == 100)
        assert drawn(here)[-1].endswith("epoch 99") and "▼ following" in head(here)
        run.say("train", [(T + 100, "stdout", "", "epoch 100")])
        await until(pilot, lambda: drawn(here)[-1].endswith("epoch 100"))
        await pilot.press("k", "k")
        assert "not following" in head(here)
        before, line = drawn(here), here.view.at_cursor()
        run.say("clean", [(T - 5, "stdout", "", "came late"), (T + 200, "stdout", "", "new")])
        await until(pilot, lambda: here.view.count == 103)
        assert here.view.at_cursor() == line and line.text == "epoch 98"
        assert [told[13:] for told in drawn(here)] == [told[13:] for told in before]
        await pilot.press("f")
        await until(pilot, lambda: drawn(here)[-1].endswith("new"))
        await pilot.press("g", "g")
        await until(pilot, lambda: drawn(here)[0].endswith("came late"))
        await pilot.press("G")
        assert "▼ following" in head(here)
        run.end("train")
        run.end("clean")
        run.finish()
        app.feed.say({"t": "ran", "doc": {"run": 1, "state": "done", "seconds": 1.0, "steps": []}})
        await until(pilot, lambda: "✓ done" in head(here))
        await pilot.press("f")
        assert "the run has ended" in app.said.plain


async def test_keys_typed_while_lines_come_in_move_the_cursor_from_line_to_line(tmp_path):
    run = LoggedRun(tmp_path)
    run.say("train", [(T + at * 10, "stdout", "", f"epoch {at}") for at in range(100)])
    app = app_on(tmp_path, "logs")
    async with app.run_test(size=(120, 40)) as pilot:
        app.feed.say({"t": "run", "run": 1, "steps": []})
        here = await shown(pilot, 100)
        for at in range(30):
            run.say("clean", [(T + at, "stdout", "", "late"), (T + 10_000 + at, "stdout", "", "new")])
            await pilot.press("k")
        assert here.view.at_cursor().text == f"epoch {99 - 30}"
        await until(pilot, lambda: here.view.count == 160)
        assert here.view.at_cursor().text == f"epoch {99 - 30}"
        run.finish()


async def test_a_terminal_of_twenty_by_five_stays_usable(root):
    async with app_on(root, "logs").run_test(size=(20, 5)) as pilot:
        here = await shown(pilot)
        await pilot.press("k", "w", "g", "g", "j", "l", "w", "l", "G")
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: "".join(drawn(here)[-1:]).endswith("epoch 299"))


async def test_a_new_run_is_gone_to_unless_an_old_one_was_chosen(root):
    app = app_on(root, "logs")
    async with app.run_test(size=(120, 40)) as pilot:
        here = await shown(pilot)
        started = {"t": "run", "run": 3, "steps": []}
        run = LoggedRun(root)
        run.say("train", [(T, "stdout", "", "third")])
        app.feed.say(started)
        await until(pilot, lambda: here.view.count == 1 and drawn(here)[0].endswith("third"))
        await pilot.press("[")
        await until(pilot, lambda: head(here).startswith(" run 2"))
        app.feed.say(started)
        await at_rest(pilot)
        assert head(here).startswith(" run 2")
        run.finish()


async def test_a_page_that_is_not_there_yet_is_drawn_as_such_and_then_comes(tmp_path):
    logged(tmp_path, {"train": [(T + at, "stdout", "", f"epoch {at}") for at in range(5_000)]})
    async with app_on(tmp_path, "logs").run_test(size=(120, 40)) as pilot:
        here = await shown(pilot, 5_000)
        assert 2_000 not in here.view.rows
        here.view.move_to(2_000)
        assert {line for line in drawn(here) if line} == {"·"}
        await until(pilot, lambda: any(line.endswith("epoch 2000") for line in drawn(here)))
        for _ in range(40):
            await pilot.press("ctrl+d")
        await until(pilot, lambda: here.view.at_cursor() is not None)
        assert len(here.view.rows) <= 2_400


@pytest.mark.parametrize("size", SIZES)
async def test_nothing_run_yet_reading_and_an_error_say_so(tmp_path, size, monkeypatch):
    app = app_on(tmp_path, "logs")
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "logs" in app.places)
        await until(pilot, lambda: "Nothing was run here yet" in "\n".join(drawn(place(app))))
        await pilot.press("n", "y")
        assert "no line here" in app.said.plain
        (tmp_path / ".instep").mkdir()
        (tmp_path / ".instep" / "journal.sqlite").write_text("this is no database, whatever its name says" * 100)
        await pilot.press("v")
        await until(pilot, lambda: "✗" in "\n".join(drawn(place(app))))


async def test_wrap_and_level_are_remembered(root):
    app = app_on(root, "logs")
    async with app.run_test(size=(120, 40)) as pilot:
        here = await shown(pilot)
        await pilot.press("w", "v")
        await until(pilot, lambda: "level ≥info" in head(here))
        kept = app.remembered()
    again = app_on(root, "logs")
    again.kept = kept
    async with again.run_test(size=(120, 40)) as pilot:
        here = await shown(pilot)
        assert "level ≥info" in head(here) and "wrap on" in head(here)


async def test_the_mouse_chooses_a_line_and_scrolling_up_stops_following(root):
    async with app_on(root, "logs").run_test(size=(120, 40)) as pilot:
        here = await shown(pilot)
        assert here.view.following
        here.view.post_message(events.MouseScrollUp(here.view, 5, 5, 0, 0, 0, False, False, False))
        await until(pilot, lambda: not here.view.following)
        top = here.view.scroll_offset.y
        assert top < here.view.max_scroll_y
        await pilot.click(here.view, offset=(20, 5))
        assert here.view.cursor == top + 4
        assert drawn(here)[4].endswith(here.view.at_cursor().text)
        await pilot.press("w")
        await pilot.click(here.view, offset=(20, 8))
        assert drawn(here)[7].endswith(here.view.at_cursor().text)
