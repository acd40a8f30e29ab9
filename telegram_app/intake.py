"""Fetches a bot's updates and has them handled: each person's in order, those of different people concurrently.

- **At least once.** An update is confirmed to Telegram (by the offset of the next poll) when it and all before it are
  handled; what a crash or a stop leaves is sent again. The database keeps the last message of each person that was
  handled, so that it is not handled twice; taps may be, as a double tap is.
- **Nobody waits for others.** Telegram sends only 100 updates from the offset on. So what takes longer than ``hold``,
  or is from somebody who sends too much, is confirmed all the same, and lost if the process is killed then. The
  deletion of a message that may hold a password is queued before.
- **Bounds.** What is more than ``most_waiting`` of one person is dropped, and the person is told so once a minute.
"""

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from telegram import Update
from telegram.error import InvalidToken, RetryAfter, TelegramError, TimedOut

from core.backoff import Backoff
from core.logs import brief
from core.sqlite import DatabaseError
from core.tasks import is_wanted
from telegram_app.factory import FIRST_PAUSE, LONGEST_PAUSE, STOP_WITHIN, AnyApplication, until_reached
from telegram_app.outbox import URGENT, Item
from telegram_app.rate_limiter import seconds_of
from telegram_app.side import Side, sender
from telegram_app.wire import KINDS, PollingRequest, update_of

log = logging.getLogger(__name__)

POLL_SECONDS = 25  # Telegram holds a poll without updates for this long
LIMIT = 100  # updates that Telegram sends at a time
WARNED_EVERY = 60.0  # seconds
RESENT_WITHIN = 1000  # ids; Telegram's may begin anew after a week without updates


@dataclass(frozen=True)
class Limits:
    """``repeat``: seconds between polls while Telegram repeats what is being handled; ``stuck``: without progress."""

    most_waiting: int = 20
    most_in_all: int = 2000  # while so many wait, nothing is fetched
    hold: float = 5.0  # seconds
    repeat: float = 0.2
    stuck: float = 60.0


