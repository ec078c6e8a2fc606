"""The lines of one run in order of time, in a database in memory: made once, extended while the run goes on.

A screen scrolls by rows of what its filters leave, so a filter is answered once, as the positions that it leaves, and
a page is a slice of them. A line that comes late (workers write within 50 ms) moves to where its time belongs: a line
is known by its time, step and number, never by its row.
"""

# pyright: reportUnknownMemberType=false
# NumPy's and DuckDB's own types of arrays.

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..snapshots.queries import Reader

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from numpy import int64
    from numpy.typing import NDArray

Line = tuple[int, str, int, int | None, str, str, str]
"""(µs, step, number in its file, item, stream, level, text)"""
Anchor = tuple[int, str, int]
RANKS = ("debug", "info", "warning", "error")
VIEWS = 8
"""Filters whose positions are kept; each is at most 8 bytes a line."""
_COLUMNS = {"t": "BIGINT", "step": "VARCHAR", "seq": "BIGINT", "item": "BIGINT"} | dict.fromkeys(
    ("stream", "level", "text"), "VARCHAR"
)
_RANK = """case when level in ('warning', 'warn') then 2 when level in ('error', 'critical', 'fatal') then 3
    when level in ('debug', 'notset') then 0 else 1 end::utinyint"""
_SEQUENCE = r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
_TEXT = f"case when contains(text, chr(27)) then regexp_replace(text, '{_SEQUENCE}', '', 'g') else text end"
"""Colours are not part of what a person looks for."""
_MADE = f"t, step, seq, item, stream, level, {_RANK}, {_TEXT}"
_CATALOG = f"""insert into line with said as (from catalog.log_line where run_id in {{run}}),
    launch as (select distinct split_part(step_run_id, '.', 1) as id, step
        from catalog.step_run where run_id in {{run}}),
    one as (select distinct step_run_id, split_part(step_run_id, '.', 1) as id from said),
    speaker as (select step_run_id, coalesce(step, '?') as step,
        try_cast(split_part(step_run_id, '.', 2) as bigint) as item from one left join launch using (id))
    select row_number() over () - 1, * from (select {_MADE} from (
        select epoch_us(said.ts) as t, step, seq, item, stream, level, text from said join speaker using (step_run_id)
    ) order by 1, 2, 3)""".format(run="(select run_id from catalog.run where number = $1)")
