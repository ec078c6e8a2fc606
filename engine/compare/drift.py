"""How the values of one column moved from A to B, whichever rows they are in: nulls, quantiles, histogram, PSI."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportMissingTypeStubs=false, reportUnknownParameterType=false
# NumPy arrays of any type.

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from ..errors import MissingObject
from ..snapshots.artifact import Column
from .cache import remembered
from .table_sides import Pair, Which, opened, pair_of

if TYPE_CHECKING:
    import numpy as np
    from duckdb import DuckDBPyConnection

SAMPLE: Final = 200_000
"""Rows from which on every n-th one stands for all."""
BINS: Final = 20
QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
_TOP: Final = 12
"""Values of a text column that get a bar of their own; the rest is `other`."""
_LEAST: Final = 1e-4
"""The share that an empty bin counts as in the PSI: with 0 it would be infinite for one row out of place."""
_NUMBERS: Final = ("int", "uint", "float", "double", "halffloat", "decimal")
_TIMES: Final = ("date", "timestamp")

Shift = Literal["none", "some", "large", ""]


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar: `label` is a value, or the range `[low, high)`; counts of A and of B."""

    label: str
    a: int
    b: int


@dataclass(frozen=True, slots=True)
class Drift:
    """One column on both sides. `quantiles` are at 5, 25, 50, 75 and 95 %; `psi` is the population stability index
    over the deciles (or values) of A, nulls included: below 0.1 nothing to speak of, above 0.25 another distribution.
    `sampled` counts the rows that were looked at."""

    column: str
    nulls: tuple[int, int]
    quantiles: tuple[tuple[Any, ...], tuple[Any, ...]]  # Any: JSON
    means: tuple[float | None, float | None]
    bins: tuple[Bin, ...]
    psi: float | None
    sampled: tuple[int, int]
    note: str = ""

    @property
    def shift(self) -> Shift:
        if self.psi is None:
            return ""
        return "none" if self.psi < 0.1 else "some" if self.psi < 0.25 else "large"

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        lists = {"nulls": list(self.nulls), "means": list(self.means), "sampled": list(self.sampled)}
        lists |= {"quantiles": [list(one) for one in self.quantiles], "bins": [asdict(one) for one in self.bins]}
        return asdict(self) | lists | {"shift": self.shift}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Drift":  # Any: JSON as `to_json` wrote it
        fields: dict[str, Any] = {name: value for name, value in data.items() if name != "shift"}
        for name in ("nulls", "means", "sampled"):
            fields[name] = tuple(fields[name])
        fields["quantiles"] = tuple(tuple(one) for one in data["quantiles"])
        fields["bins"] = tuple(Bin(**one) for one in data["bins"])
        return cls(**fields)


def column_drift(
    store: Path,
    contents: tuple[str, str],
    columns: tuple[Sequence[Column], Sequence[Column]],
    rows: tuple[int, int],
    name: str,
) -> Drift:
    """The drift of one column that both tables have. What was computed before is not computed again."""

    def make() -> Drift:
        import duckdb

        try:
            pair = pair_of(store, *contents, columns, rows)
            with opened(store) as db:
                return _drift(db, pair, name)
        except MissingObject as error:
            return _unknown(columns, name, error.problems[0].what)
        except duckdb.Error as error:
            return _unknown(columns, name, str(error).splitlines()[0][:200])

    return remembered(store, ("drift", *contents, name), make, Drift.to_json, Drift.from_json)


def psi(a: Sequence[int], b: Sequence[int]) -> float | None:
    """Population stability index of two lists of counts over the same bins: Σ (b − a) · ln(b / a) of the shares."""
    total, other = sum(a), sum(b)
    if not total or not other:
        return None
    shares = [(max(one / total, _LEAST), max(two / other, _LEAST)) for one, two in zip(a, b, strict=True)]
    return sum((after - before) * math.log(after / before) for before, after in shares)


def _unknown(columns: tuple[Sequence[Column], Sequence[Column]], name: str, note: str) -> Drift:
    nulls = [next((one.nulls for one in those if one.name == name), 0) for those in columns]
    return Drift(name, (nulls[0], nulls[1]), ((), ()), (None, None), (), None, (0, 0), note)


def _drift(db: "DuckDBPyConnection", pair: Pair, name: str) -> Drift:
    kinds = [side.column(name).dtype for side in (pair.a, pair.b)]
    if all(kind.startswith(_NUMBERS) for kind in kinds):
        return _of_numbers(name, pair, _read(db, pair, name, "double"), _plain)
    if all(kind.startswith(_TIMES) for kind in kinds):
        return _of_numbers(name, pair, _read(db, pair, name, "time"), _moment)
    return _of_texts(db, pair, name)


