"""Looks at the folder and says what is stale: project → graph → fingerprint → plan, remembered between calls.

Used by the background engine, which keeps one for as long as it lives, and by a command that finds no engine.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from .environment import Packages, packages_signature, read_packages
from .errors import InstepError, Problem, ProjectError, UsageError, nearest
from .files import Files, Sources, members
from .graph import FileInput, Graph
from .graph_reader import read_graph
from .ids import Digest, Json, StepName
from .knowledge import Recorded
from .params import Overrides, resolve
from .plan import Facts, Keyed, Plan, make_plan
from .project import Project, load_project
from .reach import fingerprint_modules, fingerprint_steps
from .source_index import IndexCache
from .step_tables import with_tables

_NONE_NEEDED: Final = Packages(Digest(""))
_Resolved = tuple[Mapping[StepName, Mapping[str, Json]], tuple[Problem, ...]]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person asked for beyond what the folder says."""

    overrides: Overrides
    variant: str = ""
    forced: frozenset[StepName] = frozenset()
    fresh_all: bool = False

    @classmethod
    def none(cls) -> "Wishes":
        return cls({})


class Planner:
    """One project's folder, read again and again. Not for several threads at once."""

    def __init__(self, root: Path, known: Recorded) -> None:
        self.project = load_project(root)
        self.known = known
        store = self.project.store
        self.sources = Sources(self.project.root)
        self.files = Files(self.project.root, store / "files.json")
        self._index_file = store / "index"
        self.index = IndexCache()
        self.index.load(self._index_file)
        self._packages_file = store / "packages.json"
        self._packages: Packages | None = None
        self._config: bytes | None = None
        self._good: dict[str, bytes] = {}
        self._code: Mapping[str, bytes] = {}
        self._graph: Graph | None = None
        self._last_facts: Facts | None = None
        self._keyed: Keyed = {}
        self._params: tuple[Project, Graph, _Resolved] | None = None

    @property
    def code(self) -> Mapping[str, bytes]:
        """The sources that the last plan was made of: for a file with a syntax error, its last good version."""
        return self._code

    def facts(self, env: Mapping[str, str], wishes: Wishes) -> Facts:
        """Read the folder again. Raises ProjectError for a mistake in the configuration, UsageError in the wishes."""
        changed = self._reread_config()
        changed = self.sources.refresh() or changed or self._graph is None
        if changed:
            self._read_graph()
        graph = self._graph
        assert graph is not None
        last = self._last_facts
        fingerprints = (
            last.fingerprints
            if last is not None and not changed
            else fingerprint_steps(self.project, graph, self._code, self.index)
        )
        known = self._packages
        needed = any(one.imports for one in fingerprints.values())
        if needed and (known is None or known.signature != packages_signature()):
            self._packages = read_packages(self._packages_file, known)
        params, wrong = self._resolved(graph, wishes)
        if wrong:
            kind = UsageError if any(one.what.startswith("--set") for one in wrong) else ProjectError
            raise kind(wrong[0], *wrong[1:])
        self._last_facts = Facts(
            self.project,
            graph,
            fingerprints,
            params,
            env,
            self._packages or _NONE_NEEDED,
            self.files,
            self.modules,
            graph.problems,
            self._keyed,
        )
        return self._last_facts

    def plan(self, env: Mapping[str, str], wishes: Wishes) -> tuple[Facts, Plan]:
        """Read the folder again and decide every step."""
        self.known.refresh()
        facts = self.facts(env, wishes)
        forced = frozenset(facts.graph.steps) if wishes.fresh_all else self.steps_named(facts.graph, wishes.forced)
        return facts, make_plan(facts, self.known, forced)

    def modules(self, names: Iterable[str]) -> Mapping[str, Digest | None]:
        """The fingerprints of whole modules, for what a worker was seen to import."""
        return fingerprint_modules(self.project, self._code, self.index, names)

    def save(self) -> None:
        """Keep what was learned beside the journal, for the next process."""
        try:
            self.files.save()
            self.index.save(self._index_file)
        except OSError:
            pass  # a cache that cannot be written costs the next process some milliseconds, nothing else

    def watched(self) -> list[str]:
        """The patterns of all file inputs, for the watcher."""
        graph = self._graph
        steps = graph.steps.values() if graph else ()
        return sorted({one.pattern for step in steps for one in step.inputs if isinstance(one, FileInput)})

    def watched_folders(self) -> set[str]:
        """The folders (relative) whose files decide what is stale."""
        folders, patterns = set(self.sources.folders), self.watched()
        for pattern in patterns:
            fixed = pattern
            while any(mark in fixed for mark in "*?["):
                fixed = os.path.dirname(fixed)
            folders.add(fixed if (self.project.root / fixed).is_dir() else os.path.dirname(fixed))
        return folders | {os.path.dirname(path) for path in watched_files(self.project, patterns)}

    @staticmethod
    def steps_named(graph: Graph, names: Iterable[str]) -> frozenset[StepName]:
        """The steps of these names (or with outputs of these names). Raises UsageError for one that is not there."""
        owners = {output: step.name for step in graph.steps.values() for output in step.options.outputs}
        found: set[StepName] = set()
        for name in names:
            if name not in graph.steps and name not in owners:
                hint = nearest(name, [*graph.steps, *owners])
                more = [one for one in graph.problems if f"`{name}`" in one.what]
                raise UsageError(Problem(f"no step `{name}`", mend=hint[:1].upper() + hint[1:]), *more)
            found.add(owners.get(name, StepName(name)))
        return frozenset(found)

    def _resolved(self, graph: Graph, wishes: Wishes) -> _Resolved:
        if wishes.overrides or wishes.variant:
            return resolve(self.project, graph, wishes.overrides, wishes.variant)
        before = self._params
        if before is not None and before[0] is self.project and before[1] is graph:
            return before[2]
        found = resolve(self.project, graph, {})
        self._params = self.project, graph, found
        return found

    def _reread_config(self) -> bool:
        path = self.project.root / self.project.config
        try:
            now = path.read_bytes()
        except OSError:
            now = None
        if now is not None and now == self._config:
            return False
        first, self._config = self._config is None, b"\0" if now is None else now
        if first and now is not None:
            return True
        try:
            self.project = load_project(self.project.root)
        except InstepError:
            self._config = b"\0"  # so that the next look reads it again, also if the mend restores what was there
            raise
        return True

    def _read_graph(self) -> None:
        code = dict(self.sources.code)
        graph = read_graph(self.project, code, self.index)
        broken = {one.place.path for one in graph.problems if one.place and one.what.startswith("syntax error")}
        kept = {path: self._good[path] for path in broken if path in self._good}
        if kept:
            code = code | kept  # a new mapping: what was read from the other is remembered by it
            graph = replace(read_graph(self.project, code, self.index), problems=graph.problems)
        self._good |= {path: data for path, data in code.items() if path not in broken}
        self._code, self._graph = code, with_tables(graph, self.project.step, self.project.config)


def watched_files(project: Project, patterns: Iterable[str]) -> list[str]:
    """Every file behind these patterns now, relative to the project."""
    return sorted({path for pattern in patterns for path in members(project.root, pattern)[0]})
