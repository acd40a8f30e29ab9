"""The keeper goes on after errors that nobody foresaw."""

import asyncio
from typing import Any, cast

import pytest

from classroom.keeper import Keeper
from classroom.store import StoreUnavailable
from tests.fakes import moved_time

pytestmark = [pytest.mark.unit, pytest.mark.moved_time]


class Surroundings:
    """All that a keeper works with, with nothing in it; one step of its rounds fails as scripted."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.clock = moved_time()
        self.moves, self.looks, self.swept = 0, list[float](), 0
        self.store = self.endings = self

    async def finish_moves(self) -> None:
        self.moves += 1
        if self.errors:
            raise self.errors.pop(0)

    async def settle(self) -> set[str]:
        return set()

    async def unfinished(self) -> list[Any]:
        self.looks.append(self.clock.passed)
        return []

    async def look(self, _now: object) -> None:
        self.swept += 1
        raise StoreUnavailable("the clean-up is of no interest here")


async def rounds(surroundings: Surroundings, seconds: float) -> None:
    """Run a keeper for so long."""
    nothing = cast(Any, None)
    keeper = Keeper(
        cast(Any, surroundings),
        nothing,  # boards, reports and files are not needed without sessions
        nothing,
        nothing,
        cast(Any, surroundings),
        remind=nothing,
        give_up=nothing,
        catch_up=nothing,
        tidy=nothing,
        finish_begun=surroundings.finish_moves,
        show_menu=nothing,
        settle=surroundings.settle,
    )
    running = asyncio.create_task(keeper.run())
    await asyncio.sleep(seconds)
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_unforeseen_error(caplog: pytest.LogCaptureFixture) -> None:
    """An unforeseen error in one step ends neither the keeper nor the other steps; pauses grow, an admin is told."""
    surroundings = Surroundings(*[KeyError("x")] * 3)
    await rounds(surroundings, 7.5)
    assert surroundings.looks == pytest.approx([0, 1, 3, 7], abs=0.01)
    assert (surroundings.moves, surroundings.swept) == (4, 2)
    assert [getattr(each, "trouble", "") for each in caplog.records].count("fault") == 3


async def test_store(caplog: pytest.LogCaptureFixture) -> None:
    """A store that is down is tried again in the next round."""
    surroundings = Surroundings(*[StoreUnavailable("down")] * 3)
    await rounds(surroundings, 3.5)
    assert surroundings.moves == 4
    assert "KeyError" not in caplog.text
