"""`run`, `watch`, `status`, `stop`: what talks to the engine."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# The documents of docs/json.md are read as JSON.

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from ...engine import client
from ...engine.errors import EngineError, InstepError, UsageError
from ..text import MARKS, clean, colourful, fit, number, oneline, pad, paint, plural, screen_width, seconds
from .context import DONE, FAILED, INTERRUPTED, MISTAKE, complain, put_json, root_of
from .printing import print_frames, print_values

Message = Mapping[str, Any]  # Any: JSON from the engine
_LONGEST = 2_000
"""Characters of a printed line that are shown while it runs."""


def request_of(arguments: argparse.Namespace, op: str) -> dict[str, object]:
    """What the engine is asked, from the command's options. Raises UsageError for a bad `--set`."""
    from ...engine.params import parse_set

    overrides: dict[str, object] = {}
    for text in getattr(arguments, "set", None) or ():
        try:
            name, value = parse_set(text)
        except ValueError as error:
            raise UsageError(f"--set: {error}", mend="Write it as `--set model.rate=0.05`.") from None
        overrides[name] = value
    fresh: Sequence[str] = getattr(arguments, "fresh", None) or ()
    return {
        "op": op,
        "steps": list(getattr(arguments, "steps", None) or ()),
        "set": overrides,
        "variant": getattr(arguments, "variant", "") or "",
        "fresh": [name for name in fresh if name],
        "fresh_all": "" in fresh,
        "env": dict(os.environ),
        "note": getattr(arguments, "note", "") or "",
        "replay": getattr(arguments, "replay", None),
        "on": getattr(arguments, "on", "") or "",
        "twin": getattr(arguments, "twin", None) or 0.0,
        "detach": bool(getattr(arguments, "detach", False)),
    }


def run(arguments: argparse.Namespace) -> int:
    """`instep run`: run what is stale, following it until it ends."""
    root = root_of(arguments)
    request = request_of(arguments, "run") | {"brief": not arguments.json}
    follower = Follower(quiet=arguments.json)
    if not client.is_there(root):
        from ...engine.offline import nothing_here

        if (document := nothing_here(root, request)) is not None:
            return follower.finish({"t": "end", "doc": document}, as_json=False)
    answer = client.ask(root, request)
    if arguments.detach:
        return _detached(answer, as_json=arguments.json)
    end = _followed(answer, follower)
    if end["t"] == "end" and request["on"] and request["replay"] is not None:
        end = {**end, "doc": end["doc"] | {"parity": _parity(root, int(end["doc"]["run"]))}}
    return follower.finish(end, as_json=arguments.json)


def _parity(root: Path, number: int) -> Message | None:
    """The report of a run that repeated another on a cluster; None, and a word why, where it cannot be made."""
    from ...engine.compare.read_beside import parity_report

    try:
        return parity_report(root, number)
    except InstepError as error:
        print(f"no parity report: {clean(error.problems[0].what)}", file=sys.stderr)
        return None


def _detached(answer: client.Answer, *, as_json: bool) -> int:
    """Say which run it is, and leave it to the engine."""
    for message in answer:
        if message["t"] == "run":
            if as_json:
                put_json({"run": message["run"], "state": "running"})
            else:
                print(
                    f"run {message['run']} goes on in the background; `instep show {message['run']}` tells how it went"
                )
            answer.close()
            return DONE
        if message["t"] == "end":
            return Follower(quiet=as_json).finish(message, as_json=as_json)
        if message["t"] == "error":
            return _complained(message)
    return MISTAKE


def _messages(answer: client.Answer) -> Iterator[Message]:
    yield from answer


