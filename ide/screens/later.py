"""Places that are not there yet, and what to do instead."""

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult

from ..widgets.lines import Lines
from .place import Place


class _Later(Place):
    title: str = ""
    told: Sequence[str] = ()

    def compose(self) -> ComposeResult:
        lines = Lines(classes="pane")
        lines.border_title = self.title
        yield lines

    def on_mount(self) -> None:
        self.query_one(Lines).show([Text(), *(Text(f"  {one}", "text") for one in self.told)])


class ClusterPlace(_Later):
    title = "Cluster"
    told = (
        "Remote Ray clusters are not part of this version: every step runs on this machine.",
        "",
        "GPUs of this machine are used where a step asks for them (`@step(gpus=1)`).",
    )
