"""Runs a small project through the real engine (a `Session` with the executor without Ray) and tells what ran."""

import contextlib
import os
import threading
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instep.engine.documents import status_document
from instep.engine.ids import Digest
from instep.engine.knowledge import Recorded
from instep.engine.planner import Planner, Wishes
from instep.engine.scheduler.inline_executor import InlineExecutor
from instep.engine.session import RunRequest, Session
from instep.engine.snapshots.journal import Journal
from instep.engine.snapshots.records import StepEnded

CONFIG = '[project]\nname = "case"\n'


@dataclass(frozen=True)
class Ran:
    """How every step of a run ended; the content of every output, also by step."""

    document: Mapping[str, Any]
    outputs: Mapping[str, Digest]
    by_step: Mapping[str, Mapping[str, Digest]]

    @property
    def ran(self) -> set[str]:
        return {one["name"] for one in self.document["steps"] if one["state"] != "reused"}

    def items(self, step: str) -> dict[str, int]:
        return next(one["item"] for one in self.document["steps"] if one["name"] == step) or {}

    def errors(self) -> list[Any]:
        return [one["error"] for one in self.document["steps"] if one["error"]]


class Bench:
    """A project in a temporary folder: one session after another, or within `living` one for all."""

    def __init__(self, root: Path, files: Mapping[str, str]) -> None:
        self.root = root
        self._living: Session | None = None
        root.mkdir(parents=True, exist_ok=True)
        self.write({"instep.toml": CONFIG} | dict(files))

    def write(self, files: Mapping[str, str | None]) -> None:
        for name, text in files.items():
            path = self.root / name
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def session(self) -> Session:
        return Session(self.root, lambda _, emit: InlineExecutor(emit))

    @contextlib.contextmanager
    def living(self) -> Generator[Session]:
        if self._living is not None:
            yield self._living
            return
        self._living = self.session()
        try:
            self._living.warm()
            yield self._living
        finally:
            self._living.close()
            self._living = None

    def run(self, env: Mapping[str, str] | None = None, wishes: Wishes | None = None) -> Ran:
        with self.living() as session:
            request = RunRequest(wishes=wishes or Wishes.none(), env=dict(os.environ) if env is None else env)
            document = session.run(request, lambda _: None, threading.Event())
            # The document of a run with nothing to do is about the last run: read what that one left of these steps.
            names = {one["name"] for one in document["steps"]}
            run_id = session.journal.run_id(document["run"])
            assert run_id is not None
            ended = [one for one in session.journal.events_of(run_id) if isinstance(one, StepEnded)]
        by_step = {one.step: one.outputs for one in ended if one.item is None and one.step in names}
        outputs = {name: content for found in by_step.values() for name, content in found.items()}
        return Ran(document, outputs, by_step)

    def status(self, env: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
        with self.living() as session:
            return _steps(session.status(RunRequest(env=dict(os.environ) if env is None else env)))

    def cold_status(self) -> dict[str, dict[str, Any]]:
        """The same from a process that remembers nothing of the sources it has read."""
        (self.root / ".instep/index").unlink(missing_ok=True)
        journal = Journal(self.root / ".instep/journal.sqlite")
        try:
            planner = Planner(self.root, Recorded(journal, self.root / ".instep"))
            facts, plan = planner.plan(dict(os.environ), Wishes.none())
        finally:
            journal.close()
        return _steps(status_document(facts.project.name, plan))


def _steps(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    assert not document["problems"], document["problems"]
    return {one["name"]: {key: value for key, value in one.items() if key != "seconds"} for one in document["steps"]}
