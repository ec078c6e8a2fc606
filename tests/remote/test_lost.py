"""Whoever of those that take part in a run on a cluster is killed: nothing is missing, nothing is there twice.

Steps leave a mark (a folder) outside of the project each time they are executed, and wait at a gate where a test wants
to find them at work.
"""

import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from cut_wire import Wire
from ray_cluster import Cluster
from sites import Site, engine_of, kill, processes, until

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

ITEMS = 6
PIPELINE = """
    import os, time
    from instep import Each, step

    def mark(folder, name):
        for number in range(100):
            try:
                os.mkdir(f"{folder}/{name}.{number}")
                return
            except FileExistsError:
                pass

    @step
    def numbers(*, folder: str = ""):
        mark(folder, "numbers")
        print("numbers are made")
        return list(range(6))

    @step(isolate=True)
    def square(number=Each("numbers"), *, folder: str = ""):
        print("squaring", number)
        mark(folder, f"square-{number}")
        while number >= 3 and not os.path.exists(f"{folder}/gate"):
            time.sleep(0.05)
        print("squared", number)
        return number * number

    @step(cache=False)
    def total(square, *, folder: str = ""):
        mark(folder, "total")
        print("adding up")
        return {"sum": sum(square)}
"""
STEPS = {"numbers": "done", "square": "done", "total": "done"}
ONCE = {"numbers": 1, "total": 1, **{f"square-{number}": 1 for number in range(ITEMS)}}


class Ground:
    """A folder with the marks of one run, and its gate."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder

    @property
    def setting(self) -> str:
        return f"folder={str(self.folder)!r}"

    def words(self) -> list[str]:
        return [word for step in STEPS for word in ("--set", f"{step}.folder={self.folder}")]

    def open(self) -> None:
        (self.folder / "gate").mkdir(exist_ok=True)

    def marks(self) -> dict[str, int]:
        return dict(Counter(one.name.split(".")[0] for one in self.folder.iterdir() if one.name != "gate"))

    def at_work(self, times: int = 1) -> bool:
        """Whether some item that waits at the gate was begun so often."""
        return any(self.marks().get(f"square-{number}", 0) >= times for number in range(3, ITEMS))


@pytest.fixture(scope="module")
def site(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("lost") / "project"
    found = Site(root, cluster.address, cluster.token, root.parent.name, {"pipeline.py": PIPELINE})
    yield found
    found.stop()


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    found = Ground(tmp_path / "marks")
    yield found
    found.open()  # whatever still waits there is let go


@pytest.fixture(scope="module")
def told(site: Site, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[tuple[object, ...]], list[str]]:
    """What a run that nothing happens to has recorded and printed."""
    ground = Ground(tmp_path_factory.mktemp("calm") / "marks")
    ground.open()
    run = site.instep("run", "--on", "gpu", *ground.words(), "--json")["run"]
    assert ground.marks() == ONCE
    return site.story(run), site.lines(run)


def agents(site: Site, run: int) -> list[int]:
    return [one.pid for one in processes("instep.remote.agent", site.run_id(run))]


def started(site: Site, ground: Ground) -> int:
    """The number of a run on the cluster whose first items have come home and whose others wait at the gate."""
    run = site.instep("run", "--on", "gpu", "--detach", *ground.words(), "--json")["run"]
    until(ground.at_work, True)
    until(lambda: {("square", "item", number, "done") for number in range(3)} <= set(site.story(run)), True)
    return run


def test_a_new_engine_follows_on_where_the_killed_one_was(
    site: Site, ground: Ground, told: tuple[list[tuple[object, ...]], list[str]]
) -> None:
    run = started(site, ground)
    kill(engine_of(site))
    ground.open()
    until(lambda: agents(site, run), [])  # it has ended there, with nobody looking
    assert site.state(run) == "running"
    site.ask("ping")
    assert site.over(run) == "done"
    assert (site.story(run), site.lines(run)) == told
    assert ground.marks() == ONCE
    assert site.instep("verify", "--json")["sound"]


def test_a_run_goes_on_when_the_command_that_started_it_is_killed(site: Site, ground: Ground) -> None:
    command = site.started("run", "--on", "gpu", *ground.words())
    until(ground.at_work, True)
    command.kill()
    command.communicate()
    ground.open()
    with site.journal() as journal:
        run = journal.runs(1)[0][0]
    assert site.over(run) == "done"
    assert ground.marks() == ONCE


def test_a_killed_agent_is_started_again_and_runs_only_what_had_not_finished(
    site: Site, ground: Ground, told: tuple[list[tuple[object, ...]], list[str]]
) -> None:
    run = started(site, ground)
    (before,) = agents(site, run)
    kill(before)
    until(lambda: ground.at_work(2), True)
    (after,) = agents(site, run)
    # The second time the job that would start it again is killed as well: home submits another.
    kill(next(one.pid for one in processes("instep.remote.job", site.run_id(run))))
    kill(after)
    until(lambda: ground.at_work(3), True)
    assert site.followed(run).submission.endswith("-2")
    ground.open()
    assert site.over(run) == "done"
    done = [one for one in site.story(run) if one[0] in STEPS]
    assert done == [one for one in told[0] if one[0] in STEPS]
    marks = ground.marks()
    finished = ("numbers", "square-0", "square-1", "square-2", "total")
    assert {name: marks[name] for name in finished} == dict.fromkeys(finished, 1)
    # A step that was cut off said twice that it began; what came to its end is there once.
    lines = Counter(site.lines(run))
    assert {line: count for line, count in lines.items() if not line.startswith("squaring")} == dict.fromkeys(
        [one for one in told[1] if not one.startswith("squaring")], 1
    )
    assert site.instep("show", str(run), "--json")["state"] == "done"
    assert site.instep("verify", "--json")["sound"]


@pytest.mark.parametrize("how", ["ctrl-c", "engine"])
def test_cancelling_from_here_frees_what_the_run_held_there(
    site: Site, ground: Ground, cluster: Cluster, how: str
) -> None:
    command = site.started("run", "--on", "gpu", *ground.words())
    until(ground.at_work, True)
    with site.journal() as journal:
        run = journal.runs(1)[0][0]
    began = time.monotonic()
    if how == "ctrl-c":
        command.send_signal(signal.SIGINT)
    else:
        assert site.ask("cancel", run=run)["cancelled"]
    until(lambda: held(cluster), 0)
    print(f"what it held was free after {time.monotonic() - began:.1f} s")
    out, _ = command.communicate(timeout=400)
    assert command.returncode == 130, out
    assert site.over(run) == "cancelled"
    states = {one["name"]: one["state"] for one in site.instep("show", str(run), "--json")["steps"]}
    assert (states["numbers"], states["total"]) == ("done", "cancelled")


def held(cluster: Cluster) -> int:
    """Tasks that hold something of the cluster; how many CPUs are in use is told seconds late."""
    asked = "/api/v0/tasks?detail=1&limit=1000&filter_keys=state&filter_predicates=%3D&filter_values=RUNNING"
    return len(cluster.get(asked)["data"]["result"]["result"])


def test_two_people_see_the_same_run_each_with_numbers_of_their_own(
    site: Site, ground: Ground, cluster: Cluster, tmp_path: Path
) -> None:
    name = site.root.parent.name
    other = Site(tmp_path / "copy", cluster.address, cluster.token, name, {"pipeline.py": PIPELINE})
    try:
        run = started(site, ground)
        numbers = other.ask("adopt", cluster="gpu")["runs"]
        theirs = next(one for one in numbers if other.run_id(one) == site.run_id(run))
        assert (numbers[0], theirs) == (1, len(numbers))
        until(lambda: ("square", "item", 2, "done") in other.story(theirs), True)
        ground.open()
        assert (site.over(run), other.over(theirs)) == ("done", "done")
        # Who sent it has said how it began as well, and knows the state of their own git.
        sent = ("run_started",), ("run_context",)
        assert [one for one in other.story(theirs) if one not in sent] == [
            one for one in site.story(run) if one not in sent
        ]
        assert other.lines(theirs) == site.lines(run)
        assert other.instep("show", str(theirs), "--json")["target"] == "gpu"
        assert other.ask("adopt", cluster="gpu")["runs"] == []
        assert other.instep("verify", "--json")["sound"]
    finally:
        other.stop()


SENT = """
    from instep import File, step

    @step
    def back(data=File("big.bin")):
        return data.read_bytes()[::-1]
