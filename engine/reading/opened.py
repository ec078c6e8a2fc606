"""A stored table that is open: rows by number, from the mapped Arrow copy or from the parts that hold them."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportMissingTypeStubs=false
# pyright: reportUnknownParameterType=false
# pyarrow has no types.

import base64
import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from ..errors import MissingObject, StoreError
from ..ids import Digest
from ..snapshots.content_hash import BLOCK
from ..snapshots.objects import ObjectStore
from ..snapshots.queries import table_source
from .desk import Desk

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

OPEN: Final = 4
"""Tables that stay open, and parts of one that stay decoded: paging goes back and forth between few."""
_DAMAGED = "Run `instep verify`; the step that made it will be stale and run again."


class Opened:
    """One table. What is held in memory is at most OPEN parts; the copy is mapped, never read whole.

    Raises MissingObject where what it is made of is not in the store.
    """

    def __init__(self, store: Path, content: str) -> None:
        self.content = Digest(content)
        self._objects = ObjectStore(store)
        try:
            manifest: dict[str, Any] = json.loads(self._objects.read(self.content, "table"))
            self.rows: int = manifest["rows"]
            self._parts: list[Digest] = [Digest(one) for one in manifest["parts"]]
            self._schema = _schema(manifest["schema"])
        except (ValueError, KeyError) as error:
            raise MissingObject(f"the table {content[:12]}… is damaged ({error})", mend=_DAMAGED) from None
        self._decoded: OrderedDict[int, pa.Table] = OrderedDict()
        self._map()

    @property
    def names(self) -> list[str]:
        return list(self._schema.names)

    @property
    def types(self) -> list[str]:
        return [str(one) for one in self._schema.types]

    @property
    def mapped(self) -> bool:
        """Whether the Arrow copy is there; any row is then as near as any other."""
        return bool(self._batches) or self.rows == 0

    def window(self, offset: int, count: int) -> "pa.Table":
        """Rows `offset` to `offset + count`, as many of them as there are."""
        import pyarrow as pa

        end = min(offset + count, self.rows)
        pieces: list[pa.Table] = []
        for at, start in enumerate(self._starts):
            stop = self._starts[at + 1] if at + 1 < len(self._starts) else self.rows
            if start < end and stop > offset:
                low = max(offset, start)
                pieces.append(self._block(at).slice(low - start, min(end, stop) - low))
        return pa.concat_tables(pieces) if pieces else self._schema.empty_table()

    def picked(self, ids: "np.ndarray[Any, Any]") -> "pa.Table":
        """The rows of these numbers, in this order."""
        import numpy as np
        import pyarrow as pa

        if not len(ids):
            return self._schema.empty_table()
        blocks = np.searchsorted(np.asarray(self._starts), ids, side="right") - 1
        order = np.argsort(blocks, kind="stable")
        pieces = [
            self._block(int(at)).take(ids[order][blocks[order] == at] - self._starts[int(at)])
            for at in np.unique(blocks)
        ]
        places = np.empty(len(ids), dtype=np.int64)
        places[order] = np.arange(len(ids))
        return pa.concat_tables(pieces).combine_chunks().take(places)

    def map_copy(self) -> None:
        """Make the Arrow copy where it is not, a part at a time: rows in any order would decode every part for each
        page. Where there is no room for it, pages are slow and right."""
        import pyarrow as pa

        def write(file: IO[bytes]) -> None:
            with pa.ipc.new_file(file, self._schema) as writer:
                for at in range(len(self._parts)):
                    writer.write_table(self._part(at))

        if self.mapped or len(self._parts) <= OPEN:
            return
        try:
            self._objects.put(self.content, "arrow", write, evictable=True)
        except StoreError:
            return
        self._map()

    def _map(self) -> None:
        import pyarrow as pa

        path = self._objects.path(self.content, "arrow")
        self._batches: list[pa.RecordBatch] = []
        try:
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            if table.num_rows == self.rows and table.schema.equals(self._schema):
                self._batches = table.to_batches()
        except FileNotFoundError:
            pass
        except (pa.ArrowInvalid, OSError):
            path.unlink(missing_ok=True)  # only a copy
        lengths = [one.num_rows for one in self._batches] or [BLOCK] * len(self._parts)
        self._starts: Sequence[int] = [0, *accumulate(lengths)][: len(lengths)]

    def _block(self, at: int) -> "pa.Table":
        import pyarrow as pa

        if self._batches:
            return pa.Table.from_batches([self._batches[at]])
        if at not in self._decoded:
            self._decoded[at] = self._part(at)
            if len(self._decoded) > OPEN:
                self._decoded.popitem(last=False)
        self._decoded.move_to_end(at)
        return self._decoded[at]

    def _part(self, at: int) -> "pa.Table":
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self._objects.path(self._parts[at], "parquet")
        try:
            return pq.read_table(path, partitioning=None).cast(self._schema)
        except FileNotFoundError:
            what = f"a part of this table ({self._parts[at][:12]}….parquet) is not in the store"
            raise MissingObject(what, mend=_DAMAGED) from None
        except (pa.ArrowException, ValueError, OSError) as error:
            raise MissingObject(f"a part of this table is damaged ({error})", mend=_DAMAGED) from None


def opened(desk: Desk, content: str) -> Opened:
    """The table, open; the last few stay so."""
    tables: OrderedDict[str, Opened] = desk.kept.setdefault("tables", OrderedDict())
    if content not in tables:
        tables[content] = Opened(desk.store, content)
        if len(tables) > OPEN:
            tables.popitem(last=False)
    tables.move_to_end(content)
    return tables[content]


def source_of(desk: Desk, table: Opened) -> str:
    """The query `from …` that reads the table's parts. Raises MissingObject."""
    try:
        return table_source(desk.store, table.content)
    except MissingObject as error:
        raise MissingObject(error.problems[0].what, mend=_DAMAGED) from None


def columns_of(table: "pa.Table") -> Iterator["pa.Array"]:
    """Each column of a page, in one piece."""
    for column in table.columns:
        yield column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _schema(text: str) -> "pa.Schema":
    import pyarrow as pa

    try:
        return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))
    except pa.ArrowException as error:
        raise ValueError(str(error)) from None
