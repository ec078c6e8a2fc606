"""What is to be seen of one difference: a diff, two curves over each other, two charts of time, or lines."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widget import Widget

from ...engine.compare.axes import COUNT
from ...engine.compare.differences import Difference
from ..text import clean
from ..views.charting import chart_of
from ..views.compare import Row, Shown, inked, is_time, name_of
from ..views.compare_time import two_charts
from ..views.compare_told import same_told, told
from ..views.diff import Diff
from ..views.live import Live
from .chart import Chart, Curve
from .diff_view import DiffView
from .lines import Lines

Document = Mapping[str, Any]  # Any: JSON of the reading process
_POINTS = 800
"""How many points of a curve are asked for."""


class DifferencePane(Vertical):
    """`show` draws a row with what was read of it; the rest says what there is to read."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, classes="pane")
        self.chart, self.diff, self.told = Chart(), DiffView(), Lines()
        self.log_scale = False
        self.axes: tuple[str, ...] = ()
        self.axis = COUNT
        self._charts: Sequence[Document | None] = ()
        self._drawn: tuple[object, Document | None] = ("", None)

    def compose(self) -> ComposeResult:
        yield self.chart
        yield self.diff
        yield self.told

    def on_mount(self) -> None:
        self._only(self.told)

    @property
    def next_axis(self) -> str:
        axes = self.axes or (COUNT,)
        return axes[(axes.index(self.axis) + 1) % len(axes)] if self.axis in axes else axes[1 % len(axes)]

    @property
    def shows(self) -> Widget:
        """Which of the three is seen."""
        return next(one for one in (self.diff, self.chart, self.told) if one.display)

    def draw_times(self, shown: Shown, live: Live, *, top: bool = False) -> None:
        """Both runs as they are at this moment."""
        now = time.time()
        charts = [None if one is None or one["number"] is None else chart_of(one, live, now) for one in self._charts]
        labels = (f"A {shown.a}", f"B {shown.b}")
        self._lines(two_charts(tuple(zip(labels, charts, strict=True)), max(20, self.size.width - 4)), top=top)

    def show(self, shown: Shown, row: Row, document: Document | None, live: Live, *, asked: bool) -> None:
        """`document` is what was read of the row (its lines, its course, its data), None where nothing was."""
        one = row.one
        if one is None:
            return
        new = self._drawn[0] != (shown.a, shown.b, row.key)
        same, self._drawn = document is self._drawn[1] and not new, ((shown.a, shown.b, row.key), document)
        self.border_title = Text(_title(one))
        if row.same and not has_course(shown, one):
            self._lines(same_told(one), top=new)
        elif has_lines(one) and document is not None:
            self._only(self.diff)
            if not same:
                self.diff.show(Diff.of(document), top=new or not self.diff.count)
        elif has_course(shown, one) and document is not None:
            self._only(self.chart)
            self.axes, self.axis = tuple(document["axes"]), str(document["axis"])
            curves = _curves(shown, document)
            self.chart.show(clean(one.subject), curves, empty="no course was recorded", log=self.log_scale)
        elif is_time(one) and document is not None:
            self._charts = document["charts"]
            self.draw_times(shown, live, top=new)
        elif has_lines(one) or has_course(shown, one) or is_time(one):
            self._lines([Text("… reading", "running")], top=True)
        else:
            self._lines(told(one, document["data"] if document else None, asked=asked), top=new)
        self.tell()

    def tell(self) -> None:
        """In the frame: where one is in it, and the keys that are good here."""
        if self.diff.display:
            at, many = self.diff.hunk
            other = "unified" if self.diff.is_split else "split"
            self.border_subtitle = Text(f"change {at} of {many} · n/N next · | {other} · z zoom")
        elif self.chart.display:
            scale = "linear" if self.log_scale else "log"
            self.border_subtitle = Text(f"x: {self.axis} · X axis · S {scale} scale · + − h l part · z zoom")
        else:
            self.border_subtitle = ""

    def _lines(self, lines: list[Text], *, top: bool) -> None:
        self._only(self.told)
        self.told.show([inked(one) for one in lines], top=top)

    def _only(self, seen: Widget) -> None:
        for one in (self.chart, self.diff, self.told):
            one.display = one is seen


def question_of(shown: Shown, one: Difference, axis: str) -> tuple[str, Document]:
    """What is asked of the reading process to show a difference: the operation, and what goes with the runs."""
    if has_lines(one):
        return "compare_code", {"kind": one.kind, "subject": one.subject}
    if has_course(shown, one):
        return "compare_series", {"name": one.subject, "points": _POINTS, "axis": axis}
    if is_time(one):
        return "compare_time", {}
    return "compare_table", {"subject": one.subject}


def has_lines(one: Difference) -> bool:
    """Whether it is shown as a diff."""
    return one.kind in ("code", "log")


def has_course(shown: Shown, one: Difference) -> bool:
    """Whether it is shown as curves."""
    return one.kind == "metric" and one.subject in shown.courses


def has_data(one: Difference) -> bool:
    """Whether there is more to it that is read when somebody asks."""
    return one.kind in ("table", "array", "value") and one.detail.get("change") == "changed"


def _title(one: Difference) -> str:
    if is_time(one):
        return "Time of both, on one scale"
    kind = "Code" if one.kind == "code" else one.kind.capitalize()
    if one.kind != "code":
        return f"{kind} · {name_of(one)}"
    place = clean(str(one.after or one.before)).rpartition(":")[0]
    return f"{kind} · {place} · {name_of(one)}"


def _curves(shown: Shown, document: Document) -> tuple[Curve, ...]:
    found: list[Curve] = []
    for side, label in (("a", shown.a), ("b", shown.b)):
        points = document[side]
        if points:
            xs, ys = zip(*((x, y) for x, y in points), strict=True)
            found.append(Curve(f"{side.upper()} {label}", f"side-{side}", xs, ys))
    return tuple(found)
