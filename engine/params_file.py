"""Writes a param into `instep.toml` as a person would: in its table, with everything else left as it is."""

import json
import os
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
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(config.read_text(encoding="utf-8") if config.exists() else "")
        table: Any = document  # Any: tomlkit's tables have no common type
        inside = ["tool", "instep"] if config.name == "pyproject.toml" else []
        for key in (*inside, "params", step):
            if key not in table:
                if value is None:
                    return None
                table[key] = tomlkit.table(is_super_table=key != step)
            table = table[key]
        before: Json = table.unwrap().get(name)
        if value is None:
            table.remove(name)
        else:
            table[name] = value
        new = config.with_name(f"{config.name}.{os.getpid()}.tmp")
        new.write_text(tomlkit.dumps(document), encoding="utf-8")
        if config.exists():
            new.chmod(config.stat().st_mode)
        new.replace(config)
    except (OSError, TOMLKitError, AttributeError, TypeError, ValueError) as error:
        raise ProjectError(
            f"cannot write {step}.{name} into {config.name} ({error})", mend=f"Edit {config.name} by hand."
        ) from None
    return before
