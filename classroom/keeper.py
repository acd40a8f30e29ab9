"""Periodic work of the classroom: rotates codes, ends sessions, refreshes boards, sends reports, deletes old data.

Each round reads its state from the store, so a restart only delays the work.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from classroom.domain.sessions import OVERLAP, CheckInStep, Session, code_ends, end_of, new_code, report_due
from classroom.overview import SessionOverview, read_overview
from classroom.reports.sending import ReportFiles, SessionReports
from classroom.services import Classroom
from classroom.store import StoreError
from classroom.student.endings import Endings
from classroom.teacher.board import Boards
from classroom.teacher.opening import CODES_TRIED
from core.backoff import Backoff
from core.logs import brief
from core.sqlite import DatabaseError
from core.tasks import each, is_wanted
from telegram_app.outbox import NOTICE

log = logging.getLogger(__name__)

BETWEEN_LOOKS, LONGEST_PAUSE = 1.0, 60.0  # seconds; after unforeseen errors
BETWEEN_LATE_LOOKS = timedelta(seconds=5)  # for a session that has ended and had its first report
CLEAN_EVERY = timedelta(minutes=5)
ERASE_EVERY = timedelta(days=1)  # what was cleaned; it rewrites the database
FILES_KEPT = timedelta(days=7)
FINAL_ANYWAY = timedelta(hours=12)  # after a session's end; unconfirmed check-ins are absent then
REMIND_AFTER = timedelta(hours=1)  # after a session's end; the teacher, of undecided check-ins
LAST_WRITES = timedelta(minutes=5)  # for the LMS to get them


@dataclass(eq=False)
class Keeper:
    """Does the periodic work of every unfinished session, once a second.

    ``remind`` reminds the teacher of undecided check-ins, once; ``give_up`` rejects those that are left undecided.
    ``catch_up`` sends notices that a crash or a failing database left unsent; it runs in the first round of a session
    and before each report. ``tidy`` sends what corrections owe and deletes face data from earlier terms.
    ``finish_begun`` finishes teachers' moves to another Telegram account that the previous process began.
    ``show_menu`` shows a session's teacher the menu, once. ``settle`` tells students of marks by hand that nobody
    changes any more, and returns the sessions in which somebody does: their final reports wait.
    """

    _classroom: Classroom
    _boards: Boards
    _reports: SessionReports
    _files: ReportFiles
    _endings: Endings
    remind: Callable[[Session, datetime], Awaitable[None]]
    give_up: Callable[[Session], Awaitable[None]]
    catch_up: Callable[[Session], Awaitable[None]]
    tidy: Callable[[datetime], Awaitable[None]]
    finish_begun: Callable[[], Awaitable[None]] | None  # until they are finished
    show_menu: Callable[[Session], Awaitable[None]]
    settle: Callable[[], Awaitable[set[str]]]
    between_looks: float = BETWEEN_LOOKS
    _caught_up: set[str] = field(default_factory=set, init=False)  # sessions
    _settling: set[str] = field(default_factory=set, init=False)  # sessions
    # by session: when its newest code was made, and when it was looked at
    _rotated: dict[str, datetime] = field(default_factory=dict, init=False)
    _looked: dict[str, datetime] = field(default_factory=dict, init=False)
    _cleaned: datetime | None = field(default=None, init=False)
    _erased: datetime | None = field(default=None, init=False)
    _swept: datetime | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._backoff = Backoff(self.between_looks, LONGEST_PAUSE)

    async def run(self) -> None:
        """Run one round after another until cancelled. A failing store is tried again in the next round."""
        while is_wanted():
            pause = self.between_looks
            try:
                await self.look()
                self._backoff.reset()
            except (StoreError, DatabaseError) as error:
                log.warning("the classroom's keeper: %s; trying again", error)
            except Exception as error:  # a bug must end neither the classroom nor the marker beside it
                pause = self._backoff.next()
                log.warning("the keeper failed: %s", brief(error), exc_info=True, extra={"trouble": "fault"})
            await asyncio.sleep(pause)

    async def look(self) -> None:
        """Run one round. A session that fails is retried in the next round and delays no other."""
        now = self._classroom.clock.now()
        steps = self._look_at_moves, self._look_at_marks, self._look_at_sessions, self._look_at_rest
        await each(lambda step: step(now), steps)

    async def _look_at_moves(self, _now: datetime) -> None:
        if self.finish_begun is not None:
            await self.finish_begun()
            self.finish_begun = None

    async def _look_at_marks(self, _now: datetime) -> None:
        self._settling = await self.settle()

    async def _look_at_sessions(self, now: datetime) -> None:
        for session in await self._classroom.store.unfinished():
            try:
                await self._look_at(session, now)
            except (StoreError, DatabaseError, OSError) as error:
                log.warning("session %s: %s; trying again", session.id, error)
            except Exception as error:  # a bug in one session must not stop the others
                fault = "session %s: the keeper failed: %s", session.id, brief(error)
                log.warning(*fault, exc_info=True, extra={"trouble": "fault"})

    async def _look_at_rest(self, now: datetime) -> None:
        if self._swept is None or now - self._swept >= BETWEEN_LATE_LOOKS:
            self._swept = now
            await self._endings.look(now)
        if self._cleaned is None or now - self._cleaned >= CLEAN_EVERY:
            self._cleaned = now
            try:
                await self._clean(now)
            except OSError as error:  # a file error; the sessions go on
                log.warning("the classroom's keeper can't clean: %s", error)

    async def _look_at(self, session: Session, now: datetime) -> None:
        if session.id not in self._caught_up:
            await self.catch_up(session)
            self._caught_up.add(session.id)
        await self._rotate(session, now)
        if session.ended_at is None and now > session.closes_at:
            sheets = await self._classroom.store.sheets(session.id) if session.without_phones else []
            is_empty = session.without_phones and not any(sheet.marks for sheet in sheets)  # nobody was ever marked
            ended = await self._classroom.store.end_session(session.id, session.closes_at, cancelled=is_empty)
            if ended is not None:
                log.info("session %s: ended", session.id)
                self._classroom.wake_sync(session.id, at_once=True)
                await self._boards.show(ended)
            return
        if session.ended_at is None:
            if not session.without_phones:  # else nothing happens but by the teacher's taps
                await self._boards.refresh(session)
            return
        looked = self._looked.get(session.id, session.reported_at)
        if session.reported_at is not None and looked is not None and now - looked < BETWEEN_LATE_LOOKS:
            return
        self._looked[session.id] = now
        if now >= report_due(session):
            await self._endings.expire(session)
        await self._boards.refresh(session)
        overview = await read_overview(self._classroom, session)
        waited = now - end_of(session) - FINAL_ANYWAY
        is_undecided = bool(overview.waiting(CheckInStep.CONFIRM, CheckInStep.REVIEW))
        if waited > timedelta(0) and is_undecided:
            await self.give_up(session)
            overview = await read_overview(self._classroom, session)
        elif is_undecided and now - end_of(session) > REMIND_AFTER:
            await self.remind(session, end_of(session) + FINAL_ANYWAY)
        is_settled = session.id not in self._settling and not self._is_open(overview, now)
        final = waited > LAST_WRITES or (is_settled and self._is_recorded(overview))
        if now >= report_due(session) or (final and session.without_phones):  # where nobody is still coming
            await self._report(overview, now, final=final)

    async def _rotate(self, session: Session, now: datetime) -> None:
        if session.rotate_seconds == 0 or session.ended_at is not None or now > session.closes_at:
            return
        # unknown after a restart or a reopening: then one code's time is shorter
        since = self._rotated.setdefault(session.id, session.opened_at)
        is_due = now - since >= timedelta(seconds=session.rotate_seconds)
        if not is_due and await self._classroom.store.code(session.id, now) is not None:
            return
        for _ in range(CODES_TRIED):
            code = new_code(self._classroom.below)
            if await self._classroom.store.add_code(session.id, code, code_ends(session, now), now + OVERLAP, now):
                self._rotated[session.id] = now
                await self._boards.show(session)
                return

    def _is_recorded(self, overview: SessionOverview) -> bool:
        """Return whether the LMS has the session for good; where it has not, the sync gets to know that it can."""
        sync = self._classroom.sync if overview.has_lms else None
        has_settled = sync is None or sync.settle(overview.session, overview.sheets)
        return overview.is_recorded and has_settled

    async def _report(self, overview: SessionOverview, now: datetime, *, final: bool) -> None:
        session = overview.session
        if not final:
            if session.reported_at is None:
                await self.catch_up(session)
                await self._reports.send(overview, final=False)
                await self._classroom.store.set_reported(session.id, now, final=False, ended_at=session.ended_at)
                if overview.waiting(CheckInStep.CONFIRM, CheckInStep.REVIEW):
                    await self._boards.show(session, anew=True, lane=NOTICE)  # below the report
                await self.show_menu(session)
            return
        await self.catch_up(session)
        await self._reports.send(overview, final=True)
        await self._classroom.store.set_reported(session.id, now, final=False, ended_at=session.ended_at)
        await self._classroom.store.set_reported(session.id, now, final=True, ended_at=session.ended_at)
        await self.show_menu(session)
        await self._boards.show(session)
        self._boards.forget(session.id)
        for kept in (self._rotated, self._looked):
            kept.pop(session.id, None)
        self._caught_up.discard(session.id)

    def _is_open(self, overview: SessionOverview, now: datetime) -> bool:
        """Return whether the session can still change without new action, by checks or reviews."""
        ended = end_of(overview.session)
        if now - ended > FINAL_ANYWAY:
            return False
        ends = (CheckInStep.REJECTED, CheckInStep.EXPIRED, CheckInStep.DONE)
        return bool(overview.waiting(*(step for step in CheckInStep if step not in ends)))

    async def _clean(self, now: datetime) -> None:
        before = now - timedelta(days=self._classroom.settings.retention_days)
        gone = await self._classroom.store.clean(now, before)
        await self.tidy(now)
        files = await asyncio.to_thread(self._files.clean, now - FILES_KEPT)
        told = 0
        for side in (self._classroom.teacher, self._classroom.student):
            told += await asyncio.to_thread(side.claims.clean, before)
        if gone and (self._erased is None or now - self._erased >= ERASE_EVERY):
            self._erased = now
            await asyncio.to_thread(self._classroom.student.people.erase_traces)
        if gone or files or told:
            log.info("classroom cleaned: %d rows, %d files, %d claims", gone, files, told)
