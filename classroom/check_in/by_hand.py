"""Marks of a whole class by the teacher's hand: stored at once, told to the students once they are settled."""

import asyncio
import logging
import math
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta

from classroom.check_in.check_ins import OnMark
from classroom.domain.sessions import Mark, Session, Status
from classroom.services import Classroom

log = logging.getLogger(__name__)

SETTLING = "by hand:"  # prefix of the claims of sessions whose newest marks by hand are not told yet
SETTLED_AFTER = timedelta(seconds=20)  # without another change; the teacher's *Done* settles them at once


@dataclass(eq=False)
class HandMarks:
    """Stores a teacher's marks of several students; ``tell`` gets each mark by hand once nobody changes it any more.

    That marks have to be told is stored before them, so a crash delays the notices and loses none.
    """

    _classroom: Classroom
    tell: OnMark
    _changed: dict[str, float] = field(default_factory=dict)  # by session: the last change's monotonic time
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def mark(
        self, session: Session, student_ids: Collection[str], status: Status, reason: str, *, overwrite: bool
    ) -> int:
        """Store a mark of each student; return how many are changed by it."""
        now, claims = self._classroom.clock.now(), self._classroom.student.claims
        marks = [Mark(each, status, now, by=session.teacher, reason=reason) for each in student_ids]
        async with self._lock:
            self._changed[session.id] = self._classroom.clock.monotonic()
            await asyncio.to_thread(claims.claim, f"{SETTLING}{session.id}", now)
            changed = await self._classroom.store.mark_all(session.id, marks, overwrite=overwrite)
        if changed:
            what = min(changed) if len(changed) == 1 else f"{len(changed)} students"
            log.info("session %s: %s, %s by hand of teacher %d", session.id, what, status.value, session.teacher)
            self._classroom.wake_sync(session.id)
        return len(changed)

    async def is_settling(self, session_id: str) -> bool:
        key = f"{SETTLING}{session_id}"
        return await asyncio.to_thread(self._classroom.student.claims.at, key) is not None

    async def settle_now(self, session: Session) -> None:
        """Tell the students of a session how it ended for them: the teacher is done with the list."""
        self._changed.pop(session.id, None)
        if await self.is_settling(session.id):
            await self._settle(session.id)

    async def settle(self) -> list[str]:
        """Tell what has been settled for a while, in every session; return those sessions."""
        keys, now = await asyncio.to_thread(self._classroom.student.claims.keys, SETTLING), self._classroom.clock.monotonic()
        due = [each for each in keys if now - self._changed.get(each, -math.inf) >= SETTLED_AFTER.total_seconds()]
        for session_id in due:
            await self._settle(session_id)
        return due

    async def _settle(self, session_id: str) -> None:
        changed, session = self._changed.get(session_id), await self._classroom.store.session(session_id)
        if session is not None and not session.cancelled:
            for sheet in await self._classroom.store.sheets(session_id):
                for student_id, mark in sheet.marks.items():
                    if self._changed.get(session_id) != changed:
                        return  # somebody is marking: it is told after that
                    if mark.is_by_hand:
                        await self.tell(session, student_id, mark)
        async with self._lock:
            if self._changed.get(session_id) == changed:
                self._changed.pop(session_id, None)
                await asyncio.to_thread(self._classroom.student.claims.take_back, f"{SETTLING}{session_id}")
