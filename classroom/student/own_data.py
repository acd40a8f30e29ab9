"""A student's own data: the history of lessons, and the deletion of everything that the bot stores."""

import logging
from contextlib import nullcontext
from datetime import datetime
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler

from classroom.domain.sessions import Binding, Status, attendance_percentage
from classroom.services import Classroom
from classroom.student.face_check import FaceDialog
from classroom.student.face_traces import FaceTraces
from classroom.student.texts import status_word
from telegram_app.i18n import Texts
from telegram_app.lines import short
from telegram_app.outbox import Button, Item, Keyboard
from telegram_app.side import SCREEN, TYPED, Context, below, sender, tapped

log = logging.getLogger(__name__)

SHOWN_LESSONS = 10


class OwnData:
    """The handlers of "My Attendance" and "Delete My Data". ``faces`` is None where no faces are checked."""

    def __init__(self, classroom: Classroom, traces: FaceTraces, faces: FaceDialog | None) -> None:
        self._classroom = classroom
        self._side = classroom.student
        self._traces = traces
        self._faces = faces

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        return [
            CommandHandler("me", self._me, filters=TYPED),
            CommandHandler("delete_me", self._delete_me, filters=TYPED),
            CallbackQueryHandler(self._me, pattern=r"^me$"),
            CallbackQueryHandler(self._delete_me, pattern=r"^del$"),
            CallbackQueryHandler(self._deleted, pattern=r"^del:yes$"),
        ]

    async def _me(self, update: Update, context: Context) -> None:
        if update.callback_query is not None:
            await tapped(update)
        person = sender(update)
        _ = self._side.texts(person)
        binding = await self._classroom.store.binding_of(person)
        lines = [_("This account has no student ID yet: the first check-in links it.")]
        if binding is not None:
            lines = await self._history(_, binding)
        keyboard: Keyboard = [[Button(_("Delete My Data"), "del")], [Button(_("Back"), "menu")]]
        if update.callback_query is None:
            await self._side.outbox.put(*below(person, "\n".join(lines), keyboard))
        else:
            await self._side.outbox.put(Item(person, "edit", "\n".join(lines), keyboard, slot=SCREEN))

    async def _history(self, _: Texts, binding: Binding) -> list[str]:
        lessons = await self._classroom.store.attended(binding.student_id, limit=200)
        statuses = [mark.status if mark else Status.ABSENT for _session, mark in lessons]
        lines = [f"<b>{short(binding.student_id, 64)}</b>"]
        percentage = attendance_percentage(statuses)
        if percentage is not None:
            lines.append(_("Attendance: {percentage} %").format(percentage=round(percentage)))
        for session, mark in lessons[:SHOWN_LESSONS]:
            day = datetime.fromisoformat(session.date).strftime("%d.%m.%Y")
            word = status_word(_, mark.status if mark else Status.ABSENT)
            lines.append(f"{day} {short(session.subject, 100)}: {word}")
        return lines if lessons else [*lines, _("No lessons yet.")]

    async def _delete_me(self, update: Update, context: Context) -> None:
        if update.callback_query is not None:
            await tapped(update)
        person = sender(update)
        _ = self._side.texts(person)
        text = _(
            "Delete what this bot keeps of you: the link between this Telegram account and your student ID, your"
            " check-ins, your language? Marks stay with the university. Only your teacher can link the ID again."
        )
        if self._faces is not None:
            text += " " + _("What is kept of your face is deleted, too, and can't be restored.")
        keyboard: Keyboard = [[Button(_("Yes, Delete"), "del:yes")], [Button(_("Back"), "menu")]]
        await self._side.outbox.put(*below(person, text, keyboard))

    async def _deleted(self, update: Update, context: Context) -> None:
        query = await tapped(update)
        person = sender(update)
        _ = self._side.texts(person)
        async with self._faces.turn(person) if self._faces is not None else nullcontext():
            await self._traces.forget(person)  # first: afterwards nobody knows whose face it is
            await self._classroom.store.forget_student(person)
        await self._side.forget(person)
        log.info("person %d: data deleted at their request", person)
        question = [Item(person, "delete", message_id=query.message.message_id)] if query.message else []
        # in the language of the question, and without a slot, so that nothing is stored once it is sent
        await self._side.outbox.put(*question, Item(person, "send", _("Your data is deleted."), ask="nothing"))
