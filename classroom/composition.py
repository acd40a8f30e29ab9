"""Composition root of the classroom: builds the two bots with all that they need, runs them until cancelled.

A token that Telegram refuses stops that bot only; the other one goes on.
"""

import asyncio
import logging
import secrets
from collections.abc import Coroutine
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from telegram.ext import BaseHandler

from classroom.admin_notices import AdminNotices
from classroom.bot_parts import BotParts, build_bot, run_bot
from classroom.check_in.check_ins import CheckIns
from classroom.database import open_database
from classroom.domain.sessions import Mark, Session, Sheet
from classroom.face_composition import FaceParts, assemble_faces, face_parts
from classroom.faces import FaceEngine
from classroom.faces.person_keys import PersonKeys
from classroom.health_report import health_part
from classroom.keeper import BETWEEN_LOOKS, Keeper
from classroom.lms.csv_files import CsvLms
from classroom.lms.sheet_writer import USUAL_PACE, SyncPace
from classroom.lms.sync import LmsSync
from classroom.metrics import ClassroomMetrics
from classroom.opening import cipher_of, lms_of, open_store
from classroom.photos import Photos
from classroom.reports.sending import ReportFiles, SessionReports
from classroom.saved_rooms import SavedRooms
from classroom.services import Classroom
from classroom.student.bot import StudentBot
from classroom.student.corrections import Corrections
from classroom.student.endings import Endings
from classroom.student.face_traces import FaceTraces
from classroom.student.notices import StudentNotices
from classroom.student.own_data import MY_DATA, my_data_file
from classroom.teacher.account_moves import AccountMoves
from classroom.teacher.board import BETWEEN_EDITS, Boards
from classroom.teacher.bot import TeacherBot
from classroom.teacher.lms_notices import LmsNotices
from classroom.teacher.manual_marks import ManualMarks
from classroom.teacher.session_buttons import SessionButtons
from classroom.verification.queue import Verification
from classroom.verification.reviews import REVIEW, FaceReviews, ReviewFiles
from core.clock import Clock
from core.deletions import Deletions
from core.encryption import DELETIONS
from core.health import HealthReports
from core.settings import Settings
from core.tasks import until_first
from telegram_app.attempts import Attempts, SignInLocks
from telegram_app.factory import AnyApplication, run_side_by_side
from telegram_app.files import SHIPPED, by_prefix, files_in
from telegram_app.move_codes import MoveCodes
from telegram_app.outage import WriteOutage
from telegram_app.outbox import BETWEEN_SENDS
from telegram_app.side import Side

PICTURES = Path(__file__).resolve().parent / "pictures"  # shipped with the program


@dataclass(frozen=True)
class ClassroomIntervals:
    """The intervals of the classroom's periodic work, in seconds."""

    between_sends: float = BETWEEN_SENDS  # in one chat
    between_edits: float = BETWEEN_EDITS  # of a board
    between_looks: float = BETWEEN_LOOKS  # of the keeper
    pace: SyncPace = USUAL_PACE  # of writes to the LMS


async def serve(
    settings: Settings,
    clock: Clock,
    reports: HealthReports,
    *,
    intervals: ClassroomIntervals = ClassroomIntervals(),  # frozen
    engine: FaceEngine | None = None,
    photos: Photos | None = None,
    face_decides: bool | None = None,
) -> None:
    """Run the classroom until cancelled.

    ``engine`` and ``photos`` replace those that the settings name; both are closed at the end. ``face_decides``
    replaces what ``face_policy`` says. Raises TokenRefused (both tokens), EncryptionKeyError, StoreDamaged,
    StoreRefused, DatabaseError.
    """
    folder = settings.data_dir / "classroom"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings.data_dir.chmod(0o700)  # people copy rosters and ID photos into it with any permissions
    async with AsyncExitStack() as stack:
        cipher = cipher_of(settings, folder)
        database = stack.enter_context(closing(await asyncio.to_thread(open_database, folder)))
        store = await stack.enter_async_context(open_store(settings, database, cipher, reports))
        metrics = ClassroomMetrics(reports.metrics)
        lms = lms_of(settings, store, clock, metrics)
        stack.push_async_callback(lms.close)
        files = ReportFiles(folder / "reports")
        # next to the encryption key and outside the data: a backup of the data can't decrypt templates
        keys = PersonKeys(settings.encryption_key_file.with_name("faces"), cipher)
        reviewed, plain = ReviewFiles(folder / "reviews", cipher), files_in(files.folder)
        pictures = by_prefix({REVIEW: reviewed.make}, plain)
        own = by_prefix({SHIPPED: files_in(PICTURES), MY_DATA: lambda person: my_data_file(classroom, person)}, plain)
        pace = intervals.between_sends
        teacher = await build_bot(database, settings, clock, "teacher", pictures, pace, reports.metrics)
        student = await build_bot(database, settings, clock, "student", own, pace, reports.metrics)
        rooms = SavedRooms(database)
        deletions = Deletions(settings.encryption_key_file.with_name(DELETIONS), cipher.digest, clock.now)
        sides = teacher.side, student.side
        classroom = Classroom(settings, clock, store, lms, *sides, rooms, secrets.randbelow, metrics)
        classroom.record_deletion = deletions.add
        classroom.sign_in_locks = SignInLocks(Attempts(database, cipher.digest, "refusals"), clock)
        parts = None
        if settings.face_engine != "none":
            parts = face_parts(settings, clock, student.application.bot, engine, photos)
            parts.decides = parts.decides if face_decides is None else face_decides
            stack.push_async_callback(parts.photos.close)
            stack.push_async_callback(parts.engine.close)
        classroom.troubles = AdminNotices(teacher.side, settings.classroom_admins, clock)
        logging.getLogger("classroom").addHandler(classroom.troubles)
        stack.callback(logging.getLogger("classroom").removeHandler, classroom.troubles)
        codes = MoveCodes(database)
        keeper, verification = assemble(
            classroom, teacher.application, student.application, files, intervals, keys, reviewed, parts, codes
        )
        who = teacher.side.outbox, teacher.side.texts, settings.classroom_admins, clock
        outage = teacher.side.outage = student.side.outage = WriteOutage(
            *who, [database.probe], lambda _: _("Until then the teacher keeps the attendance on paper.")
        )
        stack.enter_context(reports.part(lambda: health_part([teacher, student], store, metrics)))
        if classroom.sync is not None:
            classroom.sync.start()
            stack.push_async_callback(classroom.sync.close)
        bots = run_side_by_side([run_bot(teacher), run_bot(student)], reports)
        work: list[Coroutine[Any, Any, None]] = [keeper.run(), bots, outage.watch()]
        if isinstance(lms, CsvLms):
            work.append(lms.folder.watch())
        if verification is not None:
            stack.enter_context(reports.part(verification.report))
            work.append(_verify(verification, student))
        await until_first(work)


