"""What each determinant contributed to the change of a metric: hybrids of two runs, on the shared cache.

`quote` says what it would take and runs nothing; `attribute` does it. The ends are run like any hybrid: what they give
here says whether A and B can be had again at all.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from ..errors import UsageError
from .causes import MetricCause, Needs
from .deep import deepen
from .differences import Difference, Document, label_json
from .explain import needs_of
from .factors import Factor, factors_of, touched
from .facts import NOW, RunFacts
from .hybrid_code import comes_apart
from .hybrids import Bench, Notify, Outcome, Outlook, Recipe, seed_params
from .look import compare_facts, distinct_facts
from .metrics import Spread
from .seeds import spreads_of
from .shapley import EXACT, Share, Taken, drawn_orders, exact, hybrids, interactions, over_seeds, sampled
from .snapshot import Snapshot, read_snapshot

if TYPE_CHECKING:
    from ..session import Session

_INTERACTION: Final = 0.02
"""Share of the largest contribution from which on an interaction is told."""
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


def quote(
    session: "Session", a: str, b: str, metric: str, *, seeds: Sequence[int] = (), env: Mapping[str, str] | None = None
) -> Quote:
    """What it takes to say what moved `metric` from run `a` to run `b`; nothing is run.

    With `seeds` every hybrid is run once for each value of all params called `seed`. Raises UsageError for a metric
    that does not differ, for `now`, and where no determinant that differs can be taken apart.
    """
    one, other = distinct_facts(session.root, [a, b])
    if NOW in (one.label, other.label):
        raise UsageError("only runs can be taken apart, not the working tree", mend="`instep run` makes a run of it.")
    store = session.store
    comparison = deepen(store, compare_facts(session.root, one, other, logs=False), one, other)
    needs = needs_of(session.root, other)
    from .causes import why_metric

    cause = why_metric(comparison, one, other, needs, metric)
    snapshots = (read_snapshot(store, int(one.label)), read_snapshot(store, int(other.label)))
    step = _owner(metric, one, other)
    found = factors_of(cause.causes, one, other)
    ways = [link.step for link in cause.chain]
    if not comes_apart(*snapshots, (one, other), found.tried, ways):
        found = factors_of(cause.causes, one, other, code_whole=True)
    seeded = seed_params((one, other))
    if seeds:  # a seed that every hybrid is given is no factor
        found = replace(found, tried=tuple(f for f in found.tried if not set(f.subjects) <= set(seeded)))
    if not found.tried:
        raise UsageError(
            f"nothing that moved `{metric}` can be taken from one run and not from the other",
            mend=f"`instep why {other.label} --than {one.label} --metric {metric}` tells what differs.",
        )
    wanted = tuple(seeds) if seeds and seeded else (None,)
    count = len(found.tried)
    orders = tuple(drawn_orders(count)) if count > EXACT else ()
    recipes = [Recipe(taken, seed) for seed in wanted for taken in hybrids(count, orders)]
    with _bench(session, snapshots, (one, other), found.tried, step, metric, env or {}) as bench:
        outlooks = tuple(bench.look(recipe) for recipe in recipes)
    edges = _all_needs(snapshots)
    chance = Factor("param", "seed", tuple(seeded), tuple(name.partition(".")[0] for name in seeded))
    seed_steps = frozenset(step for step, by in touched((chance,), edges).items() if by)
    price = _price(session, outlooks, touched(found.tried, edges), seed_steps, (one, other))
    spread = spreads_of(store, [int(run.label) for run in (one, other)]).get(metric)
    return Quote(
        cause, step, found.tried, found.left_out, wanted, orders, outlooks, price, (one, other), snapshots, spread
    )


def attribute(
    session: "Session",
    quoted: Quote,
    notify: Notify = lambda _: None,
    cancel: threading.Event | None = None,
    *,
    env: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Attribution:
    """Run the hybrids that are needed and say what each factor contributed. `progress` is told how many of how many
    are done. Setting `cancel` ends it after the hybrid that runs; what is known by then is told."""
    stop = cancel or threading.Event()
    outcomes: list[Outcome] = []
    note = f"{quoted.metric} of {quoted.cause.a} and {quoted.cause.b}"
    bench = _bench(session, quoted.snapshots, quoted.facts, quoted.factors, quoted.step, quoted.metric, env or {})
    with bench:
        for at, outlook in enumerate(quoted.outlooks):
            if stop.is_set():
                outcomes.append(Outcome(outlook.recipe, None, None, "cancelled"))
            else:
                outcomes.append(bench.run(outlook.recipe, note, notify, stop))
            progress(at + 1, len(quoted.outlooks))
    return concluded(quoted, outcomes)


def concluded(quoted: Quote, outcomes: Sequence[Outcome]) -> Attribution:
    """The contributions from what the hybrids gave. Pure."""
    count = len(quoted.factors)
    by_seed = [_values(outcomes, seed) for seed in quoted.seeds]
    several = len(by_seed) > 1
    rounds = [sampled(one, count, quoted.orders) if quoted.orders else exact(one, count) for one in by_seed]
    shares = over_seeds(rounds) if several else rounds[0]
    means = _means(by_seed)
    noise = None if several else quoted.spread
    complete = all(one.value is not None for one in outcomes)
    order = sorted(range(count), key=lambda at: -abs(shares[at].value or 0.0))
    return Attribution(
        quoted.cause.a,
        quoted.cause.b,
        quoted.metric,
        means.get(frozenset()),
        means.get(frozenset(range(count))),
        ("sampled" if quoted.orders else "exact") if complete else "partial",
        tuple(_contribution(quoted.factors[at], shares[at], noise, several=several) for at in order),
        _interactions(quoted.factors, means, shares) if not quoted.orders else (),
        tuple(_tried(quoted.factors, one) for one in outcomes),
        quoted.left_out,
        noise,
        tuple(_notes(quoted, by_seed, outcomes)),
    )


def _bench(
    session: "Session",
    snapshots: tuple[Snapshot, Snapshot],
    facts: tuple[RunFacts, RunFacts],
    factors: Sequence[Factor],
    step: str,
    metric: str,
    env: Mapping[str, str],
) -> Bench:
    return Bench(session, snapshots, facts, factors, step, metric, env)


def _owner(metric: str, a: RunFacts, b: RunFacts) -> str:
    head = metric.partition(".")[0]
    return next((run.outputs[head].step for run in (b, a) if head in run.outputs), head)


def _all_needs(snapshots: tuple[Snapshot, Snapshot]) -> Needs:
    """The edges of both graphs: a factor that reaches a step in either may reach it in a hybrid."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in snapshots:
        for step, before in one.needs.items():
            found.setdefault(step, []).extend(("", source) for source in before)
    return found


