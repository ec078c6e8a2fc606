"""What an answerer works with: the store of one project, and what earlier questions left open."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..project import STORE
from ..snapshots.catalog import Catalog
from ..snapshots.queries import Reader, reader

Document = dict[str, Any]  # Any: JSON
Request = Mapping[str, Any]  # Any: JSON, as a screen sent it
Answerer = Callable[["Desk", Request], Document]


class Desk:
    """One project's store. `kept` is for what is dear to make and asked for again (an open table, a log's index): each
    answerer keeps its own under a key of its own. Answers are given one at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = root / STORE
        self.catalog = Catalog(self.store)
        self.kept: dict[object, Any] = {}  # Any: each answerer's own

    @property
    def empty(self) -> bool:
        """Nothing was ever recorded here."""
        return not (self.store / "journal.sqlite").is_file()

    @contextmanager
    def reading(self) -> Generator[Reader]:
        """The catalog, open for the block; see `queries.reader` for what it raises."""
        if self.empty:
            raise UsageError("nothing is recorded yet", mend="Run the steps once.")
        with reader(self.store) as found:
            yield found
