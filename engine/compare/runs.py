"""Two runs → their `Comparison`: pure, from what `read_run` and `read_now` read once."""

from collections.abc import Iterable, Mapping

from .determinants import compare_determinants
from .differences import Compared, Comparison, Difference, ordered
from .facts import RunFacts
from .happened import compare_steps, first_divergence
from .metrics import Spread, compare_metrics
from .outputs import compare_outputs


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


def only_step(comparison: Comparison, step: str) -> Comparison:
    """What concerns one step: its determinants, itself, its metrics and outputs."""
    from dataclasses import replace

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
