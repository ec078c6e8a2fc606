"""Runs of this project that go on somewhere else, as the engine has them: sends them, follows them, ends them.

Following goes on in threads while the engine lives; an engine that is started anew takes up every run that has not
ended. Whatever comes is told to who asked for the run and to every screen.
"""

import os
import threading
import time
import traceback
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from ..engine.documents import Document
from ..engine.errors import (
    ClusterError,
    ClusterRefused,
    InstepError,
    Problem,
    ProjectError,
    StoreError,
)
from ..engine.ids import RunId, StepName
from ..engine.planner import Planner
from ..engine.project import load_project
from ..engine.replay import snapshot, verdict
from ..engine.requests import RunRequest
from ..engine.session import Session
from ..engine.snapshots.journal import Followed, Journal
from ..engine.snapshots.records import RunEnded, StepEnded, hide
from .bring import bring
from .build import ensure_environment, lock_of
from .cluster import attach, connect
from .facts import ClusterFacts
from .follow import Follower, Message, Say
from .going import Going, attempt_of, document_for
from .looking import Looking, tried
from .offload import Frozen, Place, freeze, keep_request, kept_place, kept_request, resumed, submit
from .outside import Outside
from .parity import look_here, parity
from .places import package, slug, submission_id
from .profile import Profile, profile, profiles
from .request import Request, upstream_of
from .shipping import Shipper
from .storage import storage_of
from .twin import divergence, part_of
from .verdict import verdict as judge

ATTEMPTS = 3
"""How many jobs a run may take: one whose job died, with its agent, is taken up by another."""
OTHERS_SECONDS = 90.0
"""How long who only watches a run waits for its sender to have it taken up."""
STOP_SECONDS = 4.0
"""After a cancel: how long the agent may take before its job is stopped."""


