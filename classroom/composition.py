"""Puts the classroom's half together: store, LMS, two bots; runs it until it is cancelled.

A token that Telegram refuses ends its bot alone: students go on checking in while the teacher's token is mended, and
the other way round.
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from telegram.error import InvalidToken
from telegram.ext import BaseHandler

from classroom.check_in.check_ins import CheckIns
from classroom.commands import publish
from classroom.domain.sessions import Mark, Session, Sheet
from classroom.face_composition import FaceParts, Faces, FaceStorage, assemble_faces, face_parts, face_storage
from classroom.faces import FaceEngine
from classroom.keeper import BETWEEN_LOOKS, Keeper
from classroom.lms import Lms
from classroom.lms.csv_files import CsvLms
from classroom.lms.rest import RestLms
from classroom.lms.sync import LmsSync
from classroom.photos import Photos
from classroom.reports.sending import Files
from classroom.reports.sending import Reports as SessionReports
from classroom.saved_rooms import SCHEMA as SAVED_ROOMS
from classroom.saved_rooms import SavedRooms
from classroom.services import Classroom, apology
from classroom.store import Store, StoreError, StoreUnavailable
from classroom.store.sqlite import SqliteStore
from classroom.student.bot import StudentBot
from classroom.student.face_traces import FaceTraces
from classroom.teacher.board import BETWEEN_EDITS, Boards
from classroom.teacher.bot import TeacherBot
from classroom.teacher.hand_marks import HandMarks
from classroom.teacher.session_buttons import SessionButtons
from classroom.verification.metrics import spread
from classroom.verification.queue import Verification
from classroom.verification.reviews import FaceReviews
from core.clock import Clock
from core.encryption import Cipher, open_cipher
from core.health import HealthReports, PartHealth, polling_state
from core.settings import Settings
from core.sqlite import Database, DatabaseError
from telegram_app.claims import Claims
from telegram_app.factory import AnyApplication, PollingRequest, TokenRefused, build_application, polling, running
from telegram_app.files import MakeFile, OnSent, files_in
from telegram_app.outbox import BETWEEN_SENDS, Outbox
from telegram_app.people import People
from telegram_app.schema import SCHEMA as TELEGRAM_APP
from telegram_app.side import Side
from telegram_app.side_by_side import run_side_by_side

log = logging.getLogger(__name__)

STORE_TRIED_EVERY = 5.0  # seconds
STORE_HEALTHY_WITHIN = 2.0  # seconds; who asks for /healthz waits for 4
PICTURES = Path(__file__).resolve().parent / "pictures"  # that come with the program
KEY_FILE = "classroom.key"  # beside ENCRYPTION_KEY_FILE
LOOK_EVERY, LOOKS_KEPT = 0.1, 600  # seconds between looks at how late the loop is, and how many are kept


@dataclass(frozen=True)
class Pace:
    """How fast things go, in seconds."""

    between_sends: float = BETWEEN_SENDS  # in one chat
    between_edits: float = BETWEEN_EDITS  # of a board
    between_looks: float = BETWEEN_LOOKS  # of the keeper


@dataclass
class BotParts:
    """One of the two bots, put together and not yet running."""

    setting: str  # that its token comes from
    application: AnyApplication
    poll: PollingRequest
    side: Side
    database: Database
    is_running: asyncio.Event = field(default_factory=asyncio.Event)


async def serve(
    settings: Settings,
    clock: Clock,
    reports: HealthReports,
    *,
    pace: Pace = Pace(),  # frozen
    engine: FaceEngine | None = None,
    photos: Photos | None = None,
) -> None:
    """Run the classroom until cancelled.

    ``engine`` and ``photos`` take the place of what the settings name; both are closed at the end.

    Raises:
        TokenRefused: Telegram knows neither of the two tokens.
        EncryptionKeyError, StoreDamaged, StoreRefused, DatabaseError: see there.
    """
    folder = settings.data_dir / "classroom"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings.data_dir.chmod(0o700)  # rosters and ID photos are put there with whatever rights
    async with AsyncExitStack() as stack:
        cipher = _cipher(settings, folder)
        store = await stack.enter_async_context(_store(settings, folder, cipher, reports))
        lms = _lms(settings, store, clock)
        stack.push_async_callback(lms.close)
        files = Files(folder / "reports")
        kept, plain = face_storage(settings, cipher), files_in(files.folder, PICTURES)
        pictures, on_sent = kept.files.or_else(plain), kept.files.on_sent
        teacher = await _bot(stack, settings, clock, "teacher", pictures, on_sent, pace.between_sends)
        student = await _bot(stack, settings, clock, "student", plain, None, pace.between_sends)
        rooms = SavedRooms(teacher.database)
        room = Classroom(settings, clock, store, lms, teacher.side, student.side, rooms, secrets.randbelow)
        parts = None
        if settings.face_engine != "none":
            parts = face_parts(settings, clock, student.application.bot, engine, photos)
            stack.push_async_callback(parts.photos.close)
            stack.push_async_callback(parts.engine.close)
        keeper, faces = assemble(room, teacher.application, student.application, files, pace, kept, parts)
        lateness = Lateness()
        measuring = asyncio.create_task(lateness.measure(), name="loop-lateness")
        stack.callback(measuring.cancel)
        stack.enter_context(reports.part(lambda: health_part([teacher, student], store, lateness, room.sync)))
        bots = [_run(teacher), _run(student)]
        besides = []
        if faces is not None:
            stack.enter_context(reports.part(faces.verification.report))
            besides.append(asyncio.create_task(_verify(faces.verification, student), name="faces-verification"))
        if room.sync is not None:
            room.sync.start()
            stack.push_async_callback(room.sync.close)
        keeping = asyncio.create_task(keeper.run(), name="classroom-keeper")
        stack.callback(keeping.cancel)
        await _until_first(keeping, run_side_by_side(bots, reports), besides)


def assemble(
    room: Classroom,
    teacher_application: AnyApplication,
    student_application: AnyApplication,
    files: Files,
    pace: Pace,
    kept: FaceStorage,
    parts: FaceParts | None,
) -> tuple[Keeper, Faces | None]:
    """Put the handlers into the two applications, let the LMS's answers reach people, and return the keeper, and what
    checks faces (None: ``parts`` is, and the teacher confirms).
    """

    async def on_mark(session: Session, student_id: str, mark: Mark) -> None:
        await students.tell_mark(session, student_id, mark)
        await reviews.delete_for(session, student_id)

    async def on_acked(sheet: Sheet) -> None:
        session = await room.store.session(sheet.session)
        if session is not None:
            await students.tell_acked(session, sheet)

    check_ins = CheckIns(room, on_mark)
    reviews = FaceReviews(room, kept.files, parts.photos if parts is not None else None)
    traces = FaceTraces(room, reviews, kept.files, kept.keys)
    faces = assemble_faces(room, check_ins, parts, kept, reviews, traces) if parts is not None else None
    boards = Boards(room, pace.between_edits)
    students = StudentBot(room, check_ins, traces, faces.dialog if faces is not None else None)
    hand, sent = HandMarks(room, check_ins), SessionReports(room, files)
    buttons = SessionButtons(room, boards, hand, students, sent, reviews, traces)
    teachers = TeacherBot(room, boards, hand, buttons)
    room.sync = LmsSync(
        room.store,
        room.lms,
        room.clock,
        on_acked=on_acked,
        on_refused=teachers.on_refused,
        on_sign_in_needed=teachers.on_sign_in_needed,
    )
    _add(teacher_application, room.teacher, teachers.handlers())
    _add(student_application, room.student, students.handlers())
    keeper = Keeper(room, boards, sent, files, buttons.give_up, students.catch_up, traces.clean, pace.between_looks)
    return keeper, faces


def _add(application: AnyApplication, side: Side, handlers: list[BaseHandler[Any, Any, Any]]) -> None:
    application.add_handler(side.seeing(), group=-1)
    application.add_handlers(handlers)
    application.add_error_handler(side.apologise)


async def _bot(
    stack: AsyncExitStack,
    settings: Settings,
    clock: Clock,
    name: str,
    make_file: MakeFile,
    on_sent: OnSent | None,
    between_sends: float,
) -> BotParts:
    """Put one bot together; its messages go on from where the last process ended."""
    setting = f"{name.upper()}_BOT_TOKEN"
    token: SecretStr | None = getattr(settings, setting.lower())
    proxy = settings.https_proxy_telegram.get_secret_value() if settings.https_proxy_telegram else None
    schemas = [TELEGRAM_APP, SAVED_ROOMS] if name == "teacher" else [TELEGRAM_APP]
    database = stack.enter_context(closing(Database(settings.data_dir / "classroom" / f"{name}.sqlite3", schemas)))
    people, poll = People(database), PollingRequest(proxy)
    application = build_application(
        token.get_secret_value() if token is not None else "",
        settings.telegram_api_url,
        proxy,
        poll,
    )

    async def lost(person: int) -> None:
        log.info("person %d has blocked the %s's bot", person, name)

    outbox = Outbox(application.bot, database, name, lost, clock, between_sends, make_file, on_sent)
    side = Side(people, outbox, Claims(database), languages=await asyncio.to_thread(people.languages), apology=apology)
    return BotParts(setting, application, poll, side, database)


async def _run(bot: BotParts) -> None:
    """Run one bot until cancelled, or until Telegram refuses its token."""
    try:
        async with running(bot.application), AsyncExitStack() as stack:
            bot.poll.answered()
            bot.side.username = bot.application.bot.username
            stack.push_async_callback(bot.side.outbox.close)
            await bot.side.outbox.start()
            await stack.enter_async_context(polling(bot.application))
            await publish(bot.application.bot, bot.setting)
            log.info("@%s is ready", bot.side.username)
            bot.is_running.set()
            await bot.poll.refused.wait()
    except InvalidToken:
        bot.poll.refused.set()  # the health report leaves it out: it has a line of its own
    raise TokenRefused(bot.setting)


async def _verify(verification: Verification, student: BotParts) -> None:
    """Check faces from when notes can be loaded until cancelled; then what is under way gets its five seconds."""
    try:
        await student.is_running.wait()
        verification.start()
        await asyncio.Event().wait()
    finally:
        await verification.close()


async def _until_first(
    task: "asyncio.Task[None]", work: Coroutine[Any, Any, None], besides: "list[asyncio.Task[None]]"
) -> None:
    """Do the work, and end with the task's error where it fails meanwhile; ``besides`` end at the same time as it."""
    working = asyncio.create_task(work)
    try:
        await asyncio.wait({task, working, *besides}, return_when=asyncio.FIRST_COMPLETED)
        for each in (task, working, *besides):
            if each.done():
                each.result()
    finally:
        for each in (working, *besides):
            each.cancel()
        await asyncio.wait({working, *besides})


