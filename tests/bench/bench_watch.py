"""From saving a file to the changed step's result in `watch`, above the step's own time."""

import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

from measure import floor

from instep.engine.client import ask

SOURCE = "from instep import step\n@step\ndef first(): return 1\n@step\ndef second(first): return first + {n}\n"
EDITS = 40


def main() -> None:
    base = floor()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        (root / "instep.toml").write_text('[project]\nname = "watch"\n')
        pipeline = root / "pipeline.py"
        pipeline.write_text(SOURCE.format(n=0))
        for _ in ask(root, {"op": "run", "env": dict(os.environ)}):
            pass
        ended = threading.Event()
        ready = threading.Event()
        own: list[float] = []
        when: list[float] = []

        def follow() -> None:
            for message in answer:
                if message["t"] == "watching":
                    ready.set()
                if message["t"] == "ran":
                    when.append(time.perf_counter())
                    steps = {one["name"]: one for one in message["doc"]["steps"]}  # type: ignore[index]
                    own.append(steps["second"]["seconds"])
                    ended.set()

        answer = ask(root, {"op": "watch", "env": dict(os.environ)})
        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        ready.wait(60)
        taken: list[float] = []
        for n in range(1, EDITS + 1):
            time.sleep(0.3)
            ended.clear()
            began = time.perf_counter()
            pipeline.write_text(SOURCE.format(n=n))
            assert ended.wait(30)
            taken.append(when[-1] - began - own[-1])
        taken.sort()
        p50, p95 = statistics.median(taken), taken[int(len(taken) * 0.95)]
        print(f"save → run's end, above the step's time: p50 {p50 * 1000:.1f} ms, p95 {p95 * 1000:.1f} ms")
        print(f"  {p50 / base:.1f} × and {p95 / base:.1f} × python -c pass ({base * 1000:.1f} ms)")
        answer.close()
        for _ in ask(root, {"op": "stop"}, start=False):
            pass


if __name__ == "__main__":
    main()
