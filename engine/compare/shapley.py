"""How much each of several factors contributed, from the values of hybrids. Pure arithmetic.

The Shapley value of a factor is its marginal effect averaged over all orders in which the factors could have been
changed; the values of all factors sum to the whole change (Shapley 1953). Interactions are the Harsanyi dividends: what
a set of factors does together beyond all that its subsets do. Beyond `EXACT` factors orders are drawn at random, each
with its reverse, which cancels much of the noise (antithetic sampling; Mitchell et al. 2022).
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from math import comb
from statistics import fmean, stdev
from typing import Final

from .metrics import t95

EXACT: Final = 4
"""Factors up to which every hybrid is run: 16."""
ORDERS: Final = 8
"""Orders that are drawn beyond that; half of them are the others' reverse."""

Taken = frozenset[int]
"""The places of the factors that are B's in a hybrid."""


@dataclass(frozen=True, slots=True)
class Share:
    """One factor's contribution; `error` is the half-width of a 95 % interval where it was sampled, 0 where it is
    exact. None where no hybrid that ran tells it."""

    value: float | None
    error: float | None = 0.0


def hybrids(n: int, orders: Sequence[Sequence[int]] = ()) -> list[Taken]:
    """The sets to evaluate, the fewest factors first: all of them, or those on the way along `orders`."""
    if not orders:
        return [frozenset(one) for one in subsets(range(n))]
    found = {frozenset(order[:at]) for order in orders for at in range(n + 1)}
    return sorted(found, key=lambda one: (len(one), sorted(one)))


def drawn_orders(n: int, count: int = ORDERS, seed: int = 0) -> list[tuple[int, ...]]:
    """Random orders, each followed by its reverse; the same for the same arguments."""
    source = random.Random(seed)
    found: list[tuple[int, ...]] = []
    for _ in range(max(1, count // 2)):
        order = list(range(n))
        source.shuffle(order)
        found += [tuple(order), tuple(reversed(order))]
    return found


def exact(values: Mapping[Taken, float], n: int) -> list[Share]:
    """The Shapley values. Where hybrids are missing, the average over the steps that are known, re-weighted."""
    shares: list[Share] = []
    for factor in range(n):
        rest = [one for one in range(n) if one != factor]
        total = weights = 0.0
        for others in subsets(rest):
            before, after = frozenset(others), frozenset((*others, factor))
            if before in values and after in values:
                weight = 1 / (n * comb(n - 1, len(before)))
                total += weight * (values[after] - values[before])
                weights += weight
        shares.append(Share(total / weights) if weights else Share(None, None))
    return shares


def sampled(values: Mapping[Taken, float], n: int, orders: Sequence[Sequence[int]]) -> list[Share]:
    """Averages over the orders; one with a hybrid that is missing counts as far as it is known."""
    shares: list[Share] = []
    for factor in range(n):
        known = [one for order in orders if (one := _effect(values, order, factor)) is not None]
        if not known:
            shares.append(Share(None, None))
            continue
        # As if the orders were independent: that each comes with its reverse makes the truth nearer, and the error of
        # a few pairs can be nothing by chance.
        error = t95(len(known) - 1) * stdev(known) / len(known) ** 0.5 if len(known) > 1 else None
        shares.append(Share(fmean(known), error))
    return shares


def over_seeds(shares: Sequence[Sequence[Share]]) -> list[Share]:
    """The mean of each factor's shares over several seeds, with the error of that mean."""
    found: list[Share] = []
    for those in zip(*shares, strict=True):
        known = [one.value for one in those if one.value is not None]
        if not known:
            found.append(Share(None, None))
        elif len(known) == 1:
            found.append(Share(known[0], None))
        else:
            own = max(one.error or 0.0 for one in those)
            chance = t95(len(known) - 1) * stdev(known) / len(known) ** 0.5
            found.append(Share(fmean(known), max(own, chance)))
    return found


def interactions(values: Mapping[Taken, float], n: int) -> dict[Taken, float]:
    """For every set of two or more factors of which all hybrids are known, what it does beyond its subsets."""
    dividends: dict[Taken, float] = {}
    for one in subsets(range(n)):
        whole = frozenset(one)
        inner = [frozenset(part) for part in subsets(one)]
        if all(part in values for part in inner):
            dividends[whole] = sum((-1) ** (len(whole) - len(part)) * values[part] for part in inner)
    return {one: value for one, value in dividends.items() if len(one) > 1}


def subsets(places: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All subsets, the smallest first."""
    return chain.from_iterable(combinations(places, size) for size in range(len(places) + 1))


def _effect(values: Mapping[Taken, float], order: Sequence[int], factor: int) -> float | None:
    at = order.index(factor)
    before, after = frozenset(order[:at]), frozenset(order[: at + 1])
    return values[after] - values[before] if before in values and after in values else None
