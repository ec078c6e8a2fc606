"""A session in this process that can run the hybrids of given runs: one step at a time, whatever the steps ask for.

The background engine is not needed: the journal may be written by any process, and what is run here is found there.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..errors import InstepError
from ..project import STORE
from ..scheduler.assignment import Resources
from ..scheduler.inline_executor import InlineExecutor
from ..session import Session
from .snapshot import read_snapshot


@contextmanager
def session_here(root: Path, numbers: Sequence[int]) -> Generator[Session]:
    """A session whose executor claims what the steps of these runs ask for: a step that wants a GPU gets to run, and
    says itself if there is none."""
    resources = _wanted(root / STORE, numbers)
    session = Session(root, lambda _, emit: InlineExecutor(emit, resources))
    try:
        yield session
    finally:
        session.close()


def _wanted(store: Path, numbers: Sequence[int]) -> Resources:
    cpus, gpus, memory = 1.0, 0.0, 0
    custom: dict[str, float] = {}
    for number in numbers:
        try:
            steps = read_snapshot(store, number).graph.steps.values()
        except InstepError:
            continue  # it will be said where it matters
        for one in steps:
            cpus = max(cpus, one.options.cpus)
            gpus = max(gpus, one.options.gpus)
            memory = max(memory, one.options.memory)
            for name, amount in one.options.resources.items():
                custom[name] = max(custom.get(name, 0.0), amount)
    return Resources(cpus, gpus, memory, custom)
