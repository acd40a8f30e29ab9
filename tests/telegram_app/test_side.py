"""Side: what every bot does with an update, its taps, its language menu and its apologies."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from telegram import Update
from telegram.ext import Application, ApplicationBuilder, ApplicationHandlerStop, CallbackQueryHandler, TypeHandler
from telegram.request import BaseRequest, RequestData

from core.sqlite import Database, DatabaseUnavailable
from telegram_app.claims import Claims
from telegram_app.lines import toast
from telegram_app.outbox import Button, Item, Outbox
from telegram_app.people import People
from telegram_app.rate_limiter import PriorityRateLimiter
from telegram_app.schema import SCHEMA
from telegram_app.side import SCREEN, Side, below, sender, tapped, typed_text
from tests.waiting import PATIENCE

pytestmark = pytest.mark.unit

AIDA = 501


class FakeTelegram(BaseRequest):
    """Answers every call, and keeps it; refuses the methods in ``refuses``."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refuses: set[str] = set()
        self.on_answer: Callable[[], None] = lambda: None  # called when a tap is answered

    @property
    def read_timeout(self) -> float | None:
        return 1.0

    async def initialize(self) -> None:
        """Nothing to open."""

    async def shutdown(self) -> None:
        """Nothing to close."""

    async def do_request(
        self, url: str, method: str, request_data: RequestData | None = None, *_timeouts: Any, **_more: Any
    ) -> tuple[int, bytes]:
        name = url.rpartition("/")[2]
        if name == "getMe":
            me = {"id": 1, "is_bot": True, "first_name": "Bot", "username": "side_test_bot"}
            return 200, json.dumps({"ok": True, "result": me}).encode()
        self.calls.append((name, request_data.parameters if request_data is not None else {}))
        if name == "answerCallbackQuery":
            self.on_answer()
        if name in self.refuses:
            return 400, b'{"ok": false, "error_code": 400, "description": "Bad Request: query is too old"}'
        chat = {"id": AIDA, "type": "private"}
        sent = {"message_id": 1, "date": 0, "chat": chat}
        return 200, json.dumps({"ok": True, "result": sent if name == "sendMessage" else True}).encode()

    def texts(self, method: str) -> list[Any]:
        """Return the texts of one method's calls."""
        return [parameters.get("text") for name, parameters in self.calls if name == method]


class FakeOutbox:
    """Keeps the queued items and the slots; ``error``: what the database answers."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.slots: dict[str, int] = {}
        self.reachable: list[int] = []
        self.error: Exception | None = None

    async def put(self, *items: Item) -> bool:
        if self.error is not None:
            raise self.error
        self.items += items
        return True

    async def fill(self, chat_id: int, slot: str, message_id: int) -> None:
        assert chat_id == AIDA
        self.slots[slot] = message_id

    def wake(self, chat_id: int) -> None:
        self.reachable.append(chat_id)


class World:
    """A bot with nothing but its side, and updates handed to it."""

    def __init__(self) -> None:
        self.telegram, self.outbox = FakeTelegram(), FakeOutbox()
        database = Database(":memory:", [SCHEMA])
        self.people = People(database, "marker")
        self.side = Side(self.people, cast(Outbox, self.outbox), Claims(database, "marker"))
        self.handled: list[Update] = []
        self.shown_menus: list[int] = []
        self.application: Application[Any, Any, Any, Any, Any, Any] = (
            ApplicationBuilder()
            .token("1:test")
            .request(self.telegram)
            .get_updates_request(FakeTelegram())
            .updater(None)
            .rate_limiter(PriorityRateLimiter())
            .build()
        )
        self.application.add_handler(self.side.seeing(), group=-1)
        self.application.add_handlers(self.side.language_handlers(self._show_menu))
        self.application.add_handler(CallbackQueryHandler(self.side.old_button, pattern="^old$"))
        self.application.add_handler(TypeHandler(Update, self._handle))
        self.application.add_error_handler(self.side.apologise)

    async def _show_menu(self, person: int) -> None:
        self.shown_menus.append(person)

    async def _handle(self, update: Update, _context: Any) -> None:
        self.handled.append(update)
        if typed_text(update) == "fail":
            raise KeyError("of ours")

    def update(self, **content: Any) -> Update:
        return Update.de_json({"update_id": 1, **content}, self.application.bot)

    async def says(self, text: str, chat: str = "private", language: str = "en") -> None:
        await self.application.process_update(self.update(message=_message(text, chat, language)))

    async def taps(self, data: str) -> None:
        await self.application.process_update(self.update(callback_query=_tap(data)))


def _user(language: str = "en") -> dict[str, Any]:
    return {"id": AIDA, "is_bot": False, "first_name": "Aida", "language_code": language}


def _message(text: str, chat: str = "private", language: str = "en", number: int = 1) -> dict[str, Any]:
    command = [{"type": "bot_command", "offset": 0, "length": len(text)}] if text.startswith("/") else []
    return {
        "message_id": number,
        "date": 0,
        "chat": {"id": AIDA, "type": chat, "first_name": "Aida", "title": "A"},
        "from": _user(language),
        "text": text,
        "entities": command,
    }


def _tap(data: str) -> dict[str, Any]:
    return {"id": "1", "from": _user(), "chat_instance": "1", "data": data, "message": _message("a screen", number=77)}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.application.initialize()
    yield world
    await world.application.shutdown()


class TestSee:
    """The handler that sees each update first."""

    async def test_language(self, world: World) -> None:
        """The language of the person's app is stored at the first update, and not changed by a later one."""
        await world.says("hello", language="kk-KZ")
        await world.says("hello", language="ru")
        assert world.side.texts(AIDA).language == "kk"
        assert world.people.languages() == {AIDA: "kk"}
        assert len(world.handled) == 2
        assert world.outbox.reachable == [AIDA, AIDA]

    @pytest.mark.parametrize("chat", ["group", "supergroup", "channel"])
    async def test_other_chats(self, world: World, chat: str) -> None:
        """Nothing from a chat of several people reaches a handler."""
        await world.says("hello", chat=chat)
        assert world.handled == []
        assert world.people.languages() == {}

    async def test_membership(self, world: World) -> None:
        """A change of membership stops here, and does not make the person reachable."""
        member = {"user": {"id": 1, "is_bot": True, "first_name": "Bot"}, "status": "kicked", "until_date": 0}
        change = {
            "chat": {"id": AIDA, "type": "private", "first_name": "Aida"},
            "from": _user(),
            "date": 0,
            "old_chat_member": member,
            "new_chat_member": member,
        }
        await world.application.process_update(world.update(my_chat_member=change))
        assert (world.handled, world.outbox.reachable) == ([], [])

    async def test_nobody(self, world: World) -> None:
        """An update without a sender is stopped."""
        with pytest.raises(ApplicationHandlerStop):
            await world.side.see(world.update())


