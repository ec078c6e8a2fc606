"""A run that goes on on a cluster, as one frozen value, and how each message about it changes it. Pure.

Not to see a cluster is not to know that its run failed: `lost_since` says since when nothing is known, and nothing else
changes by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Message = Mapping[str, Any]  # Any: JSON from the engine
ENDED = ("done", "reused", "failed", "blocked", "cancelled")
WORKING = ("launched", "running", "storing", "retrying")


@dataclass(frozen=True, slots=True)
class StepThere:
    """One step. `doing` is what the run last said of it; `began` is when it was started (seconds of the screen's
    clock), `took` seconds when it has ended."""

    name: str
    doing: str = "waiting"
    began: float | None = None
    took: float | None = None
    done: int | None = None
    total: int | None = None
    title: str = ""
    cause: str = ""

    @property
    def working(self) -> bool:
        return self.doing in WORKING


@dataclass(frozen=True, slots=True)
class Away:
    """`sent` and `of` are bytes on their way there; `left` those that have not arrived; `lost_since` is in seconds
    since 1970, None while the cluster is in sight; `refused` says that it answers, and does not let us in."""

    run: int
    target: str
    steps: Mapping[str, StepThere] = field(default_factory=dict[str, StepThere])
    sent: int = 0
    of: int = 0
    left: int = 0
    lost_since: float | None = None
    why: str = ""
    refused: bool = False

    @property
    def ended(self) -> int:
        return sum(one.doing in ENDED for one in self.steps.values())

    @property
    def phase(self) -> str:
        """What goes on as a whole: sending, starting or running."""
        if self.left or self.sent < self.of:
            return "sending"
        return "running" if any(one.doing != "waiting" for one in self.steps.values()) else "starting"


def heard(away: Away, message: Message, clock: float) -> Away:
    """`away` after a message about this run; `clock` is the screen's clock (seconds)."""
    match message["t"]:
        case "run":
            steps = {one["name"]: _planned(one) for one in message["steps"]}
            # Of a run that is taken up again the first messages may have been faster than this one.
            return replace(away, steps={**steps, **away.steps} if message.get("again") else steps)
        case "step":
            return _step(away, message, clock)
        case "progress":
            old = away.steps.get(message["step"], StepThere(message["step"]))
            new = replace(old, done=message.get("done", old.done), total=message.get("total", old.total))
            return replace(away, steps={**away.steps, old.name: new})
        case "shipping":
            return replace(away, sent=message["sent"], of=message["of"])
        case "arriving":
            return replace(away, left=message["left"])
        case "sight":
            lost, why = message["lost_since"], str(message.get("why") or "")
            return replace(away, lost_since=lost, why=why, refused=bool(message.get("refused")))
        case _:
            return away


def told(before: Away, after: Away, message: Message, clock_of: str = "") -> tuple[str, str] | None:
    """The line of activity that a message is worth, as (mark, text); None for most. `clock_of` is the time of day at
    which the cluster was lost sight of."""
    name = f"run {after.run} on {after.target}"
    match message["t"]:
        case "run" if message.get("again"):
            return "remote", f"{name}: followed again"
        case "run":
            cached = sum(one.doing == "reused" for one in after.steps.values())
            todo = len(after.steps) - cached
            return "remote", f"run {after.run} sent to {after.target} — {cached} cached, {todo} to run"
        case "step":
            return _told_step(before, after, str(message["step"]))
        case "sight" if after.lost_since is not None and before.lost_since is None:
            word = f"{after.target} does not let us in" if after.refused else f"lost sight of {name}"
            offer = "" if after.refused else "; should it not come back, `r` goes on here from what came, `o` elsewhere"
            return "stale", f"{word} since {clock_of}; it goes on there: {after.why}{offer}"
        case "sight" if after.lost_since is None and before.lost_since is not None:
            return "remote", f"{name} is in sight again"
        case "note":
            return "dim", f"{after.target}: {message['text']}"
        case "over":
            return _told_end(name, message)
        case _:
            return None


def _planned(one: Message) -> StepThere:
    return StepThere(str(one["name"]), "reused" if one["state"] == "fresh" else "waiting")


def _step(away: Away, message: Message, clock: float) -> Away:
    name, state = str(message["step"]), str(message["state"])
    old = away.steps.get(name, StepThere(name))
    began = old.began if old.began is not None or state not in ("launched", "running") else clock
    error: Message = message.get("error") or {}
    new = replace(
        old,
        doing=state,
        began=None if state in ENDED else began,
        took=message.get("seconds") if state in ENDED else None,
        title=str(error.get("title") or ""),
        cause=str(message.get("cause") or ""),
    )
    # What runs has all that it needs: the last word of what was sent may have been lost.
    return replace(away, steps={**away.steps, name: new}, left=0, of=away.sent)


def _told_step(before: Away, after: Away, name: str) -> tuple[str, str] | None:
    from ..text import seconds

    one, old = after.steps[name], before.steps.get(name)
    if old is not None and old.doing == one.doing:
        return None
    match one.doing:
        case "done":
            return "ok", f"{name} {seconds(one.took)} on {after.target}"
        case "failed":
            return "failed", f"{name} failed on {after.target}: {one.title}"
        case _:
            return None


def _told_end(name: str, message: Message) -> tuple[str, str]:
    from ..text import seconds

    document, problems = message.get("doc"), message.get("problems") or ()
    if document is not None:
        states = [one["state"] for one in document["steps"]]
        words = {"done": "run", "reused": "cached", "failed": "failed", "blocked": "blocked", "cancelled": "cancelled"}
        counts = ", ".join(f"{states.count(state)} {word}" for state, word in words.items() if state in states)
        mark = {"done": "ok", "failed": "failed"}.get(document["state"], "dim")
        return mark, f"{name} {document['state']} in {seconds(document['seconds'])} — {counts}"
    if problems and message.get("lost"):  # nobody knows how it would have ended: that is not a failure
        return "stale", f"{name}: {problems[0]['what']}. {problems[0]['mend']}"
    if problems:
        return "failed", f"{name}: {problems[0]['what']}"
    if message.get("stopped"):
        return "dim", f"{name} goes on there; it is not followed now"
    return "dim", f"{name} has ended"
