"""The live file of a launch: what a step prints, logs and measures, one JSON object a line, as it happens.

It is the only channel from a worker that survives the worker: lines are appended with single writes, the first of a
burst at once and all within 50 ms, and a process that dies leaves what it had said, its process id and (through
`faulthandler`, which writes into the same file) where it died. Keys are short because there may be a million lines:

    {"k": "start", "t": µs, "i": null, "pid": 12, "node": "…", "step": "model"}      always the first line
    {"k": "log", "t": µs, "i": 3, "s": "stdout", "l": "", "m": "text"}    s: stdout, stderr, logging, warnings, output
    {"k": "log", …, "r": true}                          a progress bar's state now; the next line replaces it
    {"k": "metric", "t": µs, "i": 3, "n": "loss", "v": 0.25, "x": 7}      x: counts per name and item, from 0
    {"k": "progress", "t": µs, "i": 3, "done": 5, "total": 20}
    {"k": "attach", "t": µs, "i": 3, "n": "fit", "kind": "figure", "artifact": {…}}
    {"k": "exit", "t": µs, "i": 3, "code": 7}                             the step called os._exit(7)
    {"k": "end", "t": µs, "i": null, "lines": 120, "dropped": 0}          always the last line of a launch that ended

`i` is the item's index or null. A line that is none of these was written by C code or a child process straight to
the file descriptors 1 and 2, which point here in worker processes; the reader returns it as a log line of the stream
`output`. Each block starts with a newline, because such a writer may have left an unfinished line behind.
"""

import contextlib
import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import cast
from weakref import WeakSet

from ..ids import Json
from ..lone_surrogates import as_text
from .masking import mask_of, scrub

FLUSH_SECONDS = 0.05
BLOCK_BYTES = 64 * 1024
_QUICK_WRITES = 32
MAX_LINES = 200_000
MAX_BYTES = 64 * 1024 * 1024
MAX_METRICS = 1_000_000
MAX_LINE = 16 * 1024
_READ_BYTES = 8 * 1024 * 1024
_CHECK_SECONDS = 1.0

Record = dict[str, Json]


def now_us() -> int:
    return time.time_ns() // 1000


