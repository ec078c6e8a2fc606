"""Steps with `run_on`: single steps of a run here that are run on a cluster, each as a run there of that step alone.

The run there is an ordinary one, hidden in lists, whose results are known here when it has ended; what the run here is
answered is read from them. The items of a fan-out go together, whatever batches the scheduler makes of them.
"""

import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..engine.documents import Document
from ..engine.errors import InstepError
from ..engine.ids import Digest, LaunchId, RunId, StepName
from ..engine.knowledge import Recorded
from ..engine.plan import make_plan, outputs_of
from ..engine.requests import RunRequest
from ..engine.run import Run
from ..engine.scheduler.assignment import Assignment, Failure, Frame, Item, ItemOutcome, Observed, Outcome
from ..engine.scheduler.bundle import read_bundle
from ..engine.scheduler.executor import Crashed, Finished
from ..engine.scheduler.failure import cancelled
from ..engine.scheduler.live import now_us
from ..engine.session import Session
from ..engine.snapshots.artifact import ItemRef
from ..engine.snapshots.journal import Cached, Journal
from ..engine.snapshots.records import LiveClosed, StepEnded, hide
from .offload import Frozen
from .request import upstream_of

Message = dict[str, Any]  # Any: JSON
RunThere = Callable[[Frozen, str, RunRequest, Callable[[Message], None], threading.Event], Document]
"""Sends a run to the cluster named and follows it to its end."""
_Key = tuple[Path, StepName]


@dataclass(slots=True)
class _Sent:
    """One step on its way; `waiting` are the launches that its end answers."""

    cancel: threading.Event = field(default_factory=threading.Event)
    waiting: dict[LaunchId, Assignment] = field(default_factory=dict[LaunchId, Assignment])
    ended: Failure | RunId | None = None


class Outside:
    """Implements `engine.run.Outside`."""

    def __init__(self, session: Session, run_there: RunThere) -> None:
        self._session, self._run_there = session, run_there
        self._sent: dict[_Key, _Sent] = {}
        self._lock = threading.Lock()

    def launch(self, assignment: Assignment, cluster: str, run: Run) -> None:
        key = (Path(assignment.live).parent, assignment.step)
        with self._lock:
            sent = self._sent.get(key)
            first = sent is None or sent.ended is not None
            if first:
                sent = self._sent[key] = _Sent()
            assert sent is not None
            sent.waiting[assignment.launch] = assignment
        if first:
            threading.Thread(target=self._go, args=(key, sent, cluster, run), name="outside", daemon=True).start()

    def cancel(self, launch: LaunchId, *, force: bool) -> None:
        """Once is enough: the agent there is polite first, then forces, and its job is ended if it does not."""
        with self._lock:
            for sent in self._sent.values():
                if launch in sent.waiting:
                    sent.cancel.set()

    def _go(self, key: _Key, sent: _Sent, cluster: str, run: Run) -> None:
        step = key[1]
        told: RunId | Failure
        try:
            document = self._run(run, step, cluster, next(iter(sent.waiting.values())).code, sent.cancel)
            told = RunId(document["id"])
            self._session.journal.append(hide(told, f"{step} of run {run.number}"))
        except InstepError as error:
            one = error.problems[0]
            told = Failure("executor", f"{step} could not be run on {cluster}: {one.what}", one.why, one.mend)
        with self._lock:
            sent.ended = told
            waiting = list(sent.waiting.values())
            self._sent.pop(key, None)
        for assignment in waiting:
            run.emit(self._answer(assignment, told, cluster, cancelled_=sent.cancel.is_set()))

    def _run(self, run: Run, step: StepName, cluster: str, code: Digest, cancel: threading.Event) -> Document:
        session = self._session
        with Journal(session.journal.path) as journal:
            plan = make_plan(run.facts, Recorded(journal, session.store))
        files = read_bundle(session.objects, code).files
        content = {path: session.objects.read(file_hash, "src") for path, file_hash in files.items()}
        selected = upstream_of(run.facts, [step])
        frozen = Frozen(run.facts, plan, selected, frozenset(), content)
        asked = RunRequest((step,), env=run.facts.env, note=f"{step} of run {run.number}", on=cluster)
        return self._run_there(frozen, cluster, asked, lambda message: _pass_on(run, step, message), cancel)

    def _answer(
        self, assignment: Assignment, told: RunId | Failure, cluster: str, *, cancelled_: bool
    ) -> Finished | Crashed:
        failure: Failure | None = None
        if isinstance(told, Failure):
            failure = told
        else:
            with Journal(self._session.journal.path) as journal:
                ends = [one for one in journal.events_of(told) if _of(one, assignment.step)]
                self._take_live(assignment, ends)
                answer = self._outcome(assignment, journal, ends, cluster)
            if isinstance(answer, Outcome):
                return Finished(assignment.launch, answer)
            failure = answer
        if cancelled_:
            failure = cancelled()
        return Crashed(assignment.launch, failure, 0, (), now_us())

    def _outcome(self, assignment: Assignment, journal: Journal, ends: list[Any], cluster: str) -> Outcome | Failure:
        """What the journal knows under the keys of the items; why not, where it knows nothing."""
        ended = [one for one in ends if isinstance(one, StepEnded)]
        last = ended[-1] if ended else None
        why = _failure(last) if last is not None else Failure("executor", f"{assignment.step} did not run on {cluster}")
        found = journal.lookup([item.key for item in assignment.items])
        if not found and assignment.items[0].index is None:
            return why
        started = (last.started_us if last else None) or 0
        times = (started, (last.ended_us if last else None) or started)
        items = tuple(_item(item, found.get(item.key, [])[:1], times, journal, why) for item in assignment.items)
        node = f"{cluster}:{last.node[:8]}" if last and last.node else cluster
        rss = (last.rss_mb if last else None) or 0.0
        seen = [one for each in found.values() for one in each[:1]]
        return Outcome(assignment.launch, items, node, 0, rss, _observed(seen))

    def _take_live(self, assignment: Assignment, ends: list[Any]) -> None:
        """What the step said there is what it said here."""
        closed = [one for one in ends if isinstance(one, LiveClosed)]
        target = Path(assignment.live)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("ab") as whole:
            for one in closed:
                with suppress(FileNotFoundError), (self._session.store / one.path).open("rb") as part:
                    shutil.copyfileobj(part, whole)


