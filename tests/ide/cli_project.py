"""A project in a folder and the real command line on it, in a process of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Told:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


class Project:
    """A folder with a command line."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "instep", "-C", str(self.root), *words]

    def __call__(self, *words: str, env: dict[str, str] | None = None, timeout: float = 90) -> Told:
        done = subprocess.run(
            self.command(*words),
            capture_output=True,
            check=False,
            text=True,
            timeout=timeout,
            env=environment() | (env or {}),
            stdin=subprocess.DEVNULL,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert "This is a bug of instep" not in done.stderr, done.stderr
        return Told(done.returncode, done.stdout, done.stderr)

    def stop(self) -> None:
        self("stop")


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {
        "INSTEP_IDLE_SECONDS": "120"
    }
