"""The outgoing messages of one bot: stored in a queue first, then sent until Telegram has answered.

FIFO per person, with answers to taps before notices. What Telegram refused is not repeated. A message may arrive twice
only if Telegram's answer was lost, since ``sendMessage`` has no idempotency key.
"""

import asyncio
import hashlib
import json
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from telegram.error import Forbidden, RetryAfter, TelegramError
from telegram.ext import ExtBot

from core.backoff import Backoff
from core.clock import Clock, SystemClock
from core.sqlite import Database, DatabaseUnavailable
from telegram_app.files import MakeFile, no_files
from telegram_app.metrics import BotMetrics
from telegram_app.outbox_table import LANES, Action, Outgoing, OutgoingRow
from telegram_app.people import People
from telegram_app.rate_limiter import seconds_of
from telegram_app.sender import Sender, options_of

log = logging.getLogger(__name__)

# Deletions of typed passwords go first, questions and answers before notices, then what nobody waits for.
URGENT, ANSWER, NOTICE, LATER = LANES
# Seconds. Telegram allows a bot one message per second in a chat; the rest is a margin for its clock.
BETWEEN_SENDS = 1.05
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds, after Telegram did not answer or failed
MOST_FAILURES = 5  # unforeseen errors with one row, after which it is dropped
CLOSE_WITHIN = 5.0  # seconds
DIGEST = 8  # characters


@dataclass(frozen=True)
class Button:
    """An inline button: ``data`` is sent back when it is tapped (at most 64 bytes), ``url`` is opened."""

    text: str
    data: str | None = None
    url: str | None = None


Keyboard = list[list[Button]]
# A reply keyboard's button that requests the phone number or the location; "nothing" removes the reply keyboard.
Ask = Literal["contact", "location", "nothing"]


@dataclass(frozen=True)
class Item:
    """One action in one chat. Texts are HTML: the caller escapes names.

    - "send": a new message, which notifies the person; with a ``slot`` it fills that place on the screen.
    - "photo": the same with a picture above the text: the QR code of the link ``qr``, or the file ``file``.
    - "album": the files ``files`` (at most 10) as documents, with the text below them, all of it or nothing. The queue
      keeps link or file references; the content is made when it is sent.
    - "edit": changes the message in the slot, or sends a new one if there is none or the person has deleted it; a
      notice at most ``MOST_RESENT`` times. With ``qr`` the message is a QR code with the text as its caption, with
      ``file`` the caption of a picture is changed.
    - "amend": as "edit", but does nothing if there is no message.
    - "react": puts the emoji ``text`` on the person's message ``message_id``, or sends ``fallback``.
    - "strip": removes the buttons from the message in the slot.
    - "delete": deletes ``message_id``, or the message in the slot.

    ``ask`` shows a reply keyboard with one button ``ask_label``; such a message has no inline buttons. ``asks`` names a
    question whose delivery is reported (``Outbox.on_asked``). A new message that is ``quiet`` does not ring.
    ``view`` names what a screen shows, and ``headline`` what stands above it, where the screen follows its state.
    """

    chat_id: int
    action: Action
    text: str = ""
    buttons: Keyboard | None = None
    slot: str | None = None
    lane: int = ANSWER
    message_id: int | None = None
    qr: str | None = None
    file: str | None = None
    ask: Ask | None = None
    ask_label: str = ""
    files: tuple[str, ...] = ()
    quiet: bool = False
    asks: str | None = None
    fallback: str | None = None
    view: str = ""
    headline: str = ""

    def digest(self) -> str:
        """Return two digests of what a screen shows: without what stands in italics, times that pass, and with it."""
        texts = re.sub(r"\n?<i>.*?</i>", "", self.text), self.text
        return "".join(hashlib.sha256(f"{each}{self.buttons}".encode()).hexdigest()[:DIGEST] for each in texts)

    def payload(self) -> dict[str, Any]:
        buttons = [[[b.text, b.data, b.url] for b in row] for row in self.buttons] if self.buttons else None
        stored = {"text": self.text, "buttons": buttons, "message_id": self.message_id}
        extra: dict[str, Any] = {name: getattr(self, name) for name in ("qr", "file", "asks", "fallback")}
        extra |= {"files": self.files or None, "quiet": self.quiet or None}
        extra["ask"] = [self.ask, self.ask_label] if self.ask else None
        if self.view:
            extra["shows"] = json.dumps([self.view, self.headline, self.digest()], ensure_ascii=False)
        return stored | {name: value for name, value in extra.items() if value is not None}


