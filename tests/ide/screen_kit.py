"""The real screen on a real project: a recorded history, an engine in another process, keys as a person types.

The engine executes steps in its own process (`inline_engine.py`) instead of on Ray: all else is what users have.
"""

import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from textual.pilot import Pilot

from instep.engine import wire
from instep.ide.app import InstepApp
from instep.ide.asking import Asker
from instep.ide.feed import Feed

HERE = Path(__file__).parent
PIPELINE = '''"""A small pipeline with a table, a course and metrics."""

import polars as pl
from instep import File, log, step

WEIGHT = 2.0


@step
def table(csv=File("data.csv"), *, rows: int = 3):
    print("reading 表 😀")
    return pl.read_csv(csv).head(rows)


@step
def total(table, *, weight: float = 1.0):
    for epoch in range(20):
        log(loss=1 / (epoch + 1))
    return {"sum": float(table["a"].sum()) * weight, "count": table.height}


@step
def report(total):
    return f"the sum is {total['sum'] * WEIGHT}"
'''
BROKEN = PIPELINE.replace('    return f"the', '    raise ValueError("no report")\n    return f"the')
CSV = "a,b\n1,x\n2,y\n3,\n4,z\n"


def write_project(root: Path, pipeline: str = PIPELINE) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "instep.toml").write_text('[project]\nname = "small"\n\n[params.total]  # how it counts\nweight = 1.0\n')
    (root / "pipeline.py").write_text(pipeline)
    (root / "data.csv").write_text(CSV)
    return root


def recorded(root: Path) -> Path:
    """Three runs: a first one, one with another weight, one that fails in `report`; the failing line is still there."""
    write_project(root)
    with engine(root):
        ask(root, {"op": "run"})
        ask(root, {"op": "run", "set": {"total.weight": 3.0}, "note": "heavier"})
        (root / "pipeline.py").write_text(BROKEN)
        ask(root, {"op": "run"})
    return root


def ask(root: Path, request: dict[str, object]) -> dict[str, object]:
    from instep.engine import client

    answer = client.ask(root, request, start=False)
    try:
        return list(answer)[-1]
    finally:
        answer.close()


@contextmanager
def engine(root: Path) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, str(HERE / "inline_engine.py"), str(root)])
    deadline = time.monotonic() + 120
    while (channel := wire.connect(str(root))) is None:
        assert process.poll() is None, "the engine did not start"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    channel.close()
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


Typed = Pilot[None]


@asynccontextmanager
async def opened(
    root: Path,
    size: tuple[int, int] = (120, 40),
    *,
    place: str = "pipeline",
    feed: bool = True,
    asker: type[Asker] = Asker,
) -> AsyncIterator[tuple[InstepApp, Typed]]:
    """The screen on `root`, with its first plan drawn."""
    app = InstepApp(root, Feed(root) if feed else None)
    app.asker = asker(root)
    async with app.run_test(size=size) as pilot:
        if feed:
            await until(pilot, lambda: app.live.loaded and app.live.ray == "ready")
        if place != "pipeline":
            await app.show_place(place)
        yield app, pilot
    assert not app.failures, app.failures


async def until(pilot: Typed, holds: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something to become true, and then for all that the screen is still busy with."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"it did not happen; there stands\n{text_of(pilot.app)}"
        await pilot.pause(0.02)
    await at_rest(pilot)


async def at_rest(pilot: Typed, seconds: float = 60) -> None:
    """Wait until every question to the reading process is answered, and what the answers say stands on the screen."""
    deadline = time.monotonic() + seconds
    rounds = 0
    while rounds < 2 and time.monotonic() < deadline:  # an answer may lead to a question
        await pilot.pause()
        asker = pilot.app.asker
        rounds = 0 if asker._starting.locked() or asker._waiting else rounds + 1
        if not rounds:
            await pilot.pause(0.02)


def text_of(app: InstepApp) -> str:
    """What stands on the screen, line by line."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


_CLOCK = re.compile(r"\d\d:\d\d:\d\d(\.\d+)?")
_TOOK = re.compile(r"[ ]*\b\d+(?:\.\d+)? m?s\b[ ]*")


def steady(text: str) -> str:
    """Without what is different every time: clocks, durations, process ids; each as wide as it was."""
    text = _CLOCK.sub(lambda found: "0" * len(found[0]), text)
    return _TOOK.sub(lambda found: "~" * len(found[0]), text)
