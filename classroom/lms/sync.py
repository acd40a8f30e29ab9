"""Writes the sheets to the LMS until it holds exactly our record, with one writer for each record of the LMS.

Where the LMS has one record of a batch and subject a day, the record of several lessons is the union of their sheets
(``shared_records``): it is written anew when one of them changes, and they are confirmed, or refused, together.

Unconfirmed writes are repeated: after a failure, after a restart, after hours of an outage. Confirmed ones are read
back when a sheet is quiet, and at the end of its session. Changes of a sheet are gathered, so that many check-ins cost
few calls. One task watches the store and owns the state; a task for each write (``SheetWriter``) reports its outcome.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime, timedelta

from classroom.domain.sessions import Session, Sheet
from classroom.domain.shared_records import is_sent, of_one_record, parts_of, record_of_day
from classroom.lms import Lms, LmsError, LmsRefused, NoAnswer, SignedInElsewhere, SignInNeeded
from classroom.lms.sheet_writer import USUAL_PACE, SheetState, SheetWriter, SyncPace, loop_time
from classroom.metrics import ClassroomMetrics
from classroom.store import Store, StoreError
from core.backoff import Backoff
from core.clock import Clock
from core.tasks import is_wanted

log = logging.getLogger(__name__)

LIVE_AFTER_END = timedelta(hours=1)  # for this long a failing write is tried as often as during the session

OnSheet = Callable[[Sheet], Awaitable[None]]


@dataclass(eq=False)
class LmsSync:
    """Writes sheets until the LMS has confirmed them.

    ``on_acked`` gets a sheet whose version the LMS has confirmed, and again when it was compared with the LMS's record;
    also at the start for sessions whose final report is due, so calling it twice must be harmless. ``on_refused`` gets
    a permanent refusal, already stored; ``on_sign_in_needed`` a sheet whose teacher has to sign in, once until a
    sign-in. ``jitter`` returns 0 to 1, ``parallel`` is the number of writes at a time.
    """

    store: Store
    lms: Lms
    clock: Clock
    _: KW_ONLY
    on_acked: OnSheet
    on_refused: Callable[[Sheet, str], Awaitable[None]]
    on_sign_in_needed: OnSheet
    jitter: Callable[[], float] = random.random
    pace: SyncPace = USUAL_PACE
    parallel: int = 8
    metrics: ClassroomMetrics = field(default_factory=ClassroomMetrics)

    def __post_init__(self) -> None:
        self._writer = SheetWriter(self.store, self.lms, self.clock, self.metrics)
        self._states: dict[tuple[str, ...], SheetState] = {}  # by record
        self._settled: dict[str, datetime] = {}  # by session: its end, since which nothing changes by itself
        self._asked: set[int] = set()  # teachers who were asked to sign in
        self._changed = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._writes: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._watching = asyncio.create_task(self._watch(), name="lms-sync")

    def wake(self, session_id: str, *, at_once: bool = False) -> None:
        """Notify that a session's sheets have changed; ``at_once``, as for "Try again" and at the end, skips pauses."""
        for state in self._states.values():
            if session_id in state.sessions:
                state.signed_out = False
                if at_once:
                    state.tried_at = None
        self._changed.set()

    def settle(self, session: Session, sheets: Iterable[Sheet]) -> bool:
        """Notify that nothing changes any more by itself in a session: its sheets are read back; whether all were."""
        ended_at = session.ended_at or session.closes_at
        sent = [each for each in sheets if each.is_for_lms]
        left = [each for each in sent if each.compared is None or each.compared.at < ended_at]
        for sheet in left if self._settled.get(session.id) != ended_at else []:
            self.compare(sheet)
        self._settled[session.id] = ended_at
        return not left

    def compare(self, sheet: Sheet) -> None:
        """Read a sheet back, as for "Try again"; one that is not confirmed is read back once it is."""
        if sheet.acked_version == sheet.version:
            self._state(sheet).confirmed, self._state(sheet).compare_at = sheet, 0.0
            self._changed.set()

    def signed_in(self, teacher: int) -> None:
        """Notify that a teacher has signed in: the sheets that waited for this are written."""
        self._asked.discard(teacher)
        for state in self._states.values():
            if state.signed_out:
                state.signed_out, state.tried_at = False, None
        self._changed.set()

    async def close(self) -> None:
        """Stop; running writes have a few seconds. The next start repeats what was not confirmed."""
        if self._watching is not None:
            self._watching.cancel()
            _, late = await asyncio.wait([self._watching, *self._writes], timeout=self.pace.closing)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _watch(self) -> None:
        backoff = self._backoff()
        has_caught_up = False
        while is_wanted():
            self._changed.clear()
            try:
                if not has_caught_up:
                    await self._catch_up()
                    has_caught_up = True
                wait = await self._look()
                backoff.reset()
            except Exception as error:  # a bug of ours must not leave marks unwritten until the next start
                wait, is_bug = backoff.next(), not isinstance(error, StoreError)
                log.warning("no look for sheets to write, trying again in %.0f s: %s", wait, error, exc_info=is_bug)
            # not wait_for: before Python 3.12 it can swallow a cancellation
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            if self._changed.is_set():
                await asyncio.sleep(self.pace.gather)

    async def _catch_up(self) -> None:
        """Do what a crash may have prevented: call back for confirmed sheets; an unconfirmed write may be under way."""
        sessions = await self.store.unfinished()
        live = {session.id for session in sessions if session.ended_at is None}
        for sheet in await self.store.unacked() if self.lms.needs_password else []:
            if sheet.version or sheet.session not in live:
                self._state(sheet).settled_at = loop_time() + self.pace.settling
        for session in sessions:
            for sheet in await self.store.sheets(session.id):
                if sheet.acked_version == sheet.version:
                    await self._notify(self.on_acked(sheet))
                    self._compare_later(sheet, self.pace.quiet)

    async def _look(self) -> float:
        """Start the writes and comparisons that are due; return the seconds until the next look."""
        now, wait = loop_time(), self.pace.scan
        sheets = await self.store.unacked()
        open_keys = {self._key(sheet) for sheet in sheets}
        # a confirmed sheet's state is kept for a while, so that its next change is not written at once
        self._states = {
            key: state
            for key, state in self._states.items()
            if key in open_keys or state.writing or state.confirmed or state.due(self.pace.longest) > now
        }
        # last: of a record with a change the change counts, unless it is a lesson to which nobody has come yet
        sheets += [parts_of(each.confirmed)[0] for each in self._states.values() if each.confirmed]
        for sheet, sessions in await self._records(sheets):
            state = self._state(sheet)
            if (due := self._due(sheet, sessions, state)) is None:
                continue
            if due > now:
                wait = min(wait, due - now)
            elif len(self._writes) < self.parallel:  # else the end of a write wakes us
                state.writing, state.confirmed = True, None
                task = asyncio.create_task(self._write(sheet, sessions, state), name=f"lms-write-{sheet.session}")
                self._writes.add(task)
                task.add_done_callback(self._written)
        return wait

    async def _records(self, sheets: list[Sheet]) -> list[tuple[Sheet, list[Session]]]:
        """Return the records that these sheets are in, each once, with the sessions whose marks it has."""
        found: dict[tuple[str, ...], tuple[Sheet, list[Session]]] = {}
        for sheet in sheets:
            session = await self.store.session(sheet.session) if self._key(sheet) not in found else None
            if session is None or not is_sent((sheet, session)):
                continue
            others = await self.store.other_lessons(sheet) if self.lms.one_record_a_day else []
            if others:  # read last: the versions grow with a cancellation, which must be seen then
                session = await self.store.session(sheet.session) or session
            record, sessions = record_of_day([(sheet, session), *of_one_record(sheet, others)])
            parts = parts_of(record)
            for teacher in dict.fromkeys(each.teacher for each in (record, *parts)) if len(parts) > 1 else ():
                if await self.store.teacher(teacher) is not None:
                    record = replace(record, teacher=teacher)  # the first who is signed in
                    break
            found[self._key(sheet)] = record, sessions
        return list(found.values())

    def _due(self, sheet: Sheet, sessions: list[Session], state: SheetState) -> float | None:
        """Return when a record may be written, or read back; None: not before something changes."""
        if not state.writing and sheet.acked_version == sheet.version:
            return state.compare_at
        if state.writing or (state.once and not self._are_settled(sessions)):
            return None
        spacing = self.pace.spacing(len(sheet.roster), live=any(each.ended_at is None for each in sessions))
        return state.due(self.pace.longest_pause if state.signed_out else spacing, sheet.version)

    def _compare_later(self, sheet: Sheet, seconds: float) -> None:
        """Read a confirmed sheet back, unless that was done, or it is a file of our own."""
        if sheet.compared is None and self.lms.needs_password:
            self._state(sheet).confirmed, self._state(sheet).compare_at = sheet, loop_time() + seconds

    def _state(self, sheet: Sheet) -> SheetState:
        state = self._states.setdefault(self._key(sheet), SheetState(self._backoff()))
        state.sessions |= {part.session for part in parts_of(sheet)}
        return state

    def _key(self, sheet: Sheet) -> tuple[str, ...]:
        """Return what identifies the record that a sheet is in."""
        if self.lms.one_record_a_day:
            return sheet.campus, sheet.batch, sheet.subject, sheet.date, sheet.lms_kind
        return sheet.session, sheet.batch

    def _are_settled(self, sessions: list[Session]) -> bool:
        return all(
            each.ended_at is not None and (each.final_at is not None or self._settled.get(each.id) == each.ended_at)
            for each in sessions
        )

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writes.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s ended by an error of ours", task.get_name(), exc_info=error)
        self._changed.set()

    async def _write(self, sheet: Sheet, sessions: list[Session], state: SheetState) -> None:
        """Write a record once, or read back a confirmed one; the outcome is then in its state, or in the store."""
        now = self.clock.now()
        recent = any(each.ended_at is None or now - each.ended_at < LIVE_AFTER_END for each in sessions)
        state.backoff.longest = self.pace.longest_pause_live if recent else self.pace.longest_pause
        pause = state.backoff.next()  # until the outcome is known: an error of ours must not cause a busy loop
        settled, is_confirmed = self._are_settled(sessions), sheet.acked_version == sheet.version
        written: Sheet | None
        try:
            if is_confirmed:
                written = await self._writer.compare(sheet, read=state.backoff.failures <= self.pace.reads)
            else:
                written = await self._writer.write(sheet, state, settled=settled)
            state.backoff.reset()
            state.unclear_at.clear()
            if written is not None:
                self._asked.discard(sheet.teacher)
                self._compare_later(written, 0.0 if settled else self.pace.quiet)
                before, after = parts_of(sheet), parts_of(written)
                for part in after:
                    if len(after) == 1 or part not in before:
                        await self._notify(self.on_acked(part))
        except (LmsError, StoreError) as error:
            await self._failed(sheet, state, error, pause, is_confirmed=is_confirmed)
        finally:
            if not is_confirmed:  # reading back delays no write
                state.tried_at, state.pause = loop_time(), pause
            state.writing = False

    async def _failed(
        self, sheet: Sheet, state: SheetState, error: Exception, pause: float, *, is_confirmed: bool
    ) -> None:
        """Decide what follows a failure; ``pause`` is the time until the next try."""
        error = error if is_confirmed else state.outcome(error, self.pace)
        level = logging.WARNING if state.backoff.failures in (1, 10, 100) else logging.INFO
        log.log(level, "sheet %s of session %s, next try in %.0f s: %s", sheet.batch, sheet.session, pause, error)
        if isinstance(error, LmsRefused):
            state.backoff.reset()
            for part in parts_of(sheet):
                if part.acked_version < part.version or len(parts_of(sheet)) == 1:
                    await self.store.set_refused(part.session, part.batch, error.words)
                    if not part.refused:
                        await self._notify(self.on_refused(replace(part, refused=error.words), str(error)))
        elif isinstance(error, SignInNeeded) and not is_confirmed:  # else a few tries, without asking: it is there
            state.backoff.reset()
            await self._ask(sheet)
            others = {part.teacher for part in parts_of(sheet)} - {sheet.teacher}
            state.signed_out = not any([await self.store.teacher(each) for each in others])
        else:
            if isinstance(error, SignedInElsewhere):
                await self._ask(sheet)
            if isinstance(error, NoAnswer):
                state.settled_at, state.written = loop_time() + self.pace.settling, None
            if is_confirmed:
                state.confirmed, state.compare_at = sheet, max(loop_time() + pause, state.settled_at)

    async def _ask(self, sheet: Sheet) -> None:
        if sheet.teacher not in self._asked:
            self._asked.add(sheet.teacher)
            await self._notify(self.on_sign_in_needed(sheet))

    async def _notify(self, callback: Awaitable[None]) -> None:
        """Await a callback; its failure is logged and must not cost a write."""
        try:
            await callback
        except Exception:  # the caller's
            log.exception("a callback with the LMS's answer failed")

    def _backoff(self) -> Backoff:
        pace = self.pace
        return Backoff(pace.first_pause, pace.longest_pause_live, lambda: 0.5 + self.jitter() / 2)
