"""Time a terminal program as a person feels it: in a real pseudo-terminal.

python ptybench.py cold MARKER -- instep          first paint: ms until MARKER is on screen
python ptybench.py keys MARKER j,k -- instep      ms from a key to the first bytes it paints
python ptybench.py keys MARKER down,up -- instep
"""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

ARROWS = {"down": "\x1b[B", "up": "\x1b[A"}


def spawn(command: list[str], rows: int = 40, columns: int = 120) -> tuple[int, int]:
    """Start `command` in a pseudo-terminal of that size; return its pid and our end of it."""
    pid, fd = pty.fork()
    if pid == 0:
        time.sleep(0.02)
        os.execvpe(command[0], command, {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"})
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    return pid, fd


def read_until(fd: int, marker: bytes, timeout: float = 30.0) -> float | None:
    """Read until `marker` was painted; return the time of that read, or None."""
    seen, end = b"", time.perf_counter() + timeout
    while time.perf_counter() < end:
        if select.select([fd], [], [], 0.005)[0]:
            seen += os.read(fd, 65536)
            if marker in seen:
                return time.perf_counter()
    return None


def drain(fd: int, quiet: float) -> None:
    """Read until nothing was painted for `quiet` seconds."""
    while select.select([fd], [], [], quiet)[0]:
        os.read(fd, 65536)


def stop(pid: int, fd: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(fd)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    if not ordered:
        raise SystemExit("nothing was painted: is the marker right, and do the keys do something there?")
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def cold(command: list[str], marker: bytes, runs: int = 7) -> list[float]:
    """Milliseconds from exec to `marker` on screen, one figure a run."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        pid, fd = spawn(command)
        painted = read_until(fd, marker)
        stop(pid, fd)
        times.append((painted - start) * 1e3 if painted else float("nan"))
    return times


def keys(command: list[str], marker: bytes, pressed: list[str], presses: int = 60) -> list[float]:
    """Milliseconds from writing a key to the first bytes painted for it."""
    pid, fd = spawn(command)
    read_until(fd, marker)
    drain(fd, 1.0)
    times = []
    for i in range(presses):
        start = time.perf_counter()
        key = pressed[i % len(pressed)]
        os.write(fd, ARROWS.get(key, key).encode())
        if select.select([fd], [], [], 2.0)[0]:
            times.append((time.perf_counter() - start) * 1e3)
        drain(fd, 0.05)
        time.sleep(0.1)
    stop(pid, fd)
    return times


if __name__ == "__main__":
    cut = sys.argv.index("--")
    (mode, marker, *rest), command = sys.argv[1:cut], sys.argv[cut + 1 :]
    times = cold(command, marker.encode()) if mode == "cold" else keys(command, marker.encode(), rest[0].split(","))
    print(f"{mode}: p50 {percentile(times, 0.5):.0f} ms  p95 {percentile(times, 0.95):.0f} ms  n {len(times)}")