"""
BIG, PIECE = 200_000_000, 8 << 20


def test_a_transfer_of_200_mb_that_is_cut_at_a_random_byte_goes_on_where_it_was(
    cluster: Cluster, tmp_path: Path
) -> None:
    wire = Wire(cluster.address)
    root = tmp_path / "sent" / "project"
    site = Site(root, wire.address, cluster.token, f"sent-{tmp_path.name}", {"pipeline.py": SENT}, 'fetch = "all"\n')
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    sent = chance.randbytes(BIG)
    (root / "big.bin").write_bytes(sent)
    places = {way: chance.randrange(PIECE, BIG - PIECE) for way in ("up", "down")}
    print(f"seed {seed}, cut at bytes {places}")
    for way, where in places.items():
        wire.cut_after(way, where)
    try:
        site.instep("run", "--on", "gpu", "--json")
        assert site.over(1) == "done"
        assert wire.cuts == 2
        for moved in (wire.up, wire.down):
            assert moved - BIG < 4 * PIECE, (wire.up, wire.down)
        site.instep("out", "1/back", str(tmp_path / "back.bin"))
        assert (tmp_path / "back.bin").read_bytes() == sent[::-1]
        assert site.instep("verify", "--json")["sound"]
    finally:
        site.stop()
        wire.close()
        shutil.rmtree(tmp_path)  # pytest would keep a gigabyte of the last three


def test_out_of_sight_is_not_failed_and_everything_comes_later_in_order(
    cluster: Cluster, ground: Ground, tmp_path: Path, told: tuple[list[tuple[object, ...]], list[str]]
) -> None:
    wire = Wire(cluster.address)
    root = tmp_path / "sight" / "project"
    site = Site(root, wire.address, cluster.token, f"sight-{tmp_path.name}", {"pipeline.py": PIPELINE})
    said: list[str] = []
    command = site.started("run", "--on", "gpu", *ground.words())
    assert command.stdout is not None
    listener = threading.Thread(target=lambda: said.extend(command.stdout or ()), daemon=True)
    listener.start()
    try:
        until(ground.at_work, True)
        wire.cut()
        until(lambda: any("lost sight since" in one for one in said), True)
        ground.open()
        until(lambda: agents(site, 1), [])
        assert site.state(1) == "running"
        wire.mend()
        assert command.wait(400) == 0
        listener.join(10)
        command.stdout.close()
        assert any("in sight again" in one for one in said)
        assert site.over(1) == "done"
        assert (site.story(1), site.lines(1)) == told
    finally:
        site.stop()
        wire.close()