class LiveFile:
    """The writer. Every method may be called from any thread; none raises because the disk is full."""

    def __init__(self, path: str, *, watch_size: bool = False, secrets: tuple[str, ...] = ()) -> None:
        """`secrets` are masked in every line."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.path, self.secrets, self.mask = path, secrets, mask_of(secrets)
        self.item: int | None = None
        self.lines = self.dropped = self._log_bytes = self._metrics = 0
        self._counters: defaultdict[str, int] = defaultdict(int)
        self._names: dict[str, str] = {}
        self._block: list[str] = []
        self._block_bytes = 0
        self._window_at = 0.0
        self._window_writes = 0
        self._progress_at = 0.0
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._closed = False
        self._flusher: threading.Thread | None = None
        self._watch_size = watch_size
        _open.add(self)
        if watch_size:
            self._start_flusher()

    def start(self, step: str, node: str) -> None:
        self._record("start", {"pid": os.getpid(), "node": node, "step": step})
        self.flush()

    def log(self, stream: str, level: str, text: str, *, replaced: bool = False) -> None:
        """One line, without its newline; longer ones than 16 KiB are cut."""
        text = as_text(text)
        with self._lock:
            if self.lines >= MAX_LINES or self._log_bytes >= MAX_BYTES:
                self._drop("lines" if self.lines >= MAX_LINES else "bytes")
                return
            if self.secrets:
                text = self.mask(text)
            if len(text) > MAX_LINE:
                text = f"{text[:MAX_LINE]} … ({len(text) - MAX_LINE:,} more characters)"
            self.lines += 1
            self._log_bytes += len(text) + 60
            fields: Record = {"s": stream, "l": level, "m": text}
            self._record("log", fields | {"r": True} if replaced else fields)

    def metrics(self, values: Mapping[str, float]) -> None:
        with self._lock:
            for name, value in values.items():
                if self._metrics >= MAX_METRICS:
                    self._drop("metrics")
                    continue
                self._metrics += 1
                index = self._counters[name]
                self._counters[name] = index + 1
                quoted = self._names.get(name) or self._names.setdefault(name, json.dumps(as_text(name)))
                # A million of these are written by hand: a dict and json.dumps would take three times as long.
                self._append(f'{{"k":"metric",{self._when()},"n":{quoted},"v":{json.dumps(value)},"x":{index}}}\n')

    def progress(self, done: int, total: int | None) -> None:
        """At most one record per 50 ms, the first and the last always."""
        now = time.monotonic()
        if done and done != total and now - self._progress_at < FLUSH_SECONDS:
            return
        self._progress_at = now
        self._record("progress", {"done": done, "total": total})

    def attach(self, kind: str, name: str, artifact: Record) -> None:
        self._record("attach", {"n": as_text(name), "kind": kind, "artifact": artifact})

    def begin_item(self, index: int | None) -> None:
        self.item = index
        self._counters.clear()
        self._progress_at = 0.0

    def exiting(self, code: int) -> None:
        self._record("exit", {"code": code})
        self.flush()

    def close(self) -> None:
        """Write the end and everything before it. Further records are ignored: a thread may outlive its step."""
        self.item = None
        self._record("end", {"lines": self.lines, "dropped": self.dropped})
        with self._lock:
            self.flush()
            self._closed = True
            os.close(self.fd)
        scrub(self.path, self.secrets)
        self._wake.set()

    def flush(self) -> None:
        with self._lock:
            if not self._block or self._closed:
                return
            data = ("\n" + "".join(self._block)).encode("ascii")
            self._block.clear()
            self._block_bytes = 0
            with contextlib.suppress(OSError):  # a full disk must fail the step's output, not its print
                while data:
                    data = data[os.write(self.fd, data) :]

    def _record(self, kind: str, fields: Record) -> None:
        self._append(f'{{"k":"{kind}",{self._when()},{json.dumps(fields, separators=(",", ":"))[1:]}\n')

    def _when(self) -> str:
        return f'"t":{now_us()},"i":{"null" if self.item is None else self.item}'

    def _append(self, line: str) -> None:
        with self._lock:
            if self._closed:
                return
            self._block.append(line)
            self._block_bytes += len(line)
            if self._block_bytes >= BLOCK_BYTES or self._may_write_now():
                self.flush()
                return
            if self._flusher is None:
                self._start_flusher()
        self._wake.set()

    def _may_write_now(self) -> bool:
        """The first lines of each 50 ms are written at once: what a process says before it dies is worth most."""
        now = time.monotonic()
        if now - self._window_at >= FLUSH_SECONDS:
            self._window_at, self._window_writes = now, 0
        self._window_writes += 1
        return self._window_writes <= _QUICK_WRITES

    def _drop(self, what: str) -> None:
        if not self.dropped:
            limit = {"lines": f"{MAX_LINES:,} lines", "bytes": "64 MB of output", "metrics": f"{MAX_METRICS:,} metrics"}
            message = f"{limit[what]} are kept of one task; the rest is counted, not kept"
            self._record("log", {"s": "instep", "l": "warning", "m": message})
        self.dropped += 1

    def in_child(self) -> None:
        """After a fork: what was not written yet is the parent's to write, and its threads and locks stayed there."""
        self._block.clear()
        self._block_bytes = 0
        self._lock, self._wake = threading.RLock(), threading.Event()
        self._flusher, self._watch_size = None, False

    def _start_flusher(self) -> None:
        self._flusher = threading.Thread(target=self._pulse, name="instep-live", daemon=True)
        self._flusher.start()

    def _pulse(self) -> None:
        """Lines that came within 50 ms of the last write are written by this thread, if no later line does it."""
        while not self._closed:
            if self._wake.wait(_CHECK_SECONDS if self._watch_size else None):
                self._wake.clear()
                time.sleep(FLUSH_SECONDS)
                self.flush()
            if self._watch_size:
                self._silence_floods()

    def _silence_floods(self) -> None:
        """A child process that writes without end to our descriptors would fill the disk."""
        with self._lock:
            if self._closed or os.fstat(self.fd).st_size < 4 * MAX_BYTES:
                return
            self._watch_size = False
            self._drop("bytes")
            null = os.open(os.devnull, os.O_WRONLY)
            for descriptor in (1, 2):
                if os.path.sameopenfile(descriptor, self.fd):
                    os.dup2(null, descriptor)
            os.close(null)


_open: WeakSet[LiveFile] = WeakSet()


def _in_child() -> None:
    for live in _open:
        live.in_child()


os.register_at_fork(after_in_child=_in_child)


def read_live(path: str, offset: int = 0) -> tuple[list[Record], int]:
    """The records after `offset` bytes and the offset to go on from; at most 8 MiB at a time.

    A last line that is not finished is left for the next call. A file that is not there yet has no records.
    """
    try:
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size <= offset:
                return [], offset
            file.seek(offset)
            data = file.read(_READ_BYTES)
            modified = int(os.fstat(file.fileno()).st_mtime * 1_000_000)
    except FileNotFoundError:
        return [], offset
    end = data.rfind(b"\n") + 1
    if not end and len(data) == _READ_BYTES:
        end = len(data)
    records: list[Record] = []
    when = modified
    for line in data[:end].split(b"\n"):
        if line.strip():
            record = _parse(line, when)
            when = cast("int", record["t"])
            records.append(record)
    return records, offset + end


def tail(path: str, size: int = 64 * 1024) -> list[Record]:
    """The first record and those in the last `size` bytes, the unfinished last line among them."""
    try:
        first, begun = read_live(path)[0][:1], Path(path).stat().st_size
        with Path(path).open("rb") as file:
            file.seek(max(0, begun - size))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return []
    if begun > size:
        lines = lines[1:]
    rest = [_parse(line, 0) for line in lines if line.strip()]
    return rest if begun <= size else first + rest


def _parse(line: bytes, when: int) -> Record:
    if line.startswith(b'{"k":'):
        try:
            record = json.loads(line)
            if isinstance(record.get("t"), int):
                return record
        except (ValueError, AttributeError):
            pass
    text = line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2]
    return {"k": "log", "t": when, "i": None, "s": "output", "l": "", "m": text[:MAX_LINE]}