@asynccontextmanager
async def _store(settings: Settings, folder: Path, cipher: Cipher, reports: HealthReports) -> AsyncIterator[Store]:
    store: Store
    if settings.mongodb_uri is not None:
        from classroom.store.mongo import MongoStore  # here: its driver takes 13 MB

        store = MongoStore(settings.mongodb_uri.get_secret_value(), settings.mongodb_database, cipher)
    else:
        store = SqliteStore(folder / "store.sqlite3", cipher)
    try:
        await open_when_there(store, reports)
        yield store
    finally:
        await store.close()


async def open_when_there(store: Store, reports: HealthReports, *, every: float = STORE_TRIED_EVERY) -> None:
    """Open a store; one that can't be reached is waited for: after a power cut a database may be up later than we.

    Raises StoreDamaged, StoreRefused, EncryptionKeyError.
    """
    with reports.part(_waiting_for_store):
        while True:
            try:
                return await store.open()
            except StoreUnavailable as error:
                log.warning("the classroom waits for its store: %s", error)
            await asyncio.sleep(every)


async def _waiting_for_store() -> PartHealth:
    return PartHealth([], ["the classroom waits for its store: see the log"], {})


def _cipher(settings: Settings, folder: Path) -> Cipher:
    keys = settings.encryption_key.get_secret_value() if settings.encryption_key else None
    file = settings.encryption_key_file.with_name(KEY_FILE)
    return open_cipher(keys, file, may_create=not (folder / "store.sqlite3").exists())


