"""What recording costs: 6 steps with 100 MB tables between them, against the same functions called in plain Python, and
against plain Python that keeps each table as a Parquet file (zstd-1, synced), as people do by hand.

The functions do next to nothing, so that what is seen is recording alone.
"""

import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from instep.engine.planner import Wishes
from instep.engine.session import RunRequest, Session

TABLES = 5
SOURCE = """
import numpy as np
import polars as pl
from instep import step

ROWS = 1_250_000

@step
def one():
    rng = np.random.default_rng(0)
    return pl.DataFrame({f"c{i}": rng.normal(size=ROWS).round(3) for i in range(10)})

@step
def two(one): return one.with_columns((pl.col("c0") * pl.col("c1")).alias("c9"))

@step
def three(two): return two.sort("c3")

@step
def four(three): return three.with_columns(pl.col("c2").rolling_mean(50).fill_null(0.0))

@step
def five(four): return four.filter(pl.col("c4") > -4).with_columns(pl.col("c5").rank())

@step
def six(five): return {"sum": float(five["c5"].sum())}
"""


def main() -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        (root / "instep.toml").write_text('[project]\nname = "recording"\n')
        (root / "pipeline.py").write_text(SOURCE)
        plain = [_plain() for _ in range(3)]
        kept = [_plain(root) for _ in range(3)]
        session = Session(root)
        session.warm()
        taken: list[float] = []
        for _ in range(4):
            began = time.perf_counter()
            request = RunRequest(wishes=Wishes({}, fresh_all=True), env=dict(os.environ))
            document = session.run(request, lambda _: None, threading.Event())
            assert document["state"] == "done", document
            taken.append(time.perf_counter() - began)
            for path in (root / ".instep" / "objects").glob("*/*"):
                path.unlink()
        session.close()
    recorded = min(taken[1:])
    print(f"plain Python {min(plain):.2f} s, with Parquet by hand {min(kept):.2f} s, a run {recorded:.2f} s")
    print(f"  {recorded / min(plain):.2f} × plain, {recorded / min(kept):.2f} × by hand")
    print(f"  {(recorded - min(plain)) / TABLES * 1000:.0f} ms a table beyond the step itself")


def _keep(value: Any, folder: Path, name: str) -> None:  # Any: a Polars table
    with (folder / f"{name}.parquet").open("wb") as file:
        value.write_parquet(file, compression="zstd", compression_level=1)
        file.flush()
        os.fsync(file.fileno())


def _plain(folder: Path | None = None) -> float:
    scope: dict[str, object] = {}
    exec(compile(SOURCE, "plain", "exec"), scope)
    began = time.perf_counter()
    value: object = None
    for name in ("one", "two", "three", "four", "five", "six"):
        function = scope[name]
        value = function() if name == "one" else function(value)  # type: ignore[operator]
        if folder is not None and not isinstance(value, dict):
            _keep(value, folder, name)
    assert isinstance(value, dict)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
