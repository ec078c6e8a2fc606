"""What a run stands on besides its code: Python, the distributions that its steps can import, the hardware, git.

Reading every distribution's metadata takes 100 ms and more, so what was found is kept beside the journal and trusted
while no folder with distributions changed.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .digest import digest
from .ids import Digest, Json
from .private_file import write_private

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True, slots=True)
class Packages:
    """The distributions of this interpreter: `versions` by name, `providers` from a top-level import name to the names
    of the distributions that bring it, `requires` from a name to the names it needs."""

    signature: Digest
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    providers: Mapping[str, list[str]] = field(default_factory=dict[str, list[str]])
    requires: Mapping[str, list[str]] = field(default_factory=dict[str, list[str]])

    def of(self, imports: Iterable[str], part: str = "exact") -> dict[str, str]:
        """The versions that count for code that imports these names. `part` is `exact`, `minor` or `any`."""
        if part == "any":
            return {}
        names = {name for one in imports for name in self.providers.get(one, ())}
        cut = {name: self.versions.get(name, "") for name in sorted(names)}
        return cut if part == "exact" else {name: ".".join(text.split(".")[:2]) for name, text in cut.items()}

    def reachable(self, imports: Iterable[str]) -> dict[str, str]:
        """The versions of everything that code with these imports can load: theirs and what those require."""
        todo = [name for one in imports for name in self.providers.get(one, ())]
        found: dict[str, str] = {}
        while todo:
            name = todo.pop()
            if name not in found and name in self.versions:
                found[name] = self.versions[name]
                todo += self.requires.get(name, ())
        return dict(sorted(found.items()))


def packages_signature() -> Digest:
    """Changes when a distribution is installed, removed or upgraded: the mtimes of the folders they lie in."""
    folders = [path for path in sys.path if path and os.path.isdir(path) and not path.endswith("lib-dynload")]
    return digest("packages/1", sys.prefix, [[path, os.stat(path).st_mtime_ns] for path in folders])


def read_packages(memory: Path, known: Packages | None = None) -> Packages:
    """The distributions there are, from `known`, from the file `memory`, or read anew."""
    now = packages_signature()
    if known is not None and known.signature == now:
        return known
    try:
        saved = json.loads(memory.read_text())
        if saved["signature"] == now:
            return Packages(**saved)
    except (OSError, ValueError, TypeError, KeyError):
        pass
    found = _read_all(now)
    _save(memory, found)
    return found


def _read_all(now: Digest) -> Packages:
    import re
    from importlib.metadata import distributions, packages_distributions

    versions: dict[str, str] = {}
    requires: dict[str, list[str]] = {}
    for one in distributions():
        name = _normal(one.name)
        if name not in versions:
            versions[name] = one.version
            # Requirements behind an extra are left out: which extras are in use is not recorded anywhere.
            needed = (
                re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0]
                for text in one.requires or ()
                if "extra ==" not in text
            )
            requires[name] = sorted({_normal(other) for other in needed})
    providers = {top: sorted({_normal(name) for name in names}) for top, names in packages_distributions().items()}
    return Packages(now, versions, providers, requires)


def _save(memory: Path, found: Packages) -> None:
    body = {name: getattr(found, name) for name in ("signature", "versions", "providers", "requires")}
    with suppress(OSError):
        write_private(memory, json.dumps(body).encode())


def _normal(name: str) -> str:
    import re

    return re.sub(r"[-_.]+", "-", name).lower()


def hardware() -> dict[str, Json]:
    """What the machine has: cores, memory in bytes, processor, system; GPUs by name where `nvidia-smi` lists them."""
    model = platform.processor() or platform.machine()
    memory = 0
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        pass
    return {
        "cpus": os.cpu_count() or 1,
        "memory": memory,
        "processor": model,
        "system": f"{platform.system()} {platform.release()}",
        "gpus": list(_gpus()),
    }


def _gpus() -> list[str]:
    try:
        told = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return told.stdout.splitlines()


@dataclass(frozen=True, slots=True)
class Git:
    """`commit` is None outside a repository; `diff` is the text of what is not committed, untracked names included."""

    commit: str | None = None
    dirty: bool | None = None
    diff: str = ""


def read_git(root: Path) -> Git:
    """What git says of the folder now; never writes (`--no-optional-locks`), never waits for more than five seconds."""
    try:
        commit = _git(root, "rev-parse", "HEAD").strip()
        status = _git(root, "status", "--porcelain", "--untracked-files=normal", "--", ".")
        diff = _git(root, "diff", "HEAD", "--", ".") if status else ""
    except (OSError, subprocess.SubprocessError):
        return Git()
    return Git(commit, bool(status), f"{status}\n{diff}" if status else "")


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, timeout=5, check=True, stdin=subprocess.DEVNULL)
    return done.stdout.decode("utf-8", "replace")
