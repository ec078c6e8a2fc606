"""The data behind a difference: reads what `runs.compare` left unread, output by output."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ..errors import StoreError, UsageError
from .differences import OUTPUTS, Comparison, Difference
from .drift import Drift, column_drift
from .facts import OutputFact, RunFacts
from .table_diff import TableDiff
from .tables import compare_tables
from .values import compare_values

MOST_DRIFTS: Final = 50
"""Columns of a table whose drift is computed unasked; `table_drift` computes any other."""
READ_BY_ITSELF: Final = 500_000
"""Rows of both tables together up to which a comparison reads them without being asked."""


def deepen(
    store: Path,
    comparison: Comparison,
    a: RunFacts,
    b: RunFacts,
    *,
    step: str = "",
    key: Sequence[str] = (),
    every: bool = False,
    drifts: bool = True,
) -> Comparison:
    """The same comparison, with what differs inside of outputs as `detail["data"]`: of `step`'s and of small ones, or
    of `every` one; those that were asked for come with the drift of their columns, if `drifts`. A `key` is taken for
    the tables whose columns it names; raises UsageError if none has them."""
    found = tuple(
        _deepened(store, one, a, b, key, wanted=every or one.detail.get("step") == step, drifts=drifts)
        for one in comparison.differences
    )
    if key and not any(one.detail.get("data", {}).get("key_source") == "given" for one in found):
        raise UsageError(
            f"no table that differs has the columns {', '.join(f'`{name}`' for name in key)}",
            mend="Leave out `--key`: one is found, or the row's position is taken.",
        )
    return replace(comparison, differences=found)


def table_diff(store: Path, a: RunFacts, b: RunFacts, output: str, key: Sequence[str] = ()) -> TableDiff:
    """The table `output` of A against that of B. Raises UsageError where it is not a table in both."""
    left, right = _tables(a, b, output)
    return compare_tables(store, *_pair(left, right), key, declared_key(store, a, b, right.step))


def table_drift(store: Path, a: RunFacts, b: RunFacts, output: str, column: str) -> Drift:
    """How one column of the table `output` moved. Raises UsageError where not both have it."""
    left, right = _tables(a, b, output)
    if not all(any(one.name == column for one in side.columns) for side in (left, right)):
        raise UsageError(f"not both tables `{output}` have a column `{column}`", mend="`instep show` lists columns.")
    return column_drift(store, *_pair(left, right), column)


def declared_key(store: Path, a: RunFacts, b: RunFacts, step: str) -> tuple[str, ...]:
    """What `@step(key=…)` says in B, or else in A; read from the snapshots, and only where tables differ."""
    for run in (b, a):
        keys = run.keys
        if keys is None:
            keys = _keys_of_snapshot(store, run)
        if step in keys:
            return keys[step]
    return ()


def _keys_of_snapshot(store: Path, run: RunFacts) -> dict[str, tuple[str, ...]]:
    from .snapshot import read_snapshot

    try:
        steps = read_snapshot(store, int(run.label)).graph.steps
    except (StoreError, UsageError, ValueError):
        return {}
    return {str(name): one.options.key for name, one in steps.items() if one.options.key}


def _deepened(
    store: Path, one: Difference, a: RunFacts, b: RunFacts, key: Sequence[str], *, wanted: bool, drifts: bool
) -> Difference:
    left, right = a.outputs.get(one.subject), b.outputs.get(one.subject)
    if one.kind not in OUTPUTS or left is None or right is None:
        return one
    if left.kind != right.kind:
        return _with(one, {"note": f"it was a {left.kind} and is a {right.kind}"})
    if one.kind != "table":
        return _with(one, compare_values(store, left, right))
    drift = [each.to_json() for each in _drifts(store, left, right)] if wanted and drifts else None
    if not wanted and (left.rows or 0) + (right.rows or 0) > READ_BY_ITSELF:
        return one
    fits = key and all(any(column.name == name for column in side.columns) for side in (left, right) for name in key)
    declared = declared_key(store, a, b, right.step)
    data = compare_tables(store, *_pair(left, right), key if fits else (), declared).to_json()
    return _with(one, data if drift is None else data | {"drift": drift})


def _drifts(store: Path, a: OutputFact, b: OutputFact) -> list[Drift]:
    """Of the columns that both have and that are not the same."""
    hashes = {one.name: one.hash for one in a.columns}
    names = [one.name for one in b.columns if hashes.get(one.name, one.hash) != one.hash]
    return [column_drift(store, *_pair(a, b), name) for name in names[:MOST_DRIFTS]]


def _with(one: Difference, data: dict[str, Any]) -> Difference:  # Any: JSON
    return replace(one, detail={**one.detail, "data": data})


def _tables(a: RunFacts, b: RunFacts, output: str) -> tuple[OutputFact, OutputFact]:
    sides: list[OutputFact] = []
    for run in (a, b):
        found = run.outputs.get(output)
        if found is None or found.kind != "table":
            what = "has no output" if found is None else f"has a {found.kind} as"
            raise UsageError(f"{run.label} {what} `{output}`", mend="Name a table that both have.")
        sides.append(found)
    return sides[0], sides[1]


def _pair(a: OutputFact, b: OutputFact) -> tuple[tuple[str, str], Any, tuple[int, int]]:  # Any: columns of both
    return (a.content_hash, b.content_hash), (a.columns, b.columns), (a.rows or 0, b.rows or 0)
