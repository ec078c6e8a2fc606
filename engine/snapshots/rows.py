"""Events and live records → rows of the catalog. Pure: a row depends on its event alone, never on what is there."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Events and live records are read as JSON.

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..ids import Digest, Json, RunId, StepName, StepRunId
from .records import (
    ArtifactStored,
    Definitions,
    ItemsEnded,
    LiveClosed,
    Record,
    RunContext,
    RunEnded,
    RunNoted,
    RunStarted,
    StepEnded,
    StepStarted,
    item_run_id,
)
from .tables import TABLES

Row = Sequence[object]
"""Values in the order of the table's columns; times are microseconds, JSON is text."""

_POSITION = {table: {name: index for index, name in enumerate(columns)} for table, columns in TABLES.items()}


def rows_of(seq: int, record: Record) -> Iterator[tuple[str, Row]]:
    """(table, row) for everything that one event says; what a `LiveClosed` names is read by `LiveRows`."""
    match record:
        case RunStarted():
            yield from _run_started(seq, record)
        case RunContext(run_id, git_commit, dirty, diff):
            yield "run", _row("run", seq=seq, run_id=run_id, git_commit=git_commit, dirty=dirty, diff=diff)
        case RunNoted(run_id, note, name, baseline, hidden):
            mark = None if baseline is None else seq if baseline else -seq
            yield "run", _row("run", seq=seq, run_id=run_id, note=note, name=name, baseline_seq=mark, hidden=hidden)
        case RunEnded(run_id, state, ended_us, verdict):
            said = verdict or None
            yield "run", _row("run", seq=seq, run_id=run_id, state=state, ended_at=ended_us, verdict=said)
        case StepStarted():
            yield (
                "step_run",
                _row(
                    "step_run",
                    seq=seq,
                    step_run_id=record.step_run_id,
                    run_id=record.run_id,
                    step=record.step,
                    item=record.item,
                    attempt=record.attempt,
                    state="running",
                    target=record.target,
                    node=record.node,
                    started_at=record.started_us,
                ),
            )
        case StepEnded():
            yield from _step_ended(seq, record)
        case ItemsEnded():
            yield from _items_ended(seq, record)
        case Definitions(fingerprint, step, units):
            for unit in units:
                yield (
                    "definition",
                    (
                        fingerprint,
                        step,
                        unit["id"],
                        unit["kind"],
                        unit["digest"],
                        unit["path"],
                        unit["line"],
                        unit["source"],
                    ),
                )
        case ArtifactStored(artifact):
            yield from artifact_rows(artifact)
        case LiveClosed():
            return


def _run_started(seq: int, one: RunStarted) -> Iterator[tuple[str, Row]]:
    yield (
        "run",
        _row(
            "run",
            seq=seq,
            run_id=one.run_id,
            number=one.number,
            name=one.name,
            state="running",
            params=_json(one.params),
            code_hash=one.code_hash,
            env_hash=one.env_hash,
            host=one.host,
            user_name=one.user_name,
            target=one.target,
            started_at=one.started_us,
            note=one.note,
            requested=_json(list(one.requested)),
            replay_of=one.replay_of,
        ),
    )
    for path, file_hash in one.code.items():
        yield "code", (one.code_hash, path, file_hash)
    found = one.environment
    python = found.get("python")
    yield (
        "environment",
        (
            one.env_hash,
            None if python is None else str(python),
            _json(found.get("packages")),
            _json(found.get("hardware")),
        ),
    )


def _step_ended(seq: int, one: StepEnded) -> Iterator[tuple[str, Row]]:
    yield (
        "step_run",
        _row(
            "step_run",
            seq=seq,
            step_run_id=one.step_run_id,
            run_id=one.run_id,
            step=one.step,
            item=one.item,
            attempt=one.attempt,
            state=one.state,
            step_key=one.step_key,
            fingerprint=one.fingerprint,
            params_hash=one.params_hash,
            reused_from=one.reused_from,
            target=one.target,
            node=one.node or None,
            started_at=one.started_us,
            ended_at=one.ended_us,
            seconds=one.seconds,
            rss_mb=one.rss_mb,
            reasons=_json(list(one.reasons)),
            error=_json(one.error),
            groups=_json(one.groups),
        ),
    )
    for name, content in one.inputs.items():
        yield "input", (one.run_id, one.step_run_id, name, content)
    for name, content in one.outputs.items():
        yield "output", (one.run_id, one.step_run_id, name, content)
    for name, value in one.metrics.items():
        yield "metric_last", (seq, one.run_id, one.step_run_id, name, value, one.ended_us, 1)
    for file in one.files:
        yield (
            "input_file",
            (
                one.run_id,
                one.step_run_id,
                file["path"],
                file.get("argument", ""),
                file["bytes"],
                file["mtime_ns"],
                file["content_hash"],
            ),
        )


def _items_ended(seq: int, one: ItemsEnded) -> Iterator[tuple[str, Row]]:
    for entry in one.rows:
        index, attempt, state, key, reused_from, started, ended, outputs, error = _item(entry)
        step_run_id = item_run_id(one.step_run_id, index, attempt)
        seconds = (ended - started) / 1e6 if started is not None and ended is not None else None
        yield (
            "step_run",
            (
                seq,
                step_run_id,
                one.run_id,
                one.step,
                index,
                attempt,
                state,
                key,
                one.fingerprint,
                one.params_hash,
                reused_from,
                one.target,
                one.node or None,
                started,
                ended,
                seconds,
                one.rss_mb,
                None,
                _json(error),
                None,
            ),
        )
        for name, content in (outputs or {}).items():
            yield "output", (one.run_id, step_run_id, name or one.step, content)


