"""A folder of the store in which one hybrid after another is laid out: code, configuration, input files."""

import os
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..config_text import config_toml
from ..errors import MissingObject
from ..files import hash_file, is_inside
from ..ids import Digest
from ..project import STORE
from ..snapshots.objects import ObjectStore
from .hybrid_code import Code


@dataclass
class Folder:
    """Of this process alone: two may explain at once. `root` is the project's own folder, where a file that is not in
    the store may still lie as it was; `declared` are the files that a step names, without which nothing can run."""

    root: Path
    objects: ObjectStore
    declared: Collection[str]
    _there: dict[str, Digest | bytes] = field(default_factory=dict[str, "Digest | bytes"])

    @property
    def path(self) -> Path:
        return self.root / STORE / "hybrid" / str(os.getpid())

    def make(self) -> None:
        self.remove()
        _clear_dead(self.path.parent)
        (self.path / STORE).mkdir(parents=True)
        with suppress(OSError):  # only what it would cost a moment to find out again
            shutil.copyfile(self.root / STORE / "packages.json", self.path / STORE / "packages.json")

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):
            self.path.parent.rmdir()

    def lay_out(self, code: Code, files: Mapping[str, Digest]) -> None:
        """Bring the folder from the last hybrid to this one; what is there already stays."""
        every: dict[str, Digest | bytes] = {**files, **code.files, "instep.toml": config_toml(code.config).encode()}
        wanted = {path: content for path, content in every.items() if is_inside(path)}
        for path in self._there.keys() - wanted.keys():
            (self.path / path).unlink(missing_ok=True)
            del self._there[path]
        for path, content in wanted.items():
            if self._there.get(path) != content:
                self._there.pop(path, None)
                if self._put(path, content):
                    self._there[path] = content

    def _put(self, path: str, content: Digest | bytes) -> bool:
        """Write one file; False where its bytes are gone and no step declares it. Raises MissingObject."""
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        if isinstance(content, bytes):
            target.write_bytes(content)
            return True
        source = self.objects.path(content, "file")
        if not source.is_file():
            source = self.root / path
            if not source.is_file() or hash_file(source) != content:
                if path not in self.declared:
                    return False  # it was only seen to be read; where it matters the step will say so
                raise MissingObject(
                    f"the bytes of `{path}` as a run read it are gone",
                    mend="Put that version of the file back, then try again.",
                )
        shutil.copyfile(source, target)
        return True


def _clear_dead(folder: Path) -> None:
    """What processes left behind that were killed."""
    import psutil

    for one in folder.iterdir() if folder.is_dir() else ():
        if not (one.name.isdigit() and psutil.pid_exists(int(one.name))):
            shutil.rmtree(one, ignore_errors=True)
