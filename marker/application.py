"""The marker's handlers in their order, and its periodic work."""

import asyncio
import logging
import time
from datetime import timedelta
from functools import partial

from telegram.ext import CallbackQueryHandler

from core.sqlite import DatabaseUnavailable
from lessons.events import Event, StatusEvent
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
from marker.services import Services
from marker.student.buttons import StudentHandlers
from marker.student.notices import OFFER_SLOT, Notices, Offers
from telegram_app.factory import AnyApplication

log = logging.getLogger(__name__)

CHECK_EVERY = 1.0  # seconds between checks for offers that have timed out
CATCH_UP_EVERY = 10.0  # seconds between tries of what could not be done before
CLEAN_EVERY = 86_400.0  # seconds; the first time soon after the start


class Marker:
    """The marker bot's conversations over one application."""

    def __init__(self, services: Services, unreachable: set[int]) -> None:
        self._services = services
        self.lag = 0.0  # seconds by which the event loop was late at the last check
        self.offers = Offers(services)
        self.notices = Notices(services, self.offers)
        self.presence = Presence(services, unreachable)
        self._lockouts = Lockouts(services)
        self._questions = Questions(services)
        self._moves = AccountMoves(services, self.offers, self._questions, self._lockouts)
        self._invitations = Invitations(services, self._questions)
        self._passwords = PasswordSteps(services, self._questions, self._lockouts, self._invitations)
        self._registration = Registration(
            services, self._questions, self._passwords, self._moves, self._lockouts, self._invitations
        )
        services.registry.listen(self.notices.on_lesson, self._on_status)

    def add_to(self, application: AnyApplication) -> None:
        """Add the handlers. Within a group the first one that matches gets the update, so their order matters."""
        application.add_handler(self.presence.handler(), group=-2)
        application.add_handler(self._questions.handler(), group=-1)
        application.add_handlers(self._registration.handlers())
        application.add_handler(self.offers.handler())
        application.add_handlers(AdminHandlers(self._services).handlers())
        application.add_handlers(self._invitations.handlers())
        application.add_handlers(StudentCards(self._services, self.offers).handlers())
        buttons = StudentHandlers(
            self._services, self.notices, self.offers, self._lockouts, self._questions, self._passwords.take_back
        )
        application.add_handlers(buttons.handlers())
        application.add_handlers(self._moves.handlers())
        application.add_handlers(self._registration.stray_handlers())
        application.add_handler(CallbackQueryHandler(partial(old_button, self._services)))
        application.add_error_handler(self._services.apologise)

    async def resume(self) -> int:
        """Do what a previous process left: messages about marks, questions, monitors; return how many monitors run."""
        await self._moves.finish_interrupted()  # first, so that the messages about marks go to the new account
        await self.notices.tell_untold_marks()
        await self.notices.troubles.load()
        await self._questions.ask_passwords_again()
        return await self._resume_monitors()

    async def run(self, until: asyncio.Event) -> None:
        """End offers that time out, and try again what could not be done before, until ``until`` is set."""
        clock = self._services.clock
        clean_at, catch_up_at = clock.monotonic(), clock.monotonic() + CATCH_UP_EVERY
        while not until.is_set():
            due = time.monotonic() + CHECK_EVERY
            await asyncio.sleep(CHECK_EVERY)
            self.lag = time.monotonic() - due
            now = clock.monotonic()
            try:
                await self.offers.end_timed_out()
                await self.notices.troubles.check()
                if now >= clean_at:
                    await self.clean()
                    clean_at = now + CLEAN_EVERY
                if now >= catch_up_at:
                    await self.catch_up()
                    catch_up_at = now + CATCH_UP_EVERY
            except DatabaseUnavailable as error:
                log.warning("%s; next try in %.0f s", error, CHECK_EVERY)

    async def _on_status(self, student: int, username: str, event: StatusEvent) -> None:
        """Count a refused sign-in, so that Start Monitoring is no way around the limit; then send the notices."""
        if event.event is Event.REFUSED or event.code == "AccountLocked":
            await self._lockouts.refused(student, username)
        await self.notices.on_status(student, username, event)

    async def catch_up(self) -> None:
        """Try again what could not be done before: messages about marks, monitors that wait for a place."""
        await self.notices.tell_untold_marks()
        await self._resume_monitors()

    async def clean(self) -> None:
        """Delete what is older than RETENTION_DAYS."""
        services = self._services
        before = services.clock.now() - timedelta(days=services.settings.retention_days)
        lessons = await asyncio.to_thread(services.lessons.clean, before.date().isoformat())
        others = await asyncio.to_thread(services.claims.clean, before)
        others += await asyncio.to_thread(services.people.clean, before)
        slots = await asyncio.to_thread(services.outbox.clean_slots, OFFER_SLOT, services.lessons.unknown)
        log.info("cleaned: %d lessons, %d slots, %d other rows", lessons, slots, others)

    async def _resume_monitors(self) -> int:
        """Start the wanted monitors that have a place; tell the students of the others once that they wait."""
        resumed = await self._services.registry.resume()
        for student in self._services.registry.newly_waiting():
            await self.notices.tell_waiting(student)
        return resumed
