"""Updates of one person in order, those of different people side by side."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable
from typing import Any

from telegram import Update
from telegram.ext import BaseUpdateProcessor

# More than a course of students tapping at once; each waiting update costs little.
CONCURRENT_UPDATES = 512
TAPS_WAITING = 16  # of one person

log = logging.getLogger(__name__)


class PerPersonUpdateProcessor(BaseUpdateProcessor):
    """Handles one update a person at a time.

    python-telegram-bot's own processor is either one at a time for everybody (a slow handler held up another
    person by two seconds) or without any order, which breaks conversations.
    """

    def __init__(self) -> None:
        """Start without anybody waiting."""
        super().__init__(CONCURRENT_UPDATES)
        self._locks: dict[int, asyncio.Lock] = {}
        self._waiting: dict[int, int] = {}

    async def do_process_update(self, update: object, coroutine: Awaitable[Any]) -> None:
        """Wait for this person's earlier updates, then handle this one."""
        person = update.effective_user.id if isinstance(update, Update) and update.effective_user else 0
        if isinstance(update, Update) and update.callback_query and self._waiting.get(person, 0) >= TAPS_WAITING:
            # a flood of one person's taps would take everybody's places; a text may be a password and is never dropped
            log.warning("person %d taps faster than it can be done; a tap is dropped", person)
            if inspect.iscoroutine(coroutine):
                coroutine.close()
            return
        lock = self._locks.setdefault(person, asyncio.Lock())
        self._waiting[person] = self._waiting.get(person, 0) + 1
        try:
            async with lock:  # asyncio's lock lets them in in the order in which they came
                await coroutine
        finally:
            self._waiting[person] -= 1
            if not self._waiting[person]:
                del self._waiting[person], self._locks[person]

    async def initialize(self) -> None:
        """Nothing to set up."""

    async def shutdown(self) -> None:
        """Nothing to let go."""
