"""The only wiring: plan → schedule → snapshot, for one project in one process. What watches goes around it.

The background engine holds one for Ray; `open_project(...).run()` and tests make one with the inline executor.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import environment
from .config_text import config_of
from .digest import digest
from .documents import Document, run_document, status_document
from .errors import InstepError, UsageError
from .first_party import module_table_of
from .graph import Graph
from .ids import Digest, Json, RunId, StepName
from .knowledge import Recorded
from .origin import Origin, passed_on
from .plan import Facts, Plan, needs
from .planner import Planner
from .recorder import Setting
from .requests import RunRequest, require_steps
from .run import Fetch, Notify, Outside, Run
from .scheduler.bundle import write_bundle
from .scheduler.executor import Executor, ExecutorEvent
from .snapshots import lease
from .snapshots.gate import OBJECTS, hold
from .snapshots.journal import Journal, Writing
from .snapshots.objects import ObjectStore
from .snapshots.records import RunContext, RunEnded, RunStarted, hide


class Session:
    """One project: its planner, its journal, its executor. Methods may be called from any thread.

    `start_executor` makes the executor, given where its events go; by default a local Ray, started in the background.
    `open_journal` and `recall` make the journal and what is known by it: on a cluster both do more.
    """

    def __init__(
        self,
        root: Path,
        start_executor: "Callable[[Session, Callable[[ExecutorEvent], None]], Executor] | None" = None,
        *,
        open_journal: Callable[[Path], Journal] = Journal,
        recall: Callable[[Journal, Path], Recorded] = Recorded,
    ) -> None:
        self.root = root
        self.store = root / ".instep"
        self._open_journal, self._recall = open_journal, recall
        self.journal = open_journal(self.store / "journal.sqlite")
        self._known = recall(open_journal(self.store / "journal.sqlite"), self.store)
        self.planner = Planner(root, self._known)
        self.objects = ObjectStore(self.store)
        self._start_executor = start_executor or _start_ray
        self._executor: Future[Executor] | None = None
        self._background = ThreadPoolExecutor(2, thread_name_prefix="session")
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="start")
        self._planning = threading.RLock()
        self._running = threading.Lock()
        self._projecting = threading.Lock()
        self._run: Run | None = None
        self._cancel: threading.Event | None = None
        self._hardware: dict[str, Json] | None = None
        self._start_env = dict(os.environ)
        self.fetch: Fetch | None = None
        """Fetches objects that are on clusters; whoever can (`remote/`) sets it."""
        self.outside: Outside | None = None
        """Runs single steps on clusters; set likewise."""

    # The process

    @property
    def busy(self) -> bool:
        return self._running.locked()

    @property
    def ray_ready(self) -> bool:
        return self._executor is not None and self._executor.done()

    def warm(self) -> None:
        """Start the executor in the background, so that the first step does not wait for it. One that could not start
        (the machine was too busy) gets another try."""
        if self._executor is None or (self._executor.done() and self._executor.exception() is not None):
            self._executor = self._starter.submit(lambda: self._start_executor(self, self._emit))
            self._background.submit(self._learn)

    def _learn(self) -> None:
        self._hardware = environment.hardware()

    def when_ready(self, call: Callable[[str], None]) -> None:
        """Call with "" once the executor can take steps, or with why it cannot."""
        self.warm()
        assert self._executor is not None

        def told(done: Future[Executor]) -> None:
            error = done.exception()
            call(str(error) or type(error).__name__ if error else "")

        self._executor.add_done_callback(told)

    def take_lease(self) -> bool:
        """Become this project's only engine; False if another lives. Ends what a dead one left behind."""
        with closing(sqlite3.connect(self.journal.path, timeout=30, isolation_level=None)) as db:
            if lease.take(db, "engine") is not None:
                return False
        self.mend()
        return True

    def renew(self) -> None:
        """Say that this engine lives; to be called more often than `lease.SECONDS`."""
        try:
            with closing(sqlite3.connect(self.journal.path, timeout=5, isolation_level=None)) as db:
                lease.take(db, "engine")
        except sqlite3.Error:
            pass  # said again half a second later; on this machine the living process is what counts

    def mend(self) -> list[int]:
        """Mark runs whose engine died as interrupted; return their numbers."""
        mended: list[int] = []
        for run_id, number in self.journal.unfinished():
            now = time.time_ns() // 1000
            cut = self.journal.started_not_ended(run_id)
            self.journal.append(*cut, RunEnded(run_id, "interrupted", now))
            mended.append(number)
        return mended

    @property
    def starting(self) -> bool:
        """Whether the executor is being started."""
        return self._executor is not None and not self._executor.done()

    def close(self, *, at_once: bool = False) -> None:
        """End the executor and everything it started, and what is still to be written. With `at_once` an executor that
        is just being started is not waited for: it goes on in its thread, and the process has to end."""
        if self._executor is not None and not (at_once and self.starting) and self._executor.exception() is None:
            self._executor.result().close()
        self.project()
        with self._planning:
            self.planner.save()
        self._background.shutdown(wait=True)
        self._starter.shutdown(wait=not at_once)
        with (
            suppress(sqlite3.Error),  # the project was removed, and the lease with it
            closing(sqlite3.connect(self.journal.path, timeout=5, isolation_level=None)) as db,
        ):
            lease.give_back(db, "engine")
        self.journal.close()
        self._known.journal.close()

    def _emit(self, event: ExecutorEvent) -> None:
        run = self._run
        if run is not None:
            run.emit(event)

    # Looking

    def status(self, request: RunRequest) -> Document:
        """What is stale, and why."""
        with self._planning:
            facts, plan = self.planned(request)
            self.planner.save()
            return status_document(facts.project.name, plan, self._known.journal.seconds_of(plan.stale()))

    def planned(self, request: RunRequest) -> tuple[Facts, Plan]:
        """The plan as it is now. Raises ProjectError if there are no steps."""
        with self._planning:
            facts, plan = self.planner.plan(request.env, request.wishes)
            require_steps(facts.graph, self.planner)
            return facts, plan

    def look(self, request: RunRequest) -> tuple[Facts, Plan, Mapping[StepName, float]]:
        """The plan as it is now, and what each step took when it last ran. A project without steps is no mistake."""
        with self._planning:
            facts, plan = self.planner.plan(request.env, request.wishes)
            self.planner.save()
            return facts, plan, self._known.journal.seconds_of(facts.graph.steps)

    def nothing_to_run(self, request: RunRequest) -> Document:
        """{"nothing": how many fresh steps, "run": the last run} if a plain run would do nothing, else {}."""
        if self.busy:
            return {}
        with self._planning:
            facts, plan = self.planner.plan(request.env, request.wishes)
            if plan.changed or plan.stale() or facts.problems or not plan.steps:
                return {}
            last = self._known.journal.last_shown()
        return {"nothing": len(plan.steps), "run": last[0] if last else None}

    # Running

    def cancel(self) -> bool:
        """Ask the run that is going on to end; False if there is none."""
        cancel = self._cancel
        if cancel is None:
            return False
        cancel.set()
        return True

    def run(self, request: RunRequest, notify: Notify, cancel: threading.Event) -> Document:
        """Run what is stale of what was asked for; waits for a run that is going on. Returns the `run` document."""
        if self.busy:
            notify({"t": "note", "text": "another run is going on; this one comes after it"})
        with self._running:
            self._cancel = cancel
            try:
                if request.replay is not None:
                    from .replay import replay

                    return replay(self, request, notify, cancel)
                return self._run_stale(request, notify, cancel)
            finally:
                self._cancel = None

    def _run_stale(self, request: RunRequest, notify: Notify, cancel: threading.Event) -> Document:
        began = time.monotonic()
        facts, plan, code = self.frozen(request)
        selected = self.selected(facts.graph, plan, request)
        stale = [name for name in selected if plan.steps[name].state != "fresh"]
        if not stale and (not plan.changed or request.steps or request.auto_only):
            return self._nothing(plan, selected, request, began)
        run_id, number = self.journal.new_run()
        setting = self.begin(run_id, number, request, facts, code, notify)
        return self.execute(setting, facts, plan, selected, request, notify, cancel, began)

    def frozen(self, request: RunRequest) -> tuple[Facts, Plan, dict[str, bytes]]:
        """The plan as it is now, with the bytes of the code (and of the data files of packages) it was made of.

        Raises ProjectError if there is nothing to run.
        """
        with self._planning:
            facts, plan = self.planned(request)
            code = {**self.planner.code, **self.planner.sources.data}
            self.planner.save()
        return facts, plan, code

    def begin(
        self,
        run_id: RunId,
        number: int,
        request: RunRequest,
        facts: Facts,
        code: Mapping[str, bytes],
        notify: Notify,
        *,
        replay_of: int | None = None,
        record: bool = True,
        origin: Origin | None = None,
    ) -> Setting:
        """Freeze the snapshot: from here on nothing that is edited changes this run."""
        origin = origin or Origin.here()
        modules = module_table_of(facts.project, code)
        bundle = write_bundle(self.objects, code, modules)
        found = self.environment_of(facts)
        started = RunStarted(
            run_id,
            number,
            time.time_ns() // 1000,
            origin.target,
            params={name: dict(values) for name, values in facts.params.items()},
            code_hash=bundle.code,
            code=bundle.files,
            modules=modules,
            config=config_of(facts.project),
            env_hash=digest("environment/1", found),
            environment=found,
            host=origin.host,
            user_name=origin.user_name,
            requested=request.steps,
            note=request.note,
            replay_of=replay_of,
        )
        self.journal.write(
            Writing(
                events=[started],
                objects=[(one.content_hash, one.format, one.bytes, one.file_hash) for one in bundle.objects],
            )
        )
        if origin.env is None:
            self._background.submit(self.keep_git, run_id)
        env = passed_on(request.env, self._start_env) if origin.env is None else dict(origin.env)
        return Setting(run_id, number, self.store, bundle.code, origin.target, env, record, origin.before, origin.share)

    def sample(
        self,
        facts: Facts,
        plan: Plan,
        code: Mapping[str, bytes],
        selected: list[StepName],
        forced: frozenset[StepName],
        share: float,
        notify: Notify,
        cancel: threading.Event,
    ) -> tuple[RunId, Document]:
        """Run the `forced` steps of `selected` here, of fan-outs the first `share`, as a run that lists leave out."""
        with self._running:
            self._cancel = cancel
            try:
                began = time.monotonic()
                run_id, number = self.journal.new_run()
                self.journal.append(hide(run_id, "twin"))
                asked = RunRequest(tuple(sorted(forced)), env=facts.env, note="twin")
                origin = replace(Origin.here(), share=share)
                setting = self.begin(run_id, number, asked, facts, code, notify, origin=origin)
                return run_id, self.execute(setting, facts, plan, selected, asked, notify, cancel, began, forced)
            finally:
                self._cancel = None

    def execute(
        self,
        setting: Setting,
        facts: Facts,
        plan: Plan,
        selected: list[StepName],
        request: RunRequest,
        notify: Notify,
        cancel: threading.Event,
        began: float,
        forced: frozenset[StepName] | None = None,
    ) -> Document:
        """Run `selected` to the end, and say how it went."""
        self.warm()
        assert self._executor is not None
        notify({"t": "run", "run": setting.number, "steps": [_planned(plan, name) for name in selected]})
        if not self._executor.done():
            notify({"t": "note", "text": "starting workers …"})
        state = "failed"
        run: Run | None = None
        try:
            executor = self._executor.result()
            if forced is None:
                every = request.wishes.fresh_all
                forced = frozenset(selected) if every else Planner.steps_named(facts.graph, request.wishes.forced)
            # `gc` frees nothing while a run may be about to refer to it.
            with (
                self._open_journal(self.journal.path) as journal,
                hold(self.store, OBJECTS, exclusive=False, wait=60.0),
            ):
                known = self._recall(journal, self.store)
                run = self._run = Run(
                    setting, facts, plan, selected, known, journal, executor, notify, forced, self.fetch, self.outside
                )
                self._keep_inputs(facts, selected)
                state = run.go(cancel)
        finally:
            self._run = None
            ended = time.time_ns() // 1000
            self.journal.append(RunEnded(setting.run_id, state if run else "failed", ended))
            self._background.submit(self.project)
        assert run is not None, "what kept the run from being made was raised"
        return run_document(
            number=setting.number,
            run_id=setting.run_id,
            state=state,
            target=setting.target,
            seconds=time.monotonic() - began,
            results=run.results,
            plan=plan,
            items=run.item_counts(),
        )

    def _nothing(self, plan: Plan, selected: list[StepName], request: RunRequest, began: float) -> Document:
        number, run_id = self._known.journal.last_shown() or (None, None)
        if request.brief:
            return {"run": number, "state": "done", "nothing": len(selected), "problems": len(plan.problems)}
        document = run_document(
            number=number,
            run_id=run_id,
            state="done",
            target="local",
            seconds=time.monotonic() - began,
            results=None,
            plan=Plan({name: plan.steps[name] for name in selected}),
            items={},
        )
        return document | {"nothing": len(selected)}

    def selected(self, graph: Graph, plan: Plan, request: RunRequest) -> list[StepName]:
        """The steps asked for and all that they need; for a file save without those that wait for a key."""
        wanted = Planner.steps_named(graph, request.steps) if request.steps else frozenset(graph.steps)
        found: set[StepName] = set()
        todo = list(wanted)
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += needs(graph.steps[name])
        if request.auto_only:
            held: set[StepName] = set()
            for name, step in graph.steps.items():
                waits = not step.options.auto and plan.steps[name].state != "fresh"
                if waits or any(need in held for need in needs(step)):
                    held.add(name)
            found -= held
        return [name for name in graph.steps if name in found]

    # Snapshots

    def environment_of(self, facts: Facts) -> dict[str, Json]:
        """Python, the distributions that the steps can import, and the hardware."""
        imports = {name for one in facts.fingerprints.values() for name in one.imports}
        if self._hardware is None:
            self._hardware = environment.hardware()
        packages: dict[str, Json] = dict(facts.packages.reachable(imports))
        return {"python": environment.PYTHON, "packages": packages, "hardware": self._hardware}

    def keep_git(self, run_id: RunId) -> None:
        """Read and written in one job: a second one could not be begun while the session is being closed."""
        git = environment.read_git(self.root)
        diff: Digest | None = None
        writing = Writing()
        if git.diff:
            data = git.diff.encode()
            from .digest import digest_bytes

            diff = digest_bytes(data)
            stored = self.objects.put(diff, "diff", data)
            writing.objects.append((stored.content_hash, stored.format, stored.bytes, stored.file_hash))
        writing.events.append(RunContext(run_id, git.commit, git.dirty, diff))
        with Journal(self.journal.path) as journal:
            journal.write(writing)

    def _keep_inputs(self, facts: Facts, selected: Iterable[StepName]) -> None:
        """Keep the bytes of the declared input files, so that the run can be replayed when the folder has moved on."""
        from .replay import keep_inputs

        self._background.submit(keep_inputs, self.objects, self.journal.path, facts, list(selected))

    def project(self) -> None:
        """Bring the catalog up to date; waits for nobody."""
        from .snapshots.projector import project

        with self._projecting:
            try:
                project(self.store)
            except InstepError as error:
                print(f"catalog: {error}", flush=True)

    def watched_folders(self) -> set[str]:
        """The folders (relative) whose files decide what is stale."""
        with self._planning:
            return self.planner.watched_folders()


def _planned(plan: Plan, name: StepName) -> dict[str, Any]:
    one = plan.steps[name]
    return {"name": name, "state": one.state, "reasons": [str(reason) for reason in one.reasons]}


def _start_ray(session: Session, emit: Callable[[ExecutorEvent], None]) -> Executor:
    from .scheduler.ray_executor import RayExecutor

    return RayExecutor.start_local(session.store, session.planner.project.local, emit)


__all__ = ["RunRequest", "Session", "UsageError"]
