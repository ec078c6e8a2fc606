"""Plans and runs as the JSON documents that `--json` prints and `docs/json.md` describes. Pure functions."""

from collections.abc import Mapping
from typing import Any

from .ids import StepName
from .plan import Facts, Plan, StepPlan, needs
from .results import Results

Document = dict[str, Any]  # Any: JSON


def status_document(project: str, plan: Plan, seconds: Mapping[StepName, float] | None = None) -> Document:
    """Every step's state and why; `problems` are mistakes that keep steps out of the graph."""
    return {
        "project": project,
        "steps": [_step(one, plan, seconds or {}) for one in plan.steps.values()],
        "problems": [
            {"what": one.what, "place": str(one.place) if one.place else None, "why": one.why, "mend": one.mend}
            for one in plan.problems
        ],
    }


def picture_document(facts: Facts, plan: Plan, seconds: Mapping[StepName, float]) -> Document:
    """What a screen draws of a project: `status`, and of every step its edges, place, params and how it is run."""
    told = status_document(facts.project.name, plan, seconds)
    for one in told["steps"]:
        step = facts.graph.steps[one["name"]]
        one |= {
            "needs": needs(step),
            "place": [step.place.path, step.place.line],
            "params": dict(facts.params[step.name]),
            "outputs": list(step.options.outputs) or [step.name],
            "auto": step.options.auto,
            "fan": bool(step.fans),
            "gpus": step.options.gpus,
        }
    project = facts.project
    return told | {"auto": project.auto, "config": project.config, "clusters": list(project.clusters)}


def _step(one: StepPlan, plan: Plan, seconds: Mapping[StepName, float]) -> Document:
    return {
        "name": one.step,
        "state": one.state,
        "reasons": [reason.to_json() | {"text": str(reason)} for reason in one.reasons],
        "blind_spots": list(plan.blind_spots.get(one.step, ())),
        "seconds": seconds.get(one.step),
    }


def run_document(
    *,
    number: int | None,
    run_id: str | None,
    state: str,
    target: str,
    seconds: float,
    results: Results | None,
    plan: Plan,
    items: Mapping[StepName, Mapping[str, int]],
    verdict: str | None = None,
) -> Document:
    """A run as it ended; a run of nothing (`number` of the last one, all steps reused) has the same shape."""
    steps: list[Document] = []
    for name in results.order if results else plan.steps:
        known = results.steps.get(name) if results else None
        reasons = plan.steps[name].reasons if name in plan.steps else ()
        steps.append(
            {
                "name": name,
                "item": dict(items[name]) if name in items else None,
                "state": known.state if known else "reused",
                "seconds": known.seconds if known else None,
                "reasons": [reason.to_json() | {"text": str(reason)} for reason in reasons],
                "error": known.error_json() if known else None,
            }
        )
    return {
        "run": number,
        "id": run_id,
        "state": state,
        "target": target,
        "seconds": round(seconds, 4),
        "metrics": results.metrics() if results else {},
        "steps": steps,
        "verdict": verdict,
    }
