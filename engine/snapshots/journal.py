"""The journal: a SQLite file in WAL mode that is the truth while things happen. Any process may append at any time.

It keeps what must be decided quickly (the cache index, what is known of artifacts and of each step's last run) beside
the events; the catalog is made from the events alone. It uses the standard library's `sqlite3`: `sqlite-utils` costs
more at import than a whole `instep status` may take.
"""

import errno
import json
import os
import sqlite3
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, cast

from ..errors import StoreBusy, StoreError
from ..ids import Digest, Json, RunId, StepName, StepRunId, new_id
from ..lone_surrogates import as_text
from .artifact import Artifact
from .records import HIDDEN, RECORDS, Definitions, Record, RunEnded, StepEnded, StepStarted
from .schema import SCHEMA, bring_up
from .second_copy import FILE, Put, Transaction

_WAL_PAGES = 4_000
"""16 MB: by default SQLite copies changed pages into place after 4 MB, which one batch of a fan-out may write."""
AWAY = "away:"
"""How the state of an object begins that is on a cluster (named after it) and not here."""


@dataclass(frozen=True, slots=True)
class Cached:
    """A candidate result under a step key. `outputs` is what the writer put there (see `Writing.cache`); `observed`
    what it depended on while running, as JSON."""

    step_key: Digest
    candidate: Digest
    step_run_id: StepRunId
    outputs: Json
    observed: Mapping[str, Any]  # Any: JSON whose shape plan.py knows

    def object_names(self) -> list[str]:
        """The file names of the objects that this result is made of."""
        return object_names(self.outputs)


def object_names(outputs: Json) -> list[str]:
    """The file names of the objects that a kept result is made of: those of a step's outputs, or an item's blocks."""
    if not isinstance(outputs, dict):
        return []
    items, objects = outputs.get("item"), outputs.get("objects")
    rows = items.values() if isinstance(items, dict) else ()
    blocks = [f"{row[3]}.block" for row in rows if isinstance(row, list) and row[3]]
    return [*map(str, objects if isinstance(objects, list) else ()), *blocks]


@dataclass(frozen=True, slots=True)
class Basis:
    """What determined a step when it last ended, to say what changed since; `body` is `Determinants.to_json`."""

    step: StepName
    step_run_id: StepRunId
    state: str
    step_key: Digest
    body: Mapping[str, Any]  # Any: JSON whose shape plan.py knows


@dataclass(frozen=True, slots=True)
class Followed:
    """A run that goes on elsewhere: on which cluster, as which job, and up to where its feed was taken in (`seq`).

    `state` is `sending` until the job was accepted, `going`, and `ended` when its last word was taken in; `node` is
    where its feed can be read, and of which journal it is; `seen_us` when the cluster last answered.
    """

    run_id: RunId
    cluster: str
    submission: str
    state: str
    seq: int = 0
    node: str = ""
    seen_us: int = 0


@dataclass(slots=True)
class Writing:
    """What one transaction appends; all of it or nothing."""

    events: list[Record] = field(default_factory=list[Record])
    cache: list[Cached] = field(default_factory=list[Cached])
    artifacts: list[Artifact] = field(default_factory=list[Artifact])
    objects: list[tuple[Digest, str, int, Digest]] = field(default_factory=list[tuple[Digest, str, int, Digest]])
    basis: list[Basis] = field(default_factory=list[Basis])
    definitions: list[tuple[Digest, str]] = field(default_factory=list[tuple[Digest, str]])
    history: list[tuple[StepName, float, str]] = field(default_factory=list[tuple[StepName, float, str]])


def _close_to_others(store: Path) -> None:
    """A store that was copied or unpacked may have come open: what is recorded is its owner's alone."""
    status = store.stat()
    if status.st_mode & 0o077 and status.st_uid == os.getuid():
        store.chmod(0o700)


