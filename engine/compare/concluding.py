"""From what the hybrids gave to what each factor contributed. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from .attributed import Attribution, Contribution, Interaction, Quote, Tried
from .factors import Factor
from .facts import RunFacts
from .hybrids import Outcome, seed_params
from .metrics import Spread
from .shapley import Share, Taken, exact, interactions, over_seeds, sampled

_INTERACTION: Final = 0.02
"""Share of the largest contribution from which on an interaction is told."""


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
