"""Which columns tell the rows of two tables apart: found where nobody said it, by looking at as little as possible."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Rows are of any type.

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

from ..errors import UsageError, nearest
from ..snapshots.artifact import Column
from .table_sides import Pair, Which

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SINGLE: Final = 4
"""Columns that are tried as keys, the likeliest first."""
_PAIRED: Final = 6
"""Columns of which pairs are tried."""
_OVERLAP: Final = 0.1
"""Share of the smaller table's rows that a found key must find in the larger: else it numbers rows, no things."""
_LIKELY: Final = re.compile(r"(^|[_.\s-])(id|uid|uuid|guid|key|code|number|no)$|^(id|key|name)|Id$", re.IGNORECASE)
_INDEX: Final = re.compile(r"^(index|__index_level_\d+__|row_?(number|nr|id)?|unnamed.*)$", re.IGNORECASE)
_FLAT: Final = ("int", "uint", "large_string", "date", "timestamp", "time", "decimal")


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """How well a key tells rows apart: of A and B the rows beyond the first of a key, and those with a null in it."""

    duplicates: tuple[int, int]
    nulls: tuple[int, int]

    @property
    def unique(self) -> bool:
        return not any((*self.duplicates, *self.nulls))


UNIQUE: Final = KeyFacts((0, 0), (0, 0))
"""Of a key that tells all rows of both tables apart, as `find_key` finds them."""


def check_key(pair: Pair, key: Sequence[str]) -> None:
    """Raises UsageError for a key with a column that not both tables have."""
    for name in key:
        if name not in pair.common:
            hint = nearest(name, pair.common)
            raise UsageError(f"not both tables have a column `{name}`", mend=hint[:1].upper() + hint[1:])


def key_facts(db: "DuckDBPyConnection", pair: Pair, key: Sequence[str]) -> KeyFacts:
    """Count what a key does not tell apart, in the whole of both tables; of the same columns in the same order once."""
    sides: list[tuple[int, int]] = []
    same = all(pair.equal(name) for name in key)
    for which in ("a",) if same else ("a", "b"):
        columns = [pair.value(name, which) for name in key]
        null = " or ".join(f"{one} is null" for one in columns)
        source = f"{pair.source(which, whole=True)} {which}"
        groups = f"select count(*) from (select 1 from {source} group by {', '.join(columns)})"
        duplicates = pair.side(which).rows - int(_one(db, groups)[0])
        nullable = any(pair.side(which).column(name).nulls for name in key)
        nulls = _one(db, f"select count(*) from {source} where {null}")[0] if nullable else 0
        sides.append((duplicates, int(nulls)))
    (one, no), (other, none) = sides[0], sides[-1]
    return KeyFacts((one, other), (no, none))


def find_key(db: "DuckDBPyConnection", pair: Pair) -> tuple[str, ...]:
    """A column, or else a pair, that is `UNIQUE` and finds the most of one in the other; empty if there is none."""
    candidates = sorted((name for name in pair.common if _may_be(pair, name)), key=lambda name: _rank(pair, name))
    single = [(name,) for name in candidates if _may_be_unique(pair, name)][:_SINGLE]
    found = _best(db, pair, single)
    if found or len(candidates) < 2:
        return found
    pairs = [one for one in combinations(candidates[:_PAIRED], 2) if _unique_in_head(db, pair, one)]
    return _best(db, pair, pairs[:_SINGLE])


def varied_equal_column(pair: Pair) -> str:
    """A column with many values that is the same in the same order on both sides: then so are the rows. Else ""."""
    return next((name for name in pair.common if pair.equal(name) and _varies(pair.b.column(name))), "")


