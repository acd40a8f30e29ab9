"""Check-ins of one student ID by several Telegram accounts: the teacher decides whose the ID is."""

import logging
from dataclasses import replace
from datetime import datetime

from classroom.domain import code_attempts as codes
from classroom.domain import face_policy as faces
from classroom.domain.sessions import Binding, CheckIn, CheckInStep, Rival, Session
from classroom.services import Classroom
from classroom.store import BoundOtherwise

log = logging.getLogger(__name__)

MOST_RIVALS = 3  # that the teacher sees; more accounts are not accepted, and told so at once
UNBOUND = (codes.CLAIMED_TWICE, codes.MANY_IN_SESSION)  # notes of check-ins whose account may not be bound to the ID


def account_number(telegram_id: int) -> str:
    """Return the number by which a teacher and a student can tell an account from others."""
    return f"{telegram_id % 10000:04}"


def joined(there: CheckIn, came: CheckIn) -> CheckIn:
    """Return the check-in of an ID after another account came, as ``came`` says; no account is refused."""
    rivals = {each.telegram_id: each for each in there.rivals}
    if came.step is CheckInStep.PLACE:  # bound to the ID: since a teacher has unbound it, or the other one waits
        if there.step is CheckInStep.REVIEW and there.note in UNBOUND:
            rivals[there.telegram_id] = Rival(there.telegram_id, there.code_at)
            came = replace(came, note=codes.CLAIMED_TWICE)
        rivals.pop(came.telegram_id, None)
        return replace(came, rivals=tuple(rivals.values()))
    if came.telegram_id in rivals or len(rivals) >= MOST_RIVALS:
        return there
    step, note = there.step, there.note
    if step in (CheckInStep.PLACE, CheckInStep.CONFIRM, CheckInStep.REVIEW) and not faces.is_reviewed(note):
        step = CheckInStep.PLACE if step is CheckInStep.PLACE else CheckInStep.REVIEW
        note = codes.CLAIMED_TWICE if note != codes.MANY_IN_SESSION else note  # which still tells nobody
    return replace(there, step=step, note=note, rivals=(*there.rivals, Rival(came.telegram_id, came.code_at)))


def decided(there: CheckIn, owner: int | None) -> list[CheckIn]:
    """Return the check-in after the teacher's decision, and for each other account a rejected one, to be told of it.

    ``owner`` is the account that is accepted; None: no account is. A mark stays.
    """
    step = CheckInStep.DONE if owner or there.step is CheckInStep.DONE else CheckInStep.REJECTED
    faces_of = {there.telegram_id: there.face} | {each.telegram_id: None for each in there.rivals}
    moved = replace(there, step=step, telegram_id=owner or there.telegram_id, rivals=())
    results = [replace(moved, telegram_id=each, face=face) for each, face in faces_of.items()]
    results.sort(key=lambda each: each.telegram_id != moved.telegram_id)
    return [results[0], *(replace(each, step=CheckInStep.REJECTED) for each in results[1:])]


def without_owner(there: CheckIn) -> CheckIn:
    """Return the check-in of the other accounts, after the data of its own were deleted: they wait for the teacher."""
    first, *others = there.rivals
    review = CheckIn(there.session, there.student_id, first.telegram_id, CheckInStep.REVIEW, first.at)
    return replace(review, note=codes.CLAIMED_TWICE, updated_at=first.at, rivals=tuple(others))


async def give(classroom: Classroom, session: Session, student_id: str, owner: int, now: datetime) -> None:
    """Bind an ID to the account that the teacher has accepted; another account's binding is undone, on record."""
    bound = await classroom.store.binding_for(student_id)
    if bound is not None and bound.telegram_id == owner:
        return
    await classroom.store.unbind(student_id, session.teacher, now, f"session {session.id}: claimed twice")
    try:
        await classroom.store.bind(Binding(owner, student_id, now))
    except BoundOtherwise:  # the account has got another ID meanwhile
        log.warning("session %s: student %s: person %d has another ID", session.id, student_id, owner)
