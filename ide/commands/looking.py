"""`runs`, `show`, `why`, `log`: what was recorded, for people and for programs."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# The documents of docs/json.md are read as JSON.

import argparse
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from time import sleep
from typing import Any

from ...engine.errors import UsageError
from ...engine.project import STORE
from ...engine.snapshots.catalog import Catalog
from ..text import MARKS, clean, colourful, number, oneline, pad, paint, plural, screen_width, seconds, size, table
from .context import DONE, FAILED, put_json, root_of
from .printing import print_frames, print_values

Document = Mapping[str, Any]  # Any: JSON as docs/json.md describes it
_METRICS = 5
_FOLLOW = 0.2
_GROUPS = 30


def catalog_of(arguments: argparse.Namespace) -> Catalog:
    return Catalog(root_of(arguments) / STORE)


def named_run(catalog: Catalog, text: str) -> tuple[int, str]:
    """`42/model` → (42, "model"); `latest` is the newest. Raises UsageError."""
    run, _, rest = text.partition("/")
    return catalog.number(run), rest


def _say_lag(catalog: Catalog) -> None:
    """Old news is told as such."""
    lag = catalog.lag
    if lag.behind:
        who = f", held by process {lag.held_by}" if lag.held_by else f": {clean(lag.why)}" if lag.why else ""
        print(f"the catalog is {plural(lag.behind, 'event')} behind{who}", file=sys.stderr)


def runs(arguments: argparse.Namespace) -> int:
    """The history, newest first."""
    catalog = catalog_of(arguments)
    found = catalog.runs(arguments.where or "", arguments.limit, hidden=arguments.hidden)
    _say_lag(catalog)
    if arguments.json:
        put_json({"runs": found})
        return DONE
    if not found:
        print("no runs yet: `instep run`" if not arguments.where else "no run is like that")
        return DONE
    names = list(dict.fromkeys(name for one in found for name in one["metrics"]))[:_METRICS]
    head = ["run", "state", "started", "took", *map(clean, names), "changed"]
    rows = [
        [
            str(one["run"]) + ("*" if one["baseline"] else ""),
            f"{MARKS.get(one['state'], '▶')} {one['state']}",
            _when(one["started_at"]),
            seconds(one["seconds"]),
            *(number(one["metrics"].get(name)) for name in names),
            one["note"] or "; ".join(one["changed"]),
        ]
        for one in found
    ]
    print(table(head, rows, right=[0, *range(3, 4 + len(names))]))
    return DONE


def show(arguments: argparse.Namespace) -> int:
    """One run, or one step of it."""
    catalog = catalog_of(arguments)
    run, step = named_run(catalog, arguments.what)
    document = catalog.show_step(run, _owner(catalog, run, step)) if step else catalog.show(run)
    _say_lag(catalog)
    if arguments.json:
        put_json(document)
    elif step:
        _print_step(document)
    else:
        _print_run(document)
    return DONE


def _owner(catalog: Catalog, run: int, name: str) -> str:
    """The step of this name, or the one whose output it is."""
    document = catalog.show(run)
    if any(one["name"] == name for one in document["steps"]):
        return name
    return next((one["step"] for one in document["outputs"] if one["name"] == name), name)


def _print_run(document: Document) -> None:
    on = colourful()
    state, snapshot = document["state"], document["snapshot"]
    note = f" · {clean(document['note'])}" if document["note"] else ""
    head = f"run {document['run']} {state}"
    print(
        f"{paint(MARKS.get(state, '▶') + ' ' + head, state, on=on)} · {_when(document['started_at'])}"
        f" · {seconds(document['seconds'])} · {document['target']}{note}\n"
    )
    width = max((len(clean(one["name"])) for one in document["steps"]), default=0)
    for one in document["steps"]:
        why = "; ".join(str(reason["text"]) for reason in one["reasons"][:2])
        items = " ".join(f"{count} {what}" for what, count in (one["item"] or {}).items())
        rest = clean(" · ".join(part for part in (items, why) if part))
        line = f"{pad(clean(one['name']), width)}  {one['state']:<11}  {seconds(one['seconds']):>7}  {rest}"
        print(f"{paint(MARKS.get(one['state'], '▶'), one['state'], on=on)} {line.rstrip()}")
        if one["error"]:
            print(f"    {paint(clean(one['error']['title']), 'failed', on=on)}")
    _print_values("metrics", document["metrics"])
    params = {f"{step}.{name}": value for step, found in snapshot["params"].items() for name, value in found.items()}
    _print_values("params", params)
    if document["outputs"]:
        rows = [
            [
                one["name"],
                one["kind"] or "",
                "" if one["rows"] is None else f"{one['rows']:,}",
                size(one["bytes"] or 0),
                one["content_hash"][:12],
            ]
            for one in document["outputs"]
        ]
        print("\n" + table(["output", "kind", "rows", "size", "content"], rows, right=[2, 3]))
    dirty = " with changes that are not committed" if snapshot["dirty"] else ""
    git = f" · git {snapshot['git_commit'][:10]}{dirty}" if snapshot["git_commit"] else ""
    print(
        f"\n{plural(len(snapshot['code']), 'source file')}, {plural(len(snapshot['files']), 'input file')},"
        f" Python {snapshot['environment']['python']}, {plural(len(snapshot['environment']['packages']), 'package')}"
        f" · {clean(str(snapshot['user']))} on {clean(str(snapshot['host']))}{git}"
    )
    if document["verdict"]:
        print(clean(document["verdict"]))


def _print_values(title: str, values: Mapping[str, object]) -> None:
    if values:
        print(f"\n{title}")
        print_values(values, "`--json` has them")


def _print_step(document: Document) -> None:
    on = colourful()
    attempts = f", attempt {document['attempts']}" if document["attempts"] > 1 else ""
    reused = " (an earlier result)" if document["reused_from"] else ""
    print(
        f"{paint(MARKS.get(document['state'], '▶'), document['state'], on=on)} {clean(document['name'])}"
        f" · run {document['run']} · {document['state']}{reused}{attempts} · {seconds(document['seconds'])}"
    )
    for reason in document["reasons"]:
        print(f"  {clean(reason['text'])}")
    if document["error"]:
        _print_error(document["error"])
    _print_values("metrics", document["metrics"])
    for one in document["files"]:
        print(f"  reads {oneline(one['path'])} ({size(one['bytes'])}, {one['content_hash'][:12]})")
    failed = [one for one in document["items"] if one["state"] == "failed"]
    if document["items"]:
        print(f"\n{plural(len({one['item'] for one in document['items']}), 'item')}, {len(failed)} failed")
        for one in failed[:10]:
            print(f"  item {one['item']}: {clean(str((one['error'] or {}).get('title', '')))}")
    if document["groups"]:
        _print_groups(document["groups"])
    for one in document["outputs"]:
        rows = "" if one["rows"] is None else f", {one['rows']:,} rows"
        about = f"{one['kind']}{rows}, {size(one['bytes'])}, {one['content_hash'][:12]}"
        print(f"\n{paint(clean(one['name']), 'bold', on=on)}: {about}")
        print("\n".join(f"  {line}" for line in clean(one["preview"]).splitlines()[:20]))


def _print_groups(groups: Document) -> None:
    from ..views.groups import group_lines

    lines = [line.plain.rstrip() for line in group_lines(groups, screen_width())]
    print("\n" + "\n".join(lines[:_GROUPS]))
    if len(lines) > _GROUPS:
        print(f"… {len(lines) - _GROUPS:,} more (`--json` has them)")


def _print_error(error: Document) -> None:
    on = colourful()
    print(f"  {paint(clean(error['title']), 'failed', on=on)}")
    print_frames(error.get("frames") or (), on=on)
    for text in (error.get("message"), error.get("mend")):
        if text:
            print("\n".join(f"  {clean(line)}" for line in str(text).splitlines()))


def why(arguments: argparse.Namespace) -> int:
    """Why a step is as it is now, or why a run's steps ran or failed."""
    catalog = catalog_of(arguments)
    run, slash, step = arguments.what.partition("/")
    if run.isdigit() or run == "latest":
        return _why_run(catalog, catalog.number(run), step, as_json=arguments.json)
    if slash:
        raise UsageError(f"`{arguments.what}` is no step and no run", mend="Give a step, a run's number, or RUN/STEP.")
    return _why_now(arguments, catalog)


