"""Values of Arrow as texts: exact, of a bounded length, whatever the type. A missing value is None, never a text."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportMissingTypeStubs=false
# pyright: reportUnknownParameterType=false
# pyarrow has no types.

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pyarrow as pa

CELL: Final = 400
"""Characters of a cell that a page carries: more than a screen is wide."""
ITEMS: Final = 40
"""Items of a list that a page shows."""
_ZEROS = re.compile(r"\.(\d*?)0*(?=\D|$)")
"""The part of a second's fraction that says nothing."""
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def texts(array: "pa.Array", most: int = CELL, items: int = ITEMS) -> list[str | None]:
    """A text for each value, cut to `most` characters with an ellipsis (and lists after `items` items)."""
    return [one if one is None or len(one) <= most else f"{one[: most - 1]}…" for one in _texts(array, most, items)]


def _texts(array: "pa.Array", most: int, items: int) -> Sequence[str | None]:
    import pyarrow as pa
    import pyarrow.types as is_

    kind = array.type
    if isinstance(kind, pa.ExtensionType):
        return _texts(array.storage, most, items)
    if is_.is_large_string(kind) or is_.is_string(kind):
        return _strings(array, most)
    if is_.is_boolean(kind):
        return [None if one is None else str(one).lower() for one in array.to_pylist()]
    if is_.is_float32(kind) or is_.is_float16(kind):
        return [None if one is None else str(one) for one in _shortest(array)]
    if is_.is_duration(kind):
        per = _PER_SECOND[kind.unit]
        return [None if one is None else f"{one / per:.15g} s" for one in array.cast(pa.int64()).to_pylist()]
    if is_.is_timestamp(kind) or is_.is_time(kind) or is_.is_date(kind):
        return _temporal(array)
    if is_.is_large_binary(kind) or is_.is_binary(kind) or is_.is_fixed_size_binary(kind):
        return [None if one is None else f"0x{one[:most].hex()}" for one in array.to_pylist()]
    if is_.is_struct(kind) or is_.is_map(kind) or is_.is_nested(kind):
        return [_nested(array, at, most, items) for at in range(len(array))]
    return [None if one is None else str(one) for one in array.to_pylist()]


def _strings(array: "pa.Array", most: int) -> list[str | None]:
    """Cut before they become Python's: a page of megabyte texts is a page all the same."""
    import pyarrow.compute as pc

    return pc.utf8_slice_codeunits(array, 0, most + 1).to_pylist()


def _shortest(array: "pa.Array") -> list[Any]:  # Any: NumPy's floats, whose text is the shortest that means them
    valid = array.is_valid().to_pylist()
    values = array.fill_null(0).to_numpy(zero_copy_only=False)
    return [one if here else None for one, here in zip(values, valid, strict=True)]


def _temporal(array: "pa.Array") -> list[str | None]:
    """Arrow's own text: Python's dates end with the year 9999 and its times with microseconds."""
    import pyarrow as pa

    try:
        found = array.cast(pa.large_string()).to_pylist()
    except pa.ArrowException:  # a time zone that this machine does not know
        utc = array.cast(pa.timestamp(array.type.unit)).cast(pa.large_string()).to_pylist()
        found = [None if one is None else f"{one}Z" for one in utc]
    return [None if one is None else _ZEROS.sub(lambda m: f".{m[1]}" if m[1] else "", one) for one in found]


def _nested(array: "pa.Array", at: int, most: int, items: int) -> str | None:
    import pyarrow.types as is_

    one = array.slice(at, 1)
    if one.null_count:
        return None
    if is_.is_struct(one.type):
        names = [field.name for field in one.type]
        parts = [_inner(child, most, items)[0] for child in one.flatten()]
        return "{" + ", ".join(f"{name}: {part}" for name, part in zip(names, parts, strict=True)) + "}"
    values = one[0].values if not is_.is_map(one.type) else None
    if values is None:
        return _mapping(one, most, items)
    more = ", …" if len(values) > items else ""
    return "[" + ", ".join(_inner(values.slice(0, items), most, items)) + more + "]"


def _mapping(one: "pa.Array", most: int, items: int) -> str:
    pairs = one[0].values
    keys, held = (_inner(child.slice(0, items), most, items) for child in pairs.flatten())
    more = ", …" if len(pairs) > items else ""
    return "{" + ", ".join(f"{key}: {value}" for key, value in zip(keys, held, strict=True)) + more + "}"


def _inner(array: "pa.Array", most: int, items: int) -> list[str]:
    """Values inside others: texts in quotes, so that a comma in one is not the next."""
    import pyarrow.types as is_

    quote = is_.is_large_string(array.type) or is_.is_string(array.type)
    found = _texts(array, most, items)
    return ["null" if one is None else json.dumps(one, ensure_ascii=False) if quote else one for one in found]
