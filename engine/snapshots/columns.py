"""What can be said of a table's columns cheaply, so that looking at a run reads no data."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportUnknownLambdaType=false
# pyright: reportIncompatibleVariableOverride=false, reportUnknownParameterType=false, reportMissingTypeStubs=false
# pyarrow has no types.

from typing import TYPE_CHECKING, Any, Final

from ..ids import Json
from .artifact import Column
from .content_hash import TableHash

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE: Final = 20_000
"""Rows that quantiles and most common values are taken from, evenly spread; minimum and maximum are of all."""
_TOP: Final = 5


def columns_of(table: "pa.Table", hashed: TableHash) -> tuple[Column, ...]:
    """The columns of a table of canonical types."""
    step = max(1, table.num_rows // SAMPLE)
    rows = range(0, table.num_rows, step)
    sample = table.take(list(rows)) if step > 1 else table
    return tuple(
        Column(name, str(column.type), digest, column.null_count, _summary(column, sample.column(at)))
        for at, (name, column, digest) in enumerate(zip(table.column_names, table.columns, hashed.columns, strict=True))
    )


def _summary(column: "pa.ChunkedArray", sample: "pa.ChunkedArray") -> Json:
    import pyarrow as pa
    import pyarrow.types as is_

    try:
        if is_.is_integer(column.type) or is_.is_floating(column.type):
            return _numbers(column, sample)
        if is_.is_boolean(column.type):
            import pyarrow.compute as pc

            return {"true": pc.sum(column).as_py() or 0}
        if is_.is_temporal(column.type) and not is_.is_duration(column.type):
            return _range(column)
        if is_.is_large_string(column.type):
            return {"distinct": len(sample.unique()), "top": _top(sample), "sampled": len(sample)}
    except pa.ArrowException:
        return None  # a type that these functions do not know yet; the column is stored all the same
    return None


def _numbers(column: "pa.ChunkedArray", sample: "pa.ChunkedArray") -> Json:
    import numpy as np

    ends = _ends(column)
    values = sample.drop_null().to_numpy().astype(np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return {"min": _plain(ends["min"]), "max": _plain(ends["max"])}
    with np.errstate(over="ignore", invalid="ignore"):  # squares of values above 1e154 are no float64
        quantiles = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
        mean, std = float(np.mean(values)), float(np.std(values))
    return {
        "min": _plain(ends["min"]),
        "max": _plain(ends["max"]),
        "mean": _plain(mean),
        "std": _plain(std),
        "quantiles": [_plain(float(one)) for one in quantiles],
        "sampled": len(sample),
    }


def _ends(column: "pa.ChunkedArray") -> dict[str, Any]:  # Any: an int or a float, None where there are none
    """The least and the greatest number that is no NaN, fifteen times as fast as Arrow's `min_max` (measured)."""
    import numpy as np

    chunks = [chunk.drop_null().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    chunks = [chunk for chunk in chunks if len(chunk)]
    if not chunks:
        return {"min": None, "max": None}
    lows, highs = [np.fmin.reduce(one) for one in chunks], [np.fmax.reduce(one) for one in chunks]
    return {"min": np.fmin.reduce(lows).item(), "max": np.fmax.reduce(highs).item()}


def _range(column: "pa.ChunkedArray") -> Json:
    import pyarrow.compute as pc

    ends = pc.min_max(column)
    return {"min": _text(ends["min"]), "max": _text(ends["max"])}


def _text(value: "pa.Scalar") -> str | None:
    """A date or a time; those that Python has no value for (the year 20,000) as Arrow writes them."""
    if not value.is_valid:
        return None
    try:
        return str(value.as_py())
    except (OverflowError, ValueError):
        return str(value.cast("string").as_py())


def _top(sample: "pa.ChunkedArray") -> Json:
    from .preview import plain

    counts = sorted(sample.value_counts().to_pylist(), key=lambda one: -one["counts"])[:_TOP]
    return [[None if one["values"] is None else plain(str(one["values"]), 60), one["counts"]] for one in counts]


def _plain(number: Any) -> Json:  # Any: a Python number, or None
    import math

    return number if number is None or isinstance(number, int) or math.isfinite(number) else str(number)
