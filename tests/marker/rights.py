"""The marker without a network, for many steps a second: real handlers and stores, nothing is sent.

Every handler is counted by who reached it; outgoing messages are kept, with their buttons.
"""

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr
from telegram import Update
from telegram.ext import ApplicationBuilder, BaseHandler, ContextTypes, ConversationHandler
from telegram.request import BaseRequest, RequestData

from core.encryption import Cipher
from core.settings import Settings
from core.sqlite import Database
from lessons.journal import Lessons
from marker.application import Marker
from marker.monitors.bridge import Bridge
from marker.monitors.password_check import SignInCheck
from marker.monitors.registry import MonitorRegistry
from marker.monitors.watch_state import WatchState
from marker.questions import STEPS
from marker.services import Services
from marker.tables.schema import SCHEMAS
from marker.tables.students import StudentRows, Watches
from monitor import AttendanceMonitor
from storage import Storage, Student
from telegram_app.attempts import Attempts
from telegram_app.claims import Claims
from telegram_app.factory import StoredSteps
from telegram_app.move_codes import MoveCodes
from telegram_app.outbox import Button, Item, Outbox
from telegram_app.people import People
from telegram_app.rate_limiter import PriorityRateLimiter
from tests.e2e.people import TOKEN
from tests.marker.running import KEY, FakeMonitor, FakeSignInCheck, SteppedClock
from tests.waiting import PATIENCE

AnyHandler = BaseHandler[Any, Any, Any]


class Offline(BaseRequest):
    """A Telegram that answers every call with success, and keeps what the taps are answered with."""

    def __init__(self) -> None:
        self.answers: dict[str, list[str]] = {}  # by tap

    @property
    def read_timeout(self) -> float | None:
        """No time passes."""
        return 1.0

    async def initialize(self) -> None:
        """Nothing to set up."""

    async def shutdown(self) -> None:
        """Nothing to close."""

    async def do_request(
        self, url: str, method: str, request_data: RequestData | None = None, *_timeouts: Any, **_more: Any
    ) -> tuple[int, bytes]:
        """Answer with success."""
        me = {"id": 1, "is_bot": True, "first_name": "Attendance", "username": "attendance_test_bot"}
        result: Any = me if url.endswith("getMe") else True
        if url.endswith("answerCallbackQuery") and request_data is not None:
            answer: dict[str, Any] = request_data.parameters
            self.answers.setdefault(answer["callback_query_id"], []).append(answer.get("text", ""))
        return 200, json.dumps({"ok": True, "result": result}).encode()


class Shown:
    """A fake outbox: keeps the messages, runs ``when`` in a transaction, sends nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.items: list[Item] = []

    async def put(self, *items: Item, when: Callable[[], bool] | None = None) -> bool:
        """Keep items, unless ``when`` returns False."""
        with self._database.transaction():
            if when is not None and not when():
                return False
        self.items += items
        return True

    async def delete(self, chat_id: int, message_id: int, within: float) -> bool | None:
        """Answer that the message is deleted."""
        return True

    async def fill(self, chat_id: int, slot: str, message_id: int) -> None:
        """Nothing to fill."""

    def wake(self, chat_id: int) -> None:
        """Nothing waits."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_arguments: 0