def _followed(answer: client.Answer, follower: "Follower") -> Message:
    """Follow to the last message; Ctrl-C asks the engine to cancel, a second one stops waiting for it.

    A handler instead of `except KeyboardInterrupt`: an exception would end the generators that read the socket.
    """

    def cancel(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        follower.say("cancelling … (Ctrl-C again to stop waiting)")
        answer.say({"op": "cancel"})

    before = signal.signal(signal.SIGINT, cancel)
    try:
        for message in _messages(answer):
            if message["t"] in ("end", "error"):
                return message
            follower.take(message)
    finally:
        signal.signal(signal.SIGINT, before)
    raise EngineError("the engine stopped answering", mend="What had finished is kept; run the command again.")


class Follower:
    """Shows a run while it goes: one line for each step as it ends, and on a terminal a line for what runs now."""

    def __init__(self, *, quiet: bool = False, logs: bool = True) -> None:
        self.quiet = quiet
        self._logs = logs
        self._out = sys.stderr if quiet else sys.stdout
        self._on = colourful(self._out)
        self._live = self._out.isatty() and not quiet
        self._width = 0
        self._running: dict[str, tuple[float, Message]] = {}
        self._reasons: dict[str, Sequence[str]] = {}
        self._fresh: set[str] = set()
        self._shown: set[str] = set()
        self._run: object = ""

    def take(self, message: Message) -> None:
        """One message of the engine."""
        if self.quiet:
            return
        match message["t"]:
            case "run":
                self._begin(message)
            case "step":
                self._step(message)
            case "progress":
                began = self._running.get(message["step"], (time.monotonic(), {}))[0]
                self._running[message["step"]] = (began, message)
            case "log" if self._logs:
                self._log(message)
            case "sight":
                self.say(paint(f"  {clean(sight(message))}", "dim", on=self._on))
            case "note":
                self.say(paint(f"  {clean(message['text'])}", "dim", on=self._on))
            case _:
                pass
        self._now()

    def _log(self, message: Message) -> None:
        """What a step printed, in the size that a person reads; all of it is in the log."""
        lead = paint(f"  {message['step']} │ ", "dim", on=self._on)
        for line in message["lines"]:
            self.say(lead + fit(oneline(line.get("m", "")), _LONGEST))
        if message.get("more"):
            where = f"`instep log {self._run}/{message['step']}` has them"
            self.say(lead + paint(f"… and {plural(message['more'], 'more line')}; {where}", "dim", on=self._on))

    def say(self, line: str) -> None:
        if self._live:
            self._out.write("\r\x1b[K")
        print(line, file=self._out, flush=True)

    def _begin(self, message: Message) -> None:
        steps = message["steps"]
        self._run = message["run"]
        self._width = max((len(clean(one["name"])) for one in steps), default=0)
        self._width = min(self._width, 40)
        self._reasons = {one["name"]: one["reasons"] for one in steps}
        self._fresh = {one["name"] for one in steps if one["state"] == "fresh"}
        todo = len(steps) - len(self._fresh)
        head = (
            f"run {message['run']}: {plural(len(steps), 'step')}, {todo} to run"
            if todo
            else f"run {message['run']}: nothing to run, all results are there"
        )
        self.say(paint(head, "bold", on=self._on))

    def _step(self, message: Message) -> None:
        name, state = message["step"], message["state"]
        if state in ("launched", "running", "storing"):
            self._running.setdefault(name, (time.monotonic(), {}))
            return
        if state not in ("done", "reused", "failed", "blocked", "cancelled") or name in self._shown:
            return
        self._running.pop(name, None)
        self._shown.add(name)
        if state == "reused" and len(self._fresh) > 30:
            return
        why = "; ".join(str(one) for one in self._reasons.get(name, ())) if state in ("done", "failed") else ""
        if state == "reused" and name not in self._fresh:
            why = "same inputs as before"
        error = message.get("error") or {}
        told = clean(str(error.get("title") or ""))
        if state == "blocked":
            why = f"blocked by {message.get('cause', '')}"
        self.say(self._line(name, state, message.get("seconds"), told or why))

    def _line(self, name: str, state: str, took: float | None, why: str) -> str:
        word = {"reused": "cached"}.get(state, state)
        text = f"{pad(fit(clean(name), 40), self._width)}  {word:<9} {seconds(took):>7}  "
        mark = paint(f"{MARKS[state]} ", state, on=self._on)
        return mark + text + fit(clean(why), max(20, screen_width() - len(text) - 3))

    def _now(self) -> None:
        """The line for what runs now, only on a terminal."""
        if not self._live:
            return
        parts = []
        for name, (began, progress) in list(self._running.items())[:3]:
            done, total = progress.get("done"), progress.get("total")
            share = f" {done / total:.0%}" if total and done is not None else ""
            last = list((progress.get("metrics") or {}).items())[:2]
            told = "".join(f" {metric} {number(value)}" for metric, value in last)
            parts.append(f"▶ {clean(name)} {seconds(time.monotonic() - began)}{share}{told}")
        text = fit("  ".join(parts), screen_width() - 1)
        self._out.write("\r\x1b[K" + paint(text, "running", on=self._on))
        self._out.flush()

    def finish(self, message: Message, *, as_json: bool) -> int:
        """Show how it ended; return the exit code."""
        if self._live:
            self._out.write("\r\x1b[K")
        if message["t"] == "error":
            return _complained(message)
        document: Message = message["doc"]
        if as_json:
            put_json({key: value for key, value in document.items() if key != "nothing"})
        else:
            show_end(document)
        return exit_code(document)


def sight(message: Message) -> str:
    """What is said when a cluster stops answering, and when it answers again."""
    since = message["lost_since"]
    if since is None:
        return "in sight again"
    clock = time.strftime("%H:%M:%S", time.localtime(since))
    if message.get("refused"):
        return f"not let in since {clock}: {message['why']}; what runs there goes on"
    return (
        f"lost sight since {clock}: {message['why']}; the run goes on there. Should it not come back: what came "
        "is kept, `instep run` goes on from it here, `instep run --on NAME` on another cluster"
    )


def exit_code(document: Message) -> int:
    """0 done, 1 a step failed, 2 part of the project could not be planned or has nothing to read, 130 cancelled."""
    if document["state"] == "cancelled":
        return INTERRUPTED
    # A run with nothing to do that was asked for briefly has no steps.
    errors = [step["error"] for step in document.get("steps", ()) if step["state"] == "failed"]
    if errors and all(one and one["kind"] == "input" for one in errors):
        return MISTAKE
    if document["state"] != "done" or document.get("diverged"):
        return FAILED
    return MISTAKE if document.get("problems") else DONE


def show_end(document: Message) -> None:
    """The last lines of a run: metrics, errors in full, the verdict of a replay."""
    on = colourful()
    nothing = document.get("nothing")
    if nothing is not None:
        after = f" (as in run {document['run']})" if document["run"] else ""
        print(f"{paint('✓', 'fresh', on=on)} nothing to run: {plural(nothing, 'step')} fresh{after}")
        return
    for step in document["steps"]:
        if step["state"] == "failed" and step["error"]:
            show_error(step["name"], step["error"])
    if document["metrics"]:
        print()
        print_values(document["metrics"], f"`instep show {document['run']} --json` has them")
    states = [step["state"] for step in document["steps"]]
    told = ", ".join(
        f"{states.count(state)} {word}"
        for state, word in (
            ("done", "run"),
            ("reused", "cached"),
            ("failed", "failed"),
            ("blocked", "blocked"),
            ("cancelled", "cancelled"),
        )
        if state in states
    )
    mark = {"done": "done", "failed": "failed"}.get(document["state"], "cancelled")
    head = f"{paint(MARKS[mark], mark, on=on)} run {document['run']} {document['state']}"
    print(f"\n{head} in {seconds(document['seconds'])}: {told}")
    if document.get("verdict"):
        print(clean(document["verdict"]))
    if document.get("parity"):
        from ..views.parity import report_lines

        print()
        for style, line in report_lines(document["parity"], screen_width()):
            print(paint(line, "done" if style == "ok" else style, on=on))


def show_error(name: str, error: Message) -> None:
    """A failed step: the line in the user's own code, its locals, what it was given."""
    on = colourful()
    print(f"\n{paint('✗', 'failed', on=on)} {clean(name)}: {paint(clean(str(error['title'])), 'bold', on=on)}")
    message = clean(str(error.get("message") or ""))
    for line in message.splitlines()[:12]:
        print(f"  {line}")
    frames = error.get("frames") or []
    print_frames(frames, on=on)
    if frames and frames[-1]["locals"]:
        print("  where " + fit(_pairs(frames[-1]["locals"]), 400))
    given = error.get("arguments") or {}
    if given:
        print("  given " + fit(_pairs(given), 400))
    if error.get("mend"):
        print(f"  {clean(str(error['mend']))}")


def _pairs(values: Mapping[str, object]) -> str:
    return ", ".join(f"{oneline(name)} = {oneline(value)}" for name, value in values.items())


def _complained(message: Message) -> int:
    complain(*message["problems"])
    return int(message["exit"])


def status(arguments: argparse.Namespace) -> int:
    """`instep status`: asks the engine if there is one, else reads the folder itself."""
    root = root_of(arguments)
    document = status_document(root, request_of(arguments, "status"))
    if arguments.json:
        put_json(
            {
                "project": document["project"],
                "steps": [_stable(step) for step in document["steps"]],
                "problems": document["problems"],
            }
        )
    else:
        show_status(document, verbose=arguments.verbose)
    complain(*(document["problems"] if not arguments.json else ()))
    return MISTAKE if document["problems"] else DONE


def _stable(step: Message) -> dict[str, Any]:
    return {key: step[key] for key in ("name", "state", "reasons", "blind_spots")}


def status_document(root: Path, request: dict[str, object]) -> Message:
    from ...engine.errors import EngineError, InstepError

    try:
        for message in client.ask(root, request, start=False):
            if message["t"] == "error":
                raise InstepError(*_problems(message))
            if message["t"] == "end":
                return message["doc"]  # type: ignore[return-value]  # the engine's documents are JSON objects
    except EngineError:
        pass
    from ...engine.offline import status_here

    return status_here(root, request)


def _problems(message: Message) -> list[Any]:
    from ...engine.errors import Place, Problem

    return [
        Problem(one["what"], Place(one["place"]) if one["place"] else None, one["why"], one["mend"])
        for one in message["problems"]
    ]


def show_status(document: Message, *, verbose: bool = False) -> None:
    """One line a step: state and why; many fresh steps are counted, not listed."""
    on = colourful()
    steps = document["steps"]
    fresh = [one for one in steps if one["state"] == "fresh"]
    listed = steps if len(steps) <= 60 or verbose else [one for one in steps if one["state"] != "fresh"]
    width = min(40, max((len(clean(one["name"])) for one in listed), default=0))
    for one in listed:
        reasons = one["reasons"] if verbose else one["reasons"][:2]
        why = "; ".join(str(reason["text"]) for reason in reasons)
        more = len(one["reasons"]) - len(reasons)
        text = f"{pad(fit(clean(one['name']), 40), width)}  {one['state']:<8}  "
        why = fit(clean(why) + (f"; and {more} more" if more else ""), max(20, screen_width() - len(text) - 3))
        print(paint(f"{MARKS[one['state']]} ", one["state"], on=on) + text + why)
        for spot in one["blind_spots"] if verbose or one["blind_spots"][:1] else ():
            print(paint(f"    ? {clean(str(spot))}", "dim", on=on))
    others = [f"{sum(one['state'] == state for one in steps)} {state}" for state in ("stale", "pending", "failed")]
    told = ", ".join(text for text in others if not text.startswith("0 "))
    print(
        f"{oneline(document['project'])}: {plural(len(steps), 'step')}, {len(fresh)} fresh"
        + (f", {told}" if told else "")
    )


def watch(arguments: argparse.Namespace) -> int:
    """`instep watch`: run what is stale on every save until Ctrl-C."""
    root = root_of(arguments)
    answer = client.ask(root, request_of(arguments, "watch"))
    follower = Follower()
    try:
        for message in _messages(answer):
            match message["t"]:
                case "error":
                    return _complained(message)
                case "end":
                    return DONE
                case "watching":
                    print(
                        f"watching {root.name}; save a file and what it makes stale runs. Ctrl-C ends this.", flush=True
                    )
                case "saved":
                    _show_saved(message, follower)
                case "ran":
                    show_end(message["doc"])
                    follower = Follower()
                case "problems":
                    complain(*message["problems"])
                case _:
                    follower.take(message)
    except KeyboardInterrupt:
        answer.say({"op": "cancel"})
        answer.close()
        print()
        return DONE
    return DONE


def _show_saved(message: Message, follower: Follower) -> None:
    complain(*message["status"]["problems"])
    paths: Iterable[str] = message["paths"]
    stale = [one["name"] for one in message["status"]["steps"] if one["state"] != "fresh"]
    if paths:
        saved = clean(", ".join(list(paths)[:3]))
        told = f"{plural(len(stale), 'step')} stale: {clean(', '.join(stale[:6]))}" if stale else "nothing stale"
        follower.say(f"{time.strftime('%H:%M:%S')} saved {saved} → {told}")


def stop(arguments: argparse.Namespace) -> int:
    """`instep stop`: end the engine and its Ray; what had finished is kept."""
    root = root_of(arguments)
    channel = client.connected(root)
    if channel is None:
        print("no engine is running for this project")
        return DONE
    client.wire.send(channel, {"op": "stop"})
    pid = next((int(str(one["pid"])) for one in client.wire.receive(channel) if one["t"] == "end"), 0)
    deadline = time.monotonic() + 20
    while pid and time.monotonic() < deadline and _lives(pid):
        time.sleep(0.05)
    print("the engine has ended")
    return DONE


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "zombie" not in Path(f"/proc/{pid}/status").read_text().lower()
    except (ProcessLookupError, FileNotFoundError):
        return False
    except OSError:
        return True
