"""Messages to the student about lessons, marks and the monitor's state; offers with a "Mark Now" button, one at a time
for each lesson, valid for minutes.
"""

import asyncio
import functools
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Any

from telegram import Update
from telegram.ext import CallbackQueryHandler

from core.tasks import each
from lessons.events import ENDS, CloseReason, Event, StatusEvent
from lessons.journal import LessonRow
from marker.account_texts import account_texts
from marker.menu import changed_menu
from marker.questions import told_with_menu
from marker.services import Services
from marker.student.troubles import Troubles
from portal.lessons import Lesson
from telegram_app.i18n import Texts
from telegram_app.outbox import NOTICE, Button, Item
from telegram_app.side import Context, sender, tapped, tapped_data

log = logging.getLogger(__name__)

_ACCOUNT = {Event.REFUSED: "SignInRefused", Event.BLOCKED: "AccountBlocked", Event.PASSWORD_EXPIRED: "PasswordExpired"}
OFFER_LASTS = timedelta(minutes=5)
OFFER_SLOT = "offer:"  # followed by the lesson's key: the place of an offer on the screen


@dataclass(eq=False)
class Offers:
    """Sends offers, handles the taps on them, and ends them when their time is over."""

    _services: Services

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
        """End an offer, live or pressed: remove its button and write the reason into its message."""
        outcome = self.outcome(student, username, _lesson(row), reason)
        await self._services.outbox.put(outcome, when=lambda: self._services.lessons.end_offer(row.key))

    async def close(self, student: int, username: str, lesson: Lesson, reason: str) -> None:
        """End a lesson's offer for good, also one that was tapped, and write the reason into its message."""
        outcome, now = self.outcome(student, username, lesson, reason), self._services.clock.now()
        put, claim_closing = self._services.outbox.put, self._services.lessons.claim_closing
        await put(outcome, when=lambda: claim_closing(lesson.key, now) or True)

    async def end_all(self, student: int, username: str, reason: str) -> None:
        for row in await asyncio.to_thread(self._services.lessons.offers, student):
            await self.end(student, username, row, reason)

    async def end_timed_out(self) -> None:
        now = self._services.clock.now()

        async def end(row: LessonRow) -> None:
            if row.offered_until is not None and datetime.fromisoformat(row.offered_until) <= now:
                student = self._services.storage.student(row.student)
                _ = self._services.texts(row.student)
                reason = _("The time for this button is over. If the lesson is still open, I will ask again.")
                await self.end(row.student, student.username if student else "", row, reason)

        await each(end, await asyncio.to_thread(self._services.lessons.offers))

    async def _mark_now(self, update: Update, context: Context) -> None:
        person, key = sender(update), tapped_data(update).removeprefix("mark:")
        _ = self._services.texts(person)
        row = await asyncio.to_thread(self._services.lessons.get, key)
        student = self._services.storage.student(person)
        if row is None or student is None or row.student != person:
            log.warning("person %d tapped an offer that is not theirs", person)
            await tapped(update, _("This button is not yours."))
        elif row.offered_until is None:
            await tapped(update, _("This offer is over."))
        else:
            reason, now = _("Marking..."), self._services.clock.now()
            outcome = self.outcome(person, student.username, _lesson(row), reason)
            request = self._services.lessons.request
            # stored first: after a crash the next process marks the lesson
            if not await self._services.outbox.put(outcome, when=lambda: request(key, now)):
                reason = _("This offer is over.")
            elif not self._services.registry.mark_now(person, key) and not student.monitoring:  # nor about to start
                reason = _("Monitoring is off, so nothing can be marked. Start it in the menu.")
                await self.end(person, student.username, row, reason)
            await tapped(update, reason)

    def outcome(self, student: int, username: str, lesson: Lesson, reason: str) -> Item:
        """Return the edit that writes an offer's outcome into its message; without an offer it does nothing."""
        headline = _headline(self._services.texts(student), username, lesson)
        return Item(student, "amend", f"{headline}\n\n<i>{escape(reason)}</i>", slot=OFFER_SLOT + lesson.key)


def _headline(_: Texts, username: str, lesson: Lesson) -> str:
    line = _("[{username}] Attendance available! Press the button to mark.").format(username=username)
    return f"<b>{escape(line)}</b>\n{escape(lesson.describe())}"


