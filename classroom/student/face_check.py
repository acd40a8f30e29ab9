"""The student bot's face check: consent, challenge, video note, and the result.

One living message asks for consent, shows the challenge, and acknowledges the video; the next challenge replaces it.
With the location request and the mark a check-in has three messages.
"""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from weakref import WeakValueDictionary

from telegram import Message, Update
from telegram.ext import BaseHandler, CallbackQueryHandler, MessageHandler, filters

from classroom.check_in.answers import Answer, AnswerKind
from classroom.check_in.evidence import note_of
from classroom.check_in.face_results import CheckInChange, FaceResults
from classroom.check_in.face_steps import FaceSteps, seconds_left
from classroom.domain import face_policy as policy
from classroom.domain.code_attempts import DOUBTS
from classroom.domain.face_policy import Examined, FaceVerdict, NoteRefusal
from classroom.domain.sessions import CheckIn, CheckInStep, Session, face_is_allowed
from classroom.domain.video_notes import Unusable
from classroom.overview import subject_of
from classroom.services import Classroom, question
from classroom.store import StoreError
from classroom.student.face_texts import (
    challenge_text,
    consent_text,
    note_refusal_text,
    problem_text,
    run_out_text,
    unusable_text,
)
from classroom.student.face_traces import ROUND_VIDEO, FaceTraces, key_of, question_slot
from classroom.student.texts import answer_text
from classroom.verification.reviews import FaceReviews
from telegram_app.i18n import Texts
from telegram_app.outbox import NOTICE, URGENT, Button, Item, Keyboard
from telegram_app.side import Context, sender, tapped

log = logging.getLogger(__name__)

_VIDEOS = filters.VIDEO_NOTE | filters.VIDEO | filters.PHOTO | filters.ANIMATION | filters.Document.VIDEO
_SHOWN_IN_PLACE = (AnswerKind.CONSENT, AnswerKind.CHALLENGE, AnswerKind.WAITING, AnswerKind.OVER)

# Puts a note into the queue; returns its place there, 1 for the first.
Submit = Callable[[CheckIn], int]


