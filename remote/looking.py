"""What a screen asks about clusters, answered in the engine: it has the plan, the tokens and the history.

Every answer is a JSON object. Connections are kept from one question to the next, because the place asks every few
seconds while it is shown.
"""

import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from ..engine.cluster_tables import cluster_problems
from ..engine.errors import ClusterError, ProjectError
from ..engine.project import Project
from ..engine.requests import RunRequest
from ..engine.session import Session
from ..engine.snapshots.journal import Journal
from .cluster import attach, check_in, connect
from .facts import ClusterFacts, remembered
from .jobs import JobsPort
from .nodes import NodeState
from .offload import Frozen
from .parity import look_here, parity
from .places import linked, slug
from .price import asks, pieces_of, price
from .profile import Profile, profiles
from .verdict import verdict

Document = dict[str, Any]  # Any: JSON
Env = Mapping[str, str]


class Looking:
    """Answers for one project. Methods may be called from any thread; they raise ClusterError."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._ports: dict[tuple[str, str | None], JobsPort] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            for port in self._ports.values():
                port.close()
            self._ports.clear()

    def look(self, found: Profile, env: Env, steps: Collection[str] = (), *, anew: bool = False) -> Document:
        """{"cluster", "address", "seconds": what an answer took, "ray", "python", "open", "doubts", "gpu_kinds",
        "here": what this machine does, "nodes": [see `node_json`], "asks": {step: see `price.asks`} of `steps`}.

        Attaches where nothing is known of the cluster's present life, or if `anew`."""
        project = self._session.planner.project
        known = None if anew else remembered(project.store, found.name)
        if known is None or known.address != found.address:
            known = attach(project, found, anew=anew, env=env)
        port = self._port(found, env)
        began = time.monotonic()
        version = port.version()
        took = time.monotonic() - began
        if version.session != known.session:
            known = attach(project, found, env=env)
        nodes = port.nodes()
        return look_json(found, known, nodes, took) | {"asks": self._asks(steps, nodes, env)}

    def price(self, found: Profile, frozen: Frozen, env: Env) -> Document:
        """See `price.price`; the run is planned, nothing is begun or sent."""
        project, facts = self._session.planner.project, frozen.facts
        declared = {name for step in facts.graph.steps.values() for name in step.options.env}
        there = attach(project, found, declared=declared, env=env)
        rows = parity(facts, look_here(facts), there, frozen.selected)
        with Journal(self._session.journal.path) as journal:
            pieces = pieces_of(frozen, journal, self._objects(found, there, env))
            here = journal.seconds_of(frozen.selected)
            away = journal.seconds_of(frozen.selected, found.name)
        told = price(frozen, pieces, here, away, there.nodes, rows, verdict(found.on_mismatch, rows))
        return told | {"cluster": found.name, "on_mismatch": found.on_mismatch, "replay": frozen.replay_of}

    def _asks(self, steps: Collection[str], nodes: list[NodeState], env: Env) -> Document:
        if not steps:
            return {}
        facts, _, _ = self._session.look(RunRequest(env=env))
        return {name: asks(one.options, nodes) for name, one in facts.graph.steps.items() if name in steps}

    def _objects(self, found: Profile, there: ClusterFacts, env: Env) -> frozenset[str] | None:
        """The names of the objects that the head has of this project; None where it cannot say."""
        folder = linked(slug(self._session.planner.project.name))
        try:
            names = self._port(found, env).list_files(there.head.node_id, f"{folder}/objects/*/*")
        except ClusterError:
            return None
        return frozenset(name.rpartition("/")[2] for name in names)

    def _port(self, found: Profile, env: Env) -> JobsPort:
        key = (found.address, found.read_token(env))
        with self._lock:
            if key not in self._ports:
                self._ports[key] = JobsPort(*key)
            return self._ports[key]


def tried(project: Project, name: str, table: Mapping[str, Any], env: Env) -> Document:
    """Whether a cluster that is not in the configuration yet can be reached: {"ray", "open", "nodes", "cpus", "gpus",
    "doubts"}. Raises ProjectError for what may not be written there, ClusterError."""
    problems = cluster_problems({name: dict(table)}, project.config, "")
    if problems:
        raise ProjectError(problems[0], *problems[1:])
    found = profiles(replace(project, clusters={name: dict(table)}))[name]
    with connect(found, env) as port:
        version, is_open = check_in(found, port)
        nodes = [node for node in port.nodes() if node.alive]
    return {
        "ray": version.ray,
        "open": is_open,
        "nodes": len(nodes),
        "cpus": sum(node.total.get("CPU", 0.0) for node in nodes),
        "gpus": sum(node.total.get("GPU", 0.0) for node in nodes),
        "doubts": list(found.doubts()),
    }


def look_json(found: Profile, known: ClusterFacts, nodes: list[NodeState], took: float) -> Document:
    return {
        "cluster": found.name,
        "address": found.address,
        "seconds": took,
        "ray": known.ray,
        "python": known.head.python,
        "open": known.open,
        "doubts": list(found.doubts()),
        "gpu_kinds": list(known.gpu_kinds),
        "here": here_json(),
        "nodes": [node_json(one) for one in nodes],
    }


def here_json() -> Document:
    """This machine: `cpu` in percent since the last time it was asked for, memory in bytes."""
    import psutil

    memory = psutil.virtual_memory()
    return {"cpu": psutil.cpu_percent(None), "memory_used": memory.total - memory.available, "memory": memory.total}


def node_json(node: NodeState) -> Document:
    """A node: `gpu` is how busy its devices are in percent, or (`gpu_held`) how many of them tasks hold, because of
    declared devices no driver tells more. What the cluster does not say is null."""
    busy = [gpu.busy for gpu in node.gpus if gpu.busy is not None]
    gpus = node.total.get("GPU", 0.0)
    held = (node.used or {}).get("GPU", 0.0)
    return {
        "id": node.node_id,
        "host": node.host,
        "head": node.head,
        "alive": node.alive,
        "since": node.since,
        "until": node.until,
        "why": node.why,
        "cpu": node.cpu,
        "cpus": node.total.get("CPU", 0.0),
        "cpus_held": None if node.used is None else node.used.get("CPU", 0.0),
        "gpus": gpus,
        "gpu": sum(busy) / len(busy) if busy else 100.0 * held / gpus if gpus and node.used is not None else None,
        "gpu_held": not busy,
        "gpu_kinds": list(node.gpu_kinds),
        "memory_used": node.memory_used,
        "memory": node.memory,
        "running": [{"name": one.name, "since": one.since, "resources": dict(one.resources)} for one in node.running],
    }
