"""A small project with a table, a fan-out and metrics, and one run of it in this process."""

import threading
from pathlib import Path
from typing import Any

from instep.engine.planner import Wishes
from instep.engine.scheduler.inline_executor import InlineExecutor
from instep.engine.session import RunRequest, Session

PIPELINE = """
import polars as pl
from instep import Each, File, log, step

@step
def table(csv=File("data.csv"), *, rows: int = 3):
    print("reading \\x1b[31m")
    return pl.read_csv(csv).head(rows)

@step
def numbers(table):
    return table["a"].to_list()

@step
def square(number=Each("numbers")):
    return number * number

@step
def score(square, *, weight: float = 1.0):
    for epoch in range(3):
        log(loss=1 / (epoch + 1))
    return {"sum": sum(square) * weight, "count": len(square)}
"""


def run(root: Path, **wishes: object) -> dict[str, Any]:
    """One run of the project in this process; the catalog is brought up to date as it ends."""
    session = Session(root, lambda _, emit: InlineExecutor(emit))
    try:
        overrides = {name.replace("__", "."): value for name, value in wishes.items()}
        return session.run(RunRequest(wishes=Wishes(overrides)), lambda _: None, threading.Event())
    finally:
        session.close()


def project_in(root: Path) -> Path:
    (root / "instep.toml").write_text('[project]\nname = "p"\n')
    (root / "pipeline.py").write_text(PIPELINE)
    (root / "data.csv").write_text("a,b\n1,x\n2,y\n3,z\n4,w\n")
    return root
