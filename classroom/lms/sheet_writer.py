"""Writes one sheet to the LMS, or the union of several that share a record, and compares the LMS's own record with it.

A write is always the whole sheet as the store has it, never built from a read. Where the LMS changes records, each
version is written; one that got no answer may be executed late, over a newer one: then the newer one is read back, and
written again where it differs. Where it can't change them, a record is created once, and while a create may still be
executed there is no second one: the LMS would then have two.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field

from classroom import lms
from classroom.domain.sessions import Course, ReadBack, Sheet, Status, Teacher
from classroom.domain.shared_records import confirmed, parts_of
from classroom.metrics import ClassroomMetrics
from classroom.store import Store
from core.backoff import Backoff
from core.clock import Clock

CONTRADICTION = "the LMS contradicts itself about whether it has the record"


@dataclass(frozen=True)
class SyncPace:
    """Intervals in seconds."""

    scan: float = 15.0  # between reads of the store without being woken
    gather: float = 0.25  # wake-ups this close together cause one read
    shortest: float = 2.0  # between two writes of a sheet
    longest: float = 30.0
    first_pause: float = 2.0  # after a failure, doubled with each further one
    longest_pause_live: float = 60.0
    longest_pause: float = 600.0
    settling: float = 60.0  # for this long the LMS, or a proxy, may still execute a write that got no answer
    quiet: float = 15.0  # without a further write, until a confirmed one is read back; at the end it is read at once
    reads: int = 6  # tries to read back
    closing: float = 3.0  # for writes that are running

    def spacing(self, students: int, *, live: bool) -> float:
        """Return the interval between two writes of a sheet.

        In a live session it is longer for small batches, so that each batch costs less than one call for ten students
        however they are spread over batches; after the session there are few changes to gather.
        """
        return min(max(1500.0 / max(students, 1), self.shortest), self.longest) if live else self.shortest


USUAL_PACE = SyncPace()


def loop_time() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class SheetState:
    """The state of a record's writes that is not in the store. Times are the loop's, in seconds."""

    backoff: Backoff
    tried_at: float | None = None
    pause: float = 0.0  # from then on, where it failed
    writing: bool = False
    signed_out: bool = False  # waits for the teacher's sign-in; is tried rarely, without asking again
    settled_at: float = 0.0  # until then a write that got no answer may still be executed, over a newer one
    written: int | None = None  # the version that was written before that
    once: bool = False  # the LMS can't change a record: it is written when the session is settled, one write at a time
    confirmed: Sheet | None = None  # is to be read back
    sessions: set[str] = field(default_factory=set)  # whose sheets are in the record
    compare_at: float = 0.0  # when
    unclear_at: dict[bool, float] = field(default_factory=dict)  # the first since another answer, by ``unread``

    def outcome(self, error: Exception, pace: SyncPace) -> Exception:
        """Return a write's failure; unclear answers are a refusal in the end: else nobody would know.

        A proxy's page, also in the place of the record, is an outage, and may last longer. Other failures between them
        are no unclear answers: after an outage the time begins anew.
        """
        now = loop_time()
        if not isinstance(error, lms.Unclear):
            if isinstance(error, lms.LmsError):
                self.unclear_at.clear()
            return error
        lasts = pace.longest_pause if error.unread else pace.settling
        if now < self.unclear_at.setdefault(error.unread, now) + lasts:
            return error
        self.unclear_at.clear()
        self.settled_at = now + pace.settling
        return lms.LmsRefused(str(error), lms.NOT_CONFIRMED)

    def due(self, spacing: float, version: int | None = None) -> float:
        """Return when the sheet may be written next; ``version`` is the one to be written."""
        due = 0.0 if self.tried_at is None else self.tried_at + (self.pause if self.backoff.failures else spacing)
        return max(due, self.settled_at) if self.once or (version is not None and version == self.written) else due


class SheetWriter:
    """Writes and compares sheets; the outcome is in the store, and in the sheet that is returned."""

    def __init__(self, store: Store, adapter: lms.Lms, clock: Clock, metrics: ClassroomMetrics) -> None:
        self._store = store
        self._lms = adapter
        self._clock = clock
        self._metrics = metrics

    async def write(self, sheet: Sheet, state: SheetState, *, settled: bool) -> Sheet | None:
        """Write a sheet; return it as it is then, None if it is not confirmed yet. Raises LmsError, StoreError.

        ``settled``: the session is over, and nothing changes any more by itself.
        """
        teacher = await self._teacher(sheet)
        state.once = state.once or not await self._lms.can_update(teacher)
        if not state.once or (settled and sheet.in_lms):  # a correction is tried: the answer tells whether that works
            try:
                return await self._write_newest(teacher, sheet, state)
            except lms.NotSupported:
                state.once = True
        if not settled or loop_time() < state.settled_at:
            return None
        return await self._write_once(teacher, sheet, state)

    async def compare(self, sheet: Sheet, *, read: bool) -> Sheet:
        """Read a confirmed sheet back; what differs is written again, once, where the LMS changes records.

        Without ``read`` it is stored that this is not possible.
        """
        if not read:
            return await self._confirmed(sheet, self._compare(sheet, None))
        teacher = await self._teacher(sheet)
        read_back = await self._read_back(teacher, sheet)
        if read_back is None or (read_back.possible and read_back.differs and await self._lms.can_update(teacher)):
            with suppress(lms.LmsRefused, lms.NotSupported, lms.Unclear):
                await self._create_or_update(teacher, sheet, create=read_back is None)
            read_back = await self._read_back(teacher, sheet)
        return await self._confirmed(sheet, read_back or self._compare(sheet, ()))

    async def _teacher(self, sheet: Sheet) -> Teacher:
        teacher = await self._store.teacher(sheet.teacher)
        if teacher is None:
            raise lms.SignInNeeded("the teacher is signed out")
        return teacher

    async def _write_newest(self, teacher: Teacher, sheet: Sheet, state: SheetState) -> Sheet | None:
        wait = loop_time() < state.settled_at
        if wait or state.written != sheet.version or not await self._agrees(teacher, sheet):
            await self._create_or_update(teacher, sheet, create=not sheet.in_lms)
        if wait:  # the earlier write may still be executed, over this one
            await self._set_in_lms(sheet)
            state.written = sheet.version
            return None
        return await self._confirmed(sheet)

    async def _write_once(self, teacher: Teacher, sheet: Sheet, state: SheetState) -> Sheet:
        """Create the record, unless it is there: then it can only be compared."""
        if sheet.in_lms:
            read_back = await self._read_back(teacher, sheet)
            if read_back is not None and (read_back.possible or sheet.acked_version >= 0):
                return await self._confirmed(sheet, read_back)
        try:
            await self._timed(teacher, sheet, self._lms.create(teacher, record_of(sheet)))
        except lms.Duplicate:
            try:
                read_back = await self._read_back(teacher, sheet)
            except lms.LmsUnavailable:
                raise lms.Unclear("the LMS has a record of this lesson, and does not show it", unread=True) from None
            if read_back is None:
                raise lms.LmsUnavailable(CONTRADICTION) from None
            if not read_back.possible and not state.settled_at:  # else it is our own
                text = "the LMS has another record of this lesson, and can't change it"
                raise lms.LmsRefused(text, "409 duplicate") from None
            return await self._confirmed(sheet, read_back)
        return await self._confirmed(sheet)

    async def _create_or_update(self, teacher: Teacher, sheet: Sheet, *, create: bool) -> None:
        for _ in range(2):
            write = self._lms.create if create else self._lms.update
            try:
                await self._timed(teacher, sheet, write(teacher, record_of(sheet)))
                return
            except lms.Duplicate:
                create = False
                # from now on it is updated, also after a crash
                await self._set_in_lms(sheet)
            except lms.NotThere:
                create = True
        raise lms.LmsUnavailable(CONTRADICTION)

    async def _timed(self, teacher: Teacher, sheet: Sheet, write: Awaitable[None]) -> None:
        """Await a write; an unclear answer is none if the LMS then has the record."""
        begun = self._clock.monotonic()
        try:
            await write
        except lms.Unclear as unclear:
            try:
                agrees = _agree(await self._read_back(teacher, sheet))
            except lms.LmsError:
                raise lms.Unclear(str(unclear), unread=True) from None
            if not agrees:
                raise
        finally:
            self._metrics.lms_write_seconds.observe(self._clock.monotonic() - begun)

    async def _confirmed(self, sheet: Sheet, read_back: ReadBack | None = None) -> Sheet:
        """Store that the LMS has a sheet; what differs in a comparison is not written again."""
        parts, sheet = parts_of(sheet), confirmed(sheet, read_back)
        for before, part in zip(parts, parts_of(sheet), strict=True):
            if read_back is not None:
                await self._store.set_read_back(part)
            await self._store.acked(part.session, part.batch, part.version)
            if before.refused:
                await self._store.set_refused(part.session, part.batch, "")
        return sheet

    async def _set_in_lms(self, sheet: Sheet) -> None:
        for part in parts_of(sheet):
            await self._store.set_in_lms(part.session, part.batch)

    async def _agrees(self, teacher: Teacher, sheet: Sheet) -> bool:
        """Whether the LMS certainly has the record as it is here."""
        try:
            return _agree(await self._read_back(teacher, sheet))
        except lms.LmsError:
            return False

    async def _read_back(self, teacher: Teacher, sheet: Sheet) -> ReadBack | None:
        """Compare the LMS's record with a sheet; None: it has no record. Raises LmsUnavailable, SignInNeeded."""
        try:
            lines = await self._lms.recorded(teacher, Course(sheet.batch, sheet.subject), sheet.date)
        except (lms.NotSupported, lms.LmsRefused):
            return self._compare(sheet, None)
        except lms.NoAnswer as error:  # nothing was written
            raise lms.LmsUnavailable(str(error)) from None
        return self._compare(sheet, lines) if lines is not None else None

    def _compare(self, sheet: Sheet, lines: tuple[lms.Line, ...] | None) -> ReadBack:
        differs = _not_sent(sheet) if lines is None else differences(sheet, lines)
        return ReadBack(sheet.version, self._clock.now(), possible=lines is not None, differs=differs)


