"""The same small part of a run here and there, before all of it is sent: do both come to the same?

The part is what costs least: steps in the order of the graph for as long as their expected time is within the share
that was asked for, at least one; of a fan-out the first items, which is what makes a share of a large one small.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

from ..engine.ids import RunId, StepName
from ..engine.plan import needs
from ..engine.replay import difference
from ..engine.session import Session
from ..engine.snapshots.records import StepEnded
from .offload import Frozen
from .request import upstream_of

UNKNOWN_SECONDS = 1.0
"""What a step that never ran is taken to cost."""


def part_of(frozen: Frozen, seconds: Mapping[StepName, float], share: float) -> Frozen:
    """The part: its steps are run whatever is known, those above them are taken as known."""
    runs = [name for name in frozen.selected if name in frozen.forced or frozen.plan.steps[name].state != "fresh"]
    chosen = _chosen(frozen, runs, seconds, share)
    selected = upstream_of(frozen.facts, chosen)
    forced = frozenset(chosen) | (frozen.forced & frozenset(selected))
    return replace(frozen, selected=selected, forced=forced, share=share)


def _chosen(
    frozen: Frozen, runs: Collection[StepName], seconds: Mapping[StepName, float], share: float
) -> list[StepName]:
    steps = frozen.facts.graph.steps
    budget = share * math.fsum(seconds.get(name, UNKNOWN_SECONDS) for name in runs)
    chosen: list[StepName] = []
    cut: set[StepName] = set()
    spent = 0.0
    for name in runs:
        above = [need for need in needs(steps[name]) if need in runs]
        if any(need not in chosen or need in cut for need in above):
            continue
        fan = bool(steps[name].fans)
        cost = seconds.get(name, UNKNOWN_SECONDS) * (share if fan else 1.0)
        if chosen and spent + cost > budget and not fan:
            continue
        chosen.append(name)
        spent += cost
        if fan:
            cut.add(name)  # what needs all of its items has no twin
    return chosen


def divergence(session: Session, part: Frozen, here: RunId, there: RunId) -> str:
    """The first step, in the order of the graph, whose outputs differ between the two runs, and by what; "" if none."""
    ends = [
        {one.step: one for one in session.journal.events_of(run_id) if isinstance(one, StepEnded) and one.item is None}
        for run_id in (here, there)
    ]
    for name in part.selected:
        mine, theirs = (each.get(name) for each in ends)
        if name not in part.forced:
            continue
        if mine is None or theirs is None or (mine.state, theirs.state) != ("done", "done"):
            states = " and ".join("did not run" if one is None else one.state for one in (mine, theirs))
            return f"{name}: {states}, here and there"
        for output, content in mine.outputs.items():
            if theirs.outputs.get(output) != content:
                return f"{output}: {difference(session, content, theirs.outputs.get(output))}"
    return ""
