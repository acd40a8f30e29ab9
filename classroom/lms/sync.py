"""Brings the sheets to the LMS: one writer for each (campus, batch, subject, date), until it holds exactly our record.

A write is always the whole sheet as the store has it, never built from a read. What was not confirmed is written again:
after a failure, after a restart, after hours of an outage. A write that timed out may be done late, over a newer one:
until that is past, what was written since counts as unconfirmed, and is written once more. Changes of a sheet are
gathered, so that many check-ins are few calls. One task watches the store and owns all state here; a task for each
write brings back its outcome.
"""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from classroom.domain.sessions import Session, Sheet, Status, Teacher
from classroom.lms import (
    Duplicate,
    Line,
    Lms,
    LmsError,
    LmsRefused,
    LmsTimedOut,
    LmsUnavailable,
    NotThere,
    Record,
    SignedInElsewhere,
    SignInNeeded,
)
from classroom.store import StoreError
from core.backoff import Backoff
from core.clock import Clock

log = logging.getLogger(__name__)

TIMES_KEPT = 500
LIVE_AFTER_END = timedelta(hours=1)  # so long a failing write is tried as often as in the session


@dataclass(frozen=True)
class Pace:
    """How fast things go, in seconds."""

    scan: float = 15.0  # how often the store is looked at without being woken
    gather: float = 0.25  # wakings so close together are one look
    shortest: float = 2.0  # from one write of a sheet to the next
    longest: float = 30.0
    first_pause: float = 2.0  # after a failure, doubled with each further one
    longest_pause_live: float = 60.0
    longest_pause: float = 600.0
    settling: float = 30.0  # after a time-out: so long the LMS may still do what it has not answered
    closing: float = 3.0  # for writes that are on their way

    def spacing(self, students: int, *, live: bool) -> float:
        """Return the time from one write of a sheet to the next.

        While a session is live the smaller the batch the longer, so that each batch costs less than a call for ten
        students however they are spread over batches; after it nobody is left to wait for.
        """
        return min(max(1500.0 / max(students, 1), self.shortest), self.longest) if live else self.shortest


Told = Callable[[Sheet], Awaitable[None]]
Refused = Callable[[Sheet, str], Awaitable[None]]


class SyncStore(Protocol):
    """What is needed of a ``Store``; each method as there."""

    async def teacher(self, telegram_id: int) -> Teacher | None:
        """Return a teacher who has signed in."""

    async def session(self, session_id: str) -> Session | None:
        """Return a session."""

    async def unfinished(self) -> list[Session]:
        """Return the sessions whose final report has not gone out."""

    async def sheets(self, session_id: str) -> list[Sheet]:
        """Return a session's sheets."""

    async def unacked(self) -> list[Sheet]:
        """Return the sheets that the LMS has not confirmed in their newest version; refused ones apart."""

    async def acked(self, session_id: str, batch: str, version: int) -> None:
        """Record that the LMS has this version."""

    async def set_in_lms(self, session_id: str, batch: str) -> None:
        """Record that the LMS has a record with this key."""

    async def set_refused(self, session_id: str, batch: str, why: str) -> None:
        """Record the LMS's permanent refusal."""


@dataclass
class _State:
    """What is known of a sheet beyond the store. Times are the loop's, in seconds."""

    backoff: Backoff
    tried_at: float | None = None
    pause: float = 0.0  # from then on, where it failed
    writing: bool = False
    signed_out: bool = False  # waits for the teacher; is tried rarely, without asking again
    missing: bool = False  # the LMS said that it has no such record, whatever the store remembers
    settled_at: float = 0.0  # until then a write that timed out may still be done, over a newer one
    written: int | None = None  # the version that was written before that

    def due(self, spacing: float, version: int | None = None) -> float:
        """Return from when on the sheet may be written; ``version`` is what is to be written."""
        due = 0.0 if self.tried_at is None else self.tried_at + (self.pause if self.backoff.failures else spacing)
        return max(due, self.settled_at) if version is not None and version == self.written else due


