"""What a command can say without an engine: the plan, made in its own process, from what earlier ones left behind."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .documents import Document, status_document
from .knowledge import Recorded
from .planner import Planner
from .project import STORE
from .requests import RunRequest, require_steps
from .snapshots.journal import Journal


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
