"""One run: drives the scheduler's machine, an executor and the journal until every task has ended.

The machine decides, this loop carries out: it computes keys when inputs are there, looks up results, gives tasks to the
executor, and appends what came of them, one transaction for each event, before anything that builds on it starts.
"""

import heapq
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from .digest import digest
from .errors import InstepError
from .graph import Fan, FileInput, Step, Upstream
from .ids import Digest, Json, LaunchId, RunId, StepName, StepRunId, new_id
from .keys import Determinants
from .knowledge import Recorded
from .plan import Facts, Plan, StepPlan, env_digest, file_states, needs, observed_file, plan_step
from .reasons import Reason
from .results import Results, StepResult
from .scheduler import events, instructions
from .scheduler.assignment import Assignment, Failure, FileValue, Item, ItemOutcome, Outcome, Resources
from .scheduler.executor import Crashed, Executor, ExecutorEvent, Finished, Started
from .fan_items import FanItems
from .scheduler.live import read_live
from .scheduler.state import Machine, Node
from .snapshots.artifact import Artifact, ItemRef
from .snapshots.formats import join_items
from .snapshots.journal import Basis, Cached, Journal, Writing
from .snapshots.objects import ObjectStore, StoredObject
from .snapshots.records import ArtifactStored, Definitions, InputFile, ItemsEnded, LiveClosed, StepEnded, StepStarted

Notify = Callable[[dict[str, Any]], None]  # Any: a JSON message
POLL = 0.05
"""Seconds between looks at the live files and at whether a cancel was asked for."""
MAX_LOG_LINES = 200
"""Lines of a step's output passed on at one look; all of them are in the log."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and as what a run runs. `env` is how the asker's environment differs from the executor's."""

    run_id: RunId
    number: int
    store: Path
    code: Digest
    target: str
    env: Mapping[str, str | None]
    record: bool = True


@dataclass(slots=True)
class _Flight:
    """A launch on its way: which step run it is, and what was read of its live file so far."""

    launch: instructions.Launch
    step_run_id: StepRunId
    live: Path
    node: str = ""
    started_us: int = 0
    offset: int = 0
    outcome: Outcome | None = None
    metrics: dict[str, float] = field(default_factory=dict[str, float])
    attached: list[Artifact] = field(default_factory=list[Artifact])


