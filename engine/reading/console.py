"""What a person asks in SQL, and the names that a question can be made of."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Rows are of any type.

from collections.abc import Sequence
from typing import Any, Final

from ..errors import UsageError
from ..snapshots.queries import single_read
from ..snapshots.tables import VIEWS
from .desk import Desk, Document, Request
from .sealed import LONGEST, within
from .tables import PAGE

MOST: Final = 10_000
"""Rows that an answer keeps; counting and grouping belong into the question."""
CELL: Final = 400
TABLES_OF: Final = 20
"""The newest runs whose tables are offered when a name is completed; older ones can be typed."""
_TABLES = """select r.number as run, o.name, o.content_hash from step_run s join output o using (run_id, step_run_id)
    join artifact a using (content_hash) join (select number from run where not hidden order by number desc limit ?) r
    on r.number = s.run where s.item is null and a.kind = 'table' group by all order by run desc, o.name"""
_COLUMNS = "select content_hash, name from artifact_column where list_contains(?, content_hash) order by ord"
_WORDS = """select distinct keyword_name as word from duckdb_keywords() where keyword_category = 'reserved'"""


def ask(desk: Desk, request: Request) -> Document:
    """{"query"} → {"columns", "numeric": [bool], "total", "more": whether rows were left out, "seconds"}; its rows are
    asked for with `answered`. Raises UsageError for a mistake, or a question that writes or never ends."""
    import time

    query = str(request["query"]).strip().rstrip(";")
    if not query:
        raise UsageError("type a question first", mend="For example: from run")
    single_read(query)
    began = time.monotonic()
    with desk.reading() as found, within(found.db, LONGEST):
        names, rows = found.ask(query, MOST + 1)
    kept = rows[:MOST]
    desk.kept["answer"] = kept
    return {
        "columns": names,
        "numeric": [_numeric([row[at] for row in kept[:PAGE]]) for at in range(len(names))],
        "total": len(kept),
        "more": len(rows) > MOST,
        "seconds": time.monotonic() - began,
    }


def answered(desk: Desk, request: Request) -> Document:
    """{"offset", "count"} → {"rows": [[text or null, …], …]} of the last answer."""
    offset, count = max(0, int(request.get("offset", 0))), min(PAGE, int(request.get("count", PAGE)))
    rows: Sequence[Sequence[object]] = desk.kept.get("answer", [])
    most = int(request.get("most", CELL))
    return {"rows": [[_text(one, most) for one in row] for row in rows[offset : offset + count]]}


def names(desk: Desk, request: Request) -> Document:
    """{} → {"tables": {name: [column, …]}, "words": [SQL's own]}: what a question can name."""
    if desk.empty:
        return {"tables": {}, "words": []}
    with desk.reading() as found:
        told = {view: [str(row["column_name"]) for row in found.rows(f'describe from "{view}"')] for view in VIEWS}
        tables = found.rows(_TABLES, [TABLES_OF])
        contents = sorted({row["content_hash"] for row in tables})
        words = sorted(str(row["word"]).lower() for row in found.rows(_WORDS))
        by_content: dict[str, list[str]] = {}
        for row in found.rows(_COLUMNS, [contents]):
            by_content.setdefault(row["content_hash"], []).append(row["name"])
    for row in tables:
        columns = by_content.get(row["content_hash"], [])
        if row["run"] == tables[0]["run"]:
            told[f"latest.{row['name']}"] = columns
        told[f"run_{row['run']}.{row['name']}"] = columns
    return {"tables": told, "words": words}


def _numeric(values: Sequence[Any]) -> bool:  # Any: values of DuckDB
    there = [one for one in values if one is not None]
    return bool(there) and all(isinstance(one, int | float) and not isinstance(one, bool) for one in there)


def _text(value: Any, most: int) -> str | None:  # Any: a value of DuckDB
    if value is None:
        return None
    text = f"0x{value[:most].hex()}" if isinstance(value, bytes) else str(value)
    text = text.lower() if isinstance(value, bool) else text
    return text if len(text) <= most else f"{text[: most - 1]}…"
