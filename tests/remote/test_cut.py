"""A network that is really cut: the cluster is in a network namespace of its own, and the wire into it goes down.

Nothing refuses a connection then, as it does when a process is gone: packets are lost, and nobody says so.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ray_cluster import Cluster
from sites import Site, ended_with, heard, until

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

PIPELINE = """
    import os, time
    from instep import Each, log, step

    @step
    def numbers():
        return [1, 2, 3]

    @step
    def counted(number=Each("numbers"), *, folder: str = ""):
        os.makedirs(f"{folder}/counted-{number}.{os.getpid()}")
        for line in range(10_000):
            print("line", number, line)
            log(line=line)
            if number == 1 or os.path.exists(f"{folder}/gate"):
                return line
            time.sleep(0.1)

    @step
    def total(counted, *, folder: str = ""):
        os.makedirs(f"{folder}/total.{os.getpid()}")
        return {"sum": sum(counted)}
"""


@dataclass(frozen=True)
class Wire:
    """A pair of network ends: one here, one in the namespace `name`."""

    name: str
    near: str
    far: str

    def cut(self) -> None:
        # At the far end: without the near one there would be no way to that address but the one into the world.
        ip("-n", self.name, "link", "set", "far", "down")

    def mend(self) -> None:
        ip("-n", self.name, "link", "set", "far", "up")


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


@pytest.fixture
def wire() -> Iterator[Wire]:
    if sys.platform != "linux" or shutil.which("ip") is None:
        pytest.skip("there is no `ip` here, so no network to cut")
    # Of the addresses for tests of networks (RFC 2544); two processes here never have the same.
    at = f"198.18.{os.getpid() % 65536 // 256}.{os.getpid() % 256 // 4 * 4}"
    base, last = at.rpartition(".")[0], int(at.rpartition(".")[2])
    made = Wire(f"instep-{os.getpid()}", f"{base}.{last + 1}", f"{base}.{last + 2}")
    end = f"inst{os.getpid()}"
    try:
        ip("netns", "add", made.name)
    except OSError as error:
        pytest.skip(f"no network namespace can be made here: {error}")
    try:
        try:
            ip("link", "add", end, "type", "veth", "peer", "name", "far", "netns", made.name)
        except OSError as error:
            pytest.skip(f"no wire can be laid here: {error}")
        ip("addr", "add", f"{made.near}/30", "dev", end)
        ip("link", "set", end, "up")
        ip("-n", made.name, "addr", "add", f"{made.far}/30", "dev", "far")
        ip("-n", made.name, "link", "set", "lo", "up")
        made.mend()
        yield made
    finally:
        ip("netns", "del", made.name)  # the wire goes with it


def test_while_the_network_is_cut_the_run_is_out_of_sight_and_then_all_of_it_comes_once(
    wire: Wire, start: Callable[..., Cluster], tmp_path: Path
) -> None:
    cluster = start(cpus=2, namespace=wire.name, host=wire.far)
    site = Site(tmp_path / "cut" / "project", cluster.address, cluster.token, tmp_path.name, {"pipeline.py": PIPELINE})
    words = [word for step in ("counted", "total") for word in ("--set", f"{step}.folder={tmp_path}")]
    command = site.started("run", "--on", "gpu", *words)
    with ended_with(site, command, tmp_path / "gate"):
        until(lambda: ("counted", "item", 0, "done") in site.story(1), True)
        until(lambda: "line 2 0" in site.lines(1), True)
        wire.cut()
        began = time.monotonic()
        said = heard(command, "lost sight since")
        print(f"lost sight after {time.monotonic() - began:.1f} s")
        assert site.state(1) == "running", said
        (tmp_path / "gate").mkdir()  # it goes on and ends there, while nobody sees it
        until(lambda: len(list(tmp_path.glob("total.*"))), 1)
        assert site.state(1) == "running"
        wire.mend()
        began = time.monotonic()
        rest, _ = command.communicate(timeout=400)
        print(f"all of it was here {time.monotonic() - began:.1f} s after the network was")
        assert command.returncode == 0, rest
        assert "in sight again" in rest
        assert site.over(1) == "done"
        ends = {("numbers", "done", 1), ("counted", "done", 1), ("total", "done", 1), ("run_ended", "done")}
        ends |= {("counted", "item", item, "done") for item in range(3)}
        assert sorted(one for one in site.story(1) if len(one) > 1) == sorted(ends)
        last = {number: int(_lines(site, number)[-1].split()[2]) for number in (1, 2, 3)}
        for number in (1, 2, 3):
            assert _lines(site, number) == [f"line {number} {line}" for line in range(last[number] + 1)]
        assert site.instep("show", "1", "--json")["metrics"]["total.sum"] == sum(last.values())
        assert {len(list(tmp_path.glob(f"{name}.*"))) for name in ("counted-1", "counted-2", "counted-3", "total")} == {
            1
        }
        assert site.instep("verify", "--json")["sound"]


def _lines(site: Site, number: int) -> list[str]:
    """What one item printed, in order."""
    found = [one["text"] for one in site.instep("log", "1/counted", "--json")["lines"]]
    return [one for one in found if one.startswith(f"line {number} ")]
