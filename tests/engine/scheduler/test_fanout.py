"""How items are packed, on a simulated pool of workers."""

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.engine.scheduler.fanout import GROWTH, LARGEST, NOTHING_KNOWN, SMALLEST_US, TARGET_US, Pace, batch_size

TASK_US = 450


def simulate(items: list[float], slots: int) -> tuple[list[int], float, list[float]]:
    """Sizes of the batches, the makespan, and when each worker stopped, in microseconds; batches pay `TASK_US`."""
    sizes: list[int] = []
    pace, position = NOTHING_KNOWN, 0
    free = [0.0] * slots
    busy: list[tuple[float, int, int]] = []
    while position < len(items) or busy:
        while free and position < len(items):
            now = heapq.heappop(free)
            size = batch_size(len(items) - position, slots, pace)
            sizes.append(size)
            took = int(sum(items[position : position + size]))
            position += size
            heapq.heappush(busy, (now + TASK_US + took, size, took))
        ended, size, took = heapq.heappop(busy)
        pace = pace.after(size, took)
        heapq.heappush(free, ended)
        if position >= len(items) and not busy:
            break
    ends = sorted(free)
    return sizes, ends[-1], ends


def test_starts_small_so_that_failures_show_early() -> None:
    assert batch_size(100, 2, NOTHING_KNOWN) == 1
    assert batch_size(20_000, 2, NOTHING_KNOWN) == 4


def test_grows_by_at_most_a_factor_because_the_first_estimate_is_rough() -> None:
    assert batch_size(100_000, 2, Pace(0.1, 4)) == 4 * GROWTH


def test_a_task_lasts_about_half_a_second() -> None:
    assert batch_size(100_000, 2, Pace(1_000, 500)) == 500


def test_trivial_items_are_capped() -> None:
    assert batch_size(1_000_000, 2, Pace(0.0, LARGEST)) == LARGEST


def test_long_items_go_alone() -> None:
    assert batch_size(1_000, 2, Pace(3_000_000, 1)) == 1


def test_a_batch_stays_well_under_the_time_limit() -> None:
    assert batch_size(100_000, 2, Pace(1_000, 500), timeout_us=40_000) == 10


def test_the_average_follows_what_items_take_now() -> None:
    pace = NOTHING_KNOWN.after(4, 2_000_000)
    for _ in range(12):
        pace = pace.after(8, 800)
    assert pace.item_us == pytest.approx(222, abs=200)


@pytest.mark.parametrize(("item_us", "slots"), [(5, 2), (600, 2), (600, 16), (20_000, 4)])
def test_the_pool_is_busy_to_the_end_with_few_tasks(item_us: float, slots: int) -> None:
    items = [item_us] * 20_000
    sizes, makespan, ends = simulate(items, slots)
    assert sum(sizes) == len(items)
    assert makespan <= 1.05 * sum(items) / slots + 20 * TASK_US
    assert ends[-1] - ends[0] <= max(SMALLEST_US, 2 * item_us) + TASK_US
    assert len(sizes) <= 2 * (sum(items) / TARGET_US + 25 * slots)


def test_uneven_items_still_end_together() -> None:
    items = [200.0 + 4_000 * (index % 97 == 0) + index / 10 for index in range(20_000)]
    _, makespan, ends = simulate(items, 8)
    assert makespan <= 1.05 * sum(items) / 8
    assert ends[-1] - ends[0] <= 60_000


@given(
    remaining=st.integers(1, 10**6),
    slots=st.integers(0, 10_000),
    item_us=st.floats(0, 1e12),
    proven=st.integers(0, LARGEST),
    timeout_us=st.none() | st.integers(0, 10**9),
)
def test_a_batch_is_never_empty_nor_more_than_there_is(
    remaining: int, slots: int, item_us: float, proven: int, timeout_us: int | None
) -> None:
    assert 1 <= batch_size(remaining, slots, Pace(item_us, proven), timeout_us) <= min(remaining, LARGEST)


@given(remaining=st.integers(1, 10**5), slots=st.integers(1, 100), proven=st.integers(1, LARGEST))
def test_longer_items_never_make_larger_batches(remaining: int, slots: int, proven: int) -> None:
    sizes = [batch_size(remaining, slots, Pace(10.0**power, proven)) for power in range(9)]
    assert sizes == sorted(sizes, reverse=True)


@given(st.lists(st.tuples(st.integers(-1, 3000), st.integers(-10, 10**9))))
def test_the_pace_is_never_negative(finished: list[tuple[int, int]]) -> None:
    pace = NOTHING_KNOWN
    for items, busy_us in finished:
        pace = pace.after(items, busy_us)
    assert pace.item_us >= 0
    assert pace.proven >= 0
