"""How many items of a fan-out go into the next task: few tasks, none of them long, and every core busy to the end.

A task costs some 20 ms in all (the engine gives it out and writes down what comes back, the worker prepares and clears
away), so items are packed until a task lasts `TARGET_US` by what items really took: then that is a twenty-fifth. Longer
ones would show later how it goes. The first tasks are tiny, so that failures and prices show early; then sizes grow by
at most `GROWTH` a time, since the first estimate contains loading code. Towards the end tasks shrink by guided
self-scheduling, so that the workers stop together: each takes a share `1/(2 · slots)` of what is left, but none shorter
than `SMALLEST_US`, below which starting it would cost more than the others' waiting.

Source: Polychronopoulos and Kuck, "Guided self-scheduling", IEEE Transactions on Computers 36 (1987); the factor two
is from Hummel, Schonberg and Flynn, "Factoring", Communications of the ACM 35 (1992), for items of unequal length.
"""

from dataclasses import dataclass

TARGET_US = 500_000
SMALLEST_US = 40_000
FIRST = 4
LARGEST = 2_000
GROWTH = 8
SHARE = 2
WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Pace:
    """What finished tasks have shown: the exponential average of microseconds an item, and the most items that one
    task has finished (0: nothing is known yet)."""

    item_us: float = 0.0
    proven: int = 0

    def after(self, items: int, busy_us: int) -> "Pace":
        if items <= 0:
            return self
        took = max(busy_us, 0) / items
        average = WEIGHT * took + (1 - WEIGHT) * self.item_us if self.proven else took
        return Pace(average, max(self.proven, items))


NOTHING_KNOWN = Pace()


def batch_size(remaining: int, slots: int, pace: Pace, timeout_us: int | None = None) -> int:
    """Items for the next task, from 1 to `LARGEST`, of `remaining` that `slots` tasks can work on side by side.

    A batch should stay under a quarter of `timeout_us`, the time that one item is allowed: the limit applies to the
    task.
    """
    slots = max(slots, 1)
    if not pace.proven:
        return _clamp(remaining // (slots * 50), FIRST, remaining)
    share = -(-remaining // (SHARE * slots))
    size = min(max(share, _in(SMALLEST_US, pace)), _in(TARGET_US, pace), GROWTH * pace.proven)
    if timeout_us is not None:
        size = min(size, _in(timeout_us // 4, pace))
    return _clamp(size, LARGEST, remaining)


def _in(us: int, pace: Pace) -> int:
    """How many items take `us`."""
    return LARGEST if pace.item_us * LARGEST <= us else int(us / pace.item_us)


def _clamp(size: int, most: int, remaining: int) -> int:
    return max(1, min(size, most, remaining))
