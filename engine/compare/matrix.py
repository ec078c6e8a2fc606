"""Several runs beside each other: a table of what differs only, a column for each run."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any, Final

from ..digest import digest
from ..errors import UsageError
from ..metric_names import direction
from .determinants import same
from .differences import Document, Kind, label_json
from .facts import RunFacts

_VERSIONS: Final = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that is not the same in all runs. `values` are in the order of the runs, None where a run has it not;
    `best` are the places of the best ones, where it is known what is better. What has no short value (code, files,
    outputs) is told by letters: equal letters, equal contents."""

    kind: Kind
    subject: str
    values: tuple[Any, ...]  # Any: JSON
    best: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows that differ, determinants first, and how many rows of each kind do not."""

    runs: tuple[str, ...]
    rows: tuple[Row, ...]
    equal: Mapping[Kind, int]

    def to_json(self) -> Document:
        return {
            "runs": [label_json(one) for one in self.runs],
            "rows": [
                {"kind": one.kind, "subject": one.subject, "values": list(one.values), "best": list(one.best)}
                for one in self.rows
            ],
            "equal": dict(self.equal),
        }


def matrix_of(runs: Sequence[RunFacts]) -> Matrix:
    """Pure, from the facts of two or more runs."""
    sides: list[tuple[Kind, list[Mapping[str, Any]], bool]] = [  # Any: JSON
        ("param", [one.params for one in runs], False),
        ("code", [{name: d.digest for name, d in one.definitions.items()} for one in runs], True),
        ("file", [{path: f.content_hash for path, f in one.files.items()} for one in runs], True),
        ("package", [one.packages for one in runs], False),
        ("python", [{"python": one.python} for one in runs], False),
        ("hardware", [one.hardware for one in runs], False),
        ("target", [{"target": one.target, "host": one.host} for one in runs], False),
        ("step", [{"run": one.state, "seconds": _rounded(one)} for one in runs], False),
        ("metric", [one.metrics for one in runs], False),
        *((kind, [_contents(one, fits) for one in runs], True) for kind, fits in _OUTPUTS),
    ]
    rows: list[Row] = []
    equal: dict[Kind, int] = {}
    for kind, columns, lettered in sides:
        for name in dict.fromkeys(name for column in columns for name in column):
            values = [column.get(name) for column in columns]
            if all(same(values[0], one) for one in values[1:]) and all(name in column for column in columns):
                equal[kind] = equal.get(kind, 0) + 1
            else:
                shown = _letters(values) if lettered else values
                rows.append(Row(kind, name, tuple(shown), _best(name, values) if kind == "metric" else ()))
    return Matrix(tuple(one.label for one in runs), tuple(rows), equal)


def export(matrix: Matrix, path: Path, kind: str) -> None:
    """Write it as `csv`, `markdown` or `parquet`. Raises UsageError where the file cannot be written."""
    try:
        match kind:
            case "csv":
                path.write_text(as_csv(matrix), encoding="utf-8")
            case "markdown":
                path.write_text(as_markdown(matrix), encoding="utf-8")
            case _:
                _write_parquet(matrix, path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", mend="Give another path.") from None


def as_csv(matrix: Matrix) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_head(matrix))
    writer.writerows([one.kind, one.subject, *map(_text, one.values)] for one in matrix.rows)
    return out.getvalue()


def as_markdown(matrix: Matrix) -> str:
    """The best values are bold."""
    lines = [_head(matrix), ["---"] * (2 + len(matrix.runs))]
    for one in matrix.rows:
        cells = [_text(value) for value in one.values]
        lines.append([one.kind, one.subject, *(f"**{c}**" if at in one.best else c for at, c in enumerate(cells))])
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _write_parquet(matrix: Matrix, path: Path) -> None:
    """Texts throughout: one run's column holds numbers and letters."""
    import polars as pl

    columns = list(zip(*([one.kind, one.subject, *map(_text, one.values)] for one in matrix.rows), strict=True))
    head = _head(matrix)
    data = {name: list(columns[at]) if columns else [] for at, name in enumerate(head)}
    pl.DataFrame(data, schema=dict.fromkeys(head, pl.String)).write_parquet(path)


def _head(matrix: Matrix) -> list[str]:
    return ["kind", "subject", *(f"run {one}" if one.isdigit() else one for one in matrix.runs)]


def _text(value: Any) -> str:  # Any: JSON
    import json

    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


def _rounded(one: RunFacts) -> float | None:
    took = one.about.get("seconds")
    return round(took, 2) if isinstance(took, float) else None


def _contents(run: RunFacts, fits: Callable[[str], bool]) -> dict[str, str]:
    return {name: one.content_hash for name, one in run.outputs.items() if fits(one.kind)}


_OUTPUTS: tuple[tuple[Kind, Callable[[str], bool]], ...] = (
    ("table", lambda kind: kind == "table"),
    ("array", lambda kind: kind == "array"),
    ("value", lambda kind: kind not in ("table", "array")),
)


def _letters(values: Iterable[Any]) -> list[str | None]:  # Any: contents
    """a for the first content, b for the next that is another, …"""
    seen: dict[str, str] = {}
    found: list[str | None] = []
    for value in values:
        if value is None:
            found.append(None)
            continue
        at = len(seen)
        found.append(seen.setdefault(digest("letter/1", value), _VERSIONS[at % 26] * (at // 26 + 1)))
    return found


def _best(name: str, values: Sequence[Any]) -> tuple[int, ...]:  # Any: numbers or None
    wanted = direction(name)
    there = [one for one in values if isinstance(one, int | float) and not isnan(one)]
    if wanted is None or len(set(there)) < 2:
        return ()
    best = min(there) if wanted == "lower" else max(there)
    return tuple(at for at, one in enumerate(values) if one == best)
