"""A cluster by its name, address and where its token is: tried before it is written down."""

from collections.abc import Awaitable, Callable
from typing import Any

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from ...engine.errors import InstepError
from ..asking import Document
from ..text import oneline, plural
from ..views.steps import wrapped
from ..widgets.lines import Lines

FIELDS = (
    ("name", "Name", "gpu"),
    ("address", "Address", "http://127.0.0.1:8265"),
    ("token", "Token in", "GPU_RAY_TOKEN (a variable) or ~/.ray/gpu.token (a file)"),
)
Try = Callable[[str, Document], Awaitable[Document]]


def table_of(address: str, token: str) -> dict[str, Any]:  # Any: JSON
    """What goes into the configuration: a token is named by where it is. A path is a file, a plain word a variable."""
    table: dict[str, Any] = {"address": address.strip()}
    source = token.strip()
    if source.startswith(("/", "~", ".")):
        table["token"] = {"file": source}
    elif source:
        table["token"] = {"env": source.removeprefix("$")}
    return table


def found(told: Document) -> list[str]:
    """What answered, in sentences."""
    gpus = f", {told['gpus']:g} GPUs" if told["gpus"] else ""
    lines = [f"✓ Ray {oneline(told['ray'])}: {plural(told['nodes'], 'node')}, {told['cpus']:g} CPUs{gpus}"]
    return [*lines, *map(oneline, told["doubts"])]


class ClusterForm(ModalScreen[tuple[str, dict[str, Any]] | None]):
    """Answers with the name and the table to write, or None. `attempt` tries one and raises InstepError."""

    DEFAULT_CSS = """
    ClusterForm { align: center middle; }
    ClusterForm Vertical { width: 76; max-width: 96%; height: auto; border: round $i-running; background: $i-ground;
        padding: 0 1; }
    ClusterForm Label { color: $i-dim; height: 1; }
    ClusterForm Input { border: none; height: 1; padding: 0; background: $i-bar; }
    ClusterForm Input:focus { border: none; }
    ClusterForm Lines { height: 4; }
    """

    def __init__(self, attempt: Try) -> None:
        super().__init__()
        self._attempt = attempt
        self._good: tuple[str, dict[str, Any]] | None = None

    def compose(self) -> ComposeResult:
        box = Vertical()
        box.border_title = "Add a cluster"
        box.border_subtitle = "tab next · enter try, then enter write · esc leave"
        with box:
            for name, title, example in FIELDS:
                yield Label(title)
                yield Input(placeholder=example, id=f"new-{name}")
            lines = Lines(id="new-told")
            lines.can_focus = False
            yield lines

    def on_mount(self) -> None:
        self._say(["The token itself is never written down, only where it is."], "dim")
        self.query_one("#new-name", Input).focus()

    def _value(self, name: str) -> str:
        return self.query_one(f"#new-{name}", Input).value.strip()

    def _say(self, lines: list[str], style: str) -> None:
        room = max(20, min(70, self.app.size.width - 8))  # pyright: ignore[reportUnknownMemberType]  # generic in Textual
        self.query_one("#new-told", Lines).show([text for one in lines for text in wrapped(one, room, style)])

    def on_input_changed(self) -> None:
        self._good = None

    def on_input_submitted(self) -> None:
        empty = next((name for name in ("name", "address") if not self._value(name)), "")
        if empty:
            self.query_one(f"#new-{empty}", Input).focus()
        elif self._good is not None:
            self.dismiss(self._good)
        else:
            name, table = self._value("name"), table_of(self._value("address"), self._value("token"))
            self._say([f"trying {oneline(table['address'])} …"], "running")
            self.run_worker(self._try(name, table), group="try", exclusive=True, exit_on_error=False)

    async def _try(self, name: str, table: dict[str, Any]) -> None:  # Any: JSON
        try:
            told = await self._attempt(name, table)
        except InstepError as error:
            first = error.problems[0]
            self._say([f"✗ {oneline(first.what)}", oneline(first.why), oneline(first.mend)], "failed")
            return
        self._good = (name, table)
        self._say([*found(told), f"enter writes [clusters.{oneline(name)}]"], "ok")

    def on_key(self, event: Key) -> None:
        if event.key == "escape":
            event.stop()
            self.dismiss(None)

    @property
    def told(self) -> list[Text]:
        return list(self.query_one("#new-told", Lines).texts)
