"""What is known of the project now, as one frozen value, and how each message of the engine changes it.

The plan (fresh, stale, pending, failed) comes as a whole after each save; what a run says of its steps comes bit by bit
and lies over it until the next plan.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from . import away
from .away import Away

Message = Mapping[str, Any]  # Any: JSON from the engine
Engine = Literal["none", "starting", "up", "lost"]
ENDED = ("done", "reused", "failed", "blocked", "cancelled")
_KEPT = 200


@dataclass(frozen=True, slots=True)
class StepNow:
    """One step. `plan` is fresh, stale, pending or failed; `doing` what the run last said of it (`""`: it is in none);
    `began` is when it was started (seconds of the screen's clock), `took` seconds when it has ended."""

    name: str
    plan: str = "pending"
    reasons: tuple[Message, ...] = ()
    blind_spots: tuple[str, ...] = ()
    seconds: float | None = None
    needs: tuple[str, ...] = ()
    path: str = ""
    line: int = 0
    params: Message = field(default_factory=dict[str, Any])
    outputs: tuple[str, ...] = ()
    auto: bool = True
    fan: bool = False
    doing: str = ""
    began: float | None = None
    took: float | None = None
    done: int | None = None
    total: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    groups: Message | None = None
    error: Message | None = None
    cause: str = ""

    @property
    def running(self) -> bool:
        return self.doing in ("launched", "running", "storing", "retrying")

    @property
    def share(self) -> float | None:
        """How much of it is done, 0 to 1, where that is known."""
        if self.total:
            return min(1.0, (self.done or 0) / self.total)
        if self.counts and self.fan:
            every = sum(self.counts.values())
            ended = sum(count for state, count in self.counts.items() if state in ("done", "reused", "failed"))
            return ended / every if every else None
        return None


@dataclass(frozen=True, slots=True)
class Happened:
    """A line of the activity strip; `at` is seconds since 1970, `mark` names its colour and sign."""

    at: float
    mark: str
    text: str


@dataclass(frozen=True, slots=True)
class Live:
    """The project now. `loaded` is False until the first plan has come: not known is not the same as none. `elsewhere`
    has the runs that go on on clusters, by number."""

    project: str = ""
    branch: str = ""
    dirty: bool = False
    engine: Engine = "starting"
    ray: str = "starting"
    steps: Mapping[str, StepNow] = field(default_factory=dict[str, StepNow])
    problems: tuple[Message, ...] = ()
    loaded: bool = False
    auto: bool = True
    watching: bool = True
    config: str = "instep.toml"
    run: int | None = None
    going: bool = False
    last: str = ""
    activity: tuple[Happened, ...] = ()
    elsewhere: Mapping[int, Away] = field(default_factory=dict[int, Away])
    clusters: tuple[str, ...] = ()

    def count(self, *plans: str) -> int:
        return sum(one.plan in plans for one in self.steps.values())

    def stale(self) -> list[StepNow]:
        """What `r` would run, in the order of the graph."""
        return [one for one in self.steps.values() if one.plan != "fresh"]


def take(live: Live, message: Message, at: float, clock: float) -> Live:
    """`live` after a message. `at` is the time (seconds since 1970), `clock` the screen's clock (seconds)."""
    match message["t"]:
        case "hello":
            return replace(live, engine="up", project=message["project"])
        case "lost":
            live = replace(live, engine="lost", ray="starting", going=False, steps=_idle(live.steps), elsewhere={})
            return happened(live, at, "failed", "the engine ended; a new one is being started")
        case "ray":
            return _ray(live, message, at)
        case "git":
            return replace(live, branch=message["branch"], dirty=message["dirty"])
        case "picture":
            return _picture(live, message, at)
        case "problems":
            live = replace(live, problems=tuple(message["problems"]), loaded=True)
            return happened(live, at, "failed", str(message["problems"][0]["what"])) if message.get("paths") else live
        case "run":
            return _run(live, message, at)
        case "step":
            return _step(live, message, at, clock)
        case "progress":
            return _progress(live, message)
        case "ran":
            return _ran(live, message["doc"], at)
        case "note":
            return happened(live, at, "dim", str(message["text"]))
        case "elsewhere":
            return _elsewhere(live, message, at, clock)
        case _:
            return live


def ended(message: Message) -> bool:
    """Whether a run has ended with this, here or on a cluster."""
    return message["t"] == "ran" or (message["t"] == "elsewhere" and message["message"]["t"] == "over")


def happened(live: Live, at: float, mark: str, text: str) -> Live:
    """`live` with one more line of activity."""
    return replace(live, activity=(*live.activity[-_KEPT + 1 :], Happened(at, mark, text)))


def _ray(live: Live, message: Message, at: float) -> Live:
    ready = message["state"] == "ready"
    live = replace(live, ray="ready" if ready else str(message["why"]))
    return live if ready else happened(live, at, "failed", f"Ray could not start: {message['why']}")


def _idle(steps: Mapping[str, StepNow]) -> dict[str, StepNow]:
    return {name: replace(one, doing="", began=None) if one.running else one for name, one in steps.items()}


def _picture(live: Live, message: Message, at: float) -> Live:
    document = message["doc"]
    before = live.steps
    steps: dict[str, StepNow] = {}
    for told in document["steps"]:
        old = before.get(told["name"], StepNow(told["name"]))
        # What the last run said of a step is true until the step is stale again or another run takes it.
        stuck = old.doing in ("failed", "blocked") and old.plan == told["state"]
        keeps = live.going or told["state"] == "fresh" or stuck
        base = old if keeps else StepNow(told["name"])
        steps[told["name"]] = replace(
            base,
            plan=told["state"],
            reasons=tuple(told["reasons"]),
            blind_spots=tuple(told["blind_spots"]),
            seconds=told["seconds"],
            needs=tuple(told["needs"]),
            path=told["place"][0],
            line=told["place"][1],
            params=told["params"],
            outputs=tuple(told["outputs"]),
            auto=told["auto"],
            fan=told["fan"],
        )
    live = replace(
        live,
        project=document["project"],
        steps=steps,
        problems=tuple(document["problems"]),
        loaded=True,
        auto=document["auto"],
        config=document["config"],
        clusters=tuple(document.get("clusters", ())),
    )
    paths = message.get("paths") or ()
    if not paths:
        return live
    stale = [name for name, one in steps.items() if one.plan != "fresh"]
    fallen = [name for name in stale if name in before and before[name].plan == "fresh"]
    told = f"saved {', '.join(paths[:3])}"
    if fallen or stale:
        names = fallen or stale
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        listed = f"{', '.join(names[:4])}{more}"
        return happened(live, at, "stale", f"{told} → {counted(len(names), 'step')} stale: {listed}")
    return happened(live, at, "ok", f"{told} → nothing stale")


def counted(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def _run(live: Live, message: Message, at: float) -> Live:
    planned: Sequence[Message] = message["steps"]
    steps = dict(live.steps)
    for told in planned:
        old = steps.get(told["name"], StepNow(told["name"]))
        steps[told["name"]] = _as_planned(old, "reused" if told["state"] == "fresh" else "waiting")
    cached = sum(told["state"] == "fresh" for told in planned)
    live = replace(live, steps=steps, run=message["run"], going=True, last="")
    todo = len(planned) - cached
    return happened(live, at, "running", f"run {message['run']} started — {cached} cached, {todo} to run")


def _as_planned(one: StepNow, doing: str) -> StepNow:
    """A step that a run is about to look at: nothing of the run before is said of it any more."""
    fresh = StepNow(one.name)
    return replace(
        one,
        doing=doing,
        began=fresh.began,
        took=fresh.took,
        done=fresh.done,
        total=fresh.total,
        metrics=fresh.metrics,
        counts=fresh.counts,
        groups=fresh.groups,
        error=fresh.error,
        cause=fresh.cause,
    )


def _step(live: Live, message: Message, at: float, clock: float) -> Live:
    name, state = message["step"], message["state"]
    old = live.steps.get(name)
    if old is None:
        return live
    began = old.began if old.began is not None or state not in ("launched", "running") else clock
    new = replace(
        old,
        doing=state,
        began=None if state in ENDED else began,
        took=message.get("seconds") if state in ENDED else None,
        counts=message.get("counts") or old.counts,
        groups=message.get("groups") or old.groups,
        error=message.get("error"),
        cause=str(message.get("cause") or ""),
        reasons=() if state in ("done", "reused") else old.reasons,  # they were why it had to run
        plan="fresh" if state in ("done", "reused") else "failed" if state == "failed" else old.plan,
    )
    live = replace(live, steps={**live.steps, name: new})
    match state:
        case "done" if old.doing != "done":
            return happened(live, at, "ok", f"{name} {_seconds(new.took)}")
        case "failed" if old.doing != "failed":
            return happened(live, at, "failed", f"{name} failed: {(new.error or {}).get('title', '')}")
        case _:
            return live


def _progress(live: Live, message: Message) -> Live:
    old = live.steps.get(message["step"])
    if old is None:
        return live
    new = replace(
        old,
        done=message.get("done", old.done),
        total=message.get("total", old.total),
        metrics=message.get("metrics") or old.metrics,
    )
    return replace(live, steps={**live.steps, old.name: new})


def _ran(live: Live, document: Message, at: float) -> Live:
    states = [one["state"] for one in document["steps"]]
    words = {"done": "run", "reused": "cached", "failed": "failed", "blocked": "blocked", "cancelled": "cancelled"}
    told = ", ".join(f"{states.count(state)} {word}" for state, word in words.items() if state in states)
    mark = {"done": "ok", "failed": "failed"}.get(document["state"], "dim")
    live = replace(live, going=False, run=document["run"], last=document["state"], steps=_idle(live.steps))
    return happened(
        live, at, mark, f"run {document['run']} {document['state']} in {_seconds(document['seconds'])} — {told}"
    )


def _elsewhere(live: Live, message: Message, at: float, clock: float) -> Live:
    """A run on a cluster said something; the steps here are not touched by it."""
    number, inner = message["run"], message["message"]
    before = live.elsewhere.get(number, Away(number, message["target"]))
    after = away.heard(before, inner, clock)
    rest = {run: one for run, one in live.elsewhere.items() if run != number}
    live = replace(live, elsewhere=rest if inner["t"] == "over" else {**live.elsewhere, number: after})
    line = away.told(before, after, inner, time_of_day(after.lost_since))
    return happened(live, at, *line) if line is not None else live


def time_of_day(at: float | None) -> str:
    """`12:04` of a moment in seconds since 1970."""
    from datetime import datetime

    return "" if at is None else datetime.fromtimestamp(at).strftime("%H:%M")


def _seconds(value: float | None) -> str:
    from ..text import seconds

    return seconds(value)