class House:
    """A running marker, with people's updates and their effects."""

    def __init__(self, folder: Path, admins: tuple[int, ...]) -> None:
        self.clock = SteppedClock()
        self.reached: Counter[tuple[str, bool]] = Counter()  # handler, by an admin
        self.failures: list[BaseException] = []
        self.monitors: dict[int, FakeMonitor] = {}
        self._numbers = itertools.count(1)
        self._runner = asyncio.Runner()
        self._runner.run(self._open(folder, admins))

    async def _open(self, folder: Path, admins: tuple[int, ...]) -> None:
        settings = Settings(
            telegram_bot_token=SecretStr(TOKEN),
            admin_telegram_id=admins,
            data_dir=folder,
        )
        self.storage = Storage(folder, Cipher(KEY), self.clock, random.Random(7).choice)  # the same codes in every walk
        self.database = Database(folder / "ledger.sqlite3", SCHEMAS)
        people, lessons = People(self.database, "marker"), Lessons(self.database)
        self.shown = Shown(self.database)
        self.bridge = Bridge(asyncio.get_running_loop())

        def make(student: Student, password: str, on_lesson: Any, on_status: Any) -> AttendanceMonitor:
            self.monitors[student.telegram_id] = FakeMonitor(student, password, on_lesson, on_status, lessons)
            return cast(AttendanceMonitor, self.monitors[student.telegram_id])

        watches = Watches(self.database)
        self.registry = MonitorRegistry(self.storage, make, self.bridge, 10, WatchState(watches, self.clock))
        self._telegram = Offline()
        self.application = (
            ApplicationBuilder()
            .token(TOKEN)
            .request(self._telegram)
            .get_updates_request(Offline())
            .updater(None)
            .rate_limiter(PriorityRateLimiter(per_second=100_000))
            .persistence(StoredSteps(people, STEPS))
            .build()
        )
        self.check = FakeSignInCheck()
        self.services = Services(
            username="attendance_test_bot",
            settings=settings,
            clock=self.clock,
            storage=self.storage,
            lessons=lessons,
            people=people,
            registry=self.registry,
            outbox=cast(Outbox, self.shown),
            watches=watches,
            claims=Claims(self.database, "marker"),
            attempts=Attempts(self.database, Cipher(KEY).digest),
            move_codes=MoveCodes(self.database),
            student_rows=StudentRows(self.database),
            sign_in_check=cast(SignInCheck, self.check),
            languages=people.languages(),
        )
        self.marker = self.make_marker(people)
        self.marker.add_to(self.application)
        self.application.add_error_handler(self._failed)
        self.all_handlers: set[str] = set()
        for group in self.application.handlers.values():
            for handler in group:
                self._count(handler)
        await self.application.initialize()
        await self.application.start()
        for _ in range(10):  # its own tasks make tasks of theirs
            await asyncio.sleep(0)
        self._lasting = asyncio.all_tasks() - {asyncio.current_task()}

    def make_marker(self, people: People) -> Marker:
        """Return the marker under test."""
        return Marker(self.services, people.unreachable())

    def end(self) -> None:
        """Stop the marker and close everything."""
        self._runner.run(self._end())
        self._runner.close()

    async def _end(self) -> None:
        await self.check.close()
        await self.registry.close()
        await self.bridge.close()
        await self.application.stop()
        await self.application.shutdown()
        self.database.close()

    # what people do

    def says(self, person: int, text: str, **more: Any) -> None:
        """Have somebody type."""
        entities: list[dict[str, Any]] = []
        if text.startswith("/"):
            entities = [{"type": "bot_command", "offset": 0, "length": len(text.split(maxsplit=1)[0])}]
        kind = more.pop("kind", "message")
        content: dict[str, Any] = {"text": text, "entities": entities} if text else {}
        self._hand_in({kind: self._message(person, **content, **more)})

    def taps(self, person: int, data: str) -> str:
        """Have somebody tap a button with this data, on a message from whenever; return the toast."""
        number = str(next(self._numbers))
        tap = {
            "id": number,
            "from": _user(person),
            "chat_instance": "1",
            "data": data,
            "message": self._message(1, text="a screen", chat=person),
        }
        self._hand_in({"callback_query": tap})
        (toast,) = self._telegram.answers.pop(number)  # a second answer would be refused
        return toast

    def settles(self) -> None:
        """Run the loop until the handlers' and monitors' tasks are done."""
        self._runner.run(self._settle())

    async def _settle(self) -> None:
        """Wait for other tasks, except a trial that is held back."""
        while True:
            await self.bridge.settled()
            others = asyncio.all_tasks() - self._lasting - {asyncio.current_task()}
            if not others:
                return
            await asyncio.wait(others, timeout=PATIENCE if self.check.answers.is_set() else 0.05)
            if not self.check.answers.is_set():
                return

    def runs(self, coroutine: Any) -> Any:
        """Run something on the loop."""
        return self._runner.run(coroutine)

    def _message(self, person: int, *, chat: int | None = None, chat_type: str = "private", **content: Any) -> Any:
        return {
            "message_id": next(self._numbers),
            "date": int(self.clock.now().timestamp()),
            "chat": {"id": chat or person, "type": chat_type, "first_name": "P", "title": "G"},
            "from": _user(person),
            **content,
        }

    def _hand_in(self, update: dict[str, Any]) -> None:
        async def handle() -> None:
            made = Update.de_json({"update_id": next(self._numbers), **update}, self.application.bot)
            self._actor = made.effective_user.id if made.effective_user else 0
            await self.application.process_update(made)

        self._runner.run(handle())
        self.settles()

    # what is counted

    def _count(self, handler: AnyHandler) -> None:
        """Put a counter around a handler's callback, or around those within a conversation."""
        if isinstance(handler, ConversationHandler):
            for inner in _within(handler):
                self._count(inner)
            return
        name, callback = _named(handler), handler.callback
        self.all_handlers.add(name)

        async def counting(update: Update, context: ContextTypes.DEFAULT_TYPE) -> Any:
            self.reached[name, self.services.is_admin(self._actor)] += 1
            return await callback(update, context)

        handler.callback = counting

    async def _failed(self, _update: object, context: ContextTypes.DEFAULT_TYPE) -> None:
        if context.error is not None:
            self.failures.append(context.error)

    def buttons(self) -> set[str]:
        """Return the data of every button that any screen has shown."""
        return {
            button.data
            for item in self.shown.items
            for row in item.buttons or []
            for button in row
            if isinstance(button, Button) and button.data
        }


def _within(handler: "ConversationHandler[Any]") -> list[AnyHandler]:
    inner = [*handler.entry_points, *handler.fallbacks]
    for state in handler.states.values():
        inner += state
    return inner


def _named(handler: AnyHandler) -> str:
    callback = getattr(handler.callback, "func", handler.callback)
    pattern = getattr(handler, "pattern", None)
    commands = getattr(handler, "commands", None)
    about = getattr(pattern, "pattern", None) or (" ".join(sorted(commands)) if commands else "")
    return f"{getattr(callback, '__qualname__', callback)} {about}".strip()


def _user(person: int) -> dict[str, Any]:
    return {"id": person, "is_bot": False, "first_name": f"P{person}", "language_code": "en"}
