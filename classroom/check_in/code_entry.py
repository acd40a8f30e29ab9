"""The first step of a check-in: a student ID and a code. What fits no session is a wrong try, an expired code is none.

Which of the two is wrong stays secret. The limits and their reasons are in code_attempts.py.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from classroom.check_in import claims
from classroom.check_in.answers import Answer, AnswerKind, kind_for
from classroom.domain import code_attempts as codes
from classroom.domain.sessions import (
    DELIVERED_WITHIN,
    Binding,
    CheckIn,
    CheckInStep,
    Session,
    Sheet,
    end_of,
    folded,
    mark_of,
)
from classroom.domain.sorting import name_key
from classroom.error_codes import Code, noted
from classroom.services import Classroom
from classroom.store import BoundOtherwise

log = logging.getLogger(__name__)

Reading = tuple[str | None, str]  # a student ID (None: the account's own) and a code
Readings = Sequence[Reading]


class Typed(NamedTuple):
    """When a code was sent, when the question for the student ID was delivered, and when the ID was sent."""

    at: datetime
    asked: datetime | None = None
    answered: datetime | None = None

    def counted(self, now: datetime, grace: timedelta) -> tuple[datetime, float]:
        """Return the time that counts for the code, and for how many seconds the student has waited for us."""
        answered = self.answered or now
        if answered > (self.asked or self.at + DELIVERED_WITHIN) + grace:
            return now, 0.0
        return self.at, ((self.asked or self.at) - self.at + now - answered).total_seconds()


class CodeEntry:
    """Begins check-ins. Methods may raise StoreUnavailable, and can be repeated."""

    def __init__(self, classroom: Classroom) -> None:
        self._classroom = classroom

    async def enter(
        self, person: int, student_id: str | None, code: str, typed: Typed | None = None, others: Readings = ()
    ) -> Answer:
        """Begin a check-in with an ID (None: the bound one) and a code, sent as ``typed`` says (None: now).

        ``others`` are other ways to read the same message: the first one that fits a session counts. All are one try.
        """
        store, now = self._classroom.store, self._classroom.clock.now()
        at, waited = typed.counted(now, self._grace) if typed is not None else (now, 0.0)
        binding = await store.binding_of(person)
        own = binding.student_id if binding is not None else ""
        readings = [(claimed or own, digits) for claimed, digits in ((student_id, code), *others)]
        until = await self._locked_until(person, now, own, {claimed for claimed, _digits in readings})
        if until is not None:
            return Answer(AnswerKind.LOCKED, until=until)
        sessions = {
            digits: await store.session_by_code(digits, at) or await store.session_by_code(digits, now)
            for digits in {digits for _id, digits in readings}
        }
        for claimed, digits in readings:
            session = sessions[digits] if claimed else None
            sheets = await store.sheets_of(session.id, claimed) if session is not None else []
            if session is not None and sheets:
                answer = await self._enter(person, session, sheets, claimed, binding, at, waited)
                return answer or await self._wrong(person, [(claimed, digits)], binding, at)
        times = f" (typed {typed.at}, asked {typed.asked}, answered {typed.answered})" if typed is not None else ""
        for claimed, digits in readings:
            expired = await store.expired_code(digits, claimed, now) if claimed else None
            if expired is not None and folded(claimed) == folded(own or claimed):
                what = f"session {expired.id}: person {person}, the code has expired{times}"
                noted(log, Code.SESSION_EXPIRED, what)
                return Answer(AnswerKind.EXPIRED, expired, is_new=end_of(expired) > now)
        code_of = Code.STUDENT_ID if any(sessions.values()) else Code.OTP
        noted(log, code_of, f"person {person}: no running session has this code and this student ID{times}")
        had_code = next((session.id for session in sessions.values() if session is not None), "")
        return await self._wrong(person, readings, binding, at, had_code)

    async def _locked_until(self, person: int, now: datetime, own: str, typed: Collection[str]) -> datetime | None:
        """Return until when an account is locked at the latest; None: it is not. ``typed``: the IDs, ``own`` its own.

        The time does not depend on the typed IDs: a locked account could try any number of them for their lessons.
        """
        store = self._classroom.store
        tries = await store.tries_of(person, now - codes.TRIES_WINDOW)
        if len(tries) < codes.TRIES:
            return None
        every_id = {own, *typed, *(each.student_id for each in tries)}
        known = {each: await self._sessions_with(each, tries[0].at) for each in every_id}
        meant = [session for each in {own, *typed} for session in known[each]]
        told = {each: known[each.student_id] or known[own] for each in tries}
        had_code = {each: await store.session(each.code_of) if each.code_of else None for each in tries}
        may_be = {each: [*(known[each.student_id] or meant), *filter(None, [had_code[each]])] for each in tries}
        until = codes.locked_until(tries, may_be)
        return codes.locked_until(tries, told) if until is not None and now < until else None

    async def _sessions_with(self, student_id: str, since: datetime) -> list[Session]:
        """Return the sessions of an ID that had not ended before then, and had a code that it may be sent with."""
        found = await self._classroom.store.sessions_with(student_id, since)
        return [each for each in found if not each.without_phones]

    async def _wrong(
        self, person: int, readings: Readings, binding: Binding | None, at: datetime, had_code: str = ""
    ) -> Answer:
        """Count a wrong try, unless the message has only words and no ID of a running session.

        It counts once in each running session with an ID of the message: else the ID of one could hide guesses in
        another. ``had_code`` is the session that had the code.
        """
        store, now = self._classroom.store, self._classroom.clock.now()
        meant, counted = dict[str, list[Session]](), set[str]()
        for claimed in dict.fromkeys(claimed for claimed, _digits in readings if claimed):
            sessions = await self._sessions_with(claimed, at)
            if not counted.issuperset(session.id for session in sessions):
                meant[claimed] = sessions
                counted.update(session.id for session in sessions)
        if not meant and not readings[-1][0]:
            return Answer(AnswerKind.NO_ID)
        kind = AnswerKind.WRONG
        for claimed, sessions in (meant or {readings[0][0] or "": []}).items():
            if binding is None or folded(binding.student_id) == folded(claimed):  # else a code can't be right
                for session in sessions:
                    bound = _is_bound(binding, session)
                    tries = await store.tries_in_session(session.id, session.opened_at, bound=bound)
                    kind = AnswerKind.UNTOLD if codes.suspicion(0, tries, bound=bound) else kind
            await store.add_wrong_try(person, claimed, now, "" if sessions else had_code)
        return Answer(kind)

    async def _enter(
        self,
        person: int,
        session: Session,
        sheets: Sequence[Sheet],
        claimed: str,
        binding: Binding | None,
        at: datetime,
        waited: float,
    ) -> Answer | None:
        """Begin or continue a check-in with the right code; None: this account can't have the ID."""
        store, now = self._classroom.store, self._classroom.clock.now()
        first = min(sheets, key=lambda sheet: name_key(sheet.batch))  # as in overviews, if spellings differ
        student_id = next(e.student_id for e in first.roster if folded(e.student_id) == folded(claimed))
        what = f"session {session.id}: person {person}, the student ID {student_id}"
        if binding is not None and folded(binding.student_id) != folded(claimed):
            noted(log, Code.STUDENT_ID, f"{what} is not their own")
            return None
        bound = _is_bound(binding, session)
        in_session = await store.tries_in_session(session.id, session.opened_at, bound=bound)
        since = max(session.opened_at, now - codes.TRIES_WINDOW)
        note = codes.suspicion(0 if bound else await store.tries_on(student_id, since), in_session, bound=bound)
        untold = note == codes.MANY_IN_SESSION
        if binding is None and not untold:
            try:
                await store.bind(Binding(person, student_id, now))
            except BoundOtherwise:
                noted(log, Code.STUDENT_ID, f"{what} is bound to another account", logging.WARNING)
                if not await store.is_taken(student_id):  # the account is bound, to an ID whose data were deleted
                    return None
                note = codes.CLAIMED_TWICE
        step = CheckInStep.REVIEW if note in claims.UNBOUND else CheckInStep.PLACE
        mark = mark_of(sheets, student_id)  # by hand: the teacher has decided already
        if mark is not None and (step is CheckInStep.PLACE or (mark.is_by_hand and not untold)):
            return Answer(AnswerKind.MARKED, session, mark=mark)
        came = CheckIn(session.id, student_id, person, step, at, note=note, updated_at=now, waited=waited)
        there = check_in = await store.begin_check_in(came)
        if there.telegram_id != person:
            check_in = claims.joined(there, came)
        elif there.step is CheckInStep.PLACE and there.code_at < at:
            # entered again: a location belongs to the check-in with the newest code
            check_in = replace(there, code_at=at, updated_at=now, asked_at=None, waited=waited)
        elif there.step is CheckInStep.EXPIRED and there.code_at < at:  # the session was opened again
            doubted = there.note if there.note in codes.DOUBTS else ""
            check_in = replace(came, note=note or doubted, rivals=there.rivals)
        if check_in != there and not await store.move_check_in(check_in, {there.step}, there):
            return await self._enter(person, session, sheets, claimed, binding, at, waited)  # changed meanwhile
        if untold and (check_in.telegram_id != person or check_in.note == codes.MANY_IN_SESSION):
            await store.add_wrong_try(person, claimed, now)  # as for a wrong code: the lock must not tell, either
            return Answer(AnswerKind.UNTOLD)
        log.info("session %s: student %s, the code is right", session.id, student_id)
        if check_in.telegram_id != person:
            is_seen = person in {each.telegram_id for each in check_in.rivals}
            return Answer(AnswerKind.REVIEW if is_seen else AnswerKind.CLAIMED, session, came)
        return Answer(kind_for(check_in), session, check_in, mark=mark)

    @property
    def _grace(self) -> timedelta:
        return timedelta(seconds=self._classroom.settings.checkin_grace_seconds)


def _is_bound(binding: Binding | None, session: Session) -> bool:
    """Say whether an account was bound before a session began."""
    return binding is not None and binding.bound_at < session.opened_at
