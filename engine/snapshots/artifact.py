"""What is known of a stored value without reading it: values that formats make and everybody else passes on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from ..digest import digest
from ..ids import Digest, Json

Kind = Literal["table", "array", "value", "figure", "sequence", "object", "text"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table. `hash` is its canonical content hash, `summary` what `formats` could say cheaply."""

    name: str
    dtype: str
    hash: Digest
    nulls: int
    summary: Json = None


@dataclass(frozen=True, slots=True)
class Artifact:
    """An output by content hash.

    `carrier` is the type that the consumer gets back (`polars`, `pandas`, `pyarrow`, `numpy`, a class's name, …): the
    same table as Polars and as pandas has one `content_hash` and is stored once, but is not the same input to a step,
    so keys use `identity`. `format` names the `Format` that reads it and the ending of its file; `bytes` is what its
    object takes on disk, parts included; `inline` is the canonical JSON itself where that is at most 4 KiB, and then
    there is no file. `parts` are the content hashes of objects it needs besides its own (parts of a table, blocks of a
    sequence).
    """

    content_hash: Digest
    kind: Kind
    format: str
    carrier: str
    bytes: int
    rows: int | None = None
    schema: Json = None
    summary: Json = None
    preview: str = ""
    columns: tuple[Column, ...] = ()
    inline: str | None = None
    parts: tuple[Digest, ...] = ()

    @property
    def identity(self) -> Digest:
        return digest("artifact/1", self.content_hash, self.carrier)

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        return asdict(self) | {"columns": [asdict(column) for column in self.columns], "parts": list(self.parts)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Artifact":  # Any: fields as `to_json` wrote it
        columns = tuple(Column(**column) for column in data["columns"])
        fields: dict[str, Any] = {**data, "columns": columns, "parts": tuple(data["parts"])}
        return cls(**fields)


class ItemRef(NamedTuple):
    """One item of a fan-out's output: where it lies, so that many small results need few objects.

    `block` is the object that holds it and `position` its index there; an item whose canonical JSON is short has it in
    `inline` instead and no block. A tuple, because a run makes, sends and writes 20,000 of them.
    """

    content_hash: Digest
    format: str
    carrier: str
    block: Digest | None = None
    position: int = 0
    inline: str | None = None

    def __reduce__(self) -> tuple[type["ItemRef"], tuple[object, ...]]:
        return ItemRef, tuple(self)  # as a named tuple is pickled by itself takes three times as long

    @property
    def identity(self) -> Digest:
        return digest("artifact/1", self.content_hash, self.carrier)