class Outbox:
    """The outgoing messages of one bot. Used on the event loop; database calls run in threads.

    ``name``: the bot's name in the queue's table; ``on_unreachable``: called with a person who has blocked the bot;
    ``make_file``: reads the files that items refer to.
    """

    def __init__(
        self,
        bot: ExtBot[Any],
        database: Database,
        name: str,
        on_unreachable: Callable[[int], Awaitable[None]],
        clock: Clock | None = None,
        between_sends: float = BETWEEN_SENDS,
        make_file: MakeFile = no_files,
        metrics: BotMetrics | None = None,
    ) -> None:
        self.metrics = metrics or BotMetrics()
        self._database = database
        queue = self._queue = Outgoing(database, name)
        # blocking, so not for the event loop
        self.clean_slots, self.shown = queue.clean_slots, queue.shown
        self._people = People(database, name)
        self._on_unreachable = on_unreachable
        # Called with a person, a question that was delivered or can't be, and the seconds for which it has waited.
        self.on_asked: Callable[[int, str, float], Awaitable[None]] | None = None
        self._clock = clock or SystemClock()
        self._sender = Sender(bot, self._queue, self._clock, between_sends, make_file)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._wake_events: dict[int, asyncio.Event] = {}
        # After a 429. The rate limiter would wait as well, but here a more urgent row can overtake.
        self._held_until: dict[int, float] = {}
        self._outcomes: dict[tuple[int, int], asyncio.Future[bool]] = {}  # by chat and message
        self._running = False
        self._closing = asyncio.Event()

    async def start(self) -> None:
        """Start sending, beginning with what the previous process left in the queue."""
        self._running = True
        for chat_id in await asyncio.to_thread(self._queue.chats):
            self.wake(chat_id)

    async def close(self) -> None:
        """Finish the current calls; the rest of the queue is kept for the next start."""
        self._running = False
        self._closing.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks.values(), timeout=CLOSE_WITHIN)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def put(self, *items: Item, when: Callable[[], bool] | None = None) -> bool:
        """Queue items in one transaction with what ``when`` writes; if it returns False, nothing is queued: False."""
        if not await asyncio.to_thread(self._put, items, when):
            return False
        for chat_id in dict.fromkeys(item.chat_id for item in items):
            self.wake(chat_id)
        return True

    async def delete(self, chat_id: int, message_id: int, within: float) -> bool | None:
        """Delete a message durably: repeated until Telegram has answered, also after a restart.

        True: deleted. False: Telegram refused it. None: no answer within ``within`` seconds; it will be repeated.
        """
        # registered before the row is queued, since the row may be done before ``put`` returns
        outcome = self._outcomes[chat_id, message_id] = asyncio.get_running_loop().create_future()
        item = Item(chat_id, "delete", message_id=message_id, lane=URGENT)
        try:
            await self.put(item)
            return await asyncio.wait_for(outcome, within)
        except DatabaseUnavailable:  # a typed password must not stay because a disk is full
            return await self.direct(item)
        except TimeoutError:
            return None
        finally:
            self._outcomes.pop((chat_id, message_id), None)

    async def direct(self, item: Item) -> bool:
        """Carry out an action now without storing it, for when nothing can be stored; True if Telegram did it."""
        row = OutgoingRow(0, item.chat_id, item.lane, item.action, item.slot, item.payload(), self._clock.now())
        try:
            await self._sender.carry_out(row, options_of(row))
        except (TelegramError, DatabaseUnavailable) as error:
            log.info("outgoing: chat %d, direct %s failed: %s", item.chat_id, item.action, error)
            return False
        return True

    async def fill(self, chat_id: int, slot: str, message_id: int) -> None:
        """Put an existing message into a slot: the one whose button was tapped."""
        await asyncio.to_thread(self._queue.fill, chat_id, slot, message_id)

    def _put(self, items: tuple[Item, ...], when: Callable[[], bool] | None) -> bool:
        with self._database.transaction():
            if when is not None and not when():
                return False
            for item in items:
                self._queue.add(item.chat_id, item.lane, item.action, item.slot, item.payload(), self._clock.now())
        return True

    def wake(self, chat_id: int) -> None:
        """Carry out a chat's rows now; called for a person who can be reached again and may have deletions waiting."""
        if not self._running:
            return
        self._wake_events.setdefault(chat_id, asyncio.Event()).set()
        if chat_id not in self._tasks:
            self._tasks[chat_id] = task = asyncio.create_task(self._serve(chat_id), name=f"outgoing-{chat_id}")
            task.add_done_callback(lambda done: self._served(chat_id, done))

    def _served(self, chat_id: int, task: "asyncio.Task[None]") -> None:
        del self._tasks[chat_id]
        if not task.cancelled() and task.exception() is not None:
            log.error("outgoing: chat %d stopped", chat_id, exc_info=task.exception())
        if self._wake_events[chat_id].is_set():  # an item was queued while the task ended
            self.wake(chat_id)

    async def _serve(self, chat_id: int) -> None:
        wake = self._wake_events[chat_id]
        backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        while self._running:
            wake.clear()
            try:
                if not await self._turn(chat_id, wake):
                    return
                backoff.reset()
            except RetryAfter as refused:
                self._held_until[chat_id] = self._clock.monotonic() + seconds_of(refused)
            except Forbidden:
                await self._give_up(chat_id)
                return
            except (TelegramError, DatabaseUnavailable) as error:
                # network or 5xx: not done, or done and the answer was lost
                pause = backoff.next()
                log.warning("outgoing: chat %d, %s; again in %.0f s", chat_id, type(error).__name__, pause)
                await self._wait(pause, wake)  # a new row, such as a password to delete, is tried at once
            except Exception:  # a bug with one row must not hold up the rows behind it for ever
                is_dropped = backoff.failures >= MOST_FAILURES
                log.exception("outgoing: chat %d, a row failed%s", chat_id, ", it is dropped" if is_dropped else "")
                if is_dropped:
                    await asyncio.to_thread(self._queue.drop_next, chat_id)
                    backoff.reset()
                await self._wait(backoff.next(), wake)

    async def _turn(self, chat_id: int, wake: asyncio.Event) -> bool:
        """Carry out a chat's next row, or wait until it may be sent; False if the queue is empty."""
        row = await asyncio.to_thread(self._queue.next, chat_id)
        if row is None:
            return False
        early = self._held_until.get(chat_id, 0.0) - self._clock.monotonic()  # a 429 holds every action, also deletions
        if row.action in ("send", "photo", "album", "document"):
            early = max(early, self._sender.too_early_by(chat_id))
        if early > 0:
            await self._wait(early, wake)  # then choose again: an answer may have overtaken a notice
            return True
        deleted = await self._sender.perform(row, options_of(row))
        outcome = self._outcomes.get((chat_id, row.payload["message_id"]))
        if row.action == "delete" and outcome is not None and not outcome.done():
            outcome.set_result(deleted)
        self.metrics.sent(LANES[row.lane], self._waited(row.at))
        await self._asked(row)
        return True

    def oldest_waiting(self) -> datetime | None:
        """Return since when the oldest message waits, and set the gauges. Blocking, so not for the event loop."""
        count, oldest = self._queue.waiting()
        self.metrics.queued.set(count)
        self.metrics.oldest.set(self._waited(oldest) if oldest is not None else 0.0)
        return oldest

    def _waited(self, since: datetime) -> float:
        return max(0.0, (self._clock.now() - since).total_seconds())

    async def _asked(self, row: OutgoingRow) -> None:
        if self.on_asked is not None and (question := row.payload.get("asks")) is not None:
            await self.on_asked(row.chat_id, question, self._waited(row.at))

    async def _wait(self, seconds: float, wake: asyncio.Event) -> None:
        """Wait, but not longer than until ``wake`` is set or the outbox is closed."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._closing, wake)]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _give_up(self, chat_id: int) -> None:
        """Drop the messages for a person who has blocked the bot, and mark them unreachable until they write again."""
        for (chat, _), outcome in self._outcomes.items():
            if chat == chat_id and not outcome.done():
                outcome.set_result(False)
        dropped = await asyncio.to_thread(self._queue.drop, chat_id)
        await asyncio.to_thread(self._people.set_unreachable, chat_id, self._clock.now())
        log.warning("outgoing: chat %d has blocked the bot; %d messages dropped", chat_id, len(dropped))
        for row in dropped:
            await self._asked(row)
        await self._on_unreachable(chat_id)
