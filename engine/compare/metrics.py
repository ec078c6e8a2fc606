"""Metrics of two runs: how much they changed, whether that is better, and whether it is more than the seed's doing."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, isnan
from statistics import fmean
from typing import Any, Final, Literal

from ..metric_names import direction
from .differences import Compared, Difference
from .facts import RunFacts

Verdict = Literal["better", "worse", "changed"]
_T95: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
_T95_MANY: Final = ((12, 2.179), (15, 2.131), (20, 2.086), (30, 2.042), (60, 2.0))


@dataclass(frozen=True, slots=True)
class Spread:
    """How much a metric moves among runs that differ only in their seeds.

    `margin` is what the difference of two such runs stays within 95 times of 100: t(0.975) · √2 · standard deviation,
    pooled over the seeds of A's kind and of B's. `seeds` counts them.
    """

    seeds: int
    deviation: float
    margin: float

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        return {"seeds": self.seeds, "deviation": self.deviation, "margin": self.margin}


def verdict(name: str, before: float, after: float) -> Verdict:
    wanted = direction(name)
    if wanted is None or isnan(before) or isnan(after):
        return "changed"
    return "better" if (after < before) == (wanted == "lower") else "worse"


def compare_metrics(a: RunFacts, b: RunFacts, spreads: Mapping[str, Spread] | None = None) -> Compared:
    """Final values. A metric that is missing because its step did not end is not told as gone."""
    differences: list[Difference] = []
    equal = 0
    for name in dict.fromkeys((*b.metrics, *a.metrics)):
        old, new = a.metrics.get(name), b.metrics.get(name)
        if old is not None and new is not None and (old == new or (isnan(old) and isnan(new))):
            equal += 1
        elif old is not None and new is not None:
            differences.append(Difference("metric", name, old, new, _detail(name, old, new, spreads or {})))
        elif (a if old is None else b).knows(_owner(a, b, name)):
            differences.append(Difference("metric", name, old, new, {"change": "added" if old is None else "removed"}))
    return Compared("metric", tuple(differences), equal)


def spread_of(*groups: list[float]) -> Spread | None:
    """The spread within groups of values, each group one value a seed. None where no group has two."""
    several = [group for group in groups if len(group) > 1]
    freedom = sum(len(group) - 1 for group in several)
    if not freedom:
        return None
    means = [fmean(group) for group in several]
    squares = sum((one - mean) ** 2 for group, mean in zip(several, means, strict=True) for one in group)
    deviation = (squares / freedom) ** 0.5
    return Spread(sum(map(len, several)), deviation, t95(freedom) * 2**0.5 * deviation)


def t95(freedom: int) -> float:
    """Student's t for 95 % on two sides. Between the tabled degrees the next lower one counts: a little too wide."""
    if freedom <= len(_T95):
        return _T95[max(freedom, 1) - 1]
    known = [value for least, value in _T95_MANY if freedom >= least]
    return known[-1] if known else _T95[-1]


def _detail(name: str, old: float, new: float, spreads: Mapping[str, Spread]) -> dict[str, Any]:  # Any: JSON
    change = new - old
    spread = spreads.get(name)
    relative = change / abs(old) if old and isfinite(change / abs(old)) else None
    return {
        "change": verdict(name, old, new),
        "absolute": change,
        "relative": relative,
        "better": direction(name),
        "spread": spread.to_json() if spread else None,
        "within_spread": abs(change) <= spread.margin if spread else None,
    }


def _owner(a: RunFacts, b: RunFacts, name: str) -> str:
    """The step that a metric is of: `score.rmse` was logged by `score`, or is in its output of that name."""
    head = name.partition(".")[0]
    for run in (a, b):
        if head in run.outputs:
            return run.outputs[head].step
    return head