@dataclass(eq=False)
class FaceDialog:
    """The student bot's handlers for face checks, and the messages about their results."""

    _classroom: Classroom
    _steps: FaceSteps
    _results: FaceResults
    _reviews: FaceReviews
    _traces: FaceTraces
    _submit: Submit
    # by person: a note is acknowledged before its result is sent, however fast the result comes
    _turns: WeakValueDictionary[int, asyncio.Lock] = field(default_factory=WeakValueDictionary, init=False)

    def __post_init__(self) -> None:
        self._side = self._classroom.student

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        sent = filters.UpdateType.MESSAGE & filters.ChatType.PRIVATE & _VIDEOS
        return [
            CallbackQueryHandler(self._tap, pattern=r"^face:(yes|class|no|new):[0-9a-f]{12}$"),
            MessageHandler(sent, self._video),
        ]

    async def follows(self, check_in: CheckIn) -> bool:
        """Return whether a face check follows the right place: the roster allows it, and nothing is in doubt."""
        if check_in.note in DOUBTS:
            return False
        sheets = await self._classroom.store.sheets_of(check_in.session, check_in.student_id)
        return face_is_allowed(sheets, check_in.student_id)

    async def show(self, person: int, answer: Answer) -> None:
        """Ask for consent or for the video in a new message."""
        if answer.session is None or answer.check_in is None:
            return
        await self._side.outbox.put(*self._anew(person, answer.session, answer.check_in))

    def _anew(self, person: int, session: Session, check_in: CheckIn, why: str = "") -> list[Item]:
        """Return what replaces the living message by the question in a new one, which rings."""
        slot, asks = question_slot(check_in.session), question(CheckInStep.FACE, check_in)
        text, keyboard = self._question(person, session, check_in, why)
        photo = Item(person, "photo", text, keyboard, slot, file=ROUND_VIDEO, asks=asks)
        return [Item(person, "delete", slot=slot), photo]

    def _question(self, person: int, session: Session, check_in: CheckIn, before: str = "") -> tuple[str, Keyboard]:
        """Return text and buttons of the question for a check-in's step; ``before`` is a line above it."""
        _, settings = self._side.texts(person), self._classroom.settings
        lines, face = [f"<b>{subject_of(session, 100)}</b>", *([before] if before else [])], check_in.face
        key = session.id
        if face is None or face.given_at is None:
            until = policy.next_term_end(self._classroom.today, settings.term_ends)
            lines.append(consent_text(_, settings, until))
            keyboard = [[Button(_("I Agree"), f"face:yes:{key}"), Button(_("Without My Face"), f"face:no:{key}")]]
            if settings.face_compare_class:
                keyboard.append([Button(_("I Agree, Also With My Class"), f"face:class:{key}")])
            return "\n".join(lines), keyboard
        seconds = self._seconds_left(session, check_in)
        lines.append(challenge_text(_, face.motions, seconds) if seconds else run_out_text(_))
        return "\n".join(lines), self._challenge_keyboard(_, key)

    def _challenge_keyboard(self, _: Texts, key: str) -> Keyboard:
        return [[Button(_("New Challenge"), f"face:new:{key}"), Button(_("I Can't Do This"), f"face:no:{key}")]]

    def _seconds_left(self, session: Session, check_in: CheckIn) -> int:
        grace = timedelta(seconds=self._classroom.settings.checkin_grace_seconds)
        return seconds_left(session, check_in, self._classroom.clock.now(), grace)

    async def _tap(self, update: Update, context: Context) -> None:
        """Handle a tap: consent, refusal, or a new challenge; repeated and outdated taps change nothing."""
        person, query = sender(update), update.callback_query
        if query is None:
            return
        _face, what, session_id = (query.data or "::").split(":")
        do: dict[str, Callable[[int, str], Awaitable[Answer]]] = {
            "yes": self._steps.agree,
            "class": functools.partial(self._steps.agree, with_class=True),
            "no": self._steps.decline,
            "new": self._steps.another_challenge,
        }
        try:
            answer = await do[what](person, session_id)
        except StoreError:
            await tapped(update)
            raise
        _ = self._side.texts(person)
        message = query.message
        if answer.session is None or answer.check_in is None or answer.kind not in _SHOWN_IN_PLACE:
            await self._side.old_button(update)
            if message is not None:
                await self._side.outbox.fill(person, "face:old", message.message_id)
                await self._side.outbox.put(Item(person, "strip", slot="face:old"))
            return
        notice = None
        if what == "new" and not answer.is_new and answer.kind is AnswerKind.CHALLENGE:
            seconds = self._seconds_left(answer.session, answer.check_in)
            notice = _("This challenge is still valid for {seconds} s.").format(seconds=seconds)
        await tapped(update, notice)
        text, keyboard = self._question(person, answer.session, answer.check_in)
        if answer.kind in (AnswerKind.WAITING, AnswerKind.OVER):
            text, keyboard = answer_text(_, answer, self._classroom.settings), []
        slot = question_slot(answer.check_in.session)
        if message is not None:
            await self._side.outbox.fill(person, slot, message.message_id)
        pictured = isinstance(message, Message) and bool(message.photo)
        if pictured and not keyboard:  # nothing is recorded any more: the picture of a round video goes
            waits = Item(person, "edit", text, slot=f"waits:{session_id}", quiet=True)
            await self._side.outbox.put(Item(person, "delete", slot=slot), waits)
            return
        file = ROUND_VIDEO if pictured else None
        asks = (
            question(CheckInStep.FACE, answer.check_in)
            if answer.is_new and answer.kind is AnswerKind.CHALLENGE
            else None
        )
        await self._side.outbox.put(Item(person, "edit", text, keyboard, slot, file=file, asks=asks))

    async def _video(self, update: Update, context: Context) -> None:
        message, person = update.effective_message, sender(update)
        if message is None:
            return
        async with self.turn(person):
            answer = await self._steps.note(person, note_of(message), message.message_id)
            self._classroom.metrics.answered(answer.kind.value)
            if answer.kind is AnswerKind.CHECKING and answer.is_new and answer.check_in is not None:
                await self._acknowledge(person, answer.check_in, self._submit(answer.check_in) - 1)
                return
        if answer.is_known:
            return
        await self._answer(person, answer)
        if message.video_note is not None:  # as promised, no video stays in the chat
            await self._side.outbox.put(Item(person, "delete", message_id=message.message_id))

    async def _acknowledge(self, person: int, check_in: CheckIn, before: int) -> None:
        """Acknowledge a video with its place in the queue; once for each video."""
        _, now = self._side.texts(person), self._classroom.clock.now()
        text = _("Received. It is your turn.")
        if before > 0:
            text = _.ngettext("Received. {number} before you.", "Received. {number} before you.", before)
            text = text.format(number=before)
        # urgent: the student has just sent a video and waits for the acknowledgement
        item = Item(person, "edit", text, [], question_slot(check_in.session), URGENT, file=ROUND_VIDEO)
        key = f"ack:{key_of(check_in)}"
        await self._side.outbox.put(item, when=lambda: self._side.claims.claim(key, now))

    async def _answer(self, person: int, answer: Answer) -> None:
        """Answer a video that is not checked: why, and what to do."""
        _ = self._side.texts(person)
        if answer.kind is AnswerKind.NOTHING:
            await self._send(person, _("No check-in waits for a video. Send the code first."))
        elif answer.kind is AnswerKind.CONSENT:
            await self.show(person, answer)
        elif answer.note_refusal is not None and answer.session is not None and answer.check_in is not None:
            text = note_refusal_text(_, answer.note_refusal)
            seconds = self._seconds_left(answer.session, answer.check_in)
            if answer.note_refusal is NoteRefusal.LATE or not seconds:
                slot, keyboard = question_slot(answer.check_in.session), self._challenge_keyboard(_, answer.session.id)
                items = Item(person, "strip", slot=slot), Item(person, "send", text, keyboard, slot)
                await self._side.outbox.put(*items)
                return
            await self._send(person, text + " " + _("You have {seconds} s.").format(seconds=seconds))
        else:
            await self._send(person, answer_text(_, answer, self._classroom.settings))

    async def _send(self, person: int, text: str) -> None:
        await self._side.outbox.put(Item(person, "send", text))

    async def on_examined(self, check_in: CheckIn, examined: Examined, verdict: FaceVerdict) -> None:
        """Apply the result of an examination, and notify. Raises StoreUnavailable: the call can be repeated."""
        async with self.turn(check_in.telegram_id):
            if verdict in (FaceVerdict.GREY, FaceVerdict.FAILED):
                shown = examined.percent if examined.nearest is not False else None  # it would speak for a match
                await self._reviews.keep(check_in, examined.frame, shown)
            change = await self._results.apply_verdict(check_in, examined, verdict)
            await self._traces.delete_video(check_in)
            change = change or await self._applied_before(check_in)
            if change is None or change.check_in.step is not CheckInStep.REVIEW:
                await self._reviews.discard(check_in)
            if change is not None:
                asked = check_in.face.motions if check_in.face is not None else ()
                why = problem_text(self._side.texts(check_in.telegram_id), examined, asked)
                await self._send_step(change.session, change.check_in, why)

    async def on_unusable(self, check_in: CheckIn, why: Unusable | NoteRefusal) -> None:
        """Apply that a note can't be checked, and notify."""
        async with self.turn(check_in.telegram_id):
            change = await self._results.apply_unusable(check_in, why) or await self._applied_before(check_in)
            await self._traces.delete_video(check_in)
            if change is not None:
                _ = self._side.texts(check_in.telegram_id)
                text = note_refusal_text(_, why) if isinstance(why, NoteRefusal) else unusable_text(_, why)
                await self._send_step(change.session, change.check_in, text)

    async def _applied_before(self, check_in: CheckIn) -> CheckInChange | None:
        """Return the result for this very video that was applied before but not sent; None: there is none."""
        store = self._classroom.store
        session = await store.session(check_in.session)
        now = await store.check_in(check_in.session, check_in.student_id)
        if session is None or session.cancelled or now is None or now.telegram_id != check_in.telegram_id:
            return None
        if key_of(now) != key_of(check_in) or (now.step is not CheckInStep.FACE and not policy.is_of_check(now.note)):
            return None
        return CheckInChange(session, now)

    async def _send_step(self, session: Session, check_in: CheckIn, why: str = "") -> None:
        """Send a check-in's state after its video was checked, once: a new message only where the student must act."""
        person, now = check_in.telegram_id, self._classroom.clock.now()
        _ = self._side.texts(person)
        subject, key = f"<b>{subject_of(session)}</b>\n", f"face:{key_of(check_in)}"
        match check_in.step:
            case CheckInStep.FACE:
                text = ""
            case CheckInStep.REVIEW:
                answer = Answer(AnswerKind.REVIEW, session, check_in)
                text = answer_text(_, answer, self._classroom.settings)
            case CheckInStep.CONFIRM if check_in.note == policy.CLEAR:
                text = subject + _("Your video is checked. Your teacher confirms it; I'll message you here.")
            case CheckInStep.CONFIRM:
                sentence = _("Your teacher has to confirm. I'll message you here.")
                text = subject + " ".join(part for part in (why, sentence) if part)
            case _:
                return  # a mark, and a rejection by the teacher, have their own messages
        items = [Item(person, "edit", text, [], question_slot(check_in.session), NOTICE, file=ROUND_VIDEO)]
        if check_in.step is CheckInStep.FACE:
            items = self._anew(person, session, check_in, why)
        await self._side.outbox.put(*items, when=lambda: self._side.claims.claim(key, now))

    async def catch_up(self, session: Session) -> None:
        """After a restart send and delete what is due; the reason of a failed try is lost then."""
        for check_in in await self._classroom.store.check_ins(session.id):
            if check_in.face is None or not check_in.face.message or check_in.step is CheckInStep.CHECKING:
                continue
            async with self.turn(check_in.telegram_id):  # a result that is being sent now comes first, with its reason
                await self._traces.delete_video(check_in)
                if check_in.step is CheckInStep.FACE or policy.is_of_check(check_in.note):
                    await self._send_step(session, check_in)
        await self._reviews.settle(session)

    def turn(self, person: int) -> asyncio.Lock:
        """Return the lock that orders the messages to a person about videos."""
        return self._turns.setdefault(person, asyncio.Lock())
