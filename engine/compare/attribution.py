"""What each determinant contributed to the change of a metric: hybrids of two runs, on the shared cache.

`quote` says what it would take and runs nothing; `attribute` does it. The ends are run like any hybrid: what they give
here says whether A and B can be had again at all.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..ids import StepName
from .attributed import Attribution, Price, Quote
from .causes import Needs, why_metric
from .concluding import concluded
from .deep import deepen
from .explain import needs_of
from .factors import Factor, factors_of, touched
from .facts import NOW, RunFacts
from .hybrid_code import comes_apart
from .hybrids import Bench, Notify, Outcome, Outlook, Recipe, seed_params
from .look import compare_facts, distinct_facts
from .seeds import spreads_of
from .shapley import EXACT, drawn_orders, hybrids
from .snapshot import Snapshot, read_snapshot

if TYPE_CHECKING:
    from ..session import Session


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
    with Bench(session, snapshots, (one, other), found.tried, step, metric, env or {}) as bench:
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
    sides = (quoted.snapshots, quoted.facts)
    with Bench(session, *sides, quoted.factors, quoted.step, quoted.metric, env or {}) as bench:
        for at, outlook in enumerate(quoted.outlooks):
            if stop.is_set():
                outcomes.append(Outcome(outlook.recipe, None, None, "cancelled"))
            else:
                outcomes.append(bench.run(outlook.recipe, note, notify, stop))
            progress(at + 1, len(quoted.outlooks))
    return concluded(quoted, outcomes)


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
    names = {StepName(step) for step, _, _ in runs}
    took = {str(name): value for name, value in session.journal.seconds_of(names).items()}
    for run in facts:
        took = {name: one.seconds for name, one in run.steps.items() if one.seconds is not None} | took
    seconds = sum(took.get(step, 0.0) for step, _, _ in runs)
    return Price(
        sum(bool(one.to_run) for one in outlooks), len(runs), seconds, shared + sum(o.reused for o in outlooks)
    )
