"""What was recorded, as the documents of `docs/json.md`, which any process may ask for at any time."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Rows are of any type.

import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import Problem, StoreBusy, UsageError, nearest
from ..ids import Digest, StepRunId
from ..scheduler.live import read_live
from .artifact import Artifact
from .duck import quoted
from .queries import Lag, Reader, condition, reader
from .upkeep import Upkeep

Document = dict[str, Any]  # Any: JSON as docs/json.md describes it
_STEP = "s.item is null and s.run = ?"
_RUNS = """from (select r.*, m.metrics from run r left join (select run, map(list(name), list(value)) as metrics
    from (select run, name, any_value(value) as value from run_metric where list_contains({names}, name)
    group by run, name) group by run) m on m.run = r.number)"""
"""`names` are those of the metrics that a condition speaks of: a map of all of them, of thousands of runs, is dear."""
SHOWN = "not hidden"
"""The condition on `run` that leaves those out."""
_ITEMS = """select step, state, count(*) as n from (select step, state from step_run where run = ? and item is not null
    qualify row_number() over (partition by step, item order by attempt desc) = 1) group by all order by all"""
_OUTPUTS = f"""select distinct o.name, o.content_hash, a.kind, a.format, a.n_rows, a.bytes, s.step, s.seq
    from step_run s join output o using (run_id, step_run_id) left join artifact a using (content_hash)
    where {_STEP} and s.state in ('done', 'reused') order by s.seq, o.name"""


class Catalog:
    """The runs of one store. Raises StoreError where it cannot be read.

    `lag` says how far the last answer was behind what was recorded, and why; as a rule it was not.
    """

    def __init__(self, store: Path) -> None:
        self.store = store
        self.lag = Lag()

    def number(self, text: str) -> int:
        """A run by its number or `latest`. Raises UsageError for one that is not there."""
        numbers = self._numbers()
        if text == "latest" and numbers:
            return self._newest_shown(numbers)
        if text.isdigit() and int(text) in numbers:
            return int(text)
        if not numbers:
            raise UsageError("there are no runs yet", mend="Run `instep run`.")
        newest = ", ".join(str(one) for one in numbers[:5])
        raise UsageError(
            f"there is no run {text}",
            mend=f"Give a number or `latest`; the newest {'are' if numbers[1:] else 'is'} {newest}.",
        )

    def latest(self) -> int:
        """The newest run. Raises UsageError if there is none."""
        return self.number("latest")

    def runs(self, where: str = "", limit: int = 20, *, hidden: bool = False) -> list[Document]:
        """The history, newest first, at most `limit` runs (0: all); `hidden` ones only where asked for.

        `where` is an SQL condition over the view `run`; `score.rmse` in it is that metric's value, `model.rate` that
        param's. Raises UsageError for a bad one.
        """
        if not self._numbers():
            return []
        most = f" limit {limit}" if limit > 0 else ""
        shown = "true" if hidden else SHOWN
        with self._read() as found:
            if where:
                names, rows = found.ask(f"{_chosen(found, where, shown)} order by number desc{most}")
                chosen = [dict(zip(names, row, strict=True)) for row in rows]
            else:
                chosen = found.rows(f"from run where {shown} order by number desc{most}")
            wanted = [row["number"] for row in chosen]
            metrics = _grouped(found.rows("from run_metric where list_contains(?, run) order by name", [wanted]), "run")
            steps = _grouped(
                found.rows("from step_run s where s.item is null and list_contains(?, s.run) order by seq", [wanted]),
                "run",
            )
        return [
            {
                "run": row["number"],
                "state": row["state"],
                "started_at": _iso(row["started_at"]),
                "seconds": row["seconds"],
                "target": row["target"],
                "params": _flat(_loads(row["params"])),
                "metrics": {one["name"]: one["value"] for one in metrics.get(row["number"], ())},
                "changed": _changed(steps.get(row["number"], ())),
                "note": row["note"] or "",
                "baseline": bool(row["baseline"]),
            }
            for row in chosen
        ]

    def numbers_where(self, where: str) -> list[int]:
        """The runs that are not hidden and that `where` is true of, as `runs` takes it. Raises UsageError."""
        if not self._numbers():
            return []
        with self._read() as found:
            _, rows = found.ask(f"select number {_chosen(found, where, SHOWN)}")
        return [number for (number,) in rows]

    def show(self, number: int) -> Document:
        """One run, whole."""
        with self._read() as found:
            row = _run_row(found, number)
            steps = _last_attempts(found.rows(f"from step_run s where {_STEP} order by seq", [number]))
            items = found.rows(_ITEMS, [number])
            metrics = found.rows("from run_metric where run = ? order by name", [number])
            outputs = found.rows(_OUTPUTS, [number])
            files = found.rows(
                "select distinct path, content_hash from input_file where run_id = ? order by path", [row["run_id"]]
            )
            code = found.rows("select path, file_hash from code where code_hash = ? order by path", [row["code_hash"]])
            environment = found.rows(
                "select python, packages, hardware from environment where env_hash = ?", [row["env_hash"]]
            )
        counts: dict[str, dict[str, int]] = {}
        for one in items:
            counts.setdefault(one["step"], {})[one["state"]] = one["n"]
        around = environment[0] if environment else {"python": None, "packages": None, "hardware": None}
        params: Document = _loads(row["params"]) or {}
        return {
            "run": row["number"],
            "id": row["run_id"],
            "state": row["state"],
            "target": row["target"],
            "started_at": _iso(row["started_at"]),
            "seconds": row["seconds"],
            "note": row["note"] or "",
            "metrics": {one["name"]: one["value"] for one in metrics},
            "steps": _steps(steps, counts, list(params), row["state"]),
            "verdict": row["verdict"] or None,
            "snapshot": {
                "params": params,
                "code": {one["path"]: one["file_hash"] for one in code},
                "files": {one["path"]: one["content_hash"] for one in files},
                "environment": {
                    "python": around["python"],
                    "packages": _loads(around["packages"]) or {},
                    "hardware": _loads(around["hardware"]) or {},
                },
                "git_commit": row["git_commit"],
                "dirty": row["dirty"],
                "host": row["host"],
                "user": row["user_name"],
            },
            "outputs": [
                {
                    "name": one["name"],
                    "content_hash": one["content_hash"],
                    "kind": one["kind"],
                    "format": one["format"],
                    "rows": one["n_rows"],
                    "bytes": one["bytes"],
                    "step": one["step"],
                }
                for one in outputs
            ],
        }

    def show_step(self, number: int, step: str, *, items: bool = True) -> Document:
        """One step of a run: its attempts, what came in and out, its files, its code, its items unless they are not
        wanted (there may be 20,000). Raises UsageError for a step that the run has not."""
        with self._read() as found:
            _run_row(found, number)
            attempts = found.rows(f"from step_run s where {_STEP} and s.step = ? order by seq", [number, step])
            if not attempts:
                known = found.rows("select distinct step from step_run where run = ? order by step", [number])
                raise unknown_step(number, step, [one["step"] for one in known])
            last = attempts[-1]
            ids = [last["run_id"], last["step_run_id"]]
            inputs = found.rows("select name, content_hash from input where run_id = ? and step_run_id = ?", ids)
            outputs = found.rows(
                "select o.name as output, a.* from output o join artifact a using (content_hash)"
                " where o.run_id = ? and o.step_run_id = ?",
                ids,
            )
            columns = found.rows(
                "select content_hash, name, dtype, nulls, summary from artifact_column"
                " where list_contains(?, content_hash) order by ord",
                [[one["content_hash"] for one in outputs]],
            )
            files = found.rows(
                "select path, argument, bytes, content_hash from input_file where run_id = ? and step_run_id = ?", ids
            )
            code = found.rows(
                "select qualname, kind, path, first_line, source from definition where fingerprint = ?",
                [last["fingerprint"]],
            )
            metrics = found.rows("from run_metric where run = ? and step = ? order by name", [number, step])
            groups = found.rows(
                "select groups from step_run where step_run_id = ? and groups is not null limit 1",
                [last["reused_from"] or last["step_run_id"]],
            )
            each = found.rows(
                "select item, attempt, state, seconds, error from step_run"
                " where ? and run = ? and step = ? and item is not null order by item, attempt",
                [items, number, step],
            )
        by_output = _grouped(columns, "content_hash")
        return _step_document(last, None) | {
            "run": number,
            "attempts": len(attempts),
            "node": last["node"],
            "rss_mb": last["rss_mb"],
            "reused_from": last["reused_from"],
            "metrics": {one["name"]: one["value"] for one in metrics},
            "inputs": {one["name"]: one["content_hash"] for one in inputs},
            "outputs": [
                {
                    "name": one["output"],
                    "content_hash": one["content_hash"],
                    "kind": one["kind"],
                    "format": one["format"],
                    "rows": one["n_rows"],
                    "bytes": one["bytes"],
                    "preview": one["preview"],
                    "columns": [
                        {
                            "name": each["name"],
                            "dtype": each["dtype"],
                            "nulls": each["nulls"],
                            "summary": _loads(each["summary"]),
                        }
                        for each in by_output.get(one["content_hash"], ())
                    ],
                }
                for one in outputs
            ],
            "files": files,
            "code": code,
            "groups": _loads(groups[0]["groups"]) if groups else None,
            "items": [one | {"error": _loads(one["error"])} for one in each],
        }

    def logs(self, number: int, step: str = "") -> list[Document]:
        """{"t" (µs), "step", "item", "stream", "level", "text"} for every line, in order of time; of a run that goes on
        what there is up to now."""
        with self._read() as found:
            row = _run_row(found, number)
            # A launch that was cut off has not closed its live file: what it said last stands only there.
            cut_off = row["state"] == "interrupted" and any((self.store / "runs" / str(number)).glob("*.jsonl"))
            if row["state"] != "running" and not cut_off and not found.lag.behind:
                return found.rows(
                    "select epoch_us(l.ts) as t, s.step, s.item, l.stream, l.level, l.text from log_line l"
                    " join step_run s using (run_id, step_run_id) where s.run = ? and (? = '' or s.step = ?)"
                    " order by l.ts, l.seq",
                    [number, step, step],
                )
        return self.follow(number, step, {})[0]

    def follow(self, number: int, step: str, offsets: dict[str, int]) -> tuple[list[Document], bool]:
        """New lines of a run since `offsets` (changed in place), and whether more may come."""
        with Upkeep(self.store / "journal.sqlite") as journal:
            running = number in {one for _, one in journal.going_on()}
        lines: list[Document] = []
        for path in sorted((self.store / "runs" / str(number)).glob("*.jsonl")):
            while True:
                records, after = read_live(str(path), offsets.get(path.name, 0))
                if after == offsets.get(path.name, 0):
                    break
                offsets[path.name] = after
                lines += _lines_of(records, path.name, step)
        return sorted(lines, key=lambda one: one["t"]), running

    def ran(self, step: str, limit: int) -> list[int]:
        """The newest runs in which a step was run, not taken over from an earlier one."""
        if not self._numbers():
            return []
        with self._read() as found:
            rows = found.rows(
                "select distinct run from step_run s where s.step = ? and s.item is null"
                f" and s.state in ('done', 'failed') and s.run in (select number from run where {SHOWN})"
                " order by run desc limit ?",
                [step, limit],
            )
        return [row["run"] for row in rows]

    def artifact_of(self, number: int, output: str) -> Artifact:
        """The artifact of a run's output. Raises UsageError for one that it has not."""
        with self._read() as found:
            _run_row(found, number)
            rows = found.rows(
                "select o.name, o.content_hash, s.step_key, coalesce(s.reused_from, s.step_run_id) as made_by"
                f" from step_run s join output o using (run_id, step_run_id) where {_STEP} order by s.seq",
                [number],
            )
        known = {one["name"]: one for one in rows}
        if output not in known:
            raise UsageError(f"run {number} has no output `{output}`", mend=_capital(nearest(output, known)))
        artifact = self._artifact(known[output])
        if artifact is None:
            raise UsageError(f"nothing is known of the output `{output}` of run {number}", mend="Run `instep verify`.")
        return artifact

    def _artifact(self, row: Document) -> Artifact | None:
        """As the step returned it: a table's content does not tell of which library it was, its cache entry does."""
        content, key = Digest(row["content_hash"]), row["step_key"]
        with Upkeep(self.store / "journal.sqlite") as journal:
            identities: list[Digest] = []
            for one in journal.lookup([Digest(key)]).get(Digest(key), ()) if key else ():
                if one.step_run_id == StepRunId(row["made_by"]) and isinstance(one.outputs, dict):
                    outputs: Any = one.outputs.get("outputs", {})  # Any: JSON that `Recorder` wrote
                    identities += [Digest(identity) for identity in outputs.values()]
            stored = journal.artifacts(identities).values()
            return next((one for one in stored if one.content_hash == content), None) or journal.artifact_of(content)

    @contextmanager
    def _read(self) -> Generator[Reader]:
        with reader(self.store) as found:
            self.lag = found.lag
            yield found

    def _newest_shown(self, numbers: Sequence[int]) -> int:
        """The newest run that a person made. Runs that explain others are few and come in a row, so they are asked for
        one by one: the catalog would have to be opened for it."""
        with Upkeep(self.store / "journal.sqlite") as journal:
            return next((one for one in numbers if not journal.is_hidden(one)), numbers[0])

    def _numbers(self) -> list[int]:
        if not (self.store / "journal.sqlite").is_file():
            return []
        with Upkeep(self.store / "journal.sqlite") as journal:
            return [number for number, *_ in journal.runs()]


