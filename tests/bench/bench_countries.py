"""`examples/countries` at full size (202 countries × 100 settings, real fits) against the same fits hand-batched by
country on the same Ray.

`python tests/bench/bench_countries.py [COUNTRIES SETTINGS]`; 0 countries are all. Prints ratios, then what a second
run, an edited country and a run that was cancelled half way cost, and the engine's memory before and after.
"""

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from instep.engine.planner import Wishes
from instep.engine.session import RunRequest, Session

EXAMPLE = Path(__file__).parents[2] / "examples" / "countries"
COUNTRIES = int(sys.argv[1]) if len(sys.argv) > 2 else 0
SETTINGS = int(sys.argv[2]) if len(sys.argv) > 2 else 100
SIZES = {"countries.limit": COUNTRIES, "grid.size": SETTINGS}


def by_hand(root: Path) -> tuple[str, Callable[[], int]]:
    """The fits as somebody would write them who knows Ray: a task for each country. And one country's name."""
    import ray

    sys.path.insert(0, str(root))
    import pipeline

    countries = pipeline.countries(pipeline.gapminder(root / "data/corrections.csv"), limit=COUNTRIES)
    grid = pipeline.grid(size=SETTINGS)

    @ray.remote(max_retries=0)
    def fits(folder: str, country: Any) -> list[Any]:
        sys.path.insert(0, folder)
        from pipeline import forecast

        return [forecast(country, setting) for setting in grid]

    def call() -> int:
        return sum(map(len, ray.get([fits.remote(str(root), country) for country in countries])))

    return countries[0]["name"], call


def main() -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(shutil.copytree(EXAMPLE, Path(folder) / "p", ignore=shutil.ignore_patterns(".instep")))
        session = Session(root)
        session.warm()
        me = psutil.Process()

        def run(cancel: threading.Event | None = None, **wishes: Any) -> tuple[float, dict[str, Any]]:
            began = time.perf_counter()
            request = RunRequest(wishes=Wishes(dict(SIZES), **wishes), env=dict(os.environ))
            document = session.run(request, lambda _: None, cancel or threading.Event())
            return time.perf_counter() - began, document

        def counts(document: dict[str, Any]) -> dict[str, int]:
            return next(one["item"] for one in document["steps"] if one["name"] == "forecast")

        session.run(RunRequest(wishes=Wishes.none(), env=dict(os.environ)), lambda _: None, threading.Event())
        before = me.memory_info().rss
        through, document = run(fresh_all=True)
        assert document["state"] == "done", document
        items = sum(counts(document).values())
        name, fits = by_hand(root)
        fits()
        hand = min(_timed(fits) for _ in range(2))
        through = min(through, run(fresh_all=True)[0])
        print(f"{items:,} fits through Each, recorded: {through:.2f} s, {through / hand:.2f} × by hand ({hand:.2f} s)")
        again, document = run()
        print(f"the same again, nothing changed: {again:.2f} s, {document['nothing']} steps fresh")

        with (root / "data/corrections.csv").open("a") as file:
            file.write(f"{name},2000,population,4500000\n")
        took, document = run()
        print(f"one country's data changed: {took:.2f} s, {counts(document)}")

        code = (root / "pipeline.py").read_text()
        (root / "pipeline.py").write_text(code.replace("TESTS = 12", "TESTS = 11"))
        cancel = threading.Event()
        timer = threading.Timer(max(0.5, hand / 3), cancel.set)
        timer.start()
        _, document = run(cancel)
        timer.cancel()
        print(f"cancelled in the middle: {document['state']}, {counts(document)}")
        took, document = run()
        print(f"gone on: {took:.2f} s, {document['state']}, {counts(document)}")
        after = me.memory_info().rss
        print(f"the engine's memory: {before / 1e6:.0f} MB before, {after / 1e6:.0f} MB after five such runs")
        session.close()


def _timed(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