def _of(record: Any, step: StepName) -> bool:  # Any: a record of the journal
    return isinstance(record, StepEnded | LiveClosed) and record.step == step


def _item(item: Item, known: list[Cached], times: tuple[int, int], journal: Journal, why: Failure) -> ItemOutcome:
    if not known:
        return ItemOutcome(item.index, *times, failure=why)
    body = known[0].outputs
    if item.index is not None and isinstance(body, dict):
        rows: Any = body.get("item", {})  # Any: JSON that `FanItems.to_cache` wrote
        return ItemOutcome(item.index, *times, {name: ItemRef(*row) for name, row in rows.items()})
    outputs = {name: Digest(identity) for name, identity in outputs_of(known[0]).items()}
    artifacts = journal.artifacts(outputs.values())
    return ItemOutcome(item.index, *times, {name: artifacts[identity] for name, identity in outputs.items()})


def _observed(cached: list[Cached]) -> Observed:
    files = {path for one in cached for path in one.observed.get("files", {})}
    env = {name: value for one in cached for name, value in one.observed.get("env", {}).items()}
    modules = {name for one in cached for name in one.observed.get("modules", {})}
    return Observed(tuple(sorted(modules)), tuple(sorted(files)), env)


def _failure(ended: StepEnded) -> Failure:
    error: Any = ended.error or {}  # Any: JSON that `failure_to_json` wrote
    frames = tuple(
        Frame(one["path"], one["line"], one["function"], one["source"], dict(one.get("locals") or {}))
        for one in error.get("frames", ())
    )
    return Failure(
        error.get("kind", "executor"),
        str(error.get("title", f"{ended.step} {ended.state}")),
        str(error.get("message", "")),
        str(error.get("mend", "")),
        frames,
        dict(error.get("arguments") or {}),
        str(error.get("traceback", "")),
    )


def _pass_on(run: Run, step: StepName, message: Message) -> None:
    """Progress and log lines of the step itself, and what is to be known of its way."""
    if (message["t"] in ("progress", "log") and message["step"] == step) or message["t"] == "note":
        run.tell(message)
