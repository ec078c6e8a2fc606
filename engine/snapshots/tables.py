"""The catalog's tables and the views that users query, as data.

No primary keys and no indexes: they cost more at insert than they save. Each table is a pure function of the journal's
events (see `rows.py`), so that replaying the journal gives the same catalog, however the events were batched.
"""

from collections.abc import Mapping
from typing import Literal, get_args

VERSION = 3
"""Of this layout. A catalog with another one is made anew from the journal; one with a larger one is left alone."""

ColumnType = Literal["BIGINT", "INTEGER", "DOUBLE", "BOOLEAN", "VARCHAR", "JSON", "TIMESTAMP"]
Columns = Mapping[str, ColumnType]
_TYPES: Mapping[str, ColumnType] = {name: name for name in get_args(ColumnType)}


def _columns(text: str) -> Columns:
    """`a, b BIGINT` → types by name; a column without a type is VARCHAR."""
    found: dict[str, ColumnType] = {}
    for part in text.split(","):
        name, _, kind = part.strip().partition(" ")
        found[name] = _TYPES[kind or "VARCHAR"]
    return found


TABLES: Mapping[str, Columns] = {
    "run": _columns(
        "seq BIGINT, run_id, number BIGINT, name, state, params JSON, git_commit, dirty BOOLEAN, diff, code_hash, env_hash,"
        "host, user_name, target, started_at TIMESTAMP, ended_at TIMESTAMP, note, verdict, requested JSON,"
        "replay_of BIGINT, baseline_seq BIGINT, hidden BOOLEAN"
    ),
    "step_run": _columns(
        "seq BIGINT, step_run_id, run_id, step, item BIGINT, attempt INTEGER, state, step_key, fingerprint, params_hash,"
        "reused_from, target, node, started_at TIMESTAMP, ended_at TIMESTAMP, seconds DOUBLE, rss_mb DOUBLE,"
        "reasons JSON, error JSON, groups JSON"
    ),
    "input": _columns("run_id, step_run_id, name, content_hash"),
    "output": _columns("run_id, step_run_id, name, content_hash"),
    "input_file": _columns("run_id, step_run_id, path, argument, bytes BIGINT, mtime_ns BIGINT, content_hash"),
    "code": _columns("code_hash, path, file_hash"),
    "definition": _columns("fingerprint, step, qualname, kind, digest, path, first_line INTEGER, source"),
    "environment": _columns("env_hash, python, packages JSON, hardware JSON"),
    "artifact": _columns(
        "content_hash, kind, format, carrier, n_rows BIGINT, bytes BIGINT, schema JSON, summary JSON, preview, inline, parts JSON"
    ),
    "artifact_column": _columns("content_hash, ord INTEGER, name, dtype, column_hash, nulls BIGINT, summary JSON"),
    "artifact_metric": _columns("content_hash, ord INTEGER, name, value DOUBLE"),
    "metric": _columns("run_id, step_run_id, name, idx BIGINT, value DOUBLE, ts TIMESTAMP"),
    "metric_last": _columns("seq BIGINT, run_id, step_run_id, name, value DOUBLE, ts TIMESTAMP, points BIGINT"),
    "log_line": _columns("run_id, step_run_id, seq BIGINT, ts TIMESTAMP, stream, level, text"),
    "attachment": _columns("run_id, step_run_id, name, kind, content_hash, ts TIMESTAMP"),
    "gap": _columns("seq BIGINT, run_id, step_run_id, path, reason"),
}

ONCE: Mapping[str, str] = {
    "code": "code_hash",
    "definition": "fingerprint",
    "environment": "env_hash",
    "artifact": "content_hash",
    "artifact_column": "content_hash",
    "artifact_metric": "content_hash",
}
"""Tables whose rows are facts about a digest: what is there under a digest is never added again."""

NEWEST: Mapping[str, str] = {"run": "run_id", "step_run": "step_run_id"}
"""Tables with one row per id, made of all that was said of it; later events win, column by column."""


def ddl(database: str) -> str:
    """Statements that make every table in `database`, where it is not there."""
    made = [
        f"create table if not exists {database}.{table}({', '.join(f'{name} {kind}' for name, kind in columns.items())})"
        for table, columns in TABLES.items()
    ]
    return ";".join(
        [*made, f"create table if not exists {database}.applied(journal_id VARCHAR, seq BIGINT, version INTEGER)"]
    )


_RUN_COLUMNS = (
    "number, run_id, name, state, target, started_at, ended_at, date_part('epoch', ended_at - started_at) as seconds"
)

VIEWS: Mapping[str, str] = {
    "run": f"""select {_RUN_COLUMNS}, params, note, verdict, requested, replay_of, git_commit, dirty, diff, code_hash, env_hash,
        host, user_name, baseline_seq is not distinct from (select max(baseline_seq) from catalog.run where baseline_seq > 0)
        and baseline_seq > 0 as baseline, coalesce(hidden, starts_with(name, 'hidden/'), false) as hidden, seq from catalog.run where number is not null
        order by number""",  # rows lie as they were last written: a note on a run would move it to the end
    "step_run": """select r.number as run, s.* from catalog.step_run s
        join (select run_id, number from catalog.run) r using (run_id)""",
    "run_metric": """
        select r.number as run, s.step, s.step || '.' || m.name as name, arg_max(m.value, m.seq) as value
        from catalog.step_run s join (select run_id, number from catalog.run) r using (run_id)
        join catalog.metric_last m on m.step_run_id = coalesce(s.reused_from, s.step_run_id)
        where s.item is null and s.state in ('done', 'reused') group by r.number, s.step, m.name
        union all
        select r.number, s.step, o.name || '.' || a.name, a.value
        from catalog.step_run s join (select run_id, number from catalog.run) r using (run_id)
        join catalog.output o on o.run_id = s.run_id and o.step_run_id = s.step_run_id
        join catalog.artifact_metric a using (content_hash)
        where s.item is null and s.state in ('done', 'reused')""",
} | {name: f"from catalog.{name}" for name in TABLES if name not in NEWEST}
"""What `instep sql` sees, in order; `catalog` is the attached file."""
