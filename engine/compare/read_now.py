"""The working tree → `RunFacts`, from the plan alone: nothing is run, and what would have to run is not known."""

import os
from collections.abc import Mapping
from pathlib import Path

from .. import environment
from ..documents import Document
from ..graph import FileInput, Step
from ..ids import Digest, StepName
from ..knowledge import Recorded
from ..plan import Facts, Plan, StepPlan, file_states, needs
from ..planner import Planner, Wishes
from ..project import STORE
from ..requests import require_steps
from ..results import output_metrics
from ..snapshots.artifact import Artifact
from ..snapshots.journal import Journal
from .definitions import definitions_of
from .facts import NOW, FileFact, OutputFact, RunFacts, StepFact


def read_now(root: Path, wishes: Wishes | None = None, env: Mapping[str, str] | None = None) -> RunFacts:
    """What a run started now would be made of. Raises ProjectError as `instep status` does."""
    store = root / STORE
    with Journal(store / "journal.sqlite") as journal:
        known = Recorded(journal, store)
        planner = Planner(root, known)
        facts, plan = planner.plan(os.environ if env is None else env, wishes or Wishes.none())
        require_steps(facts.graph, planner)
        planner.save()
        git = environment.read_git(root)
        found = {name: _found(one, known) for name, one in plan.steps.items()}
        return _facts(facts, plan, git, found, {name: _metrics(one, known) for name, one in plan.steps.items()})


def _facts(
    facts: Facts,
    plan: Plan,
    git: environment.Git,
    artifacts: Mapping[StepName, Mapping[str, Artifact]],
    logged: Mapping[StepName, Mapping[str, float]],
) -> RunFacts:
    import socket

    imports = {name for one in facts.fingerprints.values() for name in one.imports}
    steps = {str(name): _step(facts.graph.steps[name], one, plan, artifacts, facts) for name, one in plan.steps.items()}
    outputs = {output: _output(output, name, one) for name, found in artifacts.items() for output, one in found.items()}
    metrics = {f"{name}.{metric}": value for name, found in logged.items() for metric, value in found.items()}
    for found in artifacts.values():
        for output, one in found.items():
            metrics |= {f"{output}.{metric}": value for metric, value in output_metrics(one).items()}
    return RunFacts(
        label=NOW,
        state="stale" if plan.stale() else "fresh",
        graph=tuple(facts.graph.steps),
        about=_about(git, plan),
        params={f"{step}.{name}": value for step, found in facts.params.items() for name, value in found.items()},
        definitions=definitions_of({name: one.units for name, one in facts.fingerprints.items()}),
        files=_files(facts),
        packages=facts.packages.reachable(imports),
        python=environment.PYTHON,
        hardware=environment.hardware(),
        host=socket.gethostname(),
        steps=steps,
        metrics=dict(sorted(metrics.items())),
        outputs=outputs,
        keys={str(name): step.options.key for name, step in facts.graph.steps.items() if step.options.key},
    )


def _about(git: environment.Git, plan: Plan) -> Document:
    states = [one.state for one in plan.steps.values()]
    return {
        "started_at": None,
        "seconds": None,
        "git_commit": git.commit,
        "dirty": git.dirty,
        "user": None,
        "note": "",
        "steps": {state: states.count(state) for state in dict.fromkeys(states)},
        "behind": 0,
    }


def _step(
    step: Step, one: StepPlan, plan: Plan, artifacts: Mapping[StepName, Mapping[str, Artifact]], facts: Facts
) -> StepFact:
    known = all(plan.steps[need].state == "fresh" for need in needs(step))
    inputs = {
        each.argument: artifacts[each.step][each.output or each.step].content_hash
        for each in step.inputs
        if known and not isinstance(each, FileInput)
    }
    return StepFact(
        name=step.name,
        state=one.state,
        target="local",
        step_key=one.key,
        fingerprint=facts.fingerprints[step.name].digest,
        made_by=one.hit.step_run_id if one.hit else "",
        inputs=inputs,
        outputs={output: each.content_hash for output, each in artifacts[step.name].items()},
        error=one.problem.what if one.problem else "",
        reasons=tuple(map(str, one.reasons)),
    )


def _found(one: StepPlan, known: Recorded) -> dict[str, Artifact]:
    """The outputs of a step that is fresh, by name."""
    if one.hit is None:
        return {}
    stored = known.artifacts(one.hit.outputs.values())
    return {name or one.step: stored[identity] for name, identity in one.hit.outputs.items() if identity in stored}


def _metrics(one: StepPlan, known: Recorded) -> dict[str, float]:
    """What a step logged when its result was made."""
    hit = one.hit
    for cached in known.lookup(hit.key) if hit is not None else ():
        if hit is not None and cached.step_run_id == hit.step_run_id and isinstance(cached.outputs, dict):
            found = cached.outputs.get("metrics")
            return {str(name): float(str(value)) for name, value in found.items()} if isinstance(found, dict) else {}
    return {}


def _output(name: str, step: str, one: Artifact) -> OutputFact:
    return OutputFact(
        name=name,
        step=step,
        content_hash=one.content_hash,
        kind=one.kind,
        format=one.format,
        carrier=one.carrier,
        rows=one.rows,
        bytes=one.bytes,
        schema=one.schema,
        summary=one.summary,
        preview=one.preview,
        inline=one.inline,
        columns=one.columns,
    )


def _files(facts: Facts) -> dict[str, FileFact]:
    """The declared input files as they are now."""
    found: dict[str, FileFact] = {}
    for name, step in facts.graph.steps.items():
        for one in step.inputs:
            if isinstance(one, FileInput):
                for state in file_states(one, facts):
                    before = found.get(state.path)
                    steps = (*(before.steps if before else ()), str(name))
                    found[state.path] = FileFact(Digest(state.content_hash), state.bytes, steps, one.argument)
    return found
