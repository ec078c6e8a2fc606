"""Several runs beside each other as the cells of a grid. Pure functions from the document `compare_many`."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# The document is read as JSON.

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from ..text import MARKS, width
from ..widgets.grid import Cell, Column
from .cells import flat
from .compare import value_of

Document = Mapping[str, Any]  # Any: JSON
LEGEND = "equal letters: equal contents · ★ best · enter: this run against the first"
_NAME, _VALUE = (12, 36), (8, 20)


def columns_of(document: Document) -> list[Column]:
    """The kind, the subject, and a column for each run, headed by its number and how it ended."""
    names = max((width(flat(str(row["subject"]))) for row in document["rows"]), default=0)
    found = [Column("kind", "", 8), Column("subject", "what", min(max(_NAME[0], names), _NAME[1]))]
    for at, (run, state) in enumerate(zip(document["runs"], document["states"], strict=True)):
        widest = max((width(_cell(row, at).plain) for row in document["rows"]), default=0)
        title = f"{run} {MARKS.get(str(state), '')}".strip()
        found.append(Column(f"run {run}", title, min(max(_VALUE[0], widest, width(title)), _VALUE[1]), right=True))
    return found


def rows_of_matrix(document: Document) -> list[list[Cell]]:
    """A row for each thing that is not the same in all; the best values are marked."""
    return [
        [
            Text(str(row["kind"]), "dim"),
            Text(flat(str(row["subject"])), "text.bold"),
            *(_cell(row, at) for at in range(len(row["values"]))),
        ]
        for row in document["rows"]
    ]


def row_text(document: Document, index: int) -> str:
    """A row as text, cells between tabs."""
    row = document["rows"][index]
    return "\t".join([str(row["subject"]), *(_cell(row, at).plain for at in range(len(row["values"])))])


def _cell(row: Document, at: int) -> Text:
    value = row["values"][at]
    if value is None:
        return Text("–", "dim")
    best = at in row["best"]
    told = value_of(str(row["kind"]), value)
    return Text(f"{told} ★" if best else told, "ok.bold" if best else "text")