class TestTaps:
    """Answers to taps."""

    async def test_answer(self, world: World) -> None:
        """A tap is answered with the given text, and its query is returned."""
        query = await tapped(world.update(callback_query=_tap("go")), "Done.")
        assert query.data == "go"
        assert world.telegram.texts("answerCallbackQuery") == ["Done."]

    async def test_refused_answer(self, world: World) -> None:
        """The button works although Telegram refuses the answer, as it does for an old tap."""
        world.telegram.refuses = {"answerCallbackQuery"}
        assert await world.side.screen_tapped(world.update(callback_query=_tap("go")), "Done.") == AIDA
        assert world.outbox.slots == {SCREEN: 77}

    async def test_quick_work(self, world: World) -> None:
        """A tap is answered with what its work returns, once this is done; an empty text is none."""
        done: list[str] = []

        async def work(answer: str) -> str:
            assert world.telegram.texts("answerCallbackQuery")[len(done) :] == []
            done.append(answer)
            return answer

        for answer in ("Done.", ""):
            await world.side.answered(world.update(callback_query=_tap("go")), work(answer))
        assert world.telegram.texts("answerCallbackQuery") == ["Done.", None]

    async def test_slow_work(self, world: World) -> None:
        """Work that takes long goes on after the tap is answered, and is waited for; its result is on the screen."""
        goes_on = asyncio.Event()

        async def work() -> str:
            await goes_on.wait()
            return "Done."

        world.telegram.on_answer = goes_on.set
        await world.side.answered(world.update(callback_query=_tap("go")), work())
        assert world.telegram.texts("answerCallbackQuery") == ["One moment..."]

    async def test_failing_work(self, world: World) -> None:
        """Work that fails is answered by the apology, once."""

        async def fail(update: Update, _context: Any) -> None:
            async def work() -> str:
                raise KeyError("of ours")

            await world.side.answered(update, work())

        world.application.add_handler(CallbackQueryHandler(fail), group=1)
        await world.taps("go")
        assert world.telegram.texts("answerCallbackQuery") == ["Something went wrong on our side."]

    @pytest.mark.parametrize("while_answering", [False, True])
    async def test_cancelled(self, while_answering: bool, world: World) -> None:
        """Work ends with its handler, which a stop cancels: before the early answer, or during it."""
        begun, ended = asyncio.Event(), asyncio.Event()

        async def work() -> str:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            return "Done."

        handling = asyncio.create_task(world.side.answered(world.update(callback_query=_tap("go")), work()))
        await begun.wait()

        def cancel() -> None:
            handling.cancel()

        if while_answering:
            world.telegram.on_answer = cancel
        else:
            cancel()
        with pytest.raises(asyncio.CancelledError):
            await handling
        async with asyncio.timeout(PATIENCE):
            await ended.wait()

    async def test_failure_after_the_early_answer(self, world: World) -> None:
        """Work that fails after the early answer is apologised for in a message."""
        goes_on = asyncio.Event()

        async def fail(update: Update, _context: Any) -> None:
            async def work() -> str:
                await goes_on.wait()
                raise KeyError("of ours")

            await world.side.answered(update, work())

        world.telegram.on_answer = goes_on.set
        world.application.add_handler(CallbackQueryHandler(fail), group=1)
        await world.taps("go")
        assert world.telegram.texts("answerCallbackQuery")[0] == "One moment..."
        assert [item.text for item in world.outbox.items] == [
            "Something went wrong on our side. Please try again.",
        ]

    async def test_old_button(self, world: World) -> None:
        """An old button is answered in the person's language; the screen stays what it was."""
        await world.side.choose_language(AIDA, "ru")
        await world.taps("old")
        assert world.telegram.texts("answerCallbackQuery") == [
            world.side.texts(AIDA)("This button is no longer in use.")
        ]
        assert world.outbox.slots == {}

    async def test_no_tap(self, world: World) -> None:
        """An update of another kind is an error of ours."""
        with pytest.raises(ValueError, match="without a tap"):
            await tapped(world.update(message=_message("hello")))
        with pytest.raises(ValueError, match="without a sender"):
            sender(world.update())


