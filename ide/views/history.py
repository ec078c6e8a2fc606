"""The list of runs as a table: which columns, in which order, and what stands in them. Pure functions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest
from typing import Any

from rich.text import Text

from ...engine.metric_names import direction
from ..text import clean, fit, number, oneline, seconds
from ..widgets.grid import Cell, Column

_BESIDE = 100
"""Columns from which on there is room for two things beside each other."""
_BARS = "▁▂▃▄▅▆▇█"
_STATES = {
    "done": ("✓", "ok"),
    "failed": ("✗", "failed"),
    "running": ("▶", "running"),
    "cancelled": ("‖", "dim"),
    "interrupted": ("‖", "stale"),
}


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run, as `engine/reading/history.runs` tells it."""

    number: int
    state: str
    started: int
    seconds: float | None
    target: str
    note: str
    baseline: bool
    replay_of: int | None
    failed: str | None
    ran: int
    steps: int
    metrics: Mapping[str, float]
    params: Mapping[str, Any]  # Any: JSON

    @classmethod
    def of(cls, row: Sequence[Any]) -> "RunRow":  # Any: JSON
        number, state, started, took, target, note, baseline, replay_of, failed, ran, steps, metrics, params = row
        return cls(
            number, state, started or 0, took, target or "", note or "", bool(baseline), replay_of, failed, ran or 0,
            steps or 0, metrics, params,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choice:
    """How a person wants to see the list: chosen columns, `sort` (a column's name, `-` before it: downwards), the text
    it is filtered by, and the runs marked A and B."""

    metrics: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    sort: str = ""
    find: str = ""
    where: str = ""
    marked: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """The rows that are shown, in order, and the columns they are shown in."""

    rows: Sequence[RunRow]
    columns: Sequence[Column]
    baseline: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])  # Any: JSON


