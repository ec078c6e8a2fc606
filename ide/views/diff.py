"""Aligned lines of two texts as what a diff view draws. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rich.text import Text

from ...engine.compare.lines import Line, Row
from ..text import clean
from .source import coloured

NUMBERS = 5
"""Columns of a line's number."""


@dataclass(frozen=True, slots=True)
class Diff:
    """`hunks` are the rows that changes begin at; `paths` of A and B, None where one has no file."""

    rows: tuple[Row, ...] = ()
    hunks: tuple[int, ...] = ()
    paths: tuple[str | None, str | None] = (None, None)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Diff":  # Any: JSON that `compare_code` answered
        rows = tuple(Row(_line(left), _line(right)) for left, right in document["rows"])
        return cls(rows, tuple(document["hunks"]), (document["paths"][0], document["paths"][1]))

    @property
    def counts(self) -> tuple[int, int]:
        """Lines only in B, lines only in A."""
        changed = [one for one in self.rows if not one.equal]
        return sum(one.right is not None for one in changed), sum(one.left is not None for one in changed)


@dataclass(frozen=True, slots=True)
class Flat:
    """One line where both sides are in one column; `row` is where it stands among the aligned ones."""

    row: int
    line: Line


def _line(told: Sequence[Any] | None) -> Line | None:  # Any: JSON
    return None if told is None else Line(told[0], told[1], told[2], tuple((one[0], one[1]) for one in told[3]))


def flat_lines(diff: Diff) -> tuple[Flat, ...]:
    """One column: of each block of changes first what went, then what came."""
    found: list[Flat] = []
    came: list[Flat] = []
    for at, row in enumerate(diff.rows):
        if row.equal:
            found += came
            came = []
            found += [Flat(at, row.right)] if row.right is not None else []
            continue
        found += [Flat(at, row.left)] if row.left is not None else []
        came += [Flat(at, row.right)] if row.right is not None else []
    return (*found, *came)


def unified_line(one: Flat) -> Text:
    return _numbered(one.line).append_text(_source(one.line))


def side_text(line: Line | None, ink: str, columns: int) -> Text:
    """One side of a row in exactly `columns`; nothing there is hatched, so that it is not taken for an empty line."""
    if line is None:
        text = Text(" " * NUMBERS + "  ", no_wrap=True, end="")
        return text.append("╲" * max(0, columns - NUMBERS - 2), "line")
    text = _numbered(line, ink).append_text(_source(line))
    if text.cell_len > columns:
        text.truncate(columns, overflow="ellipsis")
    return text.append(" " * max(0, columns - text.cell_len))


def _numbered(line: Line, ink: str = "dim") -> Text:
    mark, colour = {"+": ("+", "ok"), "-": ("−", "failed")}.get(line.mark, (" ", "dim"))
    text = Text(f"{line.number:>{NUMBERS}}", "dim" if line.mark == "=" else ink, no_wrap=True, end="")
    return text.append(f" {mark} ", f"{colour}.bold" if line.mark != "=" else "dim")


def _source(line: Line) -> Text:
    """The line in colours, with what differs from its counterpart on another ground. Only lines that are looked at come
    here, so colouring them one by one is quicker than a whole source."""
    plain = clean(line.text).replace("\n", "⏎").expandtabs(4)
    same = plain == line.text
    text = _coloured(plain).copy() if line.mark == "=" else Text(plain)
    text.no_wrap, text.end = True, ""
    if line.mark != "=":
        text.stylize("ok" if line.mark == "+" else "failed")
        for start, end in line.changed if same else ():
            text.stylize("match", start, end)
    return text


@lru_cache(maxsize=4_000)
def _coloured(line: str) -> Text:
    return coloured(line)[0]
