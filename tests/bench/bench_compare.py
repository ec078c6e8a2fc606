"""The difference of two tables of 1,000,000 × 20, as they lie in the store, against plain DuckDB and datacompy.

Each in a process of its own, so that peak memory is its own; with datacompy where it is there:
`uv run --with datacompy python tests/bench/bench_compare.py`.
"""

import argparse
import json
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

ROWS = 1_000_000
CASES = {"ordered": "1 % of the rows changed, same order", "shuffled": "the same, shuffled, 0.1 % of the rows gone"}


def make(folder: Path) -> None:
    """Table a, and two others: as it is but for 1 % of the rows, and that one shuffled."""
    import numpy as np
    import polars as pl

    from instep.engine.snapshots.formats import store
    from instep.engine.snapshots.objects import ObjectStore

    random = np.random.default_rng(0)
    columns: dict[str, object] = {"id": np.arange(ROWS)}
    columns |= {f"f{at}": random.normal(size=ROWS) for at in range(13)}
    columns |= {f"i{at}": random.integers(0, 1000, ROWS) for at in range(3)}
    words = np.array([f"category {at}" for at in range(50)])
    columns |= {f"s{at}": words[random.integers(0, 50, ROWS)] for at in range(3)}
    a = pl.DataFrame(columns)
    hit = pl.Series(random.random(ROWS) < 0.01)
    ordered = a.with_columns(
        f3=pl.when(hit).then(pl.col("f3") + 1).otherwise(pl.col("f3")),
        s1=pl.when(hit).then(pl.lit("new")).otherwise(pl.col("s1")),
    )
    shuffled = ordered.filter(pl.col("id") % 1000 != 7).sample(fraction=1.0, shuffle=True, seed=1)
    for name, table in (("a", a), ("ordered", ordered), ("shuffled", shuffled)):
        artifact = store(table, ObjectStore(folder)).artifact
        (folder / f"{name}.pickle").write_bytes(pickle.dumps(artifact))
        table.write_parquet(folder / f"{name}.parquet")


def ours(folder: Path, case: str, key: tuple[str, ...]) -> tuple[int, int, int]:
    from instep.engine.compare.tables import compare_tables

    a, b = (pickle.loads((folder / f"{name}.pickle").read_bytes()) for name in ("a", case))
    found = compare_tables(folder, (a.content_hash, b.content_hash), (a.columns, b.columns), (a.rows, b.rows), key)
    return found.added, found.removed, found.changed


def plain(folder: Path, case: str) -> tuple[int, int, int]:
    """One full join over the same Parquet parts, written by hand."""
    import duckdb

    from instep.engine.snapshots.queries import table_source

    a, b = (pickle.loads((folder / f"{name}.pickle").read_bytes()) for name in ("a", case))
    differ = " or ".join(f"a.{one.name} is distinct from b.{one.name}" for one in a.columns if one.name != "id")
    db = duckdb.connect(config={"threads": "2"})
    return db.execute(
        f"select count(*) filter (a.id is null), count(*) filter (b.id is null),"
        f" count(*) filter (a.id is not null and b.id is not null and ({differ}))"
        f" from ({table_source(folder, a.content_hash)}) a full join ({table_source(folder, b.content_hash)}) b"
        " on a.id = b.id"
    ).fetchall()[0]


def datacompy(folder: Path, case: str) -> tuple[int, int, int]:
    import datacompy as dc
    import polars as pl

    a, b = (pl.read_parquet(folder / f"{name}.parquet") for name in ("a", case))
    found = dc.PolarsCompare(a, b, join_columns="id")
    changed = found.intersect_rows.height - found.count_matching_rows()
    return found.df2_unq_rows.height, found.df1_unq_rows.height, changed


def peak_memory() -> float:
    """MB. Not `ru_maxrss`, which a process has from the one that started it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def one(what: str, folder: Path, case: str) -> None:
    began = time.perf_counter()
    match what:
        case "instep":
            counts = ours(folder, case, ())
        case "instep, key given":
            counts = ours(folder, case, ("id",))
        case "duckdb":
            counts = plain(folder, case)
        case _:
            counts = datacompy(folder, case)
    took = time.perf_counter() - began
    peak = peak_memory()
    print(json.dumps({"took": took, "peak": peak, "counts": counts}))


def runs_of_300_steps(folder: Path) -> None:
    """Two runs that differ in one helper, compared by a process that starts for it, as `instep compare` does."""
    import threading

    from measure import floor, instep, row, wall
    from project import write_project

    from instep.engine.scheduler.inline_executor import InlineExecutor
    from instep.engine.session import RunRequest, Session

    root = write_project(folder, 300)
    for edit in (None, ("x + 4", "x + 40")):
        if edit is not None:
            path = root / "lib" / "h3.py"
            path.write_text(path.read_text().replace(*edit))
        session = Session(root, lambda _, emit: InlineExecutor(emit))
        session.run(RunRequest(), lambda _: None, threading.Event())
        session.close()
    least = floor()
    print("two runs of 300 steps")
    row("  instep compare 1 2", wall(instep("-C", str(root), "compare", "1", "2"), 5), least, "python -c pass")
    row("  instep compare 2 now", wall(instep("-C", str(root), "compare", "2", "now"), 5), least, "python -c pass")


def measured(what: str, folder: Path, case: str) -> dict:

    from instep.engine.compare.cache import FOLDER

    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    words = [sys.executable, __file__, "--one", what, "--folder", str(folder), "--case", case]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--one", "--folder", "--case"):
        parser.add_argument(name)
    arguments = parser.parse_args()
    if arguments.one:
        one(arguments.one, Path(arguments.folder), arguments.case)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        for case, text in CASES.items():
            print(f"two tables of {ROWS:,} × 20: {text}")
            runs = ["duckdb", "instep", "instep, key given", *(["datacompy"] if find_spec("datacompy") else [])]
            found = {what: measured(what, folder, case) for what in runs}
            assert len({tuple(one["counts"]) for one in found.values()}) == 1, found
            for what, one_found in found.items():
                ratios = "".join(
                    f"  {one_found['took'] / found[other]['took']:6.2f} × {other}"
                    for other in ("duckdb", "datacompy")
                    if other in found and other != what
                )
                print(
                    f"  {what:<18} {one_found['took'] * 1000:7.0f} ms  {one_found['peak']:5.0f} MB{ratios}", flush=True
                )

    with tempfile.TemporaryDirectory() as name:
        runs_of_300_steps(Path(name) / "project")


if __name__ == "__main__":
    main()
