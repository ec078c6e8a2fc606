"""Contributions by formula: additive, with an interaction, incomplete, sampled, noisy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.engine.compare.shapley import (
    Share,
    drawn_orders,
    exact,
    hybrids,
    interactions,
    over_seeds,
    sampled,
    subsets,
)


def table(value, n):
    return {frozenset(one): value(frozenset(one)) for one in subsets(range(n))}


def additive(taken):
    return 10.0 + sum({0: 1.0, 1: -2.0, 2: 4.0, 3: 0.5, 4: 3.0, 5: -1.0}[one] for one in taken)


def test_what_is_additive_is_told_apart_exactly():
    assert [one.value for one in exact(table(additive, 3), 3)] == pytest.approx([1.0, -2.0, 4.0])
    assert all(abs(value) < 1e-9 for value in interactions(table(additive, 3), 3).values())


def test_an_interaction_is_shared_equally_and_named():
    def value(taken):
        return additive(taken) + (6.0 if {0, 1} <= taken else 0.0)

    values = table(value, 3)
    assert [one.value for one in exact(values, 3)] == pytest.approx([4.0, 1.0, 4.0])
    found = interactions(values, 3)
    assert found[frozenset((0, 1))] == pytest.approx(6.0)
    assert found[frozenset((0, 2))] == pytest.approx(0.0)
    assert found[frozenset((0, 1, 2))] == pytest.approx(0.0)


@given(st.lists(st.floats(-1e3, 1e3), min_size=8, max_size=8))
def test_the_contributions_sum_to_the_whole_change(numbers):
    values = dict(zip((frozenset(one) for one in subsets(range(3))), numbers, strict=True))
    total = sum(one.value for one in exact(values, 3))
    assert total == pytest.approx(values[frozenset(range(3))] - values[frozenset()], abs=1e-6)


def test_hybrids_that_did_not_run_are_left_out_and_what_nobody_knows_is_none():
    values = table(additive, 2)
    del values[frozenset((0,))]
    assert [one.value for one in exact(values, 2)] == pytest.approx([1.0, -2.0])
    assert exact({frozenset(): 1.0, frozenset((0, 1)): 2.0}, 2) == [Share(None, None), Share(None, None)]
    assert interactions(values, 2) == {}


def test_orders_are_drawn_in_pairs_and_their_hybrids_are_few():
    orders = drawn_orders(6, 8)
    assert orders == drawn_orders(6, 8) and len(orders) == 8
    assert orders[1] == tuple(reversed(orders[0]))
    wanted = hybrids(6, orders)
    assert wanted[0] == frozenset() and wanted[-1] == frozenset(range(6))
    assert len(wanted) <= 8 * 5 + 2 < len(hybrids(6))


def test_samples_of_what_is_additive_are_exact_and_of_what_is_not_have_an_honest_error():
    orders = drawn_orders(6, 8)
    shares = sampled({one: additive(one) for one in hybrids(6, orders)}, 6, orders)
    assert [one.value for one in shares] == pytest.approx([1.0, -2.0, 4.0, 0.5, 3.0, -1.0])
    assert all(one.error == pytest.approx(0.0, abs=1e-9) for one in shares)

    def together(taken):
        return additive(taken) + 12.0 * ({0, 1, 2} <= taken)

    values = {one: together(one) for one in hybrids(6, orders)}
    truth = [5.0, 2.0, 8.0, 0.5, 3.0, -1.0]
    shares = sampled(values, 6, orders)
    assert all(abs(one.value - wanted) <= one.error + 1e-9 for one, wanted in zip(shares, truth, strict=True))
    assert shares[0].error > 0.1


def test_over_seeds_the_error_is_that_of_the_mean():
    found = over_seeds([[Share(1.0)], [Share(2.0)], [Share(3.0)]])
    assert found[0].value == 2.0
    assert found[0].error == pytest.approx(4.303 / 3**0.5)
    assert over_seeds([[Share(None, None)], [Share(2.0)]]) == [Share(2.0, None)]
