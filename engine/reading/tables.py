"""Pages of stored tables, however large: what a grid draws, and never a whole table."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Rows are of any type.

import json
from typing import Final

from ..errors import UsageError
from .cells import texts
from .desk import Desk, Document, Request
from .opened import columns_of, opened
from .order import View, row_numbers

PAGE: Final = 200
"""Rows of a page at most."""
WHOLE: Final = 100_000
"""Characters of a cell that is copied."""


def table(desk: Desk, request: Request) -> Document:
    """{"content"} → {"rows", "columns": [{"name", "dtype", "nulls", "summary"}]}, as the worker that stored it found
    them: no data is read. Raises MissingObject."""
    found = opened(desk, str(request["content"]))
    query = "select name, nulls, summary from artifact_column where content_hash = ? order by ord"
    with desk.reading() as catalog:
        known = {row["name"]: row for row in catalog.rows(query, [found.content])}
    columns = [
        {
            "name": name,
            "dtype": dtype,
            "nulls": known[name]["nulls"] if name in known else None,
            "summary": json.loads(known[name]["summary"] or "null") if name in known else None,
        }
        for name, dtype in zip(found.names, found.types, strict=True)
    ]
    return {"content": found.content, "rows": found.rows, "columns": columns}


def page(desk: Desk, request: Request) -> Document:
    """{"content", "offset", "count", "where", "sort", "descending"} → {"total": rows of the view, "ids": [their numbers
    in the table], "rows": [[text or null, …], …]}. Raises UsageError for a bad condition, MissingObject."""
    found = opened(desk, str(request["content"]))
    offset, count = max(0, int(request.get("offset", 0))), min(PAGE, int(request.get("count", PAGE)))
    numbers = row_numbers(desk, found, View.asked(request))
    if numbers is None:
        total, rows = found.rows, found.window(offset, count)
        ids = list(range(offset, offset + rows.num_rows))
    else:
        found.map_copy()
        chosen = numbers[offset : offset + count].astype("int64")
        total, rows, ids = len(numbers), found.picked(chosen), chosen.tolist()
    cells = [texts(column) for column in columns_of(rows)]
    return {"content": found.content, "total": total, "ids": ids, "rows": list(map(list, zip(*cells, strict=True)))}


def cell(desk: Desk, request: Request) -> Document:
    """{"content", "row": its number in the table, "column"} → {"text"}: a cell to copy, whole up to a limit."""
    found = opened(desk, str(request["content"]))
    name, row = str(request["column"]), int(request["row"])
    if name not in found.names or not 0 <= row < found.rows:
        raise UsageError("there is no such cell")
    (column,) = columns_of(found.window(row, 1).select([name]))
    return {"text": texts(column, WHOLE, WHOLE)[0]}
