"""Polars, pandas and Arrow tables: Parquet parts by content, and an Arrow copy that workers map into memory.

`<hash>.table` is a manifest; its parts are `<part>.parquet` of `BLOCK` rows each, named by what is in them, so that a
table that gained some rows shares all but its last part with the one before. `<hash>.arrow` is a copy without
compression that may be deleted at any time.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportUnknownLambdaType=false
# pyright: reportIncompatibleVariableOverride=false, reportUnknownParameterType=false, reportMissingTypeStubs=false
# pyarrow has no types.

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..digest import digest_bytes
from ..errors import MissingObject, UsageError
from ..ids import Digest
from .artifact import Artifact, Column
from .columns import columns_of
from .content_hash import BLOCK, THREADS, TableHash, canonical_table, hash_table
from .format import Stored
from .objects import ObjectStore, StoredObject
from .preview import of_table

if TYPE_CHECKING:
    import pyarrow as pa

_JUDGED: Final = 4_096
"""Rows, evenly spread, by which a column's values are judged to repeat or not."""
_REPEATING: Final = 0.93
"""Different values among the judged rows, as a share, below which a block of `BLOCK` rows holds each value four times
or more (`n` rows drawn from `d` values show d·(1 - e^(-n/d)) of them)."""
_SMALL: Final = 1 << 20
"""Bytes in memory below which reading Parquet costs no more than opening the copy."""


class NotTabular(TypeError):
    """A pandas table with a column that Arrow has no type for; it is pickled."""


class TableFormat:
    name = "table"
    endings = (".parquet", ".csv", ".json", ".arrow")

    def accepts(self, value: Any) -> bool:  # Any: whatever a step returned
        return library_of(value) != ""

    def store(self, value: Any, objects: ObjectStore) -> Stored:  # Any: a table of one of three libraries
        """Raises NotTabular for a table that could not be given back as it is."""
        import pyarrow as pa

        library = library_of(value)
        try:
            original = _to_arrow(value, library)
            table = canonical_table(original)
            hashed = hash_table(table)
            schema = _recipe(value, original, table.schema, library)
            if schema:
                _cast_back(table.slice(0, 5), schema)
            parts, written, columns = _write(table, hashed, objects)
        except (pa.ArrowException, ValueError, TypeError, KeyError) as error:
            raise NotTabular(str(error)) from None
        manifest = {"rows": table.num_rows, "parts": parts, "schema": _encoded(table.schema)}
        body = objects.put(hashed.table, self.name, json.dumps(manifest, separators=(",", ":")).encode())
        carrier = f"{library}/{digest_bytes(schema.encode())[:12]}" if schema else library
        artifact = Artifact(
            hashed.table,
            "table",
            self.name,
            carrier,
            body.bytes + sum(one.bytes for one in written),
            table.num_rows,
            schema,
            None,
            of_table(table),
            columns,
            None,
            tuple(dict.fromkeys(hashed.parts)),
        )
        return Stored(artifact, (body, *written))

    def load(self, artifact: Artifact, objects: ObjectStore) -> Any:  # Any: a table of the library it came from
        return restored(read_table(artifact, objects), str(artifact.schema or ""), artifact.carrier)

    def export(self, artifact: Artifact, objects: ObjectStore, path: Path) -> None:
        import pyarrow.parquet as pq

        table = read_table(artifact, objects)
        if path.suffix == ".parquet":
            pq.write_table(table, path, compression="zstd")
        elif path.suffix == ".arrow":
            with path.open("wb") as file:
                _write_ipc(table, file)
        else:
            _export_text(table, path)


def library_of(value: object) -> str:
    """Which library's table `value` is, by its class's name: none of them is imported to find out."""
    kind = type(value)
    top = kind.__module__.partition(".")[0]
    if (top, kind.__name__) in (("polars", "DataFrame"), ("pandas", "DataFrame")):
        return top
    return "pyarrow" if top == "pyarrow" and kind.__name__ == "Table" else ""


def restored(table: "pa.Table", schema: str, carrier: str) -> Any:  # Any: a table of the carrier's library
    """A table of canonical types as it was given: with its own types, in its own library."""
    library = carrier.partition("/")[0]
    if schema:
        table = _cast_back(table, schema)
    if library == "polars":
        import polars as pl

        return pl.from_arrow(table)
    if library != "pandas":
        return table
    frame = table.to_pandas()
    if schema and (freq := json.loads(schema).get("freq")):
        frame.index.freq = freq
    return frame


