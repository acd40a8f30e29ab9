"""Handles the updates of one person in order, and those of different people concurrently."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable
from typing import Any

from telegram import Update
from telegram.ext import BaseUpdateProcessor

# More than a whole course tapping at once; a waiting update costs little.
CONCURRENT_UPDATES = 512
TAPS_WAITING = 16  # of one person

log = logging.getLogger(__name__)


class PerPersonUpdateProcessor(BaseUpdateProcessor):
    """Handles one update per person at a time.

    python-telegram-bot's own processor handles either one update at a time in all (a slow handler delayed another
    person by two seconds) or all of them without any order, which breaks conversations.
    """

    def __init__(self) -> None:
        super().__init__(CONCURRENT_UPDATES)
        self._locks: dict[int, asyncio.Lock] = {}
        self._waiting: dict[int, int] = {}

    async def do_process_update(self, update: object, coroutine: Awaitable[Any]) -> None:
        person = update.effective_user.id if isinstance(update, Update) and update.effective_user else 0
        if isinstance(update, Update) and update.callback_query and self._waiting.get(person, 0) >= TAPS_WAITING:
            # one person's taps must not use up all places; a text may be a password to delete and is never dropped
            log.warning("person %d has %d taps waiting; a tap was dropped", person, TAPS_WAITING)
            if inspect.iscoroutine(coroutine):
                coroutine.close()
            return
        lock = self._locks.setdefault(person, asyncio.Lock())
        self._waiting[person] = self._waiting.get(person, 0) + 1
        try:
            async with lock:  # asyncio.Lock is fair: first come, first served
                await coroutine
        finally:
            self._waiting[person] -= 1
            if not self._waiting[person]:
                del self._waiting[person], self._locks[person]

    # abstract in the base class; there is nothing to do
    async def initialize(self) -> None: ...
    async def shutdown(self) -> None: ...
