"""A student's own data: the history of lessons, and the deletion of everything that the bot stores."""

import asyncio
import json
import logging
from contextlib import nullcontext
from dataclasses import asdict, replace
from typing import Any

from telegram import Update
from telegram.error import NetworkError
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler

from classroom.domain.sessions import Binding, Status, attendance_percentage
from classroom.overview import AWAITED, day_of, subject_of
from classroom.services import Classroom
from classroom.store import StoreError
from classroom.student.face_check import FaceDialog
from classroom.student.face_traces import FaceTraces
from classroom.student.texts import status_word
from telegram_app.i18n import Texts
from telegram_app.lines import short
from telegram_app.outbox import Button, Item, Keyboard
from telegram_app.side import SCREEN, TYPED, Context, below, tapped

log = logging.getLogger(__name__)

SHOWN_LESSONS, EVERY = 10, 100_000
_OTHERS = ("by", "by_teacher", "rivals")  # fields with accounts of other people
MY_DATA = "my data:"  # prefix of the outbox references to these files


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
            CommandHandler("my_data", self._my_data, filters=TYPED),
            CommandHandler("delete_me", self._delete_me, filters=TYPED),
            CallbackQueryHandler(self._my_data, pattern=r"^my_data$"),
            CallbackQueryHandler(self._stop_comparing, pattern=r"^class:stop$"),
            CallbackQueryHandler(self._me, pattern=r"^me$"),
            CallbackQueryHandler(self._delete_me, pattern=r"^del$"),
            CallbackQueryHandler(self._deleted, pattern=r"^del:yes$"),
        ]

    async def _asked(self, update: Update) -> tuple[int, Texts]:
        """Return who sent a command or tapped its button."""
        if update.callback_query is not None:
            await tapped(update)
        return self._side.who(update)

    async def _me(self, update: Update, context: Context) -> None:
        person, _ = await self._asked(update)
        binding = await self._classroom.store.binding_of(person)
        lines = [_("This account has no student ID yet: the first check-in links it.")]
        if binding is not None:
            lines = await self._history(_, binding)
        keyboard: Keyboard = [
            [Button(_("Ask for a Correction"), "fix")],
            [Button(_("What Is Kept"), "my_data"), Button(_("Delete My Data"), "del")],
            [Button(_("Back"), "menu")],
        ]
        if update.callback_query is None:
            await self._side.outbox.put(*below(person, "\n".join(lines), keyboard))
        else:
            await self._side.outbox.put(Item(person, "edit", "\n".join(lines), keyboard, slot=SCREEN))

    async def _history(self, _: Texts, binding: Binding) -> list[str]:
        lessons = await self._classroom.store.attended(binding.student_id, limit=200)
        waits = await self._classroom.store.undecided(binding.telegram_id)
        statuses = [mark.status if mark else Status.ABSENT for each, mark in lessons if mark or each.id not in waits]
        lines = [f"<b>{short(binding.student_id, 64)}</b>"]
        percentage = attendance_percentage(statuses)
        if percentage is not None:
            lines.append(_("Attendance: {percentage} %").format(percentage=round(percentage)))
        for session, mark in lessons[:SHOWN_LESSONS]:
            word = status_word(_, mark.status if mark else Status.ABSENT, waits=session.id in waits)
            lines.append(f"{day_of(session)} {subject_of(session, 100)}: {word}")
        return lines if lessons else [*lines, _("No lessons yet.")]

    async def _my_data(self, update: Update, context: Context) -> None:
        """Send everything that is kept of a person as one file, which is made when it is sent and stored nowhere."""
        person, _ = await self._asked(update)
        text = _("Everything that this bot keeps of you. /delete_me deletes it, except your marks.")
        consent, keyboard = await self._classroom.store.consent(person), list[list[Button]]()
        if consent is not None and consent.with_class:
            keyboard = [[Button(_("Don't Compare Me With My Class"), "class:stop")]]
        await self._side.outbox.put(Item(person, "document", text, keyboard, file=f"{MY_DATA}{person}"))

    async def _stop_comparing(self, update: Update, context: Context) -> None:
        """Withdraw the consent to the comparison with the class; the consent to the face check stays."""
        person, _ = self._side.who(update)
        consent = await self._classroom.store.consent(person)
        if consent is not None and consent.with_class:
            await self._classroom.store.set_consent(replace(consent, with_class=False))
            log.info("person %d: no longer agrees to the comparison with the class", person)
        text = _("From now on your face is not compared with your class, nor is your class compared with you.")
        await tapped(update, text)

    async def _delete_me(self, update: Update, context: Context) -> None:
        person, _ = await self._asked(update)
        text = _(
            "Delete what this bot keeps of you: the link between this Telegram account and your student ID, your"
            " check-ins and requests, your language? Marks stay with the university. Only your teacher can link the ID"
            " again."
        )
        if self._faces is not None:
            text += " " + _("What is kept of your face is deleted, too, and can't be restored.")
        keyboard: Keyboard = [[Button(_("Yes, Delete"), "del:yes")], [Button(_("Back"), "menu")]]
        await self._side.outbox.put(*below(person, text, keyboard))

    async def _deleted(self, update: Update, context: Context) -> None:
        query = await tapped(update)
        person, _ = self._side.who(update)
        await asyncio.to_thread(self._classroom.record_deletion, "classroom", person)
        async with self._faces.turn(person) if self._faces is not None else nullcontext():
            ids = await self._classroom.store.ids_of(person)
            await self._traces.forget(person)  # first: afterwards nobody knows whose face it is
            await self._classroom.store.forget_student(person)
        await self._side.forget(person, *ids)
        await asyncio.to_thread(self._classroom.teacher.people.forget_names, str(person), *ids)
        await asyncio.to_thread(self._side.people.erase_traces)
        log.info("person %d: data deleted at their request", person)
        question = [Item(person, "delete", message_id=query.message.message_id)] if query.message else []
        # in the language of the question, and without a slot, so that nothing is stored once it is sent
        await self._side.outbox.put(*question, Item(person, "send", _("Your data is deleted."), ask="nothing"))


