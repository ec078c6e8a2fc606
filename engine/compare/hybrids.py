"""Runs that are partly A and partly B: laid out in a folder, planned, and where needed run on the shared cache.

They are ordinary runs with ordinary results, which later runs find again; they are marked as hidden, and what the
steps of the project were last determined by is put back afterwards, so that `status` goes on telling of the project.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InstepError, UsageError
from ..ids import Digest, Json, RunId, StepName
from ..knowledge import Recorded
from ..plan import Facts, Plan, make_plan, needs
from ..planner import Planner, Wishes
from ..requests import RunRequest
from ..results import output_metrics
from ..snapshots.journal import Basis, Journal, Writing
from ..snapshots.records import StepEnded, hide
from .factors import Factor
from .facts import RunFacts
from .hybrid_code import hybrid_code
from .hybrid_folder import Folder
from .seeds import is_seed
from .snapshot import Snapshot

if TYPE_CHECKING:
    from ..session import Session

Notify = Callable[[dict[str, Any]], None]  # Any: a JSON message


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a hybrid is made of: the factors that are B's, and the value of every param called `seed` (None: A's or
    B's)."""

    taken: frozenset[int]
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known of a hybrid before it is run: its metric where all results are there, else the steps to run."""

    recipe: Recipe
    value: float | None = None
    to_run: tuple[str, ...] = ()
    reused: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a hybrid gave. `run` is its number, None where every result was there; `problem` says why it has no
    value."""

    recipe: Recipe
    value: float | None = None
    run: int | None = None
    problem: str = ""


