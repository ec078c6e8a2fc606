"""Writes params and clusters into `instep.toml` as a person would: in their tables, all else left as it is."""

import json
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import ProjectError, UsageError
from .ids import Json


def parse_value(text: str) -> Json:
    """What a person typed for a param: JSON where it is, else the text itself. Raises UsageError for nothing."""
    stripped = text.strip()
    if not stripped:
        raise UsageError("a param needs a value", mend='Type a number, true, false, a list, or "text".')
    try:
        return json.loads(stripped)
    except ValueError:
        return {"True": True, "False": False}.get(stripped, stripped)


def write_param(config: Path, step: str, name: str, value: Json) -> Json:
    """Set `[params.STEP] NAME`, comments kept; None removes it, so that the default counts again.

    Returns what was there before (None: nothing). Works on `[tool.instep]` of a `pyproject.toml` too. Raises
    ProjectError where the file cannot be read or written, or has something else in that place.
    """
    with _edited(config, f"{step}.{name}") as tables:
        if value is None:
            table: Any = tables.get("params", {}).get(step, {})  # Any: tomlkit's tables have no common type
            return table.pop(name).unwrap() if name in table else None
        table = _table(_table(tables, "params", above=True), step)
        before: Json = table.unwrap().get(name)
        table[name] = value
        return before


def write_cluster(config: Path, name: str, cluster: Mapping[str, Json] | None) -> dict[str, Json] | None:
    """Set `[clusters.NAME]`; None removes it. Returns what was there before, or None; raises as `write_param` does."""
    import tomlkit

    with _edited(config, f"[clusters.{name}]") as tables:
        if cluster is None:
            clusters: Any = tables.get("clusters", {})  # Any: tomlkit's tables have no common type
            return clusters.pop(name).unwrap() if name in clusters else None
        clusters = _table(tables, "clusters", above=True)
        before: dict[str, Json] | None = clusters[name].unwrap() if name in clusters else None
        table = tomlkit.table()
        for key, value in cluster.items():
            if isinstance(value, dict):  # on one line, as a person writes it
                line: Any = tomlkit.inline_table()
                line.update(value)
                table[key] = line
            else:
                table[key] = value
        clusters[name] = table
        return before


@contextmanager
def _edited(config: Path, what: str) -> Generator[Any]:  # Any: tomlkit's tables have no common type
    """The configuration's tables, written back after the block as far as they were changed."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        text = config.read_text(encoding="utf-8") if config.exists() else ""
        document = tomlkit.parse(text)
        tables: Any = document
        for key in ("tool", "instep") if config.name == "pyproject.toml" else ():
            tables = _table(tables, key, above=key == "tool")
        yield tables
        told = tomlkit.dumps(document)
        if told != text:
            _replace(config, told)
    except (OSError, TOMLKitError, AttributeError, TypeError, ValueError) as error:
        raise ProjectError(
            f"cannot write {what} into {config.name} ({error})", mend=f"Edit {config.name} by hand."
        ) from None


def _table(inside: Any, name: str, *, above: bool = False) -> Any:  # Any: tomlkit's tables have no common type
    """The table called `name`, made where it is not there; `above` says that it has only tables in it."""
    import tomlkit

    if name not in inside:
        inside[name] = tomlkit.table(is_super_table=above)
    return inside[name]


def _replace(config: Path, text: str) -> None:
    new = config.with_name(f"{config.name}.{os.getpid()}.tmp")
    new.write_text(text, encoding="utf-8")
    if config.exists():
        new.chmod(config.stat().st_mode)
    new.replace(config)
