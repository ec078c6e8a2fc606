"""Where a parity report begins: the number of a run that repeats another → both, with what differs inside of them."""

from pathlib import Path
from typing import Any, Final

from ..errors import UsageError
from ..project import STORE, load_project
from ..snapshots.queries import reader
from .beside import Document, beside
from .deep import deepen
from .look import compare_facts, distinct_facts

_REPLAYED: Final = "select replay_of from run where number = ?"
_TOOK: Final = """select step_run_id, seconds from step_run
    where item is null and seconds is not null and list_contains(?, step_run_id)"""


def parity_report(root: Path, number: int) -> Document:
    """Run `number` beside the run that it repeats (`--replay`), with what differs read and measured.

    Raises UsageError for a run that repeats none or that is not there, StoreError where nothing can be read.
    """
    with reader(root / STORE) as found:
        rows = found.rows(_REPLAYED, [number])
    old = rows[0]["replay_of"] if rows else None
    if old is None:
        raise UsageError(
            f"run {number} repeats no other", mend="`instep run --on NAME --replay RUN` makes one that does."
        )
    a, b = distinct_facts(root, [str(old), str(number)])
    comparison = deepen(root / STORE, compare_facts(root, a, b, logs=False), a, b, every=True, drifts=False)
    made = list({one.made_by for run in (a, b) for one in run.steps.values() if one.made_by})
    with reader(root / STORE) as found:
        took = {row["step_run_id"]: row["seconds"] for row in found.rows(_TOOK, [made])}
    return beside(a, b, comparison, took, prices_of(root))


def prices_of(root: Path) -> dict[str, float]:
    """What an hour of each cluster costs, where `[clusters.NAME]` says so; in whatever currency."""
    clusters: Any = load_project(root).clusters  # Any: JSON, whose mistakes `load_project` has told
    return {name: float(table["price"]) for name, table in clusters.items() if table.get("price") is not None}
