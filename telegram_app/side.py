"""One bot's side of a conversation, the same for every bot: texts, screens, the language menu, commands, apologies."""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from telegram import CallbackQuery, Update
from telegram.error import TelegramError
from telegram.ext import (
    ApplicationHandlerStop,
    BaseHandler,
    CallbackQueryHandler,
    CommandHandler,
    ContextTypes,
    TypeHandler,
    filters,
)

from core.sqlite import DatabaseError
from telegram_app.claims import Claims
from telegram_app.i18n import LANGUAGES, Texts, closest, texts
from telegram_app.lines import toast
from telegram_app.outage import WriteOutage
from telegram_app.outbox import Button, Item, Keyboard, Outbox
from telegram_app.people import ConversationStep, People
from telegram_app.rate_limiter import answer_tap

log = logging.getLogger(__name__)

Context = ContextTypes.DEFAULT_TYPE

SCREEN = "menu"  # the slot of the message that shows a person's current screen
ANSWERED_WITHIN = 0.7  # seconds; work that takes longer goes on after the answer to its tap
TYPED = filters.UpdateType.MESSAGE & filters.ChatType.PRIVATE


def went_wrong(_: Texts, _person: int, _error: Exception) -> str:
    """Return the apology of a bot that has no reference to give."""
    return _("Something went wrong on our side. Please try again.")


async def never(_person: int, _text: str) -> bool:
    """Say that no text may be a password: of a bot that asks for none."""
    return False


