"""What is in the project's files: which there are, and the hash of what they hold, without reading what did not change.

The fast path trusts (device, inode, size, mtime, ctime), except where the hash was taken within two seconds of the
last write: a clock tick may then hide another write (the "racy git" problem,
https://git-scm.com/docs/racy-git). Links to folders are not followed, so a link cannot lead out or in circles.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path

from .digest import digest_bytes
from .ids import Digest
from .private_file import write_private

RACY_NS = 2_000_000_000
MAX_DATA = 4 << 20
"""A package's data file counts as code up to this many bytes; larger ones belong to `File(...)`."""

_SKIPPED = {"__pycache__", "node_modules", "site-packages", "dist"}
_Signature = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class FileState:
    """A file that was hashed: `path` is relative to the project with forward slashes."""

    path: str
    bytes: int
    mtime_ns: int
    content_hash: Digest


@dataclass(slots=True)
class _Known:
    signature: _Signature
    taken_ns: int
    content_hash: Digest

    def trusted(self, signature: _Signature) -> bool:
        return signature == self.signature and self.taken_ns - signature[3] >= RACY_NS


def signature(stat: os.stat_result) -> _Signature:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def hash_file(path: str | Path) -> Digest:
    """blake3 of a file's bytes (128 bits), read by several threads where it is large. Raises OSError."""
    from blake3 import blake3

    hasher = blake3(max_threads=1 if Path(path).stat().st_size < 1 << 20 else blake3.AUTO)
    hasher.update_mmap(path)
    return Digest(hasher.hexdigest(length=16))


class Files:
    """The hashes of data files under `root`, remembered by their stat; `load` and `save` keep them over processes."""

    def __init__(self, root: Path, memory: Path | None = None) -> None:
        self.root = root
        self._memory = memory
        self._known: dict[str, _Known] = self._load()
        self._changed = False

    def state(self, path: str) -> FileState | None:
        """The state of the file at `path` (relative), or None if there is no such file now."""
        full = os.path.join(self.root, path)
        try:
            stat = os.stat(full)
            if not os.path.isfile(full):
                return None
            now = signature(stat)
            known = self._known.get(path)
            if known is None or not known.trusted(now):
                taken = time.time_ns()
                known = self._known[path] = _Known(now, taken, hash_file(full))
                self._changed = True
        except OSError:
            return None
        return FileState(path, stat.st_size, stat.st_mtime_ns, known.content_hash)

    def believe(self, path: str, content_hash: Digest) -> None:
        """Take the file at `path` to have this content until it is written to: it stands for one that is elsewhere.
        Raises OSError if it is not there."""
        now = signature(os.stat(os.path.join(self.root, path)))
        self._known[path] = _Known(now, max(time.time_ns(), now[3] + RACY_NS), content_hash)

    def listing(self, folder: str) -> Digest | None:
        """A digest of the names in a folder, for a step that was seen to list it."""
        try:
            names = sorted(os.listdir(os.path.join(self.root, folder)))
        except OSError:
            return None
        return digest_bytes("\0".join(names).encode("utf-8", "surrogateescape"))

    def save(self) -> None:
        """Write what is known beside the journal; losing it costs time, never truth."""
        if not self._changed or self._memory is None:
            return
        known = {path: [*one.signature, one.taken_ns, one.content_hash] for path, one in self._known.items()}
        write_private(self._memory, json.dumps(known).encode())
        self._changed = False

    def _load(self) -> dict[str, _Known]:
        if self._memory is None:
            return {}
        try:
            rows = json.loads(self._memory.read_text())
            return {path: _Known((a, b, c, d, e), taken, Digest(h)) for path, (a, b, c, d, e, taken, h) in rows.items()}
        except (OSError, ValueError):
            return {}


def members(root: Path, pattern: str) -> tuple[list[str], bool]:
    """The files behind `File(pattern)`, relative and sorted, and whether it is a glob. A folder gives what is in it."""
    if has_magic(pattern):
        found = (path for path in root.glob(pattern) if path.is_file())
        return sorted(path.relative_to(root).as_posix() for path in found), True
    path = root / pattern
    if path.is_dir():
        inside = (one for one in path.rglob("*") if one.is_file() and "__pycache__" not in one.parts)
        return sorted(os.path.relpath(one, root).replace(os.sep, "/") for one in inside), False
    return ([os.path.normpath(pattern).replace(os.sep, "/")] if path.is_file() else []), False


def is_inside(path: str) -> bool:
    """Whether a recorded path names a file below the folder: what is written, and deleted, must be nowhere else."""
    return not path.startswith("/") and not path.endswith("/") and ".." not in path.split("/")


class Sources:
    """The first-party code under `root`: every `.py`, and the small data files of packages; read once per content."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._seen: dict[str, tuple[_Signature, int, bytes]] = {}
        self.code: Mapping[str, bytes] = {}
        self.data: Mapping[str, bytes] = {}
        self.folders: Mapping[str, int] = {}
        self.signatures: Mapping[str, _Signature] = {}

    def refresh(self) -> bool:
        """Look at the folder again; True if a source's bytes changed, or one came or went."""
        code: dict[str, bytes] = {}
        data: dict[str, bytes] = {}
        folders: dict[str, int] = {}
        signatures: dict[str, _Signature] = {}
        for folder, entries in _walk(self.root):
            folders[folder] = os.stat(os.path.join(self.root, folder)).st_mtime_ns
            package = any(entry.name == "__init__.py" for entry in entries)
            for entry in entries:
                python = entry.name.endswith(".py")
                if not python and (not package or entry.name.startswith(".") or entry.name.endswith((".pyc", ".so"))):
                    continue
                path = f"{folder}/{entry.name}" if folder else entry.name
                read = self._read(path, entry)
                if read is not None:
                    signatures[path] = read[0]
                    (code if python else data)[path] = read[1]
        changed = code != self.code or data != self.data
        self.folders, self.signatures = folders, signatures
        if changed:
            self.code, self.data = code, data
        return changed

    def _read(self, path: str, entry: "os.DirEntry[str]") -> tuple[_Signature, bytes] | None:
        try:
            now = signature(entry.stat())
            if not entry.name.endswith(".py") and now[2] > MAX_DATA:
                return None
            seen = self._seen.get(path)
            if seen is None or seen[0] != now or seen[1] - now[3] < RACY_NS:
                taken = time.time_ns()
                with open(entry.path, "rb") as file:
                    seen = self._seen[path] = (now, taken, file.read())
        except OSError:
            return None
        return seen[0], seen[2]


def _walk(root: Path) -> Iterator[tuple[str, list["os.DirEntry[str]"]]]:
    """(relative folder, its files) for every folder that may hold first-party code."""
    todo = [""]
    while todo:
        folder = todo.pop()
        try:
            with os.scandir(os.path.join(root, folder)) as entries:
                found = list(entries)
        except OSError:
            continue
        names = {entry.name for entry in found}
        if folder and ("pyvenv.cfg" in names or "instep.toml" in names):
            continue
        yield folder, sorted((entry for entry in found if entry.is_file()), key=lambda entry: entry.name)
        todo += [
            f"{folder}/{entry.name}" if folder else entry.name
            for entry in sorted(found, key=lambda entry: entry.name, reverse=True)
            if entry.is_dir(follow_symlinks=False) and entry.name[0] != "." and entry.name not in _SKIPPED
        ]


def states(files: Files, paths: Iterable[str]) -> list[FileState]:
    """The states of those of `paths` that are there."""
    return [state for path in paths if (state := files.state(path)) is not None]
