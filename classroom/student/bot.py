"""The student's bot: a student ID and a code, a location, the face (face_talk.py), then "Attendance marked".

At most four messages a check-in: the questions for the code and for the location, what became of it, and the mark.
"""

import functools
import logging
import re
import unicodedata
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler, MessageHandler, filters

from classroom.check_in.answers import Answer, AnswerKind
from classroom.check_in.check_ins import CheckIns
from classroom.check_in.evidence import evidence_of
from classroom.domain import location_policy as policy
from classroom.domain.sessions import Binding, CheckInStep, Mark, Session, Sheet, Status, attendance_percentage
from classroom.services import Classroom, typed
from classroom.student.face_check import FaceDialog
from classroom.student.face_traces import FaceTraces
from classroom.student.texts import answer_text, refusal_text, status_word
from telegram_app.i18n import LANGUAGES, Texts, texts
from telegram_app.lines import short
from telegram_app.outbox import ANSWER, NOTICE, Button, Item, Keyboard
from telegram_app.outbox_table import Action
from telegram_app.people import ConversationStep
from telegram_app.side import SCREEN, TYPED, Context, below, sender, tapped

log = logging.getLogger(__name__)

CODE, STUDENT_ID, PRACTICE = "code", "student id", "practice"  # steps' names
SHOWN_LESSONS = 10
_CODE = re.compile(r"\d{3}[ -]?\d{3}")
_BOTH = re.compile(r"(?P<id>\S.*?)[\s,;]+(?P<code>\d{3}[ -]?\d{3})")
_TURNED = re.compile(r"(?P<code>\d{3}[ -]?\d{3})[\s,;]+(?P<id>\S.*)")
_ID = re.compile(r"(?=\S*\d)(?=\S*[^\W\d])\S+|\d{8,}")  # alone: letters and digits, or more digits than a mistyped code
_COORDINATES = re.compile(r"-?\d+[.,]\d+\s*[,; ]\s*-?\d+[.,]\d+")
LONGEST_ID = 64
ON_SCREEN = timedelta(minutes=10)  # for which a question is taken to be in sight, and is changed in its place


