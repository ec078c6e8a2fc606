"""A folder in which pipelines are written and really run, in this process."""

import textwrap
import threading
from pathlib import Path
from typing import Any

from instep.engine.planner import Wishes
from instep.engine.scheduler.inline_executor import InlineExecutor
from instep.engine.session import RunRequest, Session


class Lab:
    def __init__(self, root: Path, pipeline: str, **files: str) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.write("instep.toml", '[project]\nname = "lab"\n')
        self.write("pipeline.py", pipeline)
        for name, text in files.items():
            self.write(name, text)

    @property
    def store(self) -> Path:
        return self.root / ".instep"

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text, old
        (self.root / name).write_text(text.replace(old, new))

    def run(self, *steps: str, **params: Any) -> int:
        """One run; its number."""
        session = self.session()
        try:
            overrides = {name.replace("__", "."): value for name, value in params.items()}
            request = RunRequest(steps=steps, wishes=Wishes(overrides))
            return session.run(request, lambda _: None, threading.Event())["run"]
        finally:
            session.close()

    def session(self) -> Session:
        return Session(self.root, lambda _, emit: InlineExecutor(emit))