def defaults(
    rows: Sequence[RunRow], metrics: Sequence[str], params: Sequence[str], steps: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The columns of somebody who has chosen none: the metrics of the last step that has some (in the order of the
    graph: what a pipeline comes to is measured at its end), and the params that vary."""
    last = next((step for step in reversed(steps) if any(name.startswith(f"{step}.") for name in metrics)), "")
    chosen = [name for name in metrics if name.startswith(f"{last}.")] if last else list(metrics)
    varying = [name for name in params if len({repr(row.params.get(name)) for row in rows}) > 1]
    return chosen[:2], varying[:2]


def listed(rows: Sequence[RunRow], choice: Choice, columns: int, *, course: bool = False) -> Listed:
    """Filter and sort; `columns` is the width of the screen, `course` whether a metric has one to show."""
    baseline = next((row.number for row in rows if row.baseline), None)
    found = [row for row in rows if matches(row, choice.find)]
    if choice.sort:
        found = in_order(found, choice.sort)
    return Listed(found, _columns(choice, columns, against=baseline is not None, course=course), baseline)


def matches(row: RunRow, text: str) -> bool:
    """Whether every word of `text` is in what the run's row says; `model.rate=0.1` asks for a param's value."""
    if not text.strip():
        return True
    told = " ".join(
        [str(row.number), row.state, row.target, row.note, row.failed or "", "baseline" if row.baseline else ""]
        + [f"{name}={value}" for name, value in row.params.items()]
    ).lower()
    return all(word in told for word in text.lower().split())


def in_order(rows: Sequence[RunRow], sort: str) -> list[RunRow]:
    """By a column, runs that have nothing there last, whichever way."""
    name, downwards = sort.removeprefix("-"), sort.startswith("-")

    def key(row: RunRow) -> Any:  # Any: JSON
        return _KEYS[name](row) if name in _KEYS else row.metrics.get(name, row.params.get(name))

    have = [row for row in rows if key(row) is not None]
    numbers = all(isinstance(key(row), int | float) for row in have)
    have.sort(key=key if numbers else lambda row: str(key(row)), reverse=downwards)
    return [*have, *(row for row in rows if key(row) is None)]


_KEYS: Mapping[str, Callable[[RunRow], Any]] = {
    "run": lambda row: row.number,
    "when": lambda row: row.started,
    "state": lambda row: row.state,
    "took": lambda row: row.seconds,
    "where": lambda row: row.target,
    "note": lambda row: row.note or None,
}


def _columns(choice: Choice, columns: int, *, against: bool, course: bool) -> list[Column]:
    wide = columns >= 110
    found = [Column("mark", "", 2), Column("run", "run", 4, right=True), Column("when", "when", 8)]
    found += [Column("state", "state", 12 if wide else 10), Column("took", "took", 6, right=True)]
    found += [_named(name, 8, right=True) for name in choice.metrics]
    if course:
        found.append(Column("trend", "trend", 8))
    found += [_named(name, 6) for name in choice.params]
    used = sum(one.width + 2 for one in found)
    title = "changed since baseline" if against else "changed"
    found.append(Column("changed", title, max(len(title), 16, min(40, columns - used - 14))))
    return [*found, Column("where", "where", 6), Column("note", "note", 40)]


def _named(name: str, least: int, *, right: bool = False) -> Column:
    """A metric or a param, without the step's name in its title."""
    title = name.rpartition(".")[2]
    return Column(name, title, max(least, min(14, len(title))), right)


def cells(row: RunRow, columns: Sequence[Column], choice: Choice, about: Mapping[str, Any], now: float) -> list[Cell]:
    """What stands in a run's row; `about` is what was read of it (empty: not yet)."""
    mark, style = _STATES.get(row.state, ("·", "dim"))
    told: dict[str, Cell] = {
        "mark": _mark(row, choice),
        "run": Text(str(row.number), "text.bold"),
        "when": Text(when(row.started, now), "dim"),
        "state": Text(f"{mark} {_state_words(row)}", style),
        "took": Text(seconds(row.seconds), "dim"),
        "trend": Text(spark(about.get("trend") or ()), "running"),
        "changed": _changed(row, about),
        "where": row.target,
        "note": Text(oneline(row.note), "dim"),
    }
    return [told[one.name] if one.name in told else _value(row, one.name) for one in columns]


def _mark(row: RunRow, choice: Choice) -> Text:
    if row.number in choice.marked:
        side = choice.marked.index(row.number)
        return Text("AB"[side] if side < 2 else "•", "side-a" if side == 0 else "side-b")
    return Text("◆", "stale") if row.baseline else Text()


def _state_words(row: RunRow) -> str:
    if row.state == "failed" and row.failed:
        return row.failed
    if row.state == "done":
        words = "cached" if row.ran == 0 and row.steps else "ok"
        return f"= {row.replay_of} replayed" if row.replay_of else words
    return row.state


def _value(row: RunRow, name: str) -> Cell:
    if name in row.metrics:
        return number(float(row.metrics[name]))
    if name in row.params:
        return number(row.params[name])
    return Text("–", "dim")


def _changed(row: RunRow, about: Mapping[str, Any]) -> Text:
    if not about:
        return Text("…", "dim")
    if about["params"] is None:
        return Text("–", "dim")
    names = [str(one).rpartition(".")[2] for one in about["params"]] + [str(one) for one in about["code"]]
    return Text(", ".join(names) or "nothing", "text" if names else "dim")


def spark(values: Sequence[float | None], columns: int = 8) -> str:
    """A course of values in at most `columns` characters, each the mean of its share."""
    known = [float(one) for one in values if one is not None]
    if len(known) < 2:
        return ""
    many = min(columns, len(known))
    means = [
        sum(part) / len(part)
        for part in (known[one * len(known) // many : (one + 1) * len(known) // many] for one in range(many))
    ]
    low, high = min(means), max(means)
    if high == low:
        return _BARS[3] * many
    return "".join(_BARS[round((one - low) / (high - low) * 7)] for one in means)


def when(started_us: int, now: float) -> str:
    """The time of a run today, the day of one before."""
    moment = datetime.fromtimestamp(started_us / 1e6)
    today = datetime.fromtimestamp(now).date()
    if moment.date() == today:
        return moment.strftime("%H:%M:%S")
    days = (today - moment.date()).days
    return "yesterday" if days == 1 else moment.strftime("%a %H:%M" if days < 7 else "%d %b")


def brief_lines(document: Mapping[str, Any], columns: int) -> list[Text]:
    """What the run under the cursor was: against the baseline, or the run before. What determined it stands beside what
    came out of it where there is room, else above."""
    beside = columns >= _BESIDE
    room = columns // 2 - 4 if beside else columns - 4
    left, right = _determined(document, room), _came_out(document, room)
    if not beside:
        return [*left, *right]
    lines: list[Text] = []
    for one, other in zip_longest(left, right, fillvalue=Text()):
        one.truncate(room, overflow="ellipsis")
        lines.append(Text.assemble(one, " " * (room + 2 - one.cell_len), other, no_wrap=True))
    return lines


def _determined(document: Mapping[str, Any], room: int) -> list[Text]:
    against = document["against"]
    code = ", ".join(clean(one) for one in document["code"])
    lines: list[Text] = []
    if not document["params"] and not code and not document["files"] and against is not None:
        lines.append(Text.assemble((f"nothing that determines it differs from run {against}", "dim")))
    lines += _titled("params", [
        Text.assemble((clean(name), "text.bold"), (f"  {_json(before)} → {_json(after)}", "text"))
        for name, before, after in document["params"]
    ])  # fmt: skip
    lines += _titled("code", [Text.assemble((fit(code, max(20, room - 9)), "text"))] if code else [])
    lines += _titled("files", [Text.assemble((oneline(one), "text")) for one in document["files"][:4]])
    reasons = [Text.assemble((fit(oneline(one), max(20, room - 9)), "text")) for one in document["reasons"][:3]]
    lines += _titled("why", reasons)
    return lines + _titled("note", [Text.assemble((oneline(document["note"]), "text"))] if document["note"] else [])


def _came_out(document: Mapping[str, Any], room: int) -> list[Text]:
    counts = " · ".join(f"{count} {state}" for state, count in document["steps"].items())
    lines = _titled("steps", [Text.assemble((counts, "text"))])
    if document["error"]:
        lines += _titled("error", [Text.assemble((fit(oneline(document["error"]), max(20, room - 9)), "failed"))])
    # Those that differ first: there is not room for all of many.
    metrics = sorted(document["metrics"], key=lambda one: one[2] is None or one[1] == one[2])
    return lines + _titled("metrics", [_measured(one[0], one[1], one[2], document["against"]) for one in metrics])


def _measured(name: str, value: float, before: float | None, against: int | None) -> Text:
    line = Text.assemble((clean(name), "text"), (f"  {number(float(value))}", "text.bold"))
    if before is None or before == value:
        return line.append("  =", "dim") if before is not None else line
    wanted = direction(name)
    worse = wanted is not None and (value > before) == (wanted == "lower")
    word, ink = ("", "stale") if wanted is None else (" worse", "failed") if worse else (" better", "ok")
    return line.append(f"  ({against}: {number(float(before))}, {value - before:+.4g}{word})", ink)


def _titled(title: str, parts: Sequence[Text]) -> list[Text]:
    return [
        Text.assemble((f"{title if index == 0 else '':9}", "dim"), part, no_wrap=True)
        for index, part in enumerate(parts)
    ]


def _json(value: object) -> str:
    import json

    return clean(fit("–" if value is None else json.dumps(value, ensure_ascii=False), 30))
