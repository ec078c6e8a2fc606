"""Why a run is as it is: what the command `why` tells, for a screen."""

# pyright: reportUnknownVariableType=false
# Documents are walked through as JSON.

from typing import Any

from ..compare.differences import Difference
from ..compare.explain import explain_failure, explain_metric
from ..compare.look import compare_runs
from .desk import Desk, Document, Request
from .history import run_before


def why(desk: Desk, request: Request) -> Document:
    """{"number", "baseline": a run or null, "metric": name or ""} → {"failure": the document of `why` for a run that
    failed, else null; "against": the baseline, or the run before; "metrics": those that differ, worse ones of late
    steps first; "metric": the document of `why --than` for the one that was asked for, else the first; "reasons":
    [[step, text]]; "going": whether there may be more to tell later}."""
    number = int(request["number"])
    document = desk.catalog.show(number)
    reasons = [
        [one["name"], str(reason["text"])]
        for one in document["steps"]
        if one["state"] in ("done", "failed")
        for reason in one["reasons"]
    ]
    failure = explain_failure(desk.root, number) if document["state"] == "failed" else None
    base = request.get("baseline")
    against = int(base) if base and int(base) != number else run_before(desk, number)
    going = document["state"] == "running"
    told: Document = {
        "failure": None,
        "against": against,
        "metrics": [],
        "metric": None,
        "reasons": reasons,
        "going": going,
    }
    if failure is not None:
        return told | {"failure": _lean(failure.to_json())}
    if against is None:
        return told
    changed = compare_runs(desk.root, str(against), str(number), logs=False).of("metric")
    place = {one["name"]: at for at, one in enumerate(document["steps"])}

    def telling(one: Difference) -> tuple[bool, int]:
        return one.detail["change"] != "worse", -place.get(one.subject.partition(".")[0], 0)

    names = [one.subject for one in sorted(changed, key=telling)]
    if not names:
        return told
    name = str(request.get("metric") or "")
    found = explain_metric(desk.root, str(number), str(against), name if name in names else names[0])
    return told | {"metrics": names, "metric": _lean(found.to_json())}


def _lean(document: Any) -> Any:  # Any: JSON
    """Without the lines of diffs, which Compare reads when they are looked at."""
    if isinstance(document, dict):
        return {name: _lean(one) for name, one in document.items() if name not in ("diff", "data")}
    return [_lean(one) for one in document] if isinstance(document, list) else document
