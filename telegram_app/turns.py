"""Whose call to Telegram comes next where many want to make one: the most urgent first, then the oldest.

Telegram allows a bot 30 messages a second. With a class of 500 there is a queue, and what somebody waits for with the
phone in the hand must not stand behind what can be done at any time.
"""

import asyncio
import heapq
import itertools

from aiolimiter import AsyncLimiter

PER_SECOND = 29.0  # a little under Telegram's limit, so that nothing waits at the limiter behind this one


class Turns:
    """Gives out turns at an even pace. Used on one loop."""

    def __init__(self, per_second: float = PER_SECOND) -> None:
        """Take how many turns there are a second; a second's worth may be taken at once."""
        self._limiter = AsyncLimiter(per_second, 1.0)
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._giving: asyncio.Task[None] | None = None

    async def take(self, urgency: int) -> None:
        """Wait for a turn; a lower number is more urgent."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (urgency, next(self._numbers), turn))
        if self._giving is None or self._giving.done():
            self._giving = asyncio.create_task(self._give(), name="telegram-turns")
        await turn

    async def _give(self) -> None:
        """Give turns until nobody waits."""
        while self._waiting:
            await self._limiter.acquire()
            while self._waiting:
                _urgency, _number, turn = heapq.heappop(self._waiting)
                if not turn.done():  # who was cancelled has left
                    turn.set_result(None)
                    break
