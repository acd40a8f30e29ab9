"""The student bot: a student ID and a code, a location, the face (face_check.py); and the menu.

Two messages a check-in without a face: the location request, which says what follows, and the mark; the location is
acknowledged by a reaction. Somebody who sends the code first is asked for the student ID as well.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler, MessageHandler, filters

from classroom.check_in.answers import Answer, AnswerKind
from classroom.check_in.check_ins import CheckIns
from classroom.check_in.code_entry import Typed
from classroom.check_in.evidence import evidence_of, sent_at
from classroom.domain import location_policy as policy
from classroom.domain.face_policy import NO_FACE
from classroom.domain.sessions import folded
from classroom.services import Classroom, typed
from classroom.student.corrections import CORRECTION, Corrections
from classroom.student.face_check import FaceDialog
from classroom.student.face_traces import FaceTraces
from classroom.student.own_data import OwnData
from classroom.student.readings import ids_in, only_id, readings_of
from classroom.student.texts import answer_text, help_text, refusal_text, share_text
from core.lookalikes import visible
from telegram_app.i18n import LANGUAGES, texts
from telegram_app.lines import short
from telegram_app.outbox import Button, Item, Keyboard
from telegram_app.people import ConversationStep
from telegram_app.side import SCREEN, TYPED, Context, below, sender, tapped

CODE, STUDENT_ID, PRACTICE = "code", "student id", "practice"  # names of conversation steps
_COORDINATES = re.compile(r"-?\d+[.,]\d+\s*[,; ]\s*-?\d+[.,]\d+")
ACCEPTED = "\N{OK HAND SIGN}"  # the reaction to a location
ON_SCREEN = timedelta(minutes=10)  # a question of this age is assumed to be visible, and is edited


@dataclass(eq=False)
class StudentBot:
    """The handlers of the student bot. ``faces`` is None where no faces are checked."""

    _classroom: Classroom
    _check_ins: CheckIns
    _traces: FaceTraces
    _faces: FaceDialog | None
    _corrections: Corrections

    def __post_init__(self) -> None:
        self._side = self._classroom.student
        self._own_data = OwnData(self._classroom, self._traces, self._faces)

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        located = (TYPED | (filters.UpdateType.EDITED_MESSAGE & filters.ChatType.PRIVATE)) & filters.LOCATION
        return [
            CommandHandler("start", self._start, filters=TYPED),
            CommandHandler("help", self._help, filters=TYPED),
            CommandHandler("cancel", self._cancel, filters=TYPED),
            CallbackQueryHandler(self._check_in, pattern=r"^in$"),
            CallbackQueryHandler(self._practice, pattern=r"^practice$"),
            CallbackQueryHandler(self._menu, pattern=r"^menu$"),
            *self._side.language_handlers(self._change_to_menu),
            *self._own_data.handlers(),
            *self._corrections.handlers(),
            *(self._faces.handlers() if self._faces is not None else []),
            MessageHandler(located, self._located),
            MessageHandler(TYPED & filters.TEXT & ~filters.COMMAND, self._typed),
            MessageHandler(TYPED & ~filters.StatusUpdate.ALL, self._other),
            CallbackQueryHandler(self._side.old_button),
        ]

    async def _start(self, update: Update, context: Context) -> None:
        person, sent = sender(update), sent_at(update.effective_message, self._classroom.clock.now())
        if context.args:
            await self._take(person, " ".join(context.args), sent, by_link=True)
            return
        await self._classroom.set_step(self._side, person, CODE)
        await self._side.outbox.put(*await self._menu_below(person))

    async def _check_in(self, update: Update, context: Context) -> None:
        await tapped(update)
        await self._ask_code(sender(update), in_place=True)

    async def _ask_code(self, person: int, headline: str = "", *, in_place: bool = False) -> None:
        _ = self._side.texts(person)
        binding = await self._classroom.store.binding_of(person)
        question = (
            _("Send the 6-digit code that your teacher shows.")
            if binding
            else _("Send your student ID and the 6-digit code that your teacher shows, such as: S1234567 482913")
        )
        await self._classroom.set_step(self._side, person, CODE)
        await self._ask(person, _joined(headline, question), in_place=in_place)

    async def _ask(self, person: int, question: str, *, in_place: bool) -> None:
        _ = self._side.texts(person)
        keyboard: Keyboard = [[Button(_("Back"), "menu")]]
        edit = [Item(person, "edit", question, keyboard, slot=SCREEN)]
        await self._side.outbox.put(*(edit if in_place else below(person, question, keyboard)))

    async def _typed(self, update: Update, context: Context) -> None:
        person, sent = sender(update), sent_at(update.effective_message, self._classroom.clock.now())
        text, step = typed(update), await self._side.step(person)
        # Telegram on a computer sends the button's label, in the language in which it was shown.
        if text in {texts(language)("Share Location") for language in LANGUAGES}:
            _ = self._side.texts(person)
            await self._say(person, _("A computer can't share its location: open this chat on your phone, in class."))
        elif step is not None and step.name == CORRECTION and not _is_code(text):
            await self._corrections.typed(person, text, step.data["session"])
        else:
            await self._take(person, text, sent)

    async def _take(self, person: int, text: str, sent: datetime, *, by_link: bool = False) -> None:
        """Handle a code, a student ID, or both, among any words, sent at ``sent``; ask for the missing part."""
        _, text = self._side.texts(person), visible(text)
        if _COORDINATES.fullmatch(text):
            await self._request_location(person, policy.LocationRefusal.TYPED)
            return
        readings, times = readings_of(text), Typed(sent, sent, sent)
        step, binding = await self._side.step(person), await self._classroom.store.binding_of(person)
        name, data = (step.name, step.data) if step is not None else ("", {})
        is_bare = readings is not None and len(readings) > 0 and readings[0][0] is None
        alone = readings[-1][1] if readings and readings[-1][0] is None else ""  # a code without an ID
        if name == STUDENT_ID and (alone or readings == []):
            asked = data.get("asked")
            times = Typed(datetime.fromisoformat(data["at"]), datetime.fromisoformat(asked) if asked else None, sent)
            if alone == data["code"]:  # not the code then, but an ID of six digits
                await self._ask_for_code(person, alone)
                return
            other = [(data["code"], alone), (None, alone)] if alone else []
            readings = [*((each, data["code"]) for each in ids_in(text)), *other]
        elif name == CODE and alone and "student_id" in data:
            readings = [(data["student_id"], alone)]
        elif is_bare and binding is None:
            await self._ask_student_id(person, alone, sent, by_link=by_link)
            return
        if readings is None:
            await self._ask_code(person, _("I see several codes. Send only one."))
        elif is_bare and binding is not None and folded(binding.student_id) == alone:
            await self._ask_code(person)
        elif readings:
            if binding is not None and not alone:
                readings.append((None, readings[0][1]))
            told = await self._check_ins.enter(person, *readings[0], times, readings[1:])
            if told.kind is AnswerKind.NO_ID:
                await self._ask_student_id(person, readings[-1][1], sent, by_link=by_link)
                return
            again = (AnswerKind.WRONG, AnswerKind.EXPIRED, AnswerKind.UNTOLD)
            await self._classroom.set_step(self._side, person, CODE if told.kind in again else "")
            await self._tell(person, told)
        elif binding is None and (student_id := only_id(text)) is not None:
            await self._ask_for_code(person, student_id)
        else:
            await self._ask_code(person, _("That is not a code. A code has 6 digits."))

    async def _ask_for_code(self, person: int, student_id: str) -> None:
        """Ask for the code that belongs to a student ID."""
        _, in_sight = self._side.texts(person), self._in_sight(await self._side.step(person))
        await self._classroom.set_step(self._side, person, CODE, {"student_id": student_id})
        await self._ask(person, _("Send the 6-digit code that your teacher shows."), in_place=in_sight)

    async def _ask_student_id(self, person: int, code: str, sent: datetime, *, by_link: bool) -> None:
        # after a link, the question has no buttons: removing them again would cost one call for each student
        _, in_sight = self._side.texts(person), self._in_sight(await self._side.step(person))
        await self._classroom.set_step(self._side, person, STUDENT_ID, {"code": code, "at": sent.isoformat()})
        question = _("Now send me your student ID.")
        if not by_link:
            question += " " + _("If that was your student ID, send the code.")
        items = [Item(person, "strip", slot=SCREEN), Item(person, "send", question, asks=STUDENT_ID)]
        if in_sight:
            items = [Item(person, "edit", question, [[Button(_("Back"), "menu")]], SCREEN, asks=STUDENT_ID)]
        await self._side.outbox.put(*items)

    def _in_sight(self, before: ConversationStep | None) -> bool:
        return before is not None and before.name == CODE and self._classroom.clock.now() - before.at < ON_SCREEN

    async def _located(self, update: Update, context: Context) -> None:
        message, person = update.effective_message, sender(update)
        if message is None or message.location is None:
            return
        moved = update.edited_message is not None
        evidence = evidence_of(message)
        step = await self._side.step(person)
        _ = self._side.texts(person)
        told = await self._check_ins.place(person, evidence)
        waited_for = told.is_new or told.kind in (AnswerKind.OUTSIDE, AnswerKind.REFUSED)  # also during a practice
        if step is not None and step.name == PRACTICE and not waited_for:
            if not moved:
                await self._practised(person, evidence)
            return
        if step is not None and step.name == PRACTICE:
            await self._classroom.set_step(self._side, person, "")
        changing = (AnswerKind.WAITING, AnswerKind.REVIEW, AnswerKind.CONSENT, AnswerKind.CHALLENGE)
        if moved and (told.kind not in changing or not told.is_new):
            return  # a live location moves every few seconds: only a change is worth a message
        await self._tell(person, told, located=message.message_id)
        there = told.check_in
        if told.kind is AnswerKind.WAITING and there is not None and there.face is None and there.note == NO_FACE:
            await self._traces.forget_face(there.student_id)

    async def _request_location(self, person: int, why: policy.LocationRefusal, accuracy: float | None = None) -> None:
        text = refusal_text(self._side.texts(person), why, self._classroom.settings.location_policy, accuracy)
        await self._side.outbox.put(self._classroom.location_request(self._side, person, text))

    async def _practised(self, person: int, evidence: policy.Evidence) -> None:
        """Say whether a location would count; where not, the practice goes on, with the button that the text names."""
        _, now = self._side.texts(person), self._classroom.clock.now()
        refusal = policy.refusal(evidence, now, self._classroom.settings.location_policy)
        if refusal is not None:
            await self._request_location(person, refusal, evidence.accuracy)
            return
        await self._classroom.set_step(self._side, person, "")
        text = _("Your location arrived and would count. In class it has to be close to your teacher's location.")
        await self._say(person, text, hide=True)

    async def _practice(self, update: Update, context: Context) -> None:
        await tapped(update)
        person, _ = self._side.who(update)
        await self._classroom.set_step(self._side, person, PRACTICE)
        text = _("A practice check-in: nothing is marked. Share your location with the button below, from your phone.")
        if self._classroom.settings.location_policy == "strict":
            text = _("A practice check-in: nothing is marked.") + " " + share_text(_, "strict")
        await self._side.outbox.put(self._classroom.location_request(self._side, person, text))

    async def _tell(self, person: int, told: Answer, located: int | None = None) -> None:
        self._classroom.metrics.answered(told.kind.value)
        text = answer_text(_ := self._side.texts(person), told, self._classroom.settings)
        if told.kind in (AnswerKind.PLACE, AnswerKind.OUTSIDE, AnswerKind.REFUSED):
            if told.kind is AnswerKind.PLACE:
                follows = _("When you are in the right place, I put {sign} on it. Then your teacher has to confirm.")
                if self._faces is not None and told.check_in is not None and await self._faces.follows(told.check_in):
                    follows = _("Then I ask for a round video of your face.")
                text += "\n" + follows.format(sign=ACCEPTED)
            request = self._classroom.location_request(self._side, person, text, told.check_in)
            await self._side.outbox.put(Item(person, "strip", slot=SCREEN), request)
        elif told.kind is AnswerKind.WAITING and told.is_new and located is not None:
            await self._side.outbox.put(Item(person, "react", ACCEPTED, message_id=located, fallback=text))
        elif told.kind in (AnswerKind.WRONG, AnswerKind.EXPIRED):
            await self._side.outbox.put(*below(person, text, [[Button(_("Back"), "menu")]]))
        elif told.kind in (AnswerKind.CONSENT, AnswerKind.CHALLENGE) and self._faces is not None:
            await self._faces.show(person, told)
        else:
            await self._say(person, text, hide=located is not None)

    async def _menu(self, update: Update, context: Context) -> None:
        await tapped(update)
        person = sender(update)
        await self._classroom.set_step(self._side, person, "")
        await self._change_to_menu(person)

    async def _change_to_menu(self, person: int) -> None:
        text, keyboard = await self._home(person)
        await self._side.outbox.put(Item(person, "edit", text, keyboard, slot=SCREEN))

    async def _cancel(self, update: Update, context: Context) -> None:
        person, _ = self._side.who(update)
        await self._classroom.set_step(self._side, person, "")
        await self._side.outbox.put(*await self._menu_below(person, _("Cancelled.")))

    async def _help(self, update: Update, context: Context) -> None:
        person, _ = self._side.who(update)
        text = help_text(_, self._classroom.settings.location_policy, checks_faces=self._faces is not None)
        await self._side.outbox.put(*await self._menu_below(person, text))

    async def _home(self, person: int, headline: str = "") -> tuple[str, Keyboard]:
        _ = self._side.texts(person)
        binding = await self._classroom.store.binding_of(person)
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
        """Answer a photo, a venue, a sticker or an unknown command."""
        message, person = update.effective_message, sender(update)
        _ = self._side.texts(person)
        if message is not None and message.venue is not None:
            await self._request_location(person, policy.LocationRefusal.VENUE)
            return
        is_command = typed(update).startswith("/")
        await self._ask_code(person, _("I don't know that command.") if is_command else _("Please send it as text."))


def _is_code(text: str) -> bool:
    """Say whether a text is a code, or an ID and a code, and not a sentence that has such words."""
    return len(text.split()) <= 2 and bool(readings_of(visible(text)))


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)
