"""What a screen draws of several runs on one scale: when each step ran, and how a metric went."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Rows are of any type.

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Final

from ..metric_names import direction
from ..snapshots.queries import reader

POINTS: Final = 2_000
"""Points of a series beyond which every n-th is read; the first and the last always are."""
_BARS: Final = """select s.run, s.step, s.item, s.attempt, s.state, epoch(s.started_at) - epoch(r.started_at) as start,
    s.seconds from step_run s join run r on r.number = s.run where list_contains(?, s.run) and s.started_at is not null
    and (s.item is null or ?) order by s.run, start, s.step, s.item"""
_SERIES: Final = """with points as (
        select s.run, m.value, m.idx, epoch(m.ts) - epoch(r.started_at) as since, row_number() over w as n,
            count(*) over (partition by s.run) as total
        from step_run s join run r on r.number = s.run
        join metric m on m.step_run_id = coalesce(s.reused_from, s.step_run_id)
        where list_contains(?, s.run) and s.step = ? and m.name = ? and s.item is null
        window w as (partition by s.run order by m.ts, m.idx))
    select run, coalesce(idx, n - 1) as x, value, since from points
    where n = 1 or n = total or n % greatest(1, total // ?) = 0 order by run, n"""
_NAMES: Final = """select distinct s.step || '.' || m.name as name from step_run s
    join metric_last m on m.step_run_id = coalesce(s.reused_from, s.step_run_id)
    where list_contains(?, s.run) and s.item is null and m.points > 1 order by name"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One attempt at a step (or at one item of it): `start` seconds after its run began, for `seconds`."""

    step: str
    item: int | None
    attempt: int
    state: str
    start: float
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a metric: `x` is its index (or place), `at` the seconds since the run began; of a result that was
    taken over those are before the beginning."""

    x: float
    value: float
    at: float


def bars(store: Path, numbers: Sequence[int], *, items: bool = False) -> dict[int, tuple[Bar, ...]]:
    """When the steps of each run ran, in order; with `items` also each item of a fan-out."""
    with reader(store) as found:
        rows = found.rows(_BARS, [list(numbers), items])
    return {
        number: tuple(
            Bar(row["step"], row["item"], row["attempt"] or 1, row["state"], row["start"], row["seconds"])
            for row in rows
            if row["run"] == number
        )
        for number in numbers
    }


def series(store: Path, numbers: Sequence[int], metric: str) -> dict[int, tuple[Point, ...]]:
    """The values of `step.name` in each run, in order; empty for a run without it."""
    step, _, name = metric.partition(".")
    with reader(store) as found:
        rows = found.rows(_SERIES, [list(numbers), step, name, POINTS])
    return {
        number: tuple(Point(row["x"], row["value"], row["since"]) for row in rows if row["run"] == number)
        for number in numbers
    }


def series_names(store: Path, numbers: Sequence[int]) -> list[str]:
    """The metrics of which these runs have more than one value."""
    with reader(store) as found:
        return [row["name"] for row in found.rows(_NAMES, [list(numbers)])]


def best_point(points: Sequence[Point], metric: str) -> Point | None:
    """The best value of a series, where the metric's name says what is better; the first of equals."""
    wanted = direction(metric)
    there = [one for one in points if not isnan(one.value)]
    if wanted is None or not there:
        return None
    return min(there, key=lambda one: one.value) if wanted == "lower" else max(there, key=lambda one: one.value)
