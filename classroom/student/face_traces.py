"""What a face's check leaves in chats and on disks, and how it goes: videos, pictures for reviews, templates, keys.

It is wanted also where no face is checked any more (FACE_ENGINE=none): what was promised before holds.
"""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, time, timedelta

from classroom.domain import face_policy as policy
from classroom.domain.sessions import CheckIn, Session, Step
from classroom.domain.video_notes import Unusable
from classroom.faces.person_keys import PersonKeys, PersonKeysUnavailable
from classroom.services import Classroom
from classroom.student.face_texts import unusable_text
from classroom.verification.reviews import FaceReviews, ReviewFiles
from telegram_app.files import SHIPPED
from telegram_app.lines import short
from telegram_app.outbox import NOTICE, Item

log = logging.getLogger(__name__)

ROUND_VIDEO = f"{SHIPPED}round_video.png"  # how one is recorded
PICTURES_KEPT = timedelta(days=1)  # for a teacher's review, where they could not be sent


class FaceTraces:
    """Takes away what is not wanted any more. Every method may raise StoreUnavailable, DatabaseError: repeat it."""

    def __init__(self, room: Classroom, reviews: FaceReviews, files: ReviewFiles, keys: PersonKeys) -> None:
        """Take what the bots work with, the pictures in chats and on the disk, and what templates are sealed with."""
        self._room = room
        self._reviews = reviews
        self._files = files
        self._keys = keys

    async def take_away(self, check_in: CheckIn) -> None:
        """Delete the video from the chat, once."""
        if check_in.face is None or not check_in.face.message:
            return
        side, now, key = self._room.student, self._room.clock.now(), f"video:{key_of(check_in)}"
        item = Item(check_in.telegram_id, "delete", message_id=check_in.face.message)
        await side.outbox.put(item, when=lambda: side.claims.claim(key, now))

    async def drop(self, session: Session, check_in: CheckIn) -> None:
        """Take the video and the pictures of a check-in out of the chats: it has begun anew, or is to be forgotten."""
        await self.take_away(check_in)
        if check_in.face is not None and check_in.face.message:
            await self._reviews.put_away(session, check_in)

    async def forget(self, person: int) -> None:
        """Delete the key of a person's face: no copy of a template can be opened any more. Videos and pictures go.

        Raises PersonKeysUnavailable as well.
        """
        store = self._room.store
        latest, binding = await store.latest_check_in(person), await store.binding_of(person)
        student_ids = {binding.student_id} if binding is not None else set()
        if latest is not None:
            await self.take_away(latest)
            student_ids.add(latest.student_id)
        for session in await store.unfinished():
            for check_in in await store.check_ins(session.id):
                if check_in.telegram_id == person:
                    await self.drop(session, check_in)
                    student_ids.add(check_in.student_id)
        for student_id in student_ids:
            await asyncio.to_thread(self._keys.forget, student_id)

    async def clean(self, now: datetime) -> None:
        """Delete what is kept of faces from the terms before this one, and pictures that could not be sent."""
        zone = self._room.settings.zone
        last = policy.last_term_end(now.astimezone(zone).date(), self._room.settings.term_ends)
        over = datetime.combine(last + timedelta(days=1), time(), zone)
        gone = await self._room.store.remove_templates(over)
        try:
            for student_id in gone:
                await asyncio.to_thread(self._keys.forget, student_id)
        except PersonKeysUnavailable as error:
            log.warning("faces: %s; keys of templates that are gone are still there", error)
        if gone:
            log.info("faces: the term is over, %d templates deleted", len(gone))
        await asyncio.to_thread(self._files.clean, now - PICTURES_KEPT)

    async def hand_over(self, session: Session, marked: Collection[str]) -> None:
        """Give the teacher the check-ins that wait for a face's check, where faces are not checked any more.

        Those of ``marked`` students need nobody's word.
        """
        for check_in in await self._room.store.check_ins(session.id):
            if check_in.step in (Step.FACE, Step.CHECKING) and check_in.student_id not in marked:
                note = policy.NO_FACE if check_in.step is Step.FACE else policy.TECHNICAL
                sent_at = check_in.face.sent_at if check_in.face is not None else None
                moved = replace(check_in, step=Step.CONFIRM, note=note, updated_at=sent_at or check_in.updated_at)
                if await self._room.store.move_check_in(moved, {check_in.step}):
                    log.info("session %s: student %s, no face is checked any more", session.id, check_in.student_id)
                    await self._say_handed_over(session, check_in)
            await self.take_away(check_in)
        await self._reviews.settle(session)

    async def _say_handed_over(self, session: Session, check_in: CheckIn) -> None:
        _ = self._room.student.texts(check_in.telegram_id)
        said = unusable_text(_, Unusable.TECHNICAL) + " " + _("Your teacher has to confirm; you hear from me.")
        slot = f"mark:{session.id}" if check_in.step is Step.CHECKING else question_slot(check_in)
        pictured = ROUND_VIDEO if slot.startswith("face:") else None
        text = f"<b>{short(session.subject, 300)}</b>\n{said}"
        await self._room.student.outbox.put(Item(check_in.telegram_id, "edit", text, [], slot, NOTICE, file=pictured))


def question_slot(check_in: CheckIn) -> str:
    """Return the place of the question: first a message of its own, after a try the acknowledgement's."""
    return f"{'mark' if check_in.face is not None and check_in.face.failed else 'face'}:{check_in.session}"


def key_of(check_in: CheckIn) -> str:
    """Return what names one video of one check-in, also where the next challenge is given already."""
    message = check_in.face.message if check_in.face is not None else 0
    return f"{check_in.session}:{check_in.student_id}:{message}"


__all__ = ["ROUND_VIDEO", "FaceTraces", "key_of", "question_slot"]