def read_table(artifact: Artifact, objects: ObjectStore) -> "pa.Table":
    """The table with canonical types: mapped from the copy, or read from its parts. Raises MissingObject."""
    import pyarrow as pa

    copy = objects.path(artifact.content_hash, "arrow")
    try:
        with pa.memory_map(str(copy)) as file:
            return pa.ipc.open_file(file).read_all()
    except FileNotFoundError:
        pass
    except pa.ArrowInvalid:
        copy.unlink(missing_ok=True)  # only a copy
    table = _read_parts(artifact, objects)
    if table.nbytes > _SMALL:
        objects.put(artifact.content_hash, "arrow", lambda file: _write_ipc(table, file), evictable=True)
    return table


def _read_parts(artifact: Artifact, objects: ObjectStore) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        manifest = json.loads(objects.read(artifact.content_hash, TableFormat.name))
        schema = _decoded(manifest["schema"])
        names = [Digest(part) for part in manifest["parts"]]
        for part in names:
            if not objects.has(part, "parquet"):
                raise MissingObject(
                    f"a part of a table ({part[:12]}….parquet) is not in the store",
                    mend="Run `instep verify`; the step that made it will be stale and run again.",
                )
        tables = [pq.read_table(objects.path(part, "parquet"), partitioning=None).cast(schema) for part in names]
        return pa.concat_tables(tables) if tables else schema.empty_table()
    except (ValueError, KeyError, pa.ArrowException) as error:
        raise MissingObject(
            f"the table {artifact.content_hash[:12]}… is damaged ({error})",
            mend="Run `instep verify`; the step that made it will be stale and run again.",
        ) from None


def _to_arrow(value: Any, library: str) -> "pa.Table":  # Any: a table of that library
    import pyarrow as pa

    if library == "polars":
        try:
            return value.to_arrow()
        except Exception as error:  # Polars' `Object` columns panic, which is no Exception of a known class
            raise NotTabular(str(error)) from None
    if library == "pandas":
        try:
            table = pa.Table.from_pandas(value)
            if not _same_frame(value, table):
                raise NotTabular("Arrow would not give back the same table")
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise NotTabular(str(error)) from None
        return table
    if not value.num_columns or len(set(value.column_names)) != value.num_columns:
        raise NotTabular("Parquet needs columns with different names")
    return value


def _same_frame(value: Any, table: "pa.Table") -> bool:  # Any: a pandas table
    """Whether the types, the index and the names come back as they were; values do where types do."""
    if value.attrs or len(set(table.column_names)) != len(table.column_names):
        return False
    for kind, (_, column) in zip(value.dtypes, value.items(), strict=True):
        # A column of objects holds anything; Arrow takes lists and dicts, and gives arrays back.
        if str(kind) == "object" and not all(one is None or isinstance(one, str) for one in column):
            return False
    back = table.slice(0, 100).to_pandas()
    head = value.iloc[:100]
    same_types = list(back.dtypes) == list(head.dtypes) and type(back.index) is type(head.index)
    return same_types and back.columns.equals(head.columns) and back.index.equals(head.index)


def _is_special(original: "pa.Schema", canonical: "pa.Schema", library: str) -> bool:
    """Whether the canonical types alone would not give the same table back."""
    if library == "polars":
        import polars as pl

        # Polars' own types are what large and view types of Arrow are read as.
        return pl.DataFrame(original.empty_table()).schema != pl.DataFrame(canonical.empty_table()).schema
    return not original.equals(canonical, check_metadata=True)


def _recipe(value: Any, original: "pa.Table", canonical: "pa.Schema", library: str) -> str | None:  # Any: a table
    """What it takes to make the table as it was from one of canonical types: its schema, the dictionaries of its
    categories (in their order, with those that do not occur), the frequency of a pandas index. None: nothing."""
    import pyarrow as pa

    freq = getattr(getattr(value, "index", None), "freqstr", None) if library == "pandas" else None
    if not freq and not _is_special(original.schema, canonical, library):
        return None
    dictionaries: dict[str, str] = {}
    for name, column in zip(original.column_names, original.columns, strict=True):
        if pa.types.is_dictionary(column.type) and library != "polars":
            unified = column.unify_dictionaries()
            values = unified.chunk(0).dictionary if unified.num_chunks else pa.array([], column.type.value_type)
            dictionaries[name] = _encoded_array(values)
    if sum(map(len, dictionaries.values())) > _SMALL:
        raise NotTabular("its categories would not fit beside it")
    return json.dumps({"schema": _encoded(original.schema), "dictionaries": dictionaries, "freq": freq})