class Elsewhere:
    """Implements `engine.service.Elsewhere`. `tell` is told what every screen is to hear. Methods may be called from
    any thread."""

    def __init__(self, session: Session, tell: Say, look_again: Callable[[], None]) -> None:
        self._session, self._tell, self._look_again = session, tell, look_again
        self._going: dict[RunId, Going] = {}
        self._env: Mapping[str, str] = dict(os.environ)
        self._lock = threading.Lock()
        self._looking = Looking(session)
        self._resuming = threading.Lock()
        session.fetch = self.fetch
        session.outside = Outside(session, self._run_there)

    @property
    def busy(self) -> bool:
        return bool(self._going)

    def run(self, asked: RunRequest, notify: Say, cancel: threading.Event) -> Document:
        """Send a run and follow it to its end. Raises UsageError, ProjectError, ClusterError before it is sent."""
        began = time.monotonic()
        with self._frozen(asked) as (frozen, profile, old):
            if asked.twin:
                self._compare_twins(frozen, profile, asked, notify, cancel)
            going = self._send(frozen, profile, asked, notify)
            document = self._await(going, notify, cancel)
            document["seconds"] = round(time.monotonic() - began, 4)
            if old is not None:
                told, same = verdict(self._session, old, going.one.run_id)
                document |= {"verdict": told, "diverged": not same and document["state"] == "done"}
        return document

    def _compare_twins(
        self, frozen: Frozen, found: Profile, asked: RunRequest, notify: Say, cancel: threading.Event
    ) -> None:
        """Run a small part here and there. Raises ClusterRefused if they do not come to the same."""
        session = self._session
        part = part_of(frozen, session.journal.seconds_of(frozen.selected), asked.twin)
        names = ", ".join(name for name in part.selected if name in part.forced)
        notify({"t": "note", "text": f"twin: {names} here and on {found.name} first"})
        here, _ = session.sample(
            part.facts, part.plan, part.code, part.selected, part.forced, part.share, _quietly(notify), cancel
        )
        going = self._send(part, found, replace(asked, note="twin"), _quietly(notify))
        there = going.one.run_id
        session.journal.append(hide(there, "twin"))
        self._await(going, notify, cancel)
        differs = divergence(session, part, here, there)
        if differs:
            raise ClusterRefused(
                f"the twins differ, nothing more was sent: {differs}",
                mend=f"`instep compare {session.journal.number_of(here)} {going.number}` shows how.",
            )
        notify({"t": "note", "text": f"twin: {names} identical"})

    def _run_there(
        self, frozen: Frozen, cluster: str, asked: RunRequest, notify: Say, cancel: threading.Event
    ) -> Document:
        going = self._send(frozen, profile(self._session.planner.project, cluster), asked, notify)
        return self._await(going, notify, cancel)

    def resume(self) -> None:
        """Follow every run that has not ended and is not followed."""
        with self._resuming:  # who starts it and who asks it first would both do so
            for one in self._session.journal.followed():
                if one.state == "ended" or one.run_id in self._going:
                    continue
                request = kept_request(self._session.store, one.run_id)
                if one.state == "sending" and request is None:
                    self._never_sent(one)
                    continue
                # Its cluster may have left the configuration, or its token be known to who asks next.
                with suppress(InstepError):
                    going = self._follow(one, request)
                    if request is not None:
                        going.say(self._again(going, request))

    def _again(self, going: Going, request: Request) -> Message:
        """What a screen must know of a run that is taken up: its steps, and which of them have ended."""
        events = self._session.journal.events_of(request.run_id)
        done = {one.step for one in events if isinstance(one, StepEnded) and one.state in ("done", "reused")}
        steps = [{"name": name, "state": "fresh" if name in done else "pending"} for name in request.steps]
        return {"t": "run", "run": going.number, "steps": steps, "target": going.profile.name, "again": True}

    def _never_sent(self, one: Followed) -> None:
        """The engine was killed between giving the run its number and keeping what was to be sent."""
        journal = self._session.journal
        journal.append(RunEnded(one.run_id, "interrupted", time.time_ns() // 1000))
        journal.follow(replace(one, state="ended"))

    def learn(self, env: Mapping[str, str]) -> None:
        """The environment of who asks: an engine outlives the shell that started it, and tokens come with new ones."""
        tables = [one.token or {} for one in profiles(self._session.planner.project).values()]
        names = {table["env"] for table in tables if "env" in table}
        news = {name: env[name] for name in names if name in env and env[name] != self._env.get(name)}
        if news:
            self._env = {**self._env, **news}
            self.resume()

    def adopt(self, name: str) -> list[int]:
        """Follow the runs of this project that are on a cluster and not known here, whoever sent them; their numbers.
        Those that are known and not followed any more are followed again.

        Raises ClusterError.
        """
        self.resume()
        found = profile(self._session.planner.project, name)
        project = slug(self._session.planner.project.name)
        with connect(found, self._env) as port:
            jobs = [one for one in port.jobs() if one.metadata.get("instep") == project and one.metadata.get("run")]
        journal = self._session.journal
        known = {one.run_id for one in journal.followed()}
        numbers: list[int] = []
        # Of a run that several jobs were needed for, the last one counts.
        last = {RunId(job.metadata["run"]): job for job in sorted(jobs, key=lambda one: one.started_at or 0)}
        for run_id, job in last.items():
            if run_id in known:
                continue
            _, number = journal.new_run(run_id)
            one = Followed(run_id, name, job.submission_id, "going")
            journal.follow(one)
            self._follow(one, None)
            numbers.append(number)
        return numbers

    def answer(self, request: Message) -> Document:
        """What a screen or a command asks about a cluster: `do` is `look`, `price` (of the run asked for), `try`, or
        `fetch` (`objects` as in the method).

        Raises UsageError, ProjectError, ClusterError, MissingObject.
        """
        asked, name = RunRequest.from_json(request), str(request.get("on"))
        env = {**self._env, **asked.env}
        match request.get("do"):
            case "price":
                with self._frozen(asked) as (frozen, found, _):
                    return self._looking.price(found, frozen, env)
            case "fetch":
                self.fetch(request["objects"], lambda _: None)
                return {}
            case "try":
                return tried(load_project(self._session.root), name, request["table"], env)
            case _:
                # The configuration as it is now: a cluster that was just added has not been planned with yet.
                found = profile(load_project(self._session.root), name)
                return self._looking.look(found, env, request.get("steps", ()), anew=bool(request.get("anew")))

    def cancel(self, number: int | None = None) -> bool:
        """Ask a run (or all) to end; False if none goes on."""
        chosen = [one for one in self._going.values() if number in (None, one.number)]
        for one in chosen:
            threading.Thread(target=self._cancel, args=(one,), name="cancel", daemon=True).start()
        return bool(chosen)

    def fetch(self, names: Mapping[str, str], notify: Say) -> None:
        """Fetch objects that are on clusters: `<hash>.<format>` → the cluster's name.

        Raises MissingObject where a cluster has lost one, ClusterError where it cannot be asked now.
        """
        bring(self._session, names, self._env, notify)

    def close(self) -> None:
        for one in list(self._going.values()):
            one.stopped.set()
        for one in list(self._going.values()):
            one.done.wait(5)
        self._looking.close()

    # Sending

    @contextmanager
    def _frozen(self, asked: RunRequest) -> Generator[tuple[Frozen, Profile, Any]]:  # Any: a Snapshot or None
        session = self._session
        if asked.replay is not None:
            with snapshot(session, asked.replay, asked.env) as old:
                every = frozenset(old.selected)
                frozen = Frozen(old.facts, old.plan, old.selected, every, old.code, old.number)
                yield frozen, profile(session.planner.project, asked.on), old
            return
        facts, plan, code = session.frozen(asked)
        found = profile(session.planner.project, asked.on)
        wanted = Planner.steps_named(facts.graph, asked.steps) if asked.steps else frozenset(facts.graph.steps)
        selected = upstream_of(facts, wanted)
        broken = [one for name in selected if (one := plan.steps[name].problem) is not None]
        if broken:
            raise ProjectError(broken[0], *broken[1:])
        forced: frozenset[StepName] = frozenset(selected)
        if not asked.wishes.fresh_all:
            forced = Planner.steps_named(facts.graph, asked.wishes.forced)
        yield Frozen(facts, plan, selected, forced, code), found, None

    def _send(self, frozen: Frozen, found: Profile, asked: RunRequest, notify: Say) -> Going:
        session = self._session
        declared = {name for step in frozen.facts.graph.steps.values() for name in step.options.env}
        notify({"t": "note", "text": f"attaching {found.name} …"})
        there = attach(session.planner.project, found, declared=declared, env=self._env)
        place = self._prepared(frozen, found, there, notify)
        request = freeze(session, frozen, asked, found.name, found.storage)
        keep_request(session.store, request, place)
        one = Followed(request.run_id, found.name, submission_id(request.run_id), "sending")
        going = self._follow(one, request, notify, place=place)
        plans = [frozen.plan.steps[name] for name in frozen.selected]
        steps = [{"name": one.step, "state": one.state, "reasons": list(map(str, one.reasons))} for one in plans]
        going.say({"t": "run", "run": request.number, "steps": steps, "target": found.name})
        try:
            submit(going.port, request, place)
        except ClusterError as error:
            # What could not be submitted may have been: following finds out, and tries again if not.
            notify({"t": "note", "text": f"{error.problems[0].what}; trying again"})
        finally:
            going.submitting.release()
        return going

    def _prepared(self, frozen: Frozen, found: Profile, there: ClusterFacts, notify: Say) -> Place:
        """By what interpreter the run is done there, after what differs was judged by the profile's policy.

        Raises ClusterRefused with every reason why it cannot be done there.
        """
        here = look_here(frozen.facts)
        judged = judge(found.on_mismatch, parity(frozen.facts, here, there, frozen.selected))
        if judged.action == "refuse":
            told = [Problem(one) for one in judged.why]
            raise ClusterRefused(told[0], *told[1:])
        for one in judged.why:
            notify({"t": "note", "text": one})
        if judged.action == "go":
            return Place(there.interpreter)
        lock = lock_of(frozen.facts, here.packages, frozen.selected)
        with connect(found, self._env) as port:
            tell = partial(_note, notify)
            built = ensure_environment(port, self._session.store, there, lock, tell)
        return Place(built.lock.py_executable, built.runtime_env)

    # Following

    def _follow(self, one: Followed, request: Request | None, *listeners: Say, place: Place | None = None) -> Going:
        """`place` is given by who is about to submit it, and gives `submitting` back when that is done."""
        session = self._session
        found = profile(session.planner.project, one.cluster)
        _, number = session.journal.new_run(one.run_id)
        going = Going(one, number, found, request, connect(found, self._env))
        if place is not None:
            going.place = place
            going.submitting.acquire()
        going.listeners += [*listeners, partial(self._tell_all, going)]
        with self._lock:
            self._going[one.run_id] = going
        threading.Thread(target=self._go, args=(going,), name=f"follow-{number}", daemon=True).start()
        return going

    def _tell_all(self, going: Going, message: Message) -> None:
        if message["t"] != "taken":
            self._tell({"t": "elsewhere", "run": going.number, "target": going.profile.name, "message": message})

    def _go(self, going: Going) -> None:
        try:
            self._to_the_end(going)
        except InstepError as error:
            going.problems += [{"what": one.what, "mend": one.mend} for one in error.problems]
        except Exception as error:
            traceback.print_exc()
            what = f"instep itself failed to follow it: {type(error).__name__}: {error}"
            going.problems.append({"what": what, "mend": "`instep attach` follows it again."})
        finally:
            with self._lock:
                self._going.pop(going.one.run_id, None)
            going.port.close()
            going.done.set()
            over = {"t": "over", "doc": going.document, "problems": going.problems, "stopped": going.stopped.is_set()}
            self._tell_all(going, over | {"lost": going.end in ("gone", "died")})
            self._session.project()
            self._look_again()

    def _to_the_end(self, going: Going) -> None:
        session = self._session
        for attempt in range(attempt_of(going.one.submission), ATTEMPTS + 1):
            shipper = (
                Shipper(going.port, going.request, session.objects, going.say) if going.request is not None else None
            )
            follower = Follower(
                going.port,
                slug(session.planner.project.name),
                session.store,
                going.one,
                going.number,
                going.profile.fetch,
                going.request is not None,
                lambda message: self._heard(going, message),
                shipper.need if shipper is not None else lambda _: None,
                partial(self._send_again, going),
                going.stopped,
                storage_of(going.profile.storage),
            )
            going.end = follower.go()
            going.one = follower.one
            if shipper is not None:
                shipper.ended.set()
            if going.end == "ended":
                going.document = document_for(follower, going)
            if going.end in ("ended", "stopped"):
                return
            going.why = follower.why
            if going.end == "gone" or attempt == ATTEMPTS or going.cancels:
                break
            if going.request is None:
                if not self._taken_up_elsewhere(going, attempt + 1):
                    break
                continue
            self._take_up(going, attempt + 1)
        self._lost(going)

    def _heard(self, going: Going, message: Message) -> None:
        going.say(message)
        if message["t"] == "taken":
            self._look_again()

    def _take_up(self, going: Going, attempt: int) -> None:
        """Have another agent go on with a run whose job died; following finds out if it could not be sent."""
        assert going.request is not None
        why = f" ({going.why})" if going.why else ""
        going.say({"t": "note", "text": f"the run's agent on {going.profile.name} died{why}; another takes it up"})
        with Journal(self._session.journal.path) as journal:
            request = going.request = resumed(going.request, journal)
            name = submission_id(request.run_id, attempt)
            going.one = replace(going.one, submission=name, state="sending")
            journal.follow(going.one)

    def _send_again(self, going: Going) -> None:
        """The cluster does not know the job: it was not submitted yet, or that failed. Raises ClusterError."""
        if going.request is not None and not going.submitting.locked():
            with going.submitting:
                place = going.place or kept_place(self._session.store, going.one.run_id) or self._place(going)
                submit(going.port, going.request, place, attempt=attempt_of(going.one.submission))

    def _place(self, going: Going) -> Place:
        return Place(attach(self._session.planner.project, going.profile, env=self._env).interpreter)

    def _taken_up_elsewhere(self, going: Going, attempt: int) -> bool:
        """Whether its sender has another job go on with the run; that the last one died may be seen later there."""
        name = submission_id(going.one.run_id, attempt)
        deadline = time.monotonic() + OTHERS_SECONDS
        while time.monotonic() < deadline and not going.stopped.is_set():
            with suppress(ClusterError):
                if going.port.job(name) is not None:
                    going.one = replace(going.one, submission=name)
                    with Journal(self._session.journal.path) as journal:
                        journal.follow(going.one)
                    return True
            going.stopped.wait(1.0)
        return False

    def _lost(self, going: Going) -> None:
        """The cluster does not know the run any more, or its jobs died: what came is kept, the run is interrupted."""
        one = going.one
        with Journal(self._session.journal.path) as journal:
            now = time.time_ns() // 1000
            state = "cancelled" if going.cancels else "interrupted"
            journal.append(*journal.started_not_ended(one.run_id), RunEnded(one.run_id, state, now))
            journal.follow(replace(one, state="ended"))
        if going.cancels:
            how = (
                f"{going.profile.name} does not know it any more: its head was started anew"
                if going.end == "gone"
                else f"its job on {going.profile.name} had to be ended by force"
            )
            what = f"run {going.number} was cancelled; {how}"
            going.problems.append({"what": what, "place": None, "why": going.why, "mend": "What had finished is kept."})
            return
        what = (
            f"{going.profile.name} does not know run {going.number} any more: its head was started anew"
            if going.end == "gone"
            else f"the jobs of run {going.number} on {going.profile.name} died"
        )
        mend = "What had finished is kept. `instep run` goes on from there here, `instep run --on NAME` on a cluster."
        going.problems.append({"what": what, "place": None, "why": going.why, "mend": mend})

    def _await(self, going: Going, notify: Say, cancel: threading.Event) -> Document:
        """Until it has ended; a cancel is passed on once. Raises StoreError with what kept it from ending well."""
        while not going.done.wait(0.05):
            if cancel.is_set() and not going.cancels:
                going.cancels = 1
                notify({"t": "note", "text": f"cancelling on {going.profile.name} …"})
                threading.Thread(target=self._cancel, args=(going,), name="cancel", daemon=True).start()
        if going.document is not None:
            return going.document | {"run": going.number, "id": going.one.run_id}
        if going.problems:
            told = going.problems[0]
            why, mend = str(told.get("why") or ""), str(told.get("mend") or "")
            raise StoreError(Problem(str(told["what"]), why=why, mend=mend))
        raise StoreError(
            f"run {going.number} goes on on {going.profile.name}, and is not followed any more",
            mend="`instep attach` follows it again.",
        )

    def _cancel(self, going: Going) -> None:
        """Ask the agent, then end its job; while the cluster is out of sight, until it is not."""
        going.cancels = max(1, going.cancels)
        said = package(going.one.run_id, "say", time.time_ns() // 1_000_000)
        told = False
        while not going.done.is_set():
            try:
                going.port.put_package(said, b'{"t":"cancel"}')
                if not going.done.wait(STOP_SECONDS):
                    going.port.stop(going.one.submission)
                return
            except ClusterError as error:
                if not told:
                    what = f"{error.problems[0].what}; it is told to end run {going.number} as soon as it is in sight"
                    going.say({"t": "note", "text": what})
                    told = True
                going.done.wait(1.0)


def _quietly(notify: Say) -> Say:
    """What a part of a run says beside it: only its notes."""

    def say(message: Message) -> None:
        if message["t"] == "note":
            notify(message)

    return say


def _note(notify: Say, text: str) -> None:
    notify({"t": "note", "text": text})
