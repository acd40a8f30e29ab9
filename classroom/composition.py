"""Composition root of the classroom: opens the store and the LMS, builds the two bots, runs them until cancelled.

A token that Telegram refuses stops that bot only; the other one goes on.
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from telegram.ext import BaseHandler

from classroom.admin_notices import AdminNotices
from classroom.bot_parts import BotParts, build_bot, run_bot
from classroom.check_in.check_ins import CheckIns
from classroom.database import KEY_FILE, holds_store, open_database
from classroom.domain.sessions import Mark, Session, Sheet
from classroom.face_composition import FaceParts, assemble_faces, face_parts
from classroom.faces import FaceEngine
from classroom.faces.person_keys import PersonKeys
from classroom.health_report import LAGS_KEPT, health_part, measure_lags
from classroom.keeper import BETWEEN_LOOKS, Keeper
from classroom.lms import Lms
from classroom.lms.csv_files import CsvLms
from classroom.lms.rest import RestLms
from classroom.lms.sheet_writer import USUAL_PACE, SyncPace
from classroom.lms.sync import LmsSync
from classroom.photos import Photos
from classroom.reports.sending import ReportFiles, SessionReports
from classroom.saved_rooms import SavedRooms
from classroom.services import Classroom
from classroom.store import Store, StoreUnavailable
from classroom.store.sqlite import SqliteStore
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
from core.encryption import DELETIONS, Cipher, open_cipher
from core.health import HealthReports, PartHealth
from core.settings import Settings
from core.sqlite import Database
from core.tasks import is_wanted, until_first
from telegram_app.attempts import Attempts, SignInLocks
from telegram_app.factory import AnyApplication, run_side_by_side
from telegram_app.files import SHIPPED, by_prefix, files_in
from telegram_app.move_codes import MoveCodes
from telegram_app.outage import WriteOutage
from telegram_app.outbox import BETWEEN_SENDS
from telegram_app.side import Side

log = logging.getLogger(__name__)

STORE_TRIED_EVERY = 5.0  # seconds
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
        cipher = _cipher(settings, folder)
        database = stack.enter_context(closing(await asyncio.to_thread(open_database, folder)))
        store = await stack.enter_async_context(_store(settings, database, cipher, reports))
        lms = _lms(settings, store, clock)
        stack.push_async_callback(lms.close)
        files = ReportFiles(folder / "reports")
        # next to the encryption key and outside the data: a backup of the data can't decrypt templates
        keys = PersonKeys(settings.encryption_key_file.with_name("faces"), cipher)
        reviewed, plain = ReviewFiles(folder / "reviews", cipher), files_in(files.folder)
        pictures = by_prefix({REVIEW: reviewed.make}, plain)
        own = by_prefix({SHIPPED: files_in(PICTURES), MY_DATA: lambda person: my_data_file(classroom, person)}, plain)
        teacher = await build_bot(database, settings, clock, "teacher", pictures, intervals.between_sends)
        student = await build_bot(database, settings, clock, "student", own, intervals.between_sends)
        rooms = SavedRooms(database)
        deletions = Deletions(settings.encryption_key_file.with_name(DELETIONS), cipher.digest, clock.now)
        classroom = Classroom(settings, clock, store, lms, teacher.side, student.side, rooms, secrets.randbelow)
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
        lags: deque[int] = deque(maxlen=LAGS_KEPT)
        stack.enter_context(reports.part(lambda: health_part([teacher, student], store, lags, classroom.sync)))
        if classroom.sync is not None:
            classroom.sync.start()
            stack.push_async_callback(classroom.sync.close)
        bots = run_side_by_side([run_bot(teacher), run_bot(student)], reports)
        work: list[Coroutine[Any, Any, None]] = [keeper.run(), bots, measure_lags(lags), outage.watch()]
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


@asynccontextmanager
async def _store(
    settings: Settings, database: Database, cipher: Cipher, reports: HealthReports
) -> AsyncIterator[Store]:
    store: Store
    if settings.mongodb_uri is not None:
        from classroom.store.mongo import MongoStore  # here: its driver takes 13 MB

        store = MongoStore(settings.mongodb_uri.get_secret_value(), settings.mongodb_database, cipher)
    else:
        store = SqliteStore(database, cipher)
    try:
        await open_when_available(store, reports)
        yield store
    finally:
        await store.close()


async def open_when_available(store: Store, reports: HealthReports, *, every: float = STORE_TRIED_EVERY) -> None:
    """Open a store; retry while it can't be reached. Raises StoreDamaged, StoreRefused, EncryptionKeyError."""
    with reports.part(_waiting_for_store):
        while is_wanted():
            try:
                return await store.open()
            except StoreUnavailable as error:
                log.warning("the classroom waits for its store: %s", error)
            await asyncio.sleep(every)
        raise asyncio.CancelledError


async def _waiting_for_store() -> PartHealth:
    return PartHealth([], ["the classroom waits for its store: see the log"], {})


def _cipher(settings: Settings, folder: Path) -> Cipher:
    keys = settings.encryption_key.get_secret_value() if settings.encryption_key else None
    file = settings.encryption_key_file.with_name(KEY_FILE)
    has_secrets = settings.mongodb_uri is None and holds_store(folder)
    return open_cipher(keys, file, may_create=not has_secrets, hashes=True)


def _lms(settings: Settings, store: Store, clock: Clock) -> Lms:
    if settings.base_url is None or settings.jwt_login_endpoint is None:
        return CsvLms(settings.data_dir / "rosters")
    return RestLms(settings.base_url, settings.jwt_login_endpoint, store, clock)
