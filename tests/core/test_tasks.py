"""Loops that run until they are cancelled."""

import asyncio
import contextlib
import math

import pytest

from core.sqlite import DatabaseUnavailable
from core.tasks import Duty, each, is_wanted
from tests.waiting import PATIENCE

pytestmark = pytest.mark.unit


def test_lost_cancellation() -> None:
    """A loop ends although one of its calls lost the error of the cancellation, as libraries do."""

    async def looping() -> None:
        while is_wanted():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(PATIENCE)

    async def run() -> None:
        task = asyncio.create_task(looping())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait_for(task, PATIENCE / 2)

    asyncio.run(run())


class Work:
    """Work that fails as scripted."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes, self.done = list(outcomes), 0
        self.told: list[tuple[str, str]] = []

    async def work(self) -> None:
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome
        self.done += 1

    def on_error(self, name: str, error: Exception) -> None:
        self.told.append((name, str(error)))


class TestDuty:
    async def test_growing_pause(self) -> None:
        """Work that fails is tried again after 1, 2 and 4 s, with each unforeseen error told; then in its interval."""
        work = Work(KeyError("a"), RuntimeError("can't start new thread"), KeyError("b"))
        duty, dues = Duty(work.on_error, work.work, 10), []
        for _ in range(4):
            await duty.attempt(duty.due)
            dues.append(duty.due)
        assert dues == [1, 3, 7, 17]
        assert work.told == [("Work.work", "'a'"), ("Work.work", "can't start new thread"), ("Work.work", "'b'")]
        assert work.done == 1

    async def test_database(self) -> None:
        """A database that can't be written is logged and not told: it is watched elsewhere."""
        work = Work(DatabaseUnavailable("disk full"))
        duty = Duty(work.on_error, work.work, 10)
        await duty.attempt(100)
        assert (duty.due, work.told) == (101, [])

    async def test_once(self) -> None:
        """Work that is done once is not due again after it has succeeded."""
        work = Work(KeyError("a"))
        duty = Duty(work.on_error, work.work, math.inf)
        await duty.attempt(0)
        assert duty.due == 1
        await duty.attempt(1)
        assert duty.due == math.inf


async def test_each(caplog: pytest.LogCaptureFixture) -> None:
    """An error with one item is raised after all were tried; further ones are logged."""
    tried = []

    async def work(item: int) -> None:
        tried.append(item)
        if item % 2:
            raise KeyError(item)

    with pytest.raises(KeyError, match="1"):
        await each(work, range(5))
    assert tried == [0, 1, 2, 3, 4]
    assert "failed as well: KeyError (test_tasks.py" in caplog.text
