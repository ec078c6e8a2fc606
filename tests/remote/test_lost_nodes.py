"""A node that shares no disk with the head, and a node that dies: one cluster of these tests' own."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ray_cluster import Cluster, Node, start_cluster, why_not_apart
from sites import Site, until

from instep.engine.reading.desk import Desk
from instep.engine.reading.live_metrics import live_metrics

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

PIPELINE = """
    import os, time
    import polars as pl
    from instep import Each, File, log, progress, step

    @step(resources={"seen": 1})
    def table(csv=File("data/numbers.csv")):
        print("reading", csv.name)
        return pl.read_csv(csv)

    @step(resources={"apart": 1})
    def doubled(table, rows=File("data/numbers.csv"), *, folder: str = ""):
        print("doubling", len(rows.read_text().split()) - 1)
        log(rows=len(table))
        if folder:
            os.makedirs(f"{folder}/working", exist_ok=True)
        for _ in progress(range(2)):
            while folder and not os.path.exists(f"{folder}/gate"):
                time.sleep(0.05)
        return table.with_columns(pl.col("x") * 2)

    @step(resources={"seen": 1})
    def numbers(doubled):
        return doubled["x"].to_list()

    @step(resources={"apart": 1})
    def shown(number=Each("numbers")):
        print("number", number)
        return f"<{number}>"

    @step(resources={"apart": 1}, isolate=True)
    def joined(shown):
        return {"length": len("".join(shown))}
"""
SPOT = """
    import os, time
    from instep import step

    def at_gate(folder, name):
        os.makedirs(f"{folder}/{name}.{os.getpid()}")
        while not os.path.exists(f"{folder}/gate"):
            time.sleep(0.05)

    @step
    def first():
        print("first")
        return 1

    @step(resources={"spot": 1})
    def moved(first, *, folder: str = ""):
        at_gate(folder, "moved")
        return first + 1

    @step
    def last(moved):
        return {"value": moved}

    @step(gpus=1)
    def stuck(*, folder: str = ""):
        at_gate(folder, "stuck")
"""


@dataclass
class Broken:
    """The cluster, its node of which nobody sees the disk, and the node with a GPU, which is going to be killed."""

    cluster: Cluster
    gpu: Node
    apart: str
    """Why there is no node that shares no disk; "" where there is one."""


@dataclass
class Bereft:
    """A project with two runs that were at work on a node when it was killed: run 1 can go on elsewhere, run 2 on
    no node that is left."""

    site: Site
    folder: Path
    first: "subprocess.Popen[str]"
    second: "subprocess.Popen[str]"


@pytest.fixture(scope="module")
def broken() -> Iterator[Broken]:
    cluster = start_cluster(cpus=1)
    try:
        apart = why_not_apart()
        if not apart:
            cluster.add_worker(cpus=1, resources={"apart": 2}, apart=True)
        gpu = cluster.add_worker(cpus=2, gpus=1, resources={"spot": 1, "seen": 1})
        yield Broken(cluster, gpu, apart)
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def bereft(broken: Broken, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bereft]:
    """Both runs begin here, and the second takes its time to give up: other tests go on meanwhile."""
    folder = tmp_path_factory.mktemp("bereft")
    site = site_of(broken, folder, SPOT)
    commands: list[subprocess.Popen[str]] = []
    try:
        for step, last in (("moved", "last"), ("stuck", "stuck")):
            commands.append(site.started("run", "--on", "gpu", "--set", f"{step}.folder={folder}", last))
            until(lambda step=step: len(list(folder.glob(f"{step}.*"))), 1)
        broken.cluster.add_worker(cpus=1, resources={"spot": 1, "seen": 1})
        broken.cluster.workers.remove(broken.gpu)
        broken.gpu.remove()
        yield Bereft(site, folder, *commands)
    finally:
        (folder / "gate").mkdir(exist_ok=True)
        for one in commands:
            one.kill()
            one.communicate()
        site.stop()


def site_of(broken: Broken, root: Path, pipeline: str) -> Site:
    files = {"pipeline.py": pipeline, "data/numbers.csv": "x\n" + "\n".join(map(str, range(5))) + "\n"}
    more = "[local.resources]\nseen = 2\napart = 2\nspot = 2\n"
    return Site(root / "project", broken.cluster.address, broken.cluster.token, root.name, files, more)


def test_a_step_whose_node_is_killed_is_run_on_another(bereft: Bereft) -> None:
    until(lambda: len(list(bereft.folder.glob("moved.*"))), 2)
    (bereft.folder / "gate").mkdir()
    out, _ = bereft.first.communicate(timeout=400)
    assert bereft.first.returncode == 0, out
    assert "that ran it is gone" in out
    assert bereft.site.over(1) == "done"
    assert bereft.site.instep("show", "1", "--json")["metrics"] == {"last.value": 2}


def test_a_worker_that_shares_no_disk_gives_the_same_and_says_it_as_live(broken: Broken, tmp_path: Path) -> None:
    if broken.apart:
        pytest.skip(f"no mount namespace here: {broken.apart}")
    site = site_of(broken, tmp_path, PIPELINE)
    gate = tmp_path / "gate"
    try:
        command = site.started("run", "--on", "gpu", "--set", f"doubled.folder={tmp_path}")
        said: list[str] = []
        assert command.stdout is not None
        for line in command.stdout:  # what a step prints is seen while it waits at its gate
            said.append(line)
            if "doubling 5" in line:
                break
        assert not gate.exists() and (tmp_path / "working").exists(), said
        # So is what it logs, by every reader of what goes on: curves and comparisons need not wait for its end.
        until(lambda: list(live_metrics(Desk(site.root), "1")), ["doubled.rows"])
        gate.mkdir()
        rest, _ = command.communicate(timeout=400)
        assert command.returncode == 0, rest
        here = site.instep("run", "--json", "--fresh")
        (there,) = [one for one in site.instep("runs", "--json")["runs"] if one["target"] == "gpu"]
        assert there["metrics"] == here["metrics"]
        compared = site.instep("compare", str(there["run"]), str(here["run"]), "--json")
        assert [one for one in compared["differences"] if one["kind"] in ("table", "value", "metric", "array")] == []
        assert site.lines(there["run"]) == site.lines(here["run"])
        assert site.instep("verify", "--json")["sound"]
        home = broken.cluster.workers[0].home
        assert list(home.glob(".instep/nodes/*/store/objects")), "the worker had a store of its own"
    finally:
        gate.mkdir(exist_ok=True)
        site.stop()


def test_a_step_that_no_node_left_can_run_fails_with_the_lost_node_named(bereft: Bereft) -> None:
    out, _ = bereft.second.communicate(timeout=400)
    assert bereft.second.returncode == 1, out
    assert "nothing here can run stuck" in out
    assert re.search(r"it needs 1 gpus \(of 0\); the node \S+ \([0-9a-f]{8}\) that ran it is gone", out), out
    assert bereft.site.over(2) == "failed"
    assert len(list(bereft.folder.glob("stuck.*"))) == 1
    assert bereft.site.instep("verify", "--json")["sound"]
