"""The journal as those see it who look after the store: the projector, `verify` and `gc`."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..ids import Digest, RunId
from .journal import AWAY, Journal, object_names
from .lease import Lease
from .records import RECORDS, Record
from .schema import SCHEMA
from .second_copy import FILE, number_of, write_whole


@dataclass(frozen=True, slots=True)
class Page:
    """Events in order. `last` is the sequence number to go on after, also where the last events are of kinds that this
    version does not know; `unread` are those that it should know and cannot read."""

    events: tuple[tuple[int, Record], ...]
    last: int
    unread: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ObjectRow:
    content_hash: Digest
    format: str
    bytes: int
    file_hash: Digest

    @property
    def name(self) -> str:
        return f"{self.content_hash}.{self.format}"


@dataclass(frozen=True, slots=True)
class CacheRow:
    step_key: Digest
    candidate: Digest
    step_run_id: str
    outputs: Mapping[str, Any]  # Any: JSON as `Writing.cache` has it

    def object_names(self) -> list[str]:
        """The file names of the objects that this result is made of."""
        return object_names(dict(self.outputs))

    def identities(self) -> list[Digest]:
        """Keys of the table `artifact`."""
        return [Digest(one) for one in self.outputs.get("outputs", {}).values()]


class Upkeep(Journal):
    """One connection, as `Journal`."""

    def page(self, after: int, limit: int) -> Page:
        rows = self._rows("select seq, kind, body from event where seq > ? order by seq limit ?", (after, limit))
        events: list[tuple[int, Record]] = []
        unread: list[int] = []
        for seq, kind, body in rows:
            if kind in RECORDS:
                try:
                    events.append((seq, RECORDS[kind].from_json(json.loads(body))))
                except (TypeError, ValueError):
                    unread.append(seq)
        return Page(tuple(events), rows[-1][0] if rows else after, tuple(unread))

    def of_kind(self, kind: str) -> Iterator[Record]:
        """Events of one kind, in order, but for those that cannot be read; the others are not even parsed."""
        at = 0
        while rows := self._rows(
            "select seq, body from event where seq > ? and kind = ? order by seq limit 2000", (at, kind)
        ):
            for _, body in rows:
                with suppress(TypeError, ValueError):
                    yield RECORDS[kind].from_json(json.loads(body))
            at = rows[-1][0]

    def count_after(self, seq: int) -> int:
        return self._rows("select count(*) from event where seq > ?", (seq,))[0][0]

    def check(self) -> list[str]:
        """What SQLite finds wrong with its file; empty when it is sound."""
        return [text for (text,) in self._rows("pragma integrity_check(20)") if text != "ok"]

    def object_rows(self) -> list[ObjectRow]:
        return [
            ObjectRow(*row)
            for row in self._rows("select content_hash, format, bytes, file_hash from object where state='here'")
        ]

    def away_names(self) -> set[str]:
        """The objects that are on a cluster and not here."""
        rows = self._rows("select content_hash, format from object where state glob ?", (f"{AWAY}*",))
        return {f"{content_hash}.{format}" for content_hash, format in rows}

    def cache_rows(self) -> Iterator[CacheRow]:
        """Every candidate, in blocks: there may be a million."""
        at = ("", "")
        while True:
            rows = self._rows(
                "select step_key, candidate, step_run_id, outputs from cache where (step_key, candidate) > (?, ?)"
                " order by step_key, candidate limit 5000",
                at,
            )
            for key, candidate, step_run_id, outputs in rows:
                yield CacheRow(key, candidate, step_run_id, json.loads(outputs))
            if not rows:
                return
            at = (rows[-1][0], rows[-1][1])

    def artifact_bodies(self) -> Iterator[dict[str, Any]]:  # Any: JSON as `Artifact.to_json` wrote it
        at = ""
        while rows := self._rows(
            "select identity, body from artifact where identity > ? order by identity limit 5000", (at,)
        ):
            for _, body in rows:
                yield json.loads(body)
            at = rows[-1][0]

    def identities(self) -> set[Digest]:
        return {row[0] for row in self._rows("select identity from artifact")}

    def pinned(self) -> set[Digest]:
        return {row[0] for row in self._rows("select content_hash from pin")}

    def basis_ids(self) -> set[str]:
        """The step runs that the last states of the steps refer to."""
        return {row[0] for row in self._rows("select step_run_id from basis")}

    def engine_lease(self) -> Lease | None:
        rows = self._rows("select name, pid, host, boot_id, expires_us from lease where name='engine'")
        return Lease(*rows[0]) if rows else None

    def going_on(self) -> list[tuple[RunId, int]]:
        """Unfinished runs of this machine whose process lives: all while an engine has its lease, else those whose
        writer is there."""
        found = self.unfinished()
        lease = self.engine_lease()
        if lease is not None and lease.holds(time.time_ns() // 1000):
            return found
        return [one for one in found if self._writer_lives(one[0])]

    def going_elsewhere(self) -> list[tuple[RunId, int]]:
        """Runs on clusters whose last word has not come. Nobody here need live for them to go on."""
        sql = "select f.run_id, number from followed f join run using (run_id) where f.state<>'ended' order by number"
        return [(RunId(row[0]), row[1]) for row in self._rows(sql)]

    def _writer_lives(self, run_id: RunId) -> bool:
        """Whether the process that began a run is there: one without an engine (a test, a script) takes no lease."""
        import psutil

        rows = self._rows("select actor from event where run_id=? and kind='run_started'", (run_id,))
        pid = rows[0][0].rpartition("@")[2] if rows else ""
        return pid.isdigit() and psutil.pid_exists(int(pid))

    def drop(
        self,
        *,
        cache: Iterable[CacheRow] = (),
        objects: Iterable[tuple[Digest, str]] = (),
        quarantined: Iterable[tuple[Digest, str]] = (),
    ) -> None:
        """Take results and objects out of the index, all at once."""
        with self._transaction() as put:
            put("delete from cache where step_key=? and candidate=?", [(one.step_key, one.candidate) for one in cache])
            put("delete from object where content_hash=? and format=?", list(objects))
            put("update object set state='quarantined' where content_hash=? and format=?", list(quarantined))

    def shorten_copy(self) -> None:
        """Make the second copy anew where more than half of it is of what is not there any more."""
        path = self.path.with_name(FILE)
        with self._writing():
            if path.exists() and path.stat().st_size > 2 * self.path.stat().st_size:
                write_whole(self._db, path, number_of(self._db), SCHEMA)

    def run_started_at(self) -> dict[RunId, tuple[int, str, int]]:
        """run id → (number, state, started_us)."""
        return {
            RunId(row[0]): (row[1], row[2], row[3])
            for row in self._rows("select run_id, number, state, started_us from run")
        }
