"""The faults. Each begins a run of everything, strikes at a random moment of it (or after it), and hands back what the
command said. `Random` decides everything that is left to chance, so that a seed strikes the same way again."""

import os
import shutil
import signal
import struct
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psutil
from ground import Broken, Command, Ground, Told, until
from project import MOST_LINES
from terminal import Terminal, terminal

LONGEST_DELAY = 1.2
"""Seconds; about as long as a run takes with a warm engine."""


@dataclass(slots=True)
class Struck:
    """What a strike left; `first` is what the command said that the fault came over."""

    moment: str
    first: Told | None = None
    all_lost: bool = False


Strike = Callable[[Ground, Random], Struck]


@dataclass(frozen=True, slots=True)
class Fault:
    """`weight` is how often it is tried, beside the others; `impossible` why it cannot be tried on a ground."""

    name: str
    strike: Strike
    weight: int = 1
    impossible: Callable[[Ground], str] = lambda _: ""


# Moments


def moment(ground: Ground, random: Random, running: Command) -> str:
    """Wait for a random moment of the run that has begun: after a line of the ledger, or after a time."""
    until(lambda: running.ended or ground.lines() > 0, "the run began")
    pause = random.random() * 0.03
    if random.random() < 0.5:
        wanted = random.randint(1, MOST_LINES)
        until(lambda: running.ended or ground.lines() >= wanted, f"{wanted} pieces of work had begun")
        time.sleep(pause)
        when = f"{wanted} begun + {pause * 1000:.0f} ms"
    else:
        delay = random.random() * LONGEST_DELAY
        deadline = time.monotonic() + delay
        while time.monotonic() < deadline and not running.ended:
            time.sleep(0.002)
        when = f"after {delay * 1000:.0f} ms"
    return f"{when} (at the end)" if running.ended else when


# Killing


def kill(one: psutil.Process | None) -> None:
    if one is not None:
        with suppress(psutil.Error):
            one.send_signal(signal.SIGKILL)


def kill_the_engine(ground: Ground, random: Random) -> Struck:
    running = ground.start("run")
    when = moment(ground, random, running)
    kill(ground.engine())
    return Struck(when, running.wait())


def kill_a_worker(ground: Ground, random: Random) -> Struck:
    running = ground.start("run")
    when = moment(ground, random, running)
    workers = sorted(ground.named("ray::"), key=lambda one: one.pid)
    if workers:
        kill(random.choice(workers))
    return Struck(when, running.wait())


def _kill_of_ray(*names: str) -> Strike:
    def strike(ground: Ground, random: Random) -> Struck:
        running = ground.start("run")
        when = moment(ground, random, running)
        for one in ground.named(*names):
            kill(one)
        return Struck(when, running.wait())

    return strike


def kill_the_command(ground: Ground, random: Random) -> Struck:
    running = ground.start("run")
    when = moment(ground, random, running)
    running.process.kill()
    out, err = running.process.communicate()
    return Struck(when, Told(-9, out, err))


def kill_the_screen(ground: Ground, random: Random) -> Struck:
    """The save starts the run; the screen goes while it goes on, and what it started must go with it."""
    with screen(ground) as shown:
        shown.shows(b"Pipeline")
        ground.sow()
        until(lambda: ground.lines() > 0 or shown.passed(), "a save started a run")
        pause = random.random() * LONGEST_DELAY
        shown.for_seconds(pause)
        os.kill(shown.pid, signal.SIGKILL)
    return Struck(f"{pause * 1000:.0f} ms after the save")


def screen(ground: Ground) -> AbstractContextManager[Terminal]:
    return terminal(ground.words(), ground.environment())


def kill_the_projector(ground: Ground, random: Random) -> Struck:
    """The catalog is gone, and whoever makes it anew is killed over it."""
    first = ground("run")
    for path in ground.store.glob("catalog.duckdb*"):
        path.unlink()
    reader = ground.start("runs", "--json")
    catalog = ground.store / "catalog.duckdb"
    until(lambda: catalog.exists() or reader.ended, "the catalog was made anew")
    pause = random.random() * 0.2
    time.sleep(pause)
    reader.process.kill()
    reader.process.communicate()
    return Struck(f"{pause * 1000:.0f} ms into the catalog", first)


def kill_the_engine_while_it_projects(ground: Ground, random: Random) -> Struck:
    running = ground.start("run")
    log = ground.store / "catalog.duckdb.wal"
    until(lambda: running.ended or ground.lines() >= MOST_LINES, "everything had begun")
    pause = random.random() * 0.03
    deadline = time.monotonic() + 20
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.0005)
    time.sleep(pause)
    kill(ground.engine())
    return Struck(f"{pause * 1000:.0f} ms into the catalog", running.wait())


# The disk


def fill_the_disk(ground: Ground, random: Random) -> Struck:
    running = ground.start("run")
    when = moment(ground, random, running)
    filler = ground.fill()
    try:
        return Struck(when, running.wait())
    finally:
        filler.unlink()


