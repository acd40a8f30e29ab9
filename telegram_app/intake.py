"""Fetches a bot's updates and has them handled: each person's in order, those of different people concurrently.

- **At least once.** An update is confirmed to Telegram (by the offset of the next poll) when it and all before it are
  handled; what a crash or a stop leaves is sent again. Messages that were handled already are recognised then: the
  database keeps the last one of each person. Taps may be handled twice, as a double tap is.
- **Nobody waits for others.** An update that is not handled within ``hold`` seconds, or whose sender has too many
  waiting, is confirmed all the same, since Telegram sends at most 100 updates from the offset on. If the process is
  killed before it is handled, it is lost; so if it is a message that may hold a password, its deletion is queued first.
- **Bounds.** Of one person at most ``most_waiting`` updates wait; more are dropped, and the person is told so once a
  minute. While ``most_in_all`` wait, nothing is fetched.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from telegram import Message, Update
from telegram.error import InvalidToken, RetryAfter, TelegramError, TimedOut

from core.backoff import Backoff
from core.logs import brief
from core.sqlite import DatabaseError
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
    """Bounds of waiting updates; ``hold`` and ``repeat`` in seconds, see above and ``Intake.run``.

    ``stuck``: seconds without a handled update, while some wait, after which no progress is reported to /healthz.
    """

    most_waiting: int = 20
    most_in_all: int = 2000
    hold: float = 5.0
    repeat: float = 0.2
    stuck: float = 60.0


@dataclass(eq=False)
class _Taken:
    update: Update
    at: float

    @property
    def message(self) -> Message | None:
        return self.update.message or self.update.edited_message


class Intake:
    """The updates of one bot that are fetched and not handled yet."""

    def __init__(
        self, application: AnyApplication, poll: PollingRequest, side: Side, limits: Limits = Limits()
    ) -> None:
        self._application = application
        self._poll = poll
        self._side = side
        self._limits = limits
        self._queues: dict[int, deque[_Taken]] = {}  # by person; the first one is being handled
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._open: dict[int, _Taken] = {}  # updates that must not be confirmed yet
        self._known: set[int] = set()  # updates that were fetched and are not confirmed
        self._next = 0  # the offset that confirms all of them
        self._handled_before: dict[int, int] = {}  # the last message of each person that a previous process handled
        self._warned: dict[int, float] = {}
        self._moved = asyncio.Event()
        self._moved_at = time.monotonic()

    @property
    def offset(self) -> int:
        """The first update that is not to be confirmed: the lowest one that is not handled, or the next new one."""
        return min(self._open, default=self._next)

    async def run(self) -> None:
        """Fetch and handle updates until cancelled, or until Telegram refuses the token.

        While updates are being handled, Telegram repeats them to each poll at once: so the next poll waits until they
        are handled, but not longer than ``repeat`` seconds, since others may have come.
        """
        with suppress(DatabaseError):
            self._handled_before = await asyncio.to_thread(self._side.people.handled)
        backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE, factor=1.5)
        while True:
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

    async def _wait(self, is_new: bool) -> None:
        """Wait before the next poll as ``run`` says; and while too many updates wait."""
        late = {number for number, taken in self._open.items() if time.monotonic() - taken.at > self._limits.hold}
        if not is_new and len(self._poll.batch) >= LIMIT:  # newer ones are hidden behind these
            late.add(self.offset)
        await self._release(late)
        until = time.monotonic() + self._limits.repeat
        while self._too_many() or ((self._open or (self._poll.batch and not is_new)) and time.monotonic() < until):
            self._moved.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), self._limits.repeat)
        if not self._queues:
            self._moved_at = time.monotonic()
        if time.monotonic() - self._moved_at < self._limits.stuck:
            self._poll.answered()

    def _too_many(self) -> bool:
        return sum(map(len, self._queues.values())) >= self._limits.most_in_all

    async def take(self, batch: list[tuple[int | None, Any]]) -> bool:
        """Queue the updates of an answer for their handlers; return whether there were new ones."""
        start, dropped, is_new = self.offset, [], False
        fetched = {number for number, _raw in batch}
        for number, raw in batch:
            if number is None or number in self._known:
                continue
            is_new = True
            self._known.add(number)
            self._next = number + 1
            if (update := update_of(raw, self._application.bot)) is None:
                log.info("update %d: unreadable, or not from a person in a private chat; skipped", number)
            elif not self._was_handled(update) and not self._queue(taken := _Taken(update, time.monotonic())):
                dropped.append(taken)
        self._known = {number for number in self._known if number >= start or number in fetched}
        for person in {sender(each.update) for each in dropped}:
            await self._overrun(person, [each for each in dropped if sender(each.update) == person])
        return is_new

    def _was_handled(self, update: Update) -> bool:
        return 0 <= self._handled_before.get(sender(update), -1) - update.update_id < RESENT_WITHIN

    def _queue(self, taken: _Taken) -> bool:
        """Queue an update behind those of its person; False if too many wait."""
        person = sender(taken.update)
        queue = self._queues.setdefault(person, deque())
        if len(queue) > self._limits.most_waiting:
            return False
        queue.append(taken)
        self._open[taken.update.update_id] = taken
        if person not in self._tasks:
            self._tasks[person] = asyncio.create_task(self._serve(person), name=f"updates-{person}")
        return True

    async def _serve(self, person: int) -> None:
        queue = self._queues[person]
        try:
            while queue:
                await self._handle(person, queue[0])
                queue.popleft()
        finally:
            del self._queues[person], self._tasks[person]
            self._moved.set()

    async def _handle(self, person: int, taken: _Taken) -> None:
        try:
            await self._application.process_update(taken.update)
        except Exception as error:  # noqa: BLE001  # an error handler's own: those of handlers don't come this far
            log.error("update %d of person %d failed: %s", taken.update.update_id, person, brief(error))  # noqa: TRY400
        if taken.update.message is not None:
            with suppress(DatabaseError):
                await asyncio.to_thread(self._side.people.set_handled, person, taken.update.update_id)
        self._open.pop(taken.update.update_id, None)
        self._moved_at = time.monotonic()
        self._moved.set()

    async def _overrun(self, person: int, dropped: list[_Taken]) -> None:
        """Tell a person who sends too much; their waiting updates are confirmed, so that nobody waits behind them."""
        log.warning("person %d sends too much: %d updates dropped", person, len(dropped))
        waiting = [taken for taken in self._queues.get(person, ()) if taken.update.update_id in self._open]
        now, items = time.monotonic(), await self._deletions(person, dropped + waiting)
        self._warned = {who: at for who, at in self._warned.items() if now - at < WARNED_EVERY}
        if person not in self._warned:
            self._warned[person] = now
            _ = self._side.texts(person)
            text = _("You write faster than I can answer, so I have skipped some messages. Wait a moment, then go on.")
            items.append(Item(person, "send", text))
        await self._confirm(waiting, items)

    async def _release(self, numbers: set[int]) -> None:
        """Confirm updates although they are not handled yet."""
        late = [self._open[number] for number in numbers if number in self._open]
        items = [item for taken in late for item in await self._deletions(sender(taken.update), [taken])]
        await self._confirm(late, items)

    async def _deletions(self, person: int, of: list[_Taken]) -> list[Item]:
        """Return the deletions of the messages that may hold a password."""
        messages = [each.message for each in of if each.message is not None]
        texts = {message.message_id: message.text or message.caption or "" for message in messages}
        return [
            Item(person, "delete", message_id=number, lane=URGENT)
            for number, text in texts.items()
            if text and await self._side.may_be_password(person, text)
        ]

    async def _confirm(self, taken: list[_Taken], items: list[Item]) -> None:
        try:
            if items:
                await self._side.outbox.put(*items)
        except DatabaseError:
            for item in items:
                await self._side.outbox.direct(item)
        for each in taken:
            self._open.pop(each.update.update_id, None)

    async def close(self) -> None:
        """Drop what waits, give running handlers some seconds, confirm what is handled. The rest is sent again."""
        for queue in self._queues.values():
            while len(queue) > 1:
                queue.pop()
        if tasks := list(self._tasks.values()):
            _, late = await asyncio.wait(tasks, timeout=STOP_WITHIN)
            for task in late:
                task.cancel()
            if late:
                log.warning("%d updates were not handled to the end", len(late))
                await asyncio.wait(late, timeout=1.0)
        if self._next and not self._poll.refused.is_set():
            with suppress(TelegramError, TimeoutError):
                await asyncio.wait_for(self._fetch(0, 1), STOP_WITHIN)


@asynccontextmanager
async def polling(
    application: AnyApplication, poll: PollingRequest, side: Side, limits: Limits = Limits()
) -> AsyncIterator[None]:
    """Fetch and handle updates during the block. Pending updates are handled: they may be passwords to delete."""
    await until_reached(application.bot.delete_webhook)
    intake = Intake(application, poll, side, limits)
    running = asyncio.create_task(intake.run(), name="polling")
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await intake.close()
