"""The admin's list of students, and each student's card with Stop and Remove."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Any

from telegram.ext import BaseHandler

from core.sqlite import DatabaseUnavailable
from lessons.events import MonitorState
from marker.admin.panel import LABEL, LINE, ON_A_PAGE, PAGE, STUDENT, AdminScreens, Asked, Draw, Drawn
from marker.menu import clock_time, fresh_menu, last_mark_lines, monitoring_lines, trouble_lines
from marker.monitors.registry import StillRunning
from marker.questions import told_with_menu
from marker.student.notices import Offers
from storage import NotRegistered, StorageUnavailable, Student
from telegram_app.i18n import Texts
from telegram_app.lines import short, shortened
from telegram_app.outbox import Button
from telegram_app.pages import page_of
from telegram_app.side import Context

log = logging.getLogger(__name__)


@dataclass(eq=False)
class StudentCards(AdminScreens):
    """Handles the taps about students."""

    _offers: Offers

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        taps = {"stop": self._stop, "ask": self._ask_remove, "remove": self._remove}
        return [*self._view_taps(), *self._student_taps("stu", taps)]

    def views(self) -> dict[str, Draw]:
        return {rf"^adm:students:{PAGE}$": self._list, rf"^stu:card:{STUDENT}": self._card}

    async def _list(self, person: int, _: Texts, asked: Asked) -> Drawn:
        page = page_of(self._services.storage.students(), int(asked["page"]), ON_A_PAGE)
        lines, buttons = [], []
        for student in page.shown:
            mode = _("automatic") if student.mode == "automatic" else _("manual")
            state = _("ACTIVE") if self._services.registry.running(student.telegram_id) else _("inactive")
            lines.append(f"{short(student.username, LINE)}, {mode}, {state}")
            data = f"stu:card:{student.telegram_id}:{page.number}"
            buttons.append(Button(shortened(student.username, LABEL), data))
        text = "\n".join(lines) or _("No students yet.")
        return self._list_screen(_, _("View All Students"), page, text, buttons, "adm:students")

    async def _card(self, person: int, _: Texts, asked: Asked) -> Drawn:
        who, page = int(asked["student"]), asked["page"]
        if (student := self._services.storage.student(who)) is None:
            text, keyboard = await self._list(person, _, asked)
            return f"{_('This student is not registered any more.')}\n\n{text}", keyboard
        text = await self._text(_, student)
        keyboard = [
            [Button(_("Remove"), f"stu:ask:{who}:{page}")],
            [Button(_("Move to Another Account"), f"mov:ask:{who}:{page}")],
            [Button(_("Back"), f"adm:students:{page}")],
        ]
        if self._services.registry.running(who) or student.monitoring:
            keyboard[0].insert(0, Button(_("Stop"), f"stu:stop:{who}:{page}"))
        return text, keyboard

    async def _text(self, _: Texts, student: Student) -> str:
        services, who = self._services, student.telegram_id
        now = services.clock.now()
        mode = _("automatic") if student.mode == "automatic" else _("manual")
        lines = [
            f"<b>{escape(student.username)}</b>",
            _("Telegram ID: {number}").format(number=f"<code>{who}</code>"),
            _("Mode: {mode}").format(mode=mode),
            *monitoring_lines(services, who, _),
        ]
        status = services.registry.status(who)
        if status is not None and status.state is not MonitorState.WATCHING:  # its time is in monitoring_lines
            lines.append(_("In this state since: {time}").format(time=clock_time(services, status.since, now)))
        lines += await last_mark_lines(services, who, _)
        lines += trouble_lines(services, who, _)
        invitation = services.storage.invitation(student.invitation_code)
        if invitation is not None and invitation.note:
            lines.append(_("Note: {note}").format(note=escape(invitation.note)))
        lines.append(_("Registered: {time}").format(time=self._registered(student, now)))
        return "\n".join(lines)

    def _registered(self, student: Student, now: datetime) -> str:
        try:
            return clock_time(self._services, datetime.fromisoformat(student.registered_at), now)
        except ValueError:  # the file was edited by hand
            return escape(student.registered_at)

    async def _stop(self, person: int, student: Student, page: int, context: Context) -> str:
        _, who = self._services.texts(person), student.telegram_id
        was_wanted = student.monitoring or self._services.registry.running(who)
        headline = ""
        try:
            await self._services.registry.stop(who)
        except NotRegistered:
            return await self._show_gone(person, page)
        except StorageUnavailable:
            log.exception("person %d: stop by an admin not written", who)
            headline = _("That could not be saved. Please try again later.")
        if was_wanted:  # a second tap sends no second message
            log.info("admin %d: stopped the monitor of %d", person, who)
            await self._tell_stopped(student)
        await self._open(person, f"stu:card:{who}:{page}", headline)
        return headline or _("Monitoring is off.")

    async def _tell_stopped(self, student: Student) -> None:
        who = student.telegram_id
        _ = self._services.texts(who)
        await self._offers.end_all(who, student.username, _("Monitoring is off."))
        text = _("The administrator has stopped your monitoring. Nothing is marked until you start it again.")
        await self._services.outbox.put(*await told_with_menu(self._services, who, text))

    async def _ask_remove(self, person: int, student: Student, page: int, context: Context) -> str:
        _ = self._services.texts(person)
        who = student.telegram_id
        question = _(
            "Remove {username}? Monitoring stops, and the portal password and the browser profile are deleted. "
            "The student is told, and can register again with a new code."
        ).format(username=f"<b>{escape(student.username)}</b>")
        yes, no = Button(_("Remove for good"), f"stu:remove:{who}:{page}"), Button(_("Back"), f"stu:card:{who}:{page}")
        return await self._show(person, question, [[yes], [no]])

    async def _remove(self, person: int, student: Student, page: int, context: Context) -> str:
        _, who = self._services.texts(person), student.telegram_id
        theirs = self._services.texts(who)
        try:
            # before the database rows, by which the offers on the student's screen are found
            await self._offers.end_all(who, student.username, theirs("Monitoring is off."))
            await self._services.registry.remove(who, self._forget, erase=True)
        except NotRegistered:
            return await self._show_gone(person, page)
        except (StorageUnavailable, DatabaseUnavailable, StillRunning, OSError) as error:
            log.exception("person %d: not removed", who)
            still = _("The student's Chrome does not end, so nothing was removed. Press Remove again in a minute.")
            unsaved = _("That could not be saved. Please try again later.")
            headline = still if isinstance(error, StillRunning) else unsaved
            return await self._open(person, f"stu:card:{who}:{page}", headline)
        log.info("admin %d: removed student %d", person, who)
        text = theirs(
            "The administrator has removed you. Your portal password is deleted, and nothing is marked for you any "
            "more. To register again you need a new invitation code."
        )
        await self._services.outbox.put(*await fresh_menu(self._services, who, text))
        removed = _("{username} is removed.").format(username=escape(student.username))
        return await self._open(person, f"adm:students:{page}", removed)

    def _forget(self, student: Student) -> None:
        """Delete a student's other data; in a thread.

        The chat's language, its step (a password that comes late is still deleted) and queued messages stay.
        """
        self._services.forget_files(student)
        today = self._services.clock.now().astimezone(self._services.settings.zone).date()
        # one more day: a lesson of yesterday may still be on the page
        self._services.student_rows.forget_monitoring(student.telegram_id, (today - timedelta(days=1)).isoformat())

    async def _show_gone(self, person: int, page: int) -> str:
        _ = self._services.texts(person)
        return await self._open(person, f"adm:students:{page}", _("This student is not registered any more."))
