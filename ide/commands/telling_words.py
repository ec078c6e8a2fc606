"""Pieces of lines that every text about differences is made of."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Details of differences are read as JSON.

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..text import clean, fit, oneline, paint, plural


def diff_line(line: str, *, on: bool) -> str:
    colour = {"+": "done", "-": "failed", "@": "dim"}.get(line[:1], "")
    return paint(clean(line), colour, on=on)


def cut(lines: Sequence[str], most: int, *, whole: bool, total: int = 0) -> Iterator[str]:
    """The first `most` lines and how many more there are; of `total`, where only the first were made."""
    count = max(len(lines), total)
    kept = lines if whole or count <= most + 1 else lines[:most]
    yield from (f"  {line}" for line in kept)
    if len(kept) < count:
        yield f"  … {plural(count - len(kept), 'line')} more (--all)"


def arrow(before: object, after: object) -> str:
    return oneline(f"{'—' if before in (None, '') else before} → {'—' if after in (None, '') else after}")


def same_or_arrow(pair: Sequence[str]) -> str:
    return pair[0] if pair[0] == pair[1] else arrow(*pair)


def shown(value: Any) -> str:  # Any: JSON
    """A value on one line; a text that could be taken for something else in quotes."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return "—" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    if isinstance(value, str):
        plain = value and value.isprintable() and len(value) <= 80 and not _looks_like_json(value)
        return oneline(value if plain else json.dumps(value[:80], ensure_ascii=False))
    return oneline(fit(json.dumps(value, ensure_ascii=False), 80))


def _looks_like_json(text: str) -> bool:
    """Whether a text reads like a number, `true`, a list …: without quotes "1" → 1 would say nothing."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def listed(names: Iterable[object]) -> str:
    every = [oneline(str(one)) for one in names]
    return ", ".join(every[:6]) + (f" and {len(every) - 6} more" if len(every) > 6 else "") if every else "no step"
