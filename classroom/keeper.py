"""What happens by time: codes rotate, sessions end, boards live, reports go out, what is over is cleaned away.

All of it is read from the store at each look, so that a restart changes nothing but the moment.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from classroom.check_in.face_steps import may_go_on
from classroom.counted import Counted, counted
from classroom.domain.sessions import OVERLAP, CheckInStep, Session, code_ends, end_of, new_code, report_due
from classroom.reports.sending import Files, Reports
from classroom.services import Classroom
from classroom.store import StoreError
from classroom.teacher.board import Boards
from core.sqlite import DatabaseError

log = logging.getLogger(__name__)

BETWEEN_LOOKS = 1.0  # seconds
BETWEEN_LATE_LOOKS = timedelta(seconds=5)  # at a session that has ended and had its first report
CLEAN_EVERY = timedelta(minutes=5)
FILES_KEPT = timedelta(days=7)
FINAL_ANYWAY = timedelta(hours=12)  # after a session's end; who has not been confirmed by then is absent
CODES_TRIED = 20

# Hear of a session whose check-ins nobody has decided on.
GiveUp = Callable[[Session], Awaitable[None]]


class Keeper:
    """Looks at every unfinished session, once a second."""

    def __init__(
        self,
        room: Classroom,
        boards: Boards,
        reports: Reports,
        files: Files,
        give_up: GiveUp,
        catch_up: Callable[[Session], Awaitable[None]],
        clean_faces: Callable[[datetime], Awaitable[None]],
        between_looks: float = BETWEEN_LOOKS,
    ) -> None:
        """Take what the bots work with, the boards, the reports, where their files lie, who rejects the check-ins on
        which the teacher has said nothing in all the time that there was, and what tells students what they have not
        heard.

        Students are told as soon as something is decided; ``catch_up`` is for what was cut short, by a crash or by a
        failing ledger: at the first look at a session, and before each report. ``clean_faces`` deletes what is kept
        of faces for no longer than a term.
        """
        self._between_looks = between_looks
        self._clean_faces = clean_faces
        self._catch_up = catch_up
        self._caught_up: set[str] = set()
        self._room = room
        self._boards = boards
        self._reports = reports
        self._files = files
        self._give_up = give_up
        self._rotated: dict[str, datetime] = {}  # by session: when its newest code was made
        self._begun: set[str] = set()  # live sessions whose boards are known to be shown
        self._looked: dict[str, datetime] = {}  # by session
        self._cleaned: datetime | None = None

    async def run(self) -> None:
        """Look again and again, until cancelled. A store that fails is asked again at the next look."""
        while True:
            try:
                await self.look()
            except (StoreError, DatabaseError) as error:
                log.warning("the classroom's keeper: %s; looking again", error)
            await asyncio.sleep(self._between_looks)

    async def look(self) -> None:
        """Do what is due now. What fails for one session is tried again at the next look, and holds no other up."""
        now = self._room.clock.now()
        for session in await self._room.store.unfinished():
            try:
                await self._look_at(session, now)
            except (StoreError, DatabaseError, OSError) as error:
                log.warning("session %s: %s; looking again", session.id, error)
            except Exception:  # a bug of ours must not end all other classes
                log.exception("session %s: looking at it failed", session.id)
        if self._cleaned is None or now - self._cleaned >= CLEAN_EVERY:
            self._cleaned = now
            try:
                await self._clean(now)
            except OSError as error:  # of a file; the classes go on
                log.warning("the classroom's keeper can't clean: %s", error)

    async def _look_at(self, session: Session, now: datetime) -> None:
        if session.id not in self._caught_up:
            await self._catch_up(session)
            self._caught_up.add(session.id)
        await self._rotate(session, now)
        if session.id not in self._begun:  # the last process may have ended before it could
            await self._boards.begin(session)
            self._begun.add(session.id)
        if session.ended_at is None and now > session.closes_at:
            ended = await self._room.store.end_session(session.id, session.closes_at)
            if ended is not None:
                log.info("session %s: ended", session.id)
                self._room.wake_sync(session.id, at_once=True)
                await self._boards.show(ended)
            return
        if session.ended_at is None:
            await self._boards.refresh(session)
            return
        if session.reported_at is not None and now - self._looked.get(session.id, session.reported_at) < (
            BETWEEN_LATE_LOOKS
        ):
            return
        self._looked[session.id] = now
        await self._boards.refresh(session)
        if now >= report_due(session):
            await self._report(session, now)

    async def _rotate(self, session: Session, now: datetime) -> None:
        if session.rotate_seconds == 0 or session.ended_at is not None or now > session.closes_at:
            return
        # not known after a restart or a reopening: then one code is short
        since = self._rotated.setdefault(session.id, session.opened_at)
        is_due = now - since >= timedelta(seconds=session.rotate_seconds)
        if not is_due and await self._room.store.code(session.id, now) is not None:
            return
        for _ in range(CODES_TRIED):
            code = new_code(self._room.below)
            if await self._room.store.add_code(session.id, code, code_ends(session, now), now + OVERLAP, now):
                self._rotated[session.id] = now
                await self._boards.show_code(session, code)
                return

    async def _report(self, session: Session, now: datetime) -> None:
        found = await counted(self._room, session)
        if self._is_open(found, now):
            if session.reported_at is None:
                await self._catch_up(session)
                await self._reports.send(found, final=False)
                await self._room.store.set_reported(session.id, now, final=False)
                if found.waiting(CheckInStep.CONFIRM, CheckInStep.REVIEW):  # the board goes below the report
                    await self._boards.show(session, anew=True)
            return
        await self._catch_up(session)
        if found.waiting(CheckInStep.CONFIRM, CheckInStep.REVIEW):
            await self._give_up(session)
            found = await counted(self._room, session)
        await self._reports.send(found, final=True)
        await self._room.store.set_reported(session.id, now, final=False)
        await self._room.store.set_reported(session.id, now, final=True)
        await self._boards.show(session)
        self._boards.forget(session.id)
        for kept in (self._rotated, self._looked):
            kept.pop(session.id, None)
        for known in (self._caught_up, self._begun):
            known.discard(session.id)

    def _is_open(self, found: Counted, now: datetime) -> bool:
        """Say whether something may still change by itself: checks, reviews, or the LMS."""
        ended = end_of(found.session)
        if now - ended > FINAL_ANYWAY:
            return False
        grace = timedelta(seconds=self._room.settings.checkin_grace_seconds)
        in_time = any(now <= max(ended, each.code_at + grace) for each in found.waiting(CheckInStep.PLACE))
        in_time = in_time or any(may_go_on(found.session, each, now, grace) for each in found.waiting(CheckInStep.FACE))
        waits = bool(found.waiting(CheckInStep.CHECKING, CheckInStep.CONFIRM, CheckInStep.REVIEW))
        return in_time or waits or not found.is_in_lms

    async def _clean(self, now: datetime) -> None:
        before = now - timedelta(days=self._room.settings.retention_days)
        gone = await self._room.store.clean(now, before)
        await self._clean_faces(now)
        files = await asyncio.to_thread(self._files.clean, now - FILES_KEPT)
        told = 0
        for side in (self._room.teacher, self._room.student):
            told += await asyncio.to_thread(side.claims.clean, before)
        if gone or files or told:
            log.info("classroom cleaned: %d rows, %d files, %d claims", gone, files, told)
