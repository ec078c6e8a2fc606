"""Two runs → their `Comparison`: pure, from what `read_run` and `read_now` read once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .determinants import compare_determinants
from .differences import Compared, Comparison, Difference, Kind, ordered
from .facts import RunFacts
from .happened import compare_steps, first_divergence
from .metrics import Spread, compare_metrics
from .outputs import KINDS_OF, compare_outputs


def compare(
    a: RunFacts, b: RunFacts, spreads: Mapping[str, Spread] | None = None, logs: Compared | None = None
) -> Comparison:
    """A → B, determinants first. `spreads` are by metric (`seeds.spreads_of`), `logs` what `logs.compare_logs` found:
    reading the lines of two runs takes longer than all the rest, so a caller may do without."""
    determinants = list(compare_determinants(a, b))
    found: list[Compared] = [*determinants, compare_steps(a, b), compare_metrics(a, b, spreads), *compare_outputs(a, b)]
    differences, equal = ordered([*found, *([logs] if logs else [])])
    causes = tuple(one for part in determinants for one in part.differences)
    return Comparison(a.label, b.label, differences, equal, (a.to_json(), b.to_json()), first_divergence(a, b, causes))


@dataclass(frozen=True, slots=True)
class Same:
    """One thing that is equal in A and B."""

    kind: Kind
    subject: str
    value: Any  # Any: JSON


def equal_things(a: RunFacts, b: RunFacts, comparison: Comparison) -> tuple[Same, ...]:
    """What `Comparison.equal` counts, by name, in the same order of kinds."""
    differing = {(one.kind, one.subject) for one in comparison.differences}
    sides: tuple[tuple[Kind, Mapping[str, Any], Mapping[str, Any]], ...] = (
        ("param", a.params, b.params),
        ("code", a.definitions, {name: f"{one.path}:{one.line}" for name, one in b.definitions.items()}),
        ("file", a.files, {path: one.content_hash[:12] for path, one in b.files.items()}),
        ("package", a.packages, b.packages),
        ("python", {"python": a.python}, {"python": b.python}),
        ("hardware", a.hardware, b.hardware),
        ("target", {"target": a.target, "host": a.host}, {"target": b.target, "host": b.host}),
        ("step", a.steps, {name: one.state for name, one in b.steps.items()}),
        ("metric", a.metrics, b.metrics),
        ("table", a.outputs, _contents(b, "table")),
        ("array", a.outputs, _contents(b, "array")),
        ("value", a.outputs, _contents(b, "value")),
    )
    return tuple(
        Same(kind, name, value)
        for kind, left, right in sides
        for name, value in right.items()
        if name in left and (kind, name) not in differing
    )


def _contents(run: RunFacts, kind: Kind) -> dict[str, str]:
    return {name: one.content_hash[:12] for name, one in run.outputs.items() if KINDS_OF.get(one.kind, "value") == kind}


def only_step(comparison: Comparison, step: str) -> Comparison:
    """What concerns one step: its determinants, itself, its metrics and outputs."""
    return replace(comparison, differences=tuple(_of(step, comparison.differences)))


def _of(step: str, differences: Iterable[Difference]) -> Iterable[Difference]:
    outputs = {one.subject for one in differences if one.detail.get("step") == step}
    for one in differences:
        head = one.subject.partition(".")[0]
        match one.kind:
            case "param":
                mine = head == step
            case "code" | "file":
                mine = step in one.detail.get("steps", ())
            case "metric":
                mine = head == step or head in outputs
            case "step" | "log":
                mine = one.subject == step
            case "table" | "array" | "value":
                mine = one.detail.get("step") == step
            case _:
                mine = True
        if mine:
            yield one
