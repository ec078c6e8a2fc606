"""Two stored tables → `TableDiff`. Stored column hashes first: what they decide reads no data."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import MissingObject
from ..ids import Json
from ..snapshots.artifact import Column
from .cache import remembered
from .table_diff import Source, TableDiff
from .table_keys import UNIQUE, check_key, find_key, key_facts, varied_equal_column
from .table_rows import as_wholes, by_key, by_position
from .table_sides import Pair, opened, pair_of

Columns = Sequence[Column]


def compare_tables(
    store: Path,
    contents: tuple[str, str],
    columns: tuple[Columns, Columns],
    rows: tuple[int, int],
    key: Sequence[str] = (),
    declared: Sequence[str] = (),
) -> TableDiff:
    """Table A against table B by their content hashes; `columns` and `rows` are what is stored of both.

    `key` was given by a person, `declared` by the step; without either one is found. Raises UsageError for a given key
    with a column that not both have. What was compared before is not compared again.
    """
    described = _schema(columns, rows)
    if _equal(columns, rows):
        return described
    if not {one.name for one in columns[0]} & {one.name for one in columns[1]}:
        return replace(described, added=rows[1], removed=rows[0])  # nothing by which a row could be the same
    what: tuple[Json, ...] = ("table", *contents, list(key), list(declared))
    try:
        return remembered(
            store,
            what,
            lambda: _compared(pair_of(store, *contents, columns, rows), described, key, declared),
            TableDiff.to_json,
            TableDiff.from_json,
        )
    except MissingObject as error:
        return replace(described, note=error.problems[0].what)


def _schema(columns: tuple[Columns, Columns], rows: tuple[int, int]) -> TableDiff:
    before = {one.name: one for one in columns[0]}
    after = {one.name: one for one in columns[1]}
    both = [name for name in after if name in before]
    return TableDiff(
        rows,
        tuple(name for name in after if name not in before),
        tuple(name for name in before if name not in after),
        {name: (before[name].dtype, after[name].dtype) for name in both if before[name].dtype != after[name].dtype},
        both != [name for name in before if name in after],
        sum(before[name].hash == after[name].hash and before[name].dtype == after[name].dtype for name in both),
    )


def _equal(columns: tuple[Columns, Columns], rows: tuple[int, int]) -> bool:
    """Whether all columns that both have are the same in the same order: then nothing is to be read."""
    before = {one.name: (one.hash, one.dtype) for one in columns[0]}
    after = {one.name: (one.hash, one.dtype) for one in columns[1]}
    both = before.keys() & after.keys()
    return rows[0] == rows[1] and bool(both) and all(before[name] == after[name] for name in both)


def _compared(pair: Pair, described: TableDiff, key: Sequence[str], declared: Sequence[str]) -> TableDiff:
    import duckdb

    try:
        with opened(pair.store) as db:
            source: Source = "given" if key else "declared"
            chosen = tuple(key)
            if key:
                check_key(pair, key)
            elif declared and all(name in pair.common for name in declared):
                chosen = tuple(declared)
            else:
                chosen, source = find_key(db, pair), "found"
            if chosen:
                facts = UNIQUE if source == "found" else key_facts(db, pair, chosen)
                found = by_key(db, pair, chosen, unique=facts.unique)
                described = replace(described, duplicates=facts.duplicates, null_keys=facts.nulls)
            elif pair.aligned and varied_equal_column(pair):
                found, source = by_position(db, pair, ()), "position"
            else:
                found, source = as_wholes(db, pair), "none"
    except duckdb.Error as error:
        return replace(described, note=f"its rows cannot be compared: {str(error).splitlines()[0][:200]}")
    return replace(
        described,
        key=chosen,
        key_source=source,
        added=found.added,
        removed=found.removed,
        changed=found.changed,
        cells=found.cells,
        columns=found.columns,
        preview=found.preview,
        read=True,
    )
