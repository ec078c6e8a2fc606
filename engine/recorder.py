"""What a run leaves behind: turns the ends of its steps into what one transaction of the journal appends.

It decides nothing and runs nothing. `flush` appends what was gathered, before anything that builds on it starts.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from .digest import digest
from .fan_groups import FanGroups
from .fan_items import FanItems
from .flight import Flight
from .graph import Fan, Step, Upstream
from .ids import Digest, Json, RunId, StepName, StepRunId, new_id
from .keys import Determinants
from .knowledge import Recorded
from .observed import Observations, changed_while_read, input_files, observed_by
from .plan import Facts, Hit, Plan, StepPlan
from .results import Results
from .scheduler.assignment import Failure, ItemOutcome, Outcome
from .snapshots.artifact import Artifact, ItemRef
from .snapshots.formats import join_items
from .snapshots.journal import Basis, Cached, Journal, Writing
from .snapshots.objects import ObjectStore, StoredObject
from .snapshots.records import (
    ArtifactStored,
    Definitions,
    ItemsEnded,
    LiveClosed,
    StepEnded,
    StepStarted,
    StepState,
)


@dataclass(frozen=True, slots=True)
class Before:
    """What a run that is taken up again had done: the step runs of its steps, and which of these had finished."""

    step_runs: Mapping[StepName, StepRunId]
    finished: frozenset[StepName]


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and as what a run runs. `env` is how the asker's environment differs from the executor's; without
    `record` its results are never taken for later runs (a replay). `before` says what counts already of a run
    that was cut off and is taken up again; of a fan-out the first `share` of the items is run."""

    run_id: RunId
    number: int
    store: Path
    code: Digest
    target: str
    env: Mapping[str, str | None]
    record: bool = True
    before: "Before" = field(default_factory=lambda: Before({}, frozenset()))
    share: float = 1.0


