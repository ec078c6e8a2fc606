"""The clusters of a project as its configuration has them, and what was run there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from ..ids import Json
from ..params_file import write_cluster
from ..project import load_project
from .desk import Desk, Document, Request

_JOBS = """select s.run, s.step, s.state, s.target, s.node, s.seconds, epoch_us(s.ended_at) as ended,
    s.error->>'title' as error, r.replay_of from step_run s join run r on r.number = s.run
    where s.target <> 'local' and s.item is null and s.state <> 'reused' and not r.hidden
    order by s.run desc, s.seq desc limit ?"""
MOST = 200


def clusters(desk: Desk, request: Request) -> Document:
    """{} → {"config": the file's name, "clusters": [{"name", "address", "token": where it comes from in words, "",
    "on_mismatch", "storage"}], "jobs": [{"run", "step", "state", "target", "node", "seconds", "ended" (µs), "error",
    "replay_of": the run that its run repeats, or null}], the newest first, re-used steps left out}."""
    project = load_project(desk.root)
    tables = cast("Mapping[str, Mapping[str, Json]]", project.clusters)
    jobs: list[dict[str, Any]] = []  # Any: JSON
    if not desk.empty:
        with desk.reading() as found:
            jobs = found.rows(_JOBS, [MOST])
    return {"config": project.config, "clusters": [_told(name, one) for name, one in tables.items()], "jobs": jobs}


def set_cluster(desk: Desk, request: Request) -> Document:
    """{"name", "table" or null} → {"before": what the configuration had under that name, or null}."""
    project = load_project(desk.root)
    config = Path(project.root) / project.config
    return {"before": write_cluster(config, str(request["name"]), request.get("table"))}


def parity(desk: Desk, request: Request) -> Document:
    """{"number": a run that repeats another} → its parity report (docs/json.md, `parity`)."""
    # It knows tables: what is asked every second must not wait for that.
    from ..compare.read_beside import parity_report

    return parity_report(desk.root, int(request["number"]))


def _told(name: str, table: Mapping[str, Json]) -> Document:
    token = table.get("token")
    source = next(iter(token.items())) if isinstance(token, dict) and token else None
    return {
        "name": name,
        "address": table.get("address"),
        "token": f"{source[0]} {source[1]}" if source else "",
        "on_mismatch": table.get("on_mismatch", "warn"),
        "storage": table.get("storage"),
    }
