"""The marker's handlers in their order, and its periodic work."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from telegram.ext import CallbackQueryHandler

from core.logs import brief
from core.sqlite import DatabaseUnavailable
from core.tasks import Duty, each
from lessons.events import ENDS, Event, StatusEvent
from marker.admin.invitations import Invitations
from marker.admin.moves import AccountMoves
from marker.admin.panel import AdminHandlers
from marker.admin.student_cards import StudentCards
from marker.lockouts import Lockouts
from marker.menu import old_button
from marker.presence import Presence
from marker.questions import Questions
from marker.registration.conversation import Registration
from marker.registration.passwords import PasswordSteps
from marker.screens import Screens
from marker.services import Services
from marker.shared_token import SharedToken
from marker.student.buttons import StudentHandlers
from marker.student.notices import OFFER_SLOT, Notices, Offers
from telegram_app.factory import AnyApplication
from telegram_app.outage import WriteOutage

log = logging.getLogger(__name__)

CHECK_EVERY = 1.0  # seconds between checks for offers that have timed out
CATCH_UP_EVERY = 10.0  # seconds between tries of what could not be done before
CLEAN_EVERY = 86_400.0  # seconds; the first time soon after the start


class Marker:
    """The marker bot's conversations over one application."""

    def __init__(self, services: Services, unreachable: set[int]) -> None:
        self._services = services
        self._untold: list[tuple[int, str, StatusEvent]] = []  # whose notices could not be stored
        self.lag = 0.0  # seconds by which the event loop was late at the last check
        self.offers = Offers(services)
        self.notices = Notices(services, self.offers)
        self.presence = Presence(services, unreachable)
        self.shared_token = SharedToken(services)
        self._lockouts = Lockouts(services)
        self._questions = Questions(services)
        services.may_be_password = self._questions.may_be_password
        self._moves = AccountMoves(services, self.offers, self._questions, self._lockouts)
        self._invitations = Invitations(services, self._questions)
        self._passwords = PasswordSteps(services, self._questions, self._lockouts, self._invitations)
        self._registration = Registration(
            services, self._questions, self._passwords, self._moves, self._lockouts, self._invitations
        )
        self._panel, self._cards = AdminHandlers(services), StudentCards(services, self.offers)
        self.screens = Screens(services, self._panel.views() | self._cards.views() | self._invitations.views())
        services.registry.listen(self.notices.on_lesson, self._on_status)
        who = services.outbox, services.texts, services.settings.admin_telegram_id, services.clock
        stores = [services.storage.probe, services.probe]
        self.outage = services.outage = WriteOutage(
            *who, stores, lambda _: _("Until then mark lessons on the portal yourself."), self.screens.show_outage
        )
        duty, troubles = partial(Duty, self._duty_failed), self.notices.troubles
        once = self._moves.finish_interrupted, troubles.load, self._questions.ask_passwords_again
        self._at_start = [duty(work, math.inf) for work in once]
        marks_and_monitors = self.notices.tell_untold_marks, self._resume_monitors
        self._catching_up = [duty(work, CATCH_UP_EVERY) for work in marks_and_monitors]
        each_second = self.outage.check, self._tell_late, self.offers.end_timed_out, troubles.check, self.screens.check
        self._periodic = [*(duty(work, 0) for work in each_second), duty(self.clean, CLEAN_EVERY)]

    def add_to(self, application: AnyApplication) -> None:
        """Add the handlers. Within a group the first one that matches gets the update, so their order matters."""
        application.add_handler(self.presence.handler(), group=-2)
        application.add_handler(self._questions.handler(), group=-1)
        if self._services.settings.single_user:  # buttons from before it was set
            application.add_handler(CallbackQueryHandler(partial(old_button, self._services), "^(reg:password$|del:)"))
        application.add_handlers(self._registration.handlers())
        application.add_handler(self.offers.handler())
        application.add_handlers(self._panel.handlers())
        application.add_handlers(self._invitations.handlers())
        application.add_handlers(self._cards.handlers())
        end_trial = self._passwords.take_back
        buttons = StudentHandlers(self._services, self.offers, self._lockouts, self._questions, end_trial)
        application.add_handlers(buttons.handlers())
        application.add_handlers(self._moves.handlers())
        application.add_handlers(self._registration.stray_handlers())
        application.add_handler(CallbackQueryHandler(partial(old_button, self._services)))
        application.add_error_handler(self._services.apologise)

    async def resume(self) -> int:
        """Do what a previous process left: messages about marks, questions, monitors; return how many monitors run."""
        for duty in self._at_start:  # the moves first, so that the messages about marks go to the new account
            await duty.attempt(self._services.clock.monotonic())
        await self.catch_up()
        return len(self._services.registry.active())

    async def run(self, until: asyncio.Event, conflicts: Callable[[], int]) -> None:
        """Do the periodic work until ``until`` is set. ``conflicts``: how many polls another program has ended."""
        token = Duty(self._duty_failed, lambda: self.shared_token.check(conflicts()), 0)
        while not until.is_set():
            due = time.monotonic() + CHECK_EVERY
            await asyncio.sleep(CHECK_EVERY)
            self.lag = time.monotonic() - due
            now = self._services.clock.monotonic()
            for duty in [*self._at_start, *self._periodic, *self._catching_up, token]:
                if now >= duty.due:
                    await duty.attempt(now)

    def _duty_failed(self, name: str, error: Exception) -> None:
        self.notices.troubles.failed(name, StatusEvent(Event.RESTARTED, brief(error)))

    async def _on_status(self, student: int, username: str, event: StatusEvent) -> None:
        """Count a refused sign-in, so that Start Monitoring is no way around the limit; then send the notices."""
        try:
            if event.event is Event.REFUSED or event.code == "AccountLocked":
                await self._lockouts.refused(student, username)
            await self.notices.on_status(student, username, event)
        except DatabaseUnavailable:
            if event.event in ENDS or event.lesson is not None:  # these are reported once
                self._untold.append((student, username, event))
            raise

    async def _tell_late(self) -> None:
        untold, self._untold = self._untold, []
        await each(lambda event: self._on_status(*event), untold)

    async def catch_up(self) -> None:
        """Try again what could not be done before: messages about marks, monitors that wait for a place."""
        for duty in self._catching_up:
            await duty.attempt(self._services.clock.monotonic())

    async def clean(self) -> None:
        """Delete what is older than RETENTION_DAYS."""
        services = self._services
        before = services.clock.now() - timedelta(days=services.settings.retention_days)
        lessons = await asyncio.to_thread(services.lessons.clean, before.date().isoformat())
        # of students whom an admin removed: their lessons can't be on the page any more
        day = (services.clock.now() - timedelta(days=2)).date().isoformat()
        students = [student.telegram_id for student in services.storage.students()]
        lessons += await asyncio.to_thread(services.lessons.forget_others, students, day)
        others = await asyncio.to_thread(services.claims.clean, before)
        others += await asyncio.to_thread(services.people.clean, before)
        slots = await asyncio.to_thread(services.outbox.clean_slots, OFFER_SLOT, services.lessons.unknown)
        if lessons or others or slots:
            await asyncio.to_thread(services.people.erase_traces)
        log.info("cleaned: %d lessons, %d slots, %d other rows", lessons, slots, others)

    async def _resume_monitors(self) -> None:
        """Start the wanted monitors that have a place; tell the students of the others once that they wait."""
        await self._services.registry.resume()
        await each(self.notices.tell_waiting, self._services.registry.newly_waiting())
