"""1,000 tiny items through `Each`, all recorded, against bare Ray tasks and hand-batched ones on the same Ray."""

import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from instep.engine.planner import Wishes
from instep.engine.session import RunRequest, Session

ITEMS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
BATCH = 50
SOURCE = f"""
from instep import Each, step
@step
def items(): return list(range({ITEMS}))
@step
def work(n=Each("items")): return n * 2
"""


def main() -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        (root / "instep.toml").write_text('[project]\nname = "items"\n')
        (root / "pipeline.py").write_text(SOURCE)
        session = Session(root)
        session.warm()

        def run(wishes: Wishes) -> float:
            began = time.perf_counter()
            document = session.run(RunRequest(wishes=wishes, env=dict(os.environ)), lambda _: None, threading.Event())
            assert document["state"] == "done", document
            return time.perf_counter() - began

        run(Wishes.none())
        through = min(run(Wishes({}, fresh_all=True)) for _ in range(3))
        again = min(run(Wishes.none()) for _ in range(3))
        import ray

        @ray.remote
        def one(n: int) -> int:
            return n * 2

        @ray.remote
        def many(numbers: list[int]) -> list[int]:
            return [n * 2 for n in numbers]

        def bare() -> Any:
            return ray.get([one.remote(n) for n in range(ITEMS)])

        def batched() -> Any:
            return ray.get([many.remote(list(range(at, at + BATCH))) for at in range(0, ITEMS, BATCH)])

        bare()
        batched()
        took = {}
        for name, function in (("bare Ray tasks", bare), (f"batches of {BATCH} by hand", batched)):
            began = time.perf_counter()
            function()
            took[name] = time.perf_counter() - began
        session.close()
    print(f"{ITEMS:,} items through Each, recorded: {through:.3f} s")
    for name, seconds in took.items():
        print(f"  {through / seconds:6.2f} × {name} ({seconds:.3f} s)")
    print(f"the same again, nothing changed: {again:.3f} s")


if __name__ == "__main__":
    main()