def _why_now(arguments: argparse.Namespace, catalog: Catalog) -> int:
    from .running import request_of, status_document

    document = status_document(root_of(arguments), request_of(arguments, "status"))
    steps = {one["name"]: one for one in document["steps"]}
    if arguments.what not in steps:
        from ...engine.errors import nearest

        hint = nearest(arguments.what, steps)
        raise UsageError(f"no step `{arguments.what}`", mend=hint[:1].upper() + hint[1:])
    causes = _causes(steps, arguments.what)
    if arguments.json:
        put_json({"step": arguments.what, "state": steps[arguments.what]["state"], "causes": causes})
        return DONE
    on = colourful()
    one = steps[arguments.what]
    print(f"{paint(MARKS[one['state']], one['state'], on=on)} {clean(arguments.what)} is {one['state']}")
    for cause in causes:
        indent = "  " * (cause["depth"] + 1)
        lead = "" if cause["step"] == arguments.what else f"{clean(cause['step'])}: "
        print(f"{indent}{lead}{clean(cause['text'])}")
        if len(cause["via"]) > 1 and cause["kind"] != "input":
            print(f"{indent}  through {clean(' → '.join(cause['via']))}")
    if not causes:
        print("  nothing that determines it has changed since it last ran")
        _print_last(catalog, arguments.what)
    return DONE


