"""Words, numbers and columns for a terminal, the same in every command. No library: a no-op command must stay quick."""

import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

MARKS: Mapping[str, str] = {
    "fresh": "✓",
    "reused": "✓",
    "done": "✓",
    "running": "▶",
    "stale": "◌",
    "pending": "◌",
    "retrying": "↻",
    "failed": "✗",
    "blocked": "‖",
    "cancelled": "‖",
    "interrupted": "‖",
}
_COLOURS = {
    "fresh": "32",
    "reused": "32",
    "done": "32",
    "running": "36",
    "stale": "33",
    "pending": "33",
    "retrying": "33",
    "failed": "31",
    "blocked": "35",
    "cancelled": "35",
    "interrupted": "35",
    "dim": "2",
    "bold": "1",
}
_CONTROL = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
    r"|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"  # what turns the direction of text, or ends a line
)
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_LINES = str.maketrans({"\n": "⏎", "\t": " "})


def clean(text: str) -> str:
    """`text` without anything that a terminal would obey: names, logs and errors come from other people's data."""
    return _CONTROL.sub("", text)


def obeyed(text: str) -> set[str]:
    """The characters of `text` that a terminal obeys, or that end a line."""
    return set(_CONTROL_CHARACTERS.findall(text))


def oneline(text: object) -> str:
    """A name or a path, clean and in one line: a file may be called `a\\n✓ all is well`."""
    return clean(str(text)).translate(_LINES)


def colourful(stream: object = None) -> bool:
    """Whether to colour: a terminal, and neither `NO_COLOR` nor a dumb one."""
    out = stream or sys.stdout
    return (
        bool(getattr(out, "isatty", lambda: False)())
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )


def paint(text: str, name: str, *, on: bool) -> str:
    return f"\x1b[{_COLOURS[name]}m{text}\x1b[0m" if on and name in _COLOURS else text


def seconds(value: float | None) -> str:
    """`0.12 s`, `4.1 s`, `1m02`, `2h05`; nothing for None."""
    if value is None:
        return ""
    if value < 0.0995:
        return f"{value * 1000:.0f} ms"
    if value < 10:
        return f"{value:.1f} s"
    if value < 60:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}m{rest:02}" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}"


def size(count: float) -> str:
    """Bytes with a unit of 1000: `840 B`, `12.3 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def number(value: object) -> str:
    """A metric or a param, short: at most four significant digits for floats."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else clean(str(value))


def plural(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def width(text: str) -> int:
    """Columns that `text` takes on a terminal; wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text if not unicodedata.combining(one))


def pad(text: str, columns: int) -> str:
    return text + " " * max(0, columns - width(text))


def fit(text: str, columns: int) -> str:
    """`text` cut to `columns`, with an ellipsis where something went."""
    if len(text) <= columns and width(text) <= columns:
        return text
    room, kept = columns - 1, 0
    for at, one in enumerate(text):
        kept += width(one)
        if kept > room:
            # What is left may be of no width: then nothing needs to go.
            return text[:at] + "…" if kept > columns or width(text[at + 1 : at + 1 + columns]) else text
    return text


def screen_width() -> int:
    return shutil.get_terminal_size((120, 40)).columns if sys.stdout.isatty() else 160


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> str:
    """Rows under a head, padded, two spaces apart; the last column is cut at the screen's edge. `right` columns are
    set flush right."""
    cells = [[oneline(cell) for cell in row] for row in rows]
    widths = [max(width(row[i]) for row in [list(head), *cells]) for i in range(len(head))]
    flush = set(right)
    room = screen_width()

    def line(row: Sequence[str]) -> str:
        parts = [
            " " * (widths[i] - width(cell)) + cell if i in flush else pad(cell, widths[i]) for i, cell in enumerate(row)
        ]
        return fit("  ".join(parts).rstrip(), room)

    return "\n".join([line(list(head)), *(line(row) for row in cells)])
