"""Offers in manual mode: a message with a "Mark Now" button, one at a time for each lesson, valid for minutes."""

import asyncio
import logging
from datetime import datetime, timedelta
from html import escape
from typing import Any

from telegram import Update
from telegram.ext import CallbackQueryHandler

from lessons.journal import LessonRow
from marker.services import Services
from portal.lessons import Lesson
from telegram_app.i18n import Texts
from telegram_app.outbox import NOTICE, Button, Item
from telegram_app.side import Context, sender, tapped, tapped_data

log = logging.getLogger(__name__)

OFFER_LASTS = timedelta(minutes=5)
OFFER_SLOT = "offer:"  # followed by the lesson's key: the place of an offer on the screen


class Offers:
    """Sends offers, handles the taps on them, and ends them when their time is over."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def handler(self) -> CallbackQueryHandler[Any, Any]:
        return CallbackQueryHandler(self._mark_now, pattern=r"^mark:[0-9a-f]{16}$")

    async def offer(self, student: int, username: str, lesson: Lesson) -> None:
        """Offer an open lesson, unless an offer for it is on the screen already."""
        _ = self._services.texts(student)
        lasts = OFFER_LASTS
        if lesson.minutes_left == 0:
            return  # over before anybody can press
        if lesson.minutes_left is not None:
            lasts = min(lasts, timedelta(minutes=lesson.minutes_left))
        until = self._services.clock.now() + lasts
        text = _headline(_, username, lesson)
        if lesson.minutes_left is not None:
            left = _.ngettext("{n} minute left", "{n} minutes left", lesson.minutes_left)
            text += "\n" + left.format(n=lesson.minutes_left)
        keyboard = [[Button(_("Mark Now"), f"mark:{lesson.key}")]]
        item = Item(student, "send", text, keyboard, slot=OFFER_SLOT + lesson.key, lane=NOTICE)
        await self._services.outbox.put(item, when=lambda: self._services.lessons.claim_offer(lesson.key, until))

    async def end(self, student: int, username: str, row: LessonRow, reason: str) -> None:
        """Remove a valid offer's button and write the reason into its message."""
        outcome = self.outcome(student, username, _lesson(row), reason)
        await self._services.outbox.put(outcome, when=lambda: self._services.lessons.end_offer(row.key))

    async def close(self, student: int, username: str, lesson: Lesson, reason: str) -> None:
        """End an offer, also one that was tapped, and write the reason into its message."""
        outcome = self.outcome(student, username, lesson, reason)
        await self._services.outbox.put(outcome, when=lambda: self._services.lessons.end_offer(lesson.key) or True)

    async def end_all(self, student: int, username: str, reason: str) -> None:
        for row in await asyncio.to_thread(self._services.lessons.offers, student):
            await self.end(student, username, row, reason)

    async def end_timed_out(self) -> None:
        now = self._services.clock.now()
        for row in await asyncio.to_thread(self._services.lessons.offers):
            if row.offered_until is not None and datetime.fromisoformat(row.offered_until) <= now:
                student = self._services.storage.student(row.student)
                _ = self._services.texts(row.student)
                reason = _("The time for this button is over. If the lesson is still open, I will ask again.")
                await self.end(row.student, student.username if student else "", row, reason)

    async def _mark_now(self, update: Update, context: Context) -> None:
        person, key = sender(update), tapped_data(update).removeprefix("mark:")
        _ = self._services.texts(person)
        row = await asyncio.to_thread(self._services.lessons.get, key)
        student = self._services.storage.student(person)
        if row is None or student is None or row.student != person:
            log.warning("person %d tapped an offer that is not theirs", person)
            await tapped(update, _("This button is not yours."))
            return
        if row.offered_until is None:
            await tapped(update, _("This offer is over."))
            return
        marking = self._services.registry.mark_now(person, key)
        reason = _("Marking...") if marking else _("Monitoring is off, so nothing can be marked. Start it in the menu.")
        await tapped(update, reason)
        await self.end(person, student.username, row, reason)

    def outcome(self, student: int, username: str, lesson: Lesson, reason: str) -> Item:
        """Return the edit that writes an offer's outcome into its message; without an offer it does nothing."""
        headline = _headline(self._services.texts(student), username, lesson)
        return Item(student, "amend", f"{headline}\n\n<i>{escape(reason)}</i>", slot=OFFER_SLOT + lesson.key)


def _headline(_: Texts, username: str, lesson: Lesson) -> str:
    line = _("[{username}] Attendance available! Press the button to mark.").format(username=username)
    return f"<b>{escape(line)}</b>\n{escape(lesson.describe())}"


def _lesson(row: LessonRow) -> Lesson:
    return Lesson(row.subject, row.teacher, row.time, key=row.key)
