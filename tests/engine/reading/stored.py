"""A store with tables in it, as steps would have left them, without running any."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from instep.engine.reading.desk import Desk
from instep.engine.reading.service import answer
from instep.engine.snapshots import formats
from instep.engine.snapshots.objects import ObjectStore


class Shelf:
    """A project's store; `put` stores a value, `ask` asks the reading side as the screen does."""

    def __init__(self, root: Path) -> None:
        self.desk = Desk(root)
        self.objects = ObjectStore(self.desk.store)

    def put(self, value: object) -> str:
        return str(formats.store(value, self.objects).artifact.content_hash)

    def ask(self, op: str, **request: Any) -> Mapping[str, Any]:
        told = answer(self.desk, {"id": 1, "op": op, **request})
        if "problems" in told:
            raise Refused(told["problems"][0])
        return told["doc"]

    def rows(self, content: str, **request: Any) -> list[list[str | None]]:
        """Every row of a view, gathered page by page."""
        gathered: list[list[str | None]] = []
        while True:
            page = self.ask("page", content=content, offset=len(gathered), **request)
            gathered += page["rows"]
            if len(gathered) >= page["total"] or not page["rows"]:
                return gathered


class Refused(Exception):
    def __init__(self, problem: Mapping[str, str]) -> None:
        super().__init__(f"{problem['what']} | {problem['mend']}")
        self.problem = problem