@dataclass
class Side:
    """What one bot's handlers need: the bot's people, its outgoing messages, each person's language.

    ``apology`` returns the text for a person whose update failed with an unforeseen error; ``may_be_password`` says
    whether a person's text may be a password, which must not stay in the chat.
    """

    people: People
    outbox: Outbox
    claims: Claims
    username: str = ""  # without the @; known once Telegram has answered
    languages: dict[int, str] = field(default_factory=dict)  # chosen, or else that of the person's app
    apology: Callable[[Texts, int, Exception], str] = went_wrong
    may_be_password: Callable[[int, str], Awaitable[bool]] = never
    outage: WriteOutage | None = None  # set once everything is assembled
    _failed: deque[int] = field(default_factory=lambda: deque(maxlen=1000), init=False)  # updates

    def texts(self, person: int) -> Texts:
        return texts(closest(self.languages.get(person)))

    def who(self, update: Update) -> tuple[int, Texts]:
        """Return who sent an update, and the texts in their language."""
        return sender(update), self.texts(sender(update))

    async def step(self, person: int) -> ConversationStep | None:
        """Return where a person is in a conversation; None: nowhere."""
        step = await asyncio.to_thread(self.people.step, person)
        return step if step is not None and step.name else None

    async def choose_language(self, person: int, language: str) -> None:
        self.languages[person] = language
        await asyncio.to_thread(self.people.set_language, person, language)

    async def forget(self, person: int, *names: str) -> None:
        """Delete what the database has of a person; ``names`` as for ``People.forget``."""
        self.languages.pop(person, None)
        await asyncio.to_thread(self.people.forget, person, *names)

    # what every update goes through

    def seeing(self) -> TypeHandler[Any, Any, Any]:
        """Return the handler that sees each update first, to be added in a group before all others."""
        return TypeHandler(Update, self._see)

    async def see(self, update: Update) -> int:
        """Return who sent an update, with their language known; stop every update that is not from a private chat."""
        user, chat = update.effective_user, update.effective_chat
        if user is None or (chat is not None and chat.type != chat.PRIVATE):
            raise ApplicationHandlerStop
        if update.my_chat_member is None and user.id not in self.languages:
            await self.choose_language(user.id, closest(user.language_code))
        return user.id

    async def _see(self, update: Update, context: Context) -> None:
        person = await self.see(update)
        if update.my_chat_member is not None:
            raise ApplicationHandlerStop
        self.outbox.wake(person)

    async def apologise(self, update: object, context: Context) -> None:
        """Tell a person that their update failed: queued, or sent directly where the database is what failed."""
        if not isinstance(update, Update) or update.effective_user is None or context.error is None:
            return
        if update.update_id in self._failed:  # at an earlier handler, too: one message is enough
            return
        person = update.effective_user.id
        self._failed.append(update.update_id)
        _ = self.texts(person)
        text = ""
        if self.outage is not None:
            await self.outage.check()
            text = self.outage.line(_)
        text = text or self.apology(_, person, context.error)
        if update.callback_query is not None:
            await tapped(update, toast(text))  # a tap is answered even if what it asked for failed
        try:
            await self.outbox.put(Item(person, "send", text))
        except (DatabaseError, sqlite3.DatabaseError):  # not writable, or damaged
            try:
                await context.bot.send_message(person, text)
            except TelegramError as refused:
                log.info("person %d: not told of the failure (%s)", person, type(refused).__name__)

    # taps

    async def screen_tapped(self, update: Update, answer: str) -> int:
        """Answer a tap and return who tapped; the tapped message is their current screen from now on."""
        await tapped(update, answer)
        return await self.adopt_screen(update)

    async def answered(self, update: Update, work: Coroutine[Any, Any, str]) -> None:
        """Do what a tap asks for, and answer the tap with the text that this returns."""
        _, working = self.texts(sender(update)), asyncio.create_task(work)
        try:
            await asyncio.wait({working}, timeout=ANSWERED_WITHIN)
            if not working.done():
                await tapped(update, _("One moment..."))
            elif not working.cancelled() and working.exception() is None:  # else ``apologise`` answers it
                await tapped(update, working.result() or None)
            await working
        finally:
            working.cancel()  # the work ends with its handler, also with one that is cancelled while it answers

    async def adopt_screen(self, update: Update) -> int:
        """Make the tapped message the current screen of the person who tapped; return the person."""
        person, query = sender(update), update.callback_query
        if query is not None and query.message is not None:
            await self.outbox.fill(person, SCREEN, query.message.message_id)
        return person

    async def old_button(self, update: Update, context: Context | None = None) -> None:
        """Answer a tap on a button that does nothing any more."""
        _ = self.texts(sender(update))
        await tapped(update, _("This button is no longer in use."))

    # the language menu

    def language_handlers(self, show_menu: Callable[[int], Awaitable[object]]) -> list[BaseHandler[Any, Any, Any]]:
        """Return the handlers of /language and of its buttons; ``show_menu`` replaces the screen after a choice."""

        async def choose(update: Update, context: Context) -> None:
            language = tapped_data(update).removeprefix("lang:")
            person = await self.screen_tapped(update, LANGUAGES[language])
            await self.choose_language(person, language)
            await show_menu(person)

        return [
            CommandHandler("language", self._ask_language, filters=TYPED),
            CallbackQueryHandler(choose, pattern=f"^lang:({'|'.join(LANGUAGES)})$"),
        ]

    async def _ask_language(self, update: Update, context: Context) -> None:
        person = sender(update)
        _ = self.texts(person)
        keyboard: Keyboard = [[Button(name, f"lang:{code}")] for code, name in LANGUAGES.items()]
        keyboard.append([Button(_("Back"), "menu")])
        await self.outbox.put(*below(person, _("Choose your language."), keyboard))


def below(person: int, text: str, keyboard: Keyboard | None, view: str = "", headline: str = "") -> list[Item]:
    """Return what shows a screen below what the person typed, and takes the buttons off the one before."""
    screen = Item(person, "send", text, keyboard, slot=SCREEN, view=view, headline=headline)
    return [Item(person, "strip", slot=SCREEN), screen]


def sender(update: Update) -> int:
    """Return who sent an update; all our handlers are bound to kinds of updates that have a sender."""
    if update.effective_user is None:
        raise ValueError("an update without a sender")
    return update.effective_user.id


async def tapped(update: Update, answer: str | None = None) -> CallbackQuery:
    """Answer a tap, so that its button stops spinning, and return it.

    A failed answer is only logged (Telegram refuses it for a tap from before a restart): the button works all the same.
    """
    query = update.callback_query
    if query is None:
        raise ValueError("an update without a tap")
    try:
        await answer_tap(query, answer)
    except TelegramError as error:
        log.info("tap of person %d not answered: %s", query.from_user.id, error.message)
    return query


def tapped_data(update: Update) -> str:
    """Return the data of a tapped button; empty where the update is no tap."""
    return (update.callback_query.data or "") if update.callback_query is not None else ""


def typed_text(update: Update) -> str:
    """Return a message's text; empty where the message has none."""
    message = update.effective_message
    return (message.text or "") if message is not None else ""
