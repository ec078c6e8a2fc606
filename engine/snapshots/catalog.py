"""What was recorded, as the documents of `docs/json.md`: read from DuckDB, which any process may do at any time.

Each question opens the catalog's file for as long as it takes, after copying what the journal has beyond it; while
somebody else holds the file, what is in it is told as it is.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import Problem, UsageError
from ..ids import Digest
from ..scheduler.live import read_live
from .artifact import Artifact
from .duck import FileHeld, attached, busy, in_memory, named, quoted
from .gate import reading
from .journal import Journal
from .projector import project
from .tables import VIEWS

Document = dict[str, Any]  # Any: JSON as docs/json.md describes it
_STEP = "s.item is null and s.run = ?"


class Catalog:
    """The runs of one store. Raises StoreError where it cannot be read."""

    def __init__(self, store: Path) -> None:
        self.store = store

    def number(self, text: str) -> int:
        """A run by its number or `latest`. Raises UsageError for one that is not there."""
        numbers = self._numbers()
        if text == "latest" and numbers:
            return numbers[0]
        if text.isdigit() and int(text) in numbers:
            return int(text)
        if not numbers:
            raise UsageError("there are no runs yet", mend="Run `instep run`.")
        newest = ", ".join(str(one) for one in numbers[:5])
        raise UsageError(
            f"there is no run {text}",
            mend=f"Give a number or `latest`; the newest {'are' if numbers[1:] else 'is'} {newest}.",
        )

    def runs(self, where: str = "", limit: int = 20) -> list[Document]:
        """The history, newest first. `where` is an SQL condition over the view `run`. Raises UsageError for a bad one."""
        if not self._numbers():
            return []
        condition = f"where {where}" if where else ""
        query = f"from run {condition} order by number desc" + (f" limit {limit}" if limit else "")
        with _Reader(self.store) as reader:
            rows = reader.checked(query) if where else reader.rows(query)
            wanted = [row["number"] for row in rows]
            metrics = _grouped(reader.rows("from run_metric where list_contains(?, run)", [wanted]), "run")
            steps = _grouped(
                reader.rows("from step_run s where s.item is null and list_contains(?, s.run) order by seq", [wanted]),
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
            for row in rows
        ]

    def show(self, number: int) -> Document:
        """One run, whole."""
        with _Reader(self.store) as reader:
            row = reader.rows("from run where number = ?", [number])[0]
            steps = _last_attempts(reader.rows(f"from step_run s where {_STEP} order by seq", [number]))
            items = reader.rows(
                "select step, state, count(*) as n from step_run s where s.item is not null and run = ? group by all",
                [number],
            )
            metrics = reader.rows("from run_metric where run = ? order by name", [number])
            outputs = reader.rows(
                "select distinct o.name, o.content_hash, a.kind, a.format, a.n_rows, a.bytes, a.preview, s.step, s.seq"
                " from step_run s join output o using (run_id, step_run_id) left join artifact a using (content_hash)"
                f" where {_STEP} order by s.seq, o.name",
                [number],
            )
            files = reader.rows(
                "select distinct path, content_hash from input_file where run_id = ? order by path", [row["run_id"]]
            )
            code = reader.rows("select path, file_hash from code where code_hash = ? order by path", [row["code_hash"]])
            environment = reader.rows(
                "select python, packages, hardware from environment where env_hash = ?", [row["env_hash"]]
            )
        counts: dict[str, dict[str, int]] = {}
        for one in items:
            counts.setdefault(one["step"], {})[one["state"]] = one["n"]
        found = environment[0] if environment else {"python": None, "packages": None, "hardware": None}
        return {
            "run": row["number"],
            "id": row["run_id"],
            "state": row["state"],
            "target": row["target"],
            "started_at": _iso(row["started_at"]),
            "seconds": row["seconds"],
            "note": row["note"] or "",
            "metrics": {one["name"]: one["value"] for one in metrics},
            "steps": [_step_document(one, counts.get(one["step"])) for one in steps],
            "verdict": row["verdict"] or None,
            "snapshot": {
                "params": _loads(row["params"]) or {},
                "code": {one["path"]: one["file_hash"] for one in code},
                "files": {one["path"]: one["content_hash"] for one in files},
                "environment": {
                    "python": found["python"],
                    "packages": _loads(found["packages"]) or {},
                    "hardware": _loads(found["hardware"]) or {},
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
                }
                for one in outputs
            ],
        }

    def show_step(self, number: int, step: str) -> Document:
        """One step of a run: its attempts, what came in and out, its files, its code, its failing items. Raises
        UsageError for a step that the run has not."""
        with _Reader(self.store) as reader:
            attempts = reader.rows(f"from step_run s where {_STEP} and s.step = ? order by seq", [number, step])
            if not attempts:
                known = reader.rows("select distinct step from step_run where run = ? order by step", [number])
                raise unknown_step(number, step, [one["step"] for one in known])
            last = attempts[-1]
            ids = [last["run_id"], last["step_run_id"]]
            inputs = reader.rows("select name, content_hash from input where run_id = ? and step_run_id = ?", ids)
            outputs = reader.rows(
                "select o.name, a.* from output o join artifact a using (content_hash)"
                " where o.run_id = ? and o.step_run_id = ?",
                ids,
            )
            columns = reader.rows(
                "select content_hash, name, dtype, nulls, summary from artifact_column"
                " where list_contains(?, content_hash) order by ord",
                [[one["content_hash"] for one in outputs]],
            )
            files = reader.rows(
                "select path, argument, bytes, content_hash from input_file where run_id = ? and step_run_id = ?", ids
            )
            code = reader.rows(
                "select qualname, kind, path, first_line, source from definition where fingerprint = ?",
                [last["fingerprint"]],
            )
            metrics = reader.rows("from run_metric where run = ? and step = ? order by name", [number, step])
            items = reader.rows(
                "select item, attempt, state, seconds, error from step_run where run = ? and step = ? and item is not null"
                " order by item, attempt",
                [number, step],
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
                    "name": one["name"],
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
            "items": [one | {"error": _loads(one["error"])} for one in items],
        }

    def logs(self, number: int, step: str = "") -> list[Document]:
        """{"t" (µs), "step", "item", "stream", "level", "text"} for every line, in order of time."""
        if self._state(number) == "running":
            return [one for path in self._live(number) for one in _live_lines(path, step)]
        with _Reader(self.store) as reader:
            return reader.rows(
                "select epoch_us(l.ts) as t, s.step, s.item, l.stream, l.level, l.text from log_line l"
                " join step_run s using (run_id, step_run_id) where s.run = ? and (? = '' or s.step = ?)"
                " order by l.ts, l.seq",
                [number, step, step],
            )

    def follow(self, number: int, step: str, offsets: dict[str, int]) -> tuple[list[Document], bool]:
        """New lines of a run since `offsets` (changed in place), and whether it goes on."""
        running = self._state(number) == "running"
        lines: list[Document] = []
        for path in self._live(number):
            records, offsets[path.name] = read_live(str(path), offsets.get(path.name, 0))
            lines += _lines_of(records, path.name, step)
        return sorted(lines, key=lambda one: one["t"]), running

    def artifact_of(self, number: int, output: str) -> Artifact:
        """The artifact of a run's output. Raises UsageError for one that it has not."""
        with _Reader(self.store) as reader:
            rows = reader.rows(
                "select o.name, o.content_hash from step_run s join output o using (run_id, step_run_id)"
                f" where {_STEP} order by s.seq",
                [number],
            )
        found = {one["name"]: one["content_hash"] for one in rows}
        if output not in found:
            from ..errors import nearest

            hint = nearest(output, found)
            raise UsageError(f"run {number} has no output `{output}`", mend=hint[:1].upper() + hint[1:])
        with Journal(self.store / "journal.sqlite") as journal:
            artifact = journal.artifact_of(Digest(found[output]))
        if artifact is None:
            raise UsageError(f"nothing is known of the output `{output}` of run {number}", mend="Run `instep verify`.")
        return artifact

    def _numbers(self) -> list[int]:
        if not (self.store / "journal.sqlite").is_file():
            return []
        with Journal(self.store / "journal.sqlite") as journal:
            return [number for number, *_ in journal.runs()]

    def _state(self, number: int) -> str:
        with Journal(self.store / "journal.sqlite") as journal:
            return next((state for one, _, state, *_ in journal.runs() if one == number), "")

    def _live(self, number: int) -> list[Path]:
        return sorted((self.store / "runs" / str(number)).glob("*.jsonl"))


