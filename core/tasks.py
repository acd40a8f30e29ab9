"""Work that goes on until the program stops: its cancellation, and its errors."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from core.backoff import Backoff
from core.logs import brief
from core.sqlite import DatabaseUnavailable

log = logging.getLogger(__name__)

Item = TypeVar("Item")


def is_wanted() -> bool:
    """Return False once the current task was cancelled: the condition of a loop that runs until then.

    The error that a cancellation raises can be lost in a library: before Python 3.12, asyncio.wait_for returns its
    result instead if both come at once. A loop without this condition would then go on for ever.
    """
    task = asyncio.current_task()
    return task is None or task.cancelling() == 0


async def each(work: Callable[[Item], Awaitable[object]], items: Iterable[Item]) -> None:
    """Await ``work`` for each item; an error with one of them is raised after all were tried."""
    errors = []
    for item in items:
        try:
            await work(item)
        except Exception as error:  # noqa: BLE001  # raised below
            errors.append(error)
    for further in errors[1:]:
        log.warning("failed as well: %s", brief(further))
    if errors:
        raise errors[0]


@dataclass(eq=False)
class Duty:
    """Periodic work, due every so many seconds (inf: once). After an error it is tried again with a growing pause.

    ``on_error`` is called with the duty's name and an unforeseen error; DatabaseUnavailable is only logged.
    """

    on_error: Callable[[str, Exception], None]
    work: Callable[[], Awaitable[object]]
    every: float
    due: float = 0.0  # monotonic
    _backoff: Backoff = field(default_factory=lambda: Backoff(1.0, 60.0))

    async def attempt(self, now: float) -> None:
        """Do the work now."""
        name = getattr(self.work, "__qualname__", "periodic work")
        try:
            await self.work()
        except DatabaseUnavailable as error:
            self.due = now + self._backoff.next()
            log.warning("%s: %s; next try in %.0f s", name, error, self.due - now)
        except Exception as error:  # a bug in one duty must not end the others
            self.due = now + self._backoff.next()
            log.exception("%s failed; next try in %.0f s", name, self.due - now)
            self.on_error(name, error)
        else:
            self._backoff.reset()
            self.due = now + self.every


async def until_first(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all of ``work`` until the first of it ends; then cancel the rest, and raise the first one's error."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        done, _running = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.result()
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.wait(tasks)
