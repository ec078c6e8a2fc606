"""What came out of two runs, by what is stored of each output beside its bytes: no data is read here.

`deep.py` reads the data of what differs.
"""

from typing import Any, Final

from .differences import Compared, Difference, Kind
from .facts import OutputFact, RunFacts

KINDS_OF: Final[dict[str, Kind]] = {"table": "table", "array": "array"}
"""From the kind of an artifact to that of a difference; all others are values."""


def compare_outputs(a: RunFacts, b: RunFacts) -> list[Compared]:
    """Outputs by name and content hash. One that is not known because its step did not end is left out."""
    found: dict[Kind, tuple[list[Difference], int]] = {"table": ([], 0), "array": ([], 0), "value": ([], 0)}
    for name in dict.fromkeys((*b.outputs, *a.outputs)):
        old, new = a.outputs.get(name), b.outputs.get(name)
        one = new or old
        assert one is not None, "the name is of one of them"
        kind = KINDS_OF.get(one.kind, "value")
        differences, equal = found[kind]
        if old is not None and new is not None and old.content_hash == new.content_hash:
            found[kind] = differences, equal + 1
        elif (old is not None or a.knows(one.step)) and (new is not None or b.knows(one.step)):
            differences.append(Difference(kind, name, _told(old), _told(new), _detail(one, old, new)))
    return [Compared(kind, tuple(differences), equal) for kind, (differences, equal) in found.items()]


def _told(one: OutputFact | None) -> Any:  # Any: JSON
    """What a list shows of an output: its rows or shape, or the first of its preview."""
    if one is None:
        return None
    if one.kind == "table":
        return {"rows": one.rows, "content": one.content_hash[:12]}
    if one.kind == "array" and isinstance(one.schema, dict):
        return {"shape": one.schema.get("shape"), "dtype": one.schema.get("dtype"), "content": one.content_hash[:12]}
    return {"preview": " ".join(one.preview.split())[:80], "content": one.content_hash[:12]}


def _detail(one: OutputFact, old: OutputFact | None, new: OutputFact | None) -> dict[str, Any]:  # Any: JSON
    found: dict[str, Any] = {
        "change": "added" if old is None else "removed" if new is None else "changed",
        "step": one.step,
        "kind": [side and side.kind for side in (old, new)],
        "content": [side and side.content_hash for side in (old, new)],
        "bytes": [side and side.bytes for side in (old, new)],
    }
    if old is not None and new is not None and old.kind == new.kind == "table":
        found |= _columns(old, new)
    return found


def _columns(old: OutputFact, new: OutputFact) -> dict[str, Any]:  # Any: JSON
    """Schema and columns by their stored hashes: most tables that differ do so in a few columns."""
    before = {column.name: column for column in old.columns}
    after = {column.name: column for column in new.columns}
    both = [name for name in after if name in before]
    return {
        "rows": [old.rows, new.rows],
        "columns": {
            "added": [name for name in after if name not in before],
            "removed": [name for name in before if name not in after],
            "retyped": {
                name: [before[name].dtype, after[name].dtype]
                for name in both
                if before[name].dtype != after[name].dtype
            },
            "changed": [
                name
                for name in both
                if before[name].dtype == after[name].dtype and before[name].hash != after[name].hash
            ],
            "equal": sum(before[name].hash == after[name].hash for name in both),
            "reordered": both != [name for name in before if name in after],
        },
    }