@dataclass(slots=True)
class Recorder:
    """One run's memory: what was decided, what arrived, what became of it, and what is still to be written.

    `outside` names the clusters of steps that do not run where the others do.
    """

    setting: Setting
    facts: Facts
    plan: Plan
    known: Recorded
    journal: Journal
    objects: ObjectStore
    results: Results
    decided: dict[StepName, StepPlan] = field(default_factory=dict[StepName, StepPlan])
    fans: dict[StepName, FanItems] = field(default_factory=dict[StepName, FanItems])
    groups: dict[StepName, FanGroups] = field(default_factory=dict[StepName, FanGroups])
    notes: list[str] = field(default_factory=list[str])
    outside: Mapping[StepName, str] = field(default_factory=dict[StepName, str])
    _artifacts: dict[tuple[StepName, str], Artifact] = field(default_factory=dict[tuple[StepName, str], Artifact])
    _writing: Writing = field(default_factory=Writing)
    _defined: set[Digest] = field(default_factory=set[Digest])
    _joined: set[StepName] = field(default_factory=set[StepName])

    def flush(self) -> None:
        writing, self._writing = self._writing, Writing()
        if writing != Writing():
            self.journal.write(writing)
            self.known.forget()

    def arriving(self, step: Step) -> dict[str, Artifact]:
        """The artifact behind every argument that is not a file."""
        return {
            one.argument: self._artifacts[one.step, one.output]
            for one in step.inputs
            if isinstance(one, Upstream | Fan)
        }

    # A step that is not run

    def reused(self, step: Step, plan: StepPlan, hit: Hit) -> None:
        assert plan.determinants is not None
        stored = self.known.artifacts(hit.outputs.values())
        for output, identity in hit.outputs.items():
            self._artifacts[step.name, output] = stored[identity]
        metrics = _metrics_of(hit, self.known)
        before = self.setting.before
        if step.name in before.finished:
            self.results.done(step.name, before.step_runs[step.name], 0.0, self._outputs(step), metrics)
            return
        self.results.reused(step.name, hit.step_run_id, self._outputs(step), metrics)
        ended = self._ended(step.name, StepRunId(new_id()), "reused")
        self._writing.events.append(
            replace(
                ended,
                reused_from=hit.step_run_id,
                reasons=(),
                outputs=self._output_hashes(step),
                files=input_files(step, self.facts, {}),
            )
        )
        last = self.known.last(step.name)
        if last is None or last[1] != hit.key or last[0] == "failed":
            self._writing.basis.append(_basis(plan, hit.step_run_id, "done"))

    def items_reused(self, step: Step, fan: FanItems) -> None:
        self.fans[step.name] = fan
        self.groups[step.name] = FanGroups(fan, self.objects)
        rows = fan.reused_rows()
        if rows:
            self._writing.events.append(self._items_ended(step, fan, rows))

    def stopped(self, name: StepName, state: StepState, cause: str) -> None:
        """Blocked or cancelled before it could end by itself."""
        known = self.results.steps.get(name)
        if known is None or known.state != "cancelled":
            step_run_id = StepRunId(new_id())
            self._writing.events.append(
                StepEnded(
                    self.setting.run_id,
                    step_run_id,
                    name,
                    state,
                    target=self._target(name),
                    ended_us=now_us(),
                    reasons=self.reasons(name),
                    error={"kind": state, "title": f"{state} by {cause}"} if cause else None,
                )
            )
            self.results.stopped(name, step_run_id, "blocked" if state == "blocked" else "cancelled", cause)

    # A step that runs

    def launched(self, flight: Flight, now: Determinants) -> None:
        launch = flight.launch
        if launch.items is None:
            self._writing.events.append(
                StepStarted(
                    self.setting.run_id,
                    flight.step_run_id,
                    launch.step,
                    None,
                    launch.attempt,
                    self._target(launch.step),
                    "",
                    flight.started_us,
                )
            )
        if launch.items is not None and now.fingerprint.digest in self._defined:
            return
        self._defined.add(now.fingerprint.digest)
        if not self.journal.seen_fingerprint(now.fingerprint.digest):
            units = now.fingerprint.units
            self._writing.events.append(
                Definitions(
                    now.fingerprint.digest,
                    now.step,
                    [
                        {
                            "id": one.id,
                            "kind": one.kind,
                            "digest": one.digest,
                            "path": one.place.path,
                            "line": one.place.line,
                            "source": one.source,
                        }
                        for one in units
                    ],
                )
            )
            self._writing.definitions += [(one.digest, one.source) for one in units]
        self.flush()

    def kept(self, flight: Flight, items: tuple[int, ...] | None, attempt: int) -> None:
        """The results of these items (None: of the step) count."""
        outcome = flight.outcome
        assert outcome is not None, "only what was finished is kept"
        self._store(outcome)
        determinants = self.decided[flight.launch.step].determinants
        assert determinants is not None
        observed = observed_by(outcome.observed, determinants, self.facts, flight.started_us)
        if items is None:
            self._keep_step(flight, outcome, outcome.items[0], attempt, observed)
        else:
            self._keep_items(flight, outcome, frozenset(items), attempt, observed)

    def _keep_step(
        self, flight: Flight, outcome: Outcome, item: ItemOutcome, attempt: int, observed: Observations
    ) -> None:
        name = flight.launch.step
        step, plan = self.facts.graph.steps[name], self.decided[name]
        assert plan.determinants is not None
        for output, artifact in item.outputs.items():
            assert isinstance(artifact, Artifact)
            self._store_artifact(artifact)
            self._artifacts[name, output] = artifact
        seconds = (item.ended_us - item.started_us) / 1e6
        changed = changed_while_read(plan.determinants, self.facts)
        if changed:
            self.notes.append(f"{changed} changed while {name} read it: the result is shown, not kept")
        elif self.setting.record:
            self._remember(plan, flight.step_run_id, self._outputs(step), flight.metrics, observed)
            self._writing.history.append((name, seconds, self._target(name)))
        ended = self._ended(name, flight.step_run_id, "done", attempt)
        self._writing.events.append(
            replace(
                ended,
                node=outcome.node,
                rss_mb=outcome.rss_mb,
                started_us=item.started_us,
                ended_us=item.ended_us,
                seconds=seconds,
                step_key=None if changed else plan.key,
                outputs=self._output_hashes(step),
                files=input_files(step, self.facts, observed.get("files", {})),
            )
        )
        self.results.done(name, flight.step_run_id, seconds, self._outputs(step), flight.metrics)

    def _keep_items(
        self, flight: Flight, outcome: Outcome, kept: frozenset[int], attempt: int, observed: Observations
    ) -> None:
        step, fan = self.facts.graph.steps[flight.launch.step], self.fans[flight.launch.step]
        for block in outcome.blocks:
            self._store_artifact(block)
        candidate = digest("observed/1", observed)
        rows: list[list[Json]] = []
        for item in outcome.items:
            if item.index is None or item.index not in kept or item.failure is not None:
                continue
            refs = {name: ref for name, ref in item.outputs.items() if isinstance(ref, ItemRef)}
            measured = flight.by_item.get(item.index, {})
            fan.done(item.index, refs, measured)
            rows.append(fan.row(item, attempt, refs))
            if self.setting.record:
                body = FanItems.to_cache(refs, measured)
                self._writing.cache.append(Cached(fan.keys[item.index], candidate, fan.step_run_id, body, observed))
        self._writing.events.append(
            replace(self._items_ended(step, fan, rows), node=outcome.node, rss_mb=outcome.rss_mb)
        )
        fan.observed = {kind: {**fan.observed.get(kind, {}), **found} for kind, found in observed.items()} | {
            kind: found for kind, found in fan.observed.items() if kind not in observed
        }

    def attempt_failed(
        self,
        name: StepName,
        flight: Flight | None,
        items: tuple[int, ...] | None,
        attempt: int,
        failure: Failure,
        *,
        retry: bool,
    ) -> None:
        if flight is not None and flight.outcome is not None:
            self._store(flight.outcome)
        fan = self.fans.get(name)
        if fan is not None and items:
            fan.failed(items, failure)
            rows = [fan.failed_row(index, attempt, failure) for index in items]
            self._writing.events.append(self._items_ended(self.facts.graph.steps[name], fan, rows))
        else:
            step_run_id = flight.step_run_id if flight else StepRunId(new_id())
            ended = self._ended(name, step_run_id, "cancelled" if failure.kind == "cancelled" else "failed", attempt)
            now = now_us()
            started = flight.started_us if flight else now
            seconds = (now - started) / 1e6
            self._writing.events.append(
                replace(
                    ended,
                    node=flight.node if flight else "",
                    started_us=started,
                    ended_us=now,
                    seconds=seconds,
                    error=failure_to_json(failure),
                )
            )
            if not retry:
                self._fail(name, step_run_id, failure, seconds)

    def fan_failed(self, name: StepName) -> None:
        """Every item has ended, some of them badly."""
        fan = self.fans[name]
        failure = fan.summary()
        self._writing.events.append(
            replace(
                self._ended(name, fan.step_run_id, "failed"),
                error=failure_to_json(failure),
                groups=self.groups[name].look(),
                started_us=fan.started_us,
                ended_us=now_us(),
                seconds=fan.elapsed(),
            )
        )
        self._fail(name, fan.step_run_id, failure, fan.elapsed())

    def fan_done(self, name: StepName) -> None:
        """All items of a fan-out are there: their manifest is the step's output. A second call does nothing."""
        if name in self._joined:
            return
        self._joined.add(name)
        step, fan, plan = self.facts.graph.steps[name], self.fans[name], self.decided[name]
        for output in step.options.outputs or ("",):
            joined = join_items(fan.refs(output), self.objects)
            self._writing.objects += [_object_row(stored) for stored in joined.objects]
            self._store_artifact(joined.artifact)
            self._artifacts[name, output] = joined.artifact
        outputs, metrics = self._outputs(step), fan.metrics()
        if self.setting.record and self.setting.share == 1.0:  # a part of the items is no result of the step
            self._remember(plan, fan.step_run_id, outputs, metrics, fan.observed)
            if fan.ran():
                self._writing.history.append((name, fan.elapsed(), self._target(name)))
        self._writing.events.append(
            replace(
                self._ended(name, fan.step_run_id, "done" if fan.ran() else "reused"),
                started_us=fan.started_us,
                ended_us=now_us(),
                seconds=fan.elapsed(),
                outputs=self._output_hashes(step),
                files=input_files(step, self.facts, fan.observed.get("files", {})),
                metrics=metrics,
                groups=self.groups[name].look(),
            )
        )
        if fan.ran():
            self.results.done(name, fan.step_run_id, fan.elapsed(), outputs, metrics)
        else:
            self.results.reused(name, fan.step_run_id, outputs, metrics)

    def reasons(self, name: StepName) -> list[dict[str, Json]]:
        plan = self.decided.get(name) or self.plan.steps[name]
        return [one.to_json() for one in plan.reasons]

    # Pieces of the above

    def _target(self, name: StepName) -> str:
        return self.outside.get(name, self.setting.target)

    def _fail(self, name: StepName, step_run_id: StepRunId, failure: Failure, seconds: float) -> None:
        self.results.failed(name, step_run_id, failure, seconds)
        plan = self.decided.get(name)
        if plan is not None and plan.determinants is not None and self.setting.record and failure.kind != "cancelled":
            self._writing.basis.append(_basis(plan, step_run_id, "failed", failure.title))

    def _remember(
        self,
        plan: StepPlan,
        step_run_id: StepRunId,
        outputs: Mapping[str, Artifact],
        metrics: Mapping[str, float],
        observed: Observations,
    ) -> None:
        """This result is found again under this key, as long as what was observed holds."""
        assert plan.key is not None
        body: dict[str, Json] = {
            "outputs": {name: one.identity for name, one in outputs.items()},
            "objects": [name for one in outputs.values() for name in object_names(one)],
            "metrics": dict(metrics),
        }
        self._writing.cache.append(Cached(plan.key, digest("observed/1", observed), step_run_id, body, observed))
        self._writing.basis.append(_basis(plan, step_run_id, "done"))

    def _store(self, outcome: Outcome) -> None:
        self._writing.objects += [_object_row(stored) for stored in outcome.objects]

    def _store_artifact(self, artifact: Artifact) -> None:
        self._writing.artifacts.append(artifact)
        self._writing.events.append(ArtifactStored(artifact.to_json()))

    def close(self, flight: Flight) -> None:
        """The launch has ended and its live file is whole: the catalog may read it."""
        for artifact in flight.attached:
            self._store_artifact(artifact)
        if flight.live.exists():
            path = flight.live.relative_to(self.setting.store).as_posix()
            self._writing.events.append(
                LiveClosed(
                    self.setting.run_id,
                    flight.step_run_id,
                    flight.launch.step,
                    path,
                    flight.live.stat().st_size,
                    flight.launch.attempt,
                )
            )

    def _ended(self, name: StepName, step_run_id: StepRunId, state: StepState, attempt: int = 1) -> StepEnded:
        plan, step = self.decided.get(name), self.facts.graph.steps[name]
        found = plan.determinants if plan else None
        return StepEnded(
            self.setting.run_id,
            step_run_id,
            name,
            state,
            attempt=attempt,
            step_key=plan.key if plan else None,
            fingerprint=found.fingerprint.digest if found else None,
            params_hash=found.params_hash() if found else None,
            target=self._target(name),
            reasons=self.reasons(name),
            inputs={argument: one.content_hash for argument, one in self.arriving(step).items()} if plan else {},
        )

    def _items_ended(self, step: Step, fan: FanItems, rows: Sequence[Sequence[Json]]) -> ItemsEnded:
        found = self.decided[step.name].determinants
        assert found is not None
        return ItemsEnded(
            self.setting.run_id,
            fan.step_run_id,
            step.name,
            rows,
            fingerprint=found.fingerprint.digest,
            params_hash=found.params_hash(),
            target=self._target(step.name),
        )

    def _outputs(self, step: Step) -> dict[str, Artifact]:
        names = step.options.outputs or ("",)
        return {name: self._artifacts[step.name, name] for name in names if (step.name, name) in self._artifacts}

    def _output_hashes(self, step: Step) -> dict[str, Digest]:
        return {name or step.name: one.content_hash for name, one in self._outputs(step).items()}


