"""What of the configuration belongs to a snapshot, and the `instep.toml` that says it again."""

from collections.abc import Mapping
from typing import Any

from .ids import Json
from .project import Project


def config_of(project: Project) -> dict[str, Json]:
    """What decides which functions are steps, where imports are found, and what steps need to run."""
    found: dict[str, Json] = {
        "name": project.name,
        "steps": list(project.steps),
        "roots": list(project.roots),
        "mark": project.mark,
    }
    if project.step:
        found["step"] = dict(project.step)
    return found


def config_toml(config: Mapping[str, Any]) -> str:  # Any: JSON
    """`instep.toml` for what `config_of` gave."""
    import tomlkit

    project = {name: value for name, value in config.items() if name != "step"}
    tables = {"project": project} | ({"step": config["step"]} if "step" in config else {})
    return tomlkit.dumps(tables)