def assemble(
    classroom: Classroom,
    teacher_application: AnyApplication,
    student_application: AnyApplication,
    files: ReportFiles,
    intervals: ClassroomIntervals,
    keys: PersonKeys,
    reviewed: ReviewFiles,
    parts: FaceParts | None,
    move_codes: MoveCodes,
) -> tuple[Keeper, Verification | None]:
    """Add the handlers, create the LMS sync; return the keeper and, unless ``parts`` is None, the queue of notes."""

    async def on_mark(session: Session, student_id: str, mark: Mark) -> None:
        await notices.tell_mark(session, student_id, mark)
        await reviews.delete_for(session, student_id)

    async def finish_what_was_begun() -> None:
        await moves.finish_interrupted()
        await teachers.sign_in.ask_again()

    async def tidy(now: datetime) -> None:
        await corrections.catch_up(now)
        await traces.clean(now)
        await notices.finish_unlinking()

    async def on_acked(sheet: Sheet) -> None:
        if (session := await classroom.store.session(sheet.session)) is not None:
            await notices.tell_recorded(session, sheet)
            await lms_notices.on_compared(session, sheet)

    check_ins = CheckIns(classroom, on_mark)
    reviews = FaceReviews(classroom, reviewed, parts.photos if parts is not None else None)
    traces = FaceTraces(classroom, reviews, reviewed, keys)
    talk = verification = None
    if parts is not None:
        talk, verification = assemble_faces(classroom, check_ins, parts, keys, reviews, traces)
    boards = Boards(classroom, intervals.between_edits)
    notices = StudentNotices(classroom, check_ins, traces, talk)
    corrections = Corrections(classroom, check_ins)
    endings = Endings(classroom, check_ins, traces, corrections)
    classroom.student.outbox.on_asked = endings.asked
    manual, reports = ManualMarks(classroom, check_ins), SessionReports(classroom, files)
    buttons = SessionButtons(classroom, boards, manual, notices, endings, reports, reviews, traces, corrections)
    lms_notices = LmsNotices(classroom, boards)
    classroom.sync = LmsSync(
        classroom.store,
        classroom.lms,
        classroom.clock,
        on_acked=on_acked,
        on_refused=lms_notices.on_refused,
        on_sign_in_needed=lms_notices.on_sign_in_needed,
        pace=intervals.pace,
        metrics=classroom.metrics,
    )
    moves = AccountMoves(classroom, move_codes, boards)
    teachers = TeacherBot(classroom, boards, manual, buttons, moves, reports)
    students = StudentBot(classroom, check_ins, traces, talk, corrections)
    _add(teacher_application, classroom.teacher, teachers.handlers())
    _add(student_application, classroom.student, students.handlers())
    keeper = Keeper(
        classroom,
        boards,
        reports,
        files,
        endings,
        remind=buttons.remind,
        give_up=buttons.give_up,
        catch_up=notices.catch_up,
        tidy=tidy,
        finish_begun=finish_what_was_begun,
        show_menu=teachers.show_menu_after,
        settle=buttons.whole_class.settle,
        between_looks=intervals.between_looks,
    )
    return keeper, verification


def _add(application: AnyApplication, side: Side, handlers: list[BaseHandler[Any, Any, Any]]) -> None:
    application.add_handler(side.seeing(), group=-1)
    application.add_handlers(handlers)
    application.add_error_handler(side.apologise)


async def _verify(verification: Verification, student: BotParts) -> None:
    """Check video notes from when the student bot runs until cancelled; running checks get five seconds to end."""
    try:
        await student.is_running.wait()
        verification.start()
        await asyncio.Event().wait()
    finally:
        await verification.close()
