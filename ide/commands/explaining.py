"""`why`: from a step that is stale, a failure or a metric back to its causes, each with its evidence."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Documents and details are read as JSON.

import argparse
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from ...engine.errors import UsageError
from ..text import colourful, oneline, paint, plural
from . import looking
from .context import DONE, put_json, root_of

if TYPE_CHECKING:
    from ...engine.compare.causes import Cause, FailureCause, Link, MetricCause


def why(arguments: argparse.Namespace) -> int:
    """Why a step is stale, a run's steps ran or failed, or a metric is not what it was."""
    if arguments.than and arguments.attribute:
        from .attributing import attribute

        return attribute(arguments)
    if arguments.than:
        return _why_metric(arguments)
    if arguments.metric or arguments.attribute:
        raise UsageError("there is no run to compare with", mend="Add `--than RUN`.")
    run, _, step = arguments.what.partition("/")
    if not step and (run.isdigit() or run == "latest"):
        return _why_run(arguments, run)
    return looking.why(arguments)


def _why_run(arguments: argparse.Namespace, label: str) -> int:
    """What `looking.why` says, and of a failure what changed since it last went well."""
    from ...engine.compare.explain import explain_failure

    catalog = looking.catalog_of(arguments)
    number = catalog.number(label)
    since = explain_failure(root_of(arguments), number) if catalog.show(number)["state"] != "done" else None
    if arguments.json:
        document = looking.why_run_document(catalog, number)
        put_json(document | {"since": since.to_json() if since else None})
        return DONE
    looking.why(arguments)
    if since is not None:
        for line in _failure(since, on=colourful()):
            print(line)
    return DONE


def _failure(found: "FailureCause", *, on: bool) -> Iterator[str]:
    if found.last_good is None:
        yield f"\n{oneline(found.step)} never ended well before"
        return
    yield f"\n{oneline(found.step)} last ended well in run {found.last_good}; since then, nearest first:"
    yield from _causes(found.causes, on=on)
    if not found.causes:
        yield "  nothing that was recorded and can have reached it: chance, time, or what lies outside the project"
    if found.elsewhere:
        yield f"  ({plural(found.elsewhere, 'other change')} cannot have reached it)"
    yield f"  `instep compare {found.last_good} {found.run}` tells everything that differs"


def _why_metric(arguments: argparse.Namespace) -> int:
    from ...engine.compare.explain import explain_metric

    found = explain_metric(root_of(arguments), arguments.what, arguments.than, arguments.metric or "")
    if arguments.json:
        put_json(found.to_json())
        return DONE
    for line in _metric(found, on=colourful()):
        print(line)
    return DONE


def _metric(found: "MetricCause", *, on: bool) -> Iterator[str]:
    from .telling import difference_lines

    yield from difference_lines(found.metric, on=on)
    for link in found.chain:
        yield from _link(link, on=on)
    yield f"\n{paint('causes, nearest first', 'bold', on=on)}"
    yield from _causes(found.causes, on=on, whole=False)
    if not found.causes:
        yield "  nothing that was recorded: chance, time, or what lies outside the project"


def _link(link: "Link", *, on: bool) -> Iterator[str]:
    from .telling import difference_lines

    indent = "  " * link.depth
    why = [f"its own {plural(len(link.own), 'change')}"] if link.own else []
    why += [f"{oneline(name)} is not what it was" for name in link.before]
    told = ", ".join(why) or "unexplained: it got the same, is the same, and gave something else"
    yield f"\n{indent}{paint(oneline(link.step), 'bold', on=on)}  differs: {told}"
    for one in link.own:
        for line in difference_lines(one, on=on):
            yield f"{indent}{line}"
    for one in link.outputs:  # `compare --step` tells all of it
        for line in islice(difference_lines(one, on=on), 2):
            yield f"{indent}{line}"


def _causes(found: Iterable["Cause"], *, on: bool, whole: bool = True) -> Iterator[str]:
    from .telling import difference_lines

    for one in found:
        first, *rest = difference_lines(one.difference, on=on)
        way = f"  [{' → '.join(map(oneline, one.via))}]" if len(one.via) > 1 else ""
        here = f"  {paint('it failed in here', 'failed', on=on)}" if one.at_failure else ""
        yield f"{first}{way}{here}"
        yield from rest if whole else ()