@dataclass
class Bench:
    """A folder of the store in which one hybrid after another is laid out. Use as a context; not for several threads.

    `step` is the one whose `metric` is wanted: it and what it needs are all that runs. Without a metric the value is 1
    for a step that ends well.
    """

    session: "Session"
    snapshots: tuple[Snapshot, Snapshot]
    facts: tuple[RunFacts, RunFacts]
    factors: Sequence[Factor]
    step: str
    metric: str
    env: Mapping[str, str]
    _planner: Planner | None = None
    _known: Recorded | None = None
    _journal: Journal | None = None
    _folder: Folder | None = None

    def __enter__(self) -> "Bench":
        declared = {path for run in self.facts for path, one in run.files.items() if one.argument}
        self._folder = Folder(self.session.root, self.session.objects, declared)
        self._folder.make()
        self._journal = Journal(self.session.journal.path)
        self._known = Recorded(self._journal, self.session.store)
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.remove()
        if self._journal is not None:
            self._journal.close()

    def look(self, recipe: Recipe) -> Outlook:
        """Plan a hybrid; nothing is run."""
        try:
            facts, plan, selected = self._plan(recipe)
        except InstepError as error:
            return Outlook(recipe, problem=error.problems[0].what)
        except ValueError as error:
            return Outlook(recipe, problem=f"its code cannot be put together: {error}")
        to_run = tuple(name for name in selected if plan.steps[name].state != "fresh")
        if to_run:
            return Outlook(recipe, None, to_run, len(selected) - len(to_run))
        value = self._known_metric(facts, plan)
        problem = "" if value is not None else f"it has no metric `{self.metric}`"
        return Outlook(recipe, value, (), len(selected), problem)

    def run(self, recipe: Recipe, note: str, notify: Notify, cancel: threading.Event) -> Outcome:
        """Run what is not known of a hybrid, and say what its metric is."""
        outlook = self.look(recipe)
        if outlook.problem or not outlook.to_run:
            return Outcome(recipe, outlook.value, None, outlook.problem)
        facts, plan, selected = self._plan(recipe)
        assert self._planner is not None
        session, began = self.session, time.monotonic()
        request = RunRequest(steps=(self.step,), env=self.env, note=note)
        run_id, number = session.journal.new_run()
        code = {**self._planner.code, **self._planner.sources.data}
        before = session.journal.basis(selected)
        setting = session.begin(run_id, number, request, facts, code, notify)
        session.journal.append(hide(run_id, note))
        try:
            document = session.execute(setting, facts, plan, selected, request, notify, cancel, began)
        finally:
            _put_back(session.journal, run_id, before)
        value = document["metrics"].get(self.metric) if self.metric else 1.0
        if document["state"] == "done" and value is not None:
            return Outcome(recipe, float(value), number)
        if document["state"] == "done":
            return Outcome(recipe, None, number, f"it has no metric `{self.metric}`")
        return Outcome(recipe, None, number, _failure(document))

    # A folder for a recipe

    def _plan(self, recipe: Recipe) -> tuple[Facts, Plan, list[StepName]]:
        taken = [self.factors[at] for at in sorted(recipe.taken)]
        code = hybrid_code(*self.snapshots, self.facts, taken)
        assert self._folder is not None and self._known is not None, "a bench is entered before it is used"
        self._folder.lay_out(code, self._files(taken))
        planner = self._planner
        if planner is None:
            planner = self._planner = Planner(self._folder.path, self._known)
            planner.index.load(self.session.store / "index")
        facts = planner.facts(self.env, Wishes.none())
        facts = planner.facts(self.env, Wishes(self._params(facts, taken, recipe.seed)))
        if self.step not in facts.graph.steps:
            told = facts.graph.problems[0].what if facts.graph.problems else "it is not in its graph"
            raise UsageError(f"the step `{self.step}` cannot be run: {told}")
        self._known.refresh()
        selected = _with_needs(facts, StepName(self.step))
        return facts, make_plan(facts, self._known), [name for name in facts.graph.steps if name in selected]

    def _params(self, facts: Facts, taken: Sequence[Factor], seed: int | None) -> dict[str, Json]:
        """Every param of the hybrid's graph: B's where a factor says so or only B has it, else A's."""
        a, b = (run.params for run in self.facts)
        from_b = {subject for one in taken if one.kind == "param" for subject in one.subjects}
        found: dict[str, Json] = {}
        for step, values in facts.params.items():
            for name in values:
                full = f"{step}.{name}"
                if seed is not None and is_seed(full):
                    found[full] = seed
                elif full in b and (full in from_b or full not in a):
                    found[full] = b[full]
                elif full in a:
                    found[full] = a[full]
        return found

    def _files(self, taken: Sequence[Factor]) -> dict[str, Digest]:
        """Input files by content: B's where a factor says so or only B knows it, else A's."""
        a, b = (run.files for run in self.facts)
        swapped = {subject for one in self.factors if one.kind == "file" for subject in one.subjects}
        from_b = {subject for one in taken if one.kind == "file" for subject in one.subjects}
        found: dict[str, Digest] = {}
        for path in dict.fromkeys((*a, *b)):
            side = (b if path in from_b else a) if path in swapped else (a if path in a else b)
            if path in side:
                found[path] = side[path].content_hash
        return found

    def _known_metric(self, facts: Facts, plan: Plan) -> float | None:
        """The metric of results that are all there, as `Results.metrics` would name it."""
        assert self._known is not None
        one = plan.steps[StepName(self.step)]
        if one.hit is None or not self.metric:
            return None if one.hit is None else 1.0
        found: dict[str, float] = {}
        for cached in self._known.lookup(one.hit.key):
            if cached.step_run_id == one.hit.step_run_id and isinstance(cached.outputs, dict):
                logged = cached.outputs.get("metrics")
                for name, value in logged.items() if isinstance(logged, dict) else ():
                    found[f"{self.step}.{name}"] = float(str(value))
        stored = self._known.artifacts(one.hit.outputs.values())
        for output, identity in one.hit.outputs.items():
            for name, value in output_metrics(stored[identity]).items() if identity in stored else ():
                found[f"{output or self.step}.{name}"] = value
        return found.get(self.metric)


def _failure(document: Mapping[str, Any]) -> str:  # Any: a `run` document
    for one in document["steps"]:
        error: Mapping[str, Any] = one["error"] or {}  # Any: JSON
        if one["state"] == "failed":
            return f"{one['name']} failed: {error.get('title', '')}"
    return f"it was {document['state']}"


def _put_back(journal: Journal, run_id: RunId, before: Mapping[StepName, Basis]) -> None:
    """What the steps were last determined by, as it was; not where somebody else has said something newer."""
    ours = {(one.step, one.step_key) for one in journal.events_of(run_id) if isinstance(one, StepEnded)}
    now = journal.basis(before)
    changed = [one for step, one in before.items() if step in now and (step, now[step].step_key) in ours]
    journal.write(Writing(basis=changed))


def _with_needs(facts: Facts, step: StepName) -> set[StepName]:
    found: set[StepName] = set()
    todo: list[StepName] = [step]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += needs(facts.graph.steps[name])
    return found


def seed_params(runs: Iterable[RunFacts]) -> list[str]:
    """The params that a seed would be given to."""
    return sorted({name for run in runs for name in run.params if is_seed(name)})
