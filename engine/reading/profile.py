"""What one column holds: counted over all of its rows by DuckDB, once, from the parts."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Values are of any type.

import math
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from ..errors import UsageError
from ..snapshots.duck import named
from ..snapshots.preview import plain
from .desk import Desk, Document, Request
from .opened import Opened, opened, source_of
from .order import duck_names
from .sealed import sealed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BINS: Final = 60
TOP: Final = 8
KEPT: Final = 200
MANY: Final = 20_000_000
"""Rows beyond which the middle is that of as many of them, drawn at random: it is found in memory (160 MB).
Not DuckDB's own reservoir, which gives 1.8 million for the middle of the numbers to 5 million (seen in 2.0)."""
FEW: Final = 10_000
"""Different texts up to which each is counted."""
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")
_UNSIGNED = ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")


def profile(desk: Desk, request: Request) -> Document:
    """{"content", "column"} → {"rows", "nulls", "distinct" (approximately), "nan", "min", "p50", "mean", "max", "top":
    [[text, count]], "histogram": {"low", "high", "counts"}}; what a type has not is null. Raises UsageError."""
    table = opened(desk, str(request["content"]))
    name = str(request["column"])
    if name not in table.names:
        raise UsageError(f"there is no column `{name}`")
    kept: OrderedDict[tuple[str, str], Document] = desk.kept.setdefault("profiles", OrderedDict())
    key = (table.content, name)
    if key not in kept:
        kept[key] = _counted(desk, table, name)
        if len(kept) > KEPT:
            kept.popitem(last=False)
    return kept[key]


def _counted(desk: Desk, table: Opened, name: str) -> Document:
    import duckdb

    source = source_of(desk, table)
    told: Document = dict.fromkeys(("min", "p50", "mean", "max", "histogram", "distinct", "nan")) | {"top": []}
    told |= {"content": table.content, "column": name, "rows": table.rows, "nulls": None}
    try:
        with sealed(desk.store) as db:
            at = table.names.index(name)
            column = named(duck_names(db, source)[at])
            kind = str(db.execute(f"select typeof({column}) {source} limit 1").fetchall()[0][0]) if table.rows else ""
            rows = source.removeprefix("from ")
            counts = f"select count(*) - count({column}), approx_count_distinct({column}) {source}"
            told["nulls"], different = db.execute(counts).fetchall()[0]
            told["distinct"] = min(different, table.rows - told["nulls"])
            told |= _of_kind(db, kind, column, rows, told)
    except duckdb.Error as error:
        # A type that DuckDB cannot count: what is known is told, the rest is missing.
        told["why"] = str(error).splitlines()[0][:200]
    return told


def _of_kind(db: "DuckDBPyConnection", kind: str, column: str, rows: str, told: Document) -> Document:
    drawn = "true" if told["rows"] <= MANY else f"random() < {MANY / told['rows']}"
    base = kind.partition("(")[0]
    if base in _NUMBERS or base in _UNSIGNED:
        finite = f"isfinite({column})" if base in ("FLOAT", "DOUBLE") else f"{column} is not null"
        return _measured(db, f"{column}::double", finite, rows, drawn)
    if base.startswith("TIMESTAMP") or base == "DATE":
        return _dated(_measured(db, f"epoch({column})::double", f"isfinite({column})", rows, drawn))
    if base in ("VARCHAR", "BOOLEAN"):
        return {"top": _top(db, column, rows, few=told["distinct"] <= FEW)}
    return {}


def _measured(db: "DuckDBPyConnection", number: str, finite: str, rows: str, drawn: str) -> Document:
    """Ends, middle and histogram of the finite values."""
    low, high, mean, median, ordinary, there = db.execute(
        f"select min({number}) filter ({finite}), max({number}) filter ({finite}), avg({number}) filter ({finite}),"
        f" median({number}) filter ({finite} and {drawn}), count(*) filter ({finite}), count({number}) from {rows}"
    ).fetchall()[0]
    told = {"min": low, "max": high, "mean": mean, "p50": median, "nan": there - ordinary}
    if low is None or not math.isfinite(high - low):
        return told
    # Both ends are of all values; one value alone is a bar in the middle.
    width = (high - low) / BINS or 1.0
    found = db.execute(
        f"select least(floor(({number} - ?) / ?), ?)::integer as bin, count(*) from {rows} where {finite} group by bin",
        [low, width, BINS - 1],
    ).fetchall()
    counts = [0] * BINS
    for bin, count in found:
        counts[max(0, bin) if high > low else BINS // 2] += count
    return told | {"histogram": {"low": low, "high": high, "counts": counts}}


def _dated(told: Document) -> Document:
    """Seconds since 1970 as dates, where Python's calendar has them."""
    shown = {name: _moment(told[name]) for name in ("min", "max", "mean", "p50") if told.get(name) is not None}
    histogram = told.get("histogram")
    if histogram:
        shown["histogram"] = histogram | {"low": shown["min"], "high": shown["max"]}
    return told | shown


def _moment(seconds: float) -> str:
    try:
        found = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.0f} s"
    short: date | datetime = found.date() if (found.hour, found.minute, found.second) == (0, 0, 0) else found
    return str(short)[:19]


def _top(db: "DuckDBPyConnection", column: str, rows: str, *, few: bool) -> Sequence[list[Any]]:
    """The most common values. Of many, which they are is approximate (exact counting would hold every text in memory);
    their counts are exact."""
    text = f"left({column}::varchar, 200)"
    among, values = f"{column} is not null", []
    if not few:
        among = f"list_contains(?, {text})"
        values = [db.execute(f"select approx_top_k({text}, {TOP}) from {rows}").fetchall()[0][0] or []]
    found = db.execute(
        f"select {text} as one, count(*) as n from {rows} where {among} group by one order by n desc, one limit {TOP}",
        values,
    ).fetchall()
    return [[plain(str(one), 60), count] for one, count in found]
