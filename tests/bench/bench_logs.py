"""A log of 1,000,000 lines: pages of it from a warm reading process, against plain reading of the same bytes."""

import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "engine" / "reading"))

from logged_run import LoggedRun, Said
from measure import row, timed

from instep.engine.snapshots.projector import project
from instep.ide.asking import Asker

LAUNCHES, LINES = 5, 200_000
WORDS = ("loss", "epoch", "shard", "retry", "0.914", "lr", "warm-up", "slow", "tokenize", "batch", "gradient")
LEVELS = ("", "", "", "", "", "info", "warning", "error", "debug")
BEGAN = 1_700_000_000_000_000


def said(launch: int) -> Iterator[Said]:
    draw = random.Random(launch)
    for at in range(LINES):
        text = f"epoch {at} " + " ".join(draw.choices(WORDS, k=10))
        yield BEGAN + at * 185 + launch * 11, "stdout", LEVELS[at % 9] if at % 90 < 9 else "", text


def write(root: Path) -> LoggedRun:
    run = LoggedRun(root)
    for launch in range(LAUNCHES):
        run.say(f"step{launch}", said(launch))
    return run


def read(folder: Path) -> int:
    return sum(len(path.read_bytes()) for path in folder.glob("*.jsonl"))


class Timed:
    """Questions to a reading process, with how long each answer took."""

    def __init__(self, root: Path) -> None:
        self.asker = Asker(root)

    async def __call__(self, op: str, times: int = 1, **request: Any) -> tuple[float, dict[str, Any]]:
        taken: list[float] = []
        answer: dict[str, Any] = {}
        for _ in range(times):
            began = time.perf_counter()
            answer = await self.asker.ask(op, request)
            taken.append(time.perf_counter() - began)
        return statistics.median(taken), answer


async def measure(root: Path, plain: float) -> None:
    ask = Timed(root)
    await ask("neighbours", number=1)  # a warm process: DuckDB is imported, the catalog was opened
    of = "plain reading"
    taken, answer = await ask("log", number=1, offset=0, count=200)
    assert answer["total"] == LAUNCHES * LINES, answer["total"]
    row("first page", taken, plain, of)
    for what, request in (
        ("a page in the middle", {"offset": 500_000}),
        ("the last page", {"end": True}),
        ("from warning on, a page", {"level": "warning", "offset": 1_000}),
    ):
        taken, _ = await ask("log", 9, number=1, count=200, **request)
        row(what, taken, plain, of)
    taken, answer = await ask("log", number=1, text="retry", step="step1")
    row(f"a new filter by text and step ({answer['matching']:,} lines)", taken, plain, of)
    taken, _ = await ask("log", 9, number=1, text="retry", step="step1", offset=50_000)
    row("a page of it", taken, plain, of)
    taken, answer = await ask("log_find", number=1, find="gradient", row=500_000, by=1)
    row(f"find a text ({answer['count']:,} matches)", taken, plain, of)
    taken, _ = await ask("log_find", 9, number=1, find="gradient", row=500_000, by=1)
    row("the next match", taken, plain, of)
    await ask.asker.close()


async def follow(root: Path, run: LoggedRun, plain: float) -> None:
    ask = Timed(root)
    await ask("neighbours", number=1)
    began, longest, share = time.perf_counter(), 0.0, 0.0
    while share < 1:
        taken, answer = await ask("log", number=run.number, end=True)
        longest, share = max(longest, taken), answer["share"]
    of = "plain reading"
    row("a run that goes on, until all of it is read", time.perf_counter() - began, plain, of)
    row("  the longest that another question waits", longest, plain, of)
    taken: list[float] = []
    for at in range(50):
        run.say(
            "step0", [(BEGAN + 10**12 + at, "stdout", "", f"new {at}"), (BEGAN + 10**11 + at, "stdout", "", "late")]
        )
        seconds, answer = await ask("log", number=run.number, end=True)
        assert answer["rows"][-1][7] == f"new {at}"
        taken.append(seconds)
    row("  two lines more, one of them late", statistics.median(taken), plain, of)
    await ask.asker.close()


def main() -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(folder) / "ended"
        run = write(root)
        for launch in range(LAUNCHES):
            run.end(f"step{launch}")
        run.finish()
        project(run.store)
        plain = timed(lambda: read(run.folder))
        print(f"plain reading of {read(run.folder) / 1e6:.0f} MB: {plain * 1000:.0f} ms", flush=True)
        asyncio.run(measure(root, plain))
        going = write(Path(folder) / "going")
        asyncio.run(follow(Path(folder) / "going", going, plain))
        going.finish()


if __name__ == "__main__":
    main()
