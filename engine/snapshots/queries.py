"""`instep sql`: a person's query over the catalog and the tables of every run, which can read these and nothing else."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Problem, UsageError
from .catalog import make_views, table_view
from .duck import FileHeld, attached, busy, in_memory, quoted
from .gate import reading
from .projector import project

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, Error

Rows = list[tuple[Any, ...]]  # Any: DuckDB's own types as Python values
_RUN = re.compile(r"\brun_(\d{1,9})\b")


def sql(store: Path, query: str, limit: int | None = None) -> tuple[list[str], Rows]:
    """Column names and rows (at most `limit`) of one reading statement.

    `run_42.features` is the output `features` of run 42, where it is a table. Raises UsageError for a mistake in the
    query or one that writes, StoreError where the catalog cannot be read.
    """
    import duckdb

    if not (store / "journal.sqlite").is_file():
        raise UsageError("nothing is recorded yet", mend="Run `instep run`.")
    single_read(query)
    project(store)
    with in_memory(store) as db, reading(store):
        try:
            with attached(db, store):
                make_views(db)
                for number in {int(one) for one in _RUN.findall(query)}:
                    _make_tables(db, store, number)
                lock_down(db, store)
                try:
                    cursor = db.execute(query)
                    names = [one[0] for one in cursor.description or ()]
                    rows = cursor.fetchall() if limit is None else cursor.fetchmany(limit)
                    cursor.fetchall()  # an open result would keep the file locked
                except duckdb.Error as error:
                    raise refuse(error) from None
        except FileHeld as error:
            raise busy(store, error) from None
    return names, rows


def single_read(query: str) -> None:
    """Raises UsageError unless `query` is one statement that reads."""
    import duckdb

    try:
        statements = duckdb.extract_statements(query)
    except duckdb.Error as error:
        raise refuse(error) from None
    reads = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
    if len(statements) != 1:
        raise UsageError("give one SQL statement", mend='For example: instep sql "from run"')
    if statements[0].type not in reads:
        kind = str(statements[0].type).rpartition(".")[2]
        raise UsageError(
            f"a {kind} statement is not allowed here: what was recorded is only read",
            mend="Use SELECT, FROM, WITH, DESCRIBE or SUMMARIZE; `instep out` writes an output to a file.",
        )


def lock_down(db: "DuckDBPyConnection", store: Path) -> None:
    """From now on this connection reads the object folder and what is attached, nothing else."""
    db.execute(f"set allowed_directories=[{quoted(str(store / 'objects') + '/')}]")
    db.execute("set enable_external_access=false")
    db.execute("set lock_configuration=true")


def refuse(error: "Error") -> UsageError:
    """DuckDB's message in a few lines, with its hint."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    what = lines[0] if lines else "the query failed"
    hint = next((line.strip() for line in lines[1:] if "Candidate" in line or "Did you mean" in line), "")
    if "disabled" in what or "Permission Error" in what:
        return UsageError("a query reads what was recorded and nothing else", mend="Load other files in a step.")
    return UsageError(Problem(what[:400], mend=hint or '`instep sql "show tables"` lists what there is.'))


def _make_tables(db: "DuckDBPyConnection", store: Path, number: int) -> None:
    rows = db.execute(
        "select distinct o.name, a.parts from step_run s join output o using (run_id, step_run_id)"
        " join artifact a using (content_hash) where s.run = ? and s.item is null and a.kind = 'table'",
        [number],
    ).fetchall()
    import json

    for name, parts in rows:
        names = json.loads(parts) if isinstance(parts, str) else parts
        if all((store / "objects" / part[:2] / f"{part}.parquet").is_file() for part in names):
            table_view(db, store, number, name, names)
