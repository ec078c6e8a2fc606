"""The screen's side of the reading process: questions go out, answers come back, nothing waits.

The process is started with the first question and again if it dies; what was asked then fails with what to do.
"""

import asyncio
import json
import os
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..engine import client
from ..engine.errors import EngineError, InstepError, Place, Problem
from ..engine.project import STORE

Document = dict[str, Any]  # Any: JSON
_LONGEST = 256 * 1024 * 1024
"""Bytes of the longest answer: a line of JSON. Pages are far shorter."""


class Asker:
    """One reading process of one project. Only for the event loop's own thread."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._process: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()
        self._waiting: dict[int, asyncio.Future[Document]] = {}
        self._last = 0
        self._listener: asyncio.Task[None] | None = None

    async def ask(self, op: str, request: Mapping[str, Any]) -> Document:  # Any: JSON
        """The answer to a question. Raises InstepError: what is wrong with it, or that the process died.

        A question whose asker is cancelled is dropped: it is not answered if it has not been begun.
        """
        process = await self._running()
        self._last += 1
        number = self._last
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._send(process, {**request, "id": number, "op": op})
            return await future
        except asyncio.CancelledError:
            self._send(process, {"op": "drop", "ids": [number]})
            raise
        finally:
            self._waiting.pop(number, None)

    async def warm(self) -> None:
        """Start the process before there is something to ask."""
        await self._running()

    async def close(self) -> None:
        """End the process; it reads until there are no more questions, and is ended if it takes long over the last."""
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 0.5)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if self._listener is not None:
            await self._listener

    @staticmethod
    def _send(process: asyncio.subprocess.Process, question: Mapping[str, Any]) -> None:  # Any: JSON
        if process.stdin is not None and not process.stdin.is_closing():
            process.stdin.write(json.dumps(question).encode() + b"\n")

    async def _running(self) -> asyncio.subprocess.Process:
        async with self._starting:
            if self._process is None or self._process.returncode is not None:
                self._process = await self._start()
                self._listener = asyncio.create_task(self._listen(self._process))
            return self._process

    async def _start(self) -> asyncio.subprocess.Process:
        store = self.root / STORE
        try:
            log = (store / "reading.log").open("ab") if store.is_dir() else None
        except OSError:
            log = None
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "instep.engine.reading.service",
                str(self.root),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log or asyncio.subprocess.DEVNULL,
                limit=_LONGEST,
                cwd="/",
                start_new_session=True,
            )
        finally:
            if log is not None:
                log.close()

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        with suppress(ValueError, OSError):
            while line := await process.stdout.readline():
                answer = json.loads(line)
                future = self._waiting.get(answer["id"])
                if future is not None and not future.done():
                    if "problems" in answer:
                        future.set_exception(InstepError(*_problems(answer["problems"])))
                    else:
                        future.set_result(answer["doc"])
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(EngineError("the process that reads the store died", mend="Try again."))


async def ask_engine(root: Path, request: Mapping[str, Any]) -> Document:  # Any: JSON
    """What the engine answers, asked in a thread: it may ask a cluster, which may take its time. Raises InstepError."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Document] = loop.create_future()

    def settle(document: Document, error: InstepError | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(document)

    def work() -> None:
        document: Document = {}
        error: InstepError | None = None
        try:
            document = asked(root, request)
        except InstepError as problem:
            error = problem
        with suppress(RuntimeError):  # the screen has ended meanwhile
            loop.call_soon_threadsafe(settle, document, error)

    # A thread of its own that nothing waits for at the end: a cluster out of sight must not hold up the exit.
    threading.Thread(target=work, name="ask-engine", daemon=True).start()
    return await future


def asked(root: Path, request: Mapping[str, Any], *, start: bool = False) -> Document:  # Any: JSON
    """The engine's last word to a question. Raises InstepError."""
    last: Document = {}
    for message in client.ask(root, {"env": dict(os.environ), **request}, start=start):
        last = message
    if last.get("t") == "error":
        raise InstepError(*_problems(last["problems"]))
    return last.get("doc", last)


def _problems(told: list[dict[str, Any]]) -> list[Problem]:  # Any: JSON
    return [
        Problem(one["what"], Place(one["place"]) if one["place"] else None, one["why"], one["mend"]) for one in told
    ]
