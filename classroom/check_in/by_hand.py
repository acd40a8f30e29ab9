"""Marks of a whole class by the teacher's hand: stored at once, told to the students once they are settled."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from classroom.check_in.check_ins import OnMark
from classroom.domain.sessions import Mark, Session, Status
from classroom.services import Classroom
from classroom.store import StoreError
from core.logs import brief
from core.sqlite import DatabaseError
from core.tasks import each

log = logging.getLogger(__name__)

SETTLING = "by hand:"  # prefix of the claims of sessions whose newest marks by hand are not told yet
SETTLED_AFTER = 20.0  # seconds without another change; the teacher's *Done* settles them at once


@dataclass(eq=False)
class HandMarks:
    """Stores a teacher's marks of several students. Each hears of the last one, once nobody changes them any more.

    That marks have to be told is stored before them, so that a crash delays the notices and loses none. ``tell`` gets
    each mark by hand, ``told`` the session once all are told.
    """

    _classroom: Classroom
    tell: OnMark
    told: Callable[[Session], Awaitable[None]]
    _changed: dict[str, float] = field(default_factory=dict)  # by session: the last change's monotonic time
    _left: set[str] | None = None  # sessions that the process before left untold; None: not read yet
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def mark(
        self, session: Session, student_ids: Collection[str], status: Status, reason: str, *, overwrite: bool
    ) -> int:
        """Store a mark of each student; return how many it has changed."""
        now, claims = self._classroom.clock.now(), self._classroom.student.claims
        marks = [Mark(one, status, now, by=session.teacher, reason=reason) for one in student_ids]
        async with self._lock:
            self._changed[session.id] = self._classroom.clock.monotonic()
            await asyncio.to_thread(claims.claim, f"{SETTLING}{session.id}", now)
            changed = await self._classroom.store.mark_all(session.id, marks, overwrite=overwrite)
        if changed:
            what = f"student {min(changed)}" if len(changed) == 1 else f"{len(changed)} students"
            log.info("session %s: %s, %s by hand of teacher %d", session.id, what, status.value, session.teacher)
            self._classroom.wake_sync(session.id)
        for mark in marks:
            if mark.student_id in changed:
                self._classroom.metrics.marked(mark)
        return len(changed)

    async def settle(self, session: Session | None = None) -> set[str]:
        """Tell what has not changed for a while, or of this session all; return the sessions that are not told yet.

        A session that fails is among these, and delays no other; with ``session`` its error is raised.
        """
        now = self._classroom.clock.monotonic()
        if self._left is None:
            self._left = set(await asyncio.to_thread(self._classroom.student.claims.keys, SETTLING))
        waiting = self._left | self._changed.keys()
        due = waiting & {session.id} if session is not None else set[str]()
        if session is None:  # after a restart it is unknown when they were changed
            due = {one for one in waiting if now - self._changed.get(one, -math.inf) >= SETTLED_AFTER}
        for session_id in due:
            try:
                await self._settle(session_id)
                waiting.discard(session_id)
            except Exception as error:  # a damaged record, or a bug: the next round tries again
                if session is not None:
                    raise
                is_bug = not isinstance(error, StoreError | DatabaseError)
                log.warning("session %s: marks by hand not told yet: %s", session_id, brief(error), exc_info=is_bug)
        return waiting

    async def _settle(self, session_id: str) -> None:
        changed, session = self._changed.get(session_id), await self._classroom.store.session(session_id)
        marks: dict[str, Mark] = {}
        if session is not None and not session.cancelled:
            for sheet in await self._classroom.store.sheets(session_id):
                marks |= {one: mark for one, mark in sheet.marks.items() if mark.is_by_hand}
        if session is not None:
            await each(lambda marked: self.tell(session, *marked), marks.items())
        async with self._lock:
            if self._changed.get(session_id) != changed:
                return  # somebody is marking: it is told after that
            await asyncio.to_thread(self._classroom.student.claims.take_back, f"{SETTLING}{session_id}")
            self._changed.pop(session_id, None)
            self._left = (self._left or set()) - {session_id}
        if session is not None:
            await self.told(session)
