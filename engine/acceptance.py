"""`instep accept STEP`: this edit changes nothing, so the results there are count for the new code too."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from .errors import UsageError
from .knowledge import Recorded
from .planner import Planner, Wishes
from .project import STORE
from .snapshots.journal import Journal, Writing


def accept(root: Path, names: Iterable[str], env: Mapping[str, str]) -> list[str]:
    """Keep the last results of these stale steps; returns those that were stale. Raises UsageError for a step that is
    not there, has no result to keep, or cannot be judged yet because something upstream of it is stale."""
    accepted: list[str] = []
    with Journal(root / STORE / "journal.sqlite") as journal:
        known = Recorded(journal, root / STORE)
        planner = Planner(root, known)
        for name in names:
            facts, plan = planner.plan(env, Wishes.none())
            (step,) = planner.steps_named(facts.graph, [name])
            now = plan.steps[step]
            if now.state == "fresh":
                continue
            if now.state == "pending":
                raise UsageError(
                    f"`{step}` waits for something upstream that is stale", mend="Accept or run that step first."
                )
            basis = known.basis(step)
            before = known.lookup(basis.step_key) if basis is not None and basis.state == "done" else []
            if now.key is None or now.determinants is None or basis is None or not before:
                raise UsageError(f"`{step}` has no result that could be kept", mend=f"Run it: `instep run {step}`.")
            journal.write(
                Writing(
                    cache=[replace(one, step_key=now.key) for one in before],
                    basis=[replace(basis, step_key=now.key, body=now.determinants.to_json())],
                )
            )
            journal.accept(step, now.key)
            accepted.append(step)
    return accepted
