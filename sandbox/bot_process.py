"""The bot as a child process: started, listened to, ended, and never left behind."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

State = Literal["new", "running", "stopping", "ended"]

# Seconds. The bot lets messages arrive and ends its Chromes before it goes.
GRACE = 30.0
_KEPT_LINES = 500
_LONGEST_LINE = 1024 * 1024
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Line:
    """One line that the bot wrote, numbered through all its starts."""

    number: int
    text: str


class BotProcess:
    """One bot, started as often as it is asked for, one process at a time.

    `scratch` becomes its TMPDIR. Whatever it starts inherits that name, so what it leaves behind is found by it.
    `show` gets every line, and a sentence when the bot ended although nobody had asked it to.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        scratch: Path,
        show: Callable[[str], None],
        *,
        folder: Path,
        grace: float = GRACE,
    ) -> None:
        self._command = list(command)
        self._environment = {**environment, "TMPDIR": str(scratch)}
        self._scratch = scratch
        self._show = show
        self._folder = folder
        self._grace = grace
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None
        self._lines: deque[Line] = deque(maxlen=_KEPT_LINES)
        self._written = 0
        self._said_before = 0
        self.state: State = "new"
        self.starts = 0
        self.outcome = ""
        """How the last process ended, in words."""

    async def start(self) -> bool:
        """Start the bot; False where one is there already."""
        if self.state in ("running", "stopping"):
            return False
        self.state, self.outcome, self._said_before = "running", "", self._written
        self.starts += 1
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=self._folder,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=_LONGEST_LINE,
            # A Ctrl-C in the terminal is for us: we end the bot while the simulators still answer it.
            start_new_session=True,
            preexec_fn=_die_with_parent(),
        )
        self._watching = asyncio.create_task(self._watch(self._process), name="bot process")
        return True

    async def stop(self) -> None:
        """End the bot: ask, wait, kill. Returns once nothing of it is left."""
        if self._process is None or self._watching is None:
            return
        if self.state == "running":
            self.state = "stopping"
            _send(self._process, signal.SIGTERM)
        done, _ = await asyncio.wait({self._watching}, timeout=self._grace)
        if not done:
            self._show(f"bot.py did not stop within {self._grace:.0f} s, so it is killed")
            _send(self._process, signal.SIGKILL)
        await self._watching

    @property
    def last_line(self) -> str:
        """What the last process said last; empty where it said nothing."""
        return self._lines[-1].text if self._written > self._said_before else ""

    def lines_since(self, number: int) -> list[Line]:
        """The kept lines after the one with this number."""
        return [line for line in self._lines if line.number > number]

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101  # for the type checker: the pipe was asked for
        async for text in _read_lines(process.stdout):
            self._written += 1
            self._lines.append(Line(self._written, text))
            self._show(f"bot | {text}")
        code = await process.wait()
        await asyncio.to_thread(end_leftovers, self._scratch)
        by_itself = self.state == "running"
        self.state, self.outcome = "ended", _in_words(code)
        if by_itself:
            self._show(f"bot.py ended by itself, {self.outcome}. Its last line: {self.last_line or '(none)'}")


def end_leftovers(scratch: Path) -> None:
    """Kill what still runs with this folder as its TMPDIR: browsers of a bot that was killed or failed."""
    for _ in range(3):  # a process may have been starting another one meanwhile
        found = [process for process in psutil.process_iter() if _is_from(process, scratch)]
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if not found:
            break
        psutil.wait_procs(found, timeout=2)


def _is_from(process: psutil.Process, scratch: Path) -> bool:
    try:
        return process.pid != os.getpid() and process.environ().get("TMPDIR") == str(scratch)
    except (psutil.Error, OSError):
        return False  # gone meanwhile, or somebody else's


def _die_with_parent() -> Callable[[], None] | None:
    """What makes the kernel send the child a SIGTERM should we be killed; None where there is no such thing."""
    if sys.platform != "linux":
        return None
    library, parent = ctypes.CDLL(None), os.getpid()

    def prepare() -> None:
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # we were killed before the line above
            os._exit(1)

    return prepare


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


async def _read_lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            yield "(a line of more than 1 MB)"
            continue
        if not line:
            return
        yield line.decode(errors="replace").rstrip()


def _in_words(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
