"""Fakes of the clock, the event loop, the portal, Telegram and a failing disk: plain classes that tests pass in."""

import asyncio
import heapq
import itertools
import math
import os
import selectors
import stat
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from telegram import InlineKeyboardMarkup, InputFile, InputMediaDocument, InputMediaPhoto
from telegram.error import BadRequest
from telegram.ext import ExtBot

from core.sqlite import Database
from lessons.journal import SCHEMA, LessonRow, Lessons
from lessons.schedule import Commands
from portal.errors import PageChanged
from portal.lessons import Click, Lesson
from portal.limits import Pause
from portal.session import OpenPortal
from portal.views import Card, Reading, View

# --- time


class FakeClock:
    """Wall clock and monotonic clock; they move only by ``advance``. They begin on a Monday at 09:00 in Almaty."""

    def __init__(self, begin: datetime = datetime(2026, 9, 7, 4, 0, tzinfo=UTC)) -> None:
        self._begin = begin
        self._microseconds = 0  # whole ones, so that the smallest pause still moves the clock

    def now(self) -> datetime:
        return self._begin + timedelta(microseconds=self._microseconds)

    def monotonic(self) -> float:
        return 1000.0 + self.passed

    @property
    def passed(self) -> float:
        """Seconds since the beginning."""
        return self._microseconds / 1e6

    def advance(self, seconds: float) -> None:
        if seconds > 0:
            self._microseconds += max(1, math.ceil(round(seconds * 1e6, 3)))


class MovedTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is a FakeClock: instead of waiting it moves the clock.

    Work for other threads runs at once on the loop's thread, so that nothing happens while the clock moves.
    """

    def __init__(self) -> None:
        self.clock = FakeClock()
        super().__init__(_MovingSelector(self.clock))
        self.set_default_executor(_AtOnce())

    def time(self) -> float:
        return self.clock.monotonic()

    def call_at(self, when: float, *arguments: Any, **options: Any) -> asyncio.TimerHandle:  # type: ignore[override]
        """Let the shortest pause move the clock: one of 1e-13 s, left by rounding, would begin again for ever."""
        return super().call_at(max(when, self.time() + 1e-6), *arguments, **options)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Do nothing: there are no threads."""


class _MovingSelector(selectors.SelectSelector):
    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout is not None else None)
        if not ready and timeout is not None:
            self._clock.advance(timeout)
        return ready


class _AtOnce(ThreadPoolExecutor):
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  # raised where it is awaited
            future.set_exception(error)
        return future


def moved_time() -> FakeClock:
    """Return the clock of the running MovedTimeLoop."""
    return cast(MovedTimeLoop, asyncio.get_running_loop()).clock


class ScriptedCommands(Commands):
    """A monitor's queue that moves a FakeClock instead of waiting, and runs actions at given times."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock
        self._waiting: deque[Callable[[], None]] = deque()
        self._script: list[tuple[float, int, Callable[[], object]]] = []
        self._count = itertools.count()
        self.pauses: list[float] = []  # the requested length of each wait

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """Run an action so many seconds after the clock's beginning."""
        heapq.heappush(self._script, (seconds, next(self._count), action))

    def put(self, command: Callable[[], None]) -> None:
        self._waiting.append(command)

    def next(self, within: float) -> Callable[[], None] | None:
        self.pauses.append(within)
        until = self._clock.passed + max(within, 0)
        while not self._waiting and self._script and self._script[0][0] <= until:
            when, _, action = heapq.heappop(self._script)
            self._clock.advance(when - self._clock.passed)
            action()
        if self._waiting:
            return self._waiting.popleft()
        self._clock.advance(until - self._clock.passed)
        return None


# --- the portal

ALGORITHMS = Lesson("Algorithms", "A. Teacher", "Л27 (15:00 - 16:00)", minutes_left=12)
PHYSICS = Lesson("Physics", "B. Teacher", "П3 (15:00 - 16:00)", minutes_left=12)
LOGIN = Reading(View.LOGIN)
NOTHING = Reading(View.NOTHING)


def shows(*lessons: Lesson, marked: tuple[Lesson, ...] = ()) -> Reading:
    """Return the attendance view with the cards of open and of marked lessons."""
    cards = (*(_card(each, True) for each in lessons), *(_card(each, False) for each in marked))
    return Reading(View.OPEN if lessons else View.MARKED, cards=cards)