"""By the id of the launch, which an item's id begins with: an item that was cut off has lines and no end."""
_ROW = "t, step, seq, item, stream, level, rank, text"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines: of `step` ("": all), of `rank` in RANKS and above, with every one of `texts` in them. A text in
    small letters is found in any case."""

    step: str = ""
    rank: int = 0
    texts: tuple[str, ...] = ()

    def condition(self) -> tuple[str, list[object]]:
        parts = ["rank >= ?"]
        values: list[object] = [self.rank]
        if self.step:
            parts.append("step = ?")
            values.append(self.step)
        for text in self.texts:
            parts.append("contains(lower(text), ?)" if text == text.lower() else "contains(text, ?)")
            values.append(text)
        return " and ".join(parts), values

    @property
    def everything(self) -> bool:
        return self == Wanted()


@dataclass(slots=True)
class _View:
    """The positions of the lines that are wanted, among the first `upto`."""

    positions: "NDArray[int64]"
    upto: int


class LogIndex:
    """`db` is this index's own; `close` frees it."""

    def __init__(self, db: "DuckDBPyConnection") -> None:
        self.total = 0
        self._db = db
        self._views: dict[Wanted, _View] = {}
        self._counts: dict[tuple[str, int], int] = {}
        columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
        db.execute(f"create table pending({columns})")
        db.execute(f"create table line(pos BIGINT, {columns.replace('text VARCHAR', 'rank UTINYINT, text VARCHAR')})")

    def close(self) -> None:
        self._db.close()

    @staticmethod
    def of_catalog(found: Reader, number: int) -> "LogIndex":
        """All lines that the catalog has of a run. The index goes on living in the reader's database."""
        index = LogIndex(found.db)
        found.db.execute(_CATALOG, [number]).fetchall()
        index._count("line")
        index.total = sum(index._counts.values())
        return index

    def add(self, lines: Sequence[Line]) -> None:
        """Lines that are to come in with the next `settle`."""
        if lines:
            import duckdb

            columns = ", ".join(f"unnest(from_json(?, '[\"{kind}\"]'))" for kind in _COLUMNS.values())
            values = [list(column) for column in zip(*lines, strict=True)]
            try:
                self._db.execute(f"insert into pending select {columns}", [json.dumps(column) for column in values])
            except duckdb.InvalidInputException:  # a lone surrogate is text for Python and for nobody else
                told = [json.dumps([_encodable(value) for value in column]) for column in values]
                self._db.execute(f"insert into pending select {columns}", told)

    def settle(self) -> None:
        """Put what was added in its place: at the end, unless a line is older than what is there."""
        came, oldest = self._db.execute("select count(*), min(t) from pending").fetchall()[0]
        if not came:
            return
        late = self._db.execute("select min(pos) from line where t >= ?", [oldest]).fetchall()[0][0]
        first = self.total if late is None else int(late)
        self._db.execute(
            f"insert into line select {self.total} + row_number() over () - 1, *"
            f" from (select {_MADE} from pending order by 1, 2, 3)"
        )
        self._count(f"(select step, {_RANK} as rank from pending)")
        self._db.execute("truncate pending")
        if first < self.total:
            self._db.execute(
                f"update line set pos = sorted.pos from (select rowid as id, {first} - 1 + row_number() over"
                f" (order by t, step, seq) as pos from line where pos >= {first}) sorted where line.rowid = sorted.id"
            )
        self.total += came
        for view in self._views.values():
            view.upto = min(view.upto, first)

    def counts(self) -> list[tuple[str, int, int]]:
        """(step, rank, lines), of all lines."""
        return [(step, rank, lines) for (step, rank), lines in sorted(self._counts.items())]

    def _count(self, came: str) -> None:
        """Counting a million lines for each page would take longer than the page."""
        for step, rank, lines in self._db.execute(f"select step, rank, count(*) from {came} group by all").fetchall():
            self._counts[step, rank] = self._counts.get((step, rank), 0) + lines

    def matching(self, wanted: Wanted) -> int:
        """How many lines are wanted."""
        return self.total if wanted.everything else len(self._positions(wanted))

    def page(self, wanted: Wanted, offset: int, count: int) -> list[list[Any]]:  # Any: a row of JSON
        """Rows `offset` and following of what is wanted: [µs, step, number, item, stream, level, rank, text]."""
        if wanted.everything:
            rows = self._db.execute(
                f"select {_ROW} from line where pos >= ? and pos < ? order by pos", [offset, offset + count]
            ).fetchall()
            return [list(row) for row in rows]
        chosen: list[int] = self._positions(wanted)[offset : offset + count].tolist()
        if not chosen:
            return []
        rows = self._db.execute(
            f"select {_ROW} from line where pos between ? and ? and pos in (select unnest(?)) order by pos",
            [chosen[0], chosen[-1], chosen],
        ).fetchall()
        return [list(row) for row in rows]

    def row_of(self, wanted: Wanted, anchor: Anchor) -> int | None:
        """The row of a line among what is wanted, or of the next one that is; None where there is none."""
        at = self._db.execute("select pos from line where t = ? and step = ? and seq = ?", list(anchor)).fetchall()
        before = "select count(*) from line where (t, step, seq) < (?, ?, ?)"
        position = int(at[0][0]) if at else int(self._db.execute(before, list(anchor)).fetchall()[0][0])
        row = position if wanted.everything else int(self._positions(wanted).searchsorted(position))
        return row if row < self.matching(wanted) else None

    def rows_with(self, wanted: Wanted, text: str) -> "NDArray[int64]":
        """The rows of what is wanted that have `text` in them."""
        found = self._positions(Wanted(wanted.step, wanted.rank, (*wanted.texts, text)))
        return found if wanted.everything else self._positions(wanted).searchsorted(found)

    def _positions(self, wanted: Wanted) -> "NDArray[int64]":
        import numpy

        view = self._views.pop(wanted, None) or _View(numpy.empty(0, numpy.int64), 0)
        self._views[wanted] = view  # the last used is the last to go
        while len(self._views) > VIEWS:
            self._views.pop(next(iter(self._views)))
        if view.upto < self.total:
            condition, values = wanted.condition()
            query = f"select pos from line where pos >= {view.upto} and {condition} order by pos"
            came = self._db.execute(query, values).fetchnumpy()["pos"]
            kept = view.positions[: view.positions.searchsorted(view.upto)]
            view.positions, view.upto = numpy.concatenate([kept, came]), self.total
        return view.positions


def _encodable(value: object) -> object:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