def _lesson(row: LessonRow) -> Lesson:
    return Lesson(row.subject, row.teacher, row.time, key=row.key)


class Notices:
    """Sends a student messages about what the registry of monitors reports. Its methods run on the loop."""

    def __init__(self, services: Services, offers: Offers) -> None:
        self._services = services
        self._offers = offers
        self.troubles = Troubles(services)

    async def on_lesson(self, student: int, username: str, status: str, lesson: Lesson) -> None:
        """Offer a lesson that was found, or send the message about a mark."""
        if status == "found":
            await self._offers.offer(student, username, lesson)
        else:
            await self.tell_mark(student, username, lesson)

    async def tell_mark(self, student: int, username: str, lesson: Lesson) -> None:
        """Send the message about a mark, once: claiming and queueing are one transaction."""
        _ = self._services.texts(student)
        outcome = self._offers.outcome(student, username, lesson, _("Marked."))
        line = _("[{username}] Attendance Marked.").format(username=username)
        item = Item(student, "send", f"<b>{escape(line)}</b>\n{escape(lesson.describe())}", lane=NOTICE)
        claim = functools.partial(self._services.lessons.claim_telling, lesson.key, self._services.clock.now())
        if await self._services.outbox.put(item, outcome, when=claim):
            log.info("person %d: lesson %s, to be told as marked", student, lesson.key)

    async def tell_untold_marks(self) -> None:
        """Send the messages about marks that a previous process confirmed but did not report."""

        async def tell(row: LessonRow) -> None:
            if (student := self._services.storage.student(row.student)) is not None:
                await self.tell_mark(row.student, student.username, _lesson(row))

        await each(tell, await asyncio.to_thread(self._services.lessons.untold))

    async def tell_waiting(self, student: int) -> None:
        """Tell a student that there is no place for their monitor yet."""
        _ = self._services.texts(student)
        text = _("All places for monitoring are taken at the moment. Yours starts by itself as soon as one is free.")
        await self._services.outbox.put(Item(student, "send", text, lane=NOTICE))

    async def on_status(self, student: int, username: str, event: StatusEvent) -> None:
        """Send a message for what a student has to know; the rest is on the Status screen and in the log."""
        await self.troubles.on_status(student, username, event)
        if event.event is Event.RESTING:
            _ = self._services.texts(student)
            await self._offers.end_all(student, username, _("Nothing is watched now."))
        match event.event:
            case end if end in ENDS:
                await self._tell_end(student, username, event)
            case Event.RESTARTED:
                self.troubles.failed(username, event)
            case Event.LESSON_CLOSED if event.lesson is not None:
                await self._tell_closed(student, username, event.lesson, event.text, event.words)
            case Event.MARK_REFUSED if event.lesson is not None:
                await self._tell_refused(student, username, event.lesson, event.text)
            case Event.UNKNOWN_CARD if event.lesson is not None:
                await self._tell_unknown_card(student, username, event.lesson, event.text)
            case Event.LESSON_MARKED_ELSEWHERE if event.lesson is not None:
                _ = self._services.texts(student)
                reason = _("It is marked on the portal already.")
                await self._offers.close(student, username, event.lesson, reason)

    async def _tell_unknown_card(self, student: int, username: str, lesson: Lesson, captions: str) -> None:
        _ = self._services.texts(student)
        line = _("[{username}] I don't know this lesson's button ({captions}), so I don't press it.")
        line = escape(line.format(username=username, captions=captions))
        text = f"<b>{line}</b>\n{escape(lesson.describe())}\n" + _("Mark it on the portal yourself.")
        claim = functools.partial(self._services.claims.claim, f"card:{lesson.key}", self._services.clock.now())
        await self._services.outbox.put(Item(student, "send", text, lane=NOTICE), when=claim)

    async def _tell_refused(self, student: int, username: str, lesson: Lesson, words: str) -> None:
        """Tell, once for each lesson, that the portal does not accept its mark: on its offer and in a new message."""
        _ = self._services.texts(student)
        on_offer = _("The portal does not accept it. Mark it yourself on the portal.")
        line = _("[{username}] The portal does not accept the mark.").format(username=username)
        answer = _("The portal's answer: {words}").format(words=f"«{escape(words)}»")
        answer = answer if words else _("It shows no answer to the button.")
        todo = _("Mark it yourself on the portal. I keep trying, but less often, and will tell you how it ends.")
        text = f"<b>{escape(line)}</b>\n{escape(lesson.describe())}\n{answer}\n{todo}"
        items = (self._offers.outcome(student, username, lesson, on_offer), Item(student, "send", text, lane=NOTICE))
        claim = functools.partial(self._services.claims.claim, f"refused:{lesson.key}", self._services.clock.now())
        if await self._services.outbox.put(*items, when=claim):
            log.info("person %d: lesson %s, to be told as refused", student, lesson.key)

    async def _tell_closed(self, student: int, username: str, lesson: Lesson, why: str, words: str) -> None:
        """Tell, once, that a lesson closed unmarked, and why: on its offer and in a new message."""
        _ = self._services.texts(student)
        on_offer = self._offers.outcome(student, username, lesson, _("The lesson has closed."))
        line = _("[{username}] Not marked: the lesson has closed.")
        if why in (CloseReason.TAKEN_AWAY.value, CloseReason.INTERRUPTED.value):
            line = _("[{username}] Perhaps not marked: the lesson has closed.")
        line = line.format(username=username)
        reasons = {
            CloseReason.NOT_PRESSED: _("You didn't press {button} in time. In automatic mode I mark lessons myself."),
            CloseReason.TOO_LATE: _("You pressed {button}, but the lesson closed before I could mark it."),
            CloseReason.NOT_CONFIRMED: _(
                "I pressed the button, but the portal did not confirm it. Check on the portal, and tell your teacher."
            ),
            CloseReason.TAKEN_AWAY: _(
                "I pressed the button, and the portal took the lesson away without showing it as marked."
                " Check on the portal whether you are marked."
            ),
            CloseReason.NOT_PRESSABLE: _("I tried to press its button, but it was covered or gone."),
            CloseReason.INTERRUPTED: _(
                "I was interrupted while marking it, and it is gone now. Check on the portal whether you are marked."
            ),
            CloseReason.TROUBLE: _("The page could not be read while it was open."),
            CloseReason.AWAY: _("Monitoring was off when it closed."),
            CloseReason.TOO_SHORT: _("It was open for too short a time."),
        }
        reason = next((each for known, each in reasons.items() if known.value == why), "")
        reason = reason.format(button=_("Mark Now"))
        if words:
            reason += "\n" + _("The portal's answer: {words}").format(words=f"«{escape(words)}»")
        text = f"<b>{escape(line)}</b>\n{escape(lesson.describe())}\n{reason}"
        notice = Item(student, "send", text, lane=NOTICE)
        claim = functools.partial(self._services.lessons.claim_closing, lesson.key, self._services.clock.now())
        if await self._services.outbox.put(on_offer, notice, when=claim):
            log.info("person %d: lesson %s, to be told as closed", student, lesson.key)

    async def _tell_end(self, student: int, username: str, event: StatusEvent) -> None:
        """Tell that monitoring has ended by itself, why, and what to do; a new menu follows."""
        _ = self._services.texts(student)
        buttons = None
        if event.event in _ACCOUNT:
            reason, do = account_texts(_, event.code or _ACCOUNT[event.event], event.text)
            todo = _("Monitoring is off.") + " " + do
            if event.event is not Event.BLOCKED and self._services.settings.single_user:
                todo += " " + _("Then correct KBTU_USERNAME or KBTU_PASSWORD, and restart the bot.")
            elif event.event is not Event.BLOCKED:
                buttons = [[Button(_("Update Password"), "reg:password")]]
        else:
            reason = _("Monitoring has stopped because of a fault on our side.")
            later = _("Try {button} later. Until then mark lessons on the portal yourself.")
            todo = _("The administrator has been told.") + " " + later.format(button=_("Start Monitoring"))
        await self._offers.end_all(student, username, _("Monitoring is off."))
        line = f"<b>[{escape(username)}]</b> {reason}\n{todo}"
        notice = Item(student, "send", line, buttons, lane=NOTICE)
        menu = await told_with_menu(self._services, student, "")
        if menu and buttons:
            menu = [await changed_menu(self._services, student)]
        await self._services.outbox.put(notice, *menu)
        if event.event not in _ACCOUNT:  # last: all this is repeated where it can't be stored
            self.troubles.failed(username, event)