def _card(lesson: Lesson, enabled: bool) -> Card:
    caption = "Отметиться" if enabled else "Отмечен"
    return Card(lesson, enabled, caption, (lesson.subject, lesson.teacher, lesson.time))


@dataclass(frozen=True)
class LostOutcome:
    """A click that the portal accepts, whose result is lost on the way to the monitor."""

    error: Exception


class FakePortal:
    """A ``portal.session.PortalClient`` that shows what a test sets and records the calls.

    One object stands for every browser that a monitor opens. A test sets ``page``, or scripts the results of the next
    loads, sign-ins and clicks; without a script they succeed. An exception in a script is raised.
    """

    def __init__(self, clock: FakeClock, notes: list[str] | None = None) -> None:
        self._clock = clock
        self.page: Reading | Exception = NOTHING
        self.notes: list[str] = [] if notes is None else notes
        self.opens: deque[Exception] = deque()
        self.loads: deque[Reading | Exception] = deque()
        self.sign_ins: deque[Reading | Exception] = deque()
        self.clicks: deque[bool | str | Exception | LostOutcome] = deque()  # a text: refused with these words
        self.looks: deque[Exception] = deque()  # errors of ``changed``
        # the answers of ``unchanged``; after them it returns None
        self.same: deque[bool | None] = deque()
        self.asks_for = 0.0  # seconds that ``unchanged`` takes, through the monitor's pause
        self.waits: list[float] = []  # the waits that ``changed`` was asked for
        self.loaded_at: list[float] = []
        self.opened_at: list[float] = []
        self.profiles: list[str] = []
        self.credentials: list[tuple[str, str]] = []
        self.closes = True  # whether windows can be closed
        self.below: Reading | None = None  # the page below a window
        self.click_takes = 0.0  # seconds, through the monitor's pause
        self.end_fails: Exception | None = None
        self._pause: Pause | None = None
        self._changed = False

    def open(self, profile: str, pause: Pause) -> "FakePortal":
        """Open the portal for a profile: an ``OpenPortal``."""
        self.opened_at.append(self._clock.passed)
        self.profiles.append(profile)
        self._note("open")
        if self.opens:
            raise self.opens.popleft().with_traceback(None)
        self._pause = pause
        return self

    @property
    def opener(self) -> OpenPortal:
        return self.open

    def show(self, page: Reading | Exception) -> None:
        """Change the page without a reload."""
        self.page = page
        self._changed = True

    def count(self, note: str) -> int:
        return self.notes.count(note)

    def unchanged(self) -> bool | None:
        if not self.same:
            return None
        self._note("ask")
        if self._pause is not None and self.asks_for:
            self._pause(self.asks_for)
        return self.same.popleft()

    def load(self, address: str) -> None:
        if address == "about:blank":
            return self._note("leave page")
        self.loaded_at.append(self._clock.passed)
        self._note("load")
        self._changed = False
        if self.loads:
            self.page = self.loads.popleft()
        return None

    def settle(self) -> Reading:
        self._changed = False
        if isinstance(self.page, Exception):
            raise self.page.with_traceback(None)
        return self.page

    def changed(self, within: float = 0.0) -> bool:
        """Wait through the monitor's pause, so that scripted actions run meanwhile."""
        self.waits.append(within)
        left = within
        while not self._changed and self._pause is not None and left > 0:
            self._pause(min(0.25, left))
            left -= 0.25
        if self.looks:
            raise self.looks.popleft().with_traceback(None)
        return self._changed

    def sign_in(self, username: str, password: str) -> Reading:
        self.credentials.append((username, password))
        self._note("sign in")
        self.page = self.sign_ins.popleft() if self.sign_ins else NOTHING
        return self.settle()

    def mark(self, lesson: Lesson) -> Click:
        self._note(f"click {lesson.subject}")
        if self._pause is not None and self.click_takes:
            self._pause(self.click_takes)
        outcome = self.clicks.popleft() if self.clicks else True
        if isinstance(outcome, Exception):
            raise outcome.with_traceback(None)
        if isinstance(outcome, str):
            return Click(False, outcome)
        if outcome:
            self._mark(lesson)
        if isinstance(outcome, LostOutcome):
            raise outcome.error.with_traceback(None)
        return Click(outcome)

    def close_window(self) -> bool:
        """Close the window on the page, if it can be closed."""
        self._note("close window")
        if self.below is not None:
            self.page = self.below
        return self.closes

    def evidence(self) -> tuple[str, bytes | None, str]:
        """Return a kind, a screenshot, a source."""
        return "kind-of-page", b"a picture", "<html>"

    def leave(self) -> None:
        """Record that the session was ended."""
        self._note("leave")

    def end(self) -> None:
        self._note("end")
        if self.end_fails is not None:
            raise self.end_fails

    def kill(self) -> None:
        self._note("kill")

    def _mark(self, lesson: Lesson) -> None:
        if isinstance(self.page, Exception) or self.page.card(lesson) is None:
            raise PageChanged("the lesson's button is not there any more")
        chosen = self.page.card(lesson)
        cards = tuple(_card(each.lesson, each.enabled and each != chosen) for each in self.page.cards)
        view = View.OPEN if any(card.enabled for card in cards) else View.MARKED
        self.page = replace(self.page, view=view, cards=cards)

    def _note(self, what: str) -> None:
        self.notes.append(what)


