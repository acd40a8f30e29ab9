"""The student's bot where faces are checked: what is agreed to, the challenge, the video, and what became of it.

One message asks for consent and then holds the challenge; another one acknowledges the video and then says what came
of it, or holds the next challenge. So a check-in stays at four messages.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any
from weakref import WeakValueDictionary

from telegram import Message, Update
from telegram.ext import BaseHandler, CallbackQueryHandler, MessageHandler, filters

from classroom.check_in.check_ins import Answer, Told
from classroom.check_in.face_steps import Decided, FaceSteps, seconds_left
from classroom.domain import face_policy as policy
from classroom.domain.face_policy import Examined, Note, NoteRefusal, Verdict
from classroom.domain.sessions import CheckIn, Mark, Session, Step
from classroom.domain.video_notes import Unusable
from classroom.services import Classroom
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
from telegram_app.lines import short
from telegram_app.outbox import URGENT, Button, Item, Keyboard
from telegram_app.side import Context, sender, tapped

log = logging.getLogger(__name__)

_VIDEOS = filters.VIDEO_NOTE | filters.VIDEO | filters.PHOTO | filters.ANIMATION | filters.Document.VIDEO
_SHOWN_IN_PLACE = (Answer.CONSENT, Answer.CHALLENGE, Answer.WAITING, Answer.OVER)

# Puts a note into the queue; returns its place there, 1 for the first.
Submit = Callable[[CheckIn], int]


class FaceTalk:
    """The handlers of the student's bot for faces, and what tells students of decisions."""

    def __init__(
        self, room: Classroom, steps: FaceSteps, reviews: FaceReviews, traces: FaceTraces, submit: Submit
    ) -> None:
        """Take what the bots share, the steps, the teacher's pictures, what takes videos away, and what puts a note
        into the queue.
        """
        self._traces = traces
        self._room = room
        self._side = room.student
        self._steps = steps
        self._reviews = reviews
        self._submit = submit
        # a note is acknowledged before its decision is told, however fast that comes
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        """Return the handlers, which look at an update before the others of the student's bot."""
        sent = filters.UpdateType.MESSAGE & filters.ChatType.PRIVATE & _VIDEOS
        return [
            CallbackQueryHandler(self._tap, pattern=r"^face:(yes|no|new):[0-9a-f]{12}$"),
            MessageHandler(sent, self._video),
        ]

    # what is asked

    async def show(self, person: int, told: Told) -> None:
        """Ask, below, for consent or for the video."""
        if told.session is None or told.check_in is None:
            return
        slot = question_slot(told.check_in)
        text, keyboard = self._asked(person, told.session, told.check_in)
        await self._side.outbox.put(
            Item(person, "strip", slot=slot), Item(person, "photo", text, keyboard, slot, file=ROUND_VIDEO)
        )

    def _asked(self, person: int, session: Session, check_in: CheckIn, before: str = "") -> tuple[str, Keyboard]:
        """Return the question that a check-in waits with, below what is said ``before`` it."""
        _, settings, now = self._side.texts(person), self._room.settings, self._room.clock.now()
        lines, face = [f"<b>{short(session.subject, 100)}</b>", *([before] if before else [])], check_in.face
        key = session.id
        if face is None or face.given_at is None:
            until = policy.next_term_end(now.astimezone(settings.zone).date(), settings.term_ends)
            lines.append(consent_text(_, settings.face_engine, settings.aws_region, until))
            return "\n".join(lines), [
                [Button(_("I Agree"), f"face:yes:{key}"), Button(_("Without My Face"), f"face:no:{key}")]
            ]
        seconds = self._left(session, check_in)
        lines.append(challenge_text(_, face.motions, seconds) if seconds else run_out_text(_))
        return "\n".join(lines), self._below_challenge(_, key)

    def _below_challenge(self, _: Texts, key: str) -> Keyboard:
        return [[Button(_("New Challenge"), f"face:new:{key}"), Button(_("I Can't Do This"), f"face:no:{key}")]]

    def _left(self, session: Session, check_in: CheckIn) -> int:
        grace = timedelta(seconds=self._room.settings.checkin_grace_seconds)
        return seconds_left(session, check_in, self._room.clock.now(), grace)

    async def _tap(self, update: Update, context: Context) -> None:
        """Take a tap: consent, none, or the wish for a new challenge; repeated and outdated ones change nothing."""
        person, query = sender(update), update.callback_query
        if query is None:
            return
        _face, what, session_id = (query.data or "::").split(":")
        do = {"yes": self._steps.agree, "no": self._steps.decline, "new": self._steps.another_challenge}[what]
        try:
            told = await do(person, session_id)
        except StoreError:
            await tapped(update)
            raise
        _ = self._side.texts(person)
        message = query.message
        if told.session is None or told.check_in is None or told.answer not in _SHOWN_IN_PLACE:
            await self._side.old_button(update)
            if message is not None:
                await self._side.outbox.fill(person, "face:old", message.message_id)
                await self._side.outbox.put(Item(person, "strip", slot="face:old"))
            return
        early = _("The time for this one still runs: {seconds} s left.").format(
            seconds=self._left(told.session, told.check_in)
        )
        await tapped(update, early if what == "new" and not told.is_new and told.answer is Answer.CHALLENGE else None)
        text, keyboard = self._asked(person, told.session, told.check_in)
        if told.answer in (Answer.WAITING, Answer.OVER):
            text, keyboard = answer_text(_, told, self._room.settings.location_policy), []
        slot = question_slot(told.check_in)
        if message is not None and slot.startswith("face:"):
            await self._side.outbox.fill(person, slot, message.message_id)
        pictured = isinstance(message, Message) and bool(message.photo)
        file = ROUND_VIDEO if pictured else None
        await self._side.outbox.put(Item(person, "edit", text, keyboard, slot, file=file))

    # the video

    async def _video(self, update: Update, context: Context) -> None:
        message, person = update.effective_message, sender(update)
        if message is None:
            return
        async with self.turn(person):
            told = await self._steps.note(person, note_of(message), message.message_id)
            if told.answer is Answer.CHECKING and told.is_new and told.check_in is not None:
                await self._acknowledge(person, told.check_in, self._submit(told.check_in) - 1)
                return
        if told.is_known:
            return
        await self._answer(person, told)
        if message.video_note is not None:  # as promised: no video stays here
            await self._side.outbox.put(Item(person, "delete", message_id=message.message_id))

    async def _acknowledge(self, person: int, check_in: CheckIn, before: int) -> None:
        """Say that a video is in the queue, and where; once for each."""
        _, now = self._side.texts(person), self._room.clock.now()
        text = _("Received. It is your turn.")
        if before > 0:
            text = _.ngettext("Received. {number} before you.", "Received. {number} before you.", before)
            text = text.format(number=before)
        again = check_in.face is not None and check_in.face.challenges > 1  # what came of the one before may be there
        # ahead of the questions to others: who has just sent a video looks whether it arrived
        item = Item(person, "edit" if again else "send", text, slot=f"mark:{check_in.session}", lane=URGENT)
        key = f"ack:{key_of(check_in)}"
        await self._side.outbox.put(item, when=lambda: self._side.told.claim(key, now))

    async def _answer(self, person: int, told: Told) -> None:
        """Say why a video is not looked at, and what to do."""
        _ = self._side.texts(person)
        if told.answer is Answer.NOTHING:
            await self._say(person, _("No check-in waits for a video. Send the code first."))
        elif told.answer is Answer.CONSENT:
            await self.show(person, told)
        elif told.note_refusal is not None and told.session is not None and told.check_in is not None:
            text = note_refusal_text(_, told.note_refusal)
            seconds = self._left(told.session, told.check_in)
            if told.note_refusal is NoteRefusal.LATE or not seconds:
                slot, keyboard = question_slot(told.check_in), self._below_challenge(_, told.session.id)
                await self._side.outbox.put(
                    Item(person, "strip", slot=slot), Item(person, "send", text, keyboard, slot)
                )
                return
            await self._say(person, text + " " + _("You have {seconds} s.").format(seconds=seconds))
        else:
            await self._say(person, answer_text(_, told, self._room.settings.location_policy))

    async def _say(self, person: int, text: str) -> None:
        await self._side.outbox.put(Item(person, "send", text))

    # what became of it

    async def decided(self, check_in: CheckIn, examined: Examined, verdict: Verdict) -> None:
        """Carry out what an examination has come to, and tell of it. Raises StoreUnavailable: it can be repeated."""
        async with self.turn(check_in.telegram_id):
            if verdict is Verdict.GREY:
                await self._reviews.keep(check_in, examined.frame, examined.percent)
            decided = await self._steps.decided(check_in, examined, verdict)
            await self._traces.take_away(check_in)
            decided = decided or await self._carried_out(check_in)
            if decided is None or decided.check_in.step is not Step.REVIEW:
                await self._reviews.leave_out(check_in)
            if decided is not None:
                why = problem_text(self._side.texts(check_in.telegram_id), examined.problem)
                await self._say_step(decided.session, decided.check_in, why)

    async def unusable(self, check_in: CheckIn, why: Unusable | NoteRefusal) -> None:
        """Carry out that a note can't be judged, and tell of it."""
        async with self.turn(check_in.telegram_id):
            decided = await self._steps.unusable(check_in, why) or await self._carried_out(check_in)
            await self._traces.take_away(check_in)
            if decided is not None:
                await self._say_step(decided.session, decided.check_in, self._because(check_in.telegram_id, why))

    async def _carried_out(self, check_in: CheckIn) -> Decided | None:
        """Return what was decided on this very video already, and could not be told then; None: nothing."""
        store = self._room.store
        session, now = (
            await store.session(check_in.session),
            await store.check_in(check_in.session, check_in.student_id),
        )
        if session is None or session.cancelled or now is None or now.telegram_id != check_in.telegram_id:
            return None
        if key_of(now) != key_of(check_in) or (now.step is not Step.FACE and now.note not in policy.NOTES):
            return None
        return Decided(session, now)

    def _because(self, person: int, why: Unusable | NoteRefusal) -> str:
        _ = self._side.texts(person)
        return note_refusal_text(_, why) if isinstance(why, NoteRefusal) else unusable_text(_, why)

    async def _say_step(self, session: Session, check_in: CheckIn, why: str = "") -> None:
        """Say where a check-in is after its video was looked at, in the acknowledgement's place; once."""
        person, now = check_in.telegram_id, self._room.clock.now()
        _ = self._side.texts(person)
        subject, keyboard, key = f"<b>{short(session.subject, 300)}</b>\n", None, f"face:{key_of(check_in)}"
        match check_in.step:
            case Step.FACE:
                text, keyboard = self._asked(person, session, check_in, why)
            case Step.REVIEW:
                text = answer_text(_, Told(Answer.REVIEW, session, check_in), self._room.settings.location_policy)
            case Step.CONFIRM:
                said = _("Your teacher has to confirm; you hear from me.")
                text = subject + " ".join(part for part in (why, said) if part)
            case Step.REJECTED:
                said = _("That was the last try. Speak to your teacher, who can mark you by hand.")
                text = subject + " ".join(part for part in (why, said) if part)
                key = f"rejected:{session.id}:{check_in.student_id}:{person}"  # as where the teacher rejects
            case _:
                return  # the mark is told of by itself
        items = [Item(person, "edit", text, keyboard, f"mark:{session.id}")]
        if check_in.step is Step.FACE:  # the challenge before is still on the screen, with other motions
            items.insert(0, Item(person, "strip", slot=f"face:{session.id}"))
        await self._side.outbox.put(*items, when=lambda: self._side.told.claim(key, now))
        if check_in.step is Step.REVIEW:
            await self._reviews.show(session, check_in)

    async def catch_up(self, session: Session) -> None:
        """Tell, and delete, what a process that ended half way has not; why a try failed is not known any more."""
        for check_in in await self._room.store.check_ins(session.id):
            if check_in.face is None or not check_in.face.message or check_in.step is Step.CHECKING:
                continue
            await self._traces.take_away(check_in)
            if check_in.step is Step.FACE or check_in.note in policy.NOTES:
                await self._say_step(session, check_in)
        await self._reviews.settle(session)

    async def waits_for_mark(self, session: Session, student_id: str, mark: Mark) -> bool:
        """Say whether a mark is what an acknowledged video waits for: it takes the acknowledgement's place."""
        check_in = await self._room.store.check_in(session.id, student_id)
        if check_in is None or check_in.face is None or not check_in.face.file:
            return False
        return check_in.step is Step.CHECKING or (mark.by == 0 and check_in.note not in policy.NOTES)

    async def cancelled(self, session: Session) -> None:
        """Take everything out of the queue that a cancelled session has in it, and the videos out of the chats."""
        for check_in in await self._room.store.check_ins(session.id):
            if check_in.step is Step.CHECKING:
                await self._traces.take_away(check_in)
                await self._room.store.move_check_in(replace(check_in, step=Step.REJECTED), {Step.CHECKING})

    def turn(self, person: int) -> asyncio.Lock:
        """Return what holds up all that is told to a person of videos."""
        return self._turns.setdefault(person, asyncio.Lock())


def note_of(message: Message) -> Note:
    """Return what a message with a video or a picture says of itself; Telegram's servers set all of it."""
    circumstances = {
        "at": message.date.astimezone(UTC),
        "forwarded": message.forward_origin is not None,
        "via_bot": message.via_bot is not None,
    }
    if (video := message.video_note) is not None:
        return _note("video note", video.file_id, video.file_unique_id, video.duration, video.file_size, circumstances)
    return _note("photo" if message.photo else "video", "", "", 0, 0, circumstances)


def _note(kind: str, file: str, unique: str, duration: Any, size: int | None, circumstances: dict[str, Any]) -> Note:
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    return Note(kind, file=file, unique=unique, seconds=int(seconds), size=size or 0, **circumstances)


__all__ = ["FaceTalk", "Submit", "note_of"]