class LmsSync:
    """Writes sheets until the LMS has confirmed them."""

    def __init__(
        self,
        store: SyncStore,
        lms: Lms,
        clock: Clock,
        *,
        on_acked: Told,
        on_refused: Refused,
        on_sign_in_needed: Told,
        jitter: Callable[[], float] = random.random,
        pace: Pace = Pace(),  # frozen
        parallel: int = 8,
    ) -> None:
        """Take the store, the LMS and whom to tell.

        ``on_acked`` gets a sheet that the LMS has in this version; also at the start for sessions whose final report is
        open, so it must be harmless twice. ``on_refused`` gets a permanent refusal, which is in the store already;
        ``on_sign_in_needed`` a sheet whose teacher has to sign in, once until that has helped. ``jitter`` gives 0 to 1,
        ``parallel`` is how many writes go at a time.
        """
        self._store = store
        self._lms = lms
        self._clock = clock
        self._on_acked = on_acked
        self._on_refused = on_refused
        self._on_sign_in_needed = on_sign_in_needed
        self._jitter = jitter
        self._pace = pace
        self._parallel = parallel
        self._states: dict[tuple[str, str], _State] = {}
        self._asked: set[int] = set()  # teachers who were told to sign in
        self._changed = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._writes: set[asyncio.Task[None]] = set()
        self.seconds: deque[float] = deque(maxlen=TIMES_KEPT)  # that the newest writes took, refused ones too

    def start(self) -> None:
        """Begin, on the running loop; returns at once."""
        self._watching = asyncio.create_task(self._watch(), name="lms-sync")

    def wake(self, session_id: str, *, at_once: bool = False) -> None:
        """Say that a session's sheets have changed, or that its teacher has signed in; returns at once.

        ``at_once`` cuts pauses and spacing short: somebody has pressed "Try again", or the session has ended.
        """
        for (session, _), state in self._states.items():
            if session == session_id:
                state.signed_out = False
                if at_once:
                    state.tried_at = None
        self._changed.set()

    def signed_in(self, teacher: int) -> None:
        """Say that a teacher has signed in: all that waited for this is tried."""
        self._asked.discard(teacher)
        for state in self._states.values():
            if state.signed_out:
                state.signed_out, state.tried_at = False, None
        self._changed.set()

    async def close(self) -> None:
        """Stop; what is on its way has a few seconds. The next start writes again what was not confirmed."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        if self._writes:
            _, late = await asyncio.wait(self._writes, timeout=self._pace.closing)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    # watching

    async def _watch(self) -> None:
        backoff = self._backoff()
        has_caught_up = False
        while True:
            self._changed.clear()
            try:
                if not has_caught_up:
                    await self._catch_up()
                    has_caught_up = True
                wait = await self._look()
                backoff.reset()
            except StoreError as error:
                wait = backoff.next()
                log.warning("the store can't be read, looking again in %.0f s: %s", wait, error)
            except Exception:  # a bug of ours must not leave marks unwritten until the next start
                wait = backoff.next()
                log.exception("looking for what to write failed, again in %.0f s", wait)
            # not wait_for: before Python 3.12 it can swallow the cancelling
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            if self._changed.is_set():
                await asyncio.sleep(self._pace.gather)

    async def _catch_up(self) -> None:
        """Tell of what was confirmed before a crash came between the store's word and the telling."""
        for session in await self._store.unfinished():
            for sheet in await self._store.sheets(session.id):
                if sheet.acked_version == sheet.version:
                    await self._tell(self._on_acked(sheet))

    async def _look(self) -> float:
        """Start the writes that are due; return in how many seconds to look again."""
        now, wait = _loop_time(), self._pace.scan
        sheets = await self._store.unacked()
        sessions = {each: await self._store.session(each) for each in {sheet.session for sheet in sheets}}
        open_keys = {_key(sheet) for sheet in sheets}
        # a confirmed sheet's state is kept for a while, so that its next change does not go at once
        self._states = {
            key: state
            for key, state in self._states.items()
            if key in open_keys or state.writing or state.due(self._pace.longest) > now
        }
        for sheet in sheets:
            state = self._states.setdefault(_key(sheet), _State(self._backoff()))
            session = sessions[sheet.session]
            if state.writing or session is None or not _wants_writing(sheet, session):
                continue
            if state.signed_out and now < state.due(self._pace.longest_pause):
                continue
            due = state.due(self._pace.spacing(len(sheet.roster), live=session.ended_at is None), sheet.version)
            if due > now:
                wait = min(wait, due - now)
            elif len(self._writes) < self._parallel:  # else the end of a write wakes us
                state.writing = True
                task = asyncio.create_task(self._write(sheet, session, state), name=f"lms-write-{sheet.session}")
                self._writes.add(task)
                task.add_done_callback(self._written)
        return wait

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writes.discard(task)
        _log_failure(task)
        self._changed.set()

    # writing

    async def _write(self, sheet: Sheet, session: Session, state: _State) -> None:
        """Write a sheet once; whatever comes of it is in the state, or in the store, when this ends."""
        recent = session.ended_at is None or self._clock.now() - session.ended_at < LIVE_AFTER_END
        state.backoff.longest = self._pace.longest_pause_live if recent else self._pace.longest_pause
        pause = state.backoff.next()  # until it is known better: an error of ours must not make a busy loop
        try:
            await self._write_once(sheet, state)
        except (LmsError, StoreError) as error:
            if isinstance(error, SignedInElsewhere):
                await self._ask(sheet)
            if isinstance(error, LmsTimedOut):
                state.settled_at, state.written = _loop_time() + self._pace.settling, None
            level = logging.WARNING if state.backoff.failures in (1, 10, 100) else logging.INFO
            log.log(level, "sheet %s of session %s: again in %.0f s: %s", sheet.batch, sheet.session, pause, error)
        finally:
            state.tried_at = _loop_time()
            state.pause = pause
            state.writing = False

    async def _write_once(self, sheet: Sheet, state: _State) -> None:
        try:
            await self._bring(sheet, state)
        except SignInNeeded:
            state.backoff.reset()
            state.signed_out = True
            log.warning("sheet %s of session %s waits for its teacher's sign-in", sheet.batch, sheet.session)
            await self._ask(sheet)
            return
        except LmsRefused as error:
            log.warning("the LMS refuses sheet %s of session %s: %s", sheet.batch, sheet.session, error)
            await self._store.set_refused(sheet.session, sheet.batch, error.words)
            state.backoff.reset()
            await self._tell(self._on_refused(replace(sheet, refused=error.words), str(error)))
            return
        if _loop_time() < state.settled_at:
            await self._store.set_in_lms(sheet.session, sheet.batch)
            log.info("sheet %s of session %s: written once more, for one that timed out", sheet.batch, sheet.session)
            state.backoff.reset()
            state.missing, state.written = False, sheet.version
            return
        await self._store.acked(sheet.session, sheet.batch, sheet.version)
        state.backoff.reset()
        state.missing, state.written = False, None
        self._asked.discard(sheet.teacher)
        await self._tell(self._on_acked(replace(sheet, acked_version=sheet.version, in_lms=True)))

    async def _bring(self, sheet: Sheet, state: _State) -> None:
        """Create or update the record, whichever the LMS wants."""
        teacher = await self._store.teacher(sheet.teacher)
        if teacher is None:
            raise SignInNeeded("the teacher is signed out")
        record = record_of(sheet)
        create = not sheet.in_lms or state.missing
        for _ in range(2):
            begun = self._clock.monotonic()
            try:
                if create:
                    await self._lms.create(teacher, record)
                else:
                    await self._lms.update(teacher, record)
                return
            except Duplicate:
                create, state.missing = False, False
                # from here on it is ours to update, also after a crash
                await self._store.set_in_lms(sheet.session, sheet.batch)
            except NotThere:
                create, state.missing = True, True
            finally:
                self.seconds.append(self._clock.monotonic() - begun)
        raise LmsUnavailable("the LMS contradicts itself about whether it has the record")

    async def _ask(self, sheet: Sheet) -> None:
        """Let the teacher hear, once, that only a sign-in helps."""
        if sheet.teacher not in self._asked:
            self._asked.add(sheet.teacher)
            await self._tell(self._on_sign_in_needed(sheet))

    async def _tell(self, telling: Awaitable[None]) -> None:
        """Let somebody hear of it; a failure there is logged and must not cost a write."""
        try:
            await telling
        except Exception:  # the other side's
            log.exception("telling of the LMS's answer failed")

    def _backoff(self) -> Backoff:
        pace = self._pace
        return Backoff(pace.first_pause, pace.longest_pause_live, lambda: 0.5 + self._jitter() / 2)


def record_of(sheet: Sheet) -> Record:
    """Return the LMS's record of a sheet: the whole roster, who has no mark is absent."""
    lines = []
    for student in sheet.roster:
        mark, status = sheet.marks.get(student.student_id), sheet.status_of(student.student_id)
        told = [status.value] if status in (Status.LATE, Status.EXCUSED) else []
        told += [mark.reason] if mark is not None and mark.reason else []
        lines.append(Line(student.student_id, student.name, status, ": ".join(told)))
    return Record(sheet.campus, sheet.batch, sheet.subject, sheet.date, tuple(lines))


def _wants_writing(sheet: Sheet, session: Session) -> bool:
    """Say whether the LMS is to have this: nothing of a cancelled session, nor of one that nobody has come to yet."""
    if session.cancelled and not sheet.in_lms:
        return False
    return sheet.version > 0 or session.ended_at is not None


def _key(sheet: Sheet) -> tuple[str, str]:
    return sheet.session, sheet.batch


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s ended by an error of ours", task.get_name(), exc_info=error)
