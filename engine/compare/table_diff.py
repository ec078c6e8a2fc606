"""What differs between two tables, as frozen values, and as the JSON that is kept and printed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

Source = Literal["given", "declared", "found", "position", "none"]
RowMark = Literal["changed", "added", "removed"]


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """One column that both tables have. `changed` counts rows of both with different values; types are Arrow's. Of
    numbers the largest differences are told: "inf" against a NaN, or relative to a zero; None where there are none."""

    name: str
    before: str
    after: str
    changed: int
    max_absolute: float | str | None = None
    max_relative: float | str | None = None


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row of the preview: its key (or row number), and of each column that differs what A and B have there; of a
    row that only one has, all columns."""

    mark: RowMark
    key: tuple[Any, ...]  # Any: JSON
    cells: Mapping[str, tuple[Any, Any]]  # Any: JSON


@dataclass(frozen=True, slots=True)
class TableDiff:
    """Two tables, A and B.

    `key_source` says how rows were matched: by a key that was given, declared with `@step(key=…)` or found (unique,
    without nulls, in both), by their position (as many rows, and a column that is the same in the same order), or not
    at all: then rows are compared as wholes, and one that changed counts as removed and added. `duplicates` and
    `null_keys` count rows of A and B that the key does not tell apart or not at all. `note` says why something could
    not be compared.
    """

    rows: tuple[int, int]
    added_columns: tuple[str, ...] = ()
    removed_columns: tuple[str, ...] = ()
    retyped: Mapping[str, tuple[str, str]] | None = None
    reordered: bool = False
    equal_columns: int = 0
    key: tuple[str, ...] = ()
    key_source: Source = "none"
    duplicates: tuple[int, int] = (0, 0)
    null_keys: tuple[int, int] = (0, 0)
    added: int = 0
    removed: int = 0
    changed: int = 0
    cells: int = 0
    columns: tuple[ColumnChange, ...] = ()
    preview: tuple[RowChange, ...] = ()
    read: bool = False
    note: str = ""

    @property
    def same_rows(self) -> bool:
        """Whether every row is in both as it is, however rows and columns are ordered."""
        return not (self.added or self.removed or self.changed or self.added_columns or self.removed_columns)

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        preview = [
            {"mark": one.mark, "key": list(one.key), "cells": {name: list(pair) for name, pair in one.cells.items()}}
            for one in self.preview
        ]
        # Not `asdict`, which copies every cell of the preview one by one.
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        lists = {name: list(getattr(self, name)) for name in _TUPLES}
        retyped = {name: list(pair) for name, pair in (self.retyped or {}).items()}
        columns = [asdict(one) for one in self.columns]
        return plain | lists | {"retyped": retyped, "columns": columns, "preview": preview}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "TableDiff":  # Any: JSON as `to_json` wrote it
        found: dict[str, Any] = {**data, **{name: tuple(data[name]) for name in _TUPLES}}  # Any: each has its type
        found["retyped"] = {name: (pair[0], pair[1]) for name, pair in data["retyped"].items()}
        found["columns"] = tuple(ColumnChange(**one) for one in data["columns"])
        found["preview"] = tuple(
            RowChange(one["mark"], tuple(one["key"]), {name: (pair[0], pair[1]) for name, pair in one["cells"].items()})
            for one in data["preview"]
        )
        return cls(**found)


_TUPLES = ("rows", "added_columns", "removed_columns", "key", "duplicates", "null_keys")
