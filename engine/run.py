"""One run: drives the scheduler's machine, an executor and the recorder until every task has ended.

The machine decides; this loop carries out. It computes keys when inputs are there, looks up results, gives tasks to the
executor, and tells who follows.
"""

import contextlib
import heapq
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from .errors import InstepError, MissingObject, Place, Problem
from .fan_items import FanItems
from .files import members
from .flight import Flight
from .graph import FileInput, Step
from .ids import Digest, LaunchId, StepName, StepRunId, new_id
from .knowledge import Recorded
from .plan import Facts, Hit, Plan, StepPlan, needs, observed_holds, outputs_of, plan_step
from .recorder import Recorder, Setting, now_us, object_names
from .results import Results
from .scheduler import events, instructions
from .scheduler.assignment import Assignment, Failure, FileValue, Frame, Item, Resources
from .scheduler.executor import Capacity, Crashed, Executor, ExecutorEvent, Finished, Started
from .scheduler.masking import scrub, secrets_of
from .scheduler.state import Machine, Node
from .snapshots.artifact import Artifact
from .snapshots.journal import Cached, Journal
from .snapshots.objects import ObjectStore, split_name

Notify = Callable[[dict[str, Any]], None]  # Any: a JSON message
Fetch = Callable[[Mapping[str, str], Notify], None]
"""Gets the objects `<hash>.<format>` from the clusters named; raises InstepError where it cannot."""
POLL = 0.05
"""Seconds between looks at the live files and at whether a cancel was asked for."""
GROUPS_SECONDS = 0.5
"""Seconds after which what the items of a fan-out have come to is told again."""


