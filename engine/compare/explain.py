"""Where an explanation begins: run numbers → what is read of them → `causes`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..graph import FileInput
from ..project import STORE
from ..snapshots.catalog import SHOWN, Catalog
from ..snapshots.queries import reader
from .causes import FailureCause, MetricCause, Needs, why_failed, why_metric
from .deep import deepen
from .facts import NOW, RunFacts
from .look import compare_facts, distinct_facts
from .read_run import read_runs
from .snapshot import read_snapshot
from .sources import as_they_stood

_LAST_GOOD = f"""select max(run) as run from step_run where step = ? and item is null and run < ?
    and state in ('done', 'reused') and run in (select number from run where {SHOWN})"""


def explain_metric(root: Path, b: str, than: str, metric: str = "") -> MetricCause:
    """Why `metric` is not in run `b` what it is in run `than`; without a name the one metric that differs. Raises
    UsageError where there is none, or several and no name."""
    one, other = distinct_facts(root, [than, b])
    comparison = deepen(root / STORE, compare_facts(root, one, other, logs=False), one, other)
    return why_metric(
        comparison, one, other, needs_of(root, other, one), metric or _only(comparison.of("metric"), than, b)
    )


def metric_of(root: Path, a: str, b: str) -> str:
    """The one metric that differs between two runs. Raises UsageError for none or several."""
    one, other = distinct_facts(root, [a, b])
    return _only(compare_facts(root, one, other, logs=False).of("metric"), a, b)


def explain_failure(root: Path, number: int, step: str = "") -> FailureCause | None:
    """Why `step` (without a name the first one that failed) failed in run `number`, against the last run in which it
    ended well; None if no step of it failed."""
    store = root / STORE
    (run,) = read_runs(store, [number])
    failed = [one.name for one in run.steps.values() if one.state == "failed"]
    if not failed:
        return None
    step = step if step in failed else failed[0]
    with reader(store) as found:
        last = found.rows(_LAST_GOOD, [step, number])[0]["run"]
    if last is None:
        return FailureCause(run.label, step, None)
    good, run = as_they_stood(store, *read_runs(store, [last, number]))
    comparison = compare_facts(root, good, run, logs=False)
    error: Mapping[str, Any] = Catalog(store).show_step(number, step)["error"] or {}  # Any: JSON
    return why_failed(comparison, good, run, needs_of(root, run, good), step, error.get("frames") or ())


def needs_of(root: Path, *runs: RunFacts) -> Needs:
    """The edges of the first of these that has a snapshot; of the working tree those of its plan."""
    for run in runs:
        if run.label == NOW:
            continue
        graph = read_snapshot(root / STORE, int(run.label)).graph
        return {
            str(name): [(one.argument, str(one.step)) for one in step.inputs if not isinstance(one, FileInput)]
            for name, step in graph.steps.items()
        }
    raise UsageError("there is no run to compare with", mend="Give a run's number.")


def _only(changed: tuple[Any, ...], a: str, b: str) -> str:  # Any: differences
    names = [one.subject for one in changed]
    if not names:
        raise UsageError(f"no metric differs between {a} and {b}", mend=f"See `instep compare {a} {b}`.")
    if len(names) > 1:
        raise UsageError("several metrics differ", mend=f"Give one with `--metric`: {', '.join(names[:8])}.")
    return names[0]
