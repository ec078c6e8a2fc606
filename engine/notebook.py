"""`open_project()`: what was recorded, for a notebook or a script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .project import STORE, find_root

if TYPE_CHECKING:
    import polars as pl

    from .snapshots.catalog import Catalog


class OpenProject:
    """A project's history. `p.runs()`, `p.run(42)["features"]`, `p.sql("from run_42.features")`."""

    def __init__(self, root: Path) -> None:
        from .snapshots.catalog import Catalog

        self.root = root
        self._catalog: Catalog = Catalog(root / STORE)

    def runs(self, where: str = "", limit: int = 0) -> pl.DataFrame:
        """One row a run, newest first: number, state, times, note, then a column for every metric and param."""
        import polars as pl

        rows = [
            {
                **{name: one[name] for name in ("run", "state", "started_at", "seconds", "target", "note", "baseline")},
                **one["metrics"],
                **{f"params.{name}": value for name, value in one["params"].items()},
            }
            for one in self._catalog.runs(where, limit)
        ]
        return pl.DataFrame(rows, infer_schema_length=None, strict=False)

    def run(self, number: int | str = "latest") -> RecordedRun:
        """One run. Raises UsageError for a number that is not there."""
        return RecordedRun(self._catalog, self._catalog.number(str(number)))

    def sql(self, query: str) -> pl.DataFrame:
        """DuckDB over everything that was recorded. Raises UsageError for a mistake in the query."""
        import polars as pl

        from .snapshots.queries import sql

        names, rows = sql(self.root / STORE, query)
        return pl.DataFrame(rows, schema=_unique(names), orient="row", infer_schema_length=None, strict=False)

    def __repr__(self) -> str:
        return f"<instep project {self.root.name!r} in {self.root}>"


class RecordedRun:
    """One run: `run["features"]` loads an output, `run.metrics` and `run.params` are dicts."""

    def __init__(self, catalog: Catalog, number: int) -> None:
        self._catalog = catalog
        self.number = number
        self._document: dict[str, Any] | None = None

    @property
    def document(self) -> dict[str, Any]:  # Any: JSON
        """The document `show` of docs/json.md."""
        if self._document is None:
            self._document = self._catalog.show(self.number)
        return self._document

    @property
    def state(self) -> str:
        return self.document["state"]

    @property
    def metrics(self) -> dict[str, float]:
        return self.document["metrics"]

    @property
    def params(self) -> dict[str, Any]:  # Any: JSON
        return self.document["snapshot"]["params"]

    @property
    def outputs(self) -> list[str]:
        return [one["name"] for one in self.document["outputs"]]

    def __getitem__(self, output: str) -> Any:  # Any: what the step returned
        """The value of an output, as its consumer would get it. Unpickles what was pickled."""
        from .snapshots.formats import load
        from .snapshots.objects import ObjectStore

        return load(self._catalog.artifact_of(self.number, output), ObjectStore(self._catalog.store))

    def __contains__(self, output: object) -> bool:
        return output in self.outputs

    def _ipython_key_completions_(self) -> list[str]:
        return self.outputs

    def __repr__(self) -> str:
        return f"<run {self.number}, {self.state}: {', '.join(self.outputs)}>"


def _unique(names: list[str]) -> list[str]:
    """Two columns of a query may have one name; those of a frame may not."""
    found: dict[str, None] = {}
    for name in names:
        more, at = name, 1
        while more in found:
            more, at = f"{name}_{at}", at + 1
        found[more] = None
    return list(found)


def open_project(path: str | Path = ".") -> OpenProject:
    """The project at or above `path`. Raises ProjectError if there is none."""
    return OpenProject(find_root(Path(path)).resolve())