class StudentBot:
    """The handlers of the student's bot."""

    def __init__(
        self, room: Classroom, check_ins: CheckIns, traces: FaceTraces, faces: FaceDialog | None = None
    ) -> None:
        """Take what the bots share, the check-ins, what takes away traces of faces, and who talks about faces (None:
        none are checked).
        """
        self._traces = traces
        self._faces = faces
        self._room = room
        self._side = room.student
        self._check_ins = check_ins

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        """Return the handlers, in the order in which they look at an update."""
        located = (TYPED | (filters.UpdateType.EDITED_MESSAGE & filters.ChatType.PRIVATE)) & filters.LOCATION
        return [
            CommandHandler("start", self._start, filters=TYPED),
            CommandHandler("me", self._me, filters=TYPED),
            CommandHandler("delete_me", self._delete_me, filters=TYPED),
            CommandHandler("help", self._help, filters=TYPED),
            CommandHandler("cancel", self._cancel, filters=TYPED),
            CallbackQueryHandler(self._check_in, pattern=r"^in$"),
            CallbackQueryHandler(self._practice, pattern=r"^practice$"),
            CallbackQueryHandler(self._me, pattern=r"^me$"),
            CallbackQueryHandler(self._menu, pattern=r"^menu$"),
            CallbackQueryHandler(self._delete_me, pattern=r"^del$"),
            CallbackQueryHandler(self._deleted, pattern=r"^del:yes$"),
            *self._side.language_handlers(self._change_to_menu),
            *(self._faces.handlers() if self._faces is not None else []),
            MessageHandler(located, self._located),
            MessageHandler(TYPED & filters.TEXT & ~filters.COMMAND, self._typed),
            MessageHandler(TYPED & ~filters.StatusUpdate.ALL, self._other),
            CallbackQueryHandler(self._side.old_button),
        ]

    # the way in

    async def _start(self, update: Update, context: Context) -> None:
        person = sender(update)
        if context.args:
            await self._take(person, " ".join(context.args))
            return
        await self._room.set_step(self._side, person, CODE)
        await self._side.outbox.put(*await self._menu_below(person))

    async def _check_in(self, update: Update, context: Context) -> None:
        await tapped(update)
        await self._ask_code(sender(update), in_place=True)

    async def _ask_code(self, person: int, headline: str = "", *, in_place: bool = False) -> None:
        _ = self._side.texts(person)
        binding = await self._room.store.binding_of(person)
        question = (
            _("Send the 6-digit code that your teacher shows.")
            if binding
            else _("Send your student ID and the 6-digit code that your teacher shows, such as: S1234567 482913")
        )
        await self._room.set_step(self._side, person, CODE)
        await self._ask(person, _joined(headline, question), in_place=in_place)

    async def _ask(self, person: int, question: str, *, in_place: bool) -> None:
        """Put a question: in the place of the one before, or below."""
        _ = self._side.texts(person)
        keyboard: Keyboard = [[Button(_("Back"), "menu")]]
        in_it = [Item(person, "edit", question, keyboard, slot=SCREEN)]
        await self._side.outbox.put(*(in_it if in_place else below(person, question, keyboard)))

    async def _typed(self, update: Update, context: Context) -> None:
        person = sender(update)
        text = typed(update)
        step = await self._side.step(person)
        # A computer sends the button's own text, in the language in which it was shown.
        if text in {texts(language)("Share Location") for language in LANGUAGES}:
            _ = self._side.texts(person)
            await self._say(person, _("A computer can't share its location: open this chat on your phone, in class."))
        elif step is not None and step.name == STUDENT_ID and not _BOTH.fullmatch(text):  # six digits may be an ID
            await self._enter(person, text, step.data["code"], datetime.fromisoformat(step.data["at"]))
        else:
            await self._take(person, text)

    async def _take(self, person: int, text: str) -> None:
        """Take a code, or a student ID with a code; ask for the part that is missing."""
        _ = self._side.texts(person)
        text = text.strip()
        both = _BOTH.fullmatch(text) or _TURNED.fullmatch(text)
        if _CODE.fullmatch(text):
            step = await self._side.step(person)
            student_id = step.data.get("student_id") if step is not None and step.name == CODE else None
            if student_id is None and await self._room.store.binding_of(person) is None:
                await self._ask_student_id(person, _digits(text))
                return
            await self._enter(person, student_id, _digits(text))
        elif _COORDINATES.fullmatch(text):
            await self._say(person, refusal_text(_, policy.LocationRefusal.TYPED))
        elif both is not None:
            await self._enter(person, both["id"].strip(), _digits(both["code"]))
        elif _ID.fullmatch(text) and await self._room.store.binding_of(person) is None:
            in_sight = self._in_sight(await self._side.step(person))
            await self._room.set_step(self._side, person, CODE, {"student_id": text[:LONGEST_ID]})
            await self._ask(person, _("Send the 6-digit code that your teacher shows."), in_place=in_sight)
        else:
            await self._ask_code(person, _("That is no code. A code has 6 digits."))

    async def _ask_student_id(self, person: int, code: str) -> None:
        """Ask for the missing part: in the place of the menu or the question where that is in sight.

        Else, as after a link, without buttons: taking them away again is a call for each student of a large class.
        """
        _, now = self._side.texts(person), self._room.clock.now()
        in_sight = self._in_sight(await self._side.step(person))
        await self._room.set_step(self._side, person, STUDENT_ID, {"code": code, "at": now.isoformat()})
        question = _("Now send me your student ID.")
        if in_sight:
            await self._ask(person, question, in_place=True)
        else:
            await self._side.outbox.put(Item(person, "strip", slot=SCREEN), Item(person, "send", question))

    def _in_sight(self, before: ConversationStep | None) -> bool:
        return before is not None and before.name == CODE and self._room.clock.now() - before.at < ON_SCREEN

    async def _enter(self, person: int, student_id: str | None, code: str, typed_at: datetime | None = None) -> None:
        told = await self._check_ins.enter(person, student_id and student_id[:LONGEST_ID], code, typed_at)
        await self._room.set_step(self._side, person, CODE if told.kind is AnswerKind.WRONG else "")
        await self._tell(person, told)

    # the place

    async def _located(self, update: Update, context: Context) -> None:
        message, person = update.effective_message, sender(update)
        if message is None or message.location is None:
            return
        moved = update.edited_message is not None
        evidence = evidence_of(message)
        step = await self._side.step(person)
        _ = self._side.texts(person)
        if step is not None and step.name == PRACTICE:
            if moved:
                return
            location_policy = self._room.settings.location_policy
            refusal = policy.refusal(evidence, self._room.clock.now(), location_policy)
            await self._room.set_step(self._side, person, "")
            said = (
                refusal_text(_, refusal)
                if refusal
                else _("Your location arrived and would count. In class, its distance to the teacher's place decides.")
            )
            await self._say(person, said, hide=True)
            return
        told = await self._check_ins.place(person, evidence)
        telling = (AnswerKind.WAITING, AnswerKind.REVIEW, AnswerKind.CONSENT, AnswerKind.CHALLENGE)
        if moved and (told.kind not in telling or not told.is_new):
            return  # a live location moves every few seconds: only what is new is worth a message
        await self._tell(person, told, located=True)

    async def _practice(self, update: Update, context: Context) -> None:
        await tapped(update)
        person = sender(update)
        _ = self._side.texts(person)
        await self._room.set_step(self._side, person, PRACTICE)
        text = _("A practice check-in: nothing is marked. Share your location with the button below, from your phone.")
        if self._room.settings.location_policy == "strict":
            text = _("A practice check-in: nothing is marked.") + " " + refusal_text(_, policy.LocationRefusal.NOT_LIVE)
        await self._side.outbox.put(self._asking(person, text))

    def _asking(self, person: int, text: str) -> Item:
        """Ask for a location: with a button, except where only a live one counts, which no button can send."""
        _ = self._side.texts(person)
        if self._room.settings.location_policy == "strict":
            return Item(person, "send", text, ask="nothing")
        return Item(person, "send", text, ask="location", ask_label=_("Share Location"))

    async def _tell(self, person: int, told: Answer, located: bool = False) -> None:
        """Say what became of a code or a location."""
        _ = self._side.texts(person)
        text = answer_text(_, told, self._room.settings.location_policy)
        if told.kind in (AnswerKind.PLACE, AnswerKind.OUTSIDE, AnswerKind.REFUSED):
            await self._side.outbox.put(Item(person, "strip", slot=SCREEN), self._asking(person, text))
        elif told.kind is AnswerKind.WRONG:
            await self._side.outbox.put(*below(person, text, [[Button(_("Back"), "menu")]]))
        elif told.kind in (AnswerKind.CONSENT, AnswerKind.CHALLENGE) and self._faces is not None:
            await self._faces.show(person, told)
        else:
            await self._say(person, text, hide=located)

    async def tell_mark(self, session: Session, student_id: str, mark: Mark) -> None:
        """Tell a student of a mark in our record, once for each mark."""
        binding = await self._room.store.binding_for(student_id)
        if binding is None:
            return
        person, now = binding.telegram_id, self._room.clock.now()
        key = f"mark:{session.id}:{student_id}:{mark.status.value}:{mark.by}:{mark.at.isoformat() if mark.by else ''}"
        in_place = self._faces is not None and await self._faces.waits_for_mark(session, student_id, mark)
        action: Action = "edit" if in_place else "send"  # in the place of the acknowledgement, or ringing
        lane = ANSWER if in_place else NOTICE  # who has sent a video waits for this
        item = Item(person, action, self._marked(person, session, mark), slot=f"mark:{session.id}", lane=lane)
        if await self._side.outbox.put(item, when=lambda: self._side.claims.claim(key, now)):
            log.info("session %s: student %s, to be told of the mark", session.id, student_id)

    async def tell_acked(self, session: Session, sheet: Sheet) -> None:
        """Tell the students of a sheet, by an edit of their message, that the LMS has their marks; once each."""
        for student_id, mark in sheet.marks.items():
            binding = await self._room.store.binding_for(student_id)
            if binding is not None:
                await self._tell_acked(binding.telegram_id, session, mark)

    async def _tell_acked(self, person: int, session: Session, mark: Mark) -> None:
        _, now = self._side.texts(person), self._room.clock.now()
        text = self._marked(person, session, mark) + "\n" + _("The LMS has it.")
        key = f"lms:{session.id}:{mark.student_id}:{mark.status.value}:{mark.at.isoformat() if mark.by else ''}"
        item = Item(person, "amend", text, slot=f"mark:{session.id}", lane=NOTICE)
        await self._side.outbox.put(item, when=lambda: self._side.claims.claim(key, now))

    def _marked(self, person: int, session: Session, mark: Mark) -> str:
        _ = self._side.texts(person)
        lines = [f"{short(session.subject, 300)}, {mark.at.astimezone(self._room.settings.zone):%H:%M}"]
        status = status_word(_, mark.status)
        if mark.by == 0:
            title = _("Attendance marked")
            lines += [] if mark.status is Status.PRESENT else [_("Status: {status}").format(status=status)]
        else:
            title = _("Your teacher has marked you: {status}").format(status=status)
            lines += [short(mark.reason, 300)] if mark.reason else []
        return "\n".join([f"<b>{title}</b>", *lines])

    async def tell_rejected(self, session: Session, student_id: str, person: int) -> None:
        """Tell a student that the teacher did not accept the check-in."""
        _ = self._side.texts(person)
        text = _("Your teacher did not accept the check-in for {subject}. Speak to your teacher.")
        item = Item(person, "send", text.format(subject=short(session.subject, 300)), lane=NOTICE)
        key, now = f"rejected:{session.id}:{student_id}:{person}", self._room.clock.now()
        if await self._side.outbox.put(item, when=lambda: self._side.claims.claim(key, now)):
            log.info("session %s: student %s, to be told of the rejection", session.id, student_id)

    async def catch_up(self, session: Session) -> None:
        """Tell what a process that ended half way has not told; who was told hears nothing."""
        sheets = await self._room.store.sheets(session.id)
        await self._check_ins.settle(session, sheets)
        for sheet in sheets:
            for student_id, mark in sheet.marks.items():
                await self.tell_mark(session, student_id, mark)
            if sheet.acked_version >= sheet.version:
                await self.tell_acked(session, sheet)
        marked = {student_id for sheet in sheets for student_id in sheet.marks}
        if self._faces is not None:
            await self._faces.catch_up(session)
        else:
            await self._traces.hand_over(session, marked)
        for check_in in await self._room.store.check_ins(session.id):
            if check_in.step is CheckInStep.REJECTED and check_in.student_id not in marked:
                await self.tell_rejected(session, check_in.student_id, check_in.telegram_id)

    async def tell_cancelled(self, session: Session) -> None:
        """Tell the students who checked in that it is cancelled, once: by an edit where they were marked.

        What the LMS has already stays there; of that nobody hears anything.
        """
        sheets = await self._room.store.sheets(session.id)
        marked = {student_id: sheet.in_lms for sheet in sheets for student_id in sheet.marks}
        for check_in in await self._room.store.check_ins(session.id):
            # a check that came to its end in this moment found the session cancelled, and has told nothing
            dropped = check_in.step is CheckInStep.REJECTED and check_in.face is not None and not check_in.note
            if marked.get(check_in.student_id) or (check_in.step is CheckInStep.REJECTED and not dropped):
                continue
            _, person = self._side.texts(check_in.telegram_id), check_in.telegram_id
            said = _("Your teacher has cancelled the check-in for {subject}.").format(
                subject=short(session.subject, 300)
            )
            action: Action = "amend" if check_in.student_id in marked else "send"
            if action == "send" and (dropped or check_in.step is CheckInStep.CHECKING):
                action = "edit"  # the acknowledgement of the video
            slot = f"mark:{session.id}" if action != "send" else None
            item = Item(person, action, said, slot=slot, lane=NOTICE)
            key, now = f"cancelled:{session.id}:{check_in.student_id}:{person}", self._room.clock.now()
            await self._side.outbox.put(item, when=functools.partial(self._side.claims.claim, key, now))
        if self._faces is not None:
            await self._faces.cancelled(session)

    # a student's own

    async def _me(self, update: Update, context: Context) -> None:
        if update.callback_query is not None:
            await tapped(update)
        person = sender(update)
        _ = self._side.texts(person)
        binding = await self._room.store.binding_of(person)
        lines = [_("This account has no student ID yet: it gets one with the first check-in.")]
        if binding is not None:
            lines = await self._history(_, binding)
        keyboard: Keyboard = [[Button(_("Delete My Data"), "del")], [Button(_("Back"), "menu")]]
        if update.callback_query is None:
            await self._side.outbox.put(*below(person, "\n".join(lines), keyboard))
        else:
            await self._side.outbox.put(Item(person, "edit", "\n".join(lines), keyboard, slot=SCREEN))

    async def _history(self, _: Texts, binding: Binding) -> list[str]:
        lessons = await self._room.store.attended(binding.student_id, limit=200)
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
            " check-ins, your language? Marks stay with the university. Binding the ID again takes your teacher."
        )
        if self._faces is not None:
            text += " " + _("What is kept of your face goes, too, and nothing can bring it back.")
        keyboard: Keyboard = [[Button(_("Yes, Delete"), "del:yes")], [Button(_("Back"), "menu")]]
        await self._side.outbox.put(*below(person, text, keyboard))

    async def _deleted(self, update: Update, context: Context) -> None:
        query = await tapped(update)
        person = sender(update)
        _ = self._side.texts(person)
        async with self._faces.turn(person) if self._faces is not None else nullcontext():
            await self._traces.forget(person)  # first: while it is known whose face it is
            await self._room.store.forget_student(person)
        await self._side.forget(person)
        log.info("person %d: data deleted at their wish", person)
        question = [Item(person, "delete", message_id=query.message.message_id)] if query.message else []
        # in the language of the question, and without a slot: nothing of this is kept once it is sent
        await self._side.outbox.put(*question, Item(person, "send", _("Your data is deleted."), ask="nothing"))

    # screens

    async def _menu(self, update: Update, context: Context) -> None:
        await tapped(update)
        person = sender(update)
        await self._room.set_step(self._side, person, "")
        await self._change_to_menu(person)

    async def _change_to_menu(self, person: int) -> None:
        text, keyboard = await self._home(person)
        await self._side.outbox.put(Item(person, "edit", text, keyboard, slot=SCREEN))

    async def _cancel(self, update: Update, context: Context) -> None:
        person = sender(update)
        _ = self._side.texts(person)
        await self._room.set_step(self._side, person, "")
        await self._side.outbox.put(*await self._menu_below(person, _("Cancelled.")))

    async def _help(self, update: Update, context: Context) -> None:
        person = sender(update)
        _ = self._side.texts(person)
        text = _(
            "In class your teacher shows a 6-digit code. Send it here, then share your location from your phone"
            " (a computer can't). Your teacher confirms, and you hear from me: Attendance marked."
        )
        if self._faces is not None:
            text = _(
                "In class your teacher shows a 6-digit code. Send it here, then share your location from your phone"
                " (a computer can't). Then I ask for a round video of your face with two motions, which is compared"
                " with your ID photo; you may also go on without your face, and your teacher confirms. You hear from"
                " me: Attendance marked. /delete_me deletes what is kept of your face."
            )
        await self._side.outbox.put(*await self._menu_below(person, text))

    async def _home(self, person: int, headline: str = "") -> tuple[str, Keyboard]:
        _ = self._side.texts(person)
        binding = await self._room.store.binding_of(person)
        text = _("This bot takes your attendance in class.")
        if self._faces is not None:
            text = _("This bot takes your attendance in class: by a code, your place, and your face where you agree.")
        if binding is not None:
            text = f"<b>{short(binding.student_id, 64)}</b>\n" + text
        keyboard: Keyboard = [
            [Button(_("Check In"), "in")],
            [Button(_("My Attendance"), "me"), Button(_("Practice"), "practice")],
        ]
        return _joined(headline, text), keyboard

    async def _menu_below(self, person: int, headline: str = "") -> list[Item]:
        text, keyboard = await self._home(person, headline)
        return below(person, text, keyboard)

    async def _say(self, person: int, text: str, hide: bool = False) -> None:
        await self._side.outbox.put(Item(person, "send", text, ask="nothing" if hide else None))

    async def _other(self, update: Update, context: Context) -> None:
        """A photo, a venue, a sticker: say what is wanted."""
        message, person = update.effective_message, sender(update)
        _ = self._side.texts(person)
        if message is not None and message.venue is not None:
            await self._say(person, refusal_text(_, policy.LocationRefusal.VENUE))
            return
        await self._ask_code(person, _("Please send it as text."))


def _digits(text: str) -> str:
    """Return a code's digits, in whatever script they were typed."""
    return "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal())


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)
