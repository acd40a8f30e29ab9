"""Runs the bot as a child process: start, output, stop, and cleanup of what it leaves behind."""

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

from sandbox.signal import Signal

ProcessState = Literal["new", "running", "stopping", "ended"]

# Seconds. On SIGTERM the bot delivers its messages and closes its Chromes before it exits.
GRACE = 30.0
_KEPT_LINES = 500
_LONGEST_LINE = 1024 * 1024
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Line:
    """One line of the bot's output; numbers continue across restarts."""

    number: int
    text: str


class BotProcess:
    """A bot that can be started repeatedly, one process at a time.

    `scratch` becomes its TMPDIR. Its children inherit the variable, so leftover processes are found by it.
    `show` receives every output line, and a sentence when the bot ended without being stopped.
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
        self._written_before_start = 0
        self.state: ProcessState = "new"
        self.starts = 0
        self.outcome = ""
        """How the last process ended, as text."""
        self.changed = Signal()

    async def start(self) -> bool:
        """Start the bot; False if it is running already."""
        if self.state in ("running", "stopping"):
            return False
        self.state, self.outcome, self._written_before_start = "running", "", self._written
        self.starts += 1
        self.changed.bump()
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=self._folder,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=_LONGEST_LINE,
            # Ctrl-C in the terminal must reach only us: we stop the bot while the simulators still answer.
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
        self._watching = asyncio.create_task(self._watch(self._process), name="bot process")
        return True

    async def stop(self) -> None:
        """Stop the bot: SIGTERM, wait, SIGKILL. Returns once no process of it is left."""
        if self._process is None or self._watching is None:
            return
        if self.state == "running":
            self.state = "stopping"
            self.changed.bump()
            _send(self._process, signal.SIGTERM)
        done, _ = await asyncio.wait({self._watching}, timeout=self._grace)
        if not done:
            self._show(f"bot.py did not stop within {self._grace:.0f} s, so it is killed")
            _send(self._process, signal.SIGKILL)
        await self._watching

    @property
    def last_line(self) -> str:
        """The last line of the last process; empty if it wrote nothing."""
        return self._lines[-1].text if self._written > self._written_before_start else ""

    def lines_since(self, number: int) -> list[Line]:
        """Stored lines after the one with this number."""
        return [line for line in self._lines if line.number > number]

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101  # for the type checker: the pipe was asked for
        async for text in _read_lines(process.stdout):
            self._written += 1
            self._lines.append(Line(self._written, text))
            self._show(f"bot | {text}")
            self.changed.bump()
        code = await process.wait()
        await asyncio.to_thread(end_leftovers, self._scratch)
        unexpected = self.state == "running"
        self.state, self.outcome = "ended", _describe_exit(code)
        self.changed.bump()
        if unexpected:
            self._show(f"bot.py ended unexpectedly: {self.outcome}. Its last line: {self.last_line or '(none)'}")


def end_leftovers(scratch: Path) -> None:
    """Kill processes whose TMPDIR is this folder or in it: browsers of a bot that was killed or crashed."""
    for _ in range(3):  # a process may start another one during the search
        found = [process for process in psutil.process_iter() if _is_from(process, scratch)]
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if not found:
            break
        psutil.wait_procs(found, timeout=2)


def _is_from(process: psutil.Process, scratch: Path) -> bool:
    try:
        return process.pid != os.getpid() and Path(process.environ().get("TMPDIR", "/")).is_relative_to(scratch)
    except (psutil.Error, OSError):
        return False  # ended meanwhile, or another user's


def die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """A preexec function that makes the kernel send this signal to the child when we die; None except on Linux."""
    if sys.platform != "linux":
        return None
    library, parent = ctypes.CDLL(None), os.getpid()

    def prepare() -> None:
        library.prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # we died before prctl took effect
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


def _describe_exit(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
