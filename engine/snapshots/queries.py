"""Questions to the catalog: ours, and what a person types, which can read what was recorded and nothing else.

A question opens the catalog's file for as long as it takes, after copying what the journal has beyond it. Where that
cannot be done (somebody else holds the file, the disk is full), what is there is told, and `Reader.lag` says how far
behind it is.
"""

import json
import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MissingObject, Problem, StoreError, UsageError
from ..ids import Digest
from .duck import FILE, Damaged, FileHeld, attached, busy, is_damage, named, quoted, warm
from .gate import reading
from .objects import ObjectStore
from .projector import project
from .tables import VERSION, VIEWS
from .upkeep import Upkeep

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, Error

Rows = list[tuple[Any, ...]]  # Any: DuckDB's own types as Python values
_RUN = re.compile(r"\b(?:run_(\d{1,9})|latest)\s*\.", re.IGNORECASE)
_UNKNOWN = re.compile(r'Table with name "?(run_\d+|latest)\.')
_EXPLAIN = re.compile(r"\s*explain\s+(?:analyze\s+)?(?:\([^)]*\)\s*)?", re.IGNORECASE)
_READS = re.compile(r"\s*(?:from|select|with|pivot|unpivot|\()", re.IGNORECASE)
_TABLES = """select o.name, any_value(o.content_hash) from step_run s join output o using (run_id, step_run_id)
    join artifact a using (content_hash) where s.run = ? and s.item is null and a.kind = 'table' group by o.name"""


@dataclass(frozen=True, slots=True)
class Lag:
    """`behind` events are not in the catalog, because process `held_by` has its file (None: unknown) or because of
    what `why` says."""

    behind: int = 0
    held_by: int | None = None
    why: str = ""


