"""Two stored tables as DuckDB reads them: columns by number, parts that both have left out."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Rows are of any type.

from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from ..snapshots.artifact import Column
from ..snapshots.content_hash import BLOCK
from ..snapshots.duck import in_memory
from ..snapshots.queries import parts_of, parts_source

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY: Final = "400MB"
"""For DuckDB; what does not fit goes to the store's `spill` folder. The process needs some 100 MB besides."""
_NUMBERS: Final = ("int", "uint", "float", "double", "halffloat", "decimal")
Which = Literal["a", "b"]


@dataclass(frozen=True, slots=True)
class Side:
    """One table: its columns by name, and its parts, `rest` of them without those that the other has too."""

    columns: tuple[Column, ...]
    rows: int
    parts: tuple[str, ...]
    rest: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.columns]

    def at(self, name: str) -> int:
        return self.names.index(name)

    def column(self, name: str) -> Column:
        return self.columns[self.at(name)]


@dataclass(frozen=True, slots=True)
class Pair:
    """Both sides. Columns are called `c0`, `c1`, … in queries: DuckDB takes `A` and `a` for the same name."""

    store: Path
    a: Side
    b: Side

    @property
    def common(self) -> list[str]:
        """The columns that both have, in the order of B."""
        return [name for name in self.b.names if name in self.a.names]

    @property
    def aligned(self) -> bool:
        """Whether row n of the one may be held against row n of the other."""
        return self.a.rows == self.b.rows

    def side(self, which: Which) -> Side:
        return self.a if which == "a" else self.b

    def equal(self, name: str) -> bool:
        """Whether a column holds the same values in the same order, by its stored hash."""
        return self.aligned and self.a.column(name).hash == self.b.column(name).hash and self.same_type(name)

    def same_type(self, name: str) -> bool:
        return self.a.column(name).dtype == self.b.column(name).dtype

    def numeric(self, name: str) -> bool:
        """Whether both sides have numbers there."""
        return all(one.column(name).dtype.startswith(_NUMBERS) for one in (self.a, self.b))

    def value(self, name: str, which: Which, table: str = "") -> str:
        """A column as an expression in which both sides have one type: their own, a number, or a text."""
        side = self.side(which)
        own = f"{table or which}.c{side.at(name)}"
        if self.same_type(name):
            return own
        return f"try_cast({own} as double)" if self.numeric(name) else f"cast({own} as varchar)"

    def shown(self, name: str, which: Which, expression: str) -> str:
        """An expression for a value of a column as it can be fetched: for times with a zone DuckDB's Python client
        needs a package that nothing else here does, so they come as UTC without one."""
        dtype = self.side(which).column(name).dtype
        if "tz=" not in dtype or not self.same_type(name):
            return expression
        if dtype.startswith("timestamp"):
            return f"make_timestamp(epoch_us({expression}))"
        return f"cast({expression} as varchar)"

    def source(self, which: Which, *, whole: bool = False) -> str:
        """The rows of one side, without those in parts that both have unless `whole`."""
        side = self.side(which)
        parts = side.parts if whole else side.rest
        names = ", ".join(f"c{at}" for at in range(len(side.columns)))
        empty = "" if parts else " where false"
        return f"(select * from {parts_source(self.store, parts or side.parts[:1])} t({names}){empty})"

    def block(self, which: Which, at: int) -> str:
        """One part, with the number of each row in the whole table as `n`."""
        side = self.side(which)
        names = ", ".join(f"c{one}" for one in range(len(side.columns)))
        part = parts_source(self.store, [side.parts[at]], ", file_row_number=true")
        return f"(select *, n0 + {at * BLOCK} as n from {part} t({names}, n0))"

    def differing_blocks(self) -> list[int]:
        """The numbers of the parts that are not the same on both sides, where rows are aligned."""
        return [at for at, (one, other) in enumerate(zip(self.a.parts, self.b.parts, strict=True)) if one != other]


@contextmanager
def opened(store: Path) -> Generator["DuckDBPyConnection"]:
    with in_memory(store) as db:
        db.execute(f"set memory_limit = '{MEMORY}'")
        yield db


def pair_of(
    store: Path, a: str, b: str, columns: tuple[Sequence[Column], Sequence[Column]], rows: tuple[int, int]
) -> Pair:
    """Raises MissingObject where a part of either is not in the store."""
    left, right = parts_of(store, a), parts_of(store, b)
    # Only tables with the same columns in the same order can share a part; what a shared part holds is equal.
    shared = Counter(left) & Counter(right)
    sides = [
        Side(tuple(those), count, tuple(parts), tuple(_without(parts, shared)))
        for those, count, parts in zip(columns, rows, (left, right), strict=True)
    ]
    return Pair(store, sides[0], sides[1])


def _without(parts: Iterable[str], shared: Counter[str]) -> list[str]:
    left = Counter(shared)
    rest: list[str] = []
    for one in parts:
        if left[one] > 0:
            left[one] -= 1
        else:
            rest.append(one)
    return rest


def json_value(value: Any) -> Any:  # Any: a value of DuckDB in, JSON out
    """A cell as JSON: what JSON has no word for as the text that people write for it."""
    import math
    from collections.abc import Mapping
    from datetime import date, time
    from decimal import Decimal

    match value:
        case float():
            return value if math.isfinite(value) else str(value).replace("nan", "NaN")
        case None | bool() | int():
            return value
        case str():
            return value if len(value) <= 200 else value[:199] + "…"
        case Mapping():
            return {str(key): json_value(one) for key, one in value.items()}
        case list() | tuple():
            return [json_value(one) for one in value[:20]]
        case date() | time():
            return value.isoformat()
        case Decimal():
            return str(value)
        case bytes():
            return value[:64].hex()
        case _:
            return str(value)