class TestLanguageMenu:
    """/language and its buttons."""

    async def test_menu(self, world: World) -> None:
        """/language shows every language and a way back below the text, and takes the buttons off the screen before."""
        await world.says("/language")
        rows = [[Button("English", "lang:en")], [Button("Русский", "lang:ru")], [Button("Қазақша", "lang:kk")]]
        assert world.outbox.items == below(AIDA, "Choose your language.", [*rows, [Button("Back", "menu")]])
        assert [item.action for item in world.outbox.items] == ["strip", "send"]

    async def test_choice(self, world: World) -> None:
        """A choice is stored before the menu is shown again in the tapped message."""
        await world.taps("lang:ru")
        assert world.people.languages() == {AIDA: "ru"}
        assert world.side.texts(AIDA).language == "ru"
        assert (world.shown_menus, world.outbox.slots) == ([AIDA], {SCREEN: 77})

    async def test_unknown_language(self, world: World) -> None:
        """A language that there is no button for is no choice."""
        await world.taps("lang:de")
        assert (world.people.languages(), world.shown_menus) == ({AIDA: "en"}, [])

    async def test_forget(self, world: World) -> None:
        """Nothing is left of a person after they are forgotten."""
        await world.side.choose_language(AIDA, "ru")
        await world.side.forget(AIDA)
        assert (world.people.languages(), world.side.languages) == ({}, {})


class TestStep:
    """The step of a conversation."""

    @pytest.mark.parametrize(("name", "expected"), [("code", "code"), ("", None)])
    async def test_step(self, world: World, name: str, expected: str | None) -> None:
        """An empty step is none."""
        at = datetime(2026, 9, 1, tzinfo=UTC)
        await asyncio.to_thread(world.people.set_step, AIDA, name, {}, at)
        step = await world.side.step(AIDA)
        assert (step and step.name) == expected


class TestApology:
    """The answer after an unforeseen error."""

    async def test_apology(self, world: World) -> None:
        """The apology is queued behind what the person was sent before."""
        await world.says("fail")
        assert world.outbox.items == [Item(AIDA, "send", "Something went wrong on our side. Please try again.")]
        assert world.telegram.calls == []

    async def test_own_words(self, world: World) -> None:
        """A bot may give its own text, from the person and the error."""
        world.side.apology = lambda _, person, error: _("Back") + f" {person} {type(error).__name__}"
        await world.says("fail")
        assert [item.text for item in world.outbox.items] == [f"Back {AIDA} KeyError"]

    @pytest.mark.parametrize("error", [DatabaseUnavailable("disk full"), sqlite3.DatabaseError("malformed")])
    async def test_broken_database(self, world: World, error: Exception) -> None:
        """Where nothing can be queued, the apology is sent directly."""
        world.outbox.error = error
        await world.says("fail")
        assert world.telegram.texts("sendMessage") == ["Something went wrong on our side. Please try again."]

    async def test_no_way_to_send(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        """An apology that can't be sent either is only logged."""
        world.outbox.error, world.telegram.refuses = DatabaseUnavailable("disk full"), {"sendMessage"}
        with caplog.at_level("INFO", "telegram_app.side"):
            await world.says("fail")
        assert f"person {AIDA}: not told of the failure (BadRequest)" in caplog.text

    async def test_nobody(self, world: World) -> None:
        """An error without a person, such as a failed poll, is no reason for an apology."""
        await world.side.apologise(None, cast(Any, SimpleNamespace(error=KeyError(), bot=world.application.bot)))
        assert world.outbox.items == []


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<b>Revoke</b> this code? Nobody will be able to.", "Revoke this code?"),
        ("Invitation code: <code>A3KX9M7P</code>\nIt works once.", "Invitation code: A3KX9M7P"),
        ("Send a login such as a.student, or your e-mail.", "Send a login such as a.student, or your e-mail."),
        ("AT&amp;T &lt;x&gt; is removed.", "AT&T <x> is removed."),
        ("x" * 300, "x" * 199 + "\u2026"),
    ],
)
def test_toast(text: str, answer: str) -> None:
    """A tap is answered with the first sentence of the screen that it leads to, without HTML, in 200 characters."""
    assert toast(text) == answer


def test_typed_text() -> None:
    """A message without a text is an empty one."""
    world = World()
    assert typed_text(world.update(message=_message(" 48 "))) == " 48 "
    assert typed_text(world.update()) == ""
