"""DuckDB for what a person types about one table: it reads the store's objects, nothing else, and not for ever."""

import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import Problem, UsageError
from ..snapshots.duck import in_memory, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LONGEST: Final = 30.0
"""Seconds: answers are given one at a time, and a question that never ends would keep every other from its answer."""


@contextmanager
def sealed(store: Path) -> Generator["DuckDBPyConnection"]:
    """A database in memory for one block of questions. Raises UsageError for one that takes longer than LONGEST."""
    folder = str(store / "objects")
    allowed = ", ".join(quoted(f"{one}/") for one in (folder, re.sub(r"([*?\[])", r"[\1]", folder)))
    with in_memory(store) as db:
        db.execute(f"set allowed_directories=[{allowed}]")
        db.execute("set enable_external_access=false")
        db.execute("set lock_configuration=true")
        with within(db, LONGEST):
            yield db


@contextmanager
def within(db: "DuckDBPyConnection", seconds: float) -> Generator[None]:
    """Interrupt what `db` does after so many seconds. Raises UsageError that says so."""
    import duckdb

    timer = threading.Timer(seconds, db.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    except duckdb.InterruptException:
        raise too_long(seconds) from None
    except UsageError as error:
        if error.problems[0].what.startswith("INTERRUPT"):
            raise too_long(seconds) from None
        raise
    finally:
        timer.cancel()


def too_long(seconds: float) -> UsageError:
    mend = "Ask for less: a narrower condition, or fewer rows."
    return UsageError(Problem(f"it took longer than {seconds:g} seconds and was stopped", mend=mend))
