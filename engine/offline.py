"""What a command can say without an engine: the plan, made in its own process, from what earlier ones left behind."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .documents import Document
from .scheduler.executor import Executor
from .session import RunRequest, Session


def status_here(root: Path, request: Mapping[str, Any]) -> Document:  # Any: a request as `ide` makes it
    """The `status` document. Raises InstepError as the engine would."""
    session = Session(root, _none)
    try:
        return session.status(RunRequest.from_json(request))
    finally:
        session.close()


def _none(*_: object) -> Executor:
    raise AssertionError("a status runs nothing")