def _print_last(catalog: Catalog, step: str) -> None:
    """Why a step that is fresh ran when it last did."""
    for run in catalog.ran(step, 1):
        document = catalog.show_step(run, step)
        told = "; ".join(str(one["text"]) for one in document["reasons"]) or "asked for"
        print(f"  it last ran in run {run} ({document['state']}): {clean(told)}")


def _causes(
    steps: Mapping[str, Document], name: str, depth: int = 0, seen: frozenset[str] = frozenset()
) -> list[dict[str, Any]]:
    """The reasons of a step, and below an upstream reason those of the step it comes from."""
    found: list[dict[str, Any]] = []
    for reason in steps[name]["reasons"]:
        found.append({**reason, "step": name, "depth": depth})
        root = str(reason["via"][0]) if reason["kind"] == "input" and reason["via"] else ""
        if root in steps and root not in seen and root != name:
            found += _causes(steps, root, depth + 1, seen | {name})
    return found


def _why_run(catalog: Catalog, run: int, step: str, *, as_json: bool) -> int:
    if step:
        document = catalog.show_step(run, step)
        if as_json:
            put_json(
                {
                    "run": run,
                    "step": step,
                    "state": document["state"],
                    "causes": document["reasons"],
                    "error": document["error"],
                }
            )
        else:
            _print_step(document)
        return DONE
    if as_json:
        put_json(why_run_document(catalog, run))
        return DONE
    document = catalog.show(run)
    ran = [one for one in document["steps"] if one["state"] not in ("reused", "blocked")]
    first = next((one for one in document["steps"] if one["state"] == "failed"), None)
    print(f"run {run} {document['state']}: {len(ran)} of {plural(len(document['steps']), 'step')} ran")
    for one in ran:
        # A step that ran because of another is explained by that one.
        roots = [str(reason["text"]) for reason in one["reasons"] if reason["kind"] != "input"]
        told = roots or [str(reason["text"]) for reason in one["reasons"]] or ["asked for"]
        print(f"  {clean(one['name'])}: {clean('; '.join(told))}")
    if first is not None:
        print(f"\nfirst to fail: {clean(first['name'])}")
        _print_error(first["error"] or {"title": "no error was recorded"})
        blocked = [one["name"] for one in document["steps"] if one["state"] == "blocked"]
        if blocked:
            print(f"  it kept from running: {clean(', '.join(blocked))}")
    return DONE


def why_run_document(catalog: Catalog, run: int) -> dict[str, Any]:
    """Why the steps of a run ran, and the first that failed."""
    document = catalog.show(run)
    ran = [one for one in document["steps"] if one["state"] not in ("reused", "blocked")]
    first = next((one for one in document["steps"] if one["state"] == "failed"), None)
    causes = [{**reason, "step": one["name"]} for one in ran for reason in one["reasons"]]
    return {"run": run, "state": document["state"], "causes": causes, "failed": first}


def log(arguments: argparse.Namespace) -> int:
    """What a run's steps printed."""
    catalog = catalog_of(arguments)
    run, step = named_run(catalog, arguments.what)
    if step and step not in (known := [one["name"] for one in catalog.show(run)["steps"]]):
        from ...engine.snapshots.catalog import unknown_step

        raise unknown_step(run, step, known)
    if arguments.follow:
        return _follow(catalog, run, step, as_json=arguments.json)
    lines = catalog.logs(run, step)
    if arguments.json:
        put_json({"run": run, "lines": lines})
    else:
        _print_lines(lines)
    return DONE


def _follow(catalog: Catalog, run: int, step: str, *, as_json: bool) -> int:
    """Until the run has ended; a program gets all lines then, as one object."""
    offsets: dict[str, int] = {}
    every: list[Document] = []
    while True:
        lines, running = catalog.follow(run, step, offsets)
        every += lines if as_json else ()
        _print_lines(() if as_json else lines)
        if not running:
            if as_json:
                put_json({"run": run, "lines": every})
            return DONE if catalog.show(run)["state"] == "done" else FAILED
        sleep(_FOLLOW)


def _print_lines(lines: Iterable[Document]) -> None:
    on = colourful()
    for one in lines:
        moment = datetime.fromtimestamp(one["t"] / 1e6).strftime("%H:%M:%S.%f")[:-3]
        item = "" if one["item"] is None else f"[{one['item']}]"
        stream = f" {one['level'] or one['stream']}" if one["stream"] not in ("stdout", "") else ""
        head = f"{moment} {clean(one['step'])}{item}{stream}"
        print(f"{paint(head, 'dim', on=on)}  {clean(one['text'])}", flush=True)


def _when(text: str | None) -> str:
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S") if text else ""
