"""Everything that we show a person goes through here: queued in the ledger first, then sent until Telegram answered.

First in, first out for each person, answers to taps ahead of notices. What Telegram refused is sent once; only where
its answer was lost may something arrive twice, since ``sendMessage`` has no key by which it could be told apart.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from telegram import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    InputMediaPhoto,
    KeyboardButton,
    LinkPreviewOptions,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
)
from telegram.constants import ParseMode
from telegram.error import BadRequest, Forbidden, RetryAfter, TelegramError
from telegram.ext import ExtBot

from core.backoff import Backoff
from core.clock import Clock, SystemClock
from core.sqlite import Database, DatabaseUnavailable
from telegram_app.outbox_table import Action, Outgoing, OutgoingRow
from telegram_app.people import People
from telegram_app.qr import qr_picture
from telegram_app.rate_limiter import CallOptions, Priority, seconds_of

log = logging.getLogger(__name__)

# A typed password leaves the screen ahead of everything; answers to taps come before notices.
URGENT, ANSWER, NOTICE = -1, 0, 1
# In each of these, what makes a new message comes before what tidies the screen: strips and deletions.
_TIDYING = ("strip", "delete")
# Telegram allows a bot one message a second in a chat; a little more keeps clear of its clock.
BETWEEN_SENDS = 1.05
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds, after Telegram did not answer or failed
CLOSE_WITHIN = 5.0
TIMES_KEPT = 500


@dataclass(frozen=True)
class Button:
    """An inline button: ``data`` comes back when it is tapped (64 bytes at most), ``url`` opens."""

    text: str
    data: str | None = None
    url: str | None = None


Keyboard = list[list[Button]]
# What only a reply keyboard's button can ask for, and taking that keyboard away again.
Ask = Literal["contact", "location", "nothing"]
# Makes the file that a reference in the queue names, when its turn has come: its name and content; None: no more there.
MakeFile = Callable[[str], Awaitable[tuple[str, bytes] | None]]


# Hears of a reference whose file Telegram has now.
OnSent = Callable[[str], Awaitable[None]]
SHIPPED = "shipped:"  # what references to pictures begin with that never change: Telegram gets each once a process


async def _no_files(_reference: str) -> None:
    return None


@dataclass(frozen=True)
class Item:
    """One thing to do in one chat. Texts are HTML: whoever writes them escapes names.

    "send" makes a new message, which rings; with a ``slot`` it fills that place on the screen. "photo" does the same
    with the QR picture of the link ``qr``, or the picture that ``file`` names, above the text. "document" sends the
    file that ``file`` names. The queue keeps link and name; what they stand for is made when its turn comes.
    "edit" changes the message in the slot, or sends where there is none; "amend" changes it, or does nothing where
    there is none; with ``qr`` they change its picture, too, with ``file`` the text of a message that has a picture.
    "strip" takes the buttons off the message in the slot. "delete" deletes ``message_id``, or what is in the slot.
    ``ask`` puts a reply keyboard below the message (its one button has the text ``ask_label``), or with "nothing"
    takes it away; such a message has no inline buttons.
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

    def payload(self) -> dict[str, Any]:
        """Return what the ledger keeps of it."""
        buttons = [[[b.text, b.data, b.url] for b in row] for row in self.buttons] if self.buttons else None
        kept = {"text": self.text, "buttons": buttons, "message_id": self.message_id}
        extra = {"qr": self.qr, "file": self.file, "ask": [self.ask, self.ask_label] if self.ask else None}
        return kept | {name: value for name, value in extra.items() if value is not None}


