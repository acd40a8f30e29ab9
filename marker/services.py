"""What the handlers work with, put together once in bot.py."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from telegram import CallbackQuery, Update
from telegram.error import TelegramError

from core.clock import Clock
from core.settings import Settings
from lessons.journal import Lessons
from marker.monitors.password_check import SignInCheck
from marker.monitors.registry import MonitorRegistry
from marker.tables.attempts import Attempts
from marker.tables.move_codes import MoveCodes
from marker.tables.student_rows import StudentRows
from marker.tables.watches import Watches
from storage import Storage
from telegram_app.claims import Claims
from telegram_app.i18n import Texts, closest, texts
from telegram_app.outbox import Outbox
from telegram_app.people import People
from telegram_app.rate_limiter import answer_tap

log = logging.getLogger(__name__)


@dataclass
class Services:
    """The stores, the registry and the outgoing messages that every handler may need."""

    settings: Settings
    clock: Clock
    storage: Storage
    lessons: Lessons
    people: People
    registry: MonitorRegistry
    outbox: Outbox
    watches: Watches
    claims: Claims
    attempts: Attempts
    move_codes: MoveCodes
    student_rows: StudentRows
    sign_in_check: SignInCheck
    languages: dict[int, str] = field(default_factory=dict)  # what each person's app or choice says
    forget_profile: Callable[[str], None] = lambda _username: None  # deletes a portal account's Chrome profile

    def is_admin(self, person: int) -> bool:
        """Say whether this is an admin; asked again at every step, since buttons outlive rights."""
        return person in self.settings.admin_telegram_id

    def texts(self, person: int) -> Texts:
        """Return the texts in a person's language."""
        return texts(closest(self.languages.get(person)))


def sender(update: Update) -> int:
    """Return who sent an update; all our handlers are bound to kinds of updates that have a sender."""
    if update.effective_user is None:
        raise ValueError("an update without a sender")
    return update.effective_user.id


async def tapped(update: Update, answer: str | None = None) -> CallbackQuery:
    """Answer a tap, so that its button stops spinning, and return it.

    The answer is a courtesy: where Telegram refuses it (a tap from before a restart is too old) or can't be reached,
    what the button says is done all the same.
    """
    query = update.callback_query
    if query is None:
        raise ValueError("an update without a tap")
    try:
        await answer_tap(query, answer)
    except TelegramError as error:
        log.info("tap of person %d not answered: %s", query.from_user.id, error.message)
    return query


def shown_in(query: CallbackQuery) -> int | None:
    """Return the number of the message whose button was tapped."""
    return query.message.message_id if query.message is not None else None
