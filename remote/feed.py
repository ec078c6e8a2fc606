"""The cluster's side of the journal: whatever a run appends is also kept, in the same transaction, for home to take in.

A result that was known there already (made by an earlier run, maybe somebody else's) is new at home, so what is known
of it goes along.
"""

import json
from pathlib import Path

from ..engine.ids import Digest, RunId
from ..engine.snapshots.journal import Journal, Writing
from ..engine.snapshots.records import ArtifactStored, ItemsEnded, StepEnded
from ..engine.snapshots.second_copy import Put
from ..engine.snapshots.writing_json import to_json


class FeedJournal(Journal):
    """A journal that feeds one run."""

    def __init__(self, path: Path, run_id: RunId) -> None:
        self._run_id = run_id
        self._defined: set[Digest] = set()
        super().__init__(path, "agent")

    def _also(self, put: Put, writing: Writing) -> None:
        whole = self._with_reused(writing)
        body = json.dumps(to_json(whole), ensure_ascii=False, separators=(",", ":"))
        put("insert into feed(run_id, body) values (?,?)", [(self._run_id, body)])

    def seen_fingerprint(self, fingerprint: Digest) -> bool:
        """Home may not have seen what this store has: each run says once what its fingerprints stand for."""
        super().seen_fingerprint(fingerprint)
        seen = fingerprint in self._defined
        self._defined.add(fingerprint)
        return seen

    def fed_after(self, seq: int, most_bytes: int = 4 << 20) -> list[tuple[int, str]]:
        """(number, body) of what this run fed after `seq`, in order, up to about so many bytes."""
        rows = self._rows(
            "select seq, body from feed where run_id=? and seq>? order by seq limit 1000", (self._run_id, seq)
        )
        found: list[tuple[int, str]] = []
        size = 0
        for number, body in rows:
            if found and size + len(body) > most_bytes:
                break
            found.append((number, body))
            size += len(body)
        return found

    def _with_reused(self, writing: Writing) -> Writing:
        keys: list[Digest] = []
        for one in writing.events:
            if isinstance(one, StepEnded) and one.state == "reused" and one.step_key:
                keys.append(one.step_key)
            elif isinstance(one, ItemsEnded):
                keys += [Digest(str(row[3])) for row in one.rows if row[2] == "reused"]
        if not keys:
            return writing
        known = [one for found in self.lookup(keys).values() for one in found]
        identities: set[Digest] = set()
        for one in known:
            outputs = one.outputs.get("outputs") if isinstance(one.outputs, dict) else None
            identities |= {Digest(str(each)) for each in outputs.values()} if isinstance(outputs, dict) else set()
        names = {name for one in known for name in one.object_names()}
        artifacts = list(self.artifacts(identities).values())
        return Writing(
            events=[*(ArtifactStored(one.to_json()) for one in artifacts), *writing.events],
            cache=[*known, *writing.cache],
            artifacts=[*artifacts, *writing.artifacts],
            objects=[*(row[:4] for row in self.objects_named(names)), *writing.objects],
            basis=writing.basis,
            definitions=writing.definitions,
            history=writing.history,
        )
