"""5 Logs: what the steps of a run printed and logged, as it comes."""

from dataclasses import replace

from textual.suggester import SuggestFromList
from textual.worker import Worker

from ...engine.errors import InstepError
from ..views.logs import Looked
from .asking_run import asked_run
from .log_reading import LogReading


class LogsPlace(LogReading):
    """The actions of the place."""

    def why_not(self, action: str) -> str:
        here = self.view.at_cursor()
        match action:
            case "follow" if self.counted is not None and not self.counted.going:
                return "the run has ended"
            case "next_match" | "previous_match" if not self.looked.find:
                return "find something first: /"
            case "open" | "copy" | "edit" if here is None:
                return "there is no line here"
            case "edit" if here is not None and here.step not in self.host.live.steps:
                return "this step is not in the project any more"
            case _:
                return ""

    def back(self) -> bool:
        plain = Looked(self.looked.run)
        if self.looked == plain:
            return False
        self._go(replace(self.looked, find="") if self.looked.find else plain)
        return True

    def _go(self, looked: Looked) -> None:
        self.run_worker(self._look(looked), group="log", exclusive=True, exit_on_error=False)

    def action_find(self) -> Worker[None]:
        return self.run_worker(self._ask_find(), group="log-ask", exclusive=True, exit_on_error=False)

    async def _ask_find(self) -> None:
        find = await self.host.ask_text("find", self.looked.find)
        if find is not None:
            await self._look(replace(self.looked, find=find))
            await self._to_match(0)

    def action_next_match(self) -> None:
        self.run_worker(self._to_match(1), group="log-find", exclusive=True, exit_on_error=False)

    def action_previous_match(self) -> None:
        self.run_worker(self._to_match(-1), group="log-find", exclusive=True, exit_on_error=False)

    def action_narrow(self) -> Worker[None]:
        return self.run_worker(self._ask_text(), group="log-ask", exclusive=True, exit_on_error=False)

    async def _ask_text(self) -> None:
        text = await self.host.ask_text("only lines with", self.looked.text)
        if text is not None:
            await self._look(replace(self.looked, text=text))

    def action_step_only(self) -> Worker[None]:
        return self.run_worker(self._ask_step(), group="log-ask", exclusive=True, exit_on_error=False)

    async def _ask_step(self) -> None:
        names = list(self.counted.by_step or ()) if self.counted else []
        title = "step (empty: all)"
        name = await self.host.ask_text(title, self.looked.step, suggester=SuggestFromList(names, case_sensitive=False))
        if name is not None:
            await self._look(replace(self.looked, step=name.strip()))

    def action_this_step(self) -> None:
        line = self.view.at_cursor()
        self._go(replace(self.looked, step="" if self.looked.step or line is None else line.step))

    def action_level(self) -> None:
        self._go(self.looked.next_level())

    def action_follow(self) -> None:
        self.view.follow(not self.view.following)
        if self.view.following:
            self._poll()

    def action_wrap(self) -> None:
        self.view.set_wrap(not self.view.wrap)
        self.draw()

    def action_open(self) -> None:
        line = self.view.at_cursor()
        if line is not None:
            self.host.go("pipeline", step=line.step)

    def action_edit(self) -> None:
        line = self.view.at_cursor()
        if line is not None:
            step = self.host.live.steps[line.step]
            self.host.open_editor(step.path, step.line)

    def action_copy(self) -> None:
        line = self.view.at_cursor()
        if line is not None:
            self.host.copy(line.text)

    def action_older_run(self) -> None:
        self._beside("older")

    def action_newer_run(self) -> None:
        self._beside("newer")

    def action_choose_run(self) -> Worker[None]:
        return self.run_worker(self._ask_run(), group="log-ask", exclusive=True, exit_on_error=False)

    async def _ask_run(self) -> None:
        number = await asked_run(self.host, self.looked.run)
        if number is not None:
            await self._look_at(number)

    def _beside(self, which: str) -> None:
        self.run_worker(self._to_run(which), group="log-run", exclusive=True, exit_on_error=False)

    async def _to_run(self, which: str) -> None:
        if self.looked.run is None:
            return
        try:
            number = (await self.host.ask("neighbours", number=self.looked.run))[which]
        except InstepError as error:
            self.host.say(error.problems[0].what, "failed")
            return
        if number is None:
            self.host.say(f"there is no {which} run", "stale")
            return
        await self._look_at(number)

    async def _look_at(self, number: int) -> None:
        self.chosen = True
        self.view.following = True
        await self._look(replace(self.looked, run=number))

    def on_line_view_opened(self) -> None:
        self.action_open()
