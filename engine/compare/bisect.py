"""Which run first went wrong, and which single determinant within it made the difference.

The history between a good and a bad run is halved as `git bisect` does, on the understanding that it went wrong once.
What a run recorded is taken; what it did not is had from its snapshot, on the shared cache. Between the last good run
and the first bad one the determinants that differ are tried one at a time.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..errors import InstepError, UsageError, nearest
from ..snapshots.catalog import SHOWN
from ..snapshots.queries import reader
from .attributed import Tried
from .causes import causes, ways_back, why_metric
from .conditions import Bisection, Condition, Looked
from .differences import DETERMINANTS, Comparison, Difference
from .explain import needs_of
from .factors import Factor, factors_of
from .facts import RunFacts
from .hybrid_code import comes_apart
from .hybrids import Bench, Notify, Outcome, Recipe
from .look import compare_facts, distinct_facts
from .read_run import read_runs
from .snapshot import read_snapshot

if TYPE_CHECKING:
    from ..session import Session

_HISTORY: Final = f"""select r.number, r.state, m.value from run r
    left join (select run, value from run_metric where name = ?) m on m.run = r.number
    where r.number between ? and ? and {SHOWN} order by r.number"""


def bisect(
    session: "Session",
    good: int,
    bad: int,
    condition: Condition,
    notify: Notify = lambda _: None,
    cancel: threading.Event | None = None,
    *,
    env: Mapping[str, str] | None = None,
    told: Callable[[Looked], None] = lambda _: None,
) -> Bisection:
    """Find the run between `good` and `bad` that made the condition fail, and what in it did. `told` hears of every
    run that is judged.

    Raises UsageError where the good run is not good, the bad one not bad, or both are one.
    """
    if good == bad:
        raise UsageError(f"run {good} cannot be both good and bad", mend="Give two runs.")
    search = _Search(session, condition, notify, cancel or threading.Event(), env or {}, told)
    last_good, first_bad, unjudged = search.walk(good, bad)
    guilty, alone, tried, notes = search.within(last_good, first_bad)
    return Bisection(
        str(condition),
        good,
        bad,
        tuple(search.looked.values()),
        last_good,
        first_bad,
        unjudged,
        guilty,
        alone,
        tried,
        notes,
    )


@dataclass
class _Search:
    session: "Session"
    condition: Condition
    notify: Notify
    cancel: threading.Event
    env: Mapping[str, str]
    told: Callable[[Looked], None]

    def __post_init__(self) -> None:
        self.looked: dict[int, Looked] = {}
        self._recorded: dict[int, tuple[str, float | None]] = {}

    def walk(self, good: int, bad: int) -> tuple[int, int, tuple[int, ...]]:
        """(last good, first bad, runs between them that cannot be judged)."""
        with reader(self.session.store) as found:
            rows = found.rows(_HISTORY, [self.condition.metric, min(good, bad), max(good, bad)])
        self._recorded = {row["number"]: (row["state"], row["value"]) for row in rows}
        history = sorted(self._recorded, reverse=good > bad)
        for run, wanted in ((good, "good"), (bad, "bad")):
            if run not in self._recorded:
                raise UsageError(f"there is no run {run}", mend="`instep runs` lists them.")
            one = self.judge(run)
            if one.judged != wanted:
                told = f": {one.problem}" if one.problem else f", it has {one.value:g}" if one.value is not None else ""
                raise UsageError(f"run {run} is not {wanted} by `{self.condition}`{told}", mend="Give another run.")
        low, high = history.index(good), history.index(bad)
        while True:
            middle = next(
                (at for at in _from_the_middle(low, high) if self.judge(history[at]).judged != "unknown"), None
            )
            if middle is None or self.cancel.is_set():
                return history[low], history[high], tuple(history[low + 1 : high])
            if self.looked[history[middle]].judged == "good":
                low = middle
            else:
                high = middle

    def judge(self, run: int) -> Looked:
        """By what is recorded, or else by its snapshot; each run once."""
        if run not in self.looked:
            state, value = self._recorded[run]
            judged = self.condition.judge(state, value)
            one = Looked(run, judged, value, again=False)
            if judged == "unknown" and self.condition.metric and not self.cancel.is_set():
                one = self._again(run)
            self.looked[run] = one
            self.told(one)
        return self.looked[run]

    def _again(self, run: int) -> Looked:
        try:
            (facts,) = read_runs(self.session.store, [run])
            snapshot = read_snapshot(self.session.store, run)
            steps = snapshot.graph.steps.values()
            owners = {output: str(one.name) for one in steps for output in (one.name, *one.options.outputs)}
            step = _owner(self.condition.metric, owners)
            with Bench(
                self.session, (snapshot, snapshot), (facts, facts), (), step, self.condition.metric, self.env
            ) as bench:
                outcome = bench.run(Recipe(frozenset()), f"bisect: run {run} again", self.notify, self.cancel)
        except InstepError as error:
            return Looked(run, "unknown", None, again=True, problem=error.problems[0].what)
        return Looked(run, self.condition.judge_outcome(outcome), outcome.value, again=True, problem=outcome.problem)

    def within(
        self, last_good: int, first_bad: int
    ) -> tuple[tuple[Factor, ...], bool, tuple[Tried, ...], tuple[str, ...]]:
        """The guilty factors between two runs, whether each suffices alone, the hybrids tried, and what to know."""
        a, b = distinct_facts(self.session.root, [str(last_good), str(first_bad)])
        comparison = compare_facts(self.session.root, a, b, logs=False)
        step, factors, left = self._factors(comparison, a, b)
        if not factors:
            names = ", ".join(f"{one.kind} {one.subject}" for one in left[:4])
            return (
                (),
                True,
                (),
                (f"no determinant can be tried by itself{f'; these differ: {names}' if names else ''}",),
            )
        notes = [f"not tried, because only one of each is here: {one.kind} {one.subject}" for one in left[:4]]
        if len(factors) == 1 and not left:
            return factors, True, (), ("it is the only determinant that differs",)
        snapshots = (read_snapshot(self.session.store, last_good), read_snapshot(self.session.store, first_bad))
        with Bench(self.session, snapshots, (a, b), factors, step, self.condition.metric, self.env) as bench:
            trial = _Trial(bench, self.condition, self.notify, self.cancel)
            guilty, alone = trial.guilty(len(factors))
        if self.cancel.is_set():
            guilty, alone = (), True
            notes.append("cancelled before all hybrids were tried")
        elif not guilty:
            notes.append(
                "none of these makes the good run bad, nor do all of them together as far as that could be run"
            )
        return (
            tuple(factors[at] for at in guilty),
            alone,
            tuple(
                Tried(_names(factors, one.recipe.taken), None, one.run, one.value, one.problem)
                for one in trial.outcomes
            ),
            tuple(notes),
        )

    def _factors(
        self, comparison: Comparison, a: RunFacts, b: RunFacts
    ) -> tuple[str, tuple[Factor, ...], tuple[Difference, ...]]:
        needs = needs_of(self.session.root, b)
        if self.condition.metric:
            outputs = {name: one.step for name, one in {**a.outputs, **b.outputs}.items()}
            step = _owner(self.condition.metric, {**{name: name for name in (*a.graph, *b.graph)}, **outputs})
        else:
            step = next((one.name for one in b.steps.values() if one.state == "failed"), "")
        if any(one.subject == self.condition.metric for one in comparison.of("metric")):
            found = why_metric(comparison, a, b, needs, self.condition.metric).causes
        else:
            found = causes(comparison, ways_back(step, a, b, needs))
        factors = factors_of(found, a, b)
        snapshots = (read_snapshot(self.session.store, int(a.label)), read_snapshot(self.session.store, int(b.label)))
        if not comes_apart(*snapshots, (a, b), factors.tried, list(ways_back(step, a, b, needs))):
            factors = factors_of(found, a, b, code_whole=True)
        left = tuple(one for one in factors.left_out if one.kind in DETERMINANTS)
        return step, factors.tried, left


class _Trial:
    """Which factors make a good run bad, by hybrids of the two."""

    def __init__(self, bench: Bench, condition: Condition, notify: Notify, cancel: threading.Event) -> None:
        self.bench, self.condition, self.notify, self.cancel = bench, condition, notify, cancel
        self.outcomes: list[Outcome] = []

    def guilty(self, count: int) -> tuple[tuple[int, ...], bool]:
        """Places of the factors that suffice each alone; else of the fewest found that do together."""
        single = tuple(at for at in range(count) if self.is_bad(frozenset((at,))))
        if single or count == 1 or not self.is_bad(frozenset(range(count))):
            return single, True
        # Delta debugging in its simplest form: leave out what is not needed, one by one.
        needed = list(range(count))
        for at in range(count):
            fewer = frozenset(needed) - {at}
            if len(fewer) > 1 and self.is_bad(fewer):
                needed.remove(at)
        return tuple(needed), False

    def is_bad(self, taken: frozenset[int]) -> bool:
        known = next((one for one in self.outcomes if one.recipe.taken == taken), None)
        if known is None:
            known = self.bench.run(Recipe(taken), "bisect", self.notify, self.cancel)
            self.outcomes.append(known)
        return self.condition.judge_outcome(known) == "bad"


def _from_the_middle(low: int, high: int) -> Sequence[int]:
    """The places strictly between, the middle first, then its neighbours outwards."""
    middle = (low + high) // 2
    return sorted(range(low + 1, high), key=lambda at: abs(at - middle))


def _owner(metric: str, owners: Mapping[str, str]) -> str:
    """The step of a metric, by the name of a step or of an output."""
    head = metric.partition(".")[0]
    if head not in owners:
        hint = nearest(head, owners)
        raise UsageError(
            f"there is no step `{head}`, of which `{metric}` could be a metric", mend=hint[:1].upper() + hint[1:]
        )
    return owners[head]


def _names(factors: Sequence[Factor], taken: frozenset[int]) -> tuple[str, ...]:
    return tuple(factors[at].name for at in sorted(taken))
