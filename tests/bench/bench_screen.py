"""The screen in a real pseudo-terminal: first paint, and from a key to what it paints, idle and under full load.

The peer for first paint is a Textual app with one word in it; the goals: 0.7 s; 25 ms; 50 ms p95.
"""

import multiprocessing
import subprocess
import sys
import tempfile
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
        busy = [multiprocessing.Process(target=burn, daemon=True) for _ in range(multiprocessing.cpu_count())]
        for one in busy:
            one.start()
        show("key to paint, every core busy (not niced)", keys(screen, b"fresh", ["j", "k"]))
        for one in busy:
            one.kill()
        subprocess.run(instep("-C", str(root), "stop"), check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
