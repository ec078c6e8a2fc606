"""How one line of a log is drawn: with its time, step and level, cut or wrapped. Pure functions.

What steps print is other people's data: before it is drawn it loses everything that a terminal would obey, that has no
width, or that would turn the line around, so that a column on the screen is a column of the text.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.cells import cell_len, get_character_cell_size
from rich.text import Text

from ..text import clean, fit, pad, width

_MARKS = ("debug   ", "info    ", "warn !  ", "error ✗ ")
_SHORT = ("  ", "  ", "! ", "✗ ")
_STYLES = ("dim", "text", "stale", "failed")
_NARROW, _NARROWEST = 100, 50
"""Below so many columns lines have a shorter head, or hardly one."""
_MORE = 20
"""Characters that saying how many more there are takes."""
_ROOM = 12
"""Columns of what was said, where there is hardly room beside its head."""
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U0001f3fb-\U0001f3ff]")


@dataclass(frozen=True, slots=True)
class LogLine:
    """`seq` is its number in the file it was written to; `rank` is its level's place in LEVELS."""

    t: int
    step: str
    seq: int
    item: int | None
    stream: str
    level: str
    rank: int
    text: str

    @property
    def anchor(self) -> list[Any]:  # Any: JSON
        """What it is known by, whatever the filter."""
        return [self.t, self.step, self.seq]


def line_of(row: Sequence[Any]) -> LogLine:  # Any: JSON of `log`
    t, step, seq, item, stream, level, rank, text = row
    return LogLine(t, step, seq, item, stream, level, rank, shown(text))


def shown(text: str) -> str:
    """One line of text in which every character takes the columns that are counted for it."""
    return _INVISIBLE.sub("", clean(text.expandtabs(8)).replace("\n", "⏎"))


def names_width(names: Iterable[str], items: int, columns: int) -> int:
    """Room for the names of steps: the longest, within reason; `items` columns more where there are items."""
    longest = max((width(clean(name)) for name in names), default=4)
    if columns < _NARROWEST:
        return min(longest, 6)
    return min(longest + items, 24 if columns >= _NARROW else 10 + min(items, 4))


def item_of(line: LogLine) -> str:
    return f"[{line.item}]" if line.item is not None else ""


def head(line: LogLine, names: int, columns: int) -> Text:
    """Time, step, item and level, always of the same width."""
    when = datetime.fromtimestamp(line.t / 1e6)
    wide = columns >= _NARROW
    at = "" if columns < _NARROWEST else when.strftime("%H:%M:%S  ")
    at = f"{at[:-2]}.{when.microsecond // 1000:03}  " if wide else at
    item = item_of(line)
    name = fit(clean(line.step), max(3, names - len(item))) + item
    style = _STYLES[line.rank] if line.rank > 1 else "dim"
    mark = (_MARKS if wide else _SHORT)[line.rank]
    return Text.assemble(
        (at, "dim"), (f"{pad(fit(name, names), names)}  ", "text"), (mark, style), no_wrap=True, end=""
    )


def body(line: LogLine, find: str) -> Text:
    """What was said, with `find` marked in it."""
    text = Text(line.text, _STYLES[line.rank], no_wrap=True, end="")
    for start, end in matches(line.text, find):
        text.stylize("match", start, end)
    return text


def matches(text: str, find: str) -> list[tuple[int, int]]:
    """Where `find` is in `text`; in small letters it is found in any case."""
    if not find:
        return []
    where = text if find != find.lower() or len(text.lower()) != len(text) else text.lower()
    return [found.span() for found in re.finditer(re.escape(find), where)]


def from_column(text: Text, left: int, columns: int) -> Text:
    """The part of a line that `columns` from column `left` show; half of a wide character is a space."""
    start, at = _index(text.plain, left)
    space = at - left
    end, _ = _index(text.plain[start:], max(0, columns - space))
    part = text[start : start + end]
    return Text.assemble(" " * space, part, no_wrap=True, end="") if space else part


def _index(text: str, column: int) -> tuple[int, int]:
    """The first character that begins at `column` or after it, and where it begins; what has no width belongs to the
    character before it."""
    if not column or text[: column + 1].isascii():
        return min(column, len(text)), column
    at = 0
    for index, one in enumerate(text):
        size = get_character_cell_size(one)
        if at >= column and size:
            return index, at
        at += size
    return len(text), max(at, column)


def _cuts(text: str, room: int, most: int) -> list[int]:
    """Where the rows of a text end, at most `most`; a wide character that does not fit begins the next row."""
    ends: list[int] = []
    begin = 0
    while len(ends) < most:
        end, at = _index(text[begin : begin + 4 * room], room)
        while at > room and end > 1:
            end -= 1
            at -= get_character_cell_size(text[begin + end])
        begin = min(len(text), begin + max(1, end))
        ends.append(begin)
        if begin == len(text):
            break
    return ends


def wrapped(line: LogLine, find: str, names: int, columns: int, most: int) -> list[Text]:
    """The line in rows of `columns`, at most `most`; the first with the head, the others below what was said."""
    first = head(line, names, columns)
    room = max(_ROOM, columns - first.cell_len)
    said, ends = body(line, find), _cuts(line.text, room, most)
    rows = [said[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
    if ends[-1] < len(line.text):
        begin = ends[-2] if len(ends) > 1 else 0
        end = begin + _index(line.text[begin : ends[-1]], max(0, room - _MORE))[0]
        rest = fit(f" … {len(line.text) - end:,} more", room)
        rows[-1] = Text.assemble(said[begin:end], (rest, "dim"), no_wrap=True, end="")
    space = Text(" " * first.cell_len, no_wrap=True, end="")
    return [Text.assemble(first if at == 0 else space, row, no_wrap=True, end="") for at, row in enumerate(rows)]


def height(line: LogLine, names: int, columns: int, most: int) -> int:
    """How many rows `wrapped` makes of it."""
    return len(_cuts(line.text, max(_ROOM, columns - head(line, names, columns).cell_len), most))


def columns_of(line: LogLine) -> int:
    return len(line.text) if line.text.isascii() else cell_len(line.text)
