"""`out` and `sql`: the data itself."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# DuckDB's rows hold anything.

import argparse
import sys
from pathlib import Path

from ...engine.errors import UsageError
from ...engine.project import STORE
from ...engine.snapshots.objects import ObjectStore
from ..text import clean, plural, size, table
from .context import DONE, put_json, root_of
from .looking import catalog_of, named_run

_SHOWN = 200


def out(arguments: argparse.Namespace) -> int:
    """Write an output to a file, or show what is known of it."""
    catalog = catalog_of(arguments)
    run, output = named_run(catalog, arguments.what)
    if not output:
        names = ", ".join(one["name"] for one in catalog.show(run)["outputs"])
        raise UsageError("which output?", mend=f"Write `{run}/NAME`; run {run} has: {names}.")
    artifact = catalog.artifact_of(run, output)
    if arguments.path is None:
        rows = "" if artifact.rows is None else f", {artifact.rows:,} rows"
        print(f"{clean(output)}: {artifact.kind}{rows}, {size(artifact.bytes)}, {artifact.content_hash[:12]}\n")
        print(clean(artifact.preview))
        return DONE
    from ...engine.recorder import object_names
    from ...engine.snapshots.formats import export

    path = Path(arguments.path)
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", mend="Make it first.")
    _fetch(root_of(arguments), catalog.store, object_names(artifact))
    export(artifact, ObjectStore(catalog.store), path)
    print(f"wrote {path} ({size(path.stat().st_size)})")
    return DONE


def _fetch(root: Path, store: Path, names: list[str]) -> None:
    """Have the engine bring home what lies on a cluster only. Raises MissingObject, ClusterError."""
    from ...engine.snapshots.journal import Journal

    with Journal(store / "journal.sqlite") as journal:
        away = journal.away(names)
    if away:
        from ..asking import asked

        print(f"fetching it from {', '.join(sorted(set(away.values())))} …", file=sys.stderr)
        asked(root, {"op": "cluster", "do": "fetch", "objects": away}, start=True)


def sql(arguments: argparse.Namespace) -> int:
    """Ask DuckDB about everything that was recorded."""
    from ...engine.snapshots.queries import sql as ask

    store = root_of(arguments) / STORE
    names, rows = ask(store, arguments.query, None if arguments.json else _SHOWN + 1)
    if arguments.json:
        put_json({"columns": names, "rows": rows})
        return DONE
    shown = [["" if value is None else _text(value) for value in row] for row in rows[:_SHOWN]]
    if names:
        print(table([clean(name) for name in names], shown))
    more = f", the first {_SHOWN} shown; `--json` gives all" if len(rows) > _SHOWN else ""
    print(f"{plural(min(len(rows), _SHOWN), 'row')}{more}")
    return DONE


def _text(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"
