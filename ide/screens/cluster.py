"""7 Cluster: the nodes of a cluster, what goes on there, and what would be sent.

The engine asks the clusters, in threads of its own; this place asks the engine, every few seconds while it is shown.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.containers import Container, Vertical

from ...engine.errors import InstepError, Problem
from ..asking import Document
from ..feed import tell_engine
from ..offloading import offload, why_not_offload
from ..text import fit, oneline, plural
from ..views import cluster_jobs as jobs_view
from ..views import cluster_nodes as nodes_view
from ..views.cluster_sent import sent_lines
from ..views.live import Live, Message, ended, time_of_day
from ..views.parity import report_lines
from ..widgets.line_view import LineView
from ..widgets.lines import Choices, Lines
from .place import Place

POLL = 2.0
"""Seconds between looks at a cluster while the place is shown."""
NARROW = 100


class Nodes(Choices):
    """The first line is the head."""

    def selectable(self, index: int) -> bool:
        return index > 0


class ClusterPlace(Place):
    DEFAULT_CSS = """
    ClusterPlace #cluster-two { height: 1fr; layout: horizontal; }
    ClusterPlace #cluster-left, ClusterPlace #cluster-right { width: 1fr; height: 1fr; }
    ClusterPlace #cluster-nodes, ClusterPlace #cluster-jobs { height: 1fr; }
    ClusterPlace #cluster-sent { height: 12; }
    ClusterPlace #cluster-none { height: 1fr; }
    ClusterPlace.narrow #cluster-two { layout: vertical; height: 1fr; }
    ClusterPlace.narrow #cluster-left, ClusterPlace.narrow #cluster-right { width: 1fr; }
    ClusterPlace.narrow #cluster-sent { height: 7; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cluster = ""
        self.known: Document | None = None
        self.look: Document | None = None
        self.price: Document | None = None
        self.problem: Problem | None = None
        self.lost_since: float | None = None
        self.rows: Sequence[jobs_view.JobRow] = ()
        self._looking = self._pricing = self._begun = False
        self._priced_for: object = None
        self._reports: dict[int, Document | Problem] = {}
        self.nodes, self.jobs = Nodes(id="cluster-nodes", classes="pane"), Nodes(id="cluster-jobs", classes="pane")
        self.sent, self.none = Lines(id="cluster-sent", classes="pane"), Lines(id="cluster-none", classes="pane")
        left, right = Vertical(self.nodes, id="cluster-left"), Vertical(self.jobs, id="cluster-right")
        self.two = Container(left, right, id="cluster-two")

    def compose(self) -> ComposeResult:
        self.nodes.border_title, self.jobs.border_title = "Nodes", "Jobs"
        self.sent.border_title, self.none.border_title = "What gets sent", "Cluster"
        yield self.none
        yield self.two
        yield self.sent

    def on_mount(self) -> None:
        self.none.can_focus = False
        self._say([Text("  … reading the configuration", "running")])
        self.set_interval(POLL, self._poll)

    def on_resize(self) -> None:
        self.set_class(self.size.width < NARROW, "narrow")
        self.draw()

    @property
    def row(self) -> jobs_view.JobRow | None:
        """The job under the cursor."""
        at = self.jobs.cursor - 1
        return self.rows[at] if 0 <= at < len(self.rows) else None

    @property
    def names(self) -> list[str]:
        return [one["name"] for one in self.known["clusters"]] if self.known else []

    # What comes in

    async def refresh_shown(self) -> None:
        try:
            self.known = await self.host.ask("clusters")
        except InstepError as error:
            self._say(self._trouble(error.problems[0]))
            return
        if self.cluster not in self.names:
            self._choose(self.names[0] if self.names else "")
        self.draw()
        self._poll()

    def take(self, live: Live, message: Message) -> None:
        if message["t"] == "picture" and self.known is not None and tuple(self.names) != live.clusters:
            self.run_worker(self.refresh_shown(), group="cluster", exclusive=True, exit_on_error=False)
        elif message["t"] in ("picture", "elsewhere", "run", "step", "ran"):
            self._priced_for = None if message["t"] == "picture" or ended(message) else self._priced_for
            self.draw()

    def tick(self, live: Live) -> None:
        self.draw()

    def _choose(self, name: str) -> None:
        self.cluster, self.look, self.price, self.problem, self.lost_since = name, None, None, None, None
        self._priced_for = None

    def _poll(self) -> None:
        if self.host.here is not self or not self.cluster:
            return
        if not self._looking:
            self.run_worker(self._look(), group="look", exit_on_error=False)
        if not self._pricing and self.look is not None and self.problem is None and self._priced_for != self._wanted:
            self.run_worker(self._ask_price(), group="price", exit_on_error=False)

    @property
    def _wanted(self) -> object:
        """What the price is of: a cluster and steps."""
        live = self.host.live
        return self.cluster, self._steps, tuple(one.plan for one in live.steps.values()), live.loaded

    @property
    def _steps(self) -> tuple[str, ...]:
        """The steps that `o` sends: the marked ones; none means all."""
        return tuple(name for name in self.host.live.steps if name in self.host.marked)

    async def _look(self, *, anew: bool = False) -> None:
        name, self._looking = self.cluster, True
        steps = {one.name for away in self.host.live.elsewhere.values() for one in away.steps.values()}
        request: Document = {"op": "cluster", "do": "look", "on": name, "anew": anew, "steps": sorted(steps)}
        try:
            answer = await self.host.ask_engine(request)
        except InstepError as error:
            if name == self.cluster:
                self.problem = error.problems[0]
                self.lost_since = self.lost_since or time.time()
                self.draw()
            return
        finally:
            self._looking = False
        if name == self.cluster:
            self.look, self.problem, self.lost_since = answer, None, None
            self.draw()

    async def _ask_price(self) -> None:
        wanted, self._pricing = self._wanted, True
        name, steps = self.cluster, list(self._steps)
        try:
            self.price = await self.host.ask_engine({"op": "cluster", "do": "price", "on": name, "steps": steps})
        except InstepError as error:
            problem = error.problems[0]
            self.price = None
            self.sent.show(nodes_view.trouble(problem.what, problem.mend, self.size.width - 6))
        finally:
            self._pricing = False
        self._priced_for = wanted
        self.draw()

    def on_line_view_moved(self, message: LineView.Moved) -> None:
        if message.view is self.jobs and self.known is not None:
            self._draw_sent()

    @work(group="parity", exclusive=True, exit_on_error=False)
    async def _ask_report(self, run: int) -> None:
        try:
            self._reports[run] = await self.host.ask("parity", number=run)
        except InstepError as error:
            self._reports[run] = error.problems[0]
        self._draw_sent()

    # Drawing

    def draw(self) -> None:
        if self.known is None or not self.is_attached:
            return
        if not self.names:
            self._say(nodes_view.how_to(self.known["config"]))
            return
        self._which(clusters=True)
        self._draw_nodes()
        self._draw_jobs()
        self._draw_sent()

    def _draw_nodes(self) -> None:
        room = max(20, self.nodes.size.width)
        others = f"  {self.names.index(self.cluster) + 1} of {len(self.names)}, [ ]" if len(self.names) > 1 else ""
        self.nodes.border_title = f"Nodes  {oneline(self.cluster)}{others}"
        lines = [nodes_view.node_head(room)]
        if self.problem is not None:
            word = f"out of sight since {time_of_day(self.lost_since)}" if self.look else "not reached"
            self.nodes.border_subtitle = word
            lines += self._trouble(self.problem, room)
            lines += [Text(), Text(f"as it was at {time_of_day(self.lost_since)}:", "dim")] if self.look else []
        if self.look is not None:
            lines += nodes_view.node_lines(self.look, self.host.live, time.time(), room)
            if self.problem is None:
                self.nodes.border_subtitle = nodes_view.below_nodes(self.look)
                lines += [Text(f"! {oneline(one)}", "stale") for one in self.look["doubts"]]
        elif self.problem is None:
            self.nodes.border_subtitle = "attaching …"
            lines = [Text(), Text(f"  … attaching {oneline(self.cluster)}: what its machines have", "running")]
        self.nodes.show(lines)

    def _draw_jobs(self) -> None:
        room = max(20, self.jobs.size.width)
        before = self.row
        there = {one["name"]: one["there"] for one in self.price["steps"] if one["there"]} if self.price else {}
        past: Sequence[Document] = self.known["jobs"] if self.known else ()
        rows = jobs_view.job_rows(self.host.live, past, self.look, there, time.monotonic(), room)
        key = (before.run, before.step) if before is not None else None
        at = next((index for index, one in enumerate(rows) if (one.run, one.step) == key), None)
        self.rows = rows
        none = [Text("nothing was sent yet; `o` sends what is stale", "dim")]
        self.jobs.show([jobs_view.job_head(room), *([one.line for one in rows] or none)])
        if at is not None:
            self.jobs.move_to(at + 1, tell=False)
        self.jobs.border_subtitle = jobs_view.below_jobs(self.host.live)

    def _draw_sent(self) -> None:
        row = self.row
        if row is not None and row.replay_of is not None and self.focused_on_jobs:
            self._draw_report(row.run, row.replay_of)
            return
        chosen = plural(len(self._steps), "marked step") if self._steps else "all that is stale"
        self.sent.border_title = f"What gets sent  {chosen}"
        self.sent.border_subtitle = "nothing leaves this machine without o"
        if self.price is not None:
            self.sent.show(sent_lines(self.price, max(20, self.sent.size.width)))
        elif self._priced_for is None:
            waits = "… asking the cluster what it has" if self.look is not None else "… when the cluster has answered"
            gone = "not known while the cluster is out of sight" if self.problem is not None else waits
            self.sent.show([Text(gone, "dim")])

    @property
    def focused_on_jobs(self) -> bool:
        return self.jobs.has_focus

    def _draw_report(self, run: int, old: int) -> None:
        """In place of what gets sent: how the run under the cursor compares with the one it repeated."""
        self.sent.border_title, self.sent.border_subtitle = f"Parity  run {run} beside run {old}", "c compares them"
        room = max(20, self.sent.size.width - 2)
        match self._reports.get(run):
            case None:
                self.sent.show([Text("… holding one against the other", "dim")])
                self._ask_report(run)
            case Problem() as problem:
                self.sent.show(self._trouble(problem, room))
            case report:
                self.sent.show([Text(fit(line, room), style, end="") for style, line in report_lines(report, room)])

    def _trouble(self, problem: Problem, room: int = 0) -> list[Text]:
        return nodes_view.trouble(problem.what, problem.mend, room or max(20, self.size.width - 6))

    def _say(self, lines: Sequence[Text]) -> None:
        """Say this in place of everything."""
        self.none.show(list(lines))
        self._which(clusters=False)

    def _which(self, *, clusters: bool) -> None:
        two: Literal["block", "none"] = "block" if clusters else "none"
        self.two.styles.display = self.sent.styles.display = two
        self.none.styles.display = "none" if clusters else "block"
        if clusters and not self._begun and self.host.here is self:
            self._begun = True
            self.jobs.focus()

    # Acting

    def why_not(self, action: str) -> str:
        row = self.row
        match action:
            case "offload":
                return why_not_offload(self.host) or ("" if self.problem is None else "the cluster is out of sight")
            case "stop_there" if row is None or not row.live:
                return "no run that goes on is under the cursor"
            case "open" | "copy" if row is None:
                return "there is no job"
            case "reconnect" if not self.cluster:
                return "no cluster is configured"
            case "next_cluster" | "previous_cluster" if len(self.names) < 2:
                return "there is no other cluster"
            case _:
                return ""

    @work(exit_on_error=False)
    async def action_offload(self) -> None:
        if await offload(self.host, self.cluster, steps=self._steps):
            self.host.marked = frozenset()

    @work(exit_on_error=False)
    async def action_stop_there(self) -> None:
        from .prompt import Question

        row, host = self.row, self.host
        if row is None:
            return
        if await host.push_screen_wait(Question(f"End run {row.run} there? What has finished is kept.")):
            host.say(f"cancelling run {row.run} …", "stale")
            host.run_worker(
                lambda: tell_engine(host.root, {"op": "cancel", "run": row.run}), thread=True, exit_on_error=False
            )

    def action_open(self) -> None:
        if self.row is not None:
            self.host.go("logs", run=self.row.run, step=self.row.step)

    def on_line_view_opened(self, message: LineView.Opened) -> None:
        if message.view is self.jobs:
            self.action_open()

    @work(exit_on_error=False)
    async def action_add_cluster(self) -> None:
        from .cluster_form import ClusterForm

        host = self.host
        chosen = await host.push_screen_wait(ClusterForm(self._try))
        if chosen is None:
            return
        name, table = chosen
        try:
            before = (await host.ask("set_cluster", name=name, table=table))["before"]
        except InstepError as error:
            host.say(str(error), "failed")
            return

        def take_back() -> None:
            host.run_worker(self._take_back(name, before), exit_on_error=False)

        host.undone.append((f"cluster {name}", take_back))
        host.say(f"wrote [clusters.{name}] to {host.live.config}; `u` takes it back", "ok")
        self._choose(name)
        await self.refresh_shown()

    async def _take_back(self, name: str, before: Document | None) -> None:
        await self.host.ask("set_cluster", name=name, table=before)
        await self.refresh_shown()

    async def _try(self, name: str, table: Document) -> Document:
        return await self.host.ask_engine({"op": "cluster", "do": "try", "on": name, "table": table})

    @work(group="look", exclusive=True, exit_on_error=False)
    async def action_reconnect(self) -> None:
        """Look at everything anew, and follow what goes on there of this project, whoever sent it."""
        name = self.cluster
        self.look, self.problem, self.lost_since = None, None, None
        self.draw()
        await self._look(anew=True)
        if self.problem is not None:
            return
        try:
            numbers = (await self.host.ask_engine({"op": "adopt", "cluster": name})).get("runs", [])
        except InstepError as error:
            self.host.say(error.problems[0].what, "failed")
            return
        found = f"; followed from here now: run {', '.join(map(str, numbers))}" if numbers else ""
        self.host.say(f"{name} looked at anew{found}", "ok")

    def action_next_cluster(self) -> None:
        self._beside(1)

    def action_previous_cluster(self) -> None:
        self._beside(-1)

    def _beside(self, by: int) -> None:
        names = self.names
        self._choose(names[(names.index(self.cluster) + by) % len(names)])
        self.draw()
        self._poll()

    def action_copy(self) -> None:
        if self.row is not None:
            self.host.copy(self.row.line.plain.strip())

    def footer(self) -> str:
        return ""

    def remember(self) -> Mapping[str, Any]:  # Any: JSON
        return {"cluster": self.cluster}

    def recall(self, kept: Mapping[str, Any]) -> None:  # Any: JSON that `remember` gave
        self.cluster = str(kept.get("cluster", ""))
