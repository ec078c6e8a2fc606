"""The side that runs on the cluster: drives one run there, with the scheduler, workers and store of a run at home.

    python -m instep.remote.agent RUN_ID SLUG         (`job.py` starts it)

Home need not be there while it works: what happens is in its journal and in numbered files (`outbox.py`) until somebody
reads them. An agent that was killed is started again and goes on after the last step that had finished.
"""

import fcntl
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ..engine.documents import run_document
from ..engine.errors import InstepError, StoreError, UsageError, problem_to_json
from ..engine.ids import RunId, StepName, StepRunId, new_id
from ..engine.plan import Plan, make_plan
from ..engine.planner import Wishes
from ..engine.recorder import Before
from ..engine.requests import RunRequest
from ..engine.results import Results
from ..engine.scheduler.masking import secrets_of
from ..engine.session import Origin, Session
from ..engine.snapshots.journal import Journal
from ..engine.snapshots.objects import ObjectStore, StoredObject
from ..engine.snapshots.records import ItemsEnded, LiveClosed, RunEnded, StepEnded
from .cluster_executor import cluster_executor
from .feed import FeedJournal
from .given import Given, take_in
from .growing import Growing
from .inbox import Inbox, Message
from .laid_out import lay_out, stand_ins
from .outbox import Outbox, put
from .packs import Receiver, alone
from .places import There, link, linked
from .ray_here import logs_folder, ray_module
from .request import Request
from .storage import Storage, storage_of

ASK_SOON, ASK_AGAIN = 2.0, 10.0
"""Seconds of nothing after which objects that have not come are asked for once more: at first, and when that was in
vain. By that a transfer that was cut goes on; while one goes on, home takes no notice."""
COALESCE = 0.05
"""Seconds for which packages are taken in before it is looked whether all is there."""


def main() -> int:
    """Do the run to its end. 0 unless the agent itself failed; how the run ended is in what it tells."""
    ray = ray_module()
    run_id, slug = RunId(sys.argv[1]), sys.argv[2]
    os.umask(0o077)
    ray.init(address="auto", log_to_driver=False, logging_level="error", namespace="instep")
    there = There(slug)
    there.make(run_id)
    link(logs_folder() / linked(slug), there.served)
    with there.lock(run_id).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # an agent that home gave up too early may still be at it
        return 0 if there.document(run_id).exists() else _work(run_id, there)


def _work(run_id: RunId, there: There) -> int:
    journal = FeedJournal(there.journal, run_id)
    outbox = Outbox(there, run_id, FeedJournal(there.journal, run_id))
    code = 0
    try:
        _Agent(run_id, there, journal, outbox).go()
    except InstepError as error:
        outbox.tell({"t": "error", "problems": [problem_to_json(one) for one in error.problems]})
        _fail(journal, run_id)
    except Exception as error:
        traceback.print_exc()
        what = f"instep's agent itself failed: {type(error).__name__}: {error}"
        outbox.tell({"t": "error", "problems": [{"what": what, "place": None, "why": "", "mend": ""}]})
        _fail(journal, run_id)
        code = 1
    outbox.close()
    return code


