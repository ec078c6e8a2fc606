"""A page of a table as cells of a grid: widths, sides, and texts that cannot break a line. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from ..text import clean, fit, width
from ..widgets.grid import Cell, Column

WIDEST = 32
"""Columns of the screen that one column of a table takes at most, unless there is nothing beside it."""
NULL = "∅"
_JUDGED = 60
_NAMES = {
    "double": "float64",
    "float": "float32",
    "halffloat": "float16",
    "large_string": "text",
    "date32[day]": "date",
}
_LINES = str.maketrans({"\n": "⏎", "\r": "⏎", "\t": " "})


def type_name(dtype: str) -> str:
    """Arrow's name of a type as people say it."""
    if dtype in _NAMES:
        return _NAMES[dtype]
    for long, brief in (("large_list<item: ", "list["), ("fixed_size_list<item: ", "list[")):
        if dtype.startswith(long):
            inner, _, rest = dtype.removeprefix(long).rpartition(">")
            return f"{brief}{type_name(inner)}]{rest}"
    return dtype.replace("large_", "")


def is_number(dtype: str) -> bool:
    return dtype.startswith(("int", "uint", "double", "float", "halffloat", "decimal"))


def is_float(dtype: str) -> bool:
    return dtype in ("double", "float", "halffloat")


def flat(text: str) -> str:
    """One line that a terminal does not obey."""
    return clean(text.translate(_LINES))


def cell(text: str | None, *, shorten: bool = False, right: bool = False) -> Cell:
    """A value as a cell; a missing one has a sign that no text is mistaken for."""
    if text is None:
        return Text(NULL, "dim")
    if shorten:
        return _short(text)
    told = flat(text)
    # A text that looks like the sign of a missing value, or like nothing, is put in quotes.
    return f'"{told}"' if not right and (not told.strip() or told == NULL) else told


def _short(text: str) -> str:
    """A float in at most six significant digits, never in a form that hides how large it is."""
    try:
        value = float(text)
    except ValueError:
        return flat(text)
    if value.is_integer() and abs(value) < 1e15:
        return f"{value:.1f}"
    return f"{value:.2f}" if 1e5 <= abs(value) < 1e15 else f"{value:.6g}"


def columns_of(
    names: Sequence[str], right: Sequence[bool], rows: Sequence[Sequence[Cell]], room: int
) -> tuple[Column, ...]:
    """Columns as wide as their titles and first cells need. What is left of the `room` goes to those that were cut."""
    wanted: list[int] = []
    for at, name in enumerate(names):
        cells = [row[at] for row in rows[:_JUDGED] if at < len(row)]
        widest = max((one.cell_len if isinstance(one, Text) else width(one) for one in cells), default=0)
        wanted.append(max(4, widest, width(flat(name)) + 2))
    widths = [min(one, WIDEST) for one in wanted]
    spare = room - sum(one + 2 for one in widths)
    for at, one in enumerate(wanted):
        more = min(max(0, spare), one - widths[at])
        widths[at] += more
        spare -= more
    return tuple(Column(name, flat(name), wide, flush) for name, wide, flush in zip(names, widths, right, strict=True))


def page_cells(rows: Sequence[Sequence[str | None]], dtypes: Sequence[str]) -> list[list[Cell]]:
    """A page of a table."""
    kinds = [(is_float(one), is_number(one)) for one in dtypes]
    return [
        [cell(one, shorten=shorten, right=right) for one, (shorten, right) in zip(row, kinds, strict=True)]
        for row in rows
    ]


def answer_cells(rows: Sequence[Sequence[str | None]], numeric: Sequence[bool]) -> list[list[Cell]]:
    """A page of an answer to a question; a number there is shown as it is, it may be an id or a count."""
    return [[cell(one, right=right) for one, right in zip(row, numeric, strict=True)] for row in rows]


def where_title(view: Mapping[str, Any], room: int) -> str:  # Any: JSON
    """What a person made of the table, for the pane's title."""
    return fit(f"where {flat(str(view['where']))}", room) if view.get("where") else ""
