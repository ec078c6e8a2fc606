"""What things are called on a cluster, and where they lie there; both sides must say the same.

On the node of the agent, below `$INSTEP_CLUSTER_HOME` (else `~/.instep`):

    projects/<slug>/store/                one store for every run of a project there
    projects/<slug>/work/<run id>/        the snapshot of a run, laid out as the folder its steps run in
    projects/<slug>/partial/              objects that have not arrived whole
    projects/<slug>/served/runs/<run id>/ the numbered segments of what happened, for home to read
    projects/<slug>/served/objects        → store/objects
    projects/<slug>/served/live           → store/runs
    projects/<slug>/served/pieces/        large objects, cut, because a file is only handed out whole

`served` is linked into the folder whose files every Ray node hands out over the Jobs port. What home says goes the
other way, as packages put through the same port.
"""

import os
import re
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from ..engine.ids import RunId

HOME = "INSTEP_CLUSTER_HOME"
DOCUMENT = "document.json"
PIECE_BYTES = 4 << 20
"""An object of more bytes is handed out in pieces of this size; what a broken connection costs is those that were on
their way."""
ROLLED = 100
"""So many segments are also there as one file, for who comes late."""


def slug(project: str) -> str:
    """The name of a project as part of a path; two projects of one name share a store, as they share its content."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", project)[:40]
    return f"{plain}-{blake2b(project.encode(), digest_size=4).hexdigest()}"


def submission_id(run_id: RunId, attempt: int = 1) -> str:
    """The id of the job that drives a run; Ray refuses a second one, so submitting twice starts one."""
    return f"instep-{run_id}" if attempt == 1 else f"instep-{run_id}-{attempt}"


def package(run_id: RunId, kind: str, number: int = 0) -> str:
    """The name of a package that home puts: `request`, the pieces of objects (`pack`), what it says (`say`)."""
    return f"instep-{run_id}-{kind}-{number:06}"


def segment(number: int) -> str:
    return f"{number:08}.json"


def roll(number: int) -> str:
    """The file that has segments `number * ROLLED + 1` to `(number + 1) * ROLLED` without what was only for the eye."""
    return f"roll-{number:06}.json"


def linked(slug: str) -> str:
    """What the folder `served` is called below the folder of logs."""
    return f"instep-{slug}"


def object_file(name: str) -> str:
    """`name` is `<content hash>.<format>`."""
    return f"objects/{name[:2]}/{name}"


def piece_file(name: str, number: int) -> str:
    return f"pieces/{_size()}-{name}.{number:06}"


def live_piece(name: str, number: int) -> str:
    """A piece of a live file; `name` is `<folder>/<file>` as below `live`."""
    return f"pieces/{_size()}-live-{name.replace('/', '-')}.{number:06}"


def _size() -> str:
    """Pieces of another size, which an older instep left there, have other names."""
    return f"{PIECE_BYTES >> 20}m"


class There:
    """The folders of a project on the node of its agent."""

    def __init__(self, slug: str) -> None:
        self._lay(cluster_home() / "projects" / slug)

    @classmethod
    def at(cls, base: Path) -> "There":
        """The same below another folder."""
        one = cls.__new__(cls)
        one._lay(base)
        return one

    def _lay(self, base: Path) -> None:
        self.base = base
        self.store = base / "store"
        self.partial = base / "partial"
        self.served = base / "served"

    def work(self, run_id: str) -> Path:
        return self.base / "work" / run_id

    def lock(self, name: str) -> Path:
        """Held by the agent that drives the run of that id, or by who lays out files on a node."""
        return self.base / "work" / f"{name}.lock"

    def mark(self) -> str:
        """A text that is in this folder alone, by which a worker knows whether it sees the agent's disk."""
        path = self.base / "mark"
        with suppress(FileExistsError), path.open("x") as file:
            file.write(os.urandom(16).hex())
        return self.read_mark()

    def read_mark(self) -> str:
        """Raises OSError if it cannot be seen from here."""
        return (self.base / "mark").read_text()

    def request(self, run_id: RunId) -> Path:
        """The request as it came, for an agent that takes the run up again."""
        return self.base / "work" / f"{run_id}.json"

    @property
    def journal(self) -> Path:
        return self.store / "journal.sqlite"

    def document(self, run_id: RunId) -> Path:
        """The `run` document, once the run has ended."""
        return self.feed(run_id) / DOCUMENT

    def feed(self, run_id: str) -> Path:
        return self.served / "runs" / run_id

    @property
    def pieces(self) -> Path:
        return self.served / "pieces"

    def make(self, run_id: str) -> None:
        objects, live = self.store / "objects", self.store / "runs"
        for folder in (objects, live, self.partial, self.pieces, self.work(run_id), self.feed(run_id)):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        link(self.served / "objects", objects)
        link(self.served / "live", live)


def cluster_home() -> Path:
    return Path(os.environ.get(HOME) or Path.home() / ".instep")


def link(path: Path, target: Path) -> None:
    """Make `path` a link to `target`, also if another process does so at the same time."""
    if path.is_symlink() and path.readlink() == target:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.symlink_to(target)
    temporary.replace(path)