class _Agent:
    """One run on its way: what has come, and what is done with it."""

    def __init__(self, run_id: RunId, there: There, journal: FeedJournal, outbox: Outbox) -> None:
        self.run_id, self.there, self.journal, self.outbox = run_id, there, journal, outbox
        self.objects = ObjectStore(there.store)
        self.receiver = Receiver(there.partial, self.objects)
        self.storage: Storage | None = None
        self.cancel, self.came = threading.Event(), threading.Event()
        self.taking = threading.Lock()
        self.broken: StoreError | OSError | None = None
        self.inbox = Inbox(run_id, self._on_pack, self._on_message)

    def go(self) -> None:
        signal.signal(signal.SIGTERM, lambda _number, _frame: self._cancel())
        request = self._request()
        self.inbox.start()
        session: Session | None = None
        try:
            self.outbox.storage = self.storage = storage_of(request.storage)
            self._await_objects(request)
            if self.cancel.is_set():
                self._cancelled(request)
                return
            lay_out(request, self.there.work(self.run_id), self.there.store, self.objects)
            take_in(request, self.there.store)
            session = Session(
                self.there.work(self.run_id),
                lambda _session, emit: cluster_executor(self.there, emit),
                open_journal=self._open_journal,
                recall=partial(Given.of, request),
            )
            document = self._run(session, request)
            put(self.there.document(self.run_id), json.dumps(document).encode())
        finally:
            self.inbox.close()
            if session is not None:
                session.close()

    def _cancelled(self, request: Request) -> None:
        """Before there was anything to run: what it would have run on has not come."""
        results = Results(request.steps)
        for name in request.steps:
            results.stopped(name, StepRunId(new_id()), "cancelled", "")
        told = run_document(
            number=None,
            run_id=self.run_id,
            state="cancelled",
            target=request.target,
            seconds=0.0,
            results=results,
            plan=Plan({}),
            items={},
        )
        self.journal.append(RunEnded(self.run_id, "cancelled", time.time_ns() // 1000))
        put(self.there.document(self.run_id), json.dumps(told).encode())

    def _open_journal(self, path: Path) -> Journal:
        return FeedJournal(path, self.run_id)

    def _request(self) -> Request:
        kept = self.there.request(self.run_id)
        data = kept.read_bytes() if kept.exists() else self.inbox.request()
        if data is None:
            raise UsageError("what was to be run has not arrived on the cluster", mend="Send it again.")
        put(kept, data)
        return Request.from_json(json.loads(data))

    def _on_pack(self, data: bytes) -> None:
        try:
            with self.taking:
                self.receiver.take(data)
        except (StoreError, OSError) as error:
            self.broken = error
        self.came.set()

    def _on_message(self, message: Message) -> None:
        match message["t"]:
            case "cancel":
                self._cancel()
            case "stored":
                self._take_out([StoredObject(*row) for row in message["objects"]])
                self.came.set()
            case _:
                pass  # of a newer version of home

    def _take_out(self, objects: Sequence[StoredObject]) -> None:
        """Home has put these into the store of both sides."""
        for one in objects:
            if self.storage is None or not self.storage.takes(one):
                return
            try:
                with alone(self.there.partial / f"{one.content_hash}.{one.format}"):
                    if not self.objects.has(one.content_hash, one.format):
                        self.storage.get(one, self.objects, self.there.partial)
            except InstepError as error:  # it is asked for again, and comes the other way
                self.outbox.tell({"t": "note", "text": error.problems[0].what})

    def _cancel(self) -> None:
        self.cancel.set()
        self.came.set()

    def _await_objects(self, request: Request) -> None:
        """Say what is missing until it is there."""
        asked, pause = 0.0, ASK_SOON
        missing = request.objects
        total = sum(row[2] for row in missing)
        while not self.cancel.is_set():
            missing = [row for row in missing if not self.objects.has(row[0], row[1])]
            if not missing:
                return
            if self.broken is not None:
                raise StoreError(f"what was sent cannot be kept on the cluster: {self.broken}")
            have = {f"{row[0]}.{row[1]}": self.receiver.have(f"{row[0]}.{row[1]}") for row in missing}
            if self.taking.locked():
                asked = time.monotonic()
            elif time.monotonic() - asked > pause:
                pause = min(ASK_AGAIN, pause * 1.5) if asked else pause
                asked = time.monotonic()
                self.outbox.tell({"t": "need", "objects": have})
            if self.came.wait(1.0):
                self.came.clear()
                asked, pause = time.monotonic(), ASK_SOON
                left = sum(row[2] for row in missing) - sum(have.values())
                self.outbox.tell({"t": "arriving", "left": left, "of": total})
                self.cancel.wait(COALESCE)

    def _run(self, session: Session, request: Request) -> dict[str, Any]:  # Any: the `run` document
        """Plan and run as at home."""
        began = time.monotonic()
        overrides = {f"{step}.{name}": value for step, each in request.params.items() for name, value in each.items()}
        for one in stand_ins(request.files):
            session.planner.files.believe(one.path, one.content_hash)
        facts = session.planner.facts(request.env, Wishes(overrides))
        before = self._before(request)
        forced = frozenset(request.forced) - before.finished
        plan = make_plan(facts, session.planner.known, forced)
        wanted = set(request.steps)
        _, number = self.journal.new_run(request.run_id)
        secrets = secrets_of({**os.environ, **request.env})
        self.outbox.growing = Growing(self.there.store / "runs" / str(number), secrets)
        asked = RunRequest(tuple(request.requested), env=dict(request.env), note=request.note)
        setting = session.begin(
            request.run_id,
            number,
            asked,
            facts,
            {**session.planner.code, **session.planner.sources.data},
            self.outbox.tell,
            replay_of=request.replay_of,
            origin=Origin(request.target, request.host, request.user_name, dict(request.env), before, request.share),
        )
        selected = [name for name in facts.graph.steps if name in wanted]
        return session.execute(
            setting, facts, plan, selected, asked, self.outbox.tell, self.cancel, began, frozenset(forced)
        )

    def _before(self, request: Request) -> Before:
        """What this run had done before its agent was killed; what it was at is closed as interrupted."""
        cut = self.journal.started_not_ended(self.run_id)
        if cut:
            self.journal.append(*self._cut_off(cut), *cut)
        step_runs: dict[StepName, StepRunId] = {**request.begun, **request.before}
        finished = set(request.before)
        for one in self.journal.events_of(self.run_id):
            match one:
                case StepEnded(state="done" | "reused", item=None):
                    step_runs[one.step] = one.step_run_id
                    finished.add(one.step)
                case ItemsEnded():
                    step_runs[one.step] = one.step_run_id
                case _:
                    pass
        return Before(step_runs, frozenset(finished))

    def _cut_off(self, steps: Sequence[StepEnded]) -> list[LiveClosed]:
        """What these steps had said until then: nobody closed their live files."""
        closed = {one.path for one in self.journal.events_of(self.run_id) if isinstance(one, LiveClosed)}
        found: list[LiveClosed] = []
        _, number = self.journal.new_run(self.run_id)
        for one in steps:
            for path in sorted((self.there.store / "runs" / str(number)).glob(f"{one.step}-*.jsonl")):
                name, size = path.relative_to(self.there.store).as_posix(), path.stat().st_size
                if name not in closed:
                    found.append(LiveClosed(self.run_id, one.step_run_id, one.step, name, size, one.attempt))
        return found


def _fail(journal: Journal, run_id: RunId) -> None:
    """The run has ended for whoever follows it, whatever happened."""
    with suppress(InstepError):  # the store is what failed: home sees that the job has
        journal.append(RunEnded(run_id, "failed", time.time_ns() // 1000))


if __name__ == "__main__":
    sys.exit(main())
