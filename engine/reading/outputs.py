"""Every output of every step, version by version, and what those are that are not tables."""

import json
from pprint import pformat
from typing import Final

from ..errors import MissingObject
from ..ids import Digest
from ..snapshots import canonical_json
from ..snapshots.artifact import Artifact
from ..snapshots.objects import ObjectStore
from ..snapshots.upkeep import Upkeep
from .desk import Desk, Document, Request

_VERSIONS = """with made as (
        select s.step, o.name, o.content_hash, min(s.seq) as first, max(s.run) filter (not r.hidden) as run
        from step_run s join output o using (run_id, step_run_id) join run r on r.number = s.run
        where s.item is null and s.state in ('done', 'reused') group by all),
    numbered as (select *, row_number() over (partition by step, name order by first) as version from made)
    select n.*, a.kind, a.format, a.carrier, a.n_rows, a.bytes, a.inline is not null as inline, c.columns
    from numbered n join artifact a using (content_hash)
    left join (select content_hash, count(*) as columns from artifact_column group by all) c using (content_hash)
    where n.run is not null order by n.version desc"""
_ORDER = "select params from run where not hidden order by number desc limit 1"
TEXT: Final = 20_000
"""Characters of a value that are shown; the rest is for `instep out`."""


def outputs(desk: Desk, request: Request) -> Document:
    """{} → {"outputs": [{"step", "name", "versions": [VERSION, …]}]}, steps in the order of the graph, versions newest
    first. VERSION is {"version": 1 for the oldest, "content", "run": the newest that has it, "kind", "format",
    "carrier", "rows", "columns", "bytes", "here": whether its bytes are still in the store}."""
    if desk.empty:
        return {"outputs": []}
    with desk.reading() as found:
        rows = found.rows(_VERSIONS)
        newest = found.rows(_ORDER)
    steps = list(json.loads(newest[0]["params"] or "{}")) if newest else []
    objects = ObjectStore(desk.store)
    told: dict[tuple[str, str], list[Document]] = {}
    for row in rows:
        told.setdefault((row["step"], row["name"]), []).append(
            {
                "version": row["version"],
                "content": row["content_hash"],
                "run": row["run"],
                "kind": row["kind"],
                "format": row["format"],
                "carrier": row["carrier"],
                "rows": row["n_rows"],
                "columns": row["columns"],
                "bytes": row["bytes"],
                "here": row["inline"] or objects.has(Digest(row["content_hash"]), row["format"]),
            }
        )
    place = {step: at for at, step in enumerate(steps)}
    order = sorted(told, key=lambda one: (place.get(one[0], len(place)), one))
    return {"outputs": [{"step": step, "name": name, "versions": told[step, name]} for step, name in order]}


def value(desk: Desk, request: Request) -> Document:
    """{"content"} → {"kind", "carrier", "format", "rows", "bytes", "schema", "summary", "preview", "text"}: `text` is
    plain data in full up to a limit, null for everything else. Nothing is unpickled. Raises MissingObject."""
    found = artifact_of(desk, str(request["content"]))
    return {
        "content": found.content_hash,
        "kind": found.kind,
        "carrier": found.carrier,
        "format": found.format,
        "rows": found.rows,
        "bytes": found.bytes,
        "schema": found.schema,
        "summary": found.summary,
        "preview": found.preview,
        "text": _text(found, ObjectStore(desk.store)) if found.format == "json" else None,
    }


def artifact_of(desk: Desk, content: str) -> Artifact:
    """What the store knows of a value. Raises MissingObject."""
    if not desk.empty:
        with Upkeep(desk.store / "journal.sqlite") as journal:
            found = journal.artifact_of(Digest(content))
        if found is not None:
            return found
    raise MissingObject(f"nothing is known of the value {content[:12]}…", mend="Run `instep verify`.")


def _text(found: Artifact, objects: ObjectStore) -> str | None:
    """Plain data for people, where it is short enough to be read through."""
    if found.inline is None and found.bytes > 50 * TEXT:
        return None
    text = found.inline if found.inline is not None else objects.read(found.content_hash, "json").decode()
    try:
        data = canonical_json.loads(text)
    except ValueError:
        raise MissingObject("this value is damaged", mend="Run `instep verify`.") from None
    shown = data if isinstance(data, str) else pformat(data, width=100, sort_dicts=False)
    return shown if len(shown) <= TEXT else shown[: TEXT - 1] + "…"