def _best(db: "DuckDBPyConnection", pair: Pair, keys: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    best: tuple[int, tuple[str, ...]] = (0, ())
    for key in keys:
        if not key_facts(db, pair, key).unique:
            continue
        overlap = _overlap(db, pair, key)
        if overlap >= min(pair.a.rows, pair.b.rows):
            return key  # no other can find more
        if overlap > best[0]:
            best = overlap, key
    return best[1] if best[0] >= _OVERLAP * min(pair.a.rows, pair.b.rows) else ()


def _overlap(db: "DuckDBPyConnection", pair: Pair, key: Sequence[str]) -> int:
    """Rows of A whose key is in B."""
    if all(pair.equal(name) for name in key):
        return pair.a.rows
    shared = pair.a.rows - _rows(db, pair, "a")
    left = ", ".join(pair.value(name, "a") for name in key)
    right = ", ".join(pair.value(name, "b") for name in key)
    query = f"select count(*) from {pair.source('a')} a where ({left}) in (select ({right}) from {pair.source('b')} b)"
    if len(key) == 1:
        query = f"select count(*) from {pair.source('a')} a where {left} in (select {right} from {pair.source('b')} b)"
    return shared + int(_one(db, query)[0])


def _rows(db: "DuckDBPyConnection", pair: Pair, which: Which) -> int:
    """Rows in the parts that only this side has."""
    return int(_one(db, f"select count(*) from {pair.source(which)}")[0])


def _may_be(pair: Pair, name: str) -> bool:
    """Floats, flags and nested values identify nothing; nor does what is missing somewhere."""
    sides = (pair.a.column(name), pair.b.column(name))
    return pair.same_type(name) and all(one.dtype.startswith(_FLAT) and not one.nulls for one in sides)


def _may_be_unique(pair: Pair, name: str) -> bool:
    """What the stored summaries say: a range that is too short, or values that repeat in the sample, rule it out."""
    return all(_long_enough(side.column(name), side.rows) for side in (pair.a, pair.b))


def _long_enough(column: Column, rows: int) -> bool:
    found = column.summary
    if not isinstance(found, dict):
        return True
    low, high = found.get("min"), found.get("max")
    if isinstance(low, int) and isinstance(high, int):
        return high - low + 1 >= rows
    distinct, sampled = found.get("distinct"), found.get("sampled")
    return not (isinstance(distinct, int) and isinstance(sampled, int)) or distinct == sampled


def _varies(column: Column) -> bool:
    """Whether so many values occur that two columns are not the same by chance."""
    found = column.summary
    if not isinstance(found, dict):
        return False
    deviation, distinct, sampled = found.get("std"), found.get("distinct"), found.get("sampled")
    if isinstance(deviation, int | float) and column.dtype.startswith(("float", "double")):
        return deviation > 0
    low, high = found.get("min"), found.get("max")
    if isinstance(low, int) and isinstance(high, int):
        return high - low >= 20
    if column.dtype.startswith(("date", "time")):
        return low != high
    return isinstance(distinct, int) and isinstance(sampled, int) and distinct >= min(20, sampled)


def _rank(pair: Pair, name: str) -> tuple[int, int, int]:
    """Names that people give to keys first, row numbers last; texts and whole numbers before times."""
    column = pair.b.column(name)
    by_name = 0 if _LIKELY.search(name) else 3 if _INDEX.match(name) else 1
    by_type = 1 if column.dtype.startswith(("date", "time", "decimal")) else 0
    return by_name, by_type, pair.b.at(name)


def _unique_in_head(db: "DuckDBPyConnection", pair: Pair, key: Sequence[str]) -> bool:
    """Whether the first part has no two rows of one key: most pairs fall here, at a tenth of the cost."""
    columns = ", ".join(f"c{pair.b.at(name)}" for name in key)
    source = pair.block("b", 0)
    (repeated,) = _one(db, f"select count(*) from (select 1 from {source} group by {columns} having count(*) > 1)")
    return not repeated


def _one(db: "DuckDBPyConnection", query: str) -> tuple[Any, ...]:  # Any: values of DuckDB
    return db.execute(query).fetchall()[0]
