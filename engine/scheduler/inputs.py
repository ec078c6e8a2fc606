"""What a step is called with: stored values, paths of files, items of a fan-out.

A step may change what it gets, and the next item or the next step must not see that. So values are loaded anew for
each item, except where a copy costs nothing: tables are shared and cloned. A pickled object (a fitted model, say) is
loaded once for a batch, because loading it may take longer than using it.
"""

import copy
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..ids import Digest, Json
from ..snapshots.artifact import Artifact, ItemRef
from ..snapshots.formats import load, load_item
from ..snapshots.objects import ObjectStore
from .assignment import Assignment, FileValue, Item

_KEPT_TABLES = 4
_KEPT_ITEMS = 256
"""Items of a product of lists that are kept ready to be copied."""
_IMMUTABLE = (type(None), bool, int, float, str)
_tables: OrderedDict[tuple[str, Digest], Any] = OrderedDict()


class Inputs:
    """The arguments of one launch. Raises what loading raises: StoreError, or what unpickling a user's class does."""

    def __init__(self, assignment: Assignment, objects: ObjectStore) -> None:
        self._assignment = assignment
        self._objects = objects
        self._loaded: dict[str, Any] = {}
        self._pickled: dict[Digest, bytes] = {}
        self._immutable = all(type(value) in _IMMUTABLE for value in assignment.params.values())

    def positional(self, item: Item) -> dict[str, object]:
        """Argument names → values, in the order of the step's signature."""
        return {name: self._value(name, item) for name in self._assignment.arguments}

    def params(self) -> dict[str, Json]:
        if self._immutable:
            return dict(self._assignment.params)
        return {name: copy.deepcopy(value) for name, value in self._assignment.params.items()}

    def _value(self, name: str, item: Item) -> object:
        if name in item.fan:
            return self._item(item.fan[name], many=len(item.fan) > 1)
        if name in self._assignment.files:
            return _paths(self._assignment.files[name])
        return self._input(name, self._assignment.inputs)

    def _item(self, ref: ItemRef, *, many: bool) -> object:
        """An item that many calls get (each country, for all of its settings) is read once and copied for each: for
        plain values unpickling is twenty times as fast as reading their JSON."""
        if not many or ref.format != "json":
            return load_item(ref, self._objects)
        known = self._pickled.get(ref.content_hash)
        if known is not None:
            return pickle.loads(known)
        value = load_item(ref, self._objects)
        if len(self._pickled) >= _KEPT_ITEMS:
            self._pickled.clear()
        self._pickled[ref.content_hash] = pickle.dumps(value, 5)
        return value

    def _input(self, name: str, inputs: Mapping[str, Artifact]) -> object:
        artifact = inputs[name]
        if artifact.carrier in ("polars", "pyarrow"):
            table = self._table(artifact)
            return table.clone() if artifact.carrier == "polars" and hasattr(table, "clone") else table
        if artifact.kind != "object" and not (artifact.carrier == "pandas" and _copy_on_write()):
            return load(artifact, self._objects)
        if name not in self._loaded:
            self._loaded[name] = load(artifact, self._objects)
        value = self._loaded[name]
        return value.copy(deep=False) if artifact.carrier == "pandas" else value

    def _table(self, artifact: Artifact) -> Any:  # Any: a table of a library that is not imported here
        key = (str(self._objects.folder), artifact.identity)
        if key not in _tables:
            _tables[key] = load(artifact, self._objects)
        _tables.move_to_end(key)
        while len(_tables) > _KEPT_TABLES:
            _tables.popitem(last=False)
        return _tables[key]


def _paths(value: FileValue) -> Path | list[Path]:
    return [Path(path) for path in value.paths] if value.many else Path(value.paths[0])


def _copy_on_write() -> bool:
    """Whether a shallow copy of a pandas table is safe to change: from pandas 3 on."""
    import pandas

    return int(pandas.__version__.partition(".")[0]) >= 3
