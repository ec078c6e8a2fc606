"""The rows of two tables held against each other in DuckDB, three ways: by key, by position, as wholes.

Each way fills a table `d` with one small row for each row that differs (its key and which columns do), from which all
counts come; only the few rows of the preview are read again.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Rows are of any type.

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .table_diff import ColumnChange, RowChange, RowMark
from .table_sides import Pair, Which, json_value

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PREVIEW: Final = 200
"""Rows of each mark in the preview."""
LARGE: Final = 100_000
"""Rows of both tables from which on the rows that are the same are left out first."""
FEW: Final = 0.2
"""Share of the rows up to which those that differ are few."""
_KNOWS_NO_HASHES: Final = "set disabled_optimizers = 'statistics_propagation'"
"""DuckDB 2.0 takes what it knows of a column for what it knows of its hash, and stumbles over it ("statistics are
corrupt") or may leave rows out."""
_SIDES: Final[tuple[Which, ...]] = ("a", "b")
_MARKS: Final[tuple[RowMark, ...]] = ("changed", "added", "removed")


@dataclass(frozen=True, slots=True)
class Rows:
    """What was found; `columns` are those with changes."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    cells: int = 0
    columns: tuple[ColumnChange, ...] = ()
    preview: tuple[RowChange, ...] = ()


def by_key(db: "DuckDBPyConnection", pair: Pair, key: Sequence[str], *, unique: bool) -> Rows:
    """Match rows by `key`; where it is not unique, the first of a key with the first, in the order of their values."""
    if unique and all(pair.equal(name) for name in key):
        return by_position(db, pair, key)
    compared = [name for name in pair.common if name not in key]
    sides: dict[str, str] = {which: _numbered(pair, which, key, compared, unique=unique) for which in _SIDES}
    if unique and compared and min(pair.a.rows, pair.b.rows) >= LARGE:
        sides = _narrowed(db, pair, key, compared, sides)
    numbered = "" if unique else " and a.r = b.r"
    # With a plain `=` DuckDB may take its faster join; nulls in a key meet only with the other one.
    equal = "=" if unique else "is not distinct from"
    match = " and ".join(f"a.k{at} {equal} b.k{at}" for at in range(len(key))) + numbered
    keys = ", ".join(f"coalesce(a.k{at}, b.k{at}) as k{at}" for at in range(len(key)))
    rank = "" if unique else ", coalesce(a.r, b.r) as r"
    flags = [f"a.v{at} is distinct from b.v{at}" for at in range(len(compared))]
    apart = [_apart(pair, name, at, f"a.v{at}", f"b.v{at}") for at, name in enumerate(compared)]
    both = "a.here and b.here"
    changed = f"({both} and ({' or '.join(flags)}))" if flags else "false"
    columns = "".join(f", ({both} and {flag}) as f{at}{apart[at]}" for at, flag in enumerate(flags))
    db.execute(
        f"create or replace temp table d as select {keys}{rank},"
        f" case when a.here is null then 'added' when b.here is null then 'removed' else 'changed' end as mark{columns}"
        f" from {sides['a']} a full join {sides['b']} b on {match}"
        f" where a.here is null or b.here is null or {changed}"
    )
    found = _counted(db, pair, compared)
    preview = _preview_by_key(db, pair, key, compared, sides, unique=unique, columns=found[4])
    return Rows(*found[:4], found[4], preview)


def _narrowed(
    db: "DuckDBPyConnection", pair: Pair, key: Sequence[str], compared: Sequence[str], sides: dict[str, str]
) -> dict[str, str]:
    """The sides without the rows that are the same in both, by a 64-bit hash of each row's values: to join keys and
    hashes and then the few rows that differ takes half as long as to join all values. Where many differ, all rows."""
    names = [f"k{at}" for at in range(len(key))]
    hashed = {which: _hashed(pair, which, key, compared) for which in _SIDES}
    either = ", ".join(f"coalesce(a.{one}, b.{one}) as {one}" for one in names)
    match = " and ".join(f"a.{one} = b.{one}" for one in names)
    db.execute(_KNOWS_NO_HASHES)
    db.execute(
        f"create or replace temp table few as select {either} from {hashed['a']} a full join {hashed['b']} b on {match}"
        " where a.h is distinct from b.h"
    )
    db.execute("set disabled_optimizers = ''")
    (count,) = db.execute("select count(*) from few").fetchall()[0]
    if count > FEW * min(pair.a.rows, pair.b.rows):
        return sides
    row = names[0] if len(names) == 1 else f"({', '.join(names)})"
    return {which: f"(select * from {sides[which]} where {row} in (select {row} from few))" for which in _SIDES}


def _hashed(pair: Pair, which: Which, key: Sequence[str], compared: Sequence[str]) -> str:
    keys = ", ".join(f"{pair.value(name, which, 't')} as k{at}" for at, name in enumerate(key))
    values = ", ".join(pair.value(name, which, "t") for name in compared)
    return f"(select {keys}, hash({values}) as h from {pair.source(which)} t)"


def by_position(db: "DuckDBPyConnection", pair: Pair, key: Sequence[str]) -> Rows:
    """Row n against row n. Only columns whose hashes differ are read, in the parts that differ."""
    compared = [name for name in pair.common if not pair.equal(name)]
    flags = [f"{pair.value(name, 'a')} is distinct from {pair.value(name, 'b')}" for name in compared]
    keys = "".join(f", {pair.shown(name, 'b', pair.value(name, 'b'))} as k{at}" for at, name in enumerate(key))
    columns = "".join(f", ({flag}) as f{at}" for at, flag in enumerate(flags))
    apart = "".join(
        _apart(pair, name, at, pair.value(name, "a"), pair.value(name, "b")) for at, name in enumerate(compared)
    )
    sides = [[pair.shown(name, which, pair.value(name, which)) for name in compared] for which in ("a", "b")]
    cells = "".join(f", {x} as x{at}, {y} as y{at}" for at, (x, y) in enumerate(zip(*sides, strict=True)))
    made = False
    shown: list[tuple[Any, ...]] = []  # Any: values of DuckDB
    for block in pair.differing_blocks() if flags else ():
        joined = f"{pair.block('a', block)} a positional join {pair.block('b', block)} b where {' or '.join(flags)}"
        verb = "insert into d" if made else "create or replace temp table d as"
        db.execute(f"{verb} select b.n as n, 'changed' as mark{columns}{apart} from {joined}")
        made = True
        if len(shown) < PREVIEW:
            query = f"select b.n{keys}{columns}{cells} from {joined} order by b.n limit {PREVIEW - len(shown)}"
            shown += db.execute(query).fetchall()
    if not made:
        return Rows()
    found = _counted(db, pair, compared)
    return Rows(*found[:4], found[4], tuple(_positioned(row, key, compared) for row in shown))


def as_wholes(db: "DuckDBPyConnection", pair: Pair) -> Rows:
    """Rows as a multiset: how often each is there. Rows are told apart by a 64-bit hash of their values."""
    common = pair.common
    if not common:
        return Rows(added=pair.b.rows, removed=pair.a.rows)
    db.execute(_KNOWS_NO_HASHES)
    hashed = {which: f"hash({', '.join(pair.value(name, which) for name in common)})" for which in ("a", "b")}
    db.execute(
        "create or replace temp table d as select h, sum(s)::bigint as n from ("
        f"select {hashed['a']} as h, -1 as s from {pair.source('a')} a"
        f" union all select {hashed['b']}, 1 from {pair.source('b')} b) group by h having sum(s) <> 0"
    )
    added, removed = db.execute(
        "select coalesce(sum(n) filter (n > 0), 0), coalesce(-sum(n) filter (n < 0), 0) from d"
    ).fetchall()[0]
    preview: list[RowChange] = []
    sides: tuple[tuple[Which, RowMark, str], ...] = (("b", "added", ">"), ("a", "removed", "<"))
    for which, mark, sign in sides:
        side = pair.side(which)
        columns = ", ".join(pair.shown(name, which, f"{which}.c{at}") for at, name in enumerate(side.names))
        query = (
            f"select {columns} from {pair.source(which)} {which}"
            f" where {hashed[which]} in (select h from d where n {sign} 0) limit {PREVIEW}"
        )
        preview += [_alone(mark, (), side.names, row) for row in db.execute(query).fetchall()]
    return Rows(int(added), int(removed), preview=tuple(preview))


def _numbered(pair: Pair, which: Which, key: Sequence[str], compared: Sequence[str], *, unique: bool) -> str:
    """One side with its key as `k…`, its values as `v…`, and `r` counting the rows of one key where there are many."""
    keys = [pair.value(name, which, "t") for name in key]
    values = [pair.value(name, which, "t") for name in compared]
    rank = ""
    if not unique:
        order = ", ".join(values) or "1"
        rank = f", row_number() over (partition by {', '.join(keys)} order by {order}) as r"
    named = [f"{one} as k{at}" for at, one in enumerate(keys)] + [f"{one} as v{at}" for at, one in enumerate(values)]
    return f"(select true as here, {', '.join(named)}{rank} from {pair.source(which)} t)"


def _apart(pair: Pair, name: str, at: int, a: str, b: str) -> str:
    """Of a column of numbers, how far B is from A (`y…`) and in proportion to A (`z…`); "" of any other column."""
    if not pair.numeric(name):
        return ""
    a, b = f"cast({a} as double)", f"cast({b} as double)"
    far = f"abs({b} - {a})"
    return f", {far} as y{at}, case when {a} = 0 then 'infinity'::double else {far} / abs({a}) end as z{at}"


def _largest(found: float | None) -> float | str | None:
    """A NaN comes of a NaN or an infinity on one side."""
    return json_value(math.inf if found is not None and math.isnan(found) else found)


def _counted(
    db: "DuckDBPyConnection", pair: Pair, compared: Sequence[str]
) -> tuple[int, int, int, int, tuple[ColumnChange, ...]]:
    sums = "".join(f", coalesce(count(*) filter (f{at}), 0)" for at in range(len(compared)))
    numbers = [at for at, name in enumerate(compared) if pair.numeric(name)]
    sums += "".join(f", max(y{at}) filter (f{at}), max(z{at}) filter (f{at})" for at in numbers)
    row = db.execute(
        "select count(*) filter (mark = 'added'), count(*) filter (mark = 'removed'),"
        f" count(*) filter (mark = 'changed'){sums} from d"
    ).fetchall()[0]
    largest = row[3 + len(compared) :]
    measured = {at: (_largest(largest[2 * n]), _largest(largest[2 * n + 1])) for n, at in enumerate(numbers)}
    columns = tuple(
        ColumnChange(
            name,
            pair.a.column(name).dtype,
            pair.b.column(name).dtype,
            int(row[3 + at]),
            *measured.get(at, (None, None)),
        )
        for at, name in enumerate(compared)
        if row[3 + at]
    )
    return int(row[0]), int(row[1]), int(row[2]), sum(one.changed for one in columns), columns


def _preview_by_key(
    db: "DuckDBPyConnection",
    pair: Pair,
    key: Sequence[str],
    compared: Sequence[str],
    sides: "dict[str, str]",
    *,
    unique: bool,
    columns: Sequence[ColumnChange],
) -> tuple[RowChange, ...]:
    """The first rows of each mark in the order of their keys; of those that changed only the columns that did."""
    by = [f"k{at}" for at in range(len(key))] + ([] if unique else ["r"])
    names = {one.name for one in columns}
    found: list[RowChange] = []
    for mark in _MARKS:
        shown = [at for at, name in enumerate(compared) if mark != "changed" or name in names]
        flags = "".join(f", f{at}" for at in shown) if mark == "changed" else ""
        order = ", ".join(by)
        db.execute(
            f"create or replace temp table p as select {order}{flags} from d where mark = '{mark}'"
            f" order by {order} limit {PREVIEW}"
        )
        if not db.execute("select count(*) from p").fetchall()[0][0]:
            continue
        # `in` never finds a null, and pays where it spares reading the other columns of a million rows.
        nullable = any(side.column(name).nulls for side in (pair.a, pair.b) for name in key)
        few = "true" if nullable else f"({order}) in (select {f'({order})' if len(by) > 1 else order} from p)"
        wanted = [which for which in ("a", "b") if (mark, which) not in (("added", "a"), ("removed", "b"))]
        joins = "".join(
            f" join (select * from {sides[which]} where {few}) {which} on "
            + " and ".join(f"p.{one} is not distinct from {which}.{one}" for one in by)
            for which in wanted
        )
        cells = [
            pair.shown(compared[at], which, f"{which}.v{at}") if which in wanted else "null"
            for at in shown
            for which in ("a", "b")
        ]
        fields = [pair.shown(name, "b", f"p.k{at}") for at, name in enumerate(key)]
        fields += [f"p.{one}" for one in (*by[len(key) :], *(f"f{at}" for at in shown if flags))]
        query = f"select {', '.join((*fields, *cells))} from p{joins} order by {', '.join(f'p.{one}' for one in by)}"
        for row in db.execute(query).fetchall():
            flagged = row[len(by) : len(fields)]
            values = [json_value(one) for one in row[len(fields) :]]
            told = {
                compared[column]: (values[2 * at], values[2 * at + 1])
                for at, column in enumerate(shown)
                if not flags or flagged[at]
            }
            found.append(RowChange(mark, tuple(json_value(one) for one in row[: len(key)]), told))
    return tuple(found)


def _positioned(row: Sequence[Any], key: Sequence[str], compared: Sequence[str]) -> RowChange:  # Any: values of DuckDB
    width = len(compared)
    flags = row[1 + len(key) : 1 + len(key) + width]
    values = row[1 + len(key) + width :]
    told = {
        name: (json_value(values[2 * at]), json_value(values[2 * at + 1]))
        for at, name in enumerate(compared)
        if flags[at]
    }
    return RowChange("changed", tuple(json_value(one) for one in row[1 : 1 + len(key)]) or (int(row[0]),), told)


def _alone(mark: RowMark, key: tuple[Any, ...], names: Sequence[str], row: Sequence[Any]) -> RowChange:
    """A row that only one side has (Any: values of DuckDB)."""
    values = [json_value(one) for one in row]
    pairs = {name: (None, one) if mark == "added" else (one, None) for name, one in zip(names, values, strict=True)}
    return RowChange(mark, key, pairs)