def _run_row(found: Reader, number: int) -> Document:
    rows = found.rows("from run where number = ?", [number])
    if rows:
        return rows[0]
    if found.lag.behind:
        who = f", held by process {found.lag.held_by}" if found.lag.held_by else ""
        raise StoreBusy(
            f"the catalog is {found.lag.behind} events behind{who}", mend=found.lag.why or "Try again in a moment."
        )
    raise UsageError(f"run {number} was cut off before anything of it was recorded")


def _chosen(found: Reader, where: str, shown: str) -> str:
    """The runs that `where` is true of, with the metrics that it may speak of, as a query to go on with."""
    metrics = [row["name"] for row in found.rows("select distinct name from run_metric")]
    newest = found.rows("select params from run order by number desc limit 1")
    asked = condition(where, metrics, _flat(_loads(newest[0]["params"])) if newest else {})
    said = where.replace('""', '"')
    spoken = metrics if "metrics" in where.lower() else [name for name in metrics if name in said]
    names = f"[{', '.join(map(quoted, spoken))}]::varchar[]"
    return f"{_RUNS.format(names=names)} where {shown} and (\n{asked}\n)"


def unknown_step(number: int, step: str, known: Sequence[str]) -> UsageError:
    return UsageError(Problem(f"run {number} has no step `{step}`", mend=_capital(nearest(step, known))))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _steps(
    rows: Sequence[Document], counts: Mapping[str, dict[str, int]], order: Sequence[str], run_state: str
) -> list[Document]:
    """In the order of the graph. A fan-out that was cut off has items and no end of its own."""
    found = {row["step"]: _step_document(row, counts.get(row["step"])) for row in rows}
    state = "running" if run_state == "running" else "interrupted"
    for step in counts.keys() - found.keys():
        found[step] = _step_document(
            {"step": step, "state": state, "seconds": None, "reasons": None, "error": None}, counts[step]
        )
    place = {step: index for index, step in enumerate(order)}
    return sorted(found.values(), key=lambda one: place.get(one["name"], len(place)))