class Run:
    """Executes the `selected` steps of `plan`. Call `go` once; `emit` may be called from any thread."""

    def __init__(
        self, setting: Setting, facts: Facts, plan: Plan, selected: Sequence[StepName], known: Recorded,
        journal: Journal, executor: Executor, notify: Notify, forced: frozenset[StepName] = frozenset(),
    ) -> None:
        self.setting, self.facts, self.plan, self.forced = setting, facts, plan, forced
        self.selected = list(selected)
        self.known, self.journal, self.executor, self.notify = known, journal, executor, notify
        self.objects = ObjectStore(setting.store)
        self.results = Results(self.selected)
        self._queue: queue.SimpleQueue[ExecutorEvent] = queue.SimpleQueue()
        steps = facts.graph.steps
        self._machine = Machine({name: _node(steps[name], self.selected) for name in self.selected}, executor.capacity())
        self._timers: list[tuple[float, events.TimerId]] = []
        self._flights: dict[LaunchId, _Flight] = {}
        self._decided: dict[StepName, StepPlan] = {}
        self._artifacts: dict[tuple[StepName, str], Artifact] = {}
        self._fans: dict[StepName, FanItems] = {}
        self._writing = Writing()
        self._folder = setting.store / "runs" / str(setting.number)
        self._state: instructions.RunEnd | None = None

    def emit(self, event: ExecutorEvent) -> None:
        """The executor's side: tell the loop."""
        self._queue.put(event)

    def go(self, cancel: threading.Event) -> instructions.RunEnd:
        """Run to the end and return how it ended. Setting `cancel` asks for an end: polite first, then by force."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._handle(events.RunStarted(_now()))
        asked = False
        last_look = time.monotonic()
        while self._state is None:
            if cancel.is_set() and not asked:
                asked = True
                self._handle(events.CancelRequested(_now()))
                continue
            self._wait()
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                self._handle(events.TimerFired(_now(), heapq.heappop(self._timers)[1]))
            if now - last_look >= POLL:
                last_look = now
                for flight in list(self._flights.values()):
                    self._look(flight)
        return self._state

    def _wait(self) -> None:
        due = self._timers[0][0] - time.monotonic() if self._timers else POLL
        try:
            event = self._queue.get(timeout=max(0.0, min(POLL, due)))
        except queue.Empty:
            return
        match event:
            case Started(launch, at_us, node, pid):
                flight = self._flights.get(launch)
                if flight is not None:
                    flight.node, flight.started_us = node, at_us
                self._handle(events.TaskStarted(at_us, launch, node, pid))
            case Finished(launch, outcome):
                if launch in self._flights:
                    self._flights[launch].outcome = outcome
                self._handle(events.TaskFinished.of(_now(), outcome))
            case Crashed():
                kind = events.LaunchLost if event.failure.kind == "lost" else events.LaunchFailed
                self._handle(kind(event.at_us, event.launch, event.failure))

    def _handle(self, event: events.Event) -> None:
        """Tell the machine, carry out what it says, and append what is to be kept before going on."""
        todo = list(self._machine.handle(event))
        while todo:
            one = todo.pop(0)
            answer = self._carry_out(one)
            if answer is not None:
                self._flush()
                todo += self._machine.handle(answer)
        self._flush()

    def _carry_out(self, one: instructions.Instruction) -> events.Event | None:
        match one:
            case instructions.Decide(step):
                return self._decide(step)
            case instructions.Launch():
                self._launch(one)
            case instructions.Cancel(launch, force):
                self.executor.cancel(launch, force=force)
            case instructions.StartTimer(timer, seconds):
                heapq.heappush(self._timers, (time.monotonic() + seconds, timer))
            case instructions.StopTimer(timer):
                self._timers = [entry for entry in self._timers if entry[1] != timer]
                heapq.heapify(self._timers)
            case instructions.Keep():
                self._keep(one)
            case instructions.AttemptFailed():
                self._attempt_failed(one)
            case instructions.Report():
                self._report(one)
            case instructions.RunEnded(state):
                self._state = state
        return None

    def _flush(self) -> None:
        writing, self._writing = self._writing, Writing()
        if writing.events or writing.cache or writing.objects or writing.basis:
            self.journal.write(writing)
            self.known.forget()

    # Deciding

    def _decide(self, name: StepName) -> events.Event:
        step = self.facts.graph.steps[name]
        arriving = self._arriving(step)
        plan = plan_step(
            step, self.facts, self.known, {argument: one.identity for argument, one in arriving.items()},
            forced=name in self.forced,
        )
        before = self.plan.steps[name]
        if plan.state != "fresh" and before.reasons and before.state != "pending":
            plan = replace(plan, reasons=before.reasons)
        self._decided[name] = plan
        if plan.problem is not None:
            failure = Failure("executor", plan.problem.what, plan.problem.why, plan.problem.mend)
            return events.DecideFailed(_now(), name, failure)
        if plan.hit is not None:
            self._reuse(step, plan)
            return events.Decided(_now(), name, 1, ())
        if step.fans:
            return self._decide_items(step, plan, arriving)
        return events.Decided(_now(), name, 1, (0,))

    def _decide_items(self, step: Step, plan: StepPlan, arriving: Mapping[str, Artifact]) -> events.Event:
        assert plan.determinants is not None
        try:
            fan = FanItems.expand(step, plan.determinants, arriving, self.objects)
        except InstepError as error:
            problem = error.problems[0]
            return events.DecideFailed(_now(), step.name, Failure("executor", problem.what, problem.why, problem.mend))
        self._fans[step.name] = fan
        if step.options.cache and step.name not in self.forced:
            fan.reuse(self.journal.lookup(fan.keys), self.objects, lambda one: _holds(one, self.facts))
        rows = fan.reused_rows()
        if rows:
            self._writing.events.append(self._items_ended(step, fan, rows))
        return events.Decided(_now(), step.name, len(fan), fan.missing())

    def _arriving(self, step: Step) -> dict[str, Artifact]:
        """The artifact behind every argument that is not a file."""
        return {
            one.argument: self._artifacts[one.step, one.output]
            for one in step.inputs
            if isinstance(one, Upstream | Fan)
        }

    def _reuse(self, step: Step, plan: StepPlan) -> None:
        hit = plan.hit
        assert hit is not None and plan.determinants is not None
        stored = self.known.artifacts(hit.outputs.values())
        for output, identity in hit.outputs.items():
            self._artifacts[step.name, output] = stored[identity]
        metrics = _metrics_of(hit, self.known)
        self.results.reused(step.name, hit.step_run_id, self._outputs(step), metrics)
        self._writing.events.append(
            StepEnded(
                self.setting.run_id, StepRunId(new_id()), step.name, "reused", step_key=hit.key,
                fingerprint=plan.determinants.fingerprint.digest, params_hash=plan.determinants.params_hash(),
                reused_from=hit.step_run_id, target=self.setting.target,
                inputs=self._input_hashes(step), outputs=self._output_hashes(step), files=self._input_files(step, {}),
            )
        )
        last = self.known.last(step.name)
        if last is None or last[1] != hit.key or last[0] == "failed":
            self._writing.basis.append(_basis(plan, hit.step_run_id, "done"))

    # Launching

    def _launch(self, one: instructions.Launch) -> None:
        step = self.facts.graph.steps[one.step]
        plan = self._decided[one.step]
        assert plan.determinants is not None and plan.key is not None
        fan = self._fans.get(one.step)
        step_run_id = fan.step_run_id if fan else StepRunId(new_id())
        live = self._folder / f"{one.launch.replace('/', '-')}.jsonl"
        flight = self._flights[one.launch] = _Flight(one, step_run_id, live, started_us=_now())
        if fan is None:
            items = (Item(None, plan.key, _seed(plan.key)),)
            self._writing.events.append(
                StepStarted(
                    self.setting.run_id, step_run_id, one.step, None, one.attempt, self.setting.target, "", flight.started_us
                )
            )
        else:
            items = tuple(Item(index, fan.keys[index], _seed(fan.keys[index]), fan.arguments(index)) for index in one.items or ())
        self._record_definitions(plan.determinants)
        self._flush()
        arriving = self._arriving(step)
        self.executor.launch(
            Assignment(
                launch=one.launch, step=one.step, module=step.module, code=self.setting.code,
                store=str(self.setting.store), root=str(self.facts.project.root), live=str(live), items=items,
                params=plan.determinants.params,
                inputs={argument: found for argument, found in arriving.items() if argument not in plan.determinants.fans},
                files={argument: self._file_value(step, argument) for argument in plan.determinants.files},
                arguments=tuple(each.argument for each in step.inputs), outputs=step.options.outputs,
                static_modules=plan.determinants.fingerprint.modules, resources=one.resources,
                isolate=step.options.isolate, env=self.setting.env,
            )
        )

    def _file_value(self, step: Step, argument: str) -> FileValue:
        from .files import members

        pattern = next(one.pattern for one in step.inputs if isinstance(one, FileInput) and one.argument == argument)
        found, many = members(self.facts.project.root, pattern)
        root = self.facts.project.root
        return FileValue(tuple(str(root / path) for path in found) if many else (str(root / pattern),), many)

    def _record_definitions(self, now: Determinants) -> None:
        fingerprint = now.fingerprint
        if self.journal.seen_fingerprint(fingerprint.digest):
            return
        units = [
            {"id": one.id, "kind": one.kind, "digest": one.digest, "path": one.place.path, "line": one.place.line, "source": one.source}
            for one in fingerprint.units
        ]
        self._writing.events.append(Definitions(fingerprint.digest, now.step, units))
        self._writing.definitions += [(one.digest, one.source) for one in fingerprint.units]

    # Ending

    def _keep(self, one: instructions.Keep) -> None:
        flight = self._flights[one.launch]
        outcome = flight.outcome
        assert outcome is not None, "the machine keeps only what was finished"
        self._look(flight)
        self._writing.objects += [_object_row(stored) for stored in outcome.objects]
        observed = self._observed(one.step, flight, outcome)
        if one.items is None:
            self._keep_step(one, flight, outcome, outcome.items[0], observed)
        else:
            self._keep_items(one, flight, outcome, observed)
        self._close_live(flight)

    def _keep_step(
        self, one: instructions.Keep, flight: _Flight, outcome: Outcome, item: ItemOutcome, observed: dict[str, Any]
    ) -> None:
        step, plan = self.facts.graph.steps[one.step], self._decided[one.step]
        assert plan.determinants is not None and plan.key is not None
        for output, artifact in item.outputs.items():
            assert isinstance(artifact, Artifact)
            self._store_artifact(artifact)
            self._artifacts[one.step, output] = artifact
        seconds = (item.ended_us - item.started_us) / 1e6
        changed = self._changed_while_read(plan.determinants)
        if changed:
            self.notify({"t": "note", "text": f"{changed} changed while {one.step} read it: the result is shown, not kept"})
        elif self.setting.record:
            self._remember(plan, flight.step_run_id, self._outputs(step), flight.metrics, observed)
            self._writing.history.append((one.step, seconds))
        self._writing.events.append(
            replace(
                self._ended(one.step, flight, "done", one.attempt, outcome),
                started_us=item.started_us, ended_us=item.ended_us, seconds=seconds,
                step_key=None if changed else plan.key, outputs=self._output_hashes(step),
                files=self._input_files(step, observed.get("files", {})),
            )
        )
        self.results.done(one.step, flight.step_run_id, seconds, self._outputs(step), flight.metrics)

    def _keep_items(
        self, one: instructions.Keep, flight: _Flight, outcome: Outcome, observed: dict[str, Any]
    ) -> None:
        step, fan = self.facts.graph.steps[one.step], self._fans[one.step]
        kept = frozenset(one.items or ())
        for block in outcome.blocks:
            self._store_artifact(block)
        candidate = digest("observed/1", observed)
        rows: list[list[Json]] = []
        for item in outcome.items:
            if item.index not in kept or item.failure is not None:
                continue
            assert item.index is not None
            refs = {name: ref for name, ref in item.outputs.items() if isinstance(ref, ItemRef)}
            fan.done(item.index, refs, (item.ended_us - item.started_us) / 1e6)
            rows.append(fan.row(item, one.attempt, refs))
            if self.setting.record:
                self._writing.cache.append(
                    Cached(fan.keys[item.index], candidate, fan.step_run_id, FanItems.to_cache(refs), observed)
                )
        self._writing.events.append(
            replace(self._items_ended(step, fan, rows), node=outcome.node, rss_mb=outcome.rss_mb)
        )
        fan.observed = _merged(fan.observed, observed)
        self.results.items(one.step, flight.metrics)

    def _attempt_failed(self, one: instructions.AttemptFailed) -> None:
        flight = self._flights.get(one.launch) if one.launch else None
        if flight is not None:
            self._look(flight)
            if flight.outcome is not None:
                self._writing.objects += [_object_row(stored) for stored in flight.outcome.objects]
        fan = self._fans.get(one.step)
        if fan is not None and one.items:
            fan.failed(one.items, one.failure)
            rows = [fan.failed_row(index, one.attempt, one.failure) for index in one.items]
            self._writing.events.append(self._items_ended(self.facts.graph.steps[one.step], fan, rows))
        else:
            ended = self._ended(one.step, flight, "cancelled" if one.failure.kind == "cancelled" else "failed", one.attempt, None)
            now = _now()
            seconds = (now - flight.started_us) / 1e6 if flight else None
            self._writing.events.append(replace(ended, ended_us=now, seconds=seconds, error=failure_to_json(one.failure)))
            if not one.retry:
                step_run_id = flight.step_run_id if flight else ended.step_run_id
                self._fail_step(one.step, step_run_id, one.failure, seconds)
        if flight is not None:
            self._close_live(flight)
        if one.retry:
            self.notify({"t": "note", "text": f"{one.step}: {one.failure.title}; attempt {one.attempt + 1} follows"})

    def _fail_step(self, name: StepName, step_run_id: StepRunId, failure: Failure, seconds: float | None) -> None:
        self.results.failed(name, step_run_id, failure, seconds)
        plan = self._decided.get(name)
        if plan is not None and plan.determinants is not None and self.setting.record and failure.kind != "cancelled":
            self._writing.basis.append(_basis(plan, step_run_id, "failed", failure.title))

    def _report(self, one: instructions.Report) -> None:
        name = one.step
        if one.state == "done" and name in self._fans:
            self._join(name)
        elif one.state == "failed" and name in self._fans:
            fan = self._fans[name]
            failure = fan.summary()
            self._writing.events.append(
                StepEnded(
                    self.setting.run_id, fan.step_run_id, name, "failed", error=failure_to_json(failure),
                    reasons=self._reasons(name), target=self.setting.target, started_us=fan.started_us, ended_us=_now(),
                    seconds=fan.elapsed(),
                )
            )
            self._fail_step(name, fan.step_run_id, failure, fan.elapsed())
        elif one.state in ("blocked", "cancelled"):
            state = "blocked" if one.state == "blocked" else "cancelled"
            known = self.results.steps.get(name)
            if known is None or known.state != "cancelled":
                step_run_id = StepRunId(new_id())
                self._writing.events.append(
                    StepEnded(self.setting.run_id, step_run_id, name, state, target=self.setting.target, reasons=self._reasons(name))
                )
                self.results.stopped(name, step_run_id, state, str(one.cause or ""))
        elif one.state == "reused" and name in self._fans:
            self._join(name)
        self._tell(one)

    def _join(self, name: StepName) -> None:
        """All items of a fan-out are there: their manifest is the step's output."""
        step, fan, plan = self.facts.graph.steps[name], self._fans[name], self._decided[name]
        for output in step.options.outputs or ("",):
            joined = join_items(fan.refs(output), self.objects)
            self._writing.objects += [_object_row(stored) for stored in joined.objects]
            self._store_artifact(joined.artifact)
            self._artifacts[name, output] = joined.artifact
        outputs = self._outputs(step)
        if self.setting.record:
            self._remember(plan, fan.step_run_id, outputs, self.results.metrics_of(name), fan.observed)
            if fan.ran():
                self._writing.history.append((name, fan.elapsed()))
        assert plan.determinants is not None
        state = "done" if fan.ran() else "reused"
        self._writing.events.append(
            StepEnded(
                self.setting.run_id, fan.step_run_id, name, state, step_key=plan.key,
                fingerprint=plan.determinants.fingerprint.digest, params_hash=plan.determinants.params_hash(),
                target=self.setting.target, started_us=fan.started_us, ended_us=_now(), seconds=fan.elapsed(),
                reasons=self._reasons(name), inputs=self._input_hashes(step), outputs=self._output_hashes(step),
                files=self._input_files(step, fan.observed.get("files", {})),
            )
        )
        self.results.done(name, fan.step_run_id, fan.elapsed(), outputs, self.results.metrics_of(name))

    def _remember(
        self, plan: StepPlan, step_run_id: StepRunId, outputs: Mapping[str, Artifact], metrics: Mapping[str, float],
        observed: dict[str, Any],
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

    def _store_artifact(self, artifact: Artifact) -> None:
        self._writing.artifacts.append(artifact)
        self._writing.events.append(ArtifactStored(artifact.to_json()))

    def _ended(
        self, name: StepName, flight: _Flight | None, state: Any, attempt: int, outcome: Outcome | None  # Any: StepState
    ) -> StepEnded:
        plan, step = self._decided.get(name), self.facts.graph.steps[name]
        found = plan.determinants if plan else None
        return StepEnded(
            self.setting.run_id, flight.step_run_id if flight else StepRunId(new_id()), name, state, attempt=attempt,
            step_key=plan.key if plan else None, fingerprint=found.fingerprint.digest if found else None,
            params_hash=found.params_hash() if found else None, target=self.setting.target,
            node=outcome.node if outcome else flight.node if flight else "",
            started_us=flight.started_us if flight else None, rss_mb=outcome.rss_mb if outcome else None,
            reasons=self._reasons(name), inputs=self._input_hashes(step) if plan else {},
        )

    def _items_ended(self, step: Step, fan: FanItems, rows: Sequence[Sequence[Json]]) -> ItemsEnded:
        found = self._decided[step.name].determinants
        assert found is not None
        return ItemsEnded(
            self.setting.run_id, fan.step_run_id, step.name, rows, fingerprint=found.fingerprint.digest,
            params_hash=found.params_hash(), target=self.setting.target,
        )

    def _reasons(self, name: StepName) -> list[dict[str, Json]]:
        plan = self._decided.get(name) or self.plan.steps[name]
        return [one.to_json() for one in plan.reasons]

    def _outputs(self, step: Step) -> dict[str, Artifact]:
        return {
            output: self._artifacts[step.name, output]
            for output in step.options.outputs or ("",)
            if (step.name, output) in self._artifacts
        }

    def _output_hashes(self, step: Step) -> dict[str, Digest]:
        return {output or step.name: one.content_hash for output, one in self._outputs(step).items()}

    def _input_hashes(self, step: Step) -> dict[str, Digest]:
        return {argument: one.content_hash for argument, one in self._arriving(step).items()}

    # Files and what was observed

    def _input_files(self, step: Step, observed: Mapping[str, Digest | None]) -> list[dict[str, Json]]:
        found = [
            asdict(InputFile(state.path, state.bytes, state.mtime_ns, state.content_hash, one.argument))
            for one in step.inputs
            if isinstance(one, FileInput)
            for state in file_states(one, self.facts)
        ]
        for path, content in observed.items():
            state = self.facts.files.state(path)
            if state is not None and content is not None:
                found.append(asdict(InputFile(path, state.bytes, state.mtime_ns, content)))
        return found

    def _changed_while_read(self, now: Determinants) -> str:
        """The first input file that is not what the key was made of any more."""
        for found in now.files.values():
            for path, content in found:
                state = self.facts.files.state(path)
                if state is None or state.content_hash != content:
                    return path
        return ""

    def _observed(self, name: StepName, flight: _Flight, outcome: Outcome) -> dict[str, Any]:
        """What the result depends on beyond its key: what the worker saw, and files that the code names."""
        plan = self._decided[name]
        assert plan.determinants is not None
        seen = outcome.observed
        declared = {path for found in plan.determinants.files.values() for path, _ in found}
        files = {path: observed_file(path, self.facts.files) for path in seen.files if path not in declared}
        started_ns = flight.started_us * 1000
        for path in plan.determinants.fingerprint.literals:
            # Libraries in C or Rust open files without Python's audit hook seeing it. A file that the code names and
            # that was there, unchanged, before the step started may be one of them.
            state = None if path in declared or path in files else self.facts.files.state(path)
            if state is not None and state.mtime_ns < started_ns:
                files[path] = state.content_hash
        observed: dict[str, Any] = {}
        if files:
            observed["files"] = files
        if seen.env:
            observed["env"] = {key: value for key, value in seen.env.items() if key not in plan.determinants.env}
        if seen.modules:
            observed["modules"] = dict(self.facts.modules(seen.modules))
        return {kind: value for kind, value in observed.items() if value}

    # Telling

    def _look(self, flight: _Flight) -> None:
        """Pass on what the step wrote to its live file since the last look."""
        name = flight.launch.step
        records, flight.offset = read_live(flight.live, flight.offset)
        lines: list[dict[str, Any]] = []
        progress: dict[str, Any] | None = None
        for one in records:
            match one.get("k"):
                case "metric":
                    flight.metrics[str(one["n"])] = float(one["v"])
                case "log":
                    lines.append(one)
                case "progress":
                    progress = one
                case "attach":
                    self._attach(flight, one)
        if lines:
            self.notify({"t": "log", "step": name, "lines": lines[-MAX_LOG_LINES:], "more": max(0, len(lines) - MAX_LOG_LINES)})
        if progress is not None or any(one.get("k") == "metric" for one in records):
            told = {"done": progress.get("done"), "total": progress.get("total")} if progress else {}
            self.notify({"t": "progress", "step": name, "metrics": flight.metrics, **told})

    def _attach(self, flight: _Flight, record: Mapping[str, Any]) -> None:
        artifact = Artifact.from_json(record["artifact"])
        flight.attached.append(artifact)
        self._store_artifact(artifact)

    def _close_live(self, flight: _Flight) -> None:
        self._flights.pop(flight.launch.launch, None)
        try:
            size = flight.live.stat().st_size
        except OSError:
            return
        path = flight.live.relative_to(self.setting.store).as_posix()
        self._writing.events.append(
            LiveClosed(self.setting.run_id, flight.step_run_id, flight.launch.step, path, size, flight.launch.attempt)
        )

    def _tell(self, one: instructions.Report) -> None:
        result = self.results.steps.get(one.step)
        message: dict[str, Any] = {"t": "step", "step": one.step, "state": one.state, "counts": dict(one.counts)}
        if one.cause:
            message["cause"] = one.cause
        if result is not None:
            message |= {"seconds": result.seconds, "error": result.error_json()}
        if one.state in ("launched", "running", "done", "failed"):
            message["reasons"] = self._reasons(one.step)
        fan = self._fans.get(one.step)
        if fan is not None:
            message["items"] = len(fan)
        self.notify(message)


def _node(step: Step, selected: Sequence[StepName]) -> Node:
    options = step.options
    return Node(
        name=step.name, needs=tuple(needs(step)), fan=bool(step.fans),
        resources=Resources(options.cpus, options.gpus, options.memory, dict(options.resources)),
        retries=options.retries, timeout=options.timeout, isolate=options.isolate,
    )


def object_names(artifact: Artifact) -> list[str]:
    """The file names of the objects that hold an artifact."""
    if artifact.inline is not None:
        return []
    ending = {"table": "parquet", "sequence": "block"}.get(artifact.format, artifact.format)
    return [f"{artifact.content_hash}.{artifact.format}", *(f"{part}.{ending}" for part in artifact.parts)]


def failure_to_json(failure: Failure) -> dict[str, Any]:
    body = asdict(failure)
    if failure.frames:
        body["place"] = f"{failure.frames[-1].path}:{failure.frames[-1].line}"
    return body


def _basis(plan: StepPlan, step_run_id: StepRunId, state: str, error: str = "") -> Basis:
    assert plan.determinants is not None and plan.key is not None
    return Basis(plan.step, step_run_id, state, plan.key, plan.determinants.to_json() | ({"error": error} if error else {}))


def _metrics_of(hit: Any, known: Recorded) -> dict[str, float]:  # Any: plan.Hit, JSON inside
    for one in known.lookup(hit.key):
        if one.step_run_id == hit.step_run_id and isinstance(one.outputs, dict):
            found = one.outputs.get("metrics")
            return {str(name): float(value) for name, value in found.items()} if isinstance(found, dict) else {}  # type: ignore[arg-type]
    return {}


def _holds(cached: Cached, facts: Facts) -> bool:
    from .plan import observed_holds

    return observed_holds(cached.observed, facts)


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {kind: one.get(kind, {}) | other.get(kind, {}) for kind in one.keys() | other.keys()}


def _object_row(stored: StoredObject) -> tuple[Digest, str, int, Digest]:
    return stored.content_hash, stored.format, stored.bytes, stored.file_hash


def _seed(key: Digest) -> int:
    return int(key[:16], 16)


def _now() -> int:
    return time.time_ns() // 1000
