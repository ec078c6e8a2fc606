"""The pictures in the README, from the app itself: `uv run python docs/pictures.py`.

Runs the example `digits` a few times with other params on real Ray, opens the screen on it and keeps what it draws.
"""

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

from instep.ide.app import InstepApp
from instep.ide.feed import Feed

OUT = Path(__file__).parent / "pictures"
SIZE = (110, 34)


def instep(root: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "instep", "-C", str(root), *words], check=True, stdout=subprocess.DEVNULL)


def recorded(root: Path) -> None:
    """A history worth looking at: a few learning rates, a baseline to hold them against, and a step that fails."""
    demo = [sys.executable, "-m", "instep", "demo", "digits", str(root), "--no-screen"]
    subprocess.run(demo, check=True, stdout=subprocess.DEVNULL)
    for rate, note in (("0.02", "slower"), ("0.2", "too fast?"), ("0.1", "")):
        instep(root, "run", "--set", f"model.rate={rate}", "--note", note)
    instep(root, "run")


async def drawn(root: Path) -> None:
    app = InstepApp(root, Feed(root))
    async with app.run_test(size=SIZE) as pilot:

        async def until(holds) -> None:
            for _ in range(400):
                await pilot.pause(0.05)
                if holds():
                    return
            raise SystemExit("the screen did not get there")

        async def keep(name: str) -> None:
            await pilot.pause(0.8)
            (OUT / f"{name}.svg").write_text(app.export_screenshot(title="instep"))

        await until(lambda: app.live.loaded and app.live.ray == "ready")
        config = root / "instep.toml"
        config.write_text(f"{config.read_text().rstrip()}\nrate = 0.03\n")
        await until(lambda: app.live.steps["model"].running)
        await pilot.press("g", "g", "j", "j")
        await until(lambda: (app.live.steps["model"].share or 0) > 0.4 or app.live.last == "done")
        await keep("pipeline")
        await until(lambda: app.live.last == "done")
        await pilot.press("2")
        await until(lambda: app.here.id == "runs" and len(app.here._rows) > 4)
        await pilot.press("G", "b", "g", "g")
        await pilot.pause(1)
        await keep("runs")
        app.go("compare", runs=[2, 3])
        await until(lambda: app.here.id == "compare" and app.here.shown is not None and app.here.shown.b == "3")
        await pilot.press("]", "]", "j")
        await until(lambda: app.here.pane.chart.display)
        await keep("compare")
        await pilot.press("6")
        await until(lambda: app.here.id == "time")
        await keep("time")


def main() -> None:
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="instep-") as folder:
        root = Path(folder) / "digits"
        recorded(root)
        try:
            asyncio.run(drawn(root))
        finally:
            instep(root, "stop")


if __name__ == "__main__":
    main()
