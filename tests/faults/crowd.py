"""`python tests/faults/crowd.py`: everybody at once on one project, for `--seconds 60`.

An engine runs fan-outs, two screens look and are typed into, commands come in a loop, a notebook reads. Nobody may meet
a lock or half of a run; how long each waits is printed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from ground import Broken, Ground
from kinds import screen

KEYS = (b"j", b"k", b"2", b"j", b"1", b"5", b"6", b"4", b"1")
COMMANDS = (
    ("status", "--json"),
    ("runs", "--json"),
    ("show", "latest", "--json"),
    ("sql", "select step, count(*) from step_run group by step", "--json"),
    ("log", "latest", "--json"),
)
NOTEBOOK = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from project import expected, plain
from instep import open_project
project = open_project(sys.argv[1])
while True:
    began = time.perf_counter()
    whole = [one for one in project.runs(limit=5).to_dicts() if one["state"] == "done"]
    took = [time.perf_counter() - began]
    for one in whole[:1]:
        began = time.perf_counter()
        run = project.run(one["run"])
        for name, value in expected(run.params["seed"]["salt"]).items():
            assert plain(run[name]) == value, f"half of run {one['run']}: {name}"
        took.append(time.perf_counter() - began)
    print(json.dumps(took), flush=True)
"""


class Crowd:
    """What everybody met: seconds by what was waited for, and what went wrong."""

    def __init__(self, ground: Ground, seconds: float) -> None:
        self.ground = ground
        self.took: dict[str, list[float]] = defaultdict(list)
        self.wrong: list[str] = []
        self._end = time.monotonic() + seconds

    def run(self) -> None:
        """Everybody at once, until the time is over."""
        callers = (self._runs, self._commands, self._notebook, self._screen, self._screen)
        threads = [threading.Thread(target=self._told, args=(one,)) for one in callers]
        for one in threads:
            one.start()
        for one in threads:
            one.join()

    def table(self) -> str:
        rows = [f"{'waited for':<22}{'times':>7}{'p50 ms':>9}{'p99 ms':>9}"]
        for name, took in sorted(self.took.items()):
            rows.append(f"{name:<22}{len(took):>7}{share(took, 0.5) * 1e3:>9.0f}{share(took, 0.99) * 1e3:>9.0f}")
        return "\n".join(rows)

    def _told(self, caller: Callable[[], None]) -> None:
        try:
            caller()
        except (Broken, OSError, ValueError) as error:
            self.wrong.append(f"{caller.__name__}: {error}")

    @contextmanager
    def _waiting(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.took[name].append(time.perf_counter() - began)

    @property
    def _over(self) -> bool:
        return time.monotonic() > self._end

    def _runs(self) -> None:
        """One run of everything after the other."""
        while not self._over:
            self.ground.salt += 1
            with self._waiting("run"):
                told = self.ground("run", "--set", f"seed.salt={self.ground.salt}", "--json")
            self._expect(told.code == 0, f"run: {told.err or told.out}")

    def _commands(self) -> None:
        while not self._over:
            for words in COMMANDS:
                with self._waiting(f"instep {words[0]}"):
                    told = self.ground(*words)
                self._expect(told.code == 0 and bool(told.document), f"{words}: {told.err}")

    def _notebook(self) -> None:
        words = [sys.executable, "-c", NOTEBOOK, str(self.ground.root), str(Path(__file__).parent)]
        out = subprocess.PIPE
        with subprocess.Popen(words, stdout=out, stderr=out, text=True, env=self.ground.environment()) as process:
            assert process.stdout is not None and process.stderr is not None
            for line in process.stdout:
                for name, seconds in zip(("notebook: runs", "notebook: outputs"), json.loads(line), strict=False):
                    self.took[name].append(seconds)
                if self._over:
                    process.kill()
            if not self._over:
                self.wrong.append(f"notebook: {process.stderr.read()[-600:]}")

    def _screen(self) -> None:
        """From a key to the first that is painted after it."""
        with screen(self.ground) as terminal:
            terminal.shows(b"Pipeline")
            while not self._over:
                for key in KEYS:
                    terminal.quiet()
                    with self._waiting("screen: key"):
                        os.write(terminal.descriptor, key)
                        terminal.paints()
            for word in (b"locked", b"itself failed"):
                self._expect(word not in terminal.seen, f"a screen shows {word!r}")

    def _expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.wrong.append(what)


def share(took: list[float], part: float) -> float:
    """The value that `part` of them do not exceed."""
    ordered = sorted(took)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def crowd(folder: Path, seconds: float) -> Crowd:
    """A crowd on a project of its own."""
    ground = Ground(folder)
    try:
        ground.warm()
        found = Crowd(ground, seconds)
        found.run()
        told = ground("verify", "--json")
        if told.code or told.document["problems"]:
            found.wrong.append(f"verify: {told.out}")
        return found
    finally:
        ground.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    found = crowd(Path(tempfile.mkdtemp(prefix="instep-crowd-")) / "ground", arguments.seconds)
    print(found.table())
    for one in found.wrong:
        print(f"WRONG: {one[:2000]}")
    print(f"{len(found.wrong)} of them met something wrong")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
