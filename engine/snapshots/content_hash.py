"""The same data has the same hash whoever wrote it.

A table is hashed column by column in blocks of `BLOCK` rows over canonical Arrow types: large strings, decoded
dictionaries, nulls zeroed, −0.0 as 0.0, one NaN. Chunks, offsets, encodings, and what lies under a null do not count;
column names, order and logical types do. Blocks are what tables are stored in, so one pass gives both.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportUnknownLambdaType=false
# pyright: reportIncompatibleVariableOverride=false, reportUnknownParameterType=false, reportMissingTypeStubs=false
# pyarrow has no types.

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..ids import Digest

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

BLOCK = 122_880
"""Rows: DuckDB's and Parquet's usual row group."""
THREADS = 2


@dataclass(frozen=True, slots=True)
class TableHash:
    """`table` is the content hash, `columns` one hash a column, `parts` one a block of rows."""

    table: Digest
    columns: tuple[Digest, ...]
    parts: tuple[Digest, ...]


def hash_table(table: "pa.Table") -> TableHash:
    """Hash a table of canonical types (`canonical_table`), the columns in parallel."""
    from blake3 import blake3

    starts = range(0, max(table.num_rows, 1), BLOCK)
    names, types = table.column_names, [str(column.type) for column in table.columns]
    with ThreadPoolExecutor(THREADS) as threads:
        blocks = list(threads.map(_column_blocks, table.columns))
    columns = tuple(Digest(blake3(b"".join(one)).hexdigest(length=16)) for one in blocks)
    parts: list[Digest] = []
    for number, start in enumerate(starts):
        hasher = blake3(b"part/1")
        _frame(hasher, min(BLOCK, table.num_rows - start))
        for name, kind, one in zip(names, types, blocks, strict=True):
            _frame(hasher, name, kind, one[number])
        parts.append(Digest(hasher.hexdigest(length=16)))
    hasher = blake3(b"table/1")
    _frame(hasher, table.num_rows, BLOCK)
    for name, kind, column in zip(names, types, columns, strict=True):
        _frame(hasher, name, kind, column)
    return TableHash(Digest(hasher.hexdigest(length=16)), columns, tuple(parts))


def hash_array(array: "np.ndarray[Any, Any]") -> Digest:
    """dtype, shape and C-order bytes."""
    import numpy as np
    from blake3 import blake3

    hasher = blake3(b"array/1", max_threads=THREADS)
    _frame(hasher, repr(np.lib.format.dtype_to_descr(array.dtype)), repr(array.shape))
    hasher.update(memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8)))
    return Digest(hasher.hexdigest(length=16))


def canonical_type(kind: "pa.DataType") -> "pa.DataType":
    """The one Arrow type that stands for all physical forms of a logical type."""
    import pyarrow as pa
    import pyarrow.types as is_

    if is_.is_dictionary(kind):
        return canonical_type(kind.value_type)
    if isinstance(kind, pa.RunEndEncodedType):
        return canonical_type(kind.value_type)
    if is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind):
        return pa.large_string()
    if is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_binary_view(kind):
        return pa.large_binary()
    if is_.is_list(kind) or is_.is_large_list(kind) or is_.is_list_view(kind) or is_.is_large_list_view(kind):
        return pa.large_list(pa.field("item", canonical_type(kind.value_type)))
    if is_.is_fixed_size_list(kind):
        return pa.list_(pa.field("item", canonical_type(kind.value_type)), kind.list_size)
    if is_.is_struct(kind):
        return pa.struct([pa.field(field.name, canonical_type(field.type)) for field in kind])
    if is_.is_map(kind):
        return pa.map_(canonical_type(kind.key_type), canonical_type(kind.item_type))
    return kind


def canonical_table(table: "pa.Table") -> "pa.Table":
    """`table` with canonical types and without metadata; columns that are canonical already are not copied."""
    import pyarrow as pa

    columns = [
        column if column.type == (kind := canonical_type(column.type)) else _cast(column, kind)
        for column in table.columns
    ]
    schema = pa.schema([pa.field(name, column.type) for name, column in zip(table.column_names, columns, strict=True)])
    return pa.table(columns, schema=schema)


def _cast(column: "pa.ChunkedArray", kind: "pa.DataType") -> "pa.ChunkedArray":
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = pa.chunked_array([chunk.dictionary_decode() for chunk in column.chunks], type=column.type.value_type)
    return column if column.type == kind else column.cast(kind)


def _column_blocks(column: "pa.ChunkedArray") -> list[bytes]:
    from blake3 import blake3

    blocks: list[bytes] = []
    head = b"column/1" + str(column.type).encode()
    for start in range(0, max(len(column), 1), BLOCK):
        hasher = blake3(head)
        _update(hasher, _one_array(column.slice(start, BLOCK)))
        blocks.append(hasher.digest(length=16))
    return blocks


def _one_array(column: "pa.ChunkedArray") -> "pa.Array":
    import pyarrow as pa

    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], type=column.type)


def _update(hasher: Any, array: "pa.Array") -> None:  # Any: a blake3 hasher; it has no public type
    """Feed the values of a canonical array: count, validity, then data with nulls zeroed."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.types as is_

    kind = array.type
    _frame(hasher, len(array), array.null_count)
    if array.null_count and not is_.is_null(kind):
        hasher.update(memoryview(np.packbits(_valid(array), bitorder="little")))
    if is_.is_null(kind) or not len(array):
        return
    if is_.is_large_string(kind) or is_.is_large_binary(kind):
        _update_texts(hasher, array.drop_null() if array.null_count else array)
    elif is_.is_large_list(kind) or is_.is_map(kind):
        filled = array.drop_null() if array.null_count else array
        hasher.update(memoryview(np.diff(_offsets(filled)).view(np.uint8)))
        values = filled.flatten() if is_.is_large_list(kind) else pa.chunked_array([filled]).combine_chunks().flatten()
        _update(hasher, values)
    elif is_.is_fixed_size_list(kind):
        _update(hasher, (array.drop_null() if array.null_count else array).flatten())
    elif is_.is_struct(kind):
        for child in array.flatten():
            _update(hasher, child)
    elif is_.is_boolean(kind):
        filled = array.fill_null(False) if array.null_count else array
        hasher.update(memoryview(np.packbits(filled.to_numpy(zero_copy_only=False), bitorder="little")))
    elif isinstance(kind, pa.ExtensionType):
        _update(hasher, array.storage)
    else:
        _update_fixed(hasher, array)