@dataclass(slots=True)
class Reader:
    """The catalog and its views, while it is open. Not for several threads at once."""

    db: "DuckDBPyConnection"
    store: Path
    lag: Lag
    _locked: bool = False
    _tables: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def rows(self, query: str, values: Sequence[object] = ()) -> list[dict[str, Any]]:  # Any: values of DuckDB
        """Our own question."""
        cursor = self.db.execute(query, list(values))
        names = [one[0] for one in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def ask(self, query: str, limit: int | None = None) -> tuple[list[str], Rows]:
        """What a person typed: column names and at most `limit` rows of one reading statement. Raises UsageError."""
        import duckdb

        single_read(query)
        for found in _RUN.finditer(query):
            self._make_tables(found[1])
        self._lock_down()
        try:
            cursor = self.db.execute(query)
            names = [one[0] for one in cursor.description or ()]
            rows = cursor.fetchall() if limit is None else cursor.fetchmany(limit)
            self.db.execute("select 1").fetchall()  # an open result would keep the file locked
        except duckdb.Error as error:
            if is_damage(error):
                raise
            raise self._refused(error) from None
        return names, rows

    @property
    def marked(self) -> bool:
        """Whether a question left something behind that the next one should not find."""
        return self._locked or bool(self._tables)

    def _lock_down(self) -> None:
        """From now on this connection reads the objects and what is attached, nothing else."""
        if not self._locked:
            folder = self.store / "objects"
            allowed = ", ".join(quoted(f"{one}/") for one in (folder, _literal(folder)))
            self.db.execute(f"set allowed_directories=[{allowed}]")
            self.db.execute("set enable_external_access=false")
            self.db.execute("set lock_configuration=true")
            self._locked = True

    def _make_tables(self, number: str | None) -> None:
        """A view for every table that run `number` (None: the newest) put out, in the schema `run_42` or `latest`."""
        schema = f"run_{number}" if number else "latest"
        if schema in self._tables:
            return
        newest = "select max(number) from run"
        run = int(number) if number else self.db.execute(newest).fetchall()[0][0]
        made = self._tables[schema] = []
        for name, content in self.db.execute(_TABLES, [run]).fetchall():
            with suppress(MissingObject, ValueError, KeyError):
                self.db.execute(f"create schema if not exists {named(schema)}")
                self.db.execute(f"create view {named(schema)}.{named(name)} as {table_source(self.store, content)}")
                made.append(name)

    def _refused(self, error: "Error") -> UsageError:
        found = _UNKNOWN.search(str(error))
        if found is None:
            return refused(error)
        known = ", ".join(f"`{found[1]}.{one}`" for one in self._tables.get(found[1], ()))
        return UsageError(
            str(error).splitlines()[0].removeprefix("Catalog Error: ").partition(" because ")[0],
            mend=f"There are: {known}." if known else "That run has no table in the store; `instep show` tells.",
        )


@contextmanager
def reader(store: Path) -> Generator[Reader]:
    """The catalog, open for the block. Raises StoreBusy while somebody else writes it, StoreError if it is damaged."""
    with warm(store, "reader") as kept:
        lag = _catch_up(kept.db, store)
        try:
            with reading(store), attached(kept.db, store):
                for name, body in VIEWS.items() if kept.fresh else ():
                    kept.db.execute(f"create temp view {named(name)} as {body}")
                found = Reader(kept.db, store, lag)
                yield found
                kept.spent = found.marked
        except FileHeld as error:
            raise busy(store, error) from None


def sql(store: Path, query: str, limit: int | None = None) -> tuple[list[str], Rows]:
    """Column names and rows (at most `limit`) of one reading statement over everything that was recorded.

    `run_42.features` (or `latest.features`) is the output `features` of that run, where it is a table. Raises
    UsageError for a mistake in the query or one that writes, StoreError where the catalog cannot be read.
    """
    if not (store / "journal.sqlite").is_file():
        raise UsageError("nothing is recorded yet", mend="Run `instep run`.")
    single_read(query)
    with reader(store) as found:
        return found.ask(query, limit)


def table_source(store: Path, content: str) -> str:
    """The query that reads a table from its parts, in the order of its manifest: equal parts are stored once and named
    as often as they occur. Raises MissingObject."""
    return f"from {parts_source(store, parts_of(store, content))}"


def parts_of(store: Path, content: str) -> list[str]:
    """The content hashes of a table's parts, in order. Raises MissingObject unless all of them are there."""
    objects = ObjectStore(store)
    parts: list[str] = json.loads(objects.read(Digest(content), "table"))["parts"]
    for part in set(parts):
        if not objects.has(Digest(part), "parquet"):
            raise MissingObject(f"a part of the table {content[:12]}… is not in the store")
    return parts


def parts_source(store: Path, parts: Sequence[str], options: str = "") -> str:
    """The table function that reads these parts, in order."""
    objects = ObjectStore(store)
    paths = ", ".join(quoted(_literal(objects.path(Digest(part), "parquet"))) for part in parts)
    return f"read_parquet([{paths}], hive_partitioning=false{options})"


def single_read(query: str) -> None:
    """Raises UsageError unless `query` is one statement that reads."""
    import duckdb

    try:
        statements = duckdb.extract_statements(query)
    except duckdb.Error as error:
        raise refused(error) from None
    if len(statements) != 1:
        raise UsageError("give one SQL statement", mend='For example: instep sql "from run"')
    kind = statements[0].type.name
    if kind == "EXPLAIN":
        inner = _EXPLAIN.match(query)
        single_read(query[inner.end() :] if inner else "")
    elif kind != "SELECT" and not (kind == "MULTI" and _READS.match(query)):
        raise UsageError(
            f"{kind} is not allowed here: what was recorded is only read",
            mend="Use SELECT, FROM, WITH, PIVOT, DESCRIBE or SUMMARIZE; `instep out` writes an output to a file.",
        )


def refused(error: "Error") -> UsageError:
    """DuckDB's message in a line, with its hint and the place that it points to."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    what = lines[0] if lines else "the query failed"
    if "disabled by configuration" in what or "disabled through configuration" in what:
        return UsageError("a query reads what was recorded and nothing else", mend="Load other files in a step.")
    hint = next((line.strip() for line in lines[1:] if line.startswith(("Candidate", "Did you mean"))), "")
    return UsageError(Problem(what[:400], mend=hint[:400] or '`instep sql "show tables"` lists what there is.'))


_TOKEN = re.compile(
    r"""(?P<skip>'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/)|"(?P<quoted>(?:[^"]|"")*)"|(?P<dotted>[^\W\d]\w*(?:\.[^\W\d]\w*)+)""",
    re.DOTALL,
)


def condition(text: str, metrics: Iterable[str], params: Mapping[str, object]) -> str:
    """An SQL condition over runs in which `score.rmse` is a metric's value and `model.rate` a param's."""
    known = set(metrics)

    def replaced(found: re.Match[str]) -> str:
        name = found["dotted"] or (found["quoted"] or "").replace('""', '"')
        if not name or found["skip"]:
            return found[0]
        if name in known:
            return f"metrics[{quoted(name)}]"
        return _param(name, params[name]) if name in params else found[0]

    return _TOKEN.sub(replaced, text)


def _param(name: str, value: object) -> str:
    path = ".".join(json.dumps(part, ensure_ascii=False) for part in name.split(".", 1))
    text = f"(params->>{quoted('$.' + path)})"
    if isinstance(value, bool):
        return f"try_cast({text} as boolean)"
    return f"try_cast({text} as double)" if isinstance(value, int | float) else text


def _literal(path: Path) -> str:
    """A path as a pattern that matches nothing but itself."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def _catch_up(db: "DuckDBPyConnection", store: Path) -> Lag:
    """Bring the catalog up to date where it is not; say what is missing where that cannot be."""
    with Upkeep(store / "journal.sqlite") as journal:
        journal_id, last = journal.journal_id, journal.last_seq()
    state = _state(db, store)
    if state == (journal_id, last, VERSION):
        return Lag()
    try:
        done = project(store)
    except Damaged:
        raise
    except StoreError as error:
        if state is None or state[0] != journal_id or state[2] != VERSION:
            raise
        return Lag(last - state[1], None, error.problems[0].what)
    return Lag(done.behind, done.held_by)


def _state(db: "DuckDBPyConnection", store: Path) -> tuple[str, int, int] | None:
    """(journal id, mark, version) of the catalog, None where it has none or cannot be read now."""
    import duckdb

    if not (store / FILE).exists():
        return None
    try:
        with reading(store), attached(db, store):
            return db.execute("select journal_id, seq, version from catalog.applied").fetchall()[0]
    except (FileHeld, StoreError, duckdb.Error, IndexError):
        return None
