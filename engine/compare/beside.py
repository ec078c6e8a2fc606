"""One snapshot that was run twice, here and on a cluster: the parity report. Pure, from two `RunFacts` whose data was
compared (`deep.deepen`).

Steps that a run took over count as long as they took where they were made. Costs are what the machines of a target
cost for as long as the run took, by the price that the configuration names.
"""

from collections.abc import Mapping
from typing import Any, Final

from .differences import OUTPUTS, Comparison, Difference
from .facts import KNOWN, RunFacts

Document = dict[str, Any]  # Any: JSON
CAUSES: Final = ("package", "python", "hardware")
"""Determinants by which the same snapshot can come to something else elsewhere."""


def beside(
    a: RunFacts, b: RunFacts, comparison: Comparison, took: Mapping[str, float], prices: Mapping[str, float]
) -> Document:
    """See docs/json.md, PARITY. `took` has seconds by the id of step runs, `prices` what an hour of a target costs."""
    common = [name for name in b.steps if name in a.steps]
    known = [name for name in common if all(one.steps[name].state in KNOWN for one in (a, b))]
    differ = [one for one in comparison.differences if one.kind in OUTPUTS and one.detail.get("step") in known]
    compared = [one for one in b.outputs.values() if one.step in known]
    failed = next((name for name in common if name not in known), None)
    place = {name: at for at, name in enumerate(common)}
    differ.sort(key=lambda one: place.get(str(one.detail.get("step")), len(place)))
    times = {name: _seconds(a, b, name, took) for name in common}
    steps = [
        {"name": name, "state": [one.steps[name].state for one in (a, b)], "seconds": times[name]} for name in common
    ]
    return {
        "runs": [_number(one) for one in (a, b)],
        "targets": [a.target, b.target],
        "identical": not differ and failed is None,
        "first": _first(a, b, comparison, known, failed),
        "outputs": [_output(one) for one in differ],
        "equal": len(compared) - len(differ),
        "causes": [
            {"kind": one.kind, "subject": one.subject, "before": one.before, "after": one.after}
            for one in comparison.differences
            if one.kind in CAUSES
        ],
        "steps": steps,
        "seconds": [_sum([pair[side] for pair in times.values()]) for side in (0, 1)],
        "wall": [one.about.get("seconds") for one in (a, b)],
        "price": [prices.get(one.target) for one in (a, b)],
        "cost": [_cost(one, prices) for one in (a, b)],
    }


def _first(a: RunFacts, b: RunFacts, comparison: Comparison, known: list[str], failed: str | None) -> Document | None:
    """The first step that got the same and did not come to the same; one that ended otherwise counts where no output
    of a step before it differs."""
    found = comparison.first_divergence
    if found is not None and found["step"] in known:
        return {"step": found["step"], "outputs": list(found["outputs"]), "state": None}
    if failed is None:
        return None
    return {"step": failed, "outputs": [], "state": [one.steps[failed].state for one in (a, b)]}


def _output(one: Difference) -> Document:
    """The largest differences of one output, of whichever kind it is."""
    data: Mapping[str, Any] = one.detail.get("data", {})  # Any: JSON
    columns: list[Document] = list(data.get("columns") or ()) if one.kind == "table" else []
    measured = [each for each in columns if each.get("max_absolute") is not None] or [data]
    return {
        "name": one.subject,
        "step": one.detail.get("step"),
        "kind": one.kind,
        "change": one.detail.get("change"),
        "max_absolute": _largest([each.get("max_absolute") for each in measured]),
        "max_relative": _largest([each.get("max_relative") for each in measured]),
        "columns": [
            {key: each[key] for key in ("name", "changed", "max_absolute", "max_relative")} for each in columns
        ],
        "changed": data.get("cells") if one.kind == "table" else data.get("changed", data.get("differing")),
        "rows": {key: data.get(key, 0) for key in ("added", "removed", "changed")} if one.kind == "table" else None,
        "within_tolerance": data.get("within_tolerance"),
        "note": _note(one, data),
    }


def _note(one: Difference, data: Mapping[str, Any]) -> str:  # Any: JSON
    if data.get("note"):
        return str(data["note"])
    if "carrier" in data:
        return f"a pickled {data['carrier']}, which is not opened"
    return "" if data else "its data was not read"


def _largest(values: list[Any]) -> Any:  # Any: a number, or what JSON has no number for
    return max((one for one in values if one is not None), key=float, default=None)


def _seconds(a: RunFacts, b: RunFacts, name: str, took: Mapping[str, float]) -> list[float | None]:
    return [took.get(one.steps[name].made_by, one.steps[name].seconds) for one in (a, b)]


def _sum(seconds: list[float | None]) -> float | None:
    known = [one for one in seconds if one is not None]
    return sum(known) if known else None


def _cost(run: RunFacts, prices: Mapping[str, float]) -> float | None:
    price, seconds = prices.get(run.target), run.about.get("seconds")
    return None if price is None or seconds is None else price * float(seconds) / 3600


def _number(run: RunFacts) -> int | str:
    return int(run.label) if run.label.isdigit() else run.label
