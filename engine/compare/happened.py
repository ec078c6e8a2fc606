"""What happened to each step in two runs: ended well or not, where, how long, in how many attempts.

That one run took a result over which the other computed is no difference; `Comparison.runs` counts it.
"""

from typing import Any, Final

from .differences import Compared, Difference
from .facts import KNOWN, RunFacts, StepFact

SLOWER: Final = 1.25
"""Times as long from which on a step counts as slower: less than that is what shared machines do by themselves."""
LEAST: Final = 0.1
"""Seconds below which a change of duration is nobody's business."""


def compare_steps(a: RunFacts, b: RunFacts) -> Compared:
    """Steps in the graph order of B, then those that only A has."""
    differences: list[Difference] = []
    names = [*b.steps, *(name for name in a.steps if name not in b.steps)]
    for name in names:
        old, new = a.steps.get(name), b.steps.get(name)
        change = _change(a, b, old, new)
        if change:
            differences.append(
                Difference("step", name, old and old.state, new and new.state, _detail(change, old, new))
            )
    return Compared("step", tuple(differences), len(names) - len(differences))


def first_divergence(a: RunFacts, b: RunFacts, determinants: tuple[Difference, ...]) -> dict[str, Any] | None:  # JSON
    """The first step in graph order that got the same and gave something else."""
    for name, new in b.steps.items():
        old = a.steps.get(name)
        if old is None or old.state not in KNOWN or new.state not in KNOWN:
            continue
        if dict(old.inputs) == dict(new.inputs) and dict(old.outputs) != dict(new.outputs):
            changed = [output for output, content in new.outputs.items() if old.outputs.get(output) != content]
            return {"step": name, "outputs": changed, "because": [one.subject for one in of_step(name, determinants)]}
    return None


def of_step(step: str, determinants: tuple[Difference, ...]) -> list[Difference]:
    """The determinants that differ and belong to one step: its params, the code it reaches, the files it reads."""
    return [
        one
        for one in determinants
        if (one.kind == "param" and one.subject.partition(".")[0] == step)
        or (one.kind in ("code", "file") and step in one.detail.get("steps", ()))
    ]


def _change(a: RunFacts, b: RunFacts, old: StepFact | None, new: StepFact | None) -> str:
    """What is worth telling of a step, in a word; "" for nothing."""
    if old is None or new is None:
        there, absent = (new, a) if old is None else (old, b)
        if there is None or there.name not in absent.graph:
            return "added" if old is None else "removed"
        # A step that is there and was not asked for is no change of the pipeline; that it failed is to be told.
        return "state" if there.state == "failed" else ""
    if (old.state in KNOWN) != (new.state in KNOWN) or (old.state not in KNOWN and old.state != new.state):
        return "state"
    if old.error != new.error:
        return "error"
    if old.target and new.target and old.target != new.target:
        return "where"
    if old.attempt != new.attempt and old.made_by != new.made_by:
        return "attempts"
    if old.seconds is not None and new.seconds is not None and abs(old.seconds - new.seconds) >= LEAST:
        if new.seconds >= old.seconds * SLOWER:
            return "slower"
        if old.seconds >= new.seconds * SLOWER:
            return "faster"
    return "key" if _hidden_determinant(a, b, old, new) else ""


def _hidden_determinant(a: RunFacts, b: RunFacts, old: StepFact, new: StepFact) -> bool:
    """Whether the keys differ though nothing that a snapshot names does: an environment variable, `version=`."""
    if old.step_key is None or new.step_key is None or old.step_key == new.step_key:
        return False
    return (
        old.fingerprint == new.fingerprint
        and dict(old.inputs) == dict(new.inputs)
        and _own_params(a, old.name) == _own_params(b, new.name)
        and _own_files(a, old.name) == _own_files(b, new.name)
        and dict(a.packages) == dict(b.packages)
        and a.python == b.python
    )


def _own_params(run: RunFacts, step: str) -> list[tuple[str, str]]:
    return [(name, repr(value)) for name, value in run.params.items() if name.partition(".")[0] == step]


def _own_files(run: RunFacts, step: str) -> set[tuple[str, str]]:
    return {(path, one.content_hash) for path, one in run.files.items() if step in one.steps}


def _detail(change: str, old: StepFact | None, new: StepFact | None) -> dict[str, Any]:  # Any: JSON
    sides = (old, new)
    reasons = new.reasons if new is not None else ()
    return {
        "change": change,
        "seconds": [one and one.seconds for one in sides],
        "where": [one and one.target for one in sides],
        "attempts": [one and one.attempt for one in sides],
        "items": [one and (dict(one.items) or None) for one in sides],
        "error": [one and (one.error or None) for one in sides],
        "reasons": list(reasons),
    }
