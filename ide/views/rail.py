"""The graph as a rail, like `git log --graph`: one row a step, lanes for outputs that are still waited for.

A lane belongs to a step from its row until the last step that needs it. Between two rows stands a connector where lanes
branch or merge. Steps come in topological order, so every line leads down.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_LANES = 12
"""More outputs waited for at once than this are drawn as `…`: names must keep their room."""


@dataclass(frozen=True, slots=True)
class RailRow:
    """`art` is what stands left of the name; `step` is "" for a connector."""

    art: str
    step: str = ""


def rail(needs: Mapping[str, Sequence[str]], *, spaced: bool = True) -> list[RailRow]:
    """The rows of a graph: step → the steps it needs, in topological order. `spaced` puts a row between two steps that
    simply follow each other; without it such rows are left out."""
    left = dict.fromkeys(needs, 0)
    for found in needs.values():
        for one in set(found) & needs.keys():
            left[one] += 1
    lanes: list[str | None] = []
    rows: list[RailRow] = []
    for name, found in needs.items():
        inputs = {index for index, owner in enumerate(lanes) if owner is not None and owner in found}
        for index in inputs:
            left[str(lanes[index])] -= 1
        ending = {index for index in inputs if left[str(lanes[index])] == 0}
        at = min(ending) if ending else _free(lanes)
        if inputs and (inputs != {at} or spaced):
            rows.append(RailRow(_connector(lanes, inputs, ending, at)))
        for index in ending:
            lanes[index] = None
        if at == len(lanes):
            lanes.append(None)
        lanes[at] = name
        rows.append(RailRow(_step_art(lanes, at), name))
        if left[name] == 0:
            lanes[at] = None
        while lanes and lanes[-1] is None:
            lanes.pop()
    width = max((len(row.art) for row in rows), default=0)
    return [RailRow(row.art.ljust(width), row.step) for row in rows]


def _free(lanes: Sequence[str | None]) -> int:
    return next((index for index, owner in enumerate(lanes) if owner is None), len(lanes))


def _step_art(lanes: Sequence[str | None], at: int) -> str:
    marks = ["●" if index == at else "│" if owner is not None else " " for index, owner in enumerate(lanes)]
    return _cut(" ".join(marks).rstrip(), at)


def _connector(lanes: Sequence[str | None], inputs: set[int], ending: set[int], at: int) -> str:
    """Lines from every input's lane to the lane `at` of the step below."""
    joined = inputs | {at}
    first, last = min(joined), max(joined)
    drawn = ""
    for index in range(max(len(lanes), at + 1)):
        owner = lanes[index] if index < len(lanes) else None
        between = first <= index <= last and first != last
        up = owner is not None
        down = index == at or (up and index not in ending)
        left, right = between and index > first, between and index < last
        if owner is not None and index not in joined and between:
            left = right = True
        drawn += _LINES[up, down, left, right]
        drawn += "─" if between and index < last else " "
    return _cut(drawn.rstrip(), at)


def _cut(art: str, at: int) -> str:
    if len(art) <= 2 * MAX_LANES:
        return art
    return art[: 2 * MAX_LANES - 1] + ("●" if at >= MAX_LANES and "●" in art else "…")


_LINES: Mapping[tuple[bool, bool, bool, bool], str] = {
    (False, False, False, False): " ",
    (False, False, True, True): "─",
    (False, False, True, False): "─",
    (False, False, False, True): "─",
    (True, True, False, False): "│",
    (True, False, False, False): "│",
    (False, True, False, False): "│",
    (True, True, False, True): "├",
    (True, True, True, False): "┤",
    (True, True, True, True): "┼",
    (True, False, False, True): "╰",
    (True, False, True, False): "╯",
    (True, False, True, True): "┴",
    (False, True, False, True): "╭",
    (False, True, True, False): "╮",
    (False, True, True, True): "┬",
}
"""By whether a line goes up, down, left, right from the cell."""