class Outbox:
    """One bot's outgoing messages. Used on the loop; the ledger is worked on in threads."""

    def __init__(
        self,
        bot: ExtBot[Any],
        database: Database,
        name: str,
        on_unreachable: Callable[[int], Awaitable[None]],
        clock: Clock | None = None,
        between_sends: float = BETWEEN_SENDS,
        make_file: MakeFile = _no_files,
        on_sent: OnSent | None = None,
    ) -> None:
        """Take the bot, the ledger, the bot's name in it, who hears that a person has blocked the bot, what makes the
        files that items name, and who hears that one of them was sent.
        """
        self._make_file = make_file
        self._on_sent = on_sent
        self._sent_before: dict[str, str] = {}  # Telegram's file_id of each picture that is shipped
        self._between_sends = between_sends
        self._bot = bot
        self._database = database
        self._queue = Outgoing(database, name)
        self._people = People(database)
        self._on_unreachable = on_unreachable
        self._clock = clock or SystemClock()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._kicks: dict[int, asyncio.Event] = {}
        self._last_sent: dict[int, float] = {}
        # After a 429. The rate limiter would hold the call, too; waiting here, a more urgent row can still go ahead.
        self._held_until: dict[int, float] = {}
        self._outcomes: dict[tuple[int, int], asyncio.Future[bool]] = {}  # by chat and message
        self._running = False
        self._closing = asyncio.Event()
        self.seconds: deque[float] = deque(maxlen=TIMES_KEPT)  # until Telegram had done the newest, waiting included

    async def start(self) -> None:
        """Begin to send, with what an earlier process left."""
        self._running = True
        for chat_id in await asyncio.to_thread(self._queue.chats):
            self._kick(chat_id)

    async def close(self) -> None:
        """Let what is on its way arrive, and keep the rest for the next start."""
        self._running = False
        self._closing.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks.values(), timeout=CLOSE_WITHIN)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def put(self, *items: Item, when: Callable[[], bool] | None = None) -> bool:
        """Queue items as one transaction, together with what ``when`` writes to the ledger; it may call it off.

        Returns:
            Whether they were queued.
        """
        if not await asyncio.to_thread(self._put, items, when):
            return False
        for chat_id in dict.fromkeys(item.chat_id for item in items):
            self._kick(chat_id)
        return True

    async def delete(self, chat_id: int, message_id: int, within: float) -> bool | None:
        """Delete a message, durably: tried until Telegram has answered, also after a restart.

        Returns:
            True: it is gone. False: Telegram refuses to delete it. None: not known after ``within`` seconds, and
            still tried.
        """
        # before the row is there: it may be worked off while its number is still on the way back
        outcome = self._outcomes[chat_id, message_id] = asyncio.get_running_loop().create_future()
        try:
            await self.put(Item(chat_id, "delete", message_id=message_id, lane=URGENT))
            return await asyncio.wait_for(outcome, within)
        except TimeoutError:
            return None
        finally:
            self._outcomes.pop((chat_id, message_id), None)

    def reached(self, chat_id: int) -> None:
        """Say that a person can be reached again: what must still be deleted is deleted now."""
        self._kick(chat_id)

    async def fill(self, chat_id: int, slot: str, message_id: int) -> None:
        """Say that a message on the screen fills a slot: the one on which a button was tapped."""
        await asyncio.to_thread(self._queue.fill, chat_id, slot, message_id)

    def oldest_waiting(self) -> datetime | None:
        """Return since when the oldest message waits; not for the loop."""
        return self._queue.oldest()

    def clean_slots(self, prefix: str, gone: Callable[[list[str]], Iterable[str]]) -> int:
        """Delete the slots ``prefix + key`` of those keys that ``gone`` returns; return how many. Blocks."""
        return self._queue.clean_slots(prefix, gone)

    def _put(self, items: tuple[Item, ...], when: Callable[[], bool] | None) -> bool:
        with self._database.transaction():
            if when is not None and not when():
                return False
            for item in items:
                self._queue.add(item.chat_id, item.lane, item.action, item.slot, item.payload(), self._clock.now())
        return True

    def _kick(self, chat_id: int) -> None:
        if not self._running:
            return
        self._kicks.setdefault(chat_id, asyncio.Event()).set()
        if chat_id not in self._tasks:
            task = asyncio.create_task(self._serve(chat_id), name=f"outgoing-{chat_id}")
            self._tasks[chat_id] = task
            task.add_done_callback(lambda done: self._served(chat_id, done))

    def _served(self, chat_id: int, task: "asyncio.Task[None]") -> None:
        del self._tasks[chat_id]
        if not task.cancelled() and task.exception() is not None:
            log.error("outgoing: chat %d stopped", chat_id, exc_info=task.exception())
        if self._kicks[chat_id].is_set():  # something came while the task was on its way out
            self._kick(chat_id)

    async def _serve(self, chat_id: int) -> None:
        """Work one chat's queue off; ends when it is empty."""
        kick = self._kicks[chat_id]
        backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        while self._running:
            kick.clear()
            try:
                if not await self._turn(chat_id, kick):
                    return
                backoff.reset()
            except RetryAfter as refused:
                self._held_until[chat_id] = self._clock.monotonic() + seconds_of(refused)
            except Forbidden:
                await self._give_up(chat_id)
                return
            except (TelegramError, DatabaseUnavailable) as error:
                # network, 5xx: not done, or done and the answer lost
                pause = backoff.next()
                log.warning("outgoing: chat %d, %s; again in %.0f s", chat_id, type(error).__name__, pause)
                await self._wait(pause, kick)  # something new, such as a password to delete, is tried at once

    async def _turn(self, chat_id: int, kick: asyncio.Event) -> bool:
        """Do what is this chat's turn, or wait for it; False where there is nothing."""
        row = await asyncio.to_thread(self._queue.next, chat_id)
        if row is None:
            return False
        early = self._early(chat_id, row.action)
        if early > 0:
            await self._wait(early, kick)  # and look again: an answer may have come ahead of a notice
            return True
        begun = self._clock.monotonic()
        self._tell(row, await self._do(row))
        self.seconds.append(self._clock.monotonic() - begun)
        return True

    def _early(self, chat_id: int, action: Action) -> float:
        """Return how many seconds it is too early for this in a chat: a 429 holds everything, deletions too."""
        now = self._clock.monotonic()
        paced = self._last_sent.get(chat_id, now - self._between_sends) + self._between_sends
        new = action in ("send", "photo", "document")
        return max(0.0, self._held_until.get(chat_id, now) - now, paced - now if new else 0.0)

    async def _wait(self, seconds: float, kick: asyncio.Event | None = None) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in (self._closing, kick) if event is not None]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _do(self, row: OutgoingRow) -> bool:
        """Do one row and take it out of the queue; False where Telegram refused it for good."""
        message_id: int | None = None
        try:
            if row.action == "delete":
                await self._delete(row)
            elif row.action == "strip":
                await self._strip(row)
            elif row.action == "photo":
                message_id = await self._photo(row)
            elif row.action == "document":
                await self._document(row)
            else:
                message_id = await self._show(row)
        except BadRequest as error:
            # permanent: the same call would be refused again. Telegram's text is about the call, not its content
            log.info("outgoing: chat %d, %s refused: %s", row.chat_id, row.action, error.message)
            await asyncio.to_thread(self._queue.done, row)
            return "not found" in error.message
        await asyncio.to_thread(self._queue.done, row, message_id)
        return True

    async def _delete(self, row: OutgoingRow) -> None:
        message_id = row.payload["message_id"]
        if message_id is None and row.slot is not None:
            message_id = await asyncio.to_thread(self._queue.message, row.chat_id, row.slot)
        if message_id is not None:
            await self._bot.delete_message(row.chat_id, message_id, rate_limit_args=_options(row))
        if row.slot is not None:
            await asyncio.to_thread(self._queue.clear, row.chat_id, row.slot)

    async def _show(self, row: OutgoingRow) -> int | None:
        markup = _markup(row.payload["buttons"])
        if row.action in ("edit", "amend") and row.slot is not None:
            message_id = await asyncio.to_thread(self._queue.message, row.chat_id, row.slot)
            if message_id is None and row.action == "amend":
                return None
            if message_id is not None:
                try:
                    if row.payload.get("qr") is not None:
                        await self._change_picture(row, message_id, markup)
                    else:
                        await self._change_text(row, message_id, markup)
                    return message_id
                except BadRequest as error:
                    if "not modified" in error.message:
                        return message_id
                    if row.action == "amend":
                        raise
                    log.info("outgoing: chat %d, edit refused (%s), sent anew", row.chat_id, error.message)
                    await self._wait(self._early(row.chat_id, "send"))
        return await (self._photo(row) if row.payload.get("file") is not None else self._send(row))

    async def _change_text(self, row: OutgoingRow, message_id: int, markup: InlineKeyboardMarkup | None) -> None:
        """Change a message's text; where it has a picture, that is a caption, which is another call."""
        text, mode = row.payload["text"], ParseMode.HTML
        captioned = row.payload.get("file") is not None
        for is_last in (False, True):
            try:
                if captioned:
                    await self._bot.edit_message_caption(
                        row.chat_id,
                        message_id,
                        caption=text,
                        parse_mode=mode,
                        reply_markup=markup,
                        rate_limit_args=_options(row),
                    )
                else:
                    await self._bot.edit_message_text(
                        text,
                        row.chat_id,
                        message_id,
                        parse_mode=mode,
                        reply_markup=markup,
                        rate_limit_args=_options(row),
                    )
                return
            except BadRequest as error:
                if is_last or "in the message to edit" not in error.message:
                    raise
                captioned = not captioned  # the slot has been filled by a message of the other kind

    async def _send(self, row: OutgoingRow) -> int:
        message = await self._bot.send_message(
            row.chat_id,
            row.payload["text"],
            parse_mode=ParseMode.HTML,
            reply_markup=_asking(row.payload) or _markup(row.payload["buttons"]),
            link_preview_options=LinkPreviewOptions(is_disabled=True),
            rate_limit_args=_options(row),
        )
        self._last_sent[row.chat_id] = self._clock.monotonic()
        return message.message_id

    async def _photo(self, row: OutgoingRow) -> int:
        reference = row.payload.get("file") or ""
        picture = self._sent_before.get(reference) or await self._picture(row)
        if picture is None:
            return await self._send(row)
        try:
            message = await self._bot.send_photo(
                row.chat_id,
                picture,
                caption=row.payload["text"],
                parse_mode=ParseMode.HTML,
                reply_markup=_markup(row.payload["buttons"]),
                rate_limit_args=_options(row),
            )
        except BadRequest as error:  # the picture is an extra: without it the text still has to arrive
            if isinstance(picture, str):  # Telegram has forgotten what it had: once more, from the file
                self._sent_before.pop(reference, None)
                return await self._photo(row)
            log.warning("outgoing: chat %d, picture refused (%s), sent without", row.chat_id, error.message)
            return await self._send(row)
        self._last_sent[row.chat_id] = self._clock.monotonic()
        if reference.startswith(SHIPPED) and message.photo:
            self._sent_before[reference] = message.photo[-1].file_id
        elif reference and self._on_sent is not None:
            await self._on_sent(reference)
        return message.message_id

    async def _change_picture(self, row: OutgoingRow, message_id: int, markup: InlineKeyboardMarkup | None) -> None:
        picture = await asyncio.to_thread(qr_picture, row.payload["qr"])
        media = InputMediaPhoto(picture, caption=row.payload["text"], parse_mode=ParseMode.HTML)
        await self._bot.edit_message_media(
            media, row.chat_id, message_id, reply_markup=markup, rate_limit_args=_options(row)
        )

    async def _picture(self, row: OutgoingRow) -> bytes | None:
        if row.payload.get("qr") is not None:
            return await asyncio.to_thread(qr_picture, row.payload["qr"])
        made = await self._make_file(row.payload["file"])
        return made[1] if made is not None else None

    async def _document(self, row: OutgoingRow) -> None:
        made = await self._make_file(row.payload["file"])
        if made is None:
            log.warning("outgoing: chat %d, the file %s is no more there", row.chat_id, row.payload["file"])
            return
        name, content = made
        await self._bot.send_document(
            row.chat_id,
            InputFile(content, filename=name),
            caption=row.payload["text"] or None,
            parse_mode=ParseMode.HTML,
            rate_limit_args=_options(row),
        )
        self._last_sent[row.chat_id] = self._clock.monotonic()

    async def _strip(self, row: OutgoingRow) -> None:
        slot = row.slot or ""
        message_id = await asyncio.to_thread(self._queue.message, row.chat_id, slot)
        if message_id is None:
            return
        try:
            await self._bot.edit_message_reply_markup(
                row.chat_id, message_id, reply_markup=None, rate_limit_args=_options(row)
            )
        except BadRequest as error:  # stripped before, and the answer was lost; or the message is gone
            log.info("outgoing: chat %d, strip refused: %s", row.chat_id, error.message)
        await asyncio.to_thread(self._queue.clear, row.chat_id, slot)

    async def _give_up(self, chat_id: int) -> None:
        """Telegram says that this person does not want to hear from us: permanent until they write again."""
        for (chat, _), outcome in self._outcomes.items():
            if chat == chat_id and not outcome.done():
                outcome.set_result(False)
        dropped = await asyncio.to_thread(self._queue.drop, chat_id)
        await asyncio.to_thread(self._people.set_unreachable, chat_id, self._clock.now())
        log.warning("outgoing: chat %d has blocked the bot; %d messages dropped", chat_id, dropped)
        await self._on_unreachable(chat_id)

    def _tell(self, row: OutgoingRow, gone: bool) -> None:
        outcome = self._outcomes.get((row.chat_id, row.payload["message_id"]))
        if row.action == "delete" and outcome is not None and not outcome.done():
            outcome.set_result(gone)


def _asking(payload: dict[str, Any]) -> ReplyKeyboardMarkup | ReplyKeyboardRemove | None:
    kind, label = payload.get("ask") or (None, "")
    if kind is None:
        return None
    if kind == "nothing":
        return ReplyKeyboardRemove()
    button = KeyboardButton(label, request_contact=kind == "contact", request_location=kind == "location")
    return ReplyKeyboardMarkup([[button]], resize_keyboard=True, one_time_keyboard=True)


def _markup(rows: list[list[list[str | None]]] | None) -> InlineKeyboardMarkup | None:
    if not rows:
        return None
    return InlineKeyboardMarkup(
        [[InlineKeyboardButton(text or "", callback_data=data, url=url) for text, data, url in row] for row in rows]
    )


def _options(row: OutgoingRow) -> CallOptions:
    """Return a row's priority among those of all chats, and that this queue waits for the end of a pause by itself."""
    if row.lane == URGENT:
        priority = Priority.TAP
    elif row.lane == ANSWER:
        priority = Priority.CLEARING if row.action in _TIDYING else Priority.ANSWER
    else:
        priority = Priority.TIDYING if row.action in _TIDYING else Priority.RESULT
    return CallOptions(priority, longest_pause=0.0)
