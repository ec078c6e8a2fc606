"""Recorded runs → `RunFacts`, in one look at the catalog."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Rows are of any type.

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import InstepError, StoreBusy, UsageError
from ..ids import Digest
from ..snapshots.artifact import Column
from ..snapshots.queries import Lag, Reader, reader
from .definitions import definitions_from_snapshot, recorded_definitions
from .facts import KNOWN, Definition, FileFact, OutputFact, RunFacts, StepFact

Row = Mapping[str, Any]  # Any: values of DuckDB
_STEPS = "from step_run where item is null and list_contains(?, run) order by seq"
_ITEMS = """select run, step, state, count(*) as n from (select run, step, state from step_run where item is not null
    and list_contains(?, run) qualify row_number() over (partition by run, step, item order by attempt desc) = 1)
    group by all order by all"""
_NAMED = """select s.run, s.step, s.step_run_id, x.name, x.content_hash from step_run s join {table} x
    using (run_id, step_run_id) where s.item is null and list_contains(?, s.run)"""
_FILES = """select distinct s.run, s.step, f.path, f.argument, f.bytes, f.content_hash from step_run s
    join input_file f using (run_id, step_run_id) where s.item is null and list_contains(?, s.run) order by f.path"""


def read_runs(store: Path, numbers: Sequence[int]) -> list[RunFacts]:
    """The facts of these runs, in this order. Raises UsageError for a run of which nothing was recorded."""
    wanted = list(numbers)
    with reader(store) as found:
        rows = {row["number"]: row for row in found.rows("from run where list_contains(?, number)", [wanted])}
        for number in wanted:
            if number not in rows:
                raise _missing(number, found.lag)
        steps = _by_run(found.rows(_STEPS, [wanted]))
        items = _by_run(found.rows(_ITEMS, [wanted]))
        inputs = _by_run(found.rows(_NAMED.format(table="input"), [wanted]))
        outputs = _by_run(found.rows(_NAMED.format(table="output"), [wanted]))
        files = _by_run(found.rows(_FILES, [wanted]))
        metrics = _by_run(found.rows("from run_metric where list_contains(?, run) order by name", [wanted]))
        environments = {
            row["env_hash"]: row
            for row in found.rows(
                "from environment where list_contains(?, env_hash)", [[row["env_hash"] for row in rows.values()]]
            )
        }
        artifacts = _artifacts(found, outputs)
        behind = found.lag.behind
        definitions = {number: recorded_definitions(found, steps.get(number, ())) for number in wanted}
    return [
        _facts(
            store,
            rows[number],
            environments.get(rows[number]["env_hash"], {}),
            _steps(steps, items, inputs, outputs, number),
            {row["path"]: row for row in files.get(number, ())},
            _readers(files.get(number, ())),
            {row["name"]: row["value"] for row in metrics.get(number, ())},
            artifacts,
            definitions[number],
            behind,
        )
        for number in wanted
    ]


def _missing(number: int, lag: Lag) -> InstepError:
    if lag.behind:
        who = f", held by process {lag.held_by}" if lag.held_by else ""
        return StoreBusy(f"the catalog is {lag.behind} events behind{who}", mend=lag.why or "Try again in a moment.")
    return UsageError(f"run {number} was cut off before anything of it was recorded", mend="Take another run.")


def _facts(
    store: Path,
    row: Row,
    around: Row,
    steps: dict[str, StepFact],
    files: Mapping[str, Row],
    readers: Mapping[str, tuple[str, ...]],
    metrics: Mapping[str, float],
    artifacts: Mapping[str, OutputFact],
    definitions: dict[str, Definition],
    behind: int,
) -> RunFacts:
    params: dict[str, dict[str, Any]] = loaded(row["params"]) or {}
    place = {name: at for at, name in enumerate(params)}
    in_order = dict(sorted(steps.items(), key=lambda one: place.get(one[0], len(place))))
    unread = [name for name in params if name not in steps or steps[name].fingerprint is None]
    if unread or not definitions:
        definitions = definitions_from_snapshot(store, row["number"], unread or list(params), definitions)
    return RunFacts(
        label=str(row["number"]),
        state=row["state"],
        target=row["target"] or "local",
        graph=tuple(params),
        about=_about(row, in_order) | {"behind": behind},
        params={f"{step}.{name}": value for step, values in params.items() for name, value in values.items()},
        definitions=definitions,
        files={
            path: FileFact(Digest(one["content_hash"]), one["bytes"], readers[path], one["argument"] or "")
            for path, one in files.items()
        },
        packages=loaded(around.get("packages")) or {},
        python=around.get("python") or "",
        hardware=loaded(around.get("hardware")) or {},
        host=row["host"] or "",
        steps=in_order,
        metrics=metrics,
        outputs=_outputs_of(in_order, artifacts),
    )


def _about(row: Row, steps: Mapping[str, StepFact]) -> dict[str, Any]:  # Any: JSON
    started: datetime | None = row["started_at"]
    states = [one.state for one in steps.values()]
    return {
        "started_at": started.replace(tzinfo=UTC).isoformat(timespec="milliseconds") if started else None,
        "seconds": row["seconds"],
        "git_commit": row["git_commit"],
        "dirty": row["dirty"],
        "user": row["user_name"],
        "note": row["note"] or "",
        "steps": {state: states.count(state) for state in dict.fromkeys(states)},
    }


def _steps(
    steps: Mapping[int, list[Row]],
    items: Mapping[int, list[Row]],
    inputs: Mapping[int, list[Row]],
    outputs: Mapping[int, list[Row]],
    number: int,
) -> dict[str, StepFact]:
    """The last attempt at each step."""
    arrived = _by_id(inputs.get(number, ()))
    left = _by_id(outputs.get(number, ()))
    counts: dict[str, dict[str, int]] = {}
    for row in items.get(number, ()):
        counts.setdefault(row["step"], {})[row["state"]] = row["n"]
    found: dict[str, StepFact] = {}
    for row in steps.get(number, ()):
        error = loaded(row["error"])
        own = row["step_run_id"]
        found[row["step"]] = StepFact(
            name=row["step"],
            state=row["state"],
            seconds=row["seconds"],
            target=row["target"] or "",
            node=row["node"] or "",
            attempt=row["attempt"] or 1,
            step_key=row["step_key"],
            fingerprint=row["fingerprint"],
            made_by=row["reused_from"] or own,
            inputs=arrived.get(own, {}),
            outputs=left.get(own, {}),
            items=counts.get(row["step"], {}),
            error=str(error.get("title", "")) if isinstance(error, dict) else "",
            reasons=_texts(loaded(row["reasons"]) or ()),
        )
    return found


def _texts(reasons: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:  # Any: JSON
    from ..reasons import Reason

    return tuple(str(Reason.from_json(one)) for one in reasons)


def _outputs_of(steps: Mapping[str, StepFact], artifacts: Mapping[str, OutputFact]) -> dict[str, OutputFact]:
    from dataclasses import replace

    return {
        name: replace(artifacts[content], name=name, step=step.name)
        for step in steps.values()
        if step.state in KNOWN
        for name, content in step.outputs.items()
        if content in artifacts
    }


def _artifacts(found: Reader, outputs: Mapping[int, list[Row]]) -> dict[str, OutputFact]:
    """Every output by its content, with the columns of those that the runs do not all have."""
    sets = [{row["content_hash"] for row in rows} for rows in outputs.values()]
    every: set[str] = set().union(*sets)
    common: set[str] = set.intersection(*sets) if len(sets) > 1 else set()
    rows = found.rows("from artifact where list_contains(?, content_hash)", [list(every)])
    columns = columns_of(found, every - common)
    return {
        row["content_hash"]: OutputFact(
            name="",
            step="",
            content_hash=Digest(row["content_hash"]),
            kind=row["kind"],
            format=row["format"],
            carrier=row["carrier"],
            rows=row["n_rows"],
            bytes=row["bytes"] or 0,
            schema=loaded(row["schema"]),
            summary=loaded(row["summary"]),
            preview=row["preview"] or "",
            inline=row["inline"],
            columns=columns.get(row["content_hash"], ()),
        )
        for row in rows
    }


def columns_of(found: Reader, contents: Iterable[str]) -> dict[str, tuple[Column, ...]]:
    """The columns of tables by their content."""
    rows = found.rows(
        "from artifact_column where list_contains(?, content_hash) order by content_hash, ord", [list(contents)]
    )
    columns: dict[str, list[Column]] = {}
    for row in rows:
        one = Column(row["name"], row["dtype"], Digest(row["column_hash"]), row["nulls"], loaded(row["summary"]))
        columns.setdefault(row["content_hash"], []).append(one)
    return {content: tuple(those) for content, those in columns.items()}


def _readers(files: Iterable[Row]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for row in files:
        found.setdefault(row["path"], {})[row["step"]] = None
    return {path: tuple(steps) for path, steps in found.items()}


def _by_run(rows: Iterable[Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row["run"], []).append(row)
    return found


def _by_id(rows: Iterable[Row]) -> dict[str, dict[str, Digest]]:
    found: dict[str, dict[str, Digest]] = {}
    for row in rows:
        found.setdefault(row["step_run_id"], {})[row["name"]] = row["content_hash"]
    return found


def loaded(text: Any) -> Any:  # Any: JSON text as DuckDB gives it, or None
    return json.loads(text) if isinstance(text, str) else text
