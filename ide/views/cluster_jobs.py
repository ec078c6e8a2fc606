"""What goes on on clusters, and what was done there, a line a step. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from ..text import fit, oneline, pad, plural, seconds, size, width
from .away import Away, StepThere
from .cluster_nodes import node_names
from .live import Live, time_of_day

Document = Mapping[str, Any]  # Any: JSON
_DONE = {"done": ("✓", "ok"), "failed": ("✗", "failed"), "reused": ("✓", "dim")}


@dataclass(frozen=True, slots=True)
class JobRow:
    """A line of Jobs; `step` is "" for that of a whole run. `live` says that it goes on, `replay_of` which run it
    repeated."""

    run: int
    step: str
    line: Text
    live: bool = False
    replay_of: int | None = None


def job_head(room: int) -> Text:
    return Text(_columns("step", "run", "node", "state", "why there", room), "dim", no_wrap=True, end="")


def job_rows(
    live: Live, past: Sequence[Document], look: Document | None, there: Mapping[str, float], clock: float, room: int
) -> list[JobRow]:
    """What goes on first, each run with its steps, then what was: `past` is that of the reading process. `there` is
    what steps take on the cluster, from history."""
    names = node_names(look["nodes"]) if look else {}
    asks: Mapping[str, Document] = look["asks"] if look else {}
    on = _where(look, names) if look else {}
    rows: list[JobRow] = []
    for away in sorted(live.elsewhere.values(), key=lambda one: -one.run):
        rows.append(JobRow(away.run, "", _run_line(away, room), live=True))
        shown = [one for one in away.steps.values() if one.doing != "reused"]
        for one in sorted(shown, key=lambda one: (not one.working, one.doing != "waiting")):
            node = on.get(one.name, "") if one.working else ""
            line = _step_line(one, away, node, _why(one, live, asks.get(one.name, {})), there, clock, room)
            rows.append(JobRow(away.run, one.name, line, live=True))
    before = [one for one in past if one["run"] not in live.elsewhere]
    return [
        *rows,
        *(JobRow(one["run"], one["step"], _past_line(one, names, room), replay_of=one["replay_of"]) for one in before),
    ]


def _run_line(away: Away, room: int) -> Text:
    line = Text.assemble((pad("⇡", 2), "remote"), (f"run {away.run} on {oneline(away.target)}  ", "text.bold"))
    if away.lost_since is not None:
        word = "not let in" if away.refused else "lost sight"
        told = f"⇡? {word} since {time_of_day(away.lost_since)}; it goes on there: {oneline(away.why)}"
        return line.append(fit(told, max(10, room - line.cell_len)), "stale")
    match away.phase:
        case "sending":
            sent = max(away.sent, away.of - away.left) if away.left else away.sent
            return line.append(f"sending {size(sent)} of {size(max(away.of, away.left))}", "remote")
        case "starting":
            return line.append("starting", "dim")
        case _:
            return line.append(f"{away.ended} of {plural(len(away.steps), 'step')}", "remote")


def _step_line(
    one: StepThere, away: Away, node: str, why: str, there: Mapping[str, float], clock: float, room: int
) -> Text:
    style, words = "dim", one.doing
    if one.doing in _DONE:
        mark, style = _DONE[one.doing]
        words = f"{mark} {seconds(one.took) or one.doing}"
    elif one.working:
        style, words = "remote", f"⇡ {_left(one, there, clock)}"
        if away.lost_since is not None:
            style, words = "stale", "⇡? out of sight"
    elif one.doing == "waiting":
        words = "◌ waits"
    elif one.doing in ("blocked", "cancelled"):
        words = f"‖ {one.doing}"
    return Text(_columns(f"  {one.name}", str(away.run), node, words, why, room), style, no_wrap=True, end="")


def _left(one: StepThere, there: Mapping[str, float], clock: float) -> str:
    """How long it will still take where that can be said, else how long it has taken."""
    if one.began is None:
        return one.doing
    took = clock - one.began
    if one.total and one.done:
        return f"{seconds(took * (one.total - one.done) / one.done)} left"
    if one.name in there and there[one.name] > took:
        return f"{seconds(there[one.name] - took)} left"
    return seconds(took)


def _why(one: StepThere, live: Live, asks: Document) -> str:
    """Why it is there, or why it waits."""
    if one.doing == "failed":
        return one.title
    if one.doing == "blocked":
        return f"blocked by {one.cause}" if one.cause else ""
    if one.doing in ("waiting", "launched"):
        known = live.steps.get(one.name)
        before = next((away for away in live.elsewhere.values() if away.steps.get(one.name) is one), None)
        first = next((need for need in known.needs if _open(before, need)), "") if known and before else ""
        if first:
            return f"after {first}"
        return str(asks.get("room") or asks.get("waits") or "")
    return f"needs {asks['needs']}" if asks.get("needs") else ""


def _open(away: Away | None, need: str) -> bool:
    step = away.steps.get(need) if away else None
    return step is not None and step.doing not in ("done", "reused")


def _past_line(one: Document, names: Mapping[str, str], room: int) -> Text:
    state = str(one["state"])
    mark, style = _DONE.get(state, ("‖", "dim"))
    words = f"{mark} {seconds(one['seconds']) if state == 'done' else state}"
    node = names.get(str(one["node"] or ""), "")
    return Text(
        _columns(f"  {one['step']}", str(one["run"]), node or str(one["target"]), words, str(one["error"] or ""), room),
        "text" if style == "ok" else style,
        no_wrap=True,
        end="",
    )


def _columns(step: str, run: str, node: str, state: str, why: str, room: int) -> str:
    name, where = (16, 12) if room >= 70 else (12, 8)
    parts = ((step, name), (run, 4), (node, where), (state, 11))
    text = "  ".join(pad(fit(oneline(one), wide), wide) for one, wide in parts)
    return f"{text}  {fit(oneline(why), max(4, room - width(text) - 2))}"


def _where(look: Document, names: Mapping[str, str]) -> dict[str, str]:
    """Step → the node that a task of it runs on."""
    return {task["name"]: names[node["id"]] for node in look["nodes"] for task in node["running"]}


def below_jobs(live: Live) -> str:
    steps = [one for away in live.elsewhere.values() for one in away.steps.values()]
    running, waiting = sum(one.working for one in steps), sum(one.doing == "waiting" for one in steps)
    return f"{running} running · {waiting} waiting"
