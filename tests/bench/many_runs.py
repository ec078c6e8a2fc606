"""A store as years leave it: thousands of runs of one project of 50 steps, with metrics, plots and artifacts.

One run is run for real; the others are its events again with ids, times, params, results and metrics of their own,
appended through `Journal.write` and copied by `project`: half of a run's steps are done, half taken over. Each run has
a plot (an attachment in its live file) and a course of points of one metric. By default the points go straight into the
catalog's `metric` table, because as live files 10 million of them would take ten minutes: such a catalog cannot be made
anew from the journal with its points. With `live` they are written as live files, and it can.
"""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from instep.engine.digest import digest
from instep.engine.ids import RunId, StepRunId, new_id
from instep.engine.planner import Wishes
from instep.engine.scheduler.inline_executor import InlineExecutor
from instep.engine.scheduler.live import LiveFile
from instep.engine.session import RunRequest, Session
from instep.engine.snapshots.artifact import Artifact
from instep.engine.snapshots.duck import attached, in_memory
from instep.engine.snapshots.gate import hold
from instep.engine.snapshots.journal import Cached, Journal, Writing, now_us
from instep.engine.snapshots.objects import ObjectStore
from instep.engine.snapshots.projector import project
from instep.engine.snapshots.records import (
    ArtifactStored,
    LiveClosed,
    Record,
    RunEnded,
    RunStarted,
    StepEnded,
)

STEPS = 50
COURSE = "s49"
"""The step that logs a course."""
PLOT = b"\x89PNG\r\n\x1a\n" + bytes(2_000)


def write_project(root: Path) -> Path:
    """`s0` … `s49` in five chains; each gives two numbers, and the last logs a course."""
    lines = ["from instep import log, step"]
    for n in range(STEPS):
        need = f"s{n - 1}, " if n % 10 else ""
        logged = "    for epoch in range(10):\n        log(loss=1 / (epoch + rate))\n" if f"s{n}" == COURSE else ""
        head = f"\n\n@step\ndef s{n}({need}*, rate: float = 0.1):\n"
        lines.append(f'{head}{logged}    return {{"rmse": rate, "r2": {n}}}')
    root.mkdir(parents=True, exist_ok=True)
    (root / "pipeline.py").write_text("\n".join(lines) + "\n")
    (root / "instep.toml").write_text('[project]\nname = "many"\n')
    return root


def fill(root: Path, runs: int, points: int, *, live: bool = False) -> None:
    """`runs` runs with `points` points of a metric each, in the store of the project at `root`."""
    root = root.resolve()
    session = Session(write_project(root), lambda _, emit: InlineExecutor(emit))
    session.run(RunRequest(wishes=Wishes.none(), env=dict(os.environ)), lambda _: None, threading.Event())
    session.close()
    store = root / ".instep"
    with Journal(store / "journal.sqlite") as journal:
        (_, first, *_), *_ = journal.runs(1)
        before = journal.events_of(first)
        started = next(one for one in before if isinstance(one, RunStarted))
        ended = {one.step: one for one in before if isinstance(one, StepEnded)}
        made = dict(ended)
        begun = now_us() - runs * 3_600_000_000
        told: list[tuple[RunId, StepRunId, int]] = []
        for number in range(2, runs + 1):
            at = begun + number * 3_600_000_000
            run_id, given = journal.new_run()
            writing = Writing(events=[_started(started, run_id, given, at)])
            for order, one in enumerate(ended.values()):
                if (order + number) % 2:
                    made[one.step] = _done(writing, one, run_id, number, at + order * 1_000_000)
                else:
                    writing.events.append(_reused(made[one.step], run_id, at + order * 1_000_000))
            course = made[COURSE]
            if course.run_id == run_id:
                writing.events += _live(store, course, given, at, points if live else 0)
                told.append((run_id, course.step_run_id, at))
            writing.events.append(RunEnded(run_id, "done", at + 60_000_000))
            journal.write(writing)
    while project(store).applied:
        pass
    if not live:
        _insert_points(store, told, points)


def _started(one: RunStarted, run_id: RunId, number: int, at: int) -> RunStarted:
    rates = {step: {"rate": (number % 97 + 1) / 1_000} for step in one.params}
    return replace(one, run_id=run_id, number=number, started_us=at, params=rates, note=f"run {number}")


def _done(writing: Writing, one: StepEnded, run_id: RunId, number: int, at: int) -> StepEnded:
    key, content = digest("many/key", one.step, number), digest("many/content", one.step, number)
    text = f'{{"rmse":{number / 7:.6f},"r2":{number % 11}}}'
    metrics = {"rmse": number / 7, "r2": float(number % 11)}
    summary = {"metrics": metrics}
    artifact = Artifact(content, "value", "json", "json", len(text), None, None, summary, text, inline=text)  # type: ignore[arg-type]  # JSON
    ended = replace(
        one,
        run_id=run_id,
        step_run_id=StepRunId(new_id()),
        step_key=key,
        started_us=at,
        ended_us=at + 900_000,
        seconds=0.9,
        outputs={one.step: content},
    )
    kept = {"outputs": {"": artifact.identity}, "objects": [], "metrics": {}}
    writing.artifacts.append(artifact)
    writing.events += [ArtifactStored(artifact.to_json()), ended]
    writing.cache.append(Cached(key, digest("observed/1", {}), ended.step_run_id, kept, {}))  # type: ignore[arg-type]  # JSON
    writing.history.append((one.step, 0.9, "local"))
    return ended


def _reused(one: StepEnded, run_id: RunId, at: int) -> StepEnded:
    return replace(
        one,
        run_id=run_id,
        step_run_id=StepRunId(new_id()),
        state="reused",
        reused_from=one.step_run_id if one.reused_from is None else one.reused_from,
        started_us=None,
        ended_us=at,
        seconds=None,
        reasons=(),
    )


def _live(store: Path, one: StepEnded, number: int, at: int, points: int) -> Iterator[Record]:
    """The live file of the step's launch: its plot, and its course."""
    content = digest("many/plot", number)
    plot = Artifact(content, "figure", "png", "matplotlib.figure.Figure", len(PLOT), preview="figure, 640 × 480")
    ObjectStore(store).put(content, "png", PLOT, evictable=True)
    path = store / "runs" / str(number) / f"{one.step}-0.jsonl"
    live = LiveFile(str(path))
    live.start(one.step, "node")
    live.attach("figure", "fit", plot.to_json())
    for point in range(points):
        live.metrics({"loss": 1 / (point + 1)})
    live.close()
    yield ArtifactStored(plot.to_json())
    where = path.relative_to(store).as_posix()
    yield LiveClosed(one.run_id, one.step_run_id, one.step, where, path.stat().st_size, 1)


def _insert_points(store: Path, told: list[tuple[RunId, StepRunId, int]], points: int) -> None:
    db = in_memory(store)
    with hold(store, exclusive=True, wait=30.0), attached(db, store, write=True):
        db.execute("create temp table told(run_id varchar, step_run_id varchar, began bigint)")
        for start in range(0, len(told), 1_000):
            part = told[start : start + 1_000]
            marks = ",".join("(?,?,?)" for _ in part)
            db.execute(f"insert into told values {marks}", [value for row in part for value in row])
        db.execute(
            "insert into catalog.metric select run_id, step_run_id, 'loss', x, 1 / (x + 1),"
            f" make_timestamp(began + x * 1000) from told, range({points}) r(x)"
        )
        db.execute(
            "insert into catalog.metric_last select 1, run_id, step_run_id, 'loss',"
            f" 1 / {points}, make_timestamp(began), {points} from told"
        )
    db.close()