def object_names(artifact: Artifact) -> list[str]:
    """The file names of the objects that hold an artifact."""
    if artifact.inline is not None:
        return []
    ending = {"table": "parquet", "sequence": "block"}.get(artifact.format, artifact.format)
    return [f"{artifact.content_hash}.{artifact.format}", *(f"{part}.{ending}" for part in artifact.parts)]


def failure_to_json(failure: Failure) -> dict[str, Any]:  # Any: JSON
    body = asdict(failure)
    if failure.frames:
        body["place"] = f"{failure.frames[-1].path}:{failure.frames[-1].line}"
    return body


def now_us() -> int:
    return time.time_ns() // 1000


def _basis(plan: StepPlan, step_run_id: StepRunId, state: str, error: str = "") -> Basis:
    assert plan.determinants is not None and plan.key is not None
    body = plan.determinants.to_json() | ({"error": error} if error else {})
    return Basis(plan.step, step_run_id, state, plan.key, body)


def _metrics_of(hit: Hit, known: Recorded) -> dict[str, float]:
    for one in known.lookup(hit.key):
        if one.step_run_id == hit.step_run_id and isinstance(one.outputs, dict):
            found: Any = one.outputs.get("metrics") or {}  # Any: JSON that `_remember` wrote
            return {str(name): float(value) for name, value in found.items()}
    return {}


def _object_row(stored: StoredObject) -> tuple[Digest, str, int, Digest]:
    return stored.content_hash, stored.format, stored.bytes, stored.file_hash
