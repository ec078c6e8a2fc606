"""The rail is a drawing of the graph: every edge can be followed down its lines, and no line ends in the air."""

import string

from hypothesis import given
from hypothesis import strategies as st

from instep.ide.views.rail import MAX_LANES, rail

UP, DOWN, LEFT, RIGHT = (0, -1), (0, 1), (-1, 0), (1, 0)
ENDS = {
    "│": {UP, DOWN}, "─": {LEFT, RIGHT}, "├": {UP, DOWN, RIGHT}, "┤": {UP, DOWN, LEFT}, "┼": {UP, DOWN, LEFT, RIGHT},
    "╰": {UP, RIGHT}, "╯": {UP, LEFT}, "┴": {UP, LEFT, RIGHT}, "╭": {DOWN, RIGHT}, "╮": {DOWN, LEFT},
    "┬": {DOWN, LEFT, RIGHT}, "●": {UP, DOWN}, " ": set(),
}  # fmt: skip


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Steps in topological order, each with what it needs; few lanes, so that nothing is cut off."""
    names = string.ascii_lowercase[: draw(st.integers(1, 9))]
    return {name: draw(st.lists(st.sampled_from(names[:at]), unique=True, max_size=3)) if at else []
            for at, name in enumerate(names)}  # fmt: skip


def connected(art: list[str], start: tuple[int, int]) -> set[tuple[int, int]]:
    """The cells that can be reached from `start` along lines that meet."""
    found, todo = {start}, [start]
    while todo:
        x, y = todo.pop()
        for dx, dy in ENDS[art[y][x]]:
            at = (x + dx, y + dy)
            inside = 0 <= at[1] < len(art) and 0 <= at[0] < len(art[0])
            if inside and at not in found and (-dx, -dy) in ENDS[art[at[1]][at[0]]]:
                found.add(at)
                todo.append(at)
    return found


@given(graphs(), st.booleans())
def test_every_edge_can_be_followed_and_every_step_stands_there_once(graph: dict[str, list[str]], spaced: bool) -> None:
    rows = rail(graph, spaced=spaced)
    assert [row.step for row in rows if row.step] == list(graph)
    assert len({len(row.art) for row in rows}) == 1
    if len(rows[0].art) > 2 * MAX_LANES - 2:
        return
    art = [row.art for row in rows]
    places = {row.step: (row.art.index("●"), at) for at, row in enumerate(rows) if row.step}
    for step, needed in graph.items():
        for need in needed:
            assert places[step] in connected(art, places[need]), "\n".join(art)


@given(graphs())
def test_no_line_ends_in_the_air(graph: dict[str, list[str]]) -> None:
    art = [row.art for row in rail(graph)]
    for y, line in enumerate(art):
        for x, glyph in enumerate(line):
            for dx, dy in ENDS[glyph] if glyph != "●" else ():
                inside = 0 <= y + dy < len(art) and 0 <= x + dx < len(line)
                assert inside and (-dx, -dy) in ENDS[art[y + dy][x + dx]], "\n".join(art)


def test_a_chain_is_one_line_and_a_fork_comes_together_again() -> None:
    graph = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
    assert [row.art.rstrip() for row in rail(graph)] == ["●", "├─╮", "│ ●", "│ │", "● │", "├─╯", "●"]


def test_three_hundred_steps_that_all_need_the_first_stay_narrow() -> None:
    graph = {"first": []} | {f"s{index}": ["first"] for index in range(300)} | {"last": [f"s{i}" for i in range(300)]}
    rows = rail(graph)
    assert max(len(row.art) for row in rows) <= 2 * MAX_LANES + 1
    assert sum(bool(row.step) for row in rows) == 302
