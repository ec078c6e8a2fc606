"""`verify`, `gc`, `accept`: looking after what is kept."""

import argparse
import os
import re
from typing import Any

from ...engine.errors import UsageError
from ...engine.project import STORE
from ..text import clean, colourful, paint, plural, size
from .context import DONE, FAILED, put_json, root_of

_DAYS = {"m": 1 / 1440, "h": 1 / 24, "d": 1.0, "w": 7.0}


def verify(arguments: argparse.Namespace) -> int:
    """Check that the store is sound; 1 if something could not be mended."""
    from ...engine.snapshots.verify import verify as check

    document: dict[str, Any] = check(root_of(arguments) / STORE).to_json()
    if arguments.json:
        put_json(document)
        return DONE if document["sound"] else FAILED
    on = colourful()
    for one in document["problems"]:
        mark = paint("✓", "done", on=on) if one["mended"] else paint("✗", "failed", on=on)
        end = "mended" if one["mended"] else "not mended"
        print(f"{mark} {one['kind'].replace('_', ' ')}: {clean(str(one['subject']))} ({end})")
    if document["sound"]:
        told = "sound" if not document["problems"] else "sound again; what needed the damaged objects is stale"
        print(f"the store is {told}")
        return DONE
    print("the store is not sound")
    return FAILED


def gc(arguments: argparse.Namespace) -> int:
    """Free what nothing refers to."""
    from ...engine.snapshots.retention import gc as free

    age = None if arguments.older_than is None else _seconds(arguments.older_than)
    document: dict[str, Any] = free(root_of(arguments) / STORE, age, dry_run=arguments.dry_run)
    if arguments.json:
        put_json(document)
        return DONE
    verb = "would free" if arguments.dry_run else "freed"
    results = plural(document["results"], "result")
    print(f"{verb} {plural(document['objects'], 'object')}, {size(document['bytes'])}, and {results}")
    return DONE


def accept(arguments: argparse.Namespace) -> int:
    """Keep the results of steps whose edit changes nothing."""
    from ...engine.acceptance import accept as keep

    kept = keep(root_of(arguments), arguments.steps, dict(os.environ))
    print(f"kept the results of {', '.join(kept)}" if kept else "these steps are fresh already")
    return DONE


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([mhdw])", text.strip())
    if match is None:
        raise UsageError(f"--older-than: `{text}` is no age", mend="Write it as 30d, 12h, 90m or 4w.")
    return float(match[1]) * _DAYS[match[2]] * 86_400
