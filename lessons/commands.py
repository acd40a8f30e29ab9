"""A monitor's command queue, and the waits of its thread, which execute queued commands."""

import queue
from collections.abc import Callable

from core.clock import Clock


class StopRequested(Exception):
    """Raised by the stop command to end every wait of the monitor's thread; not an error."""


class Commands:
    """Commands for a monitor's thread: the only way in which other threads reach it."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def put(self, command: Callable[[], None]) -> None:
        self._queue.put(command)

    def next(self, within: float) -> Callable[[], None] | None:
        """Return the next command, or None if none comes within so many seconds."""
        try:
            return self._queue.get(timeout=max(within, 0))
        except queue.Empty:
            return None


class Waits:
    """Every wait of a monitor's thread. A command that needs the thread's attention sets ``woken``."""

    def __init__(self, commands: Commands, clock: Clock) -> None:
        self._commands = commands
        self._clock = clock
        self.woken = False

    def wake(self) -> None:
        """End the current wait, if it is one that ends when woken."""
        self.woken = True

    def pause(self, seconds: float, until_woken: bool = False) -> None:
        """Wait so many seconds and execute commands meanwhile; with ``until_woken`` return as soon as woken."""
        deadline = self._clock.monotonic() + seconds
        while True:
            command = self._commands.next(deadline - self._clock.monotonic())
            if command is not None:
                command()
            elif self._clock.monotonic() >= deadline:
                return
            if until_woken and self.woken:
                return
