"""Lists of many values in few objects: a block holds the payloads of many items, a manifest says which are where.

The results of a fan-out are stored in blocks as its batches end; the list of all of them is then only a manifest. An
item that is short JSON lies in its reference.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeStubs=false
# pyarrow has no types, and a user's lists hold anything.

import json
import struct
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from ..errors import MissingObject, StepError
from ..ids import Digest
from . import canonical_json
from .artifact import Artifact, ItemRef
from .content_hash import hash_sequence
from .format import OutputError, Stored, class_name
from .objects import ObjectStore, hash_bytes
from .pickle_format import PickleFormat, content_hash, dumps, pack, unpack
from .preview import plain
from .table_format import library_of

SHORT: Final = 256
"""Characters of an item's JSON that lie in its reference."""
_MAGIC: Final = b"instep-block/1\n"


class SequenceFormat:
    """Lists and tuples of values that are not all plain: each item is stored by itself."""

    name = "sequence"
    endings = (".json",)

    def accepts(self, value: Any) -> bool:  # Any: whatever a step returned
        return type(value) in (list, tuple) and len(value) > 0

    def store(self, value: Any, objects: ObjectStore) -> Stored:  # Any: a list or tuple
        """Raises OutputError for the first item that cannot be stored, NotPlain for a list that holds one object twice:
        stored by themselves they would come back as two."""
        if len({id(one) for one in value}) < len(value):
            raise canonical_json.NotPlain("a list that holds one object twice")
        refs, block = store_items(value, objects)
        for at, one in enumerate(refs):
            if not isinstance(one, ItemRef):
                raise type(one)(
                    f"item {at} of what it returned: {one.problems[0].what}", mend=one.problems[0].mend
                ) from one
        joined = join([one for one in refs if isinstance(one, ItemRef)], objects, type(value).__name__)
        return Stored(joined.artifact, (*joined.objects, *(block.objects if block else ())))

    def load(self, artifact: Artifact, objects: ObjectStore) -> Any:  # Any: the list that was stored
        values = [load_item(one, objects) for one in refs_of(artifact, objects)]
        return tuple(values) if artifact.carrier == "tuple" else values

    def export(self, artifact: Artifact, objects: ObjectStore, path: Path) -> None:
        """The items that are plain as they are, of the others what they are: nothing is unpickled."""
        found = [
            canonical_json.loads(text) if (text := _json_of(one, objects)) is not None else {"carrier": one.carrier}
            for one in refs_of(artifact, objects)
        ]
        path.write_text(json.dumps(found, indent=2, default=str), encoding="utf-8")


def store_items(
    values: Sequence[object], objects: ObjectStore
) -> tuple[tuple[ItemRef | StepError, ...], Stored | None]:
    """Each value's reference, or why it cannot be stored; and the block that holds those that are not short."""
    encoded: list[tuple[Digest, str, str, bytes | None, str | None] | OutputError] = []
    for value in values:
        try:
            encoded.append(_encode(value, objects))
        except OutputError as error:
            encoded.append(error)
    held = [one for one in encoded if isinstance(one, tuple) and one[3] is not None]
    block = _write_block([(one[0], one[1], one[2], one[3] or b"") for one in held], objects) if held else None
    refs: list[ItemRef | StepError] = []
    position = 0
    for one in encoded:
        if not isinstance(one, tuple):
            refs.append(one)
        elif one[3] is None:
            refs.append(ItemRef(one[0], one[1], one[2], inline=one[4]))
        else:
            assert block is not None
            refs.append(ItemRef(one[0], one[1], one[2], block.artifact.content_hash, position))
            position += 1
    return tuple(refs), block


def _encode(value: object, objects: ObjectStore) -> tuple[Digest, str, str, bytes | None, str | None]:
    """(content hash, format, carrier, payload or None, inline JSON or None)"""
    try:
        text = canonical_json.dumps(value)
        data = text.encode()
        short = len(text) <= SHORT
        return hash_bytes(data), "json", "json", None if short else data, text if short else None
    except canonical_json.NotPlain:
        pass
    if library_of(value):
        return _encode_nested(value, objects)
    data, buffers = dumps(value)
    return content_hash(value, data, buffers), PickleFormat.name, class_name(value), pack(data, buffers), None


def _encode_nested(value: object, objects: ObjectStore) -> tuple[Digest, str, str, bytes | None, str | None]:
    """A table as an item: stored by itself, its artifact as the payload."""
    from .formats import store

    stored = store(value, objects)
    artifact = stored.artifact
    if artifact.format != "table":
        data, buffers = dumps(value)
        return content_hash(value, data, buffers), PickleFormat.name, class_name(value), pack(data, buffers), None
    from .table_format import read_table

    return artifact.content_hash, "ipc", artifact.carrier, _table_bytes(read_table(artifact, objects), artifact), None


def _table_bytes(table: Any, artifact: Artifact) -> bytes:  # Any: a pyarrow table
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    schema = str(artifact.schema or "").encode()
    return struct.pack("<I", len(schema)) + schema + sink.getvalue().to_pybytes()