def _price(
    session: "Session",
    outlooks: Sequence[Outlook],
    reach: Mapping[str, frozenset[int]],
    seeded: frozenset[str],
    facts: tuple[RunFacts, RunFacts],
) -> Price:
    """Two hybrids that agree in all that reaches a step share its result."""
    runs: dict[tuple[str, frozenset[int], int | None], None] = {}
    shared = 0
    for one in outlooks:
        for step in one.to_run:
            seed = one.recipe.seed if step in seeded else None
            key = (step, one.recipe.taken & reach.get(step, frozenset()), seed)
            shared += key in runs
            runs[key] = None
    from ..ids import StepName

    names = {StepName(step) for step, _, _ in runs}
    took = {str(name): value for name, value in session.journal.seconds_of(names).items()}
    for run in facts:
        took = {name: one.seconds for name, one in run.steps.items() if one.seconds is not None} | took
    seconds = sum(took.get(step, 0.0) for step, _, _ in runs)
    return Price(
        sum(bool(one.to_run) for one in outlooks), len(runs), seconds, shared + sum(o.reused for o in outlooks)
    )


def _values(outcomes: Sequence[Outcome], seed: int | None) -> dict[Taken, float]:
    return {one.recipe.taken: one.value for one in outcomes if one.recipe.seed == seed and one.value is not None}


def _means(by_seed: Sequence[Mapping[Taken, float]]) -> dict[Taken, float]:
    """The mean over the seeds, of hybrids that ran with all of them."""
    first, *rest = by_seed
    return {
        taken: sum(one[taken] for one in by_seed) / len(by_seed)
        for taken in first
        if all(taken in other for other in rest)
    }


def _contribution(factor: Factor, share: Share, noise: Spread | None, *, several: bool) -> Contribution:
    beyond: bool | None = None
    if share.value is not None and several and share.error is not None:
        beyond = abs(share.value) > share.error
    elif share.value is not None and noise is not None:
        beyond = abs(share.value) > noise.margin
    return Contribution(factor, share.value, share.error, beyond)


def _interactions(
    factors: Sequence[Factor], values: Mapping[Taken, float], shares: Sequence[Share]
) -> tuple[Interaction, ...]:
    largest = max((abs(one.value) for one in shares if one.value is not None), default=0.0)
    found = [
        Interaction(tuple(factors[at].name for at in sorted(taken)), value)
        for taken, value in interactions(values, len(factors)).items()
        if abs(value) > max(_INTERACTION * largest, 1e-12)
    ]
    return tuple(sorted(found, key=lambda one: -abs(one.value)))


def _tried(factors: Sequence[Factor], one: Outcome) -> Tried:
    names = tuple(factors[at].name for at in sorted(one.recipe.taken))
    return Tried(names, one.recipe.seed, one.run, one.value, one.problem)


def _notes(quoted: Quote, by_seed: Sequence[Mapping[Taken, float]], outcomes: Sequence[Outcome]) -> "list[str]":
    """What a reader must know to take the numbers for what they are."""
    found: list[str] = []
    change = quoted.cause.metric
    every = frozenset(range(len(quoted.factors)))
    if quoted.seeds == (None,):
        for taken, label, recorded in (
            (frozenset[int](), quoted.cause.a, change.before),
            (every, quoted.cause.b, change.after),
        ):
            again = by_seed[0].get(taken)
            if again is not None and abs(again - recorded) > 1e-9 * max(1.0, abs(recorded)):
                found.append(
                    f"run again, {label} gives {again:.6g} and not {recorded:.6g}: something that is no factor moves it"
                )
    missing = [one for one in outcomes if one.value is None]
    if missing:
        found.append(f"{len(missing)} of {len(outcomes)} hybrids have no value; what is told comes from the others")
    if not any(is_seeded(run) for run in quoted.facts):
        found.append("nothing is known of chance: no step has a param called `seed`")
    elif quoted.seeds == (None,) and quoted.spread is None:
        found.append("nothing is known of chance: no runs differ only in their seed; `--seeds N` runs some")
    if quoted.left_out:
        names = ", ".join(f"{one.kind} {one.subject}" for one in quoted.left_out[:4])
        found.append(f"not taken apart, because only one of each is here: {names}")
    return found


def is_seeded(run: RunFacts) -> bool:
    return bool(seed_params((run,)))
