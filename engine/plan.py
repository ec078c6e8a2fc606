"""Graph + params + known results → for each step fresh, stale, pending or failed, with the reasons.

Nothing here runs a step or writes anything. `make_plan` goes through the graph once; what is upstream of a stale step
is not known yet, so its consumers are `pending`: they may turn out fresh if it produces the same again.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from .digest import digest
from .environment import PYTHON, Packages
from .errors import Problem
from .files import Files, members, states
from .fingerprint import Fingerprint
from .graph import Fan, FileInput, Graph, Step, Upstream
from .ids import Digest, Json, StepName, StepRunId
from .keys import Determinants
from .lone_surrogates import as_text, is_text
from .project import Project
from .reasons import Reason, difference
from .snapshots.journal import Basis, Cached

State = Literal["fresh", "stale", "pending", "failed"]


class Knowledge(Protocol):
    """What is known of earlier runs; the journal behind a cache implements it."""

    def lookup(self, key: Digest) -> list[Cached]: ...
    def last(self, step: StepName) -> tuple[str, Digest] | None: ...
    def basis(self, step: StepName) -> Basis | None: ...
    def source_of(self, definition: Digest) -> str | None: ...
    def present(self, cached: Cached) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Keyed:
    step: Step
    packages: Packages
    found: Determinants
    key: Digest


Keyed = dict[StepName, _Keyed]


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is so now: what was read from the folder, the environment and the machine."""

    project: Project
    graph: Graph
    fingerprints: Mapping[StepName, Fingerprint]
    params: Mapping[StepName, Mapping[str, Json]]
    env: Mapping[str, str]
    packages: Packages
    files: Files
    modules: Callable[[Iterable[str]], Mapping[str, Digest | None]]
    problems: tuple[Problem, ...] = ()
    keyed: Keyed = field(default_factory=dict[StepName, _Keyed])
    """Keys made for earlier facts, which hold again where nothing that they are made of is another."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An earlier result that counts again. `outputs` maps output names to artifact identities."""

    key: Digest
    step_run_id: StepRunId
    outputs: Mapping[str, Digest]


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What is to be done with a step. `determinants` and `key` are there where everything upstream is fresh."""

    step: StepName
    state: State
    reasons: tuple[Reason, ...] = ()
    key: Digest | None = None
    hit: Hit | None = None
    determinants: Determinants | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """`changed` says that some step is not as it last ended, though it may be fresh: worth a run that records it."""

    steps: Mapping[StepName, StepPlan]
    problems: tuple[Problem, ...] = ()
    changed: bool = False
    blind_spots: Mapping[StepName, tuple[str, ...]] = field(default_factory=dict[StepName, tuple[str, ...]])

    def stale(self) -> list[StepName]:
        return [name for name, one in self.steps.items() if one.state != "fresh"]


def make_plan(facts: Facts, known: Knowledge, forced: frozenset[StepName] = frozenset()) -> Plan:
    """Plan every step of the graph. `forced` steps are stale whatever is known."""
    steps: dict[StepName, StepPlan] = {}
    for name, step in facts.graph.steps.items():
        waiting = [steps[need] for need in needs(step) if steps[need].state != "fresh"]
        steps[name] = (
            StepPlan(name, "pending", _upstream(step, waiting, known))
            if waiting
            else plan_step(step, facts, known, inputs_from(step, steps), forced=name in forced)
        )
    changed = any(one.key != (known.last(name) or ("", ""))[1] for name, one in steps.items())
    spots = {name: facts.fingerprints[name].blind_spots for name in steps if facts.fingerprints[name].blind_spots}
    problems = (*facts.problems, *(one.problem for one in steps.values() if one.problem))
    return Plan(steps, problems, changed, spots)


def plan_step(
    step: Step, facts: Facts, known: Knowledge, inputs: Mapping[str, Digest], *, forced: bool = False
) -> StepPlan:
    """Decide one step whose inputs are all known, by the identities that arrive."""
    keyed = _keyed(step, facts, inputs)
    if isinstance(keyed, Problem):
        return StepPlan(step.name, "failed", (Reason("failed", keyed.what),), problem=keyed)
    found, key = keyed.found, keyed.key
    if forced:
        return StepPlan(step.name, "stale", (Reason("forced", "forced, by --fresh or a replay"),), key, None, found)
    if not step.options.cache:
        return StepPlan(step.name, "stale", (Reason("forced", "cache=False"),), key, None, found)
    candidates = known.lookup(key)
    matching = [one for one in candidates if observed_holds(one.observed, facts)]
    for one in matching:
        if known.present(one):
            outputs = {name: Digest(identity) for name, identity in outputs_of(one).items()}
            return StepPlan(step.name, "fresh", (), key, Hit(key, one.step_run_id, outputs), found)
    return _stale(step, facts, known, found, key, candidates, missing=bool(matching))


def _stale(
    step: Step,
    facts: Facts,
    known: Knowledge,
    now: Determinants,
    key: Digest,
    candidates: list[Cached],
    *,
    missing: bool,
) -> StepPlan:
    last = known.last(step.name)
    if last is None:
        return StepPlan(step.name, "stale", (Reason("never_run", step.name),), key, None, now)
    state, last_key = last
    if last_key == key and state == "failed":
        basis = known.basis(step.name)
        title = str(basis.body.get("error", "")) if basis else ""
        return StepPlan(step.name, "failed", (Reason("failed", title),), key, None, now)
    if missing:
        reasons: tuple[Reason, ...] = (Reason("output_missing", f"the output of {step.name}"),)
    elif last_key == key and candidates:
        reasons = tuple(reason for one in candidates[:1] for reason in _observed_changes(one.observed, facts))
    else:
        basis = known.basis(step.name)
        reasons = difference(basis.body, now, known.source_of) if basis else ()
    return StepPlan(
        step.name, "stale", reasons or (Reason("output_missing", f"the result of {step.name}"),), key, None, now
    )


def needs(step: Step) -> list[StepName]:
    """The steps that `step` takes something from, each once, in the order of its arguments."""
    return list(dict.fromkeys(one.step for one in step.inputs if not isinstance(one, FileInput)))


def inputs_from(step: Step, plans: Mapping[StepName, StepPlan]) -> dict[str, Digest]:
    """The identities that reach `step` when everything upstream is fresh."""
    found: dict[str, Digest] = {}
    for one in step.inputs:
        if isinstance(one, Upstream | Fan):
            hit = plans[one.step].hit
            assert hit is not None, "only asked when everything upstream is fresh"
            found[one.argument] = hit.outputs[one.output]
    return found


def _keyed(step: Step, facts: Facts, inputs: Mapping[str, Digest]) -> _Keyed | Problem:
    """The step's determinants and its key. Those of the plan before, if they are made of the very same objects:
    equality would not do, `1` equals `True`. Files and variables are looked at each time."""
    before = facts.keyed.get(step.name)
    if (
        before is not None
        and before.step is step
        and before.packages is facts.packages
        and before.found.fingerprint is facts.fingerprints[step.name]
        and before.found.params is facts.params[step.name]
        and before.found.inputs == inputs
        and not before.found.files
        and not before.found.env
    ):
        return before
    found = determine(step, facts, inputs)
    if isinstance(found, Problem):
        return found
    now = facts.keyed[step.name] = _Keyed(step, facts.packages, found, found.key())
    return now


def determine(step: Step, facts: Facts, inputs: Mapping[str, Digest]) -> Determinants | Problem:
    """What determines `step` now, or the problem with a file it reads."""
    files: dict[str, tuple[tuple[str, Digest], ...]] = {}
    for one in step.inputs:
        if isinstance(one, FileInput):
            found = file_states(one, facts)
            if not found:
                return _missing(step, one)
            if odd := next((state.path for state in found if not is_text(state.path)), None):
                return _no_text(step, odd)
            files[one.argument] = tuple((state.path, state.content_hash) for state in found)
    fingerprint = facts.fingerprints[step.name]
    return Determinants(
        step=step.name,
        fingerprint=fingerprint,
        params=facts.params[step.name],
        inputs=inputs,
        origin={one.argument: one.output or one.step for one in step.inputs if not isinstance(one, FileInput)},
        files=files,
        env={name: env_digest(facts.env.get(name)) for name in step.options.env},
        packages=facts.packages.of(fingerprint.imports, step.options.packages),
        python=PYTHON,
        version=step.options.version,
        outputs=step.options.outputs,
        fans=tuple(one.argument for one in step.fans),
    )


def file_states(one: FileInput, facts: Facts):
    return states(facts.files, members(facts.project.root, one.pattern)[0])


def _missing(step: Step, one: FileInput) -> Problem:
    if any(mark in one.pattern for mark in "*?["):
        return Problem(
            f"step `{step.name}`: no file matches `{one.pattern}`",
            step.place,
            mend="Put a file there, or change the pattern; it is relative to the project's folder.",
        )
    return Problem(
        f"step `{step.name}`: there is no file or folder `{one.pattern}`",
        step.place,
        mend="Put it there, or change the path; it is relative to the project's folder.",
    )


def _no_text(step: Step, path: str) -> Problem:
    return Problem(
        f"step `{step.name}`: the name of the file `{as_text(path)}` is not UTF-8",
        step.place,
        mend="Rename it, or leave it out of the pattern.",
    )


def env_digest(value: str | None) -> Digest | None:
    """How a variable's value is kept: never itself, it may be a secret."""
    return None if value is None else digest("env/1", value)