class Run:
    """Executes the `selected` steps of `plan`. Call `go` once; `emit` may be called from any thread.

    `fetch` gets what a step needs and a cluster has, `outside` runs the steps that are to run on a cluster.
    """

    def __init__(
        self,
        setting: Setting,
        facts: Facts,
        plan: Plan,
        selected: Sequence[StepName],
        known: Recorded,
        journal: Journal,
        executor: Executor,
        notify: Notify,
        forced: frozenset[StepName] = frozenset(),
        fetch: Fetch | None = None,
        outside: "Outside | None" = None,
    ) -> None:
        self.results = Results(selected)
        self._setting, self._facts, self._plan, self._forced = setting, facts, plan, forced
        self._known, self._journal, self._executor, self._notify = known, journal, executor, notify
        self._fetch, self._outside = fetch, outside
        self.facts, self.number = facts, setting.number
        self._objects = ObjectStore(setting.store)
        self._recorder = Recorder(setting, facts, plan, known, journal, self._objects, self.results)
        self._queue: queue.SimpleQueue[ExecutorEvent] = queue.SimpleQueue()
        steps = facts.graph.steps
        self._recorder.outside = {name: found for name in selected if (found := self._cluster_of(steps[name]))}
        nodes = {name: node_of(steps[name], outside=name in self._recorder.outside) for name in selected}
        self._machine = Machine(nodes, executor.capacity())
        self._timers: list[tuple[float, events.TimerId]] = []
        self._flights: dict[LaunchId, Flight] = {}
        self._folder = setting.store / "runs" / str(setting.number)
        self._files_before: dict[str, int] = {}
        self._lost: dict[StepName, Failure] = {}
        self._grouped: dict[StepName, float] = {}
        self._end: instructions.RunEnd | None = None
        self._reports: list[dict[str, Any]] = []  # Any: JSON messages

    def emit(self, event: ExecutorEvent) -> None:
        """The executor's side: tell the loop."""
        self._queue.put(event)

    def tell(self, message: dict[str, Any]) -> None:  # Any: JSON
        """Pass on to who follows; may be called from any thread."""
        self._notify(message)

    def item_counts(self) -> dict[StepName, dict[str, int]]:
        """For every fan-out, how many of its items ended how."""
        return {name: fan.counts() for name, fan in self._recorder.fans.items()}

    def go(self, cancel: threading.Event) -> instructions.RunEnd:
        """Run to the end and return how it ended. Setting `cancel` asks for an end: polite first, then by force."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._folder.glob("*.jsonl"):
            step, _, number = path.stem.rpartition("-")
            self._files_before[step] = max(self._files_before.get(step, 0), int(number) + 1)
        self._handle(events.RunStarted(now_us()))
        asked = False
        looked = time.monotonic()
        while self._end is None:
            if cancel.is_set() and not asked:
                asked = True
                self._handle(events.CancelRequested(now_us()))
                continue
            self._wait()
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                self._handle(events.TimerFired(now_us(), heapq.heappop(self._timers)[1]))
            if now - looked >= POLL:
                looked = now
                for flight in self._flights.values():
                    self._tell_all(flight.look())
        return self._end

    def _wait(self) -> None:
        """Take in one event of the executor, or time out."""
        due = self._timers[0][0] - time.monotonic() if self._timers else POLL
        try:
            event = self._queue.get(timeout=max(0.0, min(POLL, due)))
        except queue.Empty:
            return
        match event:
            case Started(launch, at_us, node, pid):
                if launch in self._flights:
                    self._flights[launch].node, self._flights[launch].started_us = node, at_us
                self._handle(events.TaskStarted(at_us, launch, node, pid))
            case Finished(launch, outcome):
                flight = self._landed(launch)
                if flight is not None:
                    flight.outcome = outcome
                self._handle(events.TaskFinished.of(now_us(), outcome))
                self._close(launch)
            case Capacity(now):
                self._handle(events.CapacityChanged(now_us(), now))
            case Crashed(launch, failure):
                self._scrub(launch)
                self._landed(launch)
                if failure.kind == "lost" and launch in self._flights:
                    self._lost[self._flights[launch].launch.step] = failure
                    self._notify({"t": "note", "text": f"{self._flights[launch].launch.step}: {failure.title}"})
                kind = events.LaunchLost if failure.kind == "lost" else events.LaunchFailed
                self._handle(kind(event.at_us, launch, failure))
                self._close(launch)

    def _scrub(self, launch: LaunchId) -> None:
        """A worker that died could not mask what C code and children of its printed."""
        flight = self._flights.get(launch)
        if flight is not None:
            scrub(str(flight.live), secrets_of({**os.environ, **self._setting.env}))

    def _landed(self, launch: LaunchId) -> Flight | None:
        """A launch that has ended, with all that its live file says passed on."""
        flight = self._flights.get(launch)
        if flight is not None:
            self._tell_all(flight.look(to_the_end=True))
        return flight

    def _close(self, launch: LaunchId) -> None:
        flight = self._flights.pop(launch, None)
        if flight is not None:
            self._recorder.close(flight)
            self._recorder.flush()

    def _handle(self, event: events.Event) -> None:
        """Tell the machine, carry out what it says, and write down what is to be kept before going on.

        What ended is told when it is written: what cannot be kept (the disk is full) was not told as done.
        """
        # A worker has its next items before what it did is written down: else it waits for the disk.
        todo = sorted(self._machine.handle(event), key=lambda one: not _is_more_items(one))
        while todo:
            answer = self._carry_out(todo.pop(0))
            if answer is not None:
                todo += self._machine.handle(answer)
        self._recorder.flush()
        reports, self._reports = self._reports, []
        self._tell_all(reports)
        for note in self._recorder.notes:
            self._notify({"t": "note", "text": note})
        self._recorder.notes.clear()

    def _carry_out(self, one: instructions.Instruction) -> events.Event | None:
        match one:
            case instructions.Decide(step):
                return self._decide(self._facts.graph.steps[step])
            case instructions.Launch():
                self._launch(one)
            case instructions.Cancel(launch, force):
                self._executor.cancel(launch, force=force)
                if self._outside is not None:
                    self._outside.cancel(launch, force=force)
            case instructions.StartTimer(timer, seconds):
                heapq.heappush(self._timers, (time.monotonic() + seconds, timer))
            case instructions.StopTimer(timer):
                self._timers = [entry for entry in self._timers if entry[1] != timer]
                heapq.heapify(self._timers)
            case instructions.Keep(launch, _, items, attempt):
                self._recorder.kept(self._flights[launch], items, attempt)
            case instructions.AttemptFailed():
                self._attempt_failed(one)
            case instructions.Report():
                self._report(one)
            case instructions.RunEnded(state):
                self._end = state
        return None

    # Deciding

    def _decide(self, step: Step) -> events.Event:
        """Compute the step's key from what has arrived, and look whether there is a result."""
        for need in needs(step):
            # The machine reports that a fan-out is done after it asked what that makes possible.
            if need in self._recorder.fans:
                self._recorder.fan_done(need)
        arriving = self._recorder.arriving(step)
        identities = {argument: one.identity for argument, one in arriving.items()}
        plan = plan_step(step, self._facts, self._known, identities, forced=step.name in self._forced)
        if step.name in self._setting.before.finished and plan.hit is None:
            plan = self._finished_before(plan)
        before = self._plan.steps[step.name]
        if plan.hit is None and before.reasons and before.state != "pending":
            plan = replace(plan, reasons=before.reasons)
        self._recorder.decided[step.name] = plan
        if plan.problem is not None:
            return events.DecideFailed(now_us(), step.name, self._missing(plan.problem, step.name))
        if plan.hit is not None:
            self._recorder.reused(step, plan, plan.hit)
            return events.Decided(now_us(), step.name, 1, ())
        if step.fans:
            return self._decide_items(step, plan, arriving)
        return events.Decided(now_us(), step.name, 1, (0,))

    def _finished_before(self, plan: StepPlan) -> StepPlan:
        """A step of a run that is taken up again had ended, whatever its options say of results of other runs."""
        known = self._journal.cached_of([self._setting.before.step_runs[plan.step]])
        for one in known:
            if one.step_key == plan.key and self._known.present(one):
                outputs = {name: Digest(identity) for name, identity in outputs_of(one).items()}
                return replace(plan, state="fresh", reasons=(), hit=Hit(one.step_key, one.step_run_id, outputs))
        return plan

    def _missing(self, problem: Problem, step: StepName) -> Failure:
        """An input that is not there, with the line that names it."""
        place = problem.place
        frames = () if place is None else (Frame(place.path, place.line, step, self._line(place)),)
        return Failure("input", problem.what, problem.why, problem.mend, frames)

    def _line(self, place: Place) -> str:
        with contextlib.suppress(OSError, UnicodeDecodeError, IndexError):  # edited or removed since
            return (self._facts.project.root / place.path).read_text().splitlines()[place.line - 1]
        return ""

    def _decide_items(self, step: Step, plan: StepPlan, arriving: Mapping[str, Artifact]) -> events.Event:
        assert plan.determinants is not None
        try:
            fan = FanItems.expand(step, plan.determinants, arriving, self._objects, self._setting.share)
        except InstepError as error:
            problem = error.problems[0]
            return events.DecideFailed(
                now_us(), step.name, Failure("executor", problem.what, problem.why, problem.mend)
            )
        before = self._setting.before.step_runs.get(step.name)
        if before is not None:
            fan.step_run_id = before
        anew = not step.options.cache or step.name in self._forced
        if before is not None or not anew:
            known = self._journal.lookup(fan.keys)

            def holds(one: Cached) -> bool:
                return (not anew or one.step_run_id == before) and observed_holds(one.observed, self._facts)

            fan.reuse(known, self._objects, holds)
        self._recorder.items_reused(step, fan)
        return events.Decided(now_us(), step.name, len(fan), fan.missing())

    # Launching

    def _launch(self, one: instructions.Launch) -> None:
        step, plan = self._facts.graph.steps[one.step], self._recorder.decided[one.step]
        assert plan.determinants is not None and plan.key is not None
        fan = self._recorder.fans.get(one.step)
        live = self._live_path(one.launch)
        flight = Flight(one, fan.step_run_id if fan else StepRunId(new_id()), live, now_us())
        self._flights[one.launch] = flight
        self._recorder.launched(flight, plan.determinants)
        keys = [fan.keys[index] for index in one.items or ()] if fan else []
        items = (
            tuple(
                Item(index, key, _seed(key), fan.arguments(index))
                for index, key in zip(one.items or (), keys, strict=True)
            )
            if fan
            else (Item(None, plan.key, _seed(plan.key)),)
        )
        arriving = self._recorder.arriving(step)
        assignment = Assignment(
            launch=one.launch,
            step=one.step,
            module=step.module,
            code=self._setting.code,
            store=str(self._setting.store),
            root=str(self._facts.project.root),
            live=str(live),
            items=items,
            params=plan.determinants.params,
            inputs={name: found for name, found in arriving.items() if name not in plan.determinants.fans},
            files={each.argument: self._file_value(each) for each in step.inputs if isinstance(each, FileInput)},
            arguments=tuple(each.argument for each in step.inputs),
            outputs=step.options.outputs,
            static_modules=plan.determinants.fingerprint.modules,
            resources=one.resources,
            isolate=step.options.isolate,
            env=self._setting.env,
        )
        cluster = self._recorder.outside.get(step.name, "")
        away = {} if cluster else self._away(assignment)
        if cluster and self._outside is not None:
            self._outside.launch(replace(assignment, resources=resources_of(step)), cluster, self)
        elif away:
            threading.Thread(target=self._bring, args=(assignment, away), name="bring", daemon=True).start()
        else:
            self._executor.launch(assignment)

    def _cluster_of(self, step: Step) -> str:
        """Where this step runs: "" for here. A replay stays where it was asked for."""
        return step.options.run_on if self._outside is not None and self._setting.record else ""

    def _live_path(self, launch: LaunchId) -> Path:
        """A file of its own: launches of a run that is taken up again are counted from zero once more."""
        step, _, number = launch.rpartition("/")
        return self._folder / f"{step}-{self._files_before.get(step, 0) + int(number)}.jsonl"

    def _away(self, assignment: Assignment) -> dict[str, str]:
        """The objects that the step takes in and that are on a cluster, each with its name."""
        names = {name for artifact in assignment.inputs.values() for name in object_names(artifact)}
        gone = [name for name in names if not self._objects.has(*split_name(name))]
        return self._journal.away(gone) if gone else {}

    def _bring(self, assignment: Assignment, away: Mapping[str, str]) -> None:
        """Fetch them, then launch; beside the loop, because it may take minutes."""
        try:
            if self._fetch is None:
                raise MissingObject(f"a result is on the cluster {min(away.values())} and not here")
            self._fetch(away, self._notify)
        except InstepError as error:
            one = error.problems[0]
            self.emit(Crashed(assignment.launch, Failure("lost", one.what, one.why, one.mend), 0, (), now_us()))
        else:
            self._executor.launch(assignment)

    def _file_value(self, one: FileInput) -> FileValue:
        root = self._facts.project.root
        found, many = members(root, one.pattern)
        return FileValue(tuple(str(root / path) for path in found) if many else (str(root / one.pattern),), many)

    # Ending

    def _attempt_failed(self, one: instructions.AttemptFailed) -> None:
        flight = self._flights.get(one.launch) if one.launch else None
        lost = self._lost.get(one.step) if flight is None else None
        if lost is not None:
            why = f"{one.failure.message}; {lost.title}"
            one = replace(one, failure=replace(one.failure, message=why))
        self._recorder.attempt_failed(one.step, flight, one.items, one.attempt, one.failure, retry=one.retry)
        if one.retry:
            self._notify({"t": "note", "text": f"{one.step}: {one.failure.title}; attempt {one.attempt + 1} follows"})

    def _report(self, one: instructions.Report) -> None:
        fan = self._recorder.fans.get(one.step)
        match one.state:
            case "done" | "reused" if fan is not None:
                self._recorder.fan_done(one.step)
            case "failed" if fan is not None:
                self._recorder.fan_failed(one.step)
            case "blocked" | "cancelled":
                self._recorder.stopped(one.step, one.state, str(one.cause or ""))
            case _:
                pass
        self._tell(one, fan)

    # Telling

    def _tell(self, one: instructions.Report, fan: FanItems | None) -> None:
        result = self.results.steps.get(one.step)
        message: dict[str, Any] = {"t": "step", "step": one.step, "state": one.state, "counts": dict(one.counts)}
        if one.cause:
            message["cause"] = one.cause
        if result is not None:
            message |= {"seconds": result.seconds, "error": result.error_json()}
        if one.state in ("launched", "running", "done", "failed"):
            message["reasons"] = self._recorder.reasons(one.step)
        if fan is not None:
            message["items"] = len(fan)
            now = time.monotonic()
            if one.state in ("done", "failed") or now - self._grouped.get(one.step, 0.0) >= GROUPS_SECONDS:
                self._grouped[one.step] = now
                message["groups"] = self._recorder.groups[one.step].look()
        self._reports.append(message)

    def _tell_all(self, messages: Sequence[dict[str, Any]]) -> None:
        for message in messages:
            self._notify(message)


class Outside(Protocol):
    """Runs single steps of a run on clusters, and answers with the events of an executor."""

    def launch(self, assignment: Assignment, cluster: str, run: "Run") -> None: ...

    def cancel(self, launch: LaunchId, *, force: bool) -> None:
        """Launches that are not there are ignored."""
        ...


def resources_of(step: Step) -> Resources:
    options = step.options
    return Resources(options.cpus, options.gpus, options.memory, dict(options.resources), dict(options.labels))


def node_of(step: Step, *, outside: bool = False) -> Node:
    """What the scheduler needs to know of a step; one that runs `outside` takes nothing of what there is here."""
    options = step.options
    return Node(
        name=step.name,
        needs=tuple(needs(step)),
        fan=bool(step.fans),
        resources=Resources(cpus=0) if outside else resources_of(step),
        retries=options.retries,
        timeout=options.timeout,
        isolate=options.isolate,
    )


def _is_more_items(one: instructions.Instruction) -> bool:
    return isinstance(one, instructions.Launch) and one.items is not None


def _seed(key: Digest) -> int:
    """64 bits of the key: the same inputs draw the same random numbers."""
    return int(key[:16], 16)