def _encoded_array(values: "pa.Array") -> str:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("v", values.type)])) as writer:
        writer.write_batch(pa.record_batch([values], names=["v"]))
    return base64.b64encode(sink.getvalue().to_pybytes()).decode()


def _decoded_array(text: str) -> "pa.Array":
    import pyarrow as pa

    with pa.ipc.open_stream(pa.py_buffer(base64.b64decode(text))) as reader:
        return reader.read_all().column(0).combine_chunks()


def _categories(column: "pa.ChunkedArray", kind: "pa.DataType", values: "pa.Array") -> "pa.ChunkedArray":
    """A column of values as categories: each value's place in `values`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    chunks = [
        pa.DictionaryArray.from_arrays(
            pc.index_in(chunk.cast(values.type), value_set=values).cast(kind.index_type), values, ordered=kind.ordered
        )
        for chunk in column.chunks
    ]
    return pa.chunked_array(chunks, type=kind)


def _cast_back(table: "pa.Table", recipe: str) -> "pa.Table":
    import pyarrow as pa

    found = json.loads(recipe)
    wanted = _decoded(found["schema"])
    columns: list[Any] = []  # Any: chunked arrays
    for column, field in zip(table.columns, wanted, strict=True):
        if field.name in found["dictionaries"]:
            columns.append(_categories(column, field.type, _decoded_array(found["dictionaries"][field.name])))
            continue
        if pa.types.is_dictionary(field.type) and not pa.types.is_dictionary(column.type):
            kind = field.type
            encoded = column.cast(kind.value_type).dictionary_encode()
            column = encoded.cast(kind) if encoded.type != kind else encoded  # noqa: PLW2901
        columns.append(column if column.type == field.type else column.cast(field.type))
    return pa.table(columns, schema=wanted)


def _write(
    table: "pa.Table", hashed: TableHash, objects: ObjectStore
) -> tuple[list[Digest], tuple[StoredObject, ...], tuple[Column, ...]]:
    """Write the parts that are not there (equal blocks are one part) and the copy, and look at the columns."""
    starts = {part: at * BLOCK for at, part in reversed([*enumerate(hashed.parts)])}
    repeating = _repeating(table)

    def part(name: Digest) -> StoredObject:
        import pyarrow.parquet as pq

        block = table.slice(starts[name], BLOCK)
        return objects.put(
            name,
            "parquet",
            lambda file: pq.write_table(block, file, compression="zstd", compression_level=1, use_dictionary=repeating),
        )

    def copy() -> None:
        if table.nbytes > _SMALL and not objects.has(hashed.table, "arrow"):
            objects.put(hashed.table, "arrow", lambda file: _write_ipc(table, file), evictable=True)

    with ThreadPoolExecutor(THREADS) as threads:
        copied = threads.submit(copy)
        written = threads.map(part, starts)
        columns = threads.submit(columns_of, table, hashed)
        copied.result()
        return [*hashed.parts], tuple(written), columns.result()


def _repeating(table: "pa.Table") -> list[str]:
    """The columns whose values repeat: a dictionary makes them smaller and halves the time to write them. Where values
    do not repeat it takes two and a half times as long, for nothing (both measured on 100 MB of floats)."""
    import pyarrow as pa

    rows = range(0, table.num_rows, max(1, table.num_rows // _JUDGED))
    judged = table.take(pa.array(rows, pa.int64()))
    return [
        name
        for name, column in zip(judged.column_names, judged.columns, strict=True)
        if not _is_flat(column.type) or len(column.unique()) <= max(len(column), 1) * _REPEATING
    ]


def _is_flat(kind: "pa.DataType") -> bool:
    import pyarrow.types as is_

    return is_.is_floating(kind) or is_.is_integer(kind) or is_.is_temporal(kind)


def _write_ipc(table: "pa.Table", file: Any) -> None:  # Any: a binary file
    import pyarrow as pa

    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=1 << 20)


def _export_text(table: "pa.Table", path: Path) -> None:
    import polars as pl

    frame = pl.DataFrame(table)
    if path.suffix == ".json":
        frame.write_json(path)
        return
    nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
    if nested:
        raise UsageError(
            f"CSV has no lists or structs, which {', '.join(nested)} hold", mend="Write .json or .parquet instead."
        )
    frame.write_csv(path)


def _encoded(schema: "pa.Schema") -> str:
    return base64.b64encode(schema.serialize()).decode()


def _decoded(schema: str) -> "pa.Schema":
    import pyarrow as pa

    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(schema)))