def _update_texts(hasher: Any, array: "pa.Array") -> None:
    import numpy as np

    offsets = _offsets(array)
    hasher.update(memoryview(np.diff(offsets).view(np.uint8)))
    data = array.buffers()[2]
    if data is not None and offsets[-1] > offsets[0]:
        hasher.update(memoryview(data)[int(offsets[0]) : int(offsets[-1])])


def _offsets(array: "pa.Array") -> "np.ndarray[Any, Any]":
    import numpy as np
    import pyarrow.types as is_

    wide = not is_.is_map(array.type)
    dtype, width = (np.int64, 8) if wide else (np.int32, 4)
    return np.frombuffer(array.buffers()[1], dtype, len(array) + 1, array.offset * width)


def _update_fixed(hasher: Any, array: "pa.Array") -> None:
    """Numbers, times, decimals: their bytes, with one zero, one NaN, and zeros under nulls."""
    import numpy as np
    import pyarrow.types as is_

    width = array.type.bit_width // 8
    if is_.is_fixed_size_binary(array.type) and not is_.is_decimal(array.type):
        width = array.type.byte_width
    raw = np.frombuffer(array.buffers()[1], np.uint8, len(array) * width, array.offset * width)
    if is_.is_floating(array.type):
        floats = raw.view({2: np.float16, 4: np.float32, 8: np.float64}[width])
        odd = np.isnan(floats) | ((floats == 0) & np.signbit(floats))
        if odd.any() or array.null_count:
            floats = floats.copy()
            floats[np.isnan(floats)] = np.nan
            floats[floats == 0] = 0
            if array.null_count:
                floats[~_valid(array)] = 0
            raw = floats.view(np.uint8)
    elif array.null_count:
        rows = raw.reshape(-1, width).copy()
        rows[~_valid(array)] = 0
        raw = rows.reshape(-1)
    hasher.update(memoryview(np.ascontiguousarray(raw)))


def _valid(array: "pa.Array") -> "np.ndarray[Any, Any]":
    return array.is_valid().to_numpy(zero_copy_only=False)


def _frame(hasher: Any, *fields: int | str | bytes) -> None:
    """Add fields with their lengths, so that no two sequences of fields look alike."""
    for field in fields:
        data = field if isinstance(field, bytes) else str(field).encode()
        hasher.update(b"%d:" % len(data))
        hasher.update(data)


def hash_sequence(identities: Sequence[str]) -> Digest:
    """The hash of a list by the identities of its items."""
    from ..digest import digest

    return digest("sequence/1", list(identities))
