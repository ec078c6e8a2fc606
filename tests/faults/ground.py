"""The ground that faults are tried on: a folder with the project, the real command line on it, and what can be seen of
it from outside: its processes, its ledger, its journal."""

import ctypes
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from project import ITEMS, PIPELINE

PATIENCE = 300.0
"""Seconds after which something that must happen has not: the machine may be very busy."""
_DISK_BYTES = 192 << 20
_MARK = "INSTEP_FAULTS"
_CLOCK = Path(__file__).parent / "clock"
_TOLD = re.compile(r"^✓ (\w+) +(?:done|cached) ", re.MULTILINE)
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH, _PR_CAPBSET_DROP = 1, 2, 24

Done = tuple[int, str, int | None]
"""Something that was executed or has finished: (salt, step, item)."""


class Broken(AssertionError):
    """What had to hold does not; the text says what."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.out)

    def finished(self) -> set[str]:
        """The steps that it said have finished."""
        return set(_TOLD.findall(self.out))


@dataclass(slots=True)
class Command:
    """A command that goes on."""

    process: "subprocess.Popen[str]"
    began: float = field(default_factory=time.monotonic)

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait(self) -> Told:
        """Raises Broken if it hangs, or shows the inside of the program."""
        try:
            out, err = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Broken(f"`{' '.join(map(str, self.process.args[4:]))}` did not end") from None
        for sign in ("Traceback", "This is a bug of instep"):
            if sign in err or sign in out:
                raise Broken(f"the command showed the inside of the program: {err[-1500:]}")
        return Told(self.process.returncode, out, err)


class Ground:
    """One project. `close` ends everything and removes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = folder / "disk"
        self.disk.mkdir(parents=True)
        self.why_no_disk = _mount(self.disk)
        self.root = self.disk / "p"
        self.store = self.root / ".instep"
        self.ledger = folder / "ledger"
        self.clock = folder / "clock"
        self.clock.write_bytes(bytes(8))
        self.salt = 0
        self.whole: list[int] = []
        """The salts whose results are all there."""
        self.lost: set[Done] = set()
        """What was damaged, and may be executed once more when it is needed."""
        self._mark = f"{uuid.uuid4()}"
        self.plant()

    def plant(self) -> None:
        """Write the project's files; anything that was recorded is gone."""
        self.root.mkdir()
        (self.root / "pipeline.py").write_text(PIPELINE.format(ledger=str(self.ledger), items=ITEMS))
        self.whole.clear()
        self.lost.clear()
        self.sow()

    def sow(self) -> None:
        """Make everything stale."""
        self.salt += 1
        temporary = self.root / "instep.tmp"
        temporary.write_text(f'[project]\nname = "faults"\n[params]\nsalt = {self.salt}\n[local]\ncpus = 2\n')
        temporary.replace(self.root / "instep.toml")

    # Commands

    def environment(self) -> dict[str, str]:
        rest = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        path = os.pathsep.join(filter(None, (str(_CLOCK), os.environ.get("PYTHONPATH"))))
        ours = {_MARK: self._mark, "INSTEP_FAULTS_CLOCK": str(self.clock), "PYTHONPATH": path}
        return rest | ours | {"INSTEP_IDLE_SECONDS": "600", "TERM": "xterm-256color"}

    def words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "instep", "-C", str(self.root), *words]

    def start(self, *words: str) -> Command:
        return Command(
            subprocess.Popen(
                self.words(*words),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=self.environment(),
                preexec_fn=obeys_modes,  # noqa: PLW1509  nothing here has threads
            )
        )

    def __call__(self, *words: str) -> Told:
        return self.start(*words).wait()

    def warm(self) -> None:
        """A run that ends well, so that Ray is there. Ray gives up after 30 s, which a busy machine may need twice."""
        told = Told(0, "", "")
        for _ in range(5):
            told = self("run")
            if told.code == 0:
                return
        raise Broken(f"nothing can be tried here: {told.err}")

    # What is seen from outside

    def executed(self) -> "Counter[Done]":
        """How often each step and item was begun."""
        found: Counter[Done] = Counter()
        for line in self.ledger.read_text().splitlines() if self.ledger.exists() else ():
            step, salt, item = line.split()
            found[int(salt), step, None if item == "-" else int(item)] += 1
        return found

    def lines(self) -> int:
        """Lines of the ledger that are of the present salt."""
        return sum(count for (salt, *_), count in self.executed().items() if salt == self.salt)

    def recorded(self) -> dict[str, Done]:
        """What the journal says has finished, by step key."""
        found: dict[str, Done] = {}
        salts: dict[str, int] = {}
        kinds = "('run_started', 'step_ended', 'items_ended')"
        for body in self._bodies(f"select body from event where kind in {kinds} order by seq"):
            if "code_hash" in body:
                salts[body["run_id"]] = body["params"]["seed"]["salt"]
                continue
            salt = salts[body["run_id"]]
            if body.get("state") == "done":
                found[body["step_key"]] = (salt, body["step"], None)
            for index, _, state, key, *_ in body.get("rows", ()):
                if state == "done":
                    found[key] = (salt, body["step"], index)
        return found

    def owners(self, name: str) -> set[Done]:
        """What is made of the object with this file name."""
        keys = self.recorded()
        content = name.partition(".")[0]
        with self._journal() as db:
            rows = db.execute("select step_key, outputs from cache where instr(outputs, ?)", (content,)).fetchall()
        return {keys[key] for key, _ in rows if key in keys}

    def _bodies(self, query: str) -> Iterator[dict[str, Any]]:
        if not (self.store / "journal.sqlite").exists():
            return
        with self._journal() as db:
            for (body,) in db.execute(query).fetchall():
                yield json.loads(body)

    def _journal(self) -> "closing[sqlite3.Connection]":
        return closing(sqlite3.connect(f"file:{self.store / 'journal.sqlite'}?mode=ro", timeout=30, uri=True))

    # Processes

    def processes(self) -> list[psutil.Process]:
        """Everything that a command of ours began, itself included, and that lives."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.environ().get(_MARK) == self._mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def engine(self) -> psutil.Process | None:
        return next((one for one in self.processes() if "instep.remote.service" in _cmdline(one)), None)

    def named(self, *parts: str) -> list[psutil.Process]:
        """Processes of ours with one of these texts in their command line."""
        return [one for one in self.processes() if any(part in " ".join(_cmdline(one)) for part in parts)]

    def left_behind(self) -> list[str]:
        """Processes that are neither the engine nor its own."""
        engine = self.engine()
        known = {engine.pid, *(one.pid for one in engine.children(recursive=True))} if engine else set[int]()
        return [f"{one.pid} {' '.join(_cmdline(one))[:90]}" for one in self.processes() if one.pid not in known]

    # The disk

    def fill(self) -> Path:
        """Leave nothing free; what is returned is to be removed."""
        filler = self.disk / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                with suppress(OSError):
                    while file.write(bytes(size)):
                        pass
        return filler

    def close(self) -> None:
        with suppress(Broken):
            self("stop")
        for one in self.processes():
            with suppress(psutil.Error):
                one.kill()
        if not self.why_no_disk:
            subprocess.run(["umount", "-l", str(self.disk)], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def until(holds: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Raises Broken if it does not come to hold."""
    deadline = time.monotonic() + seconds
    pause = 0.002
    while not holds():
        if time.monotonic() > deadline:
            raise Broken(f"it did not come about that {what}")
        time.sleep(pause)
        pause = min(pause * 1.3, 0.2)


def obeys_modes() -> None:
    """In a child, before it becomes a command: root is told to respect file modes as anybody must."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


def _mount(folder: Path) -> str:
    """Make `folder` a small disk of its own; why that is not possible, or nothing."""
    if os.geteuid() != 0:
        return "only root may mount a small disk"
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES},mode=700", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError as error:
        return f"a small disk cannot be mounted: {error}"
    return f"a small disk cannot be mounted: {done.stderr.strip()}" if done.returncode else ""


def _cmdline(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return []
