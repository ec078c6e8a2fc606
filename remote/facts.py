"""What was learned of a cluster → `ClusterFacts`: a value that can be remembered, compared and shown.

`nodes` are the dashboard's words of the moment they were asked for; `machines` are what a job saw on each node, which
stays true while the cluster's session lasts.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from .nodes import Gpu, NodeState, Running


@dataclass(frozen=True, slots=True)
class Machine:
    """What is installed and built in where one node runs. `packages` are versions by normalised name, `env` keyed
    digests of the declared environment variables that are set there. `home_free` is None where its home cannot be
    written. Memory and room are in bytes."""

    node_id: str
    host: str
    python: str
    executable: str
    ray: str
    packages: Mapping[str, str] = field(default_factory=dict[str, str])
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    cpus: int = 0
    memory: int = 0
    processor: str = ""
    system: str = ""
    gpus: tuple[str, ...] = ()
    driver: str | None = None
    home: str = ""
    home_free: int | None = None

    @property
    def minor(self) -> str:
        """Python's version as step keys have it: `3.11`."""
        return ".".join(self.python.split(".")[:2])


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """One cluster, at `seen_at` (seconds since 1970). The first node and the first machine are the head.

    `silent` says of nodes that could not be looked at why not. `salt` keys the digests of environment variables,
    `asked` names the variables that were looked for. `code` is the package of instep that was used.
    """

    name: str
    address: str
    session: str
    ray: str
    open: bool
    code: str
    salt: str
    asked: tuple[str, ...]
    seen_at: float
    nodes: tuple[NodeState, ...]
    machines: tuple[Machine, ...]
    silent: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def alive(self) -> tuple[NodeState, ...]:
        return tuple(node for node in self.nodes if node.alive)

    @property
    def head(self) -> Machine:
        return self.machines[0]

    @property
    def interpreter(self) -> str:
        """The path of the interpreter on the head: entry points name it, because `python` means that of some PATH."""
        return self.head.executable

    def total(self, resource: str) -> float:
        """What the living nodes have of a resource by Ray's name: `CPU`, `GPU`, `memory` (bytes) or a custom one."""
        return sum(node.total.get(resource, 0.0) for node in self.alive)

    def used(self, resource: str) -> float:
        return sum((node.used or {}).get(resource, 0.0) for node in self.alive)

    @property
    def gpu_kinds(self) -> tuple[str, ...]:
        """The kinds of devices, as drivers name them, else as labels do."""
        seen = [kind for machine in self.machines for kind in machine.gpus]
        return tuple(dict.fromkeys(seen or [kind for node in self.alive for kind in node.gpu_kinds]))

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        """Alike machines share one list of packages: hundreds of names a node otherwise."""
        tables: list[Mapping[str, str]] = []
        machines: list[dict[str, Any]] = []
        for machine in self.machines:
            if machine.packages not in tables:
                tables.append(machine.packages)
            machines.append(asdict(machine) | {"packages": tables.index(machine.packages)})
        return asdict(self) | {"machines": machines, "packages": [dict(table) for table in tables]}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "ClusterFacts":
        """Raises KeyError, TypeError or IndexError for what another version has written."""
        tables = told["packages"]
        machines = [
            Machine(**one | {"packages": tables[one["packages"]], "gpus": tuple(one["gpus"])})
            for one in told["machines"]
        ]
        nodes = [
            NodeState(
                **one
                | {
                    "gpus": tuple(Gpu(**gpu) for gpu in one["gpus"]),
                    "running": tuple(Running(**task) for task in one["running"]),
                }
            )
            for one in told["nodes"]
        ]
        own: dict[str, Any] = {one.name: told[one.name] for one in fields(cls)}
        own |= {"asked": tuple(told["asked"]), "nodes": tuple(nodes), "machines": tuple(machines)}
        return cls(**own)


def remembered(folder: Path, name: str) -> ClusterFacts | None:
    """What was kept of cluster `name` below the store `folder`; None when nothing readable is there."""
    try:
        return ClusterFacts.from_json(json.loads(_file(folder, name).read_text()))
    except (OSError, ValueError, TypeError, KeyError, IndexError):
        return None


def remember(folder: Path, facts: ClusterFacts) -> None:
    """Keep it. Not being able to only costs the next attach some seconds."""
    write_private(_file(folder, facts.name), json.dumps(facts.to_json()))


def write_private(path: Path, text: str) -> None:
    """A file that only its owner may read, whole or not at all; nothing happens where it cannot be written."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w") as out:
            out.write(text)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)


def forget(folder: Path, name: str) -> bool:
    """Whether there was something to forget."""
    try:
        _file(folder, name).unlink()
    except FileNotFoundError:
        return False
    return True


def _file(folder: Path, name: str) -> Path:
    return folder / "clusters" / f"{name}.json"
