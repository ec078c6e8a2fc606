"""`on_mismatch = "build"`: the distributions of here, there, beside what the cluster has and without touching it.

The lock is what is installed here of all that the steps and instep itself can load, by exact version. Its hash names
the environment, so each is made once on each node and used by `py_executable`, which starts at once when it is ready.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..engine.digest import digest
from ..engine.environment import PYTHON, Packages
from ..engine.errors import ClusterRefused, ClusterUnreachable
from ..engine.ids import Json, StepName
from ..engine.plan import Facts
from .cluster import run_there
from .facts import ClusterFacts, write_private
from .jobs import JobsPort
from .machine_env import MARK, SECONDS
from .needs import NEEDS

_NOT_OURS = ("ray", "instep")
"""Ray is the cluster's own and must stay so; instep's code travels by itself."""


@dataclass(frozen=True, slots=True)
class Lock:
    """Exact versions by normalised name, for one minor version of Python."""

    pins: Mapping[str, str]
    python: str

    @property
    def key(self) -> str:
        return digest("remote-env/1", dict(self.pins), self.python)[:16]

    @property
    def py_executable(self) -> str:
        """What a runtime environment takes. Ray hands it to a shell on each node, whose home may be another."""
        return f'"$HOME/.instep/envs/{self.key}/bin/python"'


@dataclass(frozen=True, slots=True)
class Built:
    """An environment that is ready on the nodes `on`; `installed` is what was put there that the cluster had not."""

    lock: Lock
    on: tuple[str, ...]
    installed: Mapping[str, str]
    seconds: float

    @property
    def runtime_env(self) -> dict[str, Json]:
        return {"py_executable": self.lock.py_executable}


def lock_of(facts: Facts, packages: Packages, steps: Iterable[StepName] | None = None) -> Lock:
    """What the code of `steps` (default: all) and instep can load, as it is installed here."""
    chosen = facts.graph.steps if steps is None else list(steps)
    return lock_for({name for step in chosen for name in facts.fingerprints[step].imports}, packages)


def lock_for(imports: Iterable[str], packages: Packages) -> Lock:
    """The same for code that imports these names."""
    todo = [name for one in imports for name in packages.providers.get(one, ())] + list(NEEDS)
    pins: dict[str, str] = {}
    while todo:
        name = todo.pop()
        if name not in pins and name in packages.versions and name not in _NOT_OURS:
            pins[name] = packages.versions[name]
            todo += packages.requires.get(name, ())
    return Lock(dict(sorted(pins.items())), PYTHON)


def ensure_environment(
    port: JobsPort, store: Path, there: ClusterFacts, lock: Lock, tell: Callable[[str], None] = lambda _: None
) -> Built:
    """Have the environment on every living node; what is known to be there is not looked for again.

    `store` is the project's, where it is remembered which nodes have it. Raises ClusterRefused with the end of what the
    installer said on the node where it failed.
    """
    nodes = {node.node_id for node in there.alive}
    known = _known(store, there, lock)
    if nodes <= set(known):
        return Built(lock, tuple(sorted(nodes)), {}, 0.0)
    tell(f"making the environment {lock.key} on {len(nodes - set(known))} of {len(nodes)} nodes")
    words = [there.interpreter, "-m", "instep.remote.machine_env", lock.key, json.dumps(lock.pins)]
    log = run_there(port, "environment", words, SECONDS + 60)
    line = next((line for line in log.splitlines() if line.startswith(MARK)), None)
    if line is None:
        raise ClusterUnreachable(f"cluster `{there.name}` ran a job, but what it made did not come back")
    told = json.loads(line.removeprefix(MARK))
    hosts = {node.node_id: node.host for node in there.nodes}
    for node_id, one in told.items():
        why = one if isinstance(one, str) else one.get("why")
        if why:
            raise ClusterRefused(
                f"the environment could not be made on {hosts.get(node_id, node_id[:8])}: {why}",
                mend="Nothing else was changed there. Install what lacks yourself, or mend the cause and try again.",
            )
    _note(store, there, lock, [*known, *told])
    installed = {name: version for one in told.values() for name, version in one["installed"].items()}
    return Built(lock, tuple(told), installed, max(one["seconds"] for one in told.values()))


def _known(store: Path, there: ClusterFacts, lock: Lock) -> list[str]:
    try:
        told = json.loads(_file(store, there).read_text())
        return list(told["on"]) if (told["session"], told["key"]) == (there.session, lock.key) else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _note(store: Path, there: ClusterFacts, lock: Lock, nodes: Iterable[str]) -> None:
    told = {"session": there.session, "key": lock.key, "on": sorted(set(nodes))}
    write_private(_file(store, there), json.dumps(told))


def _file(store: Path, there: ClusterFacts) -> Path:
    return store / "clusters" / f"{there.name}.env.json"