def _sample(pair: Pair, which: Which) -> str:
    """All rows of one side, or every n-th."""
    side = pair.side(which)
    step = max(1, side.rows // SAMPLE)
    source = pair.source(which, whole=True)
    if step == 1:
        return f"{source} {which}"
    return f"(select * from (select *, row_number() over () as n from {source}) where n % {step} = 0) {which}"


def _read(db: "DuckDBPyConnection", pair: Pair, name: str, kind: str) -> "tuple[np.ndarray, np.ndarray]":
    """The values that are there, as floats; of times the seconds since 1970."""
    import numpy as np

    found: list[Any] = []  # Any: arrays
    for which in ("a", "b"):
        own = f"{which}.c{pair.side(which).at(name)}"
        value = f"epoch({own})" if kind == "time" else f"cast({own} as double)"
        fetched = db.execute(f"select {value} as v from {_sample(pair, which)} where {own} is not null").fetchnumpy()
        found.append(np.asarray(fetched["v"], np.float64))
    return found[0], found[1]


def _of_numbers(name: str, pair: Pair, values: "tuple[np.ndarray, np.ndarray]", shown: Callable[[float], Any]) -> Drift:
    import numpy as np

    finite = [one[np.isfinite(one)] for one in values]
    nulls = (pair.a.column(name).nulls, pair.b.column(name).nulls)
    sampled = (_looked_at(pair, "a"), _looked_at(pair, "b"))
    quantiles = tuple(tuple(shown(float(q)) for q in np.quantile(one, QUANTILES)) if len(one) else () for one in finite)
    means = tuple(float(np.mean(one)) if len(one) and shown is _plain else None for one in finite)
    every = np.concatenate(finite)
    bins: tuple[Bin, ...] = ()
    index: float | None = None
    if len(every):
        edges = np.histogram_bin_edges(every, BINS)
        counts = [np.histogram(one, edges)[0] for one in finite]
        bins = tuple(
            Bin(f"{shown(float(low))} … {shown(float(high))}", int(a), int(b))
            for low, high, a, b in zip(edges[:-1], edges[1:], *counts, strict=True)
        )
    if len(finite[0]) and len(finite[1]):
        cuts = np.unique(np.quantile(finite[0], np.linspace(0.1, 0.9, 9)))
        shares = [np.bincount(np.searchsorted(cuts, one, "right"), minlength=len(cuts) + 1) for one in finite]
        missing = [sampled[at] - len(finite[at]) for at in (0, 1)]
        index = psi([*map(int, shares[0]), missing[0]], [*map(int, shares[1]), missing[1]])
    return Drift(name, nulls, (quantiles[0], quantiles[1]), (means[0], means[1]), bins, index, sampled)


def _of_texts(db: "DuckDBPyConnection", pair: Pair, name: str) -> Drift:
    """The most common values, as texts."""
    counts: list[dict[str | None, int]] = []
    for which in ("a", "b"):
        own = f"cast({which}.c{pair.side(which).at(name)} as varchar)"
        rows = db.execute(f"select {own} as v, count(*) from {_sample(pair, which)} group by 1").fetchall()
        counts.append(dict(rows))
    every = {value: counts[0].get(value, 0) + counts[1].get(value, 0) for value in counts[0] | counts[1]}
    top = sorted((value for value in every if value is not None), key=lambda one: (-every[one], one))[:_TOP]
    bins = [Bin(value[:80], counts[0].get(value, 0), counts[1].get(value, 0)) for value in top]
    rest = [sum(n for value, n in one.items() if value is not None and value not in top) for one in counts]
    if any(rest):
        bins.append(Bin("other", rest[0], rest[1]))
    empty = [one.get(None, 0) for one in counts]
    index = psi([*(one.a for one in bins), empty[0]], [*(one.b for one in bins), empty[1]])
    nulls = (pair.a.column(name).nulls, pair.b.column(name).nulls)
    sampled = (sum(counts[0].values()), sum(counts[1].values()))
    return Drift(name, nulls, ((), ()), (None, None), tuple(bins), index, sampled)


def _looked_at(pair: Pair, which: Which) -> int:
    rows = pair.side(which).rows
    return rows // max(1, rows // SAMPLE)


def _plain(value: float) -> Any:  # Any: JSON
    return float(f"{value:.6g}")


def _moment(value: float) -> Any:  # Any: JSON
    try:
        return datetime.fromtimestamp(value, UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return value