class RecordingJournal(Lessons):
    """A journal that records the order of intents and confirmations."""

    def __init__(self, notes: list[str], lessons: Lessons | None = None) -> None:
        self._lessons = lessons or Lessons(Database(":memory:", [SCHEMA]))
        self._notes = notes

    def seen(
        self, key: str, student: int, local_date: str, subject: str, teacher: str, time: str, at: datetime, nth: int = 1
    ) -> LessonRow:
        return self._lessons.seen(key, student, local_date, subject, teacher, time, at, nth)

    def recent(self, student: int, since: str) -> list[LessonRow]:
        return self._lessons.recent(student, since)

    def end_round(self, key: str, at: datetime, why: str | None = None) -> bool:
        return self._lessons.end_round(key, at, why)

    def get(self, key: str) -> LessonRow | None:
        return self._lessons.get(key)

    def intend(self, key: str, at: datetime) -> None:
        self._lessons.intend(key, at)
        self._note("intend", key)

    def refused(self, key: str, words: str) -> None:
        self._lessons.refused(key, words)

    def confirm(self, key: str, at: datetime) -> bool:
        first = self._lessons.confirm(key, at)
        if first:
            self._note("confirm", key)
        return first

    def _note(self, what: str, key: str) -> None:
        row = self._lessons.get(key)
        self._notes.append(f"{what} {row.subject if row else key}")


# --- Telegram


@dataclass
class Message:
    """A message in a chat."""

    message_id: int
    text: str
    buttons: tuple[tuple[str, ...], ...] = ()
    photo: bytes | None = None
    document: str = ""  # the file's name
    quiet: bool | None = None


@dataclass(frozen=True)
class PhotoSize:
    """Telegram's identifier of a picture."""

    file_id: str


@dataclass(frozen=True)
class SentPhoto:
    """Telegram's answer to a sent picture."""

    message_id: int
    photo: tuple[PhotoSize, ...]


@dataclass(frozen=True)
class Call:
    """One call of the Bot API, with its time in seconds."""

    at: float
    method: str
    chat_id: int
    about: str | int  # the text, or the message's number