def _agree(read_back: ReadBack | None) -> bool:
    return read_back is not None and read_back.possible and not read_back.differs


def record_of(sheet: Sheet) -> lms.Record:
    """Return the LMS's record of a sheet: the whole roster; students without a mark are absent."""
    lines = []
    for student in sheet.roster:
        mark, status = sheet.marks.get(student.student_id), sheet.status_of(student.student_id)
        remarks = [status.value] if status in (Status.LATE, Status.EXCUSED) else []
        remarks += [mark.reason] if mark is not None and mark.reason and mark.is_by_hand else []
        lines.append(lms.Line(student.student_id, student.name, status, ": ".join(remarks)))
    return lms.Record(sheet.campus, sheet.batch, sheet.subject, sheet.date, tuple(lines), sheet.lesson)


def differences(sheet: Sheet, lines: tuple[lms.Line, ...]) -> dict[str, str]:
    """Return what the LMS has for each student of a sheet for whom it has something else; "" for nothing."""
    found: dict[str, set[bool]] = {}
    for line in lines:
        found.setdefault(line.student_id.casefold(), set()).add(line.status.counts)
    differs = {}
    for student in sheet.roster:
        ours, its = sheet.status_of(student.student_id).counts, found.get(student.student_id.casefold(), set())
        if its != {ours}:
            differs[student.student_id] = (Status.ABSENT if ours else Status.PRESENT).value if its else ""
    return differs


def _not_sent(sheet: Sheet) -> dict[str, str]:
    """Return the students whose marks changed after the last confirmed write, where the LMS can't be read."""
    before = sheet.read_back
    known = before.differs if before is not None and not before.possible else {}
    if sheet.acked_version in (-1, sheet.version):
        return known if sheet.compared is not None else {}
    changed = [each.student_id for each in sheet.marks.values() if before is None or each.at > before.at]
    return known | dict.fromkeys(changed, "")
