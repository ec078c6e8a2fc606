"""Runs a small project through the real engine (a `Session` with the executor without Ray) and tells what ran."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instep.engine.ids import Digest
from instep.engine.planner import Wishes
from instep.engine.scheduler.inline_executor import InlineExecutor
from instep.engine.session import RunRequest, Session
from instep.engine.snapshots.records import StepEnded

CONFIG = '[project]\nname = "case"\n'


@dataclass(frozen=True)
class Ran:
    """How every step of a run ended; the content of every output."""

    document: Mapping[str, Any]
    outputs: Mapping[str, Digest]

    @property
    def ran(self) -> set[str]:
        return {one["name"] for one in self.document["steps"] if one["state"] != "reused"}

    def items(self, step: str) -> dict[str, int]:
        return next(one["item"] for one in self.document["steps"] if one["name"] == step) or {}


class Bench:
    """A project in a temporary folder. One session after another, as background engines would."""

    def __init__(self, root: Path, files: Mapping[str, str]) -> None:
        self.root = root
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

    def run(self, env: Mapping[str, str] | None = None, wishes: Wishes | None = None) -> Ran:
        session = self.session()
        try:
            session.warm()
            request = RunRequest(wishes=wishes or Wishes.none(), env=env or {})
            document = session.run(request, lambda _: None, threading.Event())
            # The document of a run with nothing to do is about the last run: read what that one left.
            run_id = session.journal.run_id(document["run"])
            assert run_id is not None
            ended = [one for one in session.journal.events_of(run_id) if isinstance(one, StepEnded)]
            outputs = {name: content for one in ended if one.item is None for name, content in one.outputs.items()}
        finally:
            session.close()
        return Ran(document, outputs)

    def status(self, env: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
        session = self.session()
        try:
            document = session.status(RunRequest(env=env or {}))
        finally:
            session.close()
        assert not document["problems"], document["problems"]
        return {one["name"]: one for one in document["steps"]}
