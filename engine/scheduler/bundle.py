"""Code by content hash: what a run was planned with is what its workers execute, whatever the folder holds by then.

A bundle is a manifest object `<code>.code` (JSON: which dotted name is which file, which file has which hash) and an
object `<file_hash>.src` for each file; package data files may be among them. `program.py` executes one.
"""

import json
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ..digest import digest, digest_bytes
from ..first_party import is_init
from ..ids import Digest
from ..snapshots.objects import ObjectStore, StoredObject

MANIFEST = "code"
SOURCE = "src"
_KEPT = 8


@dataclass(frozen=True, slots=True)
class Bundle:
    """`modules`: dotted names → paths, the first name of a path being the one it is known by; `files`: paths → hashes.

    Paths are relative to the project's root, with forward slashes. `canonical` is path → the name it is known by;
    `packages` are all names that have names below them; `stems` the last part of every name, to rule out most imports
    quickly.
    """

    code: Digest
    modules: Mapping[str, str]
    files: Mapping[str, Digest]
    canonical: Mapping[str, str] = field(init=False)
    packages: frozenset[str] = field(init=False)
    stems: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        packages = with_parents(self.modules) - set(self.modules)
        object.__setattr__(self, "canonical", {path: name for name, path in reversed([*self.modules.items()])})
        object.__setattr__(self, "packages", frozenset(packages))
        object.__setattr__(self, "stems", frozenset(name.rpartition(".")[2] for name in {*self.modules, *packages}))

    def namespace_folder(self, package: str) -> str:
        """The folder of a package without `__init__.py`: so far above a file in it as that file's name is longer."""
        name, path = next(one for one in self.modules.items() if one[0].startswith(package + "."))
        levels = name.count(".") - package.count(".") + is_init(path)
        return "/".join(path.split("/")[:-levels])


@dataclass(frozen=True, slots=True)
class Written:
    """A bundle in the store; `objects` are those that this process had not seen there before."""

    code: Digest
    files: Mapping[str, Digest]
    objects: tuple[StoredObject, ...] = ()


def with_parents(names: Collection[str]) -> set[str]:
    """`a.b.c` → `a`, `a.b`, `a.b.c`."""
    found = set(names)
    for name in names:
        while (name := name.rpartition(".")[0]) and name not in found:
            found.add(name)
    return found


_hashed: dict[str, tuple[bytes, Digest]] = {}
_known: dict[str, set[Digest]] = {}


def write_bundle(objects: ObjectStore, files: Mapping[str, bytes], modules: Mapping[str, str]) -> Written:
    """Store what is new of `files` (path → source) and the manifest. Raises StoreError.

    `modules` maps every first-party dotted name to a path in `files`; where a path has several, the first is the one
    that observations are reported by. With few changes since the last call this costs as much as the changes.
    """
    hashes = {path: _hash_of(path, data) for path, data in files.items()}
    code = digest("code/1", [[path, hashes[path]] for path in sorted(hashes)], [[*pair] for pair in modules.items()])
    known = _known.setdefault(str(objects.folder), set())
    if code in known and objects.has(code, MANIFEST):
        return Written(code, hashes)
    if code in known:
        known.clear()  # somebody has cleaned up the store; nothing that is remembered of it counts
    written: list[StoredObject] = []
    for path, file_hash in hashes.items():
        if file_hash not in known:
            written.append(objects.put(file_hash, SOURCE, files[path]))
            known.add(file_hash)
    manifest = {"modules": dict(modules), "files": hashes}
    written.append(objects.put(code, MANIFEST, json.dumps(manifest, separators=(",", ":")).encode()))
    known.add(code)
    return Written(code, hashes, tuple(written))


def _hash_of(path: str, data: bytes) -> Digest:
    """The planner hands out the same bytes object until a file changes, so most are hashed once in a session."""
    before = _hashed.get(path)
    if before is None or before[0] is not data:
        before = _hashed[path] = (data, digest_bytes(data))
    return before[1]


def read_bundle(objects: ObjectStore, code: Digest) -> Bundle:
    """Raises MissingObject."""
    manifest = json.loads(objects.read(code, MANIFEST))
    return Bundle(code, manifest["modules"], manifest["files"])


_bundles: OrderedDict[tuple[str, Digest], Bundle] = OrderedDict()


def cached_bundle(objects: ObjectStore, code: Digest) -> Bundle:
    """`read_bundle`, with the last few kept."""
    key = (str(objects.folder), code)
    if key not in _bundles:
        _bundles[key] = read_bundle(objects, code)
    _bundles.move_to_end(key)
    while len(_bundles) > _KEPT:
        _bundles.popitem(last=False)
    return _bundles[key]