def outputs_of(cached: Cached) -> Mapping[str, str]:
    """Output names → artifact identities, from what the cache keeps for a whole step."""
    body = cached.outputs
    found: Any = body.get("outputs", {}) if isinstance(body, dict) else {}  # Any: JSON that `Recorder` wrote
    return {str(name): str(identity) for name, identity in found.items()}


def observed_holds(observed: Mapping[str, Any], facts: Facts) -> bool:
    """Whether what an earlier run was seen to depend on is still so."""
    return not observed or not _observed_changes(observed, facts)


def _observed_changes(observed: Mapping[str, Any], facts: Facts) -> list[Reason]:
    changes: list[Reason] = []
    for path, before in observed.get("files", {}).items():
        after = observed_file(path, facts.files)
        if after != before:
            changes.append(Reason("file", path, path, before and before[:8], after and after[:8]))
    for name, before in observed.get("env", {}).items():
        after = env_digest(facts.env.get(name))
        if after != before:
            changes.append(Reason("env", name, None, _set(before), _set(after)))
    modules = observed.get("modules", {})
    if modules:
        now = facts.modules(modules)
        changes += [
            Reason("opaque", f"module {name}", None, before and before[:8], (now.get(name) or "gone")[:8])
            for name, before in modules.items()
            if now.get(name) != before
        ]
    return changes


def observed_file(path: str, files: Files) -> Digest | None:
    """The content hash of a file that a step was seen to read, or the digest of a folder's names (`folder/`)."""
    if path.endswith("/"):
        return files.listing(path)
    state = files.state(path)
    return state.content_hash if state else None


def _set(value: str | None) -> str:
    return "not set" if value is None else f"set ({value[:6]})"


def _upstream(step: Step, waiting: list[StepPlan], known: Knowledge) -> tuple[Reason, ...]:
    """Pending: for each root cause the shortest path from there to here."""
    if known.last(step.name) is None:
        return (Reason("never_run", step.name),)
    paths: dict[str, tuple[str, ...]] = {}
    for one in waiting:
        roots = [reason.via for reason in one.reasons if one.state == "pending" and reason.kind == "input"] or [
            (one.step,)
        ]
        for root in roots:
            via = (*root, step.name)
            if len(via) < len(paths.get(root[0], (*via, ""))):
                paths[root[0]] = via
    return tuple(Reason("input", root, via=via) for root, via in paths.items())