class _Reader:
    """The catalog and its views, open for one block."""

    def __init__(self, store: Path) -> None:
        self._store = store
        project(store)
        self._db = in_memory(store)

    def __enter__(self) -> "_Reader":
        self._gate = reading(self._store)
        self._gate.__enter__()
        self._file = attached(self._db, self._store)
        try:
            self._file.__enter__()
        except FileHeld as error:
            self._gate.__exit__(None, None, None)
            raise busy(self._store, error) from None
        make_views(self._db)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._file.__exit__(None, None, None)
        finally:
            self._gate.__exit__(None, None, None)
            self._db.close()

    def rows(self, query: str, values: Sequence[object] = ()) -> list[Document]:
        cursor = self._db.execute(query, list(values))
        names = [one[0] for one in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def checked(self, query: str) -> list[Document]:
        """A query with a condition that a person wrote. Raises UsageError."""
        import duckdb

        from .queries import lock_down, refuse, single_read

        single_read(query)
        lock_down(self._db, self._store)
        try:
            return self.rows(query)
        except duckdb.Error as error:
            raise refuse(error) from None


def make_views(db: Any) -> None:  # Any: a DuckDB connection, not imported here
    """What users query, over the attached file."""
    for name, body in VIEWS.items():
        db.execute(f"create or replace temp view {named(name)} as {body}")


def table_view(db: Any, store: Path, run: int, output: str, parts: Iterable[str]) -> None:  # Any: as above
    """`run_42.features`, over the Parquet parts of the table."""
    paths = ", ".join(quoted(str(store / "objects" / part[:2] / f"{part}.parquet")) for part in parts)
    db.execute(f"create schema if not exists {named(f'run_{run}')}")
    db.execute(f"create or replace view {named(f'run_{run}')}.{named(output)} as from read_parquet([{paths}])")


def unknown_step(number: int, step: str, known: Sequence[str]) -> UsageError:
    from ..errors import nearest

    hint = nearest(step, known)
    return UsageError(Problem(f"run {number} has no step `{step}`", mend=hint[:1].upper() + hint[1:]))


def _step_document(row: Mapping[str, Any], items: dict[str, int] | None) -> Document:
    return {
        "name": row["step"],
        "item": items,
        "state": row["state"],
        "seconds": row["seconds"],
        "reasons": _with_texts(_loads(row["reasons"]) or []),
        "error": _loads(row["error"]),
    }


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


def _live_lines(path: Path, step: str) -> list[Document]:
    records, _ = read_live(str(path))
    return _lines_of(records, path.name, step)


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


def _flat(params: Any) -> dict[str, Any]:  # Any: JSON, {step: {param: value}}
    return {f"{step}.{name}": value for step, found in (params or {}).items() for name, value in found.items()}


def _loads(text: Any) -> Any:  # Any: JSON text as DuckDB gives it, or None
    return json.loads(text) if isinstance(text, str) else text


def _iso(moment: datetime | None) -> str | None:
    return moment.replace(tzinfo=UTC).isoformat(timespec="milliseconds") if moment else None


def artifact_document(artifact: Artifact) -> Document:
    return asdict(artifact)
