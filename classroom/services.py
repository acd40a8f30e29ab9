"""What the classroom's two bots work with, put together once at the start."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from telegram import CallbackQuery, Update
from telegram.error import TelegramError
from telegram.ext import ApplicationHandlerStop, ContextTypes, TypeHandler

from classroom.error_codes import code_of, noted
from classroom.lms import Lms
from classroom.lms.sync import LmsSync
from classroom.saved_rooms import SavedRooms
from classroom.store import Store
from core.clock import Clock
from core.settings import Settings
from core.sqlite import DatabaseError
from telegram_app.claims import Claims
from telegram_app.i18n import Texts, closest, texts
from telegram_app.outbox import Item, Outbox
from telegram_app.people import ConversationStep, People
from telegram_app.rate_limiter import answer_tap

log = logging.getLogger(__name__)

Context = ContextTypes.DEFAULT_TYPE


@dataclass
class Side:
    """What one of the two bots has for itself: its people, its messages, its name."""

    people: People
    outbox: Outbox
    claims: Claims
    username: str = ""  # without the @; known once Telegram has answered
    languages: dict[int, str] = field(default_factory=dict)

    def texts(self, person: int) -> Texts:
        """Return the texts in a person's language."""
        return texts(closest(self.languages.get(person)))

    async def step(self, person: int) -> ConversationStep | None:
        """Return where a person is in a conversation; None: nowhere."""
        step = await asyncio.to_thread(self.people.step, person)
        return step if step is not None and step.name else None

    async def choose_language(self, person: int, language: str) -> None:
        """Keep a person's language."""
        self.languages[person] = language
        await asyncio.to_thread(self.people.set_language, person, language)

    async def forget(self, person: int) -> None:
        """Delete what the ledger keeps of a person."""
        self.languages.pop(person, None)
        await asyncio.to_thread(self.people.forget, person)

    def seeing(self) -> TypeHandler[Any, Any, Any]:
        """Return the handler that sees each update first: private chats alone, and each person's language."""
        return TypeHandler(Update, self._see)

    async def _see(self, update: Update, context: Context) -> None:
        user, chat = update.effective_user, update.effective_chat
        if user is None or update.my_chat_member is not None or (chat is not None and chat.type != chat.PRIVATE):
            raise ApplicationHandlerStop  # everything here is between one person and the bot
        if user.id not in self.languages:
            await self.choose_language(user.id, closest(user.language_code))
        self.outbox.wake(user.id)

    async def apologise(self, update: object, context: Context) -> None:
        """Tell a person, in one line, that something failed; the log has the same reference and the cause."""
        error = context.error
        if not isinstance(update, Update) or update.effective_user is None or error is None:
            return
        person = update.effective_user.id
        reference = noted(log, code_of(error), f"person {person}: {type(error).__name__}: {error}", logging.WARNING)
        _ = self.texts(person)
        text = _("That did not work. Try again in a minute. (reference {reference})").format(reference=reference)
        try:
            await self.outbox.put(Item(person, "send", text))
        except DatabaseError:  # the very thing that failed: say it past the queue
            try:
                await context.bot.send_message(person, text)
            except TelegramError as refused:
                log.info("person %d: not told of the failure (%s)", person, type(refused).__name__)


@dataclass
class Classroom:
    """Both sides, and what lies between them."""

    settings: Settings
    clock: Clock
    store: Store
    lms: Lms
    teacher: Side
    student: Side
    rooms: SavedRooms
    below: Callable[[int], int]  # a random number below its argument, from ``secrets``
    sync: LmsSync | None = None  # there as soon as everything is

    def wake_sync(self, session_id: str, *, at_once: bool = False) -> None:
        """Say that a session's record has changed."""
        if self.sync is not None:
            self.sync.wake(session_id, at_once=at_once)

    async def set_step(self, side: Side, person: int, name: str, data: dict[str, Any] | None = None) -> None:
        """Put a person to a step of a conversation; never with a password in the data. An empty name: to none."""
        await asyncio.to_thread(side.people.set_step, person, name, data or {}, self.clock.now())


def sender(update: Update) -> int:
    """Return who sent an update; all our handlers are bound to kinds of updates that have a sender."""
    if update.effective_user is None:
        raise ValueError("an update without a sender")
    return update.effective_user.id


async def tapped(update: Update, answer: str | None = None) -> CallbackQuery:
    """Answer a tap, so that its button stops spinning, and return it; a refused answer is only logged."""
    query = update.callback_query
    if query is None:
        raise ValueError("an update without a tap")
    try:
        await answer_tap(query, answer)
    except TelegramError as error:
        log.info("tap of person %d not answered: %s", query.from_user.id, error.message)
    return query


def typed(update: Update) -> str:
    """Return a message's text, without what surrounds it."""
    return ((update.effective_message.text if update.effective_message else None) or "").strip()
