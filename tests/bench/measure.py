"""Wall time of commands and functions: medians, with the floor measured in the same run."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def wall(command: Sequence[str], times: int = 9, cwd: str | None = None) -> float:
    """Median seconds of a process from start to end."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    taken: list[float] = []
    for _ in range(times + 1):
        began = time.perf_counter()
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd, env=environment
        )
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


def timed(function: Callable[[], object], times: int = 5) -> float:
    """Median seconds of a call."""
    taken: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        function()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def floor() -> float:
    """`python -c pass`, with the interpreter that everything here runs on."""
    return wall([sys.executable, "-c", "pass"], 15)


def instep(*words: str) -> list[str]:
    """The command as it is installed: the script of this environment."""
    return [str(Path(sys.executable).with_name("instep")), *words]


def row(what: str, seconds: float, against: float, of: str) -> None:
    print(f"{what:<58} {seconds * 1000:9.1f} ms  {seconds / against:7.2f} × {of}", flush=True)