class Journal:
    """One connection; use it from one thread at a time. Raises StoreError where the file cannot be used."""

    def __init__(self, path: Path, actor: str = "") -> None:
        self.path = path
        self._copy = path.with_name(FILE)
        self.actor = actor or f"{os.environ.get('USER', 'uid' + str(os.getuid()))}@{os.getpid()}"
        with _explained(path):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            _close_to_others(path.parent)
            if self._copy.exists() and not path.exists():
                raise StoreError(f"{path} is gone", mend="Run `instep verify`: it is made anew from its second copy.")
            self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            bring_up(self._db, str(path.parent))
            self._db.execute("pragma synchronous=normal")
            self._db.execute(f"pragma wal_autocheckpoint={_WAL_PAGES}")

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _transaction(self) -> Generator[Put]:
        """Everything that is put in the block, or nothing."""
        with self._writing():
            transaction = Transaction(self._db)
            yield transaction.put
            with transaction.copied(self._copy, SCHEMA):
                self._db.execute("commit")

    @contextmanager
    def _writing(self) -> Generator[None]:
        """`BEGIN IMMEDIATE`, so that two writers wait for each other instead of failing half-way. What is not committed
        in the block is taken back."""
        with _explained(self.path):
            self._db.execute("begin immediate")
            try:
                yield
            finally:
                if self._db.in_transaction:
                    self._db.execute("rollback")

    # Appending

    def write(self, writing: Writing) -> int:
        """Append everything in `writing` at once; return the sequence number of the last event."""
        with self._transaction() as put:
            return self._write(put, writing)

    def _write(self, put: Put, writing: Writing) -> int:
        now = now_us()
        seq = self._append(put, writing.events, now)
        # The items of a batch were seen to depend on the same.
        observed = {id(one.observed): one.observed for one in writing.cache}
        dumped = {key: _dump(one) for key, one in observed.items()}
        put(
            "insert or replace into cache values (?,?,?,?,?,?)",
            (
                (one.step_key, one.candidate, one.step_run_id, _dump(one.outputs), dumped[id(one.observed)], now)
                for one in writing.cache
            ),
        )
        put(
            "insert or ignore into artifact values (?,?,?)",
            ((one.identity, one.content_hash, _dump(one.to_json())) for one in writing.artifacts),
        )
        put("insert or replace into object values (?,?,?,?,'here',?)", ((*one, now) for one in writing.objects))
        put(
            "insert or replace into basis values (?,?,?,?,?)",
            ((one.step, one.step_run_id, one.state, one.step_key, _dump(one.body)) for one in writing.basis),
        )
        put("insert or ignore into definition values (?,?)", writing.definitions)
        put(
            "insert into history(step, seconds, target, ended_us) values (?,?,?,?)",
            ((*one, now) for one in writing.history),
        )
        self._also(put, writing)
        return seq

    def _also(self, put: Put, writing: Writing) -> None:
        """Room for what is to be written in the same transaction (`remote/feed.py`)."""

    def take_in(self, writing: Writing, run_id: RunId, seq: int, away: Mapping[str, str] | None = None) -> bool:
        """Append what another journal wrote, as number `seq` of the feed of `run_id`; False if it was taken in before.

        `away` maps the names (`<hash>.<format>`) of objects that are not here to the cluster that has them.
        """
        with self._transaction() as put:
            rows = self._db.execute("select seq from followed where run_id=?", (run_id,)).fetchall()
            if not rows or rows[0][0] >= seq:
                return False
            self._write(put, replace(writing, events=[one for one in writing.events if _is_news(put, one)]))
            put(
                "update object set state=? where content_hash=? and format=?",
                ((f"{AWAY}{cluster}", *name.split(".", 1)) for name, cluster in (away or {}).items()),
            )
            put("update followed set seq=? where run_id=?", [(seq, run_id)])
        return True

    def follow(self, one: Followed) -> None:
        """Remember a run that goes on elsewhere, or what is now known of it."""
        row = (one.run_id, one.cluster, one.submission, one.state, one.seq, one.node, one.seen_us)
        with self._transaction() as put:
            put("insert or replace into followed values (?,?,?,?,?,?,?)", [row])

    def followed(self, run_id: RunId | None = None) -> list[Followed]:
        """The runs that were sent elsewhere or found there, oldest first; only `run_id` if given."""
        sql = "select * from followed where ?1 is null or run_id=?1 order by run_id"
        return [Followed(*row) for row in self._rows(sql, (run_id,))]

    def append(self, *events: Record) -> int:
        """Append events alone."""
        return self.write(Writing(events=list(events)))

    def _append(self, put: Put, events: Iterable[Record], now: int) -> int:
        rows = [
            (
                now,
                self.actor,
                getattr(one, "run_id", None),
                getattr(one, "step_run_id", None),
                one.kind,
                _dump(one.to_json()),
            )
            for one in events
        ]
        if not rows:
            return self.last_seq()
        for one in events:
            if isinstance(one, RunEnded):
                put("update run set state=?, ended_us=? where run_id=?", [(one.state, one.ended_us, one.run_id)])
        put("insert into event(ts_us,actor,run_id,step_run_id,kind,body) values (?,?,?,?,?,?)", rows)
        return self._db.execute("select last_insert_rowid()").fetchone()[0]

    def objects_named(self, names: Iterable[str]) -> list[tuple[Digest, str, int, Digest, str]]:
        """(content hash, format, bytes, file hash, state) of the objects `<hash>.<format>` that were ever recorded."""
        pairs = [name.split(".", 1) for name in names]
        sql = "select content_hash, format, bytes, file_hash, state from object where content_hash=? and format=?"
        return [(row[0], row[1], row[2], row[3], row[4]) for pair in pairs for row in self._rows(sql, pair)]

    def away(self, names: Iterable[str]) -> dict[str, str]:
        """Those of the objects `<hash>.<format>` that are on a cluster and not here, with its name."""
        found = {f"{row[0]}.{row[1]}": row[4] for row in self.objects_named(names)}
        return {name: state.removeprefix(AWAY) for name, state in found.items() if state.startswith(AWAY)}

    def arrived(self, content_hash: Digest, format: str) -> None:
        """An object that was away is in the store now."""
        with self._transaction() as put:
            put("update object set state='here' where content_hash=? and format=?", [(content_hash, format)])

    def cached_of(self, step_run_ids: Iterable[StepRunId]) -> list[Cached]:
        """What was kept of these step runs: the step's result, or those of its items."""
        sql = "select step_key, candidate, step_run_id, outputs, observed from cache where step_run_id=?"
        return [
            Cached(row[0], row[1], row[2], json.loads(row[3]), json.loads(row[4]))
            for one in step_run_ids
            for row in self._rows(sql, (one,))
        ]

    def new_run(self, run_id: RunId | None = None) -> tuple[RunId, int]:
        """Take the next run number; the run counts as running from here on. A `run_id` that is known (a run made
        elsewhere, or one taken up again) keeps the number it has."""
        run_id = run_id or RunId(new_id())
        with self._transaction() as put:
            again = "update run set state='running', ended_us=null where run_id=?"
            if not put(again, [(run_id,)]).rowcount:
                put("insert into run(run_id, state, started_us) values (?, 'running', ?)", [(run_id, now_us())])
            (number,) = self._db.execute("select number from run where run_id=?", (run_id,)).fetchone()
        return run_id, number

    # Reading

    def _rows(self, sql: str, arguments: Sequence[object] = ()) -> list[tuple[Any, ...]]:  # Any: SQLite's own types
        with _explained(self.path):
            return self._db.execute(sql, arguments).fetchall()

    @property
    def journal_id(self) -> str:
        return self._rows("select value from meta where name='journal_id'")[0][0]

    def last_seq(self) -> int:
        return self._rows("select coalesce(max(seq), 0) from event")[0][0]

    def events_after(self, seq: int, limit: int = 10_000) -> list[tuple[int, int, str, Record]]:
        """(seq, ts_us, actor, record) in order; kinds this version does not know are left out."""
        rows = self._rows(
            "select seq, ts_us, actor, kind, body from event where seq > ? order by seq limit ?", (seq, limit)
        )
        return [
            (number, ts_us, actor, RECORDS[kind].from_json(json.loads(body)))
            for number, ts_us, actor, kind, body in rows
            if kind in RECORDS
        ]

    def events_of(self, run_id: RunId) -> list[Record]:
        """Everything that was recorded of one run, in order."""
        rows = self._rows("select kind, body from event where run_id=? order by seq", (run_id,))
        return [RECORDS[kind].from_json(json.loads(body)) for kind, body in rows if kind in RECORDS]

    def lookup(self, keys: Iterable[Digest]) -> dict[Digest, list[Cached]]:
        """The candidates under each of `keys` that has any, newest first."""
        found: dict[Digest, list[Cached]] = {}
        wanted = list(keys)
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            marks = ",".join("?" * len(part))
            sql = (
                "select step_key, candidate, step_run_id, outputs, observed from cache"
                f" where step_key in ({marks}) order by last_used_us desc"
            )
            for key, candidate, step_run_id, outputs, observed in self._rows(sql, part):
                cached = Cached(key, candidate, step_run_id, json.loads(outputs), json.loads(observed))
                found.setdefault(key, []).append(cached)
        return found

    def forget(self, keys: Iterable[Digest]) -> None:
        """Drop what is cached under `keys`: the results were damaged or removed."""
        with self._transaction() as put:
            put("delete from cache where step_key=?", ((key,) for key in keys))

    def artifacts(self, identities: Iterable[Digest]) -> dict[Digest, Artifact]:
        found: dict[Digest, Artifact] = {}
        wanted = list(identities)
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            sql = f"select identity, body from artifact where identity in ({','.join('?' * len(part))})"
            found |= {Digest(key): Artifact.from_json(json.loads(body)) for key, body in self._rows(sql, part)}
        return found

    def artifact_of(self, content: Digest) -> Artifact | None:
        """What is known of a content hash, whatever carried it."""
        rows = self._rows("select body from artifact where content_hash=? limit 1", (content,))
        return Artifact.from_json(json.loads(rows[0][0])) if rows else None

    def basis(self, steps: Iterable[StepName]) -> dict[StepName, Basis]:
        found: dict[StepName, Basis] = {}
        wanted = list(steps)
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            marks = ",".join("?" * len(part))
            sql = f"select step, step_run_id, state, step_key, body from basis where step in ({marks})"
            for step, step_run_id, state, key, body in self._rows(sql, part):
                found[StepName(step)] = Basis(step, step_run_id, state, key, json.loads(body))
        return found

    def last_keys(self) -> dict[StepName, tuple[str, Digest]]:
        """(state, step key) of each step when it last ended."""
        return {step: (state, key) for step, state, key in self._rows("select step, state, step_key from basis")}

    def data_version(self) -> int:
        """Changes when another process (or connection) wrote to the journal."""
        return self._rows("pragma data_version")[0][0]

    def source_of(self, definition: Digest) -> str | None:
        rows = self._rows("select source from definition where digest=?", (definition,))
        return rows[0][0] if rows else None

    def seen_fingerprint(self, fingerprint: Digest) -> bool:
        """Whether the definitions behind `fingerprint` were recorded; says yes from the second call on."""
        with self._transaction() as put:
            return put("insert or ignore into fingerprint values (?)", [(fingerprint,)]).rowcount == 0

    def seconds_of(self, steps: Iterable[StepName], target: str = "local") -> dict[StepName, float]:
        """The median of each step's last five times on `target`, in seconds; steps that never ran are left out."""
        sql = "select seconds from history where step=? and target=? order by ended_us desc limit 5"
        found = {step: sorted(row[0] for row in self._rows(sql, (step, target))) for step in steps}
        return {step: times[len(times) // 2] for step, times in found.items() if times}

    def runs(self, limit: int | None = None) -> list[tuple[int, RunId, str, int, int | None]]:
        """(number, run id, state, started_us, ended_us), newest first."""
        sql = "select number, run_id, state, started_us, ended_us from run order by number desc limit ?"
        return [(row[0], RunId(row[1]), row[2], row[3], row[4]) for row in self._rows(sql, (limit or -1,))]

    def is_hidden(self, number: int) -> bool:
        """Whether lists leave a run out: what was said of it last counts."""
        rows = self._rows(
            "select body from event where run_id=(select run_id from run where number=?) and kind='run_noted'"
            " order by seq desc",
            (number,),
        )
        said = [json.loads(body) for (body,) in rows]
        told = next((one["hidden"] for one in said if one.get("hidden") is not None), None)
        named = next((one["name"] for one in said if one.get("name") is not None), "")  # stores of 0.1.0's first days
        return named.startswith(HIDDEN) if told is None else told

    def last_shown(self) -> tuple[int, RunId] | None:
        """The newest run that a person made, not one that explains others."""
        recent = [(number, run_id) for number, run_id, *_ in self.runs(100)]
        return next((one for one in recent if not self.is_hidden(one[0])), recent[0] if recent else None)

    def run_id(self, number: int) -> RunId | None:
        rows = self._rows("select run_id from run where number=?", (number,))
        return RunId(rows[0][0]) if rows else None

    def number_of(self, run_id: RunId) -> int | None:
        rows = self._rows("select number from run where run_id=?", (run_id,))
        return rows[0][0] if rows else None

    def unfinished(self) -> list[tuple[RunId, int]]:
        """Runs that started here and did not end: going on, or cut off when their engine died."""
        sql = "select run_id, number from run where state='running' and run_id not in (select run_id from followed)"
        return [(RunId(row[0]), row[1]) for row in self._rows(sql)]

    def started_not_ended(self, run_id: RunId) -> list[StepEnded]:
        """For an interrupted run, the end of each step run that has only a start."""
        events = self.events_of(run_id)
        ended = {one.step_run_id for one in events if isinstance(one, StepEnded)}
        return [
            StepEnded(
                run_id,
                one.step_run_id,
                one.step,
                "interrupted",
                attempt=one.attempt,
                item=one.item,
                target=one.target,
                node=one.node,
                started_us=one.started_us,
            )
            for one in events
            if isinstance(one, StepStarted) and one.step_run_id not in ended
        ]

    def accept(self, step: StepName, key: Digest) -> None:
        with self._transaction() as put:
            put("insert or ignore into accepted values (?,?)", [(step, key)])


def now_us() -> int:
    return time.time_ns() // 1000


def _is_news(put: Put, record: Record) -> bool:
    """False for the definitions behind a fingerprint that are recorded already."""
    if not isinstance(record, Definitions):
        return True
    return put("insert or ignore into fingerprint values (?)", [(record.fingerprint,)]).rowcount == 1


def _plain(value: object) -> Json:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Json]", value))
    raise TypeError(f"{type(value).__name__} is not JSON")


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain).encode


def _dump(value: object) -> str:
    return as_text(_encode(value))


@contextmanager
def _explained(path: Path) -> Generator[None]:
    """Turn what the file system and SQLite say into a StoreError with a mend."""
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        if "locked" in text or "busy" in text:
            raise StoreBusy(f"{path} is locked by another process", mend="Try again in a moment.") from error
        if "readonly" in text or "unable to open" in text:
            raise _not_writable(path) from error
        if "full" in text:
            raise _full(path) from error
        if "malformed" in text or "not a database" in text:
            raise StoreError(
                f"{path} is damaged ({text})", mend="Run `instep verify`: it is made anew from its second copy."
            ) from error
        raise StoreError(f"{path}: {text}") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(path) from error
        raise _not_writable(path) from error


def _not_writable(path: Path) -> StoreError:
    mend = "Make the project folder writable for you; nothing was run."
    return StoreError(f"cannot write to {path.parent}", mend=mend)


def _full(path: Path) -> StoreError:
    return StoreError(f"the disk with {path.parent} is full", mend="Free some space, or run `instep gc`.")
