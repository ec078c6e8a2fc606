"""`instep …`: reads the command line and hands over to `ide.commands`. Exits 0, 1, 2 or 130 as DESIGN 10 says."""

import argparse
import sys
from collections.abc import Callable, Sequence

_DESCRIPTION = "Change a step, and only what it made stale runs. Every run is kept."


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the words say; returns the exit code."""
    return _guarded(_parser().parse_args(sys.argv[1:] if argv is None else argv))


def _guarded(arguments: argparse.Namespace) -> int:
    from ..engine.errors import InstepError
    from .commands.context import INTERRUPTED, complain

    try:
        return arguments.call(arguments)
    except InstepError as error:
        complain(*error.problems)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`head`, a pager) went away: what Unix programs do is end silently.
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _later(module: str, name: str) -> Callable[[argparse.Namespace], int]:
    """A command that is imported when it is called: `instep run` must not pay for `instep sql`."""

    def call(arguments: argparse.Namespace) -> int:
        from importlib import import_module

        return getattr(import_module(f".commands.{module}", __package__), name)(arguments)

    return call


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="instep",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Start with `instep demo` (an example) or `instep init` (your own project).",
    )
    parser.add_argument(
        "-C", dest="directory", metavar="DIR", help="the project's folder (default: found upward from here)"
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.set_defaults(call=_bare)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(name: str, module: str, text: str, *, json: bool = True, more: str = "") -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.{' ' + more if more else ''}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_argument("-C", dest="directory", metavar="DIR", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        if json:
            command.add_argument("--json", action="store_true", help="print one JSON object (docs/json.md)")
        command.set_defaults(call=_later(module, name.replace("-", "_")))
        return command

    _project_commands(add)
    _run_commands(add)
    _look_commands(add)
    _cluster_commands(add)
    _store_commands(add)
    return parser


Add = Callable[..., argparse.ArgumentParser]


def _project_commands(add: Add) -> None:
    demo = add("demo", "project", "copy an example project to a folder and run it", json=False)
    demo.add_argument("name", nargs="?", default="flights", help="which example (default: flights; `list` names them)")
    demo.add_argument("folder", nargs="?", help="where to (default: ./instep-NAME)")
    demo.add_argument("--no-screen", action="store_true", help="in a terminal too: run it and print, no screen")
    add("init", "project", "make instep.toml and a first step in this folder", json=False)


def _run_commands(add: Add) -> None:
    status = add("status", "running", "tell for every step whether it is fresh, stale, pending or failed, and why")
    status.add_argument("-v", "--verbose", action="store_true", help="list every step and every reason")
    run = add("run", "running", "run what is stale, and nothing else", more="Ctrl-C cancels the run.")
    run.add_argument("steps", nargs="*", metavar="STEP", help="only these steps and what they need")
    _wishes(run)
    run.add_argument(
        "--replay", type=int, metavar="RUN", help="run the snapshot of that run again and compare every output"
    )
    run.add_argument("--on", metavar="CLUSTER", help="run it on that cluster of instep.toml; it goes on if you leave")
    run.add_argument(
        "--twin", type=float, metavar="SHARE", help="with --on: run so much of it here and there first, and compare"
    )
    run.add_argument("--note", metavar="TEXT", help="a note to find the run by")
    run.add_argument("--detach", action="store_true", help="do not wait for the end")
    watch = add("watch", "running", "run what is stale whenever a file is saved, until Ctrl-C", json=False)
    _wishes(watch)
    add("stop", "running", "end this project's background engine and its Ray", json=False)
    accept = add("accept", "store", "say that an edit changes nothing: keep a step's results", json=False)
    accept.add_argument("steps", nargs="+", metavar="STEP")


def _wishes(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set", action="append", metavar="STEP.PARAM=VALUE", help="a param's value for this run; may be repeated"
    )
    command.add_argument("--variant", metavar="NAME", help="the params of [variants.NAME] in instep.toml")
    command.add_argument(
        "--fresh",
        action="append",
        nargs="?",
        const="",
        metavar="STEP",
        help="run STEP whatever is known (without a name: every step)",
    )


def _look_commands(add: Add) -> None:
    runs = add("runs", "looking", "list the runs, newest first, with their metrics")
    runs.add_argument("--where", metavar="SQL", help="only those for which this holds, e.g. \"state = 'failed'\"")
    runs.add_argument("--limit", type=int, default=20, metavar="N", help="at most N (default: 20; 0: all)")
    runs.add_argument("--hidden", action="store_true", help="also those that were made to explain others")
    show = add("show", "looking", "show one run, or one step of it")
    show.add_argument("what", metavar="RUN[/STEP]", help="a run's number, or `latest`")
    compare = add(
        "compare",
        "comparing",
        "tell what differs between runs",
        more="`now` is the working tree, before running anything.",
    )
    compare.add_argument("runs", nargs="+", metavar="RUN", help="numbers, `latest` or `now`; two, or more for a table")
    compare.add_argument(
        "--step", metavar="STEP", help="only what concerns this step; its tables are read whatever their size"
    )
    compare.add_argument("--all", action="store_true", help="cut nothing, read every table, list equal things too")
    compare.add_argument("--ui", action="store_true", help="open the screen at this comparison")
    compare.add_argument("--key", metavar="COLUMNS", help="match the rows of tables by these columns: a,b")
    for kind in ("csv", "markdown", "parquet"):
        compare.add_argument(f"--{kind}", metavar="PATH", help=f"write the table of what differs as {kind}")
    why = add("why", "explaining", "tell why a step is stale, why a run's steps ran or failed, or why a metric moved")
    why.add_argument("what", metavar="STEP|RUN[/STEP]")
    why.add_argument("--than", metavar="RUN", help="explain what a metric is in RUN by what it was in this one")
    why.add_argument("--metric", metavar="NAME", help="which metric, e.g. score.rmse (default: the one that differs)")
    why.add_argument(
        "--attribute", action="store_true", help="run hybrids to say what each change contributed; asks first"
    )
    why.add_argument(
        "--seeds", type=int, metavar="N", help="with --attribute: run each hybrid with N values of every `seed`"
    )
    why.add_argument("-y", "--yes", action="store_true", help="with --attribute: do not ask, whatever the price")
    bisect = add("bisect", "attributing", "find the run that went wrong, and what in it did")
    bisect.add_argument("--good", required=True, metavar="RUN", help="a run that was good")
    bisect.add_argument("--bad", required=True, metavar="RUN", help="a run that was not")
    bisect.add_argument("--metric", metavar="CONDITION", help='what holds for good runs, e.g. "score.rmse < 0.30"')
    bisect.add_argument("--fails", action="store_true", help="a bad run is one in which a step failed")
    log = add("log", "looking", "print what a run's steps printed")
    log.add_argument("what", metavar="RUN[/STEP]")
    log.add_argument("-f", "--follow", action="store_true", help="go on while the run goes on")
    out = add("out", "data", "write an output to a file, or show it", json=False)
    out.add_argument("what", metavar="RUN/OUTPUT")
    out.add_argument(
        "path", nargs="?", help="where to; the ending says how: parquet, csv, json, npy, pkl, png, svg, txt"
    )
    sql = add("sql", "data", "ask DuckDB about everything that was recorded")
    sql.add_argument("query", metavar="SQL", help='e.g. "from run_3.features select count(*)", "from step_run"')


def _cluster_commands(add: Add) -> None:
    clusters = add("clusters", "clusters", "list the Ray clusters of this project")
    clusters.add_argument("--check", action="store_true", help="ask each of them how it is now")
    attach = add("attach", "clusters", "tell what a cluster has, and what differs there for these steps")
    attach.add_argument("cluster", metavar="NAME", help="its name in [clusters.NAME]")
    attach.add_argument("--anew", action="store_true", help="look again, whatever is remembered")
    detach = add("detach", "clusters", "forget a cluster; what runs there goes on")
    detach.add_argument("cluster", metavar="NAME")


def _store_commands(add: Add) -> None:
    add("verify", "store", "check that the store is sound, and mend what can be mended")
    gc = add("gc", "store", "free what nothing refers to")
    gc.add_argument("--older-than", metavar="AGE", help="also results of runs older than this, e.g. 30d")
    gc.add_argument("--dry-run", action="store_true", help="only say what would be freed")


def _bare(arguments: argparse.Namespace) -> int:
    if arguments.version:
        from .. import __version__

        print(f"instep {__version__}")
        return 0
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        from .commands.running import status

        arguments.json, arguments.verbose = False, False
        return status(arguments)
    from pathlib import Path

    from .opening import open_screen

    return open_screen(Path(arguments.directory) if arguments.directory else Path.cwd())


if __name__ == "__main__":
    sys.exit(main())
