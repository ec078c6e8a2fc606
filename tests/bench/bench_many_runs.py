"""A store of 5,000 runs × 50 steps with 10 million metric points: what each look at it costs.

`python tests/bench/bench_many_runs.py [RUNS [POINTS [FOLDER]]]`: POINTS are of each run that logs a course (every other
one). A store that is in FOLDER already is used again. Prints milliseconds beside those of `python -c pass`, the reading
service's answers within its process (what a screen waits for), and memory.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from many_runs import COURSE, fill
from measure import floor, instep, row, timed, wall

from instep.engine.client import ask
from instep.engine.snapshots.queries import reader
from instep.engine.snapshots.retention import gc

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
POINTS = int(sys.argv[2]) if len(sys.argv) > 2 else 4_000
_SCREENFUL = 32


class Service:
    """The process that a screen asks."""

    def __init__(self, root: Path) -> None:
        command = [sys.executable, "-m", "instep.engine.reading.service", str(root)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:  # Any: JSON
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"id": 1, "op": op, **fields}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "doc" in answer, answer
        return answer["doc"]

    @property
    def megabytes(self) -> float:
        return psutil.Process(self._process.pid).memory_info().rss / 1e6

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(sys.argv[3]) if len(sys.argv) > 3 else Path(folder) / "p"
        if not (root / ".instep").exists():
            began = time.perf_counter()
            fill(root, RUNS, POINTS)
            print(f"filled in {time.perf_counter() - began:.0f} s")
        _sizes(root)
        _service(root)
        _commands(root)
        _engine(root)
        began = time.perf_counter()
        told = gc(root / ".instep", 86_400.0 * 30, dry_run=True)
        took = time.perf_counter() - began
        print(f"gc --older-than 30d --dry-run: {took:.1f} s, {told['objects']} objects, {told['results']} results")


def _sizes(root: Path) -> None:
    with reader(root / ".instep") as found:
        counted = {
            table: found.rows(f"select count(*) as n from {table}")[0]["n"] for table in ("run", "step_run", "metric")
        }
    print(", ".join(f"{count:,} rows in {table}" for table, count in counted.items()))
    for name in ("journal.sqlite", "journal.copy", "catalog.duckdb"):
        print(f"  {name}: {(root / '.instep' / name).stat().st_size / 1e6:.0f} MB")


def _service(root: Path) -> None:
    service = Service(root)
    began = time.perf_counter()
    told = service.ask("runs", where="")
    print(f"service, first answer to `runs`: {(time.perf_counter() - began) * 1000:.0f} ms, {len(told['runs'])} runs")
    newest = [one[0] for one in told["runs"][:_SCREENFUL]]
    questions: dict[str, dict[str, Any]] = {
        "runs": {"where": ""},
        "about": {"numbers": newest, "baseline": None, "metric": f"{COURSE}.loss"},
        "brief": {"number": newest[0], "baseline": None},
        "compare": {"runs": newest[1::-1]},
    }
    for op, fields in questions.items():
        milliseconds = timed(lambda op=op, fields=fields: service.ask(op, **fields)) * 1000
        print(f"service, `{op}`: {milliseconds:.0f} ms")
    print(f"service, memory: {service.megabytes:.0f} MB")
    service.close()


def _commands(root: Path) -> None:
    base = floor()
    where = ["-C", str(root)]
    wall(instep(*where, "status"), 1)
    for words in (["status"], ["run"], ["runs"], ["compare", str(RUNS - 1), str(RUNS)], ["show", str(RUNS)]):
        row(f"instep {' '.join(words)}", wall(instep(*where, *words), 5), base, "python -c pass")


def _engine(root: Path) -> None:
    for message in ask(root, {"op": "status", "env": dict(os.environ)}, start=True):
        if message["t"] == "end":
            break
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if str(root) in words and any("instep" in one and "service" in one for one in words):
            print(f"engine, memory: {process.memory_info().rss / 1e6:.0f} MB")
    for message in ask(root, {"op": "stop"}, start=False):
        if message["t"] == "end":
            break


if __name__ == "__main__":
    main()
