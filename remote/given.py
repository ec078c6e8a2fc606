"""What home knows, known on the cluster: results that a run may build on without their bytes being sent."""

from pathlib import Path

from ..engine.knowledge import Recorded
from ..engine.snapshots.journal import Cached, Journal, Writing
from .request import Request


class Given(Recorded):
    """A result counts as present when home has it: what a step that runs here takes in was sent, the rest is never
    read."""

    def __init__(self, journal: Journal, store: Path, at_home: frozenset[str]) -> None:
        super().__init__(journal, store)
        self._at_home = at_home

    @classmethod
    def of(cls, request: Request, journal: Journal, store: Path) -> "Given":
        return cls(journal, store, frozenset(f"{row[0]}.{row[1]}" for row in request.known))

    def present(self, cached: Cached) -> bool:
        return self._at_home.issuperset(cached.object_names()) or super().present(cached)


def take_in(request: Request, store: Path) -> None:
    """Put what home knows into the journal here; it is not fed back. Objects that have come are in the index."""
    here = [row for row in request.objects if (store / "objects" / row[0][:2] / f"{row[0]}.{row[1]}").exists()]
    with Journal(store / "journal.sqlite") as journal:
        journal.write(Writing(cache=list(request.cache), artifacts=list(request.artifacts), objects=here))