async def my_data_file(classroom: Classroom, person: str) -> tuple[str, bytes]:
    """Make the file for /my_data."""
    try:
        data = await my_data(classroom, int(person))
    except StoreError as error:
        raise NetworkError(f"not made: {error}") from error  # so that the outbox tries again
    plain = json.loads(json.dumps(data, default=str), object_hook=_without_others)
    return "my_data.json", json.dumps(plain, indent=1, ensure_ascii=False).encode()


def _without_others(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without other people's accounts: only whether a teacher decided, or others sent the same ID.

    Which session had the code of a wrong try is left out, too: it would tell somebody who guesses that it was right.
    """
    record.pop("code_of", None)
    return record | {name: record[name] not in (0, None, [], "[]") for name in _OTHERS if name in record}


async def my_data(classroom: Classroom, person: int) -> dict[str, Any]:
    """Return everything that is kept of a student's account; of a face template only whether there is one."""
    store, side = classroom.store, classroom.student
    found: dict[str, Any] = {"telegram_id": person, "language": side.languages.get(person)}
    step, binding = await side.step(person), await store.binding_of(person)
    found |= {"conversation": asdict(step) if step is not None else None, **await store.kept_of(person)}
    if binding is not None:
        template = await store.template(binding.student_id)
        found["face_template"] = {"made_at": template.made_at, "engine": template.engine} if template else None
        lessons = await store.attended(binding.student_id, limit=EVERY)
        without = dict.fromkeys(await store.undecided(person), AWAITED)
        found["lessons"] = [
            {
                "date": each.date,
                "subject": each.subject,
                "lesson": each.lesson,
                "mark": asdict(mark) if mark else without.get(each.id, "absent"),
            }
            for each, mark in lessons
        ]
    return found
