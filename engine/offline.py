"""What a command can say without an engine: the plan, made in its own process, from what earlier ones left behind."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .documents import Document, status_document
from .errors import InstepError
from .knowledge import Recorded
from .planner import Planner
from .project import STORE
from .requests import RunRequest, require_steps
from .snapshots.journal import Journal


def nothing_here(root: Path, request: Mapping[str, Any]) -> Document | None:  # Any: a request as `ide` makes it
    """The brief `run` document if there is nothing to run, so that no engine need be started to say so; else None."""
    store = root / STORE
    asked = RunRequest.from_json(request)
    special = asked.steps or asked.replay is not None or asked.on or asked.twin or not asked.brief
    if special or not (store / "journal.sqlite").exists():
        return None
    try:
        with Journal(store / "journal.sqlite") as journal:
            planner = Planner(root, Recorded(journal, store))
            _, plan = planner.plan(asked.env, asked.wishes)
            planner.save()
            if plan.changed or plan.stale() or plan.problems or not plan.steps:
                return None
            last = journal.last_shown()
    except InstepError:
        return None  # the engine will say what it is
    return {"run": last and last[0], "state": "done", "nothing": len(plan.steps)}


def status_here(root: Path, request: Mapping[str, Any]) -> Document:  # Any: a request as `ide` makes it
    """The `status` document. Raises InstepError as the engine would."""
    asked = RunRequest.from_json(request)
    store = root / STORE
    with Journal(store / "journal.sqlite") as journal:
        planner = Planner(root, Recorded(journal, store))
        facts, plan = planner.plan(asked.env, asked.wishes)
        require_steps(facts.graph, planner)
        planner.save()
        return status_document(facts.project.name, plan, journal.seconds_of(plan.stale()))