class Intake:
    """The updates of one bot that are fetched and not handled yet."""

    def __init__(
        self, application: AnyApplication, poll: PollingRequest, side: Side, limits: Limits = Limits()
    ) -> None:
        self._application = application
        self._poll = poll
        self._side = side
        self._limits = limits
        self._queues: dict[int, deque[Update]] = {}  # by person; the first update is being handled
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._open: dict[int, tuple[Update, float]] = {}  # not to be confirmed yet, and since when
        self._known: set[int] = set()  # fetched, and not confirmed
        self._next = 0  # the offset that confirms all of them
        self._handled_before: dict[int, int] = {}  # by a previous process: the last message of each person
        self._warned: dict[int, float] = {}
        self._moved = asyncio.Event()
        self._moved_at = time.monotonic()

    @property
    def offset(self) -> int:
        """The first update that is not to be confirmed: the lowest one that is not handled, or the next new one."""
        return min(self._open, default=self._next)

    async def run(self) -> None:
        """Fetch and handle updates until cancelled, or until Telegram refuses the token."""
        with suppress(DatabaseError, sqlite3.Error):
            self._handled_before = await asyncio.to_thread(self._side.people.handled)
        backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE, factor=1.5)
        while is_wanted():
            try:
                await self._fetch(POLL_SECONDS)
                await self._wait(await self.take(self._poll.batch))
                backoff.reset()
            except InvalidToken:
                return
            except RetryAfter as refused:
                await asyncio.sleep(seconds_of(refused) + 0.5)
            except TimedOut:  # the poll's connection was lost
                continue
            except TelegramError as error:
                await self._application.process_error(None, error)
                await asyncio.sleep(backoff.next())
            except Exception as error:  # noqa: BLE001  # a bug of ours must not end the polling, nor become a fast loop
                log.error("polling: %s", brief(error))  # noqa: TRY400  # its text may hold what somebody typed
                await asyncio.sleep(backoff.next())

    async def _fetch(self, timeout: int, limit: int = LIMIT) -> None:
        await self._application.bot.get_updates(self.offset, limit, timeout, KINDS)

    async def take(self, batch: list[tuple[int | None, Any]]) -> bool:
        """Queue the updates of an answer for their handlers; return whether there were new ones."""
        confirmed, fetched = self.offset, {number for number, _raw in batch}
        dropped: dict[int, list[Update]] = {}
        new = [(number, raw) for number, raw in batch if number is not None and number not in self._known]
        for number, raw in new:
            self._known.add(number)
            self._next = number + 1
            if (update := update_of(raw, self._application.bot)) is None:
                log.info("update %d: unreadable, or not from a person in a private chat; skipped", number)
            elif 0 <= self._handled_before.get(sender(update), -1) - number < RESENT_WITHIN:
                log.info("update %d: was handled before", number)
            elif not self._queue(sender(update), update):
                dropped.setdefault(sender(update), []).append(update)
        self._known = {number for number in self._known if number >= confirmed or number in fetched}
        for person, updates in dropped.items():
            await self._overrun(person, updates)
        return bool(new)

    async def _wait(self, is_new: bool) -> None:
        """Wait before the next poll until all is handled, for ``repeat`` seconds at most: others may have come."""
        now = time.monotonic()
        late = {number for number, (_update, at) in self._open.items() if now - at > self._limits.hold}
        if not is_new and len(self._poll.batch) >= LIMIT:  # newer ones are hidden behind these
            late.add(self.offset)
        await self._confirm([self._open[number][0] for number in late & self._open.keys()])
        idle = bool(self._poll.batch) and not is_new  # only repeated ones
        while sum(map(len, self._queues.values())) >= self._limits.most_in_all or (
            (self._open or idle) and time.monotonic() - now < self._limits.repeat
        ):
            self._moved.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._limits.repeat):
                    await self._moved.wait()
        if not self._queues:
            self._moved_at = time.monotonic()
        if time.monotonic() - self._moved_at < self._limits.stuck:
            self._poll.answered()

    def _queue(self, person: int, update: Update) -> bool:
        """Queue an update behind those of its person; False if too many wait."""
        queue = self._queues.setdefault(person, deque())
        if len(queue) > self._limits.most_waiting:
            return False
        queue.append(update)
        self._open[update.update_id] = update, time.monotonic()
        if person not in self._tasks:
            self._tasks[person] = asyncio.create_task(self._serve(person, queue), name=f"updates-{person}")
        return True

    async def _serve(self, person: int, queue: deque[Update]) -> None:
        try:
            while queue:
                await self._handle(person, queue[0])
                queue.popleft()
        finally:
            del self._queues[person], self._tasks[person]
            self._moved.set()

    async def _handle(self, person: int, update: Update) -> None:
        try:
            with self._poll.metrics.update_seconds.time():
                await self._application.process_update(update)
        except Exception as error:  # noqa: BLE001  # an error handler's own: those of handlers don't come this far
            log.error("update %d of person %d failed: %s", update.update_id, person, brief(error))  # noqa: TRY400
        if update.message is not None:
            with suppress(DatabaseError, sqlite3.Error):
                await asyncio.to_thread(self._side.people.set_handled, person, update.update_id)
        self._open.pop(update.update_id, None)
        self._moved_at = time.monotonic()
        self._moved.set()

    async def _overrun(self, person: int, dropped: list[Update]) -> None:
        """Tell a person who sends too much, and confirm what waits of theirs, so that nobody waits behind it."""
        now, told = time.monotonic(), []
        self._poll.metrics.updates_dropped.inc(len(dropped))
        self._warned = {who: at for who, at in self._warned.items() if now - at < WARNED_EVERY}
        if self._warned.setdefault(person, now) == now:
            log.warning("person %d sends too much: %d updates dropped", person, len(dropped))
            _ = self._side.texts(person)
            text = _("You write faster than I can answer, so I have skipped some messages. Wait a moment, then go on.")
            told.append(Item(person, "send", text))
        waiting = [update for update, _at in self._open.values() if sender(update) == person]
        await self._confirm(dropped + waiting, told)

    async def _confirm(self, updates: Collection[Update], told: Collection[Item] = ()) -> None:
        """Confirm updates that are not handled, after queuing the deletion of those that may hold a password."""
        items = list(told)
        try:
            for update in updates:
                message, person = update.message or update.edited_message, sender(update)
                text = (message.text or message.caption or "") if message is not None else ""
                if message is not None and text and await self._side.may_be_password(person, text):
                    items.append(Item(person, "delete", message_id=message.message_id, lane=URGENT))
            if items:
                await self._side.outbox.put(*items)
        except (DatabaseError, sqlite3.Error):  # not writable, or damaged: that holds up nobody
            for item in items:
                await self._side.outbox.direct(item)
        finally:
            for update in updates:
                self._open.pop(update.update_id, None)

    async def close(self) -> None:
        """Drop what waits, give running handlers some seconds, confirm what is handled. The rest is sent again."""
        for queue in self._queues.values():
            while len(queue) > 1:
                queue.pop()
        if tasks := list(self._tasks.values()):
            _, late = await asyncio.wait(tasks, timeout=STOP_WITHIN)
            for task in late:
                task.cancel()
        if self._next and not self._poll.refused.is_set():
            with suppress(TelegramError, TimeoutError):
                async with asyncio.timeout(STOP_WITHIN):
                    await self._fetch(0, 1)


@asynccontextmanager
async def polling(application: AnyApplication, poll: PollingRequest, side: Side) -> AsyncIterator[None]:
    """Fetch and handle updates during the block. Pending updates are handled: they may be passwords to delete."""
    await until_reached(application.bot.delete_webhook)
    intake = Intake(application, poll, side)
    running = asyncio.create_task(intake.run(), name="polling")
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await intake.close()
