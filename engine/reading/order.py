"""Which rows of a table, and in what order: computed once by DuckDB from the parts, kept as row numbers, then paged."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false
# DuckDB gives arrays of any type.

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..errors import Problem, UsageError, nearest
from ..snapshots.content_hash import BLOCK
from ..snapshots.duck import named
from ..snapshots.queries import refused
from .desk import Desk, Request
from .opened import Opened, source_of
from .sealed import sealed

if TYPE_CHECKING:
    import numpy as np
    from duckdb import DuckDBPyConnection, Error

KEPT: Final = 4
_NUMBER = f"file_index * {BLOCK} + file_row_number"
"""Every part but the last has BLOCK rows; equal parts are one file that is named several times."""


@dataclass(frozen=True, slots=True)
class View:
    """What a person made of a table: a condition, and a column that it is sorted by."""

    where: str = ""
    sort: str = ""
    descending: bool = False

    @classmethod
    def asked(cls, request: Request) -> "View":
        where = str(request.get("where") or "").strip()
        return cls(where, str(request.get("sort") or ""), bool(request.get("descending")))


def row_numbers(desk: Desk, table: Opened, view: View) -> "np.ndarray[Any, Any] | None":
    """The numbers of the view's rows, in its order; None: all of them as they are. Raises UsageError."""
    if not view.where and not view.sort:
        return None
    kept: OrderedDict[tuple[str, View], np.ndarray[Any, Any]] = desk.kept.setdefault("orders", OrderedDict())
    key = (table.content, view)
    if key not in kept:
        kept[key] = _computed(desk, table, view)
        if len(kept) > KEPT:
            kept.popitem(last=False)
    kept.move_to_end(key)
    return kept[key]


def _computed(desk: Desk, table: Opened, view: View) -> "np.ndarray[Any, Any]":
    import duckdb
    import numpy as np

    if view.where:
        one_condition(view.where)
    source = source_of(desk, table)
    try:
        with sealed(desk.store) as db:
            names = duck_names(db, source)
            rows = source.removeprefix("from ")
            number = _NUMBER
            if {"file_index", "file_row_number"} & {one.lower() for one in names}:
                rows, number = f'(select *, row_number() over () - 1 as "instep row" {source})', '"instep row"'
            # After a line break: the condition may end in a comment.
            chosen = f"where (\n{view.where}\n)" if view.where else ""
            way = "desc" if view.descending else "asc"
            first = f"{_column(table, names, view.sort)} {way} nulls last, " if view.sort else ""
            found = db.execute(f"select {number} from {rows} {chosen} order by {first}{number}").fetchnumpy()
    except duckdb.Error as error:
        raise mistaken(error, view.where, table.names) from None
    (numbers,) = found.values()
    return np.asarray(numbers, dtype=np.uint32 if table.rows < 1 << 32 else np.uint64)


def duck_names(db: "DuckDBPyConnection", source: str) -> list[str]:
    """DuckDB's names of the columns, by position: it takes `a` and `A` for one name and changes the second."""
    return [str(row[0]) for row in db.execute(f"describe {source}").fetchall()]


def _column(table: Opened, names: list[str], wanted: str) -> str:
    if wanted not in table.names:
        raise UsageError(f"there is no column `{wanted}`", mend=nearest(wanted, table.names))
    return named(names[table.names.index(wanted)])


def one_condition(text: str) -> None:
    """Raises UsageError unless `text` is one SQL expression."""
    import duckdb

    try:
        duckdb.SQLExpression(text)
    except duckdb.Error as error:
        what = str(error).splitlines()[0].partition(": ")[2] or str(error)
        mend = "Write one condition over the columns, such as `age > 30 and plan = 'pro'`."
        raise UsageError(Problem(what[:200], mend=mend)) from None


def mistaken(error: "Error", where: str, names: list[str]) -> UsageError:
    """DuckDB's message about a condition, with the columns that there are."""
    problem = refused(error).problems[0]
    if "nothing else" in problem.what:
        return UsageError("a condition reads this table and nothing else", mend="Load other files in a step.")
    hint = problem.mend if problem.mend.startswith(("Candidate", "Did")) else ""
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    quotes = " Texts stand in single quotes: 'pro'." if '"' in where and "not found" in problem.what else ""
    return UsageError(Problem(problem.what, mend=(hint or f"The columns are: {shown}.") + quotes))
