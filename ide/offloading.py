"""Sending to a cluster, the same from every place: which one, what it would cost, whether to, and then the run."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..engine.errors import InstepError
from .asking import Document
from .messages import RunEnded
from .views.cluster_sent import question, refusal

if TYPE_CHECKING:
    from .app import InstepApp


def run_there(host: "InstepApp", request: Document) -> None:
    """Ask the engine to run, and wait for the end in this thread; the feed shows how it goes."""
    from ..engine import client
    from ..engine.errors import problem_to_json

    document: Any = None  # Any: JSON
    problems: Any = []
    try:
        for message in client.ask(host.root, {"op": "run", "env": dict(os.environ), "detach": True, **request}):
            if message["t"] == "end":
                document = message["doc"]
            elif message["t"] == "error":
                problems = message["problems"]
    except InstepError as error:
        problems = [problem_to_json(one) for one in error.problems]
    host.post_message(RunEnded(document, problems))


def start_run(host: "InstepApp", request: Document) -> None:
    host.run_worker(lambda: run_there(host, request), thread=True, group="run", exit_on_error=False)


def why_not_offload(host: "InstepApp") -> str:
    """ "" if something can be sent somewhere, else why not."""
    live = host.live
    if not live.loaded:
        return "the project is still being read"
    return "" if live.clusters else "no cluster is configured: 7 shows how"


async def which_cluster(host: "InstepApp", before: str = "") -> str | None:
    """The cluster to send to: the only one, or the one that the person names. None if given up."""
    from textual.suggester import SuggestFromList

    names = host.live.clusters
    if len(names) == 1:
        return names[0]
    first = before if before in names else names[0]
    suggester = SuggestFromList(names, case_sensitive=False)
    name = await host.ask_text(f"send to ({', '.join(names)})", first, suggester=suggester)
    if name is not None and name.strip() not in names:
        host.say(f"there is no cluster `{name.strip()}`", "stale")
        return None
    return name.strip() if name is not None else None


async def offload(host: "InstepApp", cluster: str, *, steps: Sequence[str] = (), replay: int | None = None) -> bool:
    """Tell the price, ask, and send: `steps` and what they need (none: all), or run `replay` again with nothing
    re-used. Whether it was sent. Call it from a worker."""
    from .screens.prompt import Question

    request: Document = {"on": cluster, "steps": list(steps)}
    if replay is not None:
        request = {"on": cluster, "replay": replay}
    host.say(f"asking {cluster} what it would cost …", "remote", 120)
    try:
        price = await host.ask_engine({"op": "cluster", "do": "price", **request})
    except InstepError as error:
        first = error.problems[0]
        host.say(" — ".join(one for one in (first.what, first.mend) if one), "failed", 15)
        return False
    host.say("")
    refused = refusal(price)
    if refused:
        host.say(refused, "failed", 15)
        return False
    if not await host.push_screen_wait(Question(question(price))):
        return False
    host.say(f"sending to {cluster} …", "remote", 3)
    start_run(host, request)
    return True
