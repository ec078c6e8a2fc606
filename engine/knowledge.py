"""What the journal knows, kept in memory between plans: deciding again costs no query for what did not change."""

import os
from collections.abc import Iterable
from pathlib import Path

from .ids import Digest, StepName
from .snapshots.artifact import Artifact
from .snapshots.journal import Basis, Cached, Journal


class Recorded:
    """`plan.Knowledge` over a journal. Call `refresh` before a plan, and `forget` after writing."""

    def __init__(self, journal: Journal, store: Path) -> None:
        self.journal = journal
        self._objects = store / "objects"
        self._version = -1
        self._cached: dict[Digest, list[Cached]] = {}
        self._last: dict[StepName, tuple[str, Digest]] | None = None

    def refresh(self) -> bool:
        """Drop what another process may have changed; True if it did."""
        version = self.journal.data_version()
        if version == self._version:
            return False
        self._version = version
        self.forget()
        return True

    def forget(self) -> None:
        self._cached.clear()
        self._last = None

    def lookup(self, key: Digest) -> list[Cached]:
        found = self._cached.get(key)
        if found is None:
            found = self._cached[key] = self.journal.lookup([key]).get(key, [])
        return found

    def last(self, step: StepName) -> tuple[str, Digest] | None:
        if self._last is None:
            self._last = self.journal.last_keys()
        return self._last.get(step)

    def basis(self, step: StepName) -> Basis | None:
        return self.journal.basis([step]).get(step)

    def source_of(self, definition: Digest) -> str | None:
        return self.journal.source_of(definition)

    def present(self, cached: Cached) -> bool:
        """Whether every object of the result is in the store, or on a cluster from where it can be had; whether its
        bytes are right is for `verify`."""
        gone = [one for one in cached.object_names() if not os.path.exists(f"{self._objects}/{one[:2]}/{one}")]
        return not gone or len(self.journal.away(gone)) == len(set(gone))

    def artifacts(self, identities: Iterable[Digest]) -> dict[Digest, Artifact]:
        return self.journal.artifacts(identities)
