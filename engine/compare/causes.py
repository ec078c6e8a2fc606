"""From a failure or a metric back to what caused it, along the graph, each step with its evidence.

A step is followed to the steps before it only through inputs whose content differs: where an output stayed the same,
nothing before it can be the cause.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..errors import UsageError, nearest
from .differences import Comparison, Difference, Document, Kind, label_json
from .facts import KNOWN, RunFacts
from .happened import of_step

_EVERYWHERE: Final[frozenset[Kind]] = frozenset(("package", "python", "hardware", "target"))
Needs = Mapping[str, Sequence[tuple[str, str]]]
"""For each step its (argument, step it comes from)."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A determinant that differs and can have had an effect. `via` leads from the step it belongs to down to the one
    that is explained; it is empty for what belongs to the whole run (packages, Python, hardware). `at_failure`: the
    error passed through this very definition."""

    difference: Difference
    via: tuple[str, ...] = ()
    at_failure: bool = False

    @property
    def distance(self) -> int | None:
        """Steps between it and what is explained; None where that makes no sense."""
        return len(self.via) - 1 if self.via else None

    def to_json(self) -> Document:
        return self.difference.to_json() | {
            "via": list(self.via),
            "distance": self.distance,
            "at_failure": self.at_failure,
        }


@dataclass(frozen=True, slots=True)
class Link:
    """One step of the chain: which of its outputs differ, its own determinants that do, and the steps before it whose
    outputs do. `unexplained`: it got the same, is the same, and gave something else."""

    step: str
    depth: int
    outputs: tuple[Difference, ...]
    own: tuple[Difference, ...]
    before: tuple[str, ...]
    unexplained: bool

    def to_json(self) -> Document:
        return {
            "step": self.step,
            "depth": self.depth,
            "outputs": [one.to_json() for one in self.outputs],
            "own": [one.to_json() for one in self.own],
            "before": list(self.before),
            "unexplained": self.unexplained,
        }


@dataclass(frozen=True, slots=True)
class MetricCause:
    """Why a metric differs: the chain from its step to the determinants, and these, nearest first."""

    a: str
    b: str
    metric: Difference
    chain: tuple[Link, ...]
    causes: tuple[Cause, ...]

    def to_json(self) -> Document:
        return {
            "a": label_json(self.a),
            "b": label_json(self.b),
            "metric": self.metric.to_json(),
            "chain": [one.to_json() for one in self.chain],
            "causes": [one.to_json() for one in self.causes],
        }


@dataclass(frozen=True, slots=True)
class FailureCause:
    """The first step that failed, the last run before in which it ended well (None: it never did), and what changed
    since then that can have reached it, nearest first. `elsewhere` counts changes that cannot."""

    run: str
    step: str
    last_good: str | None
    causes: tuple[Cause, ...] = ()
    elsewhere: int = 0

    def to_json(self) -> Document:
        return {
            "run": label_json(self.run),
            "step": self.step,
            "last_good": None if self.last_good is None else label_json(self.last_good),
            "causes": [one.to_json() for one in self.causes],
            "elsewhere": self.elsewhere,
        }


def why_metric(comparison: Comparison, a: RunFacts, b: RunFacts, needs: Needs, metric: str) -> MetricCause:
    """Raises UsageError for a metric that does not differ."""
    changed = {one.subject: one for one in comparison.of("metric")}
    if metric not in changed:
        raise UsageError(*_no_such_metric(metric, changed, comparison.a, comparison.b, {*a.metrics, *b.metrics}))
    head = metric.partition(".")[0]
    start = b.outputs[head].step if head in b.outputs else head
    ways = ways_back(start, a, b, needs)
    chain = tuple(_link(step, len(way) - 1, comparison, a, b, needs) for step, way in ways.items())
    return MetricCause(comparison.a, comparison.b, changed[metric], chain, causes(comparison, ways))


def why_failed(
    comparison: Comparison, a: RunFacts, b: RunFacts, needs: Needs, step: str, frames: Iterable[Mapping[str, Any]] = ()
) -> FailureCause:
    """`a` is the last run in which `step` ended well, `b` that in which it failed; `frames` are those of its error."""
    ways = ways_back(step, a, b, needs)
    places = [(str(one["path"]), int(one["line"])) for one in frames]
    found = causes(comparison, ways, places, b)
    return FailureCause(b.label, step, a.label, found, len(comparison.determinants()) - len(found))


def ways_back(start: str, a: RunFacts, b: RunFacts, needs: Needs) -> dict[str, tuple[str, ...]]:
    """Every step from which something that differs reaches `start`, with the shortest way from it to there."""
    ways: dict[str, tuple[str, ...]] = {start: (start,)}
    todo = [start]
    while todo:
        step = todo.pop(0)
        for before in changed_inputs(step, a, b, needs):
            if before not in ways:
                ways[before] = (before, *ways[step])
                todo.append(before)
    return ways


def changed_inputs(step: str, a: RunFacts, b: RunFacts, needs: Needs) -> list[str]:
    """The steps whose output reaches `step` and is not what it was."""
    old, new = a.steps.get(step), b.steps.get(step)
    found: dict[str, None] = {}
    for argument, source in needs.get(step, ()):
        before = old.inputs.get(argument) if old else None
        after = new.inputs.get(argument) if new else None
        if before is None or after is None or before != after:
            found[source] = None
    return [one for one in found if one not in a.steps or one not in b.steps or _outputs_differ(one, a, b)]


def causes(
    comparison: Comparison,
    ways: Mapping[str, tuple[str, ...]],
    failed_at: Sequence[tuple[str, int]] = (),
    b: RunFacts | None = None,
) -> tuple[Cause, ...]:
    """The determinants of the steps in `ways`, each once by its shortest way, nearest first; what belongs to the whole
    run comes last."""
    found: dict[tuple[str, str], Cause] = {}
    determinants = comparison.determinants()
    for step, way in ways.items():
        for one in of_step(step, determinants):
            key = (one.kind, one.subject)
            if key not in found:
                found[key] = Cause(one, way, _passed_through(one, failed_at, b))
    for one in determinants:
        if one.kind in _EVERYWHERE:
            found[one.kind, one.subject] = Cause(one)
    return tuple(sorted(found.values(), key=_nearness))


def _nearness(one: Cause) -> tuple[bool, int, bool]:
    distance = one.distance
    is_import = one.difference.kind == "code" and one.difference.detail.get("kind") == "import"
    return not one.at_failure, 1_000 if distance is None else distance, is_import


def _passed_through(one: Difference, places: Sequence[tuple[str, int]], b: RunFacts | None) -> bool:
    """Whether a frame of the error lies in this definition."""
    definition = b.definitions.get(one.subject) if b is not None and one.kind == "code" else None
    if definition is None:
        return False
    last = definition.line + definition.source.count("\n")
    return any(path == definition.path and definition.line <= line <= last for path, line in places)


def _link(step: str, depth: int, comparison: Comparison, a: RunFacts, b: RunFacts, needs: Needs) -> Link:
    outputs = tuple(one for one in comparison.of("table", "array", "value") if one.detail.get("step") == step)
    own = [*of_step(step, comparison.determinants())]
    own += [one for one in comparison.of("step") if one.subject == step and one.detail["change"] in ("key", "added")]
    before = tuple(changed_inputs(step, a, b, needs))
    return Link(step, depth, outputs, tuple(own), before, not own and not before)


def _outputs_differ(step: str, a: RunFacts, b: RunFacts) -> bool:
    old, new = a.steps[step], b.steps[step]
    both = old.state in KNOWN and new.state in KNOWN
    return not both or dict(old.outputs) != dict(new.outputs)


def _no_such_metric(
    metric: str, changed: Mapping[str, Difference], a: str, b: str, known: Iterable[str]
) -> tuple[Any, ...]:  # Any: what an error takes
    from ..errors import Problem

    if metric in known:
        return (Problem(f"`{metric}` is the same in {a} and {b}, or not known in one of them"),)
    hint = nearest(metric, changed) or (f"These differ: {', '.join(list(changed)[:8])}." if changed else "")
    return (Problem(f"no metric `{metric}` differs between {a} and {b}", mend=hint[:1].upper() + hint[1:]),)