def _item(
    entry: Sequence[Any],
) -> tuple[int, int, str, str, str | None, int | None, int | None, dict[str, str] | None, Json]:
    # Any: JSON whose shape `ItemsEnded` describes
    index, attempt, state, key, reused_from, started, ended, outputs, error = entry
    return index, attempt, state, key, reused_from, started, ended, outputs, error


def artifact_rows(artifact: Mapping[str, Any]) -> Iterator[tuple[str, Row]]:
    """Rows for an artifact as `Artifact.to_json` wrote it (Any: that JSON)."""
    content = artifact["content_hash"]
    yield (
        "artifact",
        (
            content,
            artifact["kind"],
            artifact["format"],
            artifact["carrier"],
            artifact["rows"],
            artifact["bytes"],
            _json(artifact["schema"]),
            _json(artifact["summary"]),
            artifact["preview"],
            artifact["inline"],
            _json(list(artifact["parts"])),
        ),
    )
    for order, column in enumerate(artifact["columns"]):
        yield (
            "artifact_column",
            (
                content,
                order,
                column["name"],
                column["dtype"],
                column["hash"],
                column["nulls"],
                _json(column["summary"]),
            ),
        )
    summary: Any = artifact["summary"]
    metrics: Any = summary.get("metrics") if isinstance(summary, dict) else None
    if isinstance(metrics, dict):
        for order, (name, value) in enumerate(metrics.items()):
            number = _number(value)
            if number is not None:
                yield "artifact_metric", (content, order, name, number)


@dataclass(slots=True)
class _Last:
    seq: int
    value: float
    ts: int
    points: int


@dataclass(slots=True)
class LiveRows:
    """The records of one live file, block by block; call `end` after the last for what is only known then.

    A metric's last value counts for the item that logged it. For its step it counts as if said before everything else:
    the end of a fan-out says better, only in stores of 0.1.0's first days it does not.
    """

    seq: int
    run_id: RunId
    step_run_id: StepRunId
    step: StepName
    attempt: int
    _lines: int = 0
    _replaced: dict[tuple[int | None, str], Row] = field(default_factory=dict[tuple[int | None, str], Row])
    _last: dict[tuple[StepRunId, str], _Last] = field(default_factory=dict[tuple[StepRunId, str], _Last])
    _metrics_at: int = 0

    def rows(self, records: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Row]]:  # Any: live records are JSON
        for record in records:
            item = record.get("i")
            index = item if isinstance(item, int) else None
            match record.get("k"):
                case "log":
                    yield from self._log(record, index)
                case "metric":
                    yield from self._metric(record, index)
                case "attach":
                    yield from self._attachment(record, index)
                case _:
                    pass

    def end(self) -> Iterator[tuple[str, Row]]:
        for row in self._replaced.values():
            yield "log_line", row
        for (step_run_id, name), last in self._last.items():
            yield "metric_last", (last.seq, self.run_id, step_run_id, name, last.value, last.ts, last.points)

    def _id(self, index: int | None) -> StepRunId:
        return item_run_id(self.step_run_id, index, self.attempt)

    def _log(self, record: Mapping[str, Any], index: int | None) -> Iterator[tuple[str, Row]]:
        self._lines += 1
        stream = str(record.get("s", ""))
        row = (
            self.run_id,
            self._id(index),
            self._lines,
            record["t"],
            stream,
            str(record.get("l", "")),
            str(record.get("m", "")),
        )
        # Of a progress bar that a step redraws only the last state is kept, and that only if nothing came after it.
        self._replaced.pop((index, stream), None)
        if record.get("r"):
            self._replaced[index, stream] = row
        else:
            yield "log_line", row

    def _metric(self, record: Mapping[str, Any], index: int | None) -> Iterator[tuple[str, Row]]:
        value = _number(record.get("v"))
        if value is None:
            return
        name, ts, own = str(record.get("n", "")), record["t"], self._id(index)
        yield "metric", (self.run_id, own, name, record.get("x"), value, ts)
        for step_run_id in {own, self.step_run_id}:
            last = self._last.get((step_run_id, name))
            if last is None:
                seq = self.seq if step_run_id == own else 0
                self._last[step_run_id, name] = _Last(seq, value, ts, 1)
            else:
                last.value, last.ts, last.points = value, ts, last.points + 1

    def _attachment(self, record: Mapping[str, Any], index: int | None) -> Iterator[tuple[str, Row]]:
        artifact: Any = record.get("artifact")
        content = artifact.get("content_hash") if isinstance(artifact, dict) else None
        row = (self.run_id, self._id(index), record.get("n"), record.get("kind"), content, record["t"])
        yield "attachment", row


def _number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        return None


def _row(table: str, **values: object) -> Row:
    row: list[object] = [None] * len(TABLES[table])
    for name, value in values.items():
        row[_POSITION[table][name]] = value
    return row


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_mapping)


def _mapping(value: object) -> Json:
    if isinstance(value, Mapping):
        return dict(value)  # any mapping of JSON
    raise TypeError(f"{type(value).__name__} is not JSON")


__all__ = ["Digest", "LiveRows", "Row", "artifact_rows", "rows_of"]