class FakeBot:
    """The Bot API that the outbox uses, with the messages in each chat."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.calls: list[Call] = []
        self.chats: dict[int, list[Message]] = {}
        self.undeletable: set[int] = set()
        self.pictures: dict[str, bytes] = {}  # on Telegram's servers, by file_id
        self.uploads = 0
        self.takes = 0.0  # seconds that a call takes
        self._refusals: deque[Exception] = deque()
        self._lost_answers: deque[Exception] = deque()
        self._numbers = itertools.count(1)

    @property
    def as_bot(self) -> ExtBot[Any]:
        return cast(ExtBot[Any], self)

    def refuse(self, *errors: Exception) -> None:
        """Answer the next calls with these errors, one each, without effect."""
        self._refusals.extend(errors)

    def lose_answer(self, error: Exception) -> None:
        """Execute the next call, but lose its answer."""
        self._lost_answers.append(error)

    def texts(self, chat_id: int) -> list[str]:
        return [message.text for message in self.chats.get(chat_id, [])]

    def times(self, chat_id: int, method: str = "send") -> list[float]:
        """Return the times at which a method was called for a chat."""
        return [call.at for call in self.calls if call.method == method and call.chat_id == chat_id]

    def forget(self, chat_id: int) -> None:
        """Clear a chat."""
        self.chats[chat_id] = []

    async def send_message(
        self,
        chat_id: int,
        text: str,
        *,
        reply_markup: InlineKeyboardMarkup | None = None,
        disable_notification: bool | None = None,
        **_style: Any,
    ) -> Message:
        await self._answer("send", chat_id, text)
        message = Message(next(self._numbers), text, _buttons(reply_markup), quiet=disable_notification)
        self.chats.setdefault(chat_id, []).append(message)
        self._maybe_lose()
        return message

    async def set_message_reaction(self, chat_id: int, _message_id: int, emoji: str, **_style: Any) -> None:
        await self._answer("react", chat_id, emoji)
        self._maybe_lose()

    async def send_photo(
        self,
        chat_id: int,
        photo: bytes | str,
        *,
        caption: str,
        reply_markup: InlineKeyboardMarkup | None = None,
        **_style: Any,
    ) -> SentPhoto:
        await self._answer("photo", chat_id, caption)
        if isinstance(photo, str):
            if photo not in self.pictures:
                raise BadRequest("Wrong file identifier/http url specified")
            file_id, content = photo, self.pictures[photo]
        else:
            self.uploads += 1
            file_id, content = f"file {self.uploads}", photo
            self.pictures[file_id] = content
        message = Message(next(self._numbers), caption, _buttons(reply_markup), content)
        self.chats.setdefault(chat_id, []).append(message)
        self._maybe_lose()
        return SentPhoto(message.message_id, (PhotoSize("small"), PhotoSize(file_id)))

    async def send_media_group(
        self, chat_id: int, media: list[InputMediaDocument], *, disable_notification: bool | None = None, **_style: Any
    ) -> list[Message]:
        await self._answer("album", chat_id, media[-1].caption or "")
        assert 2 <= len(media) <= 10
        album = [
            Message(next(self._numbers), each.caption or "", document=_name(each), quiet=disable_notification)
            for each in media
        ]
        self.chats.setdefault(chat_id, []).extend(album)
        self._maybe_lose()
        return album

    async def send_document(
        self, chat_id: int, document: InputFile, *, caption: str | None = None, **_style: Any
    ) -> Message:
        await self._answer("document", chat_id, caption or "")
        message = Message(next(self._numbers), caption or "", document=document.filename)
        self.chats.setdefault(chat_id, []).append(message)
        self._maybe_lose()
        return message

    async def edit_message_caption(
        self,
        chat_id: int,
        message_id: int,
        *,
        caption: str,
        reply_markup: InlineKeyboardMarkup | None = None,
        **_style: Any,
    ) -> Message:
        await self._answer("caption", chat_id, caption)
        message = self._find(chat_id, message_id, "Message to edit not found")
        if message.photo is None:
            raise BadRequest("There is no caption in the message to edit")
        return self._change(message, caption, reply_markup)

    async def edit_message_text(
        self,
        text: str,
        chat_id: int,
        message_id: int,
        *,
        reply_markup: InlineKeyboardMarkup | None = None,
        **_style: Any,
    ) -> Message:
        await self._answer("edit", chat_id, text)
        message = self._find(chat_id, message_id, "Message to edit not found")
        if message.photo is not None:
            raise BadRequest("There is no text in the message to edit")
        return self._change(message, text, reply_markup)

    def _change(self, message: Message, text: str, reply_markup: InlineKeyboardMarkup | None) -> Message:
        if (message.text, message.buttons) == (text, _buttons(reply_markup)):
            raise BadRequest("Message is not modified: specified new message content and reply markup are the same")
        message.text, message.buttons = text, _buttons(reply_markup)
        self._maybe_lose()
        return message

    async def edit_message_media(
        self,
        media: InputMediaPhoto,
        chat_id: int,
        message_id: int,
        *,
        reply_markup: InlineKeyboardMarkup | None = None,
        **_style: Any,
    ) -> Message:
        assert isinstance(media.media, InputFile)
        content, text = media.media.input_file_content, media.caption or ""
        assert isinstance(content, bytes)
        await self._answer("edit", chat_id, text)
        message = self._find(chat_id, message_id, "Message to edit not found")
        message.text, message.buttons, message.photo = text, _buttons(reply_markup), content
        self._maybe_lose()
        return message

    async def edit_message_reply_markup(
        self, chat_id: int, message_id: int, *, reply_markup: InlineKeyboardMarkup | None = None, **_style: Any
    ) -> Message:
        await self._answer("strip", chat_id, message_id)
        message = self._find(chat_id, message_id, "Message to edit not found")
        if message.buttons == _buttons(reply_markup):
            raise BadRequest("Message is not modified: specified new message content and reply markup are the same")
        message.buttons = _buttons(reply_markup)
        self._maybe_lose()
        return message

    async def delete_message(self, chat_id: int, message_id: int, **_style: Any) -> bool:
        await self._answer("delete", chat_id, message_id)
        if message_id in self.undeletable:
            raise BadRequest("Message can't be deleted for everyone")
        self.chats[chat_id].remove(self._find(chat_id, message_id, "Message to delete not found"))
        self._maybe_lose()
        return True

    async def _answer(self, method: str, chat_id: int, about: str | int) -> None:
        self.calls.append(Call(self._clock.passed, method, chat_id, about))
        if self.takes:
            await asyncio.sleep(self.takes)  # in moved time
        if self._refusals:
            raise self._refusals.popleft().with_traceback(None)

    def _maybe_lose(self) -> None:
        if self._lost_answers:
            raise self._lost_answers.popleft()

    def _find(self, chat_id: int, message_id: int, otherwise: str) -> Message:
        for message in self.chats.get(chat_id, []):
            if message.message_id == message_id:
                return message
        raise BadRequest(otherwise)


def _name(media: InputMediaDocument) -> str:
    assert isinstance(media.media, InputFile)
    return media.media.filename


def _buttons(markup: InlineKeyboardMarkup | None) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(button.text for button in row) for row in markup.inline_keyboard) if markup else ()


# --- a disk


class PowerCut(BaseException):
    """The process ends here; nothing may catch this."""


class Disk:
    """Records the system calls that write a file to the disk, and fails the one with a given number.

    Replaces functions of the standard library's ``os`` during a test.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[str] = []
        self._fail_at: int | None = None
        self._failure: BaseException = PowerCut()
        self._real_fdopen = os.fdopen
        monkeypatch.setattr(os, "fsync", self._fsync)
        monkeypatch.setattr(os, "fdopen", self._fdopen)
        for name in ("replace", "rename"):
            monkeypatch.setattr(os, name, self._moving(getattr(os, name)))

    def fail(self, failure: BaseException, at: int) -> None:
        """Raise this in the step with this number from now on (0 is the next one)."""
        self.steps.clear()
        self._fail_at, self._failure = at, failure

    def heal(self) -> None:
        self._fail_at = None

    def step(self, what: str) -> None:
        self.steps.append(what)
        if self._fail_at is None:
            return
        if len(self.steps) - 1 == self._fail_at:
            raise self._failure
        if len(self.steps) - 1 > self._fail_at and isinstance(self._failure, PowerCut):
            raise self._failure  # the process has ended

    def _fsync(self, descriptor: int) -> None:
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        self.step("sync folder" if folder else "sync file")
        # no real fsync: it is slow, and a test can't see the difference

    def _fdopen(self, descriptor: int, *args: Any, **kwargs: Any) -> "_File":
        return _File(self._real_fdopen(descriptor, *args, **kwargs), self)

    def _moving(self, move: Callable[..., None]) -> Callable[..., None]:
        def moving(source: Any, target: Any, **kwargs: Any) -> None:
            self.step(f"rename to {os.path.basename(target)}")  # noqa: PTH119  # `os` passes a path or a string
            move(source, target, **kwargs)

        return moving


class _File:
    """A file of which half is written when its step fails."""

    def __init__(self, file: Any, disk: Disk) -> None:
        self._file, self._disk = file, disk

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_raised: object) -> None:
        self._file.close()

    def write(self, content: Any) -> None:
        try:
            self._disk.step("write")
        except BaseException:
            self._file.write(content[: len(content) // 2])
            raise
        self._file.write(content)

    def flush(self) -> None:
        self._file.flush()

    def fileno(self) -> int:
        descriptor: int = self._file.fileno()
        return descriptor
