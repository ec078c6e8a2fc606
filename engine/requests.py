"""What is asked of an engine, as a value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import ProjectError
from .graph import Graph
from .ids import StepName
from .planner import Planner, Wishes


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a person asked for, with the environment they asked in. `on` names a cluster; "" is here. `twin` is the
    share of it that is run here and there first, to see whether both come to the same."""

    steps: tuple[str, ...] = ()
    wishes: Wishes = field(default_factory=Wishes.none)
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    note: str = ""
    replay: int | None = None
    detach: bool = False
    brief: bool = False
    auto_only: bool = False
    on: str = ""
    twin: float = 0.0

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "RunRequest":  # Any: a request as `ide` sends it
        wishes = Wishes(
            dict(data.get("set", {})),
            str(data.get("variant", "")),
            frozenset(map(StepName, data.get("fresh", ()))),
            bool(data.get("fresh_all")),
        )
        return cls(
            tuple(data.get("steps", ())),
            wishes,
            dict(data.get("env", {})),
            str(data.get("note", "")),
            data.get("replay"),
            bool(data.get("detach")),
            bool(data.get("brief")),
            on=str(data.get("on") or ""),
            twin=float(data.get("twin") or 0.0),
        )


def require_steps(graph: Graph, planner: Planner) -> None:
    if graph.steps:
        return
    if graph.problems:
        raise ProjectError(graph.problems[0], *graph.problems[1:])
    globs = ", ".join(f"`{one}`" for one in planner.project.steps)
    raise ProjectError(
        f"no steps in {planner.project.root.name}: no function is marked with @step in {globs}",
        mend="Put `@step` above a function (`from instep import step`), or run `instep init` for a first one.",
    )