def _step_document(row: Mapping[str, Any], items: dict[str, int] | None) -> Document:
    return {
        "name": row["step"],
        "item": items,
        "state": row["state"],
        "seconds": row["seconds"],
        "reasons": _with_texts(_loads(row["reasons"]) or []),
        "error": _error(_loads(row["error"])),
    }


def _error(error: Document | None) -> Document | None:
    rest: Document = {"place": None, "frames": [], "arguments": {}}
    return None if error is None else rest | error


def _with_texts(reasons: Sequence[Mapping[str, Any]]) -> list[Document]:
    from ..reasons import Reason

    return [{**one, "text": str(Reason.from_json(one))} for one in reasons]


def _last_attempts(rows: Sequence[Document]) -> list[Document]:
    return list({row["step"]: row for row in rows}.values())


def _changed(steps: Sequence[Document]) -> list[str]:
    """What made a run's steps run: the root reasons, each once."""
    texts: dict[str, None] = {}
    for row in steps:
        if row["state"] not in ("reused", "blocked"):
            for one in _with_texts(_loads(row["reasons"]) or []):
                if one["kind"] not in ("input", "never_run"):
                    texts[one["text"]] = None
    return list(texts)


def _grouped(rows: Iterable[Document], key: str) -> dict[Any, list[Document]]:
    found: dict[Any, list[Document]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found


def _lines_of(records: Iterable[Mapping[str, Any]], name: str, step: str) -> list[Document]:
    owner = name.rpartition("-")[0]
    if step and owner != step:
        return []
    return [
        {
            "t": one["t"],
            "step": owner,
            "item": one.get("i"),
            "stream": one.get("s", ""),
            "level": one.get("l", ""),
            "text": one.get("m", ""),
        }
        for one in records
        if one["k"] == "log" and not one.get("r")
    ]


def _flat(params: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Any]:  # Any: JSON
    return {f"{step}.{name}": value for step, found in (params or {}).items() for name, value in found.items()}


def _loads(text: Any) -> Any:  # Any: JSON text as DuckDB gives it, or None
    return json.loads(text) if isinstance(text, str) else text


def _iso(moment: datetime | None) -> str | None:
    return moment.replace(tzinfo=UTC).isoformat(timespec="milliseconds") if moment else None
