"""Every view in two sizes and four states, as text: `looks/*.txt` is what it should be.

`pytest tests/ide/test_screen_looks.py --new-looks` writes them anew; read the difference before you commit it.
"""

import asyncio
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cluster_told import AT_WORK, ClusterTold, write_clusters
from screen_kit import at_rest, engine, opened, recorded, steady, text_of, until, write_project

from instep.engine.errors import StoreBusy
from instep.ide.app import InstepApp
from instep.ide.asking import Asker
from instep.ide.views.live import Live

LOOKS = Path(__file__).parent / "looks"
SIZES = {"120x40": (120, 40), "80x24": (80, 24)}
PLACES = ("pipeline", "runs", "data", "logs", "time", "start", "compare", "cluster")


_BARS = re.compile(r"waited|[▲▼] (?:slower|faster)|[0-9.]+[s%]?|[█▆░╌✗▏▎▍▌▋▊▉]+(?= |~|$)| {2,}|─{2,}|~+|: no[^│]*")
"""How long things took decides how a chart is drawn; its own tests look at that."""


def without_bars(text: str) -> str:
    lines = [_BARS.sub("", line).replace(" ", "") for line in text.splitlines()]
    return "\n".join(line for line in lines if not line.startswith("│step"))


class Silent(Asker):
    """Reads for ever."""

    async def ask(self, op: str, request: Mapping[str, Any]) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}


class Broken(Asker):
    """The catalog is held by somebody."""

    async def ask(self, op: str, request: Mapping[str, Any]) -> dict[str, Any]:
        raise StoreBusy("the catalog is open in process 4711", mend="Close it there, or try again when it has ended.")


@pytest.fixture(scope="module")
def normal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = recorded(tmp_path_factory.mktemp("looks") / "small")
    with engine(root):
        yield root


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = write_project(tmp_path_factory.mktemp("looks") / "small")
    with engine(root):
        yield root


async def settled(app: InstepApp, pilot: Any, *, answered: bool = True) -> str:
    """The screen once it does not change any more: nothing is under way, and it stays the same for a while."""
    before, same = "", 0
    for _ in range(300):
        await at_rest(pilot)
        await pilot.pause(0.05)
        now = text_of(app)
        same = same + 1 if now == before and not (answered and "reading" in now) else 0
        if same == 3:
            break
        before = now
    return steady(before)


def compare(request: pytest.FixtureRequest, name: str, told: str) -> None:
    path = LOOKS / f"{name}.txt"
    if request.config.getoption("--new-looks"):
        LOOKS.mkdir(exist_ok=True)
        path.write_text(told + "\n")
    assert told + "\n" == path.read_text(), f"{path} is not what stands there now; see --new-looks"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("place", [one for one in PLACES if one not in ("start", "cluster")])
async def test_a_project_with_a_history(request, normal: Path, tmp_path: Path, place: str, size: str) -> None:
    (normal / ".instep" / "screen.json").unlink(missing_ok=True)
    async with opened(normal, SIZES[size], place=place) as (app, pilot):
        await settled(app, pilot)
        await pilot.press("G")
        told = await settled(app, pilot)
        if place == "time":  # how many keys stand below depends on how long the times beside them are
            told = told.rpartition("\n")[0]
        compare(request, f"{place}-{size}-normal", without_bars(told) if place in ("time", "compare") else told)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("place", [one for one in PLACES if one not in ("start", "compare")])
async def test_nothing_has_run_yet(request, empty: Path, place: str, size: str) -> None:
    async with opened(empty, SIZES[size], place=place) as (app, pilot):
        compare(request, f"{place}-{size}-empty", await settled(app, pilot))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [Silent, Broken])
@pytest.mark.parametrize("place", ["pipeline", "runs", "data", "logs", "time"])
async def test_what_is_read_has_not_come_or_cannot_be_read(request, normal: Path, place: str, size: str, kind) -> None:
    (normal / ".instep" / "screen.json").unlink(missing_ok=True)
    async with opened(normal, SIZES[size], place=place, asker=kind) as (app, pilot):
        await pilot.press("G")
        state = "loading" if kind is Silent else "error"
        told = await settled(app, pilot, answered=False)
        assert "no runs" not in told
        assert "nothing yet" not in told
        compare(request, f"{place}-{size}-{state}", told)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", ["normal", "loading", "error"])
async def test_a_cluster_that_answers_is_waited_for_or_does_not(request, tmp_path: Path, state: str, size: str) -> None:
    app = ClusterTold(write_clusters(tmp_path / "small"), "cluster", look={"normal": True}.get(state))
    if state == "error":
        app.refuse("http://127.0.0.1:8265 did not answer within 5 s")
    async with app.run_test(size=SIZES[size]) as pilot:
        app.feed.say(*AT_WORK)
        await until(pilot, lambda: app.here is not None and app.here.known is not None and app.live.loaded)
        if state == "normal":
            await until(pilot, lambda: app.here.price is not None)
        if state == "error":
            await until(pilot, lambda: app.here.problem is not None)
        compare(request, f"cluster-{size}-{state}", await settled(app, pilot, answered=False))


@pytest.mark.parametrize("size", SIZES)
async def test_the_engine_has_not_answered_yet(request, normal: Path, size: str) -> None:
    app = InstepApp(normal, None)
    async with app.run_test(size=SIZES[size]) as pilot:
        app.live = Live(project="small")
        await app.show_place("pipeline")
        compare(request, f"pipeline-{size}-starting", await settled(app, pilot, answered=False))


@pytest.mark.parametrize("size", SIZES)
async def test_a_folder_without_steps(request, tmp_path: Path, size: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "work.py").write_text("def load():\n    return 1\n\ndef total(load):\n    return load\n")
    async with opened(folder, SIZES[size], feed=False) as (app, pilot):
        await until(pilot, lambda: "Python file" in text_of(app))
        compare(request, f"start-{size}-normal", steady(text_of(app)))


@pytest.mark.parametrize("size", SIZES)
async def test_a_project_that_cannot_be_read(request, normal: Path, tmp_path: Path, size: str) -> None:
    root = write_project(tmp_path / "small", "from instep import step\n\n@step\ndef a(b):\n    return b\n")
    with engine(root):
        async with opened(root, SIZES[size]) as (app, pilot):
            compare(request, f"pipeline-{size}-problems", await settled(app, pilot))
    shutil.rmtree(root)
