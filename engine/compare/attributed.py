"""What an attribution takes and what it says, as frozen values, and as JSON."""

from dataclasses import dataclass
from typing import Literal

from .causes import MetricCause
from .differences import Difference, Document, label_json
from .factors import Factor
from .facts import RunFacts
from .hybrids import Outlook
from .metrics import Spread
from .snapshot import Snapshot

Method = Literal["exact", "sampled", "partial"]


@dataclass(frozen=True, slots=True)
class Price:
    """What an attribution takes: hybrids that are not known yet, step runs in them (at most: what follows from a
    changed step may turn out as it was), seconds by what these steps took, step results that are re-used."""

    hybrids: int
    step_runs: int
    seconds: float
    reused: int

    def to_json(self) -> Document:
        return {
            "hybrids": self.hybrids,
            "step_runs": self.step_runs,
            "seconds": round(self.seconds, 3),
            "reused": self.reused,
        }


@dataclass(frozen=True)  # not to be compared: it holds what was read of both runs
class Quote:
    """All that is known before anything runs."""

    cause: MetricCause
    step: str
    factors: tuple[Factor, ...]
    left_out: tuple[Difference, ...]
    seeds: tuple[int | None, ...]
    orders: tuple[tuple[int, ...], ...]
    outlooks: tuple[Outlook, ...]
    price: Price
    facts: tuple[RunFacts, RunFacts]
    snapshots: tuple[Snapshot, Snapshot]
    spread: Spread | None

    @property
    def metric(self) -> str:
        return self.cause.metric.subject

    def to_json(self) -> Document:
        return {
            "a": label_json(self.cause.a),
            "b": label_json(self.cause.b),
            "metric": self.metric,
            "factors": [one.to_json() for one in self.factors],
            "left_out": [one.to_json() for one in self.left_out],
            "price": self.price.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Contribution:
    """One factor's part of the change. `error` is the half-width of a 95 % interval (0: exact; None: unknown), of
    sampled orders or of seeds; `beyond_chance` says whether it is more than `Attribution.noise`, None where nothing is
    known of chance."""

    factor: Factor
    value: float | None
    error: float | None
    beyond_chance: bool | None

    def to_json(self) -> Document:
        return {
            "factor": self.factor.to_json(),
            "value": self.value,
            "error": self.error,
            "beyond_chance": self.beyond_chance,
        }


@dataclass(frozen=True, slots=True)
class Interaction:
    """What some factors do together beyond what they do alone; it is shared equally among their contributions."""

    factors: tuple[str, ...]
    value: float

    def to_json(self) -> Document:
        return {"factors": list(self.factors), "value": self.value}


@dataclass(frozen=True, slots=True)
class Tried:
    """One hybrid: the factors that were B's, the seed, its run (None: all was known), its value or why it has none."""

    taken: tuple[str, ...]
    seed: int | None
    run: int | None
    value: float | None
    problem: str = ""

    def to_json(self) -> Document:
        return {
            "taken": list(self.taken),
            "seed": self.seed,
            "run": self.run,
            "value": self.value,
            "problem": self.problem,
        }


@dataclass(frozen=True, slots=True)
class Attribution:
    """The change of a metric from A to B and who contributed what.

    `before` and `after` are what the ends gave when they were run as hybrids (means over the seeds); where that is not
    what the runs recorded, `notes` say so. `method` is partial where hybrids are missing. `noise` is what two runs that
    differ only in their seed stay within (95 %).
    """

    a: str
    b: str
    metric: str
    before: float | None
    after: float | None
    method: Method
    contributions: tuple[Contribution, ...]
    interactions: tuple[Interaction, ...]
    tried: tuple[Tried, ...]
    left_out: tuple[Difference, ...]
    noise: Spread | None
    notes: tuple[str, ...]

    def to_json(self) -> Document:
        return {
            "a": label_json(self.a),
            "b": label_json(self.b),
            "metric": self.metric,
            "before": self.before,
            "after": self.after,
            "method": self.method,
            "contributions": [one.to_json() for one in self.contributions],
            "interactions": [one.to_json() for one in self.interactions],
            "hybrids": [one.to_json() for one in self.tried],
            "left_out": [one.to_json() for one in self.left_out],
            "noise": self.noise.to_json() if self.noise else None,
            "notes": list(self.notes),
        }
