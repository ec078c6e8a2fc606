"""The longest chain of a graph whose nodes take time: its critical path."""

from collections.abc import Mapping, Sequence


def longest_chain(needs: Mapping[str, Sequence[str]], took: Mapping[str, float]) -> tuple[str, ...]:
    """The chain of steps, each needing the one before, whose times have the largest sum; of equals the first.

    The critical path of the graph: no worker more would have made the run shorter than this.
    """
    best: dict[str, tuple[float, str | None]] = {}
    for name in in_order(needs):
        before = [(best[need][0], need) for need in needs[name] if need in best]
        longest, through = max(before, key=lambda one: one[0], default=(0.0, None))
        best[name] = (longest + took.get(name, 0.0), through)
    if not best:
        return ()
    at: str | None = max(best, key=lambda name: best[name][0])
    chain: list[str] = []
    while at is not None:
        chain.append(at)
        at = best[at][1]
    return tuple(reversed(chain))


def in_order(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Every step after those that it needs. What was recorded has no cycles; were there one, it is left out."""
    left = {name: len({one for one in found if one in needs}) for name, found in needs.items()}
    after: dict[str, list[str]] = {name: [] for name in needs}
    for name, found in needs.items():
        for one in {one for one in found if one in needs}:
            after[one].append(name)
    order = [name for name, count in left.items() if not count]
    for name in order:  # grows while it is gone through
        for one in after[name]:
            left[one] -= 1
            if not left[one]:
                order.append(one)
    return order
