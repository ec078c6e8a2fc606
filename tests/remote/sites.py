"""Projects with a cluster in their configuration: what a person types there, and what can be seen from outside."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import dedent
from typing import Any

import psutil

from instep.engine import client
from instep.engine.ids import RunId
from instep.engine.snapshots.journal import Followed, Journal
from instep.engine.snapshots.records import ItemsEnded, Record, RunEnded, StepEnded

Document = dict[str, Any]
TOKEN = "TEST_TOKEN"


class Site:
    """A project below `root`; of the same `name` it is the same project, whoever has it."""

    def __init__(
        self, root: Path, address: str, token: str, name: str, files: Mapping[str, str], more: str = ""
    ) -> None:
        self.root, self.token = root, token
        for path, text in files.items():
            self.write(path, text)
        self.write(
            "instep.toml",
            f"""
            [project]
            name = "{name}"
            [local]
            gpus = 1
            [clusters.gpu]
            address = "{address}"
            token = {{ env = "{TOKEN}" }}
            """,
        )
        with (root / "instep.toml").open("a") as file:
            file.write(dedent(more))

    def write(self, path: str, text: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(dedent(text).lstrip("\n"))

    # What a person does

    def instep(self, *words: str, ok: bool = True) -> Document:
        done = subprocess.run(
            self._words(words), check=False, capture_output=True, text=True, timeout=500, env=self.env()
        )
        assert not ok or done.returncode == 0, done.stdout + done.stderr
        told = json.loads(done.stdout) if "--json" in words and done.stdout else {}
        return told | {"out": done.stdout, "err": done.stderr, "exit": done.returncode}

    def started(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self._words(words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.env()
        )

    def ask(self, op: str, **more: object) -> Document:
        """What a screen says to the engine; one is started where there is none."""
        for message in client.ask(self.root, {"op": op, "env": self.env(), **more}):
            assert message["t"] != "error", message
            if message["t"] == "end":
                return message
        raise AssertionError("no answer")

    def _words(self, words: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "instep", "-C", str(self.root), *words]

    def env(self) -> dict[str, str]:
        return {**os.environ, TOKEN: self.token}

    def stop(self) -> None:
        self.instep("stop", ok=False)

    # What can be seen

    def journal(self) -> Journal:
        return Journal(self.root / ".instep" / "journal.sqlite")

    def run_id(self, number: int) -> RunId:
        with self.journal() as journal:
            found = journal.run_id(number)
        assert found is not None
        return found

    def followed(self, number: int) -> Followed:
        run_id = self.run_id(number)
        with self.journal() as journal:
            return journal.followed(run_id)[0]

    def state(self, number: int) -> str:
        with self.journal() as journal:
            return next(one[2] for one in journal.runs() if one[0] == number)

    def events(self, number: int) -> list[Record]:
        run_id = self.run_id(number)
        with self.journal() as journal:
            return journal.events_of(run_id)

    def over(self, number: int, seconds: float = 400) -> str:
        """How the run ended, once its last word was taken in."""
        until(lambda: self.followed(number).state, "ended", seconds)
        return self.state(number)

    def story(self, number: int) -> list[tuple[object, ...]]:
        """What was recorded of a run, but for ids, times and how many items came at once."""
        found: list[tuple[object, ...]] = []
        for one in self.events(number):
            match one:
                case StepEnded():
                    found.append((one.step, one.state, one.attempt))
                case ItemsEnded():
                    found += [(one.step, "item", row[0], row[2]) for row in one.rows]
                case RunEnded():
                    found.append((one.kind, one.state))
                case _ if one.kind != "live_closed":  # there are as many as there were launches
                    found.append((one.kind,))
                case _:
                    pass
        return sorted(found, key=repr)

    def lines(self, number: int) -> list[str]:
        """Everything that the steps of a run printed, sorted."""
        return sorted(one["text"] for one in self.instep("log", str(number), "--json")["lines"])


def until(ask: Any, wanted: object, seconds: float = 300) -> None:
    """Ask until the answer is `wanted`, with a deadline for a machine that does ten other things."""
    deadline = time.monotonic() + seconds
    found = None
    while time.monotonic() < deadline:
        with suppress(IndexError, StopIteration, AssertionError):
            found = ask()
            if found == wanted:
                return
        time.sleep(0.1)
    raise TimeoutError(f"still {found!r}, not {wanted!r}, after {seconds:.0f} s")


@contextmanager
def ended_with(site: Site, command: "subprocess.Popen[str]", gate: Path) -> Generator[None]:
    """However the block ends: what waits for `gate` goes on, and the command and the engine end."""
    try:
        yield
    finally:
        gate.mkdir(exist_ok=True)
        command.kill()
        command.communicate()
        site.stop()


def heard(command: "subprocess.Popen[str]", words: str) -> list[str]:
    """What a command says up to the line with these words, or to its end."""
    assert command.stdout is not None
    said: list[str] = []
    for line in command.stdout:
        said.append(line)
        if words in line:
            break
    return said


def processes(*words: str) -> list[psutil.Process]:
    """Those whose command line has all of these words, but for shells."""
    found: list[psutil.Process] = []
    for one in psutil.process_iter():
        with suppress(psutil.Error):
            line = one.cmdline()
            if line and "python" in Path(line[0]).name and all(word in line for word in words):
                found.append(one)
    return found


def engine_of(site: Site) -> int:
    return site.ask("ping")["pid"]


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    until(lambda: _lives(pid), False)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
