"""The real program in a real terminal on real Ray: demo, save, look, filter, quit; nothing left running."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.ray, pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")]


class Terminal:
    """A tmux server of its own with one window of 120×40."""

    def __init__(self, folder: Path, command: str) -> None:
        self.name = f"instep-{os.getpid()}"
        inside = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "INSTEP_IDLE_SECONDS": "60"}
        told = " ".join(f"{key}={value}" for key, value in inside.items())
        line = f"cd {shlex.quote(str(folder))}; env -u COLUMNS -u LINES {told} {command}; echo ENDED $?; sleep 600"
        self._tmux("new-session", "-d", "-s", "a", "-x", "120", "-y", "40", line)

    def _tmux(self, *words: str) -> str:
        command = ["tmux", "-L", self.name, "-f", "/dev/null", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def type(self, *keys: str) -> None:
        self._tmux("send-keys", "-t", "a", *keys)

    @property
    def text(self) -> str:
        return self._tmux("capture-pane", "-p", "-t", "a")

    def until(self, holds: Callable[[str], object], seconds: float = 60) -> str:
        deadline = time.monotonic() + seconds
        while not holds(text := self.text):
            assert time.monotonic() < deadline, f"it did not happen; there stands\n{text}"
            time.sleep(0.05)
        return text

    def close(self) -> None:
        self._tmux("kill-server")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    stop(tmp_path / "demo")


def test_demo_save_look_filter_quit(folder: Path) -> None:
    instep = f"{shlex.quote(sys.executable)} -m instep"
    terminal = Terminal(folder, f"{instep} demo plain demo")
    try:
        terminal.until(lambda text: "7 steps" in text and "✓ run 1" in text, 120)
        path = folder / "demo" / "cars.py"
        text = path.read_text()
        path.write_text(f"{text}\n# a comment\n")
        terminal.until(lambda text: "nothing stale" in text)
        head, score, body = text.partition("def score(")
        path.write_text(f"{head}{score}{body.replace('return {', 'return dict(more=1.0) | {', 1)}")
        terminal.until(lambda text: "1 step stale: score" in text and "run 2 done" in text)
        terminal.type("4")
        terminal.until(lambda text: "by_origin" in text)
        terminal.type("g", "g", "j", "Enter")
        terminal.until(lambda text: "cars v1" in text and "of 392 ─╯" in text and "mpg" in text)
        terminal.type("2")
        terminal.until(lambda text: "2 runs" in text)
        terminal.type("/", "nothing-is-called-that", "Enter")
        terminal.until(lambda text: "0 runs of 2" in text)
        terminal.type("Escape")
        terminal.until(lambda text: "2 runs" in text and "0 runs" not in text)
        terminal.type("1")
        terminal.until(lambda text: "Pipeline" in text)
        terminal.type("q")
        terminal.until(lambda text: "ENDED 0" in text)
    finally:
        terminal.close()
    stop(folder / "demo")
    deadline = time.monotonic() + 20
    while (left := living(folder)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left, left


def stop(project: Path) -> None:
    subprocess.run([sys.executable, "-m", "instep", "-C", str(project), "stop"], check=False, capture_output=True)


def living(folder: Path) -> list[str]:
    """Processes that have to do with this folder."""
    found: list[str] = []
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        if str(folder) in words and "tmux" not in words:
            found.append(words)
    return found