def _table_of(payload: bytes, carrier: str) -> Any:  # Any: a table of the carrier's library
    import pyarrow as pa

    from .table_format import restored

    (size,) = struct.unpack_from("<I", payload)
    schema = payload[4 : 4 + size].decode()
    with pa.ipc.open_stream(pa.py_buffer(payload[4 + size :])) as reader:
        return restored(reader.read_all(), schema, carrier)


def _write_block(payloads: Sequence[tuple[Digest, str, str, bytes]], objects: ObjectStore) -> Stored:
    """Payloads, then their offsets, then how many: positions are found without reading what is before them."""
    ends: list[int] = []
    at = len(_MAGIC)
    for one in payloads:
        at += len(one[3])
        ends.append(at)
    footer = struct.pack(f"<{len(ends)}QI", *ends, len(ends))
    content = hash_sequence([f"{one[0]}/{one[2]}" for one in payloads])
    stored = objects.put(content, "block", b"".join([_MAGIC, *(one[3] for one in payloads), footer]))
    artifact = Artifact(content, "sequence", "block", "block", stored.bytes, len(payloads))
    return Stored(artifact, (stored,))


def load_item(ref: ItemRef, objects: ObjectStore) -> Any:  # Any: the value that was stored
    """Raises MissingObject."""
    if ref.inline is not None:
        return canonical_json.loads(ref.inline)
    payload = _payload(ref, objects)
    if ref.format == "json":
        return canonical_json.loads(payload.decode())
    return _table_of(payload, ref.carrier) if ref.format == "ipc" else unpack(payload)


def _json_of(ref: ItemRef, objects: ObjectStore) -> str | None:
    if ref.inline is not None or ref.format != "json":
        return ref.inline
    return _payload(ref, objects).decode()


def _payload(ref: ItemRef, objects: ObjectStore) -> bytes:
    assert ref.block is not None, "an item lies in its reference or in a block"
    try:
        path = objects.path(ref.block, "block")
        ends = _ends(str(path))
        with path.open("rb") as file:
            start = ends[ref.position - 1] if ref.position else len(_MAGIC)
            file.seek(start)
            return file.read(ends[ref.position] - start)
    except FileNotFoundError:
        objects.read(ref.block, "block")
        raise
    except (OSError, struct.error, IndexError) as error:
        raise MissingObject(f"the block {ref.block[:12]}… is damaged ({error})", mend="Run `instep verify`.") from None


@lru_cache(32)
def _ends(path: str) -> tuple[int, ...]:
    """Where each payload of a block ends; a block never changes, its name is what is in it."""
    with Path(path).open("rb") as file:
        file.seek(-4, 2)
        size = file.tell()
        (count,) = struct.unpack("<I", file.read(4))
        file.seek(size - 8 * count)
        return struct.unpack(f"<{count}Q", file.read(8 * count))


def join(refs: Sequence[ItemRef], objects: ObjectStore, carrier: str = "list") -> Stored:
    """The artifact for the list of these items, in order; the blocks that hold them are its parts."""
    content = hash_sequence([f"{one.content_hash}/{one.carrier}" for one in refs])
    body = objects.put(content, SequenceFormat.name, json.dumps(refs, separators=(",", ":")).encode())
    blocks = tuple(dict.fromkeys(one.block for one in refs if one.block is not None))
    shown = ", ".join(plain(one.inline, 80) if one.inline is not None else f"<{one.carrier}>" for one in refs[:10])
    more = ", …" if len(refs) > 10 else ""
    artifact = Artifact(
        content,
        "sequence",
        SequenceFormat.name,
        carrier,
        body.bytes,
        len(refs),
        preview=plain(f"{len(refs):,} items: {shown}{more}"),
        parts=blocks,
    )
    return Stored(artifact, (body,))


def refs_of(artifact: Artifact, objects: ObjectStore) -> list[ItemRef]:
    """Raises MissingObject."""
    try:
        return [ItemRef(*row) for row in json.loads(objects.read(artifact.content_hash, SequenceFormat.name))]
    except (ValueError, TypeError) as error:
        raise MissingObject(
            f"the list {artifact.content_hash[:12]}… is damaged", mend="Run `instep verify`."
        ) from error


def items_of(artifact: Artifact, objects: ObjectStore) -> Sequence[ItemRef]:
    """The items of an artifact that is a list. Raises StepError for anything else; unpickles nothing."""
    if artifact.kind == "sequence":
        return refs_of(artifact, objects)
    values = _listed(artifact, objects)
    if values is None:
        kind = artifact.carrier if artifact.kind != "table" else "table"
        raise StepError(f"it is a {kind}, not a list", mend="Return a list; for the rows of a table, `.to_dicts()`.")
    refs: list[ItemRef] = []
    for value in values:
        text = canonical_json.dumps(value)
        refs.append(ItemRef(hash_bytes(text.encode()), "json", "json", inline=text))
    return refs


def _listed(artifact: Artifact, objects: ObjectStore) -> list[Any] | None:  # Any: plain values
    from .value_formats import ArrayFormat, json_text

    if artifact.format == "npy":
        array = ArrayFormat().load(artifact, objects)
        return list(array) if array.ndim == 1 and array.dtype.kind in "biufU" else None
    if artifact.format != "json":
        return None
    value = canonical_json.loads(json_text(artifact, objects))
    return list(value) if isinstance(value, list | tuple) else None
