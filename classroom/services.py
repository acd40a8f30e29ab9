"""What the classroom's two bots work with, put together once in bot.py."""

import asyncio
import logging
import random
from dataclasses import dataclass, field
from typing import Any

from telegram import CallbackQuery, Update
from telegram.error import TelegramError

from classroom.lms import Lms
from classroom.lms_sync import LmsSync
from classroom.store import Store
from clock import Clock
from ledger import People, Step, Told
from settings import Settings
from telegram_app.i18n import Texts, closest, texts
from telegram_app.outgoing import Outbox

log = logging.getLogger(__name__)


@dataclass
class Side:
    """What one of the two bots has for itself: its people, its messages, its name."""

    people: People
    outbox: Outbox
    told: Told
    username: str = ""  # without the @; known once Telegram has answered
    languages: dict[int, str] = field(default_factory=dict)

    def texts(self, person: int) -> Texts:
        """Return the texts in a person's language."""
        return texts(closest(self.languages.get(person)))

    async def step(self, person: int) -> Step | None:
        """Return where a person is in a conversation."""
        return await asyncio.to_thread(self.people.step, person)


@dataclass
class Classroom:
    """Both sides, and what lies between them."""

    settings: Settings
    clock: Clock
    store: Store
    lms: Lms
    sync: LmsSync
    teacher: Side
    student: Side
    randomness: random.Random

    async def set_step(self, side: Side, person: int, name: str, data: dict[str, Any] | None = None) -> None:
        """Put a person to a step of a conversation; never with a password in the data."""
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
        await query.answer(answer)
    except TelegramError as error:
        log.info("tap of person %d not answered: %s", query.from_user.id, error.message)
    return query
