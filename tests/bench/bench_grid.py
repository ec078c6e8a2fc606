"""A table of 5,000,000 rows as the grid of Data asks for it, against DuckDB's `limit … offset …` on the same parts.

`python tests/bench/bench_grid.py`. All of it happens in one process, as it does in the reading process.
"""

import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
from measure import row, timed

from instep.engine.reading.desk import Desk
from instep.engine.reading.service import answer
from instep.engine.snapshots import formats
from instep.engine.snapshots.objects import ObjectStore
from instep.engine.snapshots.queries import table_source

ROWS = 5_000_000


def frame(rows: int) -> pl.DataFrame:
    random = np.random.default_rng(1)
    numbers = {f"x{at}": random.normal(size=rows) for at in range(6)}
    whole = {f"n{at}": random.integers(0, 10**6, rows) for at in range(3)}
    kind = pl.Series(random.choice(["free", "pro", "team"], rows))
    return pl.DataFrame({"id": np.arange(rows), **numbers, **whole, "plan": kind})


def main() -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        desk = Desk(Path(folder))
        objects = ObjectStore(desk.store)
        artifact = formats.store(frame(ROWS), objects).artifact
        content = str(artifact.content_hash)

        def ask(**request: object) -> object:
            told = answer(desk, {"id": 1, "op": "page", "content": content, "count": 200, **request})
            assert "doc" in told, told
            return told

        def profile(column: str) -> object:
            desk.kept.pop("profiles", None)
            return answer(desk, {"id": 1, "op": "profile", "content": content, "column": column})

        ask()
        db = duckdb.connect()
        source = table_source(desk.store, content)
        offsets = iter(range(1_000_000, ROWS, 331_111))

        def plain() -> object:
            return db.execute(f"{source} limit 200 offset {next(offsets)}").fetchall()

        plain()
        base = timed(plain, 5)
        print(f"{ROWS:,} rows × 11, {artifact.bytes / 1e6:,.0f} MB; DuckDB limit/offset {base * 1000:.1f} ms a page")
        began = time.perf_counter()
        desk.kept.clear()
        ask()
        row("open, and the first page", time.perf_counter() - began, base, "DuckDB")
        places = iter(range(1_000_000, ROWS, 111_111))
        row("a page somewhere, mapped", timed(lambda: ask(offset=next(places)), 20), base, "DuckDB")
        began = time.perf_counter()
        ask(sort="x0")
        row("sort by a float: first page", time.perf_counter() - began, base, "DuckDB")
        places = iter(range(1_000_000, ROWS, 111_111))
        row("a page of the sorted table", timed(lambda: ask(sort="x0", offset=next(places)), 20), base, "DuckDB")
        began = time.perf_counter()
        ask(where="plan = 'pro' and x1 > 1")
        row("filter: first page", time.perf_counter() - began, base, "DuckDB")
        for column in ("x2", "n0", "plan", "id"):
            row(f"profile of {column}", timed(lambda name=column: profile(name), 3), base, "DuckDB")
        objects.delete(artifact.content_hash, "arrow")
        desk.kept.clear()
        began = time.perf_counter()
        ask()
        row("no copy: open, and the first page", time.perf_counter() - began, base, "DuckDB")
        row("no copy: the next pages", timed(lambda: ask(offset=400), 20), base, "DuckDB")
        places = iter(range(1_000_000, ROWS, 331_111))
        row("no copy: a page of a part not yet read", timed(lambda: ask(offset=next(places)), 8), base, "DuckDB")
        desk.kept.pop("orders", None)
        began = time.perf_counter()
        ask(sort="n0")
        row("no copy: sort, and the copy made again", time.perf_counter() - began, base, "DuckDB")


if __name__ == "__main__":
    main()
