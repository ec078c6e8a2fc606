"""The metrics of steps that have not ended, from a run's live files: the catalog has a step's when it is over."""

import time
from collections.abc import Mapping
from pathlib import Path

from ..scheduler.live import read_live
from .desk import Desk

Points = list[list[float]]
"""[x, value, µs since 1970], in the order in which they were logged."""
_SECONDS = 0.3
"""How long one look may take; what is left is read by the next."""


class LiveMetrics:
    """The live files in `folder`, read on from where the last look ended. Items of a fan-out are left out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._offsets: dict[Path, int] = {}
        self._points: dict[Path, dict[str, Points]] = {}

    def read(self) -> dict[str, Points]:
        """The values so far by `step.name`; of a step that was launched again those of its last launch."""
        until = time.monotonic() + _SECONDS
        files = sorted(self._folder.glob("*.jsonl"), key=_launch)
        for path in files:
            while time.monotonic() < until and self._more(path):
                pass
        last = {path.stem.rpartition("-")[0]: path for path in files}
        found = [(step, self._points.get(path, {})) for step, path in last.items()]
        return {f"{step}.{name}": points for step, named in found for name, points in named.items()}

    def _more(self, path: Path) -> bool:
        """Read a piece; False where there was none."""
        before = self._offsets.get(path, 0)
        records, after = read_live(str(path), before)
        self._offsets[path] = after
        for record in records:
            if record["k"] != "metric" or record.get("i") is not None:
                continue
            name, value, x = record.get("n"), record.get("v"), record.get("x")
            # A line that the step wrote by itself may look like a record, and hold anything.
            if isinstance(name, str) and isinstance(value, int | float) and isinstance(x, int | float):
                self._points.setdefault(path, {}).setdefault(name, []).append([x, value, _time(record)])
        return after != before


def live_metrics(desk: Desk, label: str) -> dict[str, Points]:
    """The values so far of the run of that number; one run at a time is read on, which is how they run."""
    kept: tuple[str, LiveMetrics] | None = desk.kept.get("live metrics")
    if kept is None or kept[0] != label:
        kept = desk.kept["live metrics"] = label, LiveMetrics(desk.store / "runs" / label)
    return kept[1].read()


def _time(record: Mapping[str, object]) -> float:
    at = record.get("t")
    return float(at) if isinstance(at, int | float) else 0.0


def _launch(path: Path) -> tuple[str, int]:
    step, _, launch = path.stem.rpartition("-")
    return step, int(launch) if launch.isdigit() else 0
