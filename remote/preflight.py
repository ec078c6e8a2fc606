"""What is known before anything is sent: the cluster, this side, what differs for the project's steps, what to do."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..engine.errors import ClusterError
from ..engine.knowledge import Recorded
from ..engine.plan import Facts
from ..engine.planner import Planner, Wishes
from ..engine.project import Project
from ..engine.snapshots.journal import Journal
from .cluster import attach, check_in, connect
from .facts import ClusterFacts, remembered
from .nodes import NodeState
from .parity import Mismatch, look_here, parity
from .profile import Profile, profile, profiles
from .verdict import Verdict, sentence, verdict

Document = dict[str, Any]  # Any: JSON as docs/json.md describes it


@dataclass(frozen=True, slots=True)
class Preflight:
    """One cluster, attached to, held against this side for all steps of the project."""

    profile: Profile
    cluster: ClusterFacts
    rows: tuple[Mismatch, ...]
    verdict: Verdict

    def to_json(self) -> Document:
        """The `attach` document."""
        there = self.cluster
        return {
            **_what_is_there(there),
            "cluster": self.profile.name,
            "address": self.profile.address,
            "open": there.open,
            "interpreter": there.interpreter,
            "session": there.session,
            "nodes": [_node(node, there) for node in there.nodes],
            "parity": [one.to_json() | {"text": sentence(one)} for one in self.rows],
            "verdict": {"action": self.verdict.action, "why": list(self.verdict.why)},
            "doubts": list(self.profile.doubts()),
        }


def preflight(root: Path, name: str, env: Mapping[str, str], *, anew: bool = False) -> Preflight:
    """Attach to the project's cluster `name` and compare. `env` is the environment that steps are run with.

    Raises UsageError for an unknown name, ProjectError for a mistake in the configuration, ClusterError.
    """
    facts = read_project(root, env)
    chosen = profile(facts.project, name)
    declared = {variable for step in facts.graph.steps.values() for variable in step.options.env}
    there = attach(facts.project, chosen, declared=declared, anew=anew, env=env)
    rows = parity(facts, look_here(facts), there)
    return Preflight(chosen, there, rows, verdict(chosen.on_mismatch, rows))


def read_project(root: Path, env: Mapping[str, str]) -> Facts:
    """The project as a plan would be made of it; no engine is asked, nothing is run."""
    store = Project(root, "").store
    with Journal(store / "journal.sqlite") as journal:
        planner = Planner(root, Recorded(journal, store))
        facts = planner.facts(env, Wishes.none())
        planner.save()
        return facts


def overview(project: Project, *, check: bool) -> Document:
    """The `clusters` document: each profile with what is remembered of it, and with `check` how it is now."""
    chosen = list(profiles(project).values())
    if not check:
        return {"clusters": [_profile(one, remembered(project.store, one.name)) for one in chosen]}
    with ThreadPoolExecutor(max(1, min(len(chosen), 8))) as several:
        live = list(several.map(_now, chosen))
    return {
        "clusters": [
            _profile(one, remembered(project.store, one.name)) | now for one, now in zip(chosen, live, strict=True)
        ]
    }


def _now(one: Profile) -> Document:
    """One cluster asked for its state, without running anything there."""
    try:
        with connect(one) as port:
            version, _ = check_in(one, port)
            nodes = [node for node in port.nodes() if node.alive]
    except ClusterError as error:
        state = "refused" if error.exit_code == 2 else "unreachable"
        return {"state": state, "problem": error.problems[0].what}
    return {"state": "up", "problem": None, "ray": version.ray, **_totals(nodes)}


def _profile(one: Profile, known: ClusterFacts | None) -> Document:
    source = next(iter(one.token.items()), None) if one.token else None
    nothing = {"ray": None, "python": None, "seen_at": None, **_totals([])}
    return {
        "name": one.name,
        "address": one.address,
        "token": " ".join(source) if source else None,
        "storage": one.storage,
        "on_mismatch": one.on_mismatch,
        "allow_open": one.allow_open,
        "fetch": one.fetch,
        "state": "attached" if known else "unknown",
        "problem": None,
        **(_what_is_there(known) if known else nothing),
        "doubts": list(one.doubts()),
    }


def _what_is_there(known: ClusterFacts) -> Document:
    totals = _totals(known.alive) | {"gpu_kinds": list(known.gpu_kinds)}
    return {"ray": known.ray, "python": known.head.python, "seen_at": known.seen_at, **totals}


def _totals(nodes: "list[NodeState] | tuple[NodeState, ...]") -> Document:
    def total(name: str) -> float:
        return sum(node.total.get(name, 0.0) for node in nodes)

    def used(name: str) -> float:
        return sum((node.used or {}).get(name, 0.0) for node in nodes)

    return {
        "node_count": len(nodes),
        "cpus": total("CPU"),
        "cpus_used": used("CPU"),
        "gpus": total("GPU"),
        "gpus_used": used("GPU"),
        "gpu_kinds": list(dict.fromkeys(kind for node in nodes for kind in node.gpu_kinds)),
        "memory": int(total("memory")),
    }


def _node(node: NodeState, there: ClusterFacts) -> Document:
    return {
        "id": node.node_id,
        "host": node.host,
        "head": node.head,
        "alive": node.alive,
        "since": node.since,
        "until": node.until,
        "why": node.why or there.silent.get(node.node_id, ""),
        "total": dict(node.total),
        "used": None if node.used is None else dict(node.used),
        "labels": dict(node.labels),
        "gpus": [gpu.kind for gpu in node.gpus] or list(node.gpu_kinds),
        "cpu": node.cpu,
        "memory_used": node.memory_used,
        "memory": node.memory,
        "running": [{"name": one.name, "since": one.since} for one in node.running],
    }
