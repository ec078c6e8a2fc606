"""Pieces that several commands print: metrics and params, frames of an error. Each is bounded: code may measure 20,000
things and call itself a thousand times."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from ..text import clean, number, oneline, pad, paint, plural

_MOST = 40
_FRAMES = 6


def print_values(values: Mapping[str, object], rest: str) -> None:
    """Name and value, a line each; `rest` says where those are that are left out."""
    shown = list(values.items())[: _MOST if len(values) > _MOST + 5 else len(values)]
    width = max((len(oneline(name)) for name, _ in shown), default=0)
    for name, value in shown:
        print(f"  {pad(oneline(name), width)}  {number(value)}")
    if len(values) > len(shown):
        print(f"  … and {len(values) - len(shown):,} more; {rest}")


def print_frames(frames: Sequence[Mapping[str, Any]], *, on: bool) -> None:  # Any: JSON
    """The user's lines that an error came through, outermost first; one that repeats is told once."""
    groups = [
        (next(same), 1 + sum(1 for _ in same))
        for _, same in groupby(frames, key=lambda one: (one["path"], one["line"], one["function"]))
    ]
    for frame, count in groups[-_FRAMES:]:
        again = f", {plural(count, 'time')} in a row" if count > 1 else ""
        print(f"  {oneline(frame['path'])}:{frame['line']} in {oneline(frame['function'])}{again}")
        print(f"      {paint(clean(frame['source'].strip()), 'bold', on=on)}")
