"""The order of steps, and the circles in it."""

import heapq
from collections.abc import Mapping

from .errors import Place
from .graph import FileInput, Step
from .ids import StepName


def in_order(steps: Mapping[StepName, Step]) -> dict[StepName, Step]:
    """The steps in topological order, ties by place (Kahn, 1962). Left out: those in or after a circle, and those
    that need a step that is not among `steps`."""
    waiting = {name: set(_needs(step)) for name, step in steps.items()}
    users: dict[StepName, list[StepName]] = {}
    for name, needed in waiting.items():
        for other in needed:
            users.setdefault(other, []).append(name)
    ready: list[tuple[Place, StepName]] = [(steps[name].place, name) for name, needed in waiting.items() if not needed]
    heapq.heapify(ready)
    ordered: dict[StepName, Step] = {}
    while ready:
        _, name = heapq.heappop(ready)
        ordered[name] = steps[name]
        for user in users.get(name, ()):
            waiting[user].discard(name)
            if not waiting[user]:
                heapq.heappush(ready, (steps[user].place, user))
    return ordered


def cycles(steps: Mapping[StepName, Step]) -> list[list[StepName]]:
    """One path a circle, its first step again at its end; a step in several circles is shown in one."""
    done: set[StepName] = set()
    found: list[list[StepName]] = []
    for start in steps:
        trail: list[StepName] = []
        stack = [(start, iter(_needs(steps[start])))] if start not in done else []
        trail += [start] if stack else []
        while stack:
            needed = stack[-1][1]
            following = next((one for one in needed if one in steps), None)
            if following is None:
                stack.pop()
                done.add(trail.pop())
            elif following in trail:
                # Drawn the way the data flows: from what is needed to what needs it.
                circle = [*trail[trail.index(following) :], following]
                if not any(one in known for known in found for one in circle):
                    found.append(circle[::-1])
            elif following not in done:
                trail.append(following)
                stack.append((following, iter(_needs(steps[following]))))
    return found


def _needs(step: Step) -> list[StepName]:
    return list(dict.fromkeys(one.step for one in step.inputs if not isinstance(one, FileInput)))
