"""Values ↔ bytes: which format takes a value, and the few functions that everybody else calls.

Everything that is shown of a value later (preview, schema, row count, column summaries) is made here, in the worker
that has the value; looking at a run never unpickles anything.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import StoreError, UsageError
from .artifact import Artifact, ItemRef
from .canonical_json import NotPlain
from .format import Format, OutputError, Stored, refused
from .objects import ObjectStore
from .pickle_format import PickleFormat
from .sequence_format import SequenceFormat, items_of, join, load_item, store_items
from .table_format import NotTabular, TableFormat
from .value_formats import ArrayFormat, BytesFormat, FigureFormat, JsonFormat

__all__ = [
    "Format",
    "OutputError",
    "Stored",
    "export",
    "items_of",
    "join_items",
    "load",
    "load_item",
    "register",
    "store",
    "store_items",
]

_formats: list[Format] = [
    JsonFormat(),
    TableFormat(),
    ArrayFormat(),
    BytesFormat(),
    FigureFormat(),
    SequenceFormat(),
    PickleFormat(),
]
"""In the order they are asked; the last takes everything."""

_LAZY = {
    ("polars.lazyframe.frame", "LazyFrame"): "Return `.collect()` of it.",
    ("_io", "TextIOWrapper"): "Return what is in the file, or its path as a text.",
    ("_io", "BufferedReader"): "Return what is in the file, or its path as a text.",
    ("_io", "BufferedWriter"): "Return what is in the file, or its path as a text.",
    ("sqlite3", "Connection"): "Return what was queried.",
    ("_duckdb", "DuckDBPyConnection"): "Return what was queried: `.pl()` or `.to_arrow_table()`.",
    ("_duckdb", "DuckDBPyRelation"): "Return its rows: `.pl()` or `.to_arrow_table()`.",
    ("_thread", "lock"): "Return data alone.",
    ("builtins", "module"): "Return what you need from the module.",
}


def register(format: Format) -> None:
    """Ask `format` before the built-in ones. Raises ValueError if there is one of its name."""
    if any(one.name == format.name for one in _formats):
        raise ValueError(f"there is a format {format.name!r} already")
    _formats.insert(0, format)


def store(value: object, objects: ObjectStore) -> Stored:
    """Store a value by what it is. Raises OutputError if it cannot be stored, StoreError for a full or closed store."""
    kind = type(value)
    mend = _LAZY.get((kind.__module__, kind.__name__))
    if mend is not None or hasattr(kind, "__next__"):
        raise refused(
            f"the output is a {kind.__name__}, which cannot be stored", mend or "Return a list: `return list(…)`."
        )
    for format in _formats:
        if format.accepts(value):
            try:
                return format.store(value, objects)
            except (NotPlain, NotTabular):
                continue
    raise refused(f"no format takes a {kind.__name__}", "Return something else.")


def load(artifact: Artifact, objects: ObjectStore) -> Any:  # Any: the value that was stored
    """The value as it was returned. Raises MissingObject; for a pickle also whatever the user's class raises."""
    return _format_of(artifact).load(artifact, objects)


def export(artifact: Artifact, objects: ObjectStore, path: Path) -> None:
    """Write an output to a file of the user's, by the ending of its name. Raises UsageError for another ending."""
    format = _format_of(artifact)
    if path.suffix not in format.endings:
        raise UsageError(
            f"a {artifact.kind} cannot be written as `{path.suffix or path.name}`",
            mend=f"Give a name that ends in {', '.join(format.endings)}.",
        )
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        format.export(artifact, objects, temporary)
        temporary.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", mend="Give another path.") from None
    finally:
        temporary.unlink(missing_ok=True)


def join_items(refs: Sequence[ItemRef], objects: ObjectStore) -> Stored:
    """The artifact for the list of a fan-out's items, in order."""
    return join(refs, objects)


def _format_of(artifact: Artifact) -> Format:
    for format in _formats:
        if format.name == artifact.format:
            return format
    raise StoreError(
        f"no format `{artifact.format}` is registered", mend="Import what registers it, as the step that made it did."
    )
