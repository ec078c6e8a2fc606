"""`python tests/upgrade/make_store.py`: writes `stores/<version of the store>.tar.xz`, a small project with runs in it.

To be called by the version that writes such a store, before the next one adds a step to `schema.STEPS`; a store of a
version that was released is never written anew.
"""

import getpass
import platform
import socket
import sys
import tarfile
import tempfile
import threading
from contextlib import closing
from pathlib import Path

from instep.engine.planner import Wishes
from instep.engine.scheduler.inline_executor import InlineExecutor
from instep.engine.session import RunRequest, Session
from instep.engine.snapshots.records import RunNoted
from instep.engine.snapshots.schema import SCHEMA

STORES = Path(__file__).parent / "stores"
PIPELINE = """\
import collections
import polars as pl
from instep import Each, File, log, step

Point = collections.namedtuple("Point", "x y")


@step
def table(csv=File("data.csv"), *, rows: int = 3):
    print("reading")
    return pl.read_csv(csv).head(rows)


@step
def numbers():
    return [1, 2, 3, 4]


@step
def square(number=Each("numbers")):
    return number * number


@step(outputs=["low", "high"])
def halves(square):
    return square[:2], square[2:]


@step
def score(square, *, weight: float = 1.0):
    for epoch in range(3):
        log(loss=1 / (epoch + 1))
    log.text("remark", "small")
    return {"sum": sum(square) * weight, "count": len(square)}


@step
def fails(numbers, *, often: bool = True):
    if often:
        raise ValueError("on purpose")
    return Point(1, 2)
"""


def make(root: Path) -> None:
    """Three runs: one that fails, the same with other params, one where all is fresh."""
    (root / "instep.toml").write_text('[project]\nname = "past"\n')
    (root / "pipeline.py").write_text(PIPELINE)
    (root / "data.csv").write_text("a,b\n1,x\n2,y\n3,z\n4,w\n")
    run_in(root, {})
    run_in(root, {"score.weight": 2.0, "fails.often": False})
    with session(root) as opened:
        first = opened.journal.run_id(1)
        assert first is not None
        opened.journal.append(RunNoted(first, note="the first", baseline=True))
    run_in(root, {"table.rows": 2})


def run_in(root: Path, overrides: dict[str, object]) -> dict[str, str]:
    """One run; the state of every step."""
    with session(root) as opened:
        document = opened.run(RunRequest(wishes=Wishes(overrides)), lambda _: None, threading.Event())
    return {one["name"]: one["state"] for one in document["steps"]}


def session(root: Path) -> closing[Session]:
    return closing(Session(root, lambda _, emit: InlineExecutor(emit)))


def main() -> None:
    # What is kept for ever tells nothing of the machine that it was made on.
    socket.gethostname = platform.node = lambda: "machine"
    getpass.getuser = lambda: "somebody"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "past"
        root.mkdir()
        make(root)
        STORES.mkdir(exist_ok=True)
        with tarfile.open(STORES / f"{SCHEMA}.tar.xz", "w:xz") as archive:
            archive.add(root, "past")


if __name__ == "__main__":
    sys.exit(main())
