"""The screen in a real pseudo-terminal: first paint, and from a key to what it paints, idle and under full load.

The peer for first paint is a Textual app with one word in it; the goals: 0.7 s; 25 ms; 50 ms p95.
"""

import asyncio
import multiprocessing
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import instep
from ptybench import cold, keys, percentile

EMPTY = """
from textual.app import App
from textual.widgets import Static
class Empty(App):
    def compose(self):
        yield Static("Pipeline")
Empty().run()
"""


def burn() -> None:
    while True:
        sum(index * index for index in range(10_000))


def show(what: str, times: list[float], floor: float = 0.0) -> None:
    ratio = f"  {percentile(times, 0.5) / floor:5.2f} × an empty Textual app" if floor else ""
    print(f"{what:44} p50 {percentile(times, 0.5):6.0f} ms  p95 {percentile(times, 0.95):6.0f} ms{ratio}")


async def lag(root: Path, seconds: float = 4.0) -> list[float]:
    """Milliseconds that a timer of 5 ms comes late while every step runs anew and the screen draws it."""
    from instep.ide.app import InstepApp
    from instep.ide.feed import Feed

    app = InstepApp(root, Feed(root))
    late: list[float] = []
    async with app.run_test(size=(120, 40)) as pilot:
        while not app.live.loaded:
            await pilot.pause(0.05)
        running = subprocess.Popen(instep("-C", str(root), "run", "--fresh"), stdout=subprocess.DEVNULL)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            late.append((time.perf_counter() - began - 0.005) * 1e3)
        running.wait()
    return late


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="instep-") as folder:
        root = Path(folder) / "plain"
        subprocess.run(instep("demo", "plain", str(root)), check=True, stdout=subprocess.DEVNULL)
        screen = instep("-C", str(root))
        floor = percentile(cold([sys.executable, "-c", EMPTY], b"Pipeline"), 0.5)
        print(f"{'an empty Textual app':44} p50 {floor:6.0f} ms")
        show("first paint, engine living", cold(screen, b"Pipeline"), floor)
        show("the steps with their states", cold(screen, b"fresh"), floor)
        show("key to paint, idle", keys(screen, b"fresh", ["j", "k"]))
        show("change of place, idle", keys(screen, b"fresh", ["2", "1"], 30))
        show("event loop late, while a run goes on", asyncio.run(lag(root)))
        busy = [multiprocessing.Process(target=burn, daemon=True) for _ in range(multiprocessing.cpu_count())]
        for one in busy:
            one.start()
        show("key to paint, every core busy (not niced)", keys(screen, b"fresh", ["j", "k"]))
        for one in busy:
            one.kill()
        subprocess.run(instep("-C", str(root), "stop"), check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