def _lms(settings: Settings, store: Store, clock: Clock) -> Lms:
    if settings.base_url is None or settings.jwt_login_endpoint is None:
        return CsvLms(settings.data_dir / "rosters")
    return RestLms(settings.base_url, settings.jwt_login_endpoint, store, clock)


class Lateness:
    """By how much the loop is late, looked at ten times a second; a health report has what came since the last."""

    def __init__(self) -> None:
        self._late: deque[float] = deque(maxlen=LOOKS_KEPT)  # seconds

    async def measure(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LOOK_EVERY
            await asyncio.sleep(LOOK_EVERY)
            self._late.append(loop.time() - due)

    def taken(self) -> list[int]:
        """Return, in milliseconds, what was measured since the last call."""
        taken = [round(1000 * late) for late in self._late]
        self._late.clear()
        return taken


async def health_part(
    bots: list[BotParts], store: Store, lateness: Lateness, sync: LmsSync | None = None
) -> PartHealth:
    """Return the classroom's part of /healthz."""
    failing, degraded = [], []
    for bot in bots:
        if bot.poll.refused.is_set():
            continue  # said already, and for good
        if (state := polling_state(bot.poll.answered_at)) != "ok":
            failing.append(f"{bot.setting}'s bot: {state}")
        if bot.poll.conflict:
            degraded.append(f"another program fetches the updates of {bot.setting}'s bot: end it")
        try:
            await asyncio.to_thread(bot.side.outbox.oldest_waiting)
        except DatabaseError:
            failing.append("a ledger of the classroom can't be read: see the log")
    try:
        async with asyncio.timeout(STORE_HEALTHY_WITHIN):
            unfinished, unsent = len(await store.unfinished()), len(await store.unacked())
    except (StoreUnavailable, TimeoutError):  # a restart would not bring it back, and would end the marker's Chromes
        return PartHealth(failing, [*degraded, "the classroom's store does not answer: see the log"], {})
    except StoreError:
        return PartHealth([*failing, "the classroom's store can't be read: see the log"], degraded, {})
    counts = {
        "sessions": unfinished,
        "sheets_not_in_lms": unsent,
        "loop_lags_ms": lateness.taken(),
        "lms_seconds": spread(sync.seconds) if sync is not None else {},
        "reply_seconds": {bot.setting: spread(bot.side.outbox.seconds) for bot in bots},
    }
    return PartHealth(failing, degraded, counts)
