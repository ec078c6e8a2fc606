"""Two texts as lines with marks and numbers, for somebody else to draw. Pure; knows neither colours nor widths."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

Mark = Literal["=", "-", "+"]
Span = tuple[int, int]
MANY = 5_000
"""Lines beyond which `SequenceMatcher` may take its shortcut for frequent lines."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `number` is its place in its file. `changed` are the spans of characters that differ from its
    counterpart; empty where the whole line is new or gone."""

    number: int
    text: str
    mark: Mark
    changed: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A line of A beside one of B; None where one side has nothing there."""

    left: Line | None
    right: Line | None

    @property
    def equal(self) -> bool:
        return self.left is not None and self.left.mark == "="


@dataclass(frozen=True, slots=True)
class Hunk:
    """Rows that belong together: some changes with the equal lines around them."""

    rows: tuple[Row, ...]

    def unified(self) -> tuple[Line, ...]:
        """One column: what went, then what came, block by block."""
        return tuple(_unified(self.rows))


def side_by_side(before: str, after: str, before_line: int = 1, after_line: int = 1) -> tuple[Row, ...]:
    """Every line of both texts, aligned; the numbers start at `before_line` and `after_line`."""
    left, right = before.splitlines(), after.splitlines()
    matcher = SequenceMatcher(None, left, right, autojunk=len(left) + len(right) > MANY)
    rows: list[Row] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            rows += [
                Row(Line(before_line + i, left[i], "="), Line(after_line + j, right[j], "="))
                for i, j in zip(range(i1, i2), range(j1, j2), strict=True)
            ]
        else:
            rows += _replaced(left[i1:i2], right[j1:j2], before_line + i1, after_line + j1)
    return tuple(rows)


def hunks(rows: Sequence[Row], context: int = 3) -> tuple[Hunk, ...]:
    """The changes with `context` equal rows around them; changes closer than that are one hunk."""
    changed = [at for at, row in enumerate(rows) if not row.equal]
    found: list[Hunk] = []
    start = end = -1
    for at in changed:
        if start >= 0 and at - context <= end + context:
            end = at
            continue
        if start >= 0:
            found.append(Hunk(tuple(rows[max(0, start - context) : end + context + 1])))
        start = end = at
    if start >= 0:
        found.append(Hunk(tuple(rows[max(0, start - context) : end + context + 1])))
    return tuple(found)


def unified_text(before: str, after: str, before_line: int = 1, after_line: int = 1, context: int = 3) -> list[str]:
    """The hunks as the lines of a unified diff, with its `@@` heads."""
    told: list[str] = []
    for hunk in hunks(side_by_side(before, after, before_line, after_line), context):
        lefts = [row.left for row in hunk.rows if row.left is not None]
        rights = [row.right for row in hunk.rows if row.right is not None]
        told.append(
            f"@@ -{lefts[0].number if lefts else 0},{len(lefts)} +{rights[0].number if rights else 0},{len(rights)} @@"
        )
        told += [f"{' ' if line.mark == '=' else line.mark}{line.text}" for line in hunk.unified()]
    return told


def counts(rows: Sequence[Row]) -> tuple[int, int]:
    """(lines only in B, lines only in A)."""
    changed = [row for row in rows if not row.equal]
    return sum(row.right is not None for row in changed), sum(row.left is not None for row in changed)


def _replaced(left: Sequence[str], right: Sequence[str], left_at: int, right_at: int) -> Iterator[Row]:
    """Lines that were replaced, pair by pair as far as they go."""
    for at in range(max(len(left), len(right))):
        old = left[at] if at < len(left) else None
        new = right[at] if at < len(right) else None
        spans = _spans(old, new) if old is not None and new is not None else ((), ())
        yield Row(
            None if old is None else Line(left_at + at, old, "-", spans[0]),
            None if new is None else Line(right_at + at, new, "+", spans[1]),
        )


def _spans(old: str, new: str) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Where two lines differ; nothing where they have too little in common for that to help."""
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    if len(old) + len(new) > 1_000 or matcher.ratio() < 0.5:
        return (), ()
    codes = [one for one in matcher.get_opcodes() if one[0] != "equal"]
    return (
        tuple((i1, i2) for _, i1, i2, _, _ in codes if i2 > i1),
        tuple((j1, j2) for _, _, _, j1, j2 in codes if j2 > j1),
    )


def _unified(rows: Sequence[Row]) -> Iterator[Line]:
    gone: list[Line] = []
    came: list[Line] = []
    for row in rows:
        if row.equal:
            yield from gone
            yield from came
            gone, came = [], []
            assert row.right is not None, "an equal row has both sides"
            yield row.right
            continue
        if row.left is not None:
            gone.append(row.left)
        if row.right is not None:
            came.append(row.right)
    yield from gone
    yield from came