def make_the_store_read_only(ground: Ground, random: Random) -> Struck:
    running = ground.start("run")
    when = moment(ground, random, running)
    with _read_only(ground.store):
        first = running.wait()
        told = ground("run")
        if told.code == 0 and "nothing to run" not in told.out:
            raise Broken("it ran in a store that cannot be written")
    return Struck(when, first)


@contextmanager
def _read_only(folder: Path) -> Generator[None]:
    paths = [folder, *(path for path in folder.rglob("*") if not path.is_socket())]
    modes: dict[Path, int] = {}
    for path in paths:
        with suppress(FileNotFoundError):
            modes[path] = path.stat().st_mode & 0o7777
            path.chmod(modes[path] & 0o555)
    try:
        yield
    finally:
        for path, mode in modes.items():
            with suppress(FileNotFoundError):
                path.chmod(mode)


def remove_the_project(ground: Ground, random: Random) -> Struck:
    running = ground.start("run")
    when = moment(ground, random, running)
    deadline = time.monotonic() + 10
    while ground.root.exists() and time.monotonic() < deadline:
        shutil.rmtree(ground.root, ignore_errors=True)
    running.wait()
    until(lambda: not ground.processes(), "the engine of a folder that is gone ended")
    shutil.rmtree(ground.root, ignore_errors=True)
    ground.plant()
    return Struck(when, all_lost=True)


# Flipped bytes


def flip(path: Path, random: Random, count: int) -> str:
    """Change `count` bytes of a file, as a bad disk does."""
    size = path.stat().st_size
    places = sorted(random.randrange(size) for _ in range(count))
    with path.open("r+b") as file:
        for place in places:
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ (1 << random.randrange(8))]))
    return f"{path.name[:40]} at {', '.join(map(str, places[:3]))}"


def flip_an_object(ground: Ground, random: Random) -> Struck:
    first = ground("run")
    objects = sorted(path for path in ground.store.glob("objects/??/*") if path.name[0] != "." and path.stat().st_size)
    victims = random.sample(objects, min(len(objects), random.randint(1, 3)))
    for one in victims:
        ground.lost |= ground.owners(one.name)
    return Struck("; ".join(flip(one, random, 1) for one in victims), first)


def flip_the_catalog(ground: Ground, random: Random) -> Struck:
    first = ground("run")
    ground("runs", "--json")
    path = ground.store / "catalog.duckdb"
    return Struck(flip(path, random, random.choice((1, 5, 50))), first)


def flip_the_journal(ground: Ground, random: Random) -> Struck:
    """With the engine at work or without one."""
    first = ground("run")
    if random.random() < 0.5:
        ground("stop")
    path = ground.store / "journal.sqlite"
    return Struck(flip(path, random, random.choice((1, 5, 50))), first)


# The clock


def jump_the_clock(ground: Ground, random: Random) -> Struck:
    """Back or forth, by seconds or by months, and half of the time it jumps back later."""
    running = ground.start("run")
    when = moment(ground, random, running)
    seconds = random.choice((-1, 1)) * 10 ** random.uniform(0, 7.5)
    before = ground.clock.read_bytes()
    _shift(ground, struct.pack("q", int(seconds * 1e9)))
    first = running.wait()
    if random.random() < 0.5:
        _shift(ground, before)
    return Struck(f"{when}, by {seconds:+,.0f} s", first)


def _shift(ground: Ground, shift: bytes) -> None:
    with ground.clock.open("r+b") as file:  # in place: every process has it mapped
        file.write(shift)


FAULTS: dict[str, Fault] = {
    one.name: one
    for one in (
        Fault("engine killed", kill_the_engine, 3),
        Fault("engine killed projecting", kill_the_engine_while_it_projects, 1),
        Fault("projector killed", kill_the_projector, 4),
        Fault("worker killed", kill_a_worker, 5),
        Fault("raylet killed", _kill_of_ray("raylet/raylet"), 1),
        Fault("GCS killed", _kill_of_ray("gcs_server"), 1),
        Fault("command killed", kill_the_command, 5),
        Fault("screen killed", kill_the_screen, 3),
        Fault("disk full", fill_the_disk, 4, lambda ground: ground.why_no_disk),
        Fault("store read-only", make_the_store_read_only, 3),
        Fault("object flipped", flip_an_object, 5),
        Fault("catalog flipped", flip_the_catalog, 3),
        Fault("journal flipped", flip_the_journal, 2),
        Fault("clock jumps", jump_the_clock, 4),
        Fault("project removed", remove_the_project, 1),
    )
}


def drawn(random: Random, count: int, names: Iterable[str]) -> list[Fault]:
    """`count` faults, each kind as often as its weight says, in random order; every kind at least once."""
    kinds = [FAULTS[name] for name in names]
    whole = sum(one.weight for one in kinds)
    found = [one for one in kinds for _ in range(max(1, round(count * one.weight / whole)))]
    random.shuffle(found)
    while len(found) < count:
        found.append(random.choice(kinds))
    return found[: max(count, len(kinds))]
