"""Where a comparison begins: labels (`41`, `latest`, `now`) → facts → `Comparison`. The only reading in one place."""

from collections.abc import Sequence
from pathlib import Path

from ..errors import UsageError
from ..project import STORE
from ..snapshots.catalog import Catalog
from .differences import Comparison
from .facts import NOW, RunFacts
from .logs import compare_logs, read_logs
from .read_run import read_runs
from .runs import compare
from .seeds import is_seed, spreads_of
from .sources import as_they_stood


def read_facts(root: Path, labels: Sequence[str]) -> list[RunFacts]:
    """The facts of each label. Raises UsageError for a run that is not there."""
    catalog = Catalog(root / STORE)
    resolved = [one if one == NOW else str(catalog.number(one)) for one in labels]
    if all(one == NOW for one in resolved):
        raise UsageError("`now` is compared with a run", mend="Give a run's number, or `latest`.")
    numbers = [int(one) for one in dict.fromkeys(resolved) if one != NOW]
    facts = {one.label: one for one in read_runs(root / STORE, numbers)}
    if NOW in resolved:
        from .read_now import read_now

        facts[NOW] = read_now(root)
    return [facts[one] for one in resolved]


def distinct_facts(root: Path, labels: Sequence[str]) -> list[RunFacts]:
    """`read_facts`, for runs that are to be compared; two come with the source of what differs as it stood in each.
    Raises UsageError for one given twice."""
    found = read_facts(root, labels)
    seen: dict[str, str] = {}
    for one, label in zip(found, labels, strict=True):
        if one.label in seen:
            told = "a run is not compared with itself" if seen[one.label] == label else "they are the same run"
            raise UsageError(
                f"`{seen[one.label]}` and `{label}`: {told}",
                mend="Give different runs, or a run and `now`; `instep runs` lists them.",
            )
        seen[one.label] = label
    return list(as_they_stood(root / STORE, *found)) if len(found) == 2 else found


def compare_runs(root: Path, a: str, b: str, *, logs: bool = True) -> Comparison:
    """What differs between two runs of the project at `root`: numbers, `latest`, or `now` for the working tree.

    Raises UsageError for one that is not there or for one run given twice, StoreError where nothing can be read.
    """
    one, other = distinct_facts(root, [a, b])
    return compare_facts(root, one, other, logs=logs)


def compare_facts(root: Path, a: RunFacts, b: RunFacts, *, logs: bool = True) -> Comparison:
    """The same for facts that were read before: a screen reads once and looks at many pairs."""
    store = root / STORE
    seeded = [int(one.label) for one in (a, b) if one.label.isdigit() and any(map(is_seed, one.params))]
    spreads = spreads_of(store, seeded) if seeded else {}
    return compare(a, b, spreads, compare_logs(*read_logs(store, a, b)) if logs else None)
