"""The items of one fan-out in one run: which there are, their keys, which have a result already, what became of them.

Everything is kept in arrays by index: 20,000 items are no objects of their own here.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .errors import StepError
from .graph import Step
from .ids import Digest, Json, StepRunId, new_id
from .keys import Determinants
from .scheduler.assignment import Failure, ItemOutcome
from .snapshots.artifact import Artifact, ItemRef
from .snapshots.formats import items_of
from .snapshots.journal import Cached
from .snapshots.objects import ObjectStore

MOST = 1_000_000
"""Items of one step; beyond this a list was probably meant as a table."""
SHOWN = 3
"""Failing items that a failure's message names; all of them are in the catalog."""


class FanItems:
    """Made by `expand`; `keys[i]` is the key of item `i`."""

    def __init__(
        self, names: Sequence[str], lists: Sequence[Sequence[ItemRef]], keys: list[Digest], outputs: Sequence[str]
    ) -> None:
        self.step_run_id = StepRunId(new_id())
        self.started_us = time.time_ns() // 1000
        self.keys = keys
        self.observed: dict[str, Any] = {}
        self.names, self.lists = list(names), [list(one) for one in lists]
        self._outputs = list(outputs)
        self._refs: list[Mapping[str, ItemRef] | None] = [None] * len(keys)
        self._reused: dict[int, StepRunId] = {}
        self._failures: dict[int, Failure] = {}
        self._metrics: dict[int, Mapping[str, float]] = {}
        self._ended: list[int] = []
        self._ran = 0

    @classmethod
    def expand(
        cls,
        step: Step,
        now: Determinants,
        arriving: Mapping[str, Artifact],
        objects: ObjectStore,
        share: float = 1.0,
    ) -> "FanItems":
        """The product of the upstream lists, the last varying fastest; only the first `share` (0 to 1) of it.

        Raises StepError for what is not a list.
        """
        lists: list[Sequence[ItemRef]] = []
        for one in step.fans:
            try:
                lists.append(items_of(arriving[one.argument], objects))
            except StepError as error:
                what = f"`{step.name}` runs once for each item of `{one.output or one.step}`, which is no list"
                raise StepError(what, *error.problems, place=step.place, mend="Return a list from it.") from None
        names = [one.argument for one in step.fans]
        count = 1
        for one in lists:
            count *= len(one)
        if count > MOST:
            raise StepError(
                f"`{step.name}` would run {count:,} items; at most {MOST:,} are supported", place=step.place
            )
        identities = [[ref.identity for ref in one] for one in lists]
        keys = now.item_keys(names, identities, math.ceil(count * share))
        return cls(names, lists, keys, step.options.outputs or ("",))

    def __len__(self) -> int:
        return len(self.keys)

    def arguments(self, index: int) -> dict[str, ItemRef]:
        """Which item each `Each` argument of item `index` receives."""
        places = self.places(index)
        return {name: items[at] for name, items, at in zip(self.names, self.lists, places, strict=True)}

    def places(self, index: int) -> list[int]:
        """Where in each of the lists the arguments of item `index` are."""
        found: list[int] = []
        for items in reversed(self.lists):
            index, place = divmod(index, len(items))
            found.append(place)
        return found[::-1]

    def reuse(
        self, known: Mapping[Digest, Sequence[Cached]], objects: ObjectStore, holds: Callable[[Cached], bool]
    ) -> None:
        """Take over the results there are whose objects are in the store."""
        blocks: dict[str, bool] = {}
        verdicts: dict[str, bool] = {}
        for index, key in enumerate(self.keys):
            for one in known.get(key, ()):
                if one.candidate not in verdicts:
                    verdicts[one.candidate] = holds(one)
                refs = _from_cache(one.outputs) if verdicts[one.candidate] else {}
                if refs and all(_here(ref, objects, blocks) for ref in refs.values()):
                    self._has(index, refs, _measured_before(one.outputs))
                    if one.step_run_id == self.step_run_id:
                        self._ran += 1  # by this very run, before it was cut off
                    else:
                        self._reused[index] = one.step_run_id
                    break

    def missing(self) -> Sequence[int]:
        return [index for index, refs in enumerate(self._refs) if refs is None]

    def ended(self) -> Sequence[int]:
        """The items that have a result, in the order in which they got it."""
        return self._ended

    def failing(self) -> list[int]:
        return list(self._failures)

    def results(self, index: int) -> Mapping[str, ItemRef]:
        return self._refs[index] or {}

    def logged(self, index: int) -> Mapping[str, float]:
        return self._metrics.get(index, {})

    def ran(self) -> bool:
        """Whether any item was run here rather than taken over."""
        return self._ran > 0

    def elapsed(self) -> float:
        """Seconds from the decision to now."""
        return (time.time_ns() // 1000 - self.started_us) / 1e6

    def done(self, index: int, refs: Mapping[str, ItemRef], metrics: Mapping[str, float]) -> None:
        """An item has its results; `metrics` are the last values that it logged."""
        self._has(index, refs, metrics)
        self._failures.pop(index, None)
        self._ran += 1

    def _has(self, index: int, refs: Mapping[str, ItemRef], metrics: Mapping[str, float]) -> None:
        if self._refs[index] is None:
            self._ended.append(index)
        self._refs[index] = refs
        if metrics:
            self._metrics[index] = metrics

    def metrics(self) -> dict[str, float]:
        """Of each name the mean over the items that logged it, run now or before; which came last says nothing.

        In the order of the items, so that the same values give the same mean to the last digit.
        """
        found: dict[str, list[float]] = {}
        for index in sorted(self._metrics):
            for name, value in self._metrics[index].items():
                found.setdefault(name, []).append(value)
        return {name: math.fsum(values) / len(values) for name, values in found.items()}

    def failed(self, indices: Sequence[int], failure: Failure) -> None:
        for index in indices:
            self._failures[index] = failure

    def refs(self, output: str) -> list[ItemRef]:
        """The results in order; every item must have one."""
        return [refs[output] for refs in self._refs if refs is not None]

    def summary(self) -> Failure:
        """One failure for the step: the first item's, named by index and arguments, and how many there are."""
        first = min(self._failures)
        failure = self._failures[first]
        given = ", ".join(f"{name}={_shown(ref)}" for name, ref in self.arguments(first).items())
        more = sorted(self._failures)[1 : SHOWN + 1]
        etc = " …" if len(self._failures) > SHOWN + 1 else ""
        others = f"; also {'item' if len(more) == 1 else 'items'} {', '.join(map(str, more))}{etc}" if more else ""
        title = f"item {first} ({given}): {failure.title}"
        message = f"{len(self._failures):,} of {len(self):,} items failed{others}; the results of the others are kept"
        if failure.message:
            message = f"{failure.message}\n{message}"
        return Failure(failure.kind, title, message, failure.mend, failure.frames, failure.arguments, failure.traceback)

    def counts(self) -> dict[str, int]:
        """How many items are in each end state."""
        done = sum(refs is not None for refs in self._refs) - len(self._reused)
        told = {"reused": len(self._reused), "done": done, "failed": len(self._failures)}
        return {state: count for state, count in told.items() if count}

    # Rows of `records.ItemsEnded`

    def reused_rows(self) -> list[list[Json]]:
        return [
            [index, 1, "reused", self.keys[index], f"{step_run_id}", None, None, self._hashes(index), None]
            for index, step_run_id in self._reused.items()
        ]

    def row(self, item: ItemOutcome, attempt: int, refs: Mapping[str, ItemRef]) -> list[Json]:
        assert item.index is not None
        hashes: Json = {name: ref.content_hash for name, ref in refs.items()}
        return [item.index, attempt, "done", self.keys[item.index], None, item.started_us, item.ended_us, hashes, None]

    def failed_row(self, index: int, attempt: int, failure: Failure) -> list[Json]:
        error: Json = {
            "kind": failure.kind,
            "title": failure.title,
            "message": failure.message,
            "traceback": failure.traceback,
        }
        state = "cancelled" if failure.kind == "cancelled" else "failed"
        return [index, attempt, state, self.keys[index], None, None, None, None, error]

    def _hashes(self, index: int) -> Json:
        refs = self._refs[index] or {}
        return {name: ref.content_hash for name, ref in refs.items()}

    @staticmethod
    def to_cache(refs: Mapping[str, ItemRef], metrics: Mapping[str, float]) -> Json:
        items: Json = {name: list(one) for name, one in refs.items()}
        return {"item": items, "metrics": dict(metrics)} if metrics else {"item": items}


def _from_cache(body: Json) -> dict[str, ItemRef]:
    found: Any = body.get("item", {}) if isinstance(body, dict) else {}  # Any: JSON that `to_cache` wrote
    return {name: ItemRef(*row) for name, row in found.items()}


def _measured_before(body: Json) -> dict[str, float]:
    found: Any = body.get("metrics", {}) if isinstance(body, dict) else {}  # Any: JSON that `to_cache` wrote
    return {str(name): float(value) for name, value in found.items()}


def _here(ref: ItemRef, objects: ObjectStore, seen: dict[str, bool]) -> bool:
    if ref.block is None:
        return True
    if ref.block not in seen:
        seen[ref.block] = objects.has(ref.block, "block")
    return seen[ref.block]


def _shown(ref: ItemRef) -> str:
    """A short look at an item without loading it."""
    if ref.inline is None:
        return f"<{ref.carrier} {ref.content_hash[:8]}>"
    return ref.inline if len(ref.inline) <= 60 else ref.inline[:59] + "…"
