"""The list of outputs, version by version: which rows it has and what stands in them. Pure functions."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.text import Text

from ..text import clean, fit, pad, size, width
from .cells import flat

FEW = 3
"""Versions of an output that are listed before the rest is asked for."""
_SHAPE = 14
"""Columns for rows × columns, or kind and size, so that versions stand below each other."""


@dataclass(frozen=True, slots=True)
class Version:
    """One content of one output, as `engine/reading/outputs.outputs` tells it."""

    step: str
    name: str
    version: int
    content: str
    run: int
    kind: str
    format: str
    carrier: str
    rows: int | None
    columns: int | None
    bytes: int
    here: bool

    @property
    def title(self) -> str:
        return f"{self.name} v{self.version}"

    @property
    def is_table(self) -> bool:
        return self.format == "table"

    @property
    def shape(self) -> str:
        """Rows × columns of a table, kind and size of anything else."""
        if self.is_table:
            return f"{self.rows or 0:,} × {self.columns or 0}"
        kind = self.carrier.rpartition(".")[2] if self.kind == "object" else self.kind
        return f"{clean(kind)} {size(self.bytes)}"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list: a step, a version of one of its outputs, or the offer to show the older ones."""

    kind: Literal["step", "version", "more"]
    step: str
    name: str = ""
    version: Version | None = None
    count: int = 0
    folded: bool = False


def versions_of(document: Mapping[str, Any]) -> list[Version]:  # Any: JSON
    """Every version there is, in the order of the list."""
    return [
        Version(output["step"], output["name"], **one) for output in document["outputs"] for one in output["versions"]
    ]


def rows_of(
    versions: Sequence[Version],
    steps: Iterable[str],
    folded: Collection[str],
    unrolled: Collection[tuple[str, str]],
) -> list[Row]:
    """The list: steps with outputs below them, newest versions first; `steps` are those of the project now, so that
    one without any output is told as well."""
    by_output: dict[str, dict[str, list[Version]]] = {step: {} for step in _order(versions, steps)}
    for one in versions:
        by_output[one.step].setdefault(one.name, []).append(one)
    rows: list[Row] = []
    for step, outputs in by_output.items():
        rows.append(Row("step", step, folded=step in folded, count=sum(map(len, outputs.values()))))
        for name, held in outputs.items() if step not in folded else ():
            shown = held if (step, name) in unrolled or len(held) <= FEW + 1 else held[:FEW]
            rows += [Row("version", step, name, one) for one in shown]
            if len(shown) < len(held):
                rows.append(Row("more", step, name, count=len(held) - len(shown)))
    return rows


def _order(versions: Sequence[Version], steps: Iterable[str]) -> list[str]:
    """Steps of the project in the order of its graph, then those that are no longer in it."""
    there = list(dict.fromkeys(one.step for one in versions))
    now = list(steps)
    return [*now, *(one for one in there if one not in set(now))]


def row_text(row: Row, columns: int, shown: str) -> Text:
    """A line of the list in so many columns; `shown` is the content that the place shows."""
    match row.kind:
        case "step":
            mark = "▸" if row.folded else "▾" if row.count else " "
            text = Text.assemble((f"{mark} ", "dim"), (fit(flat(row.step), max(4, columns - 6)), "text"), no_wrap=True)
            return text.append("  –", "dim") if not row.count else text
        case "more":
            return Text(f"    … {row.count:,} older", "dim", no_wrap=True)
        case _:
            assert row.version is not None
            return _version_text(row.version, columns, shown)


def _version_text(one: Version, columns: int, shown: str) -> Text:
    shape = one.shape if one.here else "✗ removed"
    shape = " " * (_SHAPE - width(shape)) + fit(shape, max(_SHAPE, columns - 20))
    mark = f"v{one.version}"
    room = min(40, max(4, columns - 6 - max(4, len(mark)) - width(shape)))
    style = "failed" if not one.here else "running" if one.content == shown else "text"
    return Text.assemble(
        ("  › " if one.content == shown else "    ", "running"),
        (pad(fit(flat(one.name), room), room), style),
        (f" {mark:<4}", "dim"),
        (f" {shape}", style if one.is_table and one.here else "dim"),
        no_wrap=True,
    )


def summary(versions: Sequence[Version]) -> str:
    """`12 tables · 214 MB`, each content counted once."""
    by_content = {one.content: one for one in versions if one.here}
    tables = sum(one.is_table for one in by_content.values())
    others = len(by_content) - tables
    parts = [f"{tables:,} table" + ("" if tables == 1 else "s")] if tables or not others else []
    parts += [f"{others:,} other" + ("" if others == 1 else "s")] if others else []
    return " · ".join([*parts, size(sum(one.bytes for one in by_content.values()))])


def chosen(versions: Sequence[Version], where: Mapping[str, Any]) -> Version | None:  # Any: what `go` was given
    """The version that is asked for: by content, or the newest of an output or step, as a run had it."""
    found = [
        one
        for one in versions
        if where.get("content") in (None, one.content)
        and where.get("step") in (None, one.step)
        and where.get("output") in (None, one.name)
    ]
    of_run = [one for one in found if where.get("run") in (None, one.run)]
    return next(iter(of_run or found), None)


def previous(versions: Sequence[Version], one: Version) -> Version | None:
    """The version before, of the same output."""
    older = [each for each in versions if (each.step, each.name) == (one.step, one.name) and each.version < one.version]
    return max(older, key=lambda each: each.version, default=None)


def file_name(one: Version) -> str:
    """What an exported file is called unless something else is typed."""
    endings = {"table": "parquet", "pickle": "pkl", "bytes": "bin", "sequence": "json"}
    name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in one.name)
    return f"{name}_v{one.version}.{endings.get(one.format, one.format)}"


def value_lines(document: Mapping[str, Any]) -> list[Text]:  # Any: JSON
    """What is shown of an output that is no table: what is known of it, and its text or stored preview."""
    head = f"{document['kind']}, {size(document['bytes'])}"
    carrier = document["carrier"]
    if carrier not in (document["kind"], "json"):
        head += f", a {clean(carrier)}"
    if document["rows"] is not None:
        head += f", {document['rows']:,} " + ("rows" if document["kind"] == "array" else "items")
    lines = [Text(head, "dim")]
    facts = facts_of(document["summary"])
    told = [f"{clean(name)} {short(value)}" for name, value in facts.items() if not isinstance(value, dict | list)]
    lines += [Text("   ".join(told), "text")] if told else []
    body = document["text"] if document["text"] is not None else document["preview"]
    lines += [Text(""), *(Text(clean(line.expandtabs(4)), "text") for line in str(body).split("\n"))]
    if document["kind"] in ("figure", "object"):
        lines += [Text(""), Text("it is shown as it was described when it was stored; E writes it to a file", "dim")]
    return lines


def facts_of(summary: Any) -> Mapping[str, Any]:  # Any: JSON
    """A stored summary; what has none, or one that is no object, has no facts."""
    return summary if isinstance(summary, dict) else {}  # pyright: ignore[reportUnknownVariableType]  # JSON


def short(value: object) -> str:
    """A number in few characters: whole where it is whole, else six significant digits."""
    if isinstance(value, bool) or value is None:
        return "–" if value is None else str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100_000 and abs(value) < 1e15 else f"{value:,.6g}"
    return clean(str(value))
