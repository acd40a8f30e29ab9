"""Deletes what face checks leave in chats and on disk: videos, pictures for reviews, templates, keys.

It also runs with FACE_ENGINE=none: what was promised while faces were checked still holds.
"""

import asyncio
import functools
import logging
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, time, timedelta

from classroom.check_in import claims
from classroom.domain import face_policy as policy
from classroom.domain.sessions import CheckIn, CheckInStep, Session
from classroom.domain.video_notes import Unusable
from classroom.faces.person_keys import PersonKeys, PersonKeysUnavailable
from classroom.overview import subject_of
from classroom.services import Classroom
from classroom.student.face_texts import unusable_text
from classroom.student.texts import claimed_text
from classroom.verification.reviews import FaceReviews, ReviewFiles
from telegram_app.files import SHIPPED
from telegram_app.lines import bold
from telegram_app.outbox import LATER, NOTICE, Item

log = logging.getLogger(__name__)

ROUND_VIDEO = f"{SHIPPED}round_video.png"  # shows how one is recorded
PICTURES_KEPT = timedelta(days=1)  # for a teacher's review, if they could not be sent


class FaceTraces:
    """Deletes what is no longer needed. Every method may raise StoreUnavailable or DatabaseError: repeat the call."""

    def __init__(self, classroom: Classroom, reviews: FaceReviews, files: ReviewFiles, keys: PersonKeys) -> None:
        self._classroom = classroom
        self._reviews = reviews
        self._files = files
        self._keys = keys

    async def delete_video(self, check_in: CheckIn) -> None:
        """Delete the video from the chat, once."""
        if check_in.face is None or not check_in.face.message:
            return
        side, now, key = self._classroom.student, self._classroom.clock.now(), f"video:{key_of(check_in)}"
        item = Item(check_in.telegram_id, "delete", message_id=check_in.face.message, lane=LATER)
        await side.outbox.put(item, when=lambda: side.claims.claim(key, now))

    async def drop(self, session: Session, check_in: CheckIn) -> None:
        """Delete video and pictures of a check-in that begins again, or whose data is deleted; nobody is shown it."""
        await self.delete_video(check_in)
        await self._reviews.delete(session, check_in)

    async def forget(self, person: int) -> None:
        """Delete a person's videos, pictures and face key, which opens templates. Raises PersonKeysUnavailable, too."""
        store = self._classroom.store
        latest, binding = await store.latest_check_in(person), await store.binding_of(person)
        student_ids = {binding.student_id} if binding is not None else set()
        if latest is not None:
            await self.delete_video(latest)
            student_ids.add(latest.student_id)
        for session in await store.unfinished():
            for check_in in await store.check_ins(session.id):
                if check_in.telegram_id == person:
                    await self.drop(session, check_in)
                    student_ids.add(check_in.student_id)
                    if check_in.step is CheckInStep.DONE:
                        await self._end_claims(session, check_in)
                    elif check_in.rivals:
                        await store.move_check_in(claims.without_owner(check_in), {check_in.step}, check_in)
        for student_id in student_ids:
            await asyncio.to_thread(self._keys.forget, student_id)

    async def forget_face(self, student_id: str) -> None:
        """Delete the template of a student whose roster does not allow a face any more, and its key."""
        try:
            await asyncio.to_thread(self._keys.forget, student_id)
            await self._classroom.store.remove_template(student_id)
        except PersonKeysUnavailable as error:
            log.warning("student %s: the face template remains until the next check-in (%s)", student_id, error)

    async def _end_claims(self, session: Session, check_in: CheckIn) -> None:
        """Tell the other accounts that sent the ID of a marked student, whose check-in is deleted."""
        side, now = self._classroom.student, self._classroom.clock.now()
        for each in check_in.rivals:
            key = f"claimed:{session.id}:{check_in.student_id}:{each.telegram_id}"
            text = f"{bold(subject_of(session))}\n{claimed_text(side.texts(each.telegram_id))}"
            item = Item(each.telegram_id, "send", text, ask="nothing", lane=NOTICE)
            await side.outbox.put(item, when=functools.partial(side.claims.claim, key, now))

    async def clean(self, now: datetime) -> None:
        """Delete templates and keys of earlier terms, and pictures that could not be sent."""
        zone = self._classroom.settings.zone
        last = policy.last_term_end(now.astimezone(zone).date(), self._classroom.settings.term_ends)
        over = datetime.combine(last + timedelta(days=1), time(), zone)
        gone = await self._classroom.store.remove_templates(over)
        try:
            for student_id in gone:
                await asyncio.to_thread(self._keys.forget, student_id)
        except PersonKeysUnavailable as error:
            log.warning("faces: %s; keys of deleted templates remain", error)
        if gone:
            log.info("faces: the term is over, %d templates deleted", len(gone))
        await asyncio.to_thread(self._files.clean, now - PICTURES_KEPT)

    async def hand_over(self, session: Session, marked: Collection[str]) -> None:
        """Leave check-ins of students not in ``marked`` to the teacher, after face checks were switched off."""
        for check_in in await self._classroom.store.check_ins(session.id):
            if check_in.step in (CheckInStep.FACE, CheckInStep.CHECKING) and check_in.student_id not in marked:
                note = policy.NO_FACE if check_in.step is CheckInStep.FACE else policy.TECHNICAL
                at = (check_in.face.sent_at if check_in.face is not None else None) or check_in.updated_at
                moved = replace(check_in, step=CheckInStep.CONFIRM, note=note, updated_at=at)
                if await self._classroom.store.move_check_in(moved, {check_in.step}):
                    log.info("session %s: student %s, face checks are off", session.id, check_in.student_id)
                    await self._notify_handed_over(session, check_in)
            await self.delete_video(check_in)
        await self._reviews.settle(session)

    async def _notify_handed_over(self, session: Session, check_in: CheckIn) -> None:
        _ = self._classroom.student.texts(check_in.telegram_id)
        sentence = unusable_text(_, Unusable.TECHNICAL) + " " + _("Your teacher has to confirm. I'll message you here.")
        text = f"<b>{subject_of(session)}</b>\n{sentence}"
        item = Item(check_in.telegram_id, "edit", text, [], question_slot(check_in.session), NOTICE, file=ROUND_VIDEO)
        await self._classroom.student.outbox.put(item)


def question_slot(session_id: str) -> str:
    """Return the slot of the living message: consent, then challenge, then acknowledgement of the video."""
    return f"face:{session_id}"


def key_of(check_in: CheckIn) -> str:
    """Return the key of a check-in's video, which stays the same after the next challenge is given."""
    message = check_in.face.message if check_in.face is not None else 0
    return f"{check_in.session}:{check_in.student_id}:{message}"
