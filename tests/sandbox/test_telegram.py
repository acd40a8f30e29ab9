"""The Telegram simulator follows the Bot API's rules: over plain HTTP, and with python-telegram-bot."""

import asyncio
import base64
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from telegram import (
    Bot,
    BotCommand,
    BotCommandScopeChat,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaAudio,
    InputMediaDocument,
    InputMediaPhoto,
    InputMediaVideo,
    KeyboardButton,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
)
from telegram.error import BadRequest, Conflict, Forbidden, NetworkError, RetryAfter
from telegram.request import HTTPXRequest

from sandbox.signal import Clock, Signal
from sandbox.telegram.server import TelegramSimulator
from tests.waiting import PATIENCE

pytestmark = pytest.mark.integration


MARKER = "111111:" + "A" * 35
STUDENT = "222222:" + "B" * 35
AIDA = 501
JPEG = b"\xff\xd8\xff\xe0 not much of a picture"
NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)
TOO_OLD = "Bad Request: query is too old and response timeout expired or query ID is invalid"
Json = dict[str, Any]


@dataclass
class FakeTime:
    """A clock that only tests advance."""

    passed: float = 0.0

    def clock(self) -> Clock:
        begin = datetime(2026, 9, 1, 9, 0, tzinfo=UTC)
        return Clock(lambda: begin + timedelta(seconds=self.passed), lambda: 1000.0 + self.passed)


@dataclass
class Driver:
    """HTTP calls of the Bot API and of the control API."""

    url: str
    http: aiohttp.ClientSession
    time: FakeTime
    token: str = MARKER

    async def call(self, method: str, token: str | None = None, **arguments: Any) -> Json:
        """Call the Bot API with a JSON body; returns the whole answer."""
        async with self.http.post(f"{self.url}/bot{token or self.token}/{method}", json=arguments) as response:
            answer: Json = await response.json()
            assert response.status == (200 if answer["ok"] else answer["error_code"])
            return answer

    async def do(self, method: str, token: str | None = None, **arguments: Any) -> Any:
        """Call the Bot API and expect a result."""
        answer = await self.call(method, token, **arguments)
        assert answer["ok"], answer
        return answer["result"]

    async def refusal(self, method: str, token: str | None = None, **arguments: Any) -> str:
        """Call the Bot API and expect an error; returns its description."""
        answer = await self.call(method, token, **arguments)
        assert not answer["ok"], answer
        return str(answer["description"])

    async def control(self, path: str, expect: int = 200, **body: Any) -> Any:
        """POST to the control API."""
        async with self.http.post(f"{self.url}/control/{path}", json=body) as response:
            answer = await response.json()
            assert response.status == expect, answer
            return answer

    async def look(self, path: str, **query: Any) -> Any:
        """GET from the control API."""
        async with self.http.get(f"{self.url}/control/{path}", params=query) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def says(self, text: str, bot: str = "marker", person: int = AIDA) -> int:
        """Send a text as the person; returns the message's id."""
        answer = await self.control("send", bot=bot, person=person, text=text)
        return int(answer["message_id"])

    async def screen(self, bot: str = "marker", person: int = AIDA, **query: Any) -> Any:
        """The person's chat with a bot."""
        return await self.look("chat", bot=bot, person=person, **query)

    async def updates(self, token: str | None = None, **arguments: Any) -> list[Json]:
        """The waiting updates of a bot."""
        return list(await self.do("getUpdates", token, **arguments))


@pytest.fixture(autouse=True)
def _periods_as_timedelta(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let python-telegram-bot 22 use timedelta in `retry_after`; otherwise it warns."""
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
async def simulator(time: FakeTime) -> TelegramSimulator:
    return TelegramSimulator(time.clock())


@pytest.fixture
async def telegram(simulator: TelegramSimulator, time: FakeTime) -> AsyncIterator[Driver]:
    """Two bots, one person, no rate limits."""
    async with simulator.serving() as url, aiohttp.ClientSession() as http:
        driver = Driver(url, http, time)
        await driver.control("bots", token=MARKER, username="marker", name="Marker")
        await driver.control("bots", token=STUDENT, username="student", name="Student")
        await driver.control("people", id=AIDA, first_name="Aida", username="aida", language_code="kk")
        await driver.control("limits", per_second=None, per_chat_per_second=None)
        yield driver


@pytest.fixture
async def chat(telegram: Driver) -> Driver:
    """Aida has pressed Start, and the bot has fetched this update."""
    await telegram.says("/start")
    await telegram.updates(offset=-1)
    await telegram.updates(offset=(await telegram.updates())[-1]["update_id"] + 1)
    return telegram


@pytest.fixture
async def bot(chat: Driver) -> AsyncIterator[Bot]:
    """python-telegram-bot's own Bot against the simulator."""
    request = HTTPXRequest(read_timeout=PATIENCE, connect_timeout=PATIENCE)
    async with Bot(MARKER, f"{chat.url}/bot", f"{chat.url}/file/bot", request=request) as real:
        yield real


class WatchedSignal(Signal):
    """A signal that sets an event when a waiter arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.watched = asyncio.Event()

    async def wait_past(self, seen: int, seconds: float | None) -> bool:
        self.watched.set()
        return await super().wait_past(seen, seconds)


async def until(simulator: TelegramSimulator, happened: Callable[[], bool]) -> None:
    """Wait for a condition that changes with the journal of calls."""
    journal = simulator.world.journal
    async with asyncio.timeout(PATIENCE):
        while not happened():
            await journal.changed.wait_past(journal.changed.version, None)


def keyboard(*labels: str) -> Json:
    """An inline keyboard with one button per row; the callback data is the label in lower case."""
    return {"inline_keyboard": [[{"text": label, "callback_data": label.lower()}] for label in labels]}


class TestCalls:
    async def test_unknown_tokens_and_methods(self, telegram: Driver) -> None:
        """A malformed token and an unknown method are 404, a well-formed unknown token is 401."""
        assert (await telegram.call("getMe", "1:short"))["error_code"] == 404
        assert await telegram.refusal("getMe", "333333:" + "C" * 35) == "Unauthorized"
        assert (await telegram.call("makeCoffee"))["description"] == "Not Found"
        async with telegram.http.get(f"{telegram.url}/nothing") as response:
            assert (await response.json()) == {"ok": False, "error_code": 404, "description": "Not Found"}

    async def test_every_way_to_pass_arguments(self, chat: Driver) -> None:
        """Query, form, multipart and JSON arguments are equivalent, and a code of digits stays a string."""
        url = f"{chat.url}/bot{MARKER}/SENDmessage"
        arguments = {"chat_id": str(AIDA), "text": "482913"}
        multipart = aiohttp.MultipartWriter("form-data")
        for name, value in arguments.items():
            multipart.append(value).set_content_disposition("form-data", name=name)
        for request in (
            chat.http.get(url, params=arguments),
            chat.http.post(url, data=arguments),
            chat.http.post(url, data=multipart),
            chat.http.post(url, json=arguments),
            chat.http.post(url, json={"chat_id": AIDA, "text": "482913", "some_new_parameter": {"a": 1}}),
        ):
            async with request as response:
                assert (await response.json())["result"]["text"] == "482913"
        recorded = [call["params"] for call in await chat.look("calls") if call["method"] == "SENDmessage"]
        assert len(recorded) == 5
        assert all((call["chat_id"], call["text"]) == (AIDA, "482913") for call in recorded)

    async def test_body_that_is_no_json(self, telegram: Driver) -> None:
        """A malformed JSON body is answered with 400."""
        headers = {"Content-Type": "application/json"}
        async with telegram.http.post(f"{telegram.url}/bot{MARKER}/getMe", data="{", headers=headers) as response:
            assert response.status == 400

    async def test_record_of_calls_has_no_token(self, chat: Driver) -> None:
        """Calls are recorded in order with their outcome and without the token."""
        last = (await chat.look("calls"))[-1]["n"]
        await chat.do("sendMessage", chat_id=AIDA, text="Hello", reply_markup=keyboard("Go"))
        await chat.refusal("sendMessage", chat_id=999, text="Hello")
        await chat.updates()
        sent, refused, polled = await chat.look("calls", since=last)
        assert (sent["method"], sent["bot"], sent["status"]) == ("sendMessage", "marker", 200)
        assert sent["params"]["reply_markup"] == keyboard("Go")
        assert sent["result"]["text"] == "Hello"
        assert sent["at"] == "2026-09-01T09:00:00+00:00"
        assert (refused["status"], refused["error"]) == (400, "Bad Request: chat not found")
        assert (polled["method"], polled["result"]) == ("getUpdates", [])
        assert MARKER not in str(await chat.look("calls"))

    async def test_waiting_for_a_call(self, chat: Driver) -> None:
        """A long poll of the calls returns with the next call."""
        last = (await chat.look("calls"))[-1]["n"]
        waiting = asyncio.create_task(chat.look("calls", since=last, timeout=50))
        await chat.do("sendChatAction", chat_id=AIDA, action="typing")
        assert (await waiting)[0]["method"] == "sendChatAction"

    async def test_the_bot_about_itself(self, bot: Bot, chat: Driver) -> None:
        """python-telegram-bot can parse getMe, getChat, webhook information, descriptions and the menu button."""
        assert (bot.username, bot.first_name) == ("marker", "Marker")
        assert (await bot.get_chat(AIDA)).username == "aida"
        assert (await bot.get_webhook_info()).url == ""
        assert await bot.set_my_description("Marks attendance")
        assert (await bot.get_my_description("ru")).description == "Marks attendance"
        assert "too long" in await chat.refusal("setMyShortDescription", short_description="x" * 121)
        assert await bot.set_chat_menu_button(AIDA)
        assert await chat.refusal("setChatMenuButton", chat_id=999) == "Bad Request: user not found"


class TestUpdates:
    async def test_start_opens_the_chat(self, telegram: Driver) -> None:
        """Before Start the chat does not exist for the bot; a deep link's code arrives with /start."""
        assert await telegram.refusal("sendMessage", chat_id=AIDA, text="Hi") == "Bad Request: chat not found"
        await telegram.control("send", 409, bot="marker", person=AIDA, text="Hi")
        await telegram.says("/start Ab12")
        (update,) = await telegram.updates()
        assert update["message"]["text"] == "/start Ab12"
        assert update["message"]["entities"] == [{"type": "bot_command", "offset": 0, "length": 6}]
        assert update["message"]["from"] == {
            "id": AIDA,
            "is_bot": False,
            "first_name": "Aida",
            "username": "aida",
            "language_code": "kk",
        }
        assert update["message"]["chat"]["type"] == "private"
        assert await telegram.do("sendMessage", chat_id=AIDA, text="Hi")
        assert await telegram.refusal("sendMessage", STUDENT, chat_id=AIDA, text="Hi") == "Bad Request: chat not found"

    async def test_only_a_later_offset_confirms(self, telegram: Driver) -> None:
        """Updates are repeated until a later offset confirms them."""
        for text in ("/start", "two", "three"):
            await telegram.says(text)
        first = (await telegram.updates(limit=1))[0]["update_id"]
        assert [update["update_id"] for update in await telegram.updates()] == [first, first + 1, first + 2]
        assert len(await telegram.updates(offset=first)) == 3
        assert len(await telegram.updates(offset=first + 1)) == 2
        assert len(await telegram.updates(offset=first)) == 2
        assert len(await telegram.updates(offset=first + 1000)) == 2  # an offset far ahead is ignored
        assert [update["message"]["text"] for update in await telegram.look("pending", bot="marker")] == [
            "two",
            "three",
        ]
        assert [update["message"]["text"] for update in await telegram.updates(offset=-1)] == ["three"]
        assert await telegram.updates(offset=first + 3) == []
        assert await telegram.look("pending", bot="marker") == []

    async def test_updates_are_kept_for_a_day(self, telegram: Driver) -> None:
        """Updates not fetched for 24 hours are deleted."""
        await telegram.says("/start")
        telegram.time.passed += 24 * 3600 + 1
        await telegram.says("later")
        assert [update["message"]["text"] for update in await telegram.updates()] == ["later"]

    async def test_allowed_updates_are_remembered(self, chat: Driver) -> None:
        """The update types apply to later calls without the argument; an empty list restores the default."""
        await chat.updates(allowed_updates=["callback_query"])
        await chat.says("unheard")
        assert await chat.updates() == []
        await chat.updates(allowed_updates=[])
        await chat.says("heard")
        assert [update["message"]["text"] for update in await chat.updates()] == ["heard"]

    async def test_long_poll_wakes(self, chat: Driver) -> None:
        """A poll returns as soon as there is an update, or empty after its timeout."""
        last = (await chat.look("calls"))[-1]["n"]
        poll = asyncio.create_task(chat.updates(timeout=50))
        await chat.look("calls", since=last, timeout=50)
        assert not poll.done()
        await chat.says("wake up")
        (update,) = await poll
        assert update["message"]["text"] == "wake up"
        assert await chat.updates(offset=update["update_id"] + 1, timeout=1) == []

    async def test_two_pollers(self, bot: Bot, chat: Driver) -> None:
        """The older of two polls gets a conflict, the newer one the updates."""
        last = (await chat.look("calls"))[-1]["n"]
        older = asyncio.create_task(bot.get_updates(timeout=50))
        await chat.look("calls", since=last, timeout=50)
        newer = asyncio.create_task(chat.updates(timeout=50))
        with pytest.raises(Conflict, match="terminated by other getUpdates request; make sure that only one bot"):
            await older
        await chat.says("hello")
        assert (await newer)[0]["message"]["text"] == "hello"

    async def test_poller_that_hangs_up(self, chat: Driver, simulator: TelegramSimulator) -> None:
        """After a caller has disconnected from its poll the next poll gets the update."""
        last = (await chat.look("calls"))[-1]["n"]
        poll = asyncio.create_task(chat.updates(timeout=50))
        await chat.look("calls", since=last, timeout=50)
        poll.cancel()
        await until(simulator, lambda: simulator.world.journal.calls[-1].error == "the caller hung up")
        await chat.says("hello")
        assert len(await chat.updates(timeout=50)) == 1

    async def test_dropping_waiting_updates(self, chat: Driver) -> None:
        """deleteWebhook drops the waiting updates only if requested."""
        await chat.says("one")
        await chat.do("deleteWebhook")
        assert (await chat.do("getWebhookInfo"))["pending_update_count"] == 1
        await chat.do("deleteWebhook", drop_pending_updates=True)
        assert (await chat.do("getWebhookInfo"))["pending_update_count"] == 0


class TestTexts:
    async def test_entities(self, bot: Bot, chat: Driver) -> None:
        """HTML is parsed into plain text with entities in UTF-16 units, and the chat shows the same HTML."""
        source = '<b>Аида</b> 😀 <i>Л27 &lt;1&gt;</i> <a href="https://kbtu.kz">site</a> <code>x</code>\n<u>end</u>  '
        message = await bot.send_message(AIDA, source, parse_mode="HTML")
        assert message.text == "Аида 😀 Л27 <1> site x\nend"
        assert [message.parse_entity(entity) for entity in message.entities] == ["Аида", "Л27 <1>", "site", "x", "end"]
        assert [(entity.type, entity.offset) for entity in message.entities[:3]] == [
            ("bold", 0),
            ("italic", 8),
            ("text_link", 16),
        ]
        shown = (await chat.screen())["messages"][-1]
        assert shown["html"] == source.strip().replace("kbtu.kz", "kbtu.kz/")
        assert shown["html"] == message.text_html

    @pytest.mark.parametrize(
        ("source", "complaint"),
        [
            ("<b>Aida", 'Can\'t find end tag corresponding to start tag "b"'),
            ("Aida</b>", "Unexpected end tag at byte offset 4"),
            ("Аида</b>", "Unexpected end tag at byte offset 8"),
            ("<b>Aida</i>", 'Unmatched end tag at byte offset 7, expected "</b>", found "</i>"'),
            ("<br>", 'Unsupported start tag "br" at byte offset 0'),
            ("1 < 2", 'Unsupported start tag "" at byte offset 2'),
            ("<b", "Unclosed start tag at byte offset 0"),
            ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ],
    )
    async def test_wrong_html(self, chat: Driver, source: str, complaint: str) -> None:
        """Malformed HTML is refused with Telegram's error text."""
        answer = await chat.refusal("sendMessage", chat_id=AIDA, text=source, parse_mode="HTML")
        assert answer == f"Bad Request: can't parse entities: {complaint}"

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            ({}, "message text is empty"),
            ({"text": ""}, "message text is empty"),
            ({"text": " \n "}, "text must be non-empty"),
            ({"text": "<b></b>", "parse_mode": "HTML"}, "text must be non-empty"),
            ({"text": "x" * 4097}, "message is too long"),
            ({"text": "😀" * 2049}, "message is too long"),
            ({"text": "x" * 32769}, "text is too long"),
            ({"text": "x", "parse_mode": "BBCode"}, "unsupported parse_mode"),
        ],
    )
    async def test_wrong_text(self, chat: Driver, arguments: Json, complaint: str) -> None:
        """Empty texts and texts over 4096 UTF-16 units are refused."""
        assert await chat.refusal("sendMessage", chat_id=AIDA, **arguments) == f"Bad Request: {complaint}"

    async def test_longest_text(self, chat: Driver) -> None:
        """The length limit applies to the text after parsing."""
        for text in ("x" * 4096, "😀" * 2048, f"<b>{'x' * 4096}</b>"):
            assert await chat.do("sendMessage", chat_id=AIDA, text=text, parse_mode="HTML")

    async def test_chat_ids(self, chat: Driver) -> None:
        """A missing and an unknown chat_id have different errors."""
        assert await chat.refusal("sendMessage", text="x") == "Bad Request: chat_id is empty"
        for nobody in (999, "@aida", "Aida"):
            assert await chat.refusal("sendMessage", chat_id=nobody, text="x") == "Bad Request: chat not found"

    async def test_reply_and_silence(self, bot: Bot, chat: Driver) -> None:
        """A reply contains the message it answers, and a silent message does not ring."""
        question = await chat.says("question?")
        answer = await bot.send_message(AIDA, "answer", reply_to_message_id=question, disable_notification=True)
        assert answer.reply_to_message is not None
        assert answer.reply_to_message.text == "question?"
        assert (await chat.screen())["messages"][-1]["rang"] is False
        await bot.send_message(AIDA, "ring", link_preview_options={"is_disabled": True})  # type: ignore[arg-type]
        assert (await chat.screen())["messages"][-1]["rang"] is True
        with pytest.raises(BadRequest, match="Message to be replied not found"):
            await bot.send_message(AIDA, "answer", reply_to_message_id=999)


class TestKeyboards:
    @pytest.mark.parametrize(
        ("button", "complaint"),
        [
            ({"text": "Go", "callback_data": "x" * 65}, "BUTTON_DATA_INVALID"),
            ({"text": "Go", "callback_data": "ы" * 33}, "BUTTON_DATA_INVALID"),
            ({"text": "", "callback_data": "x"}, "inline keyboard button text must be non-empty"),
            (
                {"text": "Go"},
                "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
            ),
            (
                {"text": "Go", "url": "http://localhost:1/"},
                "inline keyboard button URL 'http://localhost:1/' is invalid: Wrong HTTP URL",
            ),
        ],
    )
    async def test_wrong_button(self, chat: Driver, button: Json, complaint: str) -> None:
        """Invalid buttons, such as callback data over 64 bytes, are refused."""
        answer = await chat.refusal("sendMessage", chat_id=AIDA, text="x", reply_markup={"inline_keyboard": [[button]]})
        assert answer == f"Bad Request: {complaint}"

    async def test_64_bytes(self, chat: Driver) -> None:
        """The limit of callback data is in bytes and inclusive."""
        markup = {"inline_keyboard": [[{"text": "Go", "callback_data": "ы" * 32}], []]}
        message = await chat.do("sendMessage", chat_id=AIDA, text="x", reply_markup=markup)
        assert message["reply_markup"] == {"inline_keyboard": markup["inline_keyboard"][:1]}

    async def test_only_inline_keyboards_are_echoed(self, bot: Bot, chat: Driver) -> None:
        """A reply keyboard is shown in the chat but not in the message, until it is removed or used."""
        button = KeyboardButton("My number", request_contact=True)
        markup = ReplyKeyboardMarkup([[button]], one_time_keyboard=True, resize_keyboard=True)
        message = await bot.send_message(AIDA, "Share it", reply_markup=markup)
        assert message.reply_markup is None
        shown = (await chat.screen())["reply_keyboard"]
        assert shown["keyboard"] == [[{"text": "My number", "request_contact": True}]]
        removed = await bot.send_message(AIDA, "Thanks", reply_markup=ReplyKeyboardRemove())
        assert removed.reply_markup is None
        assert (await chat.screen())["reply_keyboard"] is None
        await bot.send_message(AIDA, "Share it", reply_markup=markup)
        await chat.control("send", bot="marker", person=AIDA, contact={"phone_number": "+77010000000"})
        assert (await chat.screen())["reply_keyboard"] is None
        for uneditable in (message, removed):
            with pytest.raises(BadRequest, match="Message can't be edited"):
                await bot.edit_message_text("x", AIDA, uneditable.message_id)

    async def test_edit_takes_inline_keyboards_only(self, chat: Driver) -> None:
        """An edit with a reply keyboard is refused."""
        sent = await chat.do("sendMessage", chat_id=AIDA, text="x")
        reply = {"keyboard": [["A"]]}
        arguments = {"chat_id": AIDA, "message_id": sent["message_id"], "text": "y", "reply_markup": reply}
        assert await chat.refusal("editMessageText", **arguments) == "Bad Request: inline keyboard expected"


class TestReactions:
    async def test_set_and_removed(self, bot: Bot, chat: Driver) -> None:
        """A bot reacts to the person's message with one emoji, which is shown, is no message, and can be removed."""
        number = await chat.says("hello")
        for emoji in ("\N{OK HAND SIGN}", "\N{OK HAND SIGN}", "\N{THUMBS UP SIGN}"):
            await bot.set_message_reaction(AIDA, number, emoji)
            assert (await chat.screen())["messages"][-1]["reaction"] == emoji
        await bot.set_message_reaction(AIDA, number)
        assert "reaction" not in (await chat.screen())["messages"][-1]

    @pytest.mark.parametrize(
        ("reaction", "error"),
        [
            ([{"type": "emoji", "emoji": "x"}], "REACTION_INVALID"),
            ([{"type": "custom_emoji", "custom_emoji_id": "1"}], "REACTION_INVALID"),
            ([{"type": "paid"}], "REACTION_INVALID"),
            ([{"type": "emoji", "emoji": "\N{EYES}"}] * 2, "REACTIONS_TOO_MANY"),
            ([{"type": "star"}], "can't parse ReactionType: invalid reaction type specified"),
        ],
    )
    async def test_refused(self, chat: Driver, reaction: list[Json], error: str) -> None:
        """Other emoji than Telegram's free ones, and more than one, are refused."""
        there: Json = {"chat_id": AIDA, "message_id": await chat.says("hello")}
        assert await chat.refusal("setMessageReaction", **there, reaction=reaction) == f"Bad Request: {error}"

    async def test_no_message(self, chat: Driver) -> None:
        """A reaction to an unknown message, or to somebody who blocked the bot, is refused."""
        one = [{"type": "emoji", "emoji": "\N{EYES}"}]
        there: Json = {"chat_id": AIDA, "message_id": 99_999, "reaction": one}
        assert await chat.refusal("setMessageReaction", **there) == "Bad Request: message to react not found"
        await chat.control("block", bot="marker", person=AIDA, blocked=True)
        assert "blocked" in await chat.refusal("setMessageReaction", **there)


class TestEditsAndDeletions:
    async def test_edit(self, bot: Bot, chat: Driver) -> None:
        """An edit changes the message; without a keyboard the old one is removed."""
        menu = InlineKeyboardMarkup([[InlineKeyboardButton("Go", callback_data="go")]])
        message = await bot.send_message(AIDA, "Menu", reply_markup=menu)
        version = (await chat.screen())["version"]
        edited = await bot.edit_message_text(
            "<b>Menu</b>", AIDA, message.message_id, parse_mode="HTML", reply_markup=menu
        )
        assert isinstance(edited, type(message))
        assert edited.edit_date is not None
        screen = await chat.screen(since=version, timeout=50)
        assert screen["messages"][-1]["html"] == "<b>Menu</b>"
        assert screen["messages"][-1]["edited"] is True
        assert screen["messages"][-1]["buttons"] == [[{"text": "Go", "data": "go"}]]
        await bot.edit_message_text("<b>Menu</b>", AIDA, message.message_id, parse_mode="HTML")
        assert (await chat.screen())["messages"][-1]["buttons"] == []

    async def test_edit_that_changes_nothing(self, chat: Driver) -> None:
        """An edit to the same text and keyboard, or the removal of a missing keyboard, is refused."""
        sent = await chat.do("sendMessage", chat_id=AIDA, text="x", reply_markup=keyboard("Go"))
        there = {"chat_id": AIDA, "message_id": sent["message_id"]}
        same = {**there, "text": " <b></b>x ", "parse_mode": "HTML", "reply_markup": keyboard("Go")}
        assert await chat.refusal("editMessageText", **same) == NOT_MODIFIED
        assert await chat.do("editMessageReplyMarkup", **there)
        assert await chat.refusal("editMessageReplyMarkup", **there) == NOT_MODIFIED

    async def test_edits_that_are_refused(self, chat: Driver) -> None:
        """Edits of unknown messages and of a person's messages, and edits to too long texts, are refused."""
        own = await chat.says("mine")
        sent = (await chat.do("sendMessage", chat_id=AIDA, text="x"))["message_id"]

        async def refusal(message: int, text: str = "y") -> str:
            return await chat.refusal("editMessageText", chat_id=AIDA, message_id=message, text=text)

        assert await refusal(999) == "Bad Request: message to edit not found"
        assert await refusal(own) == "Bad Request: message can't be edited"
        assert await refusal(sent, "x" * 4097) == "Bad Request: MESSAGE_TOO_LONG"
        await chat.do("deleteMessage", chat_id=AIDA, message_id=sent)
        assert await refusal(sent) == "Bad Request: message to edit not found"

    async def test_deletions(self, chat: Driver) -> None:
        """In a private chat a bot can delete its own and the person's messages, each once."""
        own = await chat.says("my password")
        sent = (await chat.do("sendMessage", chat_id=AIDA, text="x"))["message_id"]
        for message in (own, sent):
            assert await chat.do("deleteMessage", chat_id=AIDA, message_id=message) is True
            again = await chat.refusal("deleteMessage", chat_id=AIDA, message_id=message)
            assert again == "Bad Request: message to delete not found"
        assert not {own, sent} & {message["message_id"] for message in (await chat.screen())["messages"]}

    async def test_deleted_by_the_person(self, bot: Bot, chat: Driver) -> None:
        """What the person has deleted, the bot can't edit or delete any more; it gets no update about it."""
        message = await bot.send_message(AIDA, "1")
        there: Json = {"bot": "marker", "person": AIDA, "message_id": message.message_id}
        await chat.control("delete", **there)
        with pytest.raises(BadRequest, match="Message to edit not found"):
            await bot.edit_message_text("2", AIDA, message.message_id)
        with pytest.raises(BadRequest, match="Message to delete not found"):
            await bot.delete_message(AIDA, message.message_id)
        assert await chat.updates() == []
        await chat.control("delete", expect=409, **there)

    async def test_old_messages_stay(self, chat: Driver) -> None:
        """After 48 hours a message can't be deleted but still be edited."""
        sent = (await chat.do("sendMessage", chat_id=AIDA, text="x"))["message_id"]
        chat.time.passed += 48 * 3600
        later = (await chat.do("sendMessage", chat_id=AIDA, text="y"))["message_id"]
        chat.time.passed += 1
        answer = await chat.refusal("deleteMessage", chat_id=AIDA, message_id=sent)
        assert answer == "Bad Request: message can't be deleted for everyone"
        assert await chat.do("deleteMessage", chat_id=AIDA, message_id=later)
        assert await chat.do("editMessageText", chat_id=AIDA, message_id=sent, text="z")


class TestTaps:
    async def test_tap_and_answer(self, bot: Bot, chat: Driver) -> None:
        """A tap arrives as a callback query; its answer is shown to the person; a second answer is refused."""
        menu = InlineKeyboardMarkup([[InlineKeyboardButton("Start monitoring", callback_data="m:1")]])
        message = await bot.send_message(AIDA, "Menu", reply_markup=menu)
        tap = await chat.control(
            "tap", bot="marker", person=AIDA, message_id=message.message_id, button="Start monitoring"
        )
        (update,) = await bot.get_updates()
        assert update.callback_query is not None
        assert (update.callback_query.data, update.callback_query.from_user.id) == ("m:1", AIDA)
        assert [one["tap_id"] for one in await chat.look("taps", unanswered=1)] == [tap["tap_id"]]
        chat.time.passed += 0.5
        assert await update.callback_query.answer("Started", show_alert=True)
        (listed,) = await chat.look("taps")
        assert (listed["label"], listed["answer_text"], listed["answered_after"]) == (
            "Start monitoring",
            "Started",
            0.5,
        )
        assert listed["answered_at"] == "2026-09-01T09:00:00.500000+00:00"
        assert await chat.look("taps", unanswered=1) == []
        assert (await chat.screen())["last_answer"]["text"] == "Started"
        with pytest.raises(BadRequest, match="Query is too old and response timeout expired"):
            await update.callback_query.answer()

    async def test_answers_that_are_refused(self, chat: Driver) -> None:
        """Late answers, too long ones, and those to unknown taps or another bot's taps are refused."""
        sent = await chat.do("sendMessage", chat_id=AIDA, text="x", reply_markup=keyboard("Go"))
        there = {"bot": "marker", "person": AIDA, "message_id": sent["message_id"]}
        tap = (await chat.control("tap", **there, button="go"))["tap_id"]
        assert await chat.refusal("answerCallbackQuery", STUDENT, callback_query_id=tap) == TOO_OLD
        assert await chat.refusal("answerCallbackQuery", callback_query_id="1") == TOO_OLD
        long = await chat.refusal("answerCallbackQuery", callback_query_id=tap, text="x" * 201)
        assert long == "Bad Request: MESSAGE_TOO_LONG"
        chat.time.passed += 31
        assert (await chat.look("taps"))[0]["late"] is True
        assert await chat.refusal("answerCallbackQuery", callback_query_id=tap) == TOO_OLD

    async def test_only_visible_buttons(self, chat: Driver) -> None:
        """A button can be tapped only while it is in the chat."""
        sent = await chat.do("sendMessage", chat_id=AIDA, text="x", reply_markup=keyboard("Go"))
        there = {"bot": "marker", "person": AIDA, "message_id": sent["message_id"]}
        assert await chat.control("tap", **there, button="Go")
        assert "there are: Go" in (await chat.control("tap", 409, **there, button="Stop"))["error"]
        await chat.do("editMessageReplyMarkup", chat_id=AIDA, message_id=sent["message_id"])
        assert "no buttons" in (await chat.control("tap", 409, **there, button="Go"))["error"]
        await chat.do("deleteMessage", chat_id=AIDA, message_id=sent["message_id"])
        assert "not on the screen" in (await chat.control("tap", 409, **there, button="Go"))["error"]
        assert len(await chat.look("taps")) == 1

    async def test_taps_at_once(self, bot: Bot, chat: Driver) -> None:
        """A list of buttons is tapped before the bot gets the first tap."""
        sent = await chat.do("sendMessage", chat_id=AIDA, text="x", reply_markup=keyboard("Go"))
        await chat.control("tap", bot="marker", person=AIDA, message_id=sent["message_id"], button=["Go", "Go"])
        assert len(await bot.get_updates()) == len(await chat.look("taps")) == 2

    async def test_link_button(self, chat: Driver) -> None:
        """A tap on a link button returns the link, and the bot gets no update."""
        markup = {"inline_keyboard": [[{"text": "Open", "url": "https://kbtu.kz"}]]}
        sent = await chat.do("sendMessage", chat_id=AIDA, text="x", reply_markup=markup)
        there = {"bot": "marker", "person": AIDA, "message_id": sent["message_id"]}
        assert await chat.control("tap", **there, button="Open") == {"url": "https://kbtu.kz/"}
        assert await chat.updates() == []


class TestLimits:
    async def test_one_message_a_second_in_a_chat(self, bot: Bot, chat: Driver) -> None:
        """A second message within a second is refused with 429; edits and deletions do not count."""
        await chat.control("limits", per_second=30, per_chat_per_second=1)
        message = await bot.send_message(AIDA, "1")
        with pytest.raises(RetryAfter) as caught:
            await bot.send_message(AIDA, "2")
        assert caught.value.retry_after == timedelta(seconds=1)
        answer = await chat.call("sendMessage", chat_id=AIDA, text="2")
        assert answer == {
            "ok": False,
            "error_code": 429,
            "description": "Too Many Requests: retry after 1",
            "parameters": {"retry_after": 1},
        }
        for text in ("a", "b"):
            assert await bot.edit_message_text(text, AIDA, message.message_id)
        assert await bot.delete_message(AIDA, message.message_id)
        chat.time.passed += 1
        assert await bot.send_message(AIDA, "2")

    async def test_album(self, bot: Bot, chat: Driver) -> None:
        """Each message of an album counts: after three a chat waits three seconds."""
        await chat.control("limits", per_second=30, per_chat_per_second=1)
        await bot.send_media_group(AIDA, [InputMediaPhoto(JPEG)] * 3)
        with pytest.raises(RetryAfter) as caught:
            await bot.send_message(AIDA, "next")
        assert caught.value.retry_after == timedelta(seconds=3)
        chat.time.passed += 2.9
        assert (await chat.call("sendMessage", chat_id=AIDA, text="next"))["error_code"] == 429
        chat.time.passed += 0.1
        assert await bot.send_message(AIDA, "next")

    async def test_every_call(self, chat: Driver) -> None:
        """With `every_call` each call with a chat counts, also edits, deletions and chat actions."""
        message = await chat.do("sendMessage", chat_id=AIDA, text="1")
        answer = await chat.control("limits", per_second=30, per_chat_per_second=1, every_call=True)
        assert answer == {"per_second": 30, "per_chat_per_second": 1, "every_call": True}
        await chat.do("sendChatAction", chat_id=AIDA, action="typing")
        there = {"chat_id": AIDA, "message_id": message["message_id"]}
        assert (await chat.call("editMessageText", text="2", **there))["error_code"] == 429
        assert (await chat.call("deleteMessage", **there))["error_code"] == 429
        assert (await chat.call("sendMessage", chat_id=AIDA, text="2"))["error_code"] == 429
        assert await chat.do("getMe")
        chat.time.passed += 1
        assert await chat.do("deleteMessage", **there)
        chat.time.passed += 1
        assert await chat.do("sendMessage", chat_id=AIDA, text="2")
        await chat.control("limits", expect=400, every_call=1)

    async def test_thirty_messages_a_second_for_a_bot(self, telegram: Driver) -> None:
        """A bot's 31st message within a second is refused in every chat."""
        for person in range(1, 32):
            await telegram.control("people", id=person, first_name="Student")
            await telegram.says("/start", person=person)
        await telegram.control("limits", per_second=30, per_chat_per_second=1)
        for person in range(1, 31):
            assert await telegram.do("sendMessage", chat_id=person, text="x")
        assert (await telegram.call("sendMessage", chat_id=31, text="x"))["error_code"] == 429
        telegram.time.passed += 1
        assert await telegram.do("sendMessage", chat_id=31, text="x")


class TestFaults:
    @pytest.mark.parametrize(
        ("kind", "error", "words"),
        [
            ("429", RetryAfter, "Retry in 0:00:07"),
            ("500", NetworkError, "Internal Server Error"),
            ("502", NetworkError, "Bad Gateway"),
            ("400", BadRequest, "Simulated fault"),
            ("403", Forbidden, "Forbidden: bot was blocked by the user"),
            ("refuse_connection", NetworkError, "."),
        ],
    )
    async def test_ordered_failure(self, bot: Bot, chat: Driver, kind: str, error: type[Exception], words: str) -> None:
        """An ordered fault affects the matching calls, as often as ordered; they are not executed."""
        before = len((await chat.screen())["messages"])
        await chat.control(
            "faults", bot="marker", method="sendMessage", chat_id=AIDA, kind=kind, times=2, retry_after=7
        )
        assert await bot.send_chat_action(AIDA, "typing")
        for _ in range(2):
            with pytest.raises(error, match=words):
                await bot.send_message(AIDA, "x")
        assert len((await chat.screen())["messages"]) == before
        assert await bot.send_message(AIDA, "x")
        assert [call.get("fault") for call in await chat.look("calls")][-3:] == [kind, kind, None]

    async def test_dropped_answer(self, bot: Bot, chat: Driver) -> None:
        """The call is executed, but gets no answer."""
        await chat.control("faults", method="*", kind="drop_answer")
        with pytest.raises(NetworkError):
            await bot.send_message(AIDA, "Attendance Marked.")
        assert (await chat.screen())["messages"][-1]["text"] == "Attendance Marked."
        dropped = (await chat.look("calls"))[-1]
        assert (dropped["status"], dropped["fault"]) == (200, "drop_answer")

    async def test_silence(self, chat: Driver, simulator: TelegramSimulator) -> None:
        """A silence holds calls until the faults are removed; the calls are not executed."""
        await chat.control("faults", method="sendMessage", kind="silence", times=None)
        last = (await chat.look("calls"))[-1]["n"]
        calls = [asyncio.create_task(chat.call("sendMessage", chat_id=AIDA, text="x")) for _ in range(2)]
        await until(simulator, lambda: simulator.world.journal.calls[-1].n == last + 2)
        assert not any(call.done() for call in calls)
        async with chat.http.delete(f"{chat.url}/control/faults") as response:
            assert response.status == 200
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, aiohttp.ClientError) for result in results)
        assert [message["from"] for message in (await chat.screen())["messages"]] == ["person"]
        assert await chat.do("sendMessage", chat_id=AIDA, text="x")

    async def test_blocked(self, bot: Bot, chat: Driver) -> None:
        """A block creates an update and forbids messages; the person must unblock the bot to write."""
        sent = await bot.send_message(AIDA, "x")
        await chat.control("block", bot="marker", person=AIDA, blocked=True)
        (update,) = await bot.get_updates()
        assert update.my_chat_member is not None
        assert update.my_chat_member.new_chat_member.status == "kicked"
        for refused in (
            bot.send_message(AIDA, "y"),
            bot.send_chat_action(AIDA, "typing"),
            bot.edit_message_text("y", AIDA, sent.message_id),
        ):
            with pytest.raises(Forbidden, match="bot was blocked by the user"):
                await refused
        await chat.control("send", 409, bot="marker", person=AIDA, text="hi")
        await chat.control("block", bot="marker", person=AIDA, blocked=False)
        assert await bot.send_message(AIDA, "y")


class TestCommands:
    async def test_by_scope_and_language(self, bot: Bot, chat: Driver) -> None:
        """Commands are stored per scope and language."""
        await bot.set_my_commands([BotCommand("start", "Begin")])
        await bot.set_my_commands([BotCommand("start", "Начать")], language_code="ru")
        await bot.set_my_commands([BotCommand("invite", "Invite")], scope=BotCommandScopeChat(AIDA))
        listed = await chat.look("commands", bot="marker")
        assert [(one["scope"], one["language_code"], one["commands"][0]["command"]) for one in listed] == [
            ("default", "", "start"),
            ("default", "ru", "start"),
            (f"chat:{AIDA}", "", "invite"),
        ]
        assert (await bot.get_my_commands(language_code="ru"))[0].description == "Начать"
        await bot.delete_my_commands(language_code="ru")
        assert await bot.get_my_commands(language_code="ru") == ()

    async def test_scope_of_a_chat_before_start(self, telegram: Driver) -> None:
        """Commands for a chat can't be set before its person has pressed Start."""
        scope = {"type": "chat", "chat_id": AIDA}
        answer = await telegram.refusal("setMyCommands", commands=[], scope=scope)
        assert answer == "Bad Request: chat not found"

    @pytest.mark.parametrize(("name", "most"), [("description", 512), ("short_description", 120)])
    async def test_descriptions(self, chat: Driver, name: str, most: int) -> None:
        """Descriptions have a limit, one for each language, and a default for the others; too many calls get a 429."""
        method = "MyDescription" if name == "description" else "MyShortDescription"
        assert await chat.do(f"set{method}", **{name: "x" * most})
        assert "too long" in await chat.refusal(f"set{method}", **{name: "x" * (most + 1)})
        assert await chat.do(f"set{method}", **{name: "Коротко", "language_code": "ru"})
        shown = {code: await chat.do(f"get{method}", language_code=code) for code in ("", "ru", "kk")}
        assert shown == {"": {name: "x" * most}, "ru": {name: "Коротко"}, "kk": {name: "x" * most}}
        assert await chat.refusal(f"set{method}", **{name: "x", "language_code": "rus"}) == (
            "Bad Request: invalid language code specified"
        )
        await chat.control("faults", kind="429", method=f"set{method}", retry_after=70)
        limited = await chat.call(f"set{method}", **{name: "y"})
        assert (limited["error_code"], limited["parameters"]) == (429, {"retry_after": 70})
        assert await chat.do(f"get{method}") == {name: "x" * most}

    @pytest.mark.parametrize("command", ["Start", "старт", "x" * 33, "a-b", ""])
    async def test_wrong_command(self, chat: Driver, command: str) -> None:
        """Command names other than up to 32 of a-z, 0-9 and underscore are refused."""
        answer = await chat.refusal("setMyCommands", commands=[{"command": command, "description": "x"}])
        assert answer.startswith("Bad Request: ")


class TestFiles:
    async def test_photo_and_document(self, bot: Bot, chat: Driver) -> None:
        """Uploads can be downloaded, and sent again by file_id."""
        photo = await bot.send_photo(AIDA, JPEG, caption="<b>QR</b>", parse_mode="HTML")
        assert photo.caption_html == "<b>QR</b>"
        largest = photo.photo[-1]
        assert bytes(await (await bot.get_file(largest)).download_as_bytearray()) == JPEG
        again = await bot.send_photo(AIDA, largest.file_id)
        assert again.photo[-1].file_unique_id == largest.file_unique_id
        document = await bot.send_document(AIDA, b"id,name\n", filename="roster.csv", caption="Roster")
        assert document.document is not None
        assert (document.document.file_name, document.document.mime_type) == ("roster.csv", "text/csv")
        assert (await chat.screen())["messages"][-1]["document"]["file_name"] == "roster.csv"
        async with chat.http.get(
            f"{chat.url}/control/file", params={"bot": "marker", "file_id": document.document.file_id}
        ) as response:
            assert await response.read() == b"id,name\n"

    async def test_files_that_are_refused(self, bot: Bot, chat: Driver, simulator: TelegramSimulator) -> None:
        """Wrong files (no picture, another bot's, another kind, too large) and too long captions are refused."""
        document = await bot.send_document(AIDA, b"x", filename="x.txt")
        assert document.document is not None
        for wrong, words in (
            (b"text", "Image_process_failed"),
            (b"", "File must be non-empty"),
            ("AgACunknown", "Wrong remote file identifier specified"),
            (document.document.file_id, "Can't use file of type document as photo"),
            ("https://kbtu.kz/logo.png", "Failed to get http url content"),
        ):
            with pytest.raises(BadRequest, match=f"(?i){words}"):
                await bot.send_photo(AIDA, wrong)
        with pytest.raises(BadRequest, match="Message caption is too long"):
            await bot.send_photo(AIDA, JPEG, caption="x" * 1025)
        await chat.says("/start", "student")
        answer = await chat.refusal("sendDocument", STUDENT, chat_id=AIDA, document=document.document.file_id)
        assert answer.startswith("Bad Request: wrong remote file identifier specified")
        assert await chat.refusal("getFile", file_id="nothing") == "Bad Request: invalid file_id"
        large = simulator.world.bots[MARKER].store("video", bytes(20 * 1024 * 1024 + 1), "large.mp4")
        assert await chat.refusal("getFile", file_id=large.file_id) == "Bad Request: file is too big"

    async def test_album(self, bot: Bot, chat: Driver) -> None:
        """An album's messages share a group, have captions and files of their own, and are silent if that is asked."""
        media = [InputMediaDocument(name.encode(), filename=name) for name in ("a.csv", "b.csv")]
        media.append(InputMediaDocument(b"c", filename="c.csv", caption="<b>All</b>", parse_mode="HTML"))
        sent = await bot.send_media_group(AIDA, media, disable_notification=True)
        assert len({each.media_group_id for each in sent}) == 1
        assert [each.document.file_name for each in sent if each.document] == ["a.csv", "b.csv", "c.csv"]
        assert [each.caption_html for each in sent] == [None, None, "<b>All</b>"]
        shown = (await chat.screen())["messages"][-3:]
        assert [(each["rang"], each["text"], each["document"]["file_name"]) for each in shown] == [
            (False, "", "a.csv"),
            (False, "", "b.csv"),
            (False, "All", "c.csv"),
        ]
        again = await bot.send_media_group(AIDA, [InputMediaPhoto(JPEG), InputMediaPhoto(JPEG)])
        assert again[0].media_group_id == again[1].media_group_id != sent[0].media_group_id

    async def test_albums_that_are_refused(self, bot: Bot, chat: Driver) -> None:
        """One item, eleven, mixed kinds, a wrong file or a long caption: nothing of the album is sent."""
        a, b = InputMediaDocument(b"a", filename="a"), InputMediaDocument(b"b", filename="b")
        photo, video, audio = InputMediaPhoto(JPEG), InputMediaVideo(b"v"), InputMediaAudio(b"a")
        before = (await chat.screen())["messages"]
        cases: list[tuple[list[Any], str]] = [
            ([a], "2-10 items"),
            ([a] * 11, "Too many messages to send as an album"),
            ([a, photo], "Document can't be mixed with other media types"),
            ([video, audio], "Audio can't be mixed with other media types"),
            ([photo, InputMediaPhoto(b"text")], "Image_process_failed"),
            ([a, InputMediaDocument("AgACunknown")], "Wrong remote file identifier specified"),
            ([a, InputMediaDocument(b"b", caption="x" * 1025)], "Message caption is too long"),
        ]
        for media, words in cases:
            with pytest.raises(BadRequest, match=f"(?i){words}"):
                await bot.send_media_group(AIDA, media)
        assert (
            await chat.refusal("sendMediaGroup", chat_id=AIDA, media=[]) == "Bad Request: there are no messages to send"
        )
        assert (
            await chat.refusal("sendMediaGroup", chat_id=AIDA, media={})
            == "Bad Request: expected an Array of InputMedia"
        )
        wrong = await chat.refusal("sendMediaGroup", chat_id=AIDA, media=[{"type": "sticker", "media": "x"}] * 2)
        assert "type must be one of photo, video, document, audio" in wrong
        assert (await chat.screen())["messages"] == before
        assert await bot.send_media_group(AIDA, [photo, video])
        assert await bot.send_media_group(AIDA, [a, b])

    async def test_edits_of_media(self, bot: Bot, chat: Driver) -> None:
        """Photo and caption can be edited, but not the text of a photo nor the caption of a text."""
        photo = await bot.send_photo(AIDA, JPEG, caption="1")
        assert await bot.edit_message_caption(AIDA, photo.message_id, caption="2")
        edited = await bot.edit_message_media(InputMediaPhoto(JPEG + b"2", caption="3"), AIDA, photo.message_id)
        assert isinstance(edited, type(photo))
        assert edited.caption == "3"
        assert edited.photo[-1].file_unique_id != photo.photo[-1].file_unique_id
        same = InputMediaPhoto(edited.photo[-1].file_id, caption="3")
        with pytest.raises(BadRequest, match="Message is not modified"):
            await bot.edit_message_media(same, AIDA, photo.message_id)
        with pytest.raises(BadRequest, match="There is no text in the message to edit"):
            await bot.edit_message_text("x", AIDA, photo.message_id)
        text = await bot.send_message(AIDA, "x")
        with pytest.raises(BadRequest, match="There is no caption in the message to edit"):
            await bot.edit_message_caption(AIDA, text.message_id, caption="x")


class TestPeople:
    async def test_contents(self, bot: Bot, chat: Driver) -> None:
        """python-telegram-bot can parse contacts, places, photos, videos and forwarded messages."""
        bytes_ = base64.b64encode(b"video").decode()
        for content in (
            {"contact": {"phone_number": "+77010000000"}},
            {"contact": {"phone_number": "+77020000000", "first_name": "Mum", "user_id": None}},
            {"location": {"latitude": 43.25, "longitude": 76.94, "horizontal_accuracy": 12.5}},
            {"venue": {"location": {"latitude": 43.25, "longitude": 76.94}, "title": "KBTU"}},
            {"video_note": {"base64": bytes_, "duration": 4}, "forwarded": True},
            {"photo": base64.b64encode(JPEG).decode(), "caption": "me"},
            {"text": "Click", "via_bot": "inline_bot"},
        ):
            await chat.control("send", bot="marker", person=AIDA, **content)
        own, foreign, place, venue, video, photo, inline = [update.message for update in await bot.get_updates()]
        assert own is not None and own.contact is not None and own.contact.user_id == AIDA  # noqa: PT018
        assert foreign is not None and foreign.contact is not None and foreign.contact.user_id is None  # noqa: PT018
        assert place is not None and place.location is not None and place.location.horizontal_accuracy == 12.5  # noqa: PT018
        assert venue is not None and venue.venue is not None and venue.location is not None  # noqa: PT018
        assert video is not None and video.video_note is not None and video.forward_origin is not None  # noqa: PT018
        assert await (await video.video_note.get_file()).download_as_bytearray() == b"video"
        assert photo is not None and photo.caption == "me"  # noqa: PT018
        assert await (await photo.photo[-1].get_file()).download_as_bytearray() == JPEG
        assert inline is not None and inline.via_bot is not None and inline.via_bot.username == "inline_bot"  # noqa: PT018

    async def test_forwarded_note(self, bot: Bot, chat: Driver) -> None:
        """A forwarded video note has a forward_origin and the same unique id; video notes have no text."""
        note = {"base64": base64.b64encode(b"note").decode(), "duration": 4}
        there: dict[str, Any] = {"bot": "marker", "person": AIDA}
        sent = await chat.control("send", **there, video_note=note)
        await chat.control("send", **there, forward=sent["message_id"])
        await chat.control("send", **there, expect=400, video_note=note, caption="me")
        await chat.control("edit", **there, expect=409, message_id=sent["message_id"], text="me")
        await chat.control("send", **there, expect=409, forward=999)
        first, again = [update.message for update in await bot.get_updates()]
        assert first is not None and first.video_note is not None and first.forward_origin is None  # noqa: PT018
        assert again is not None and again.video_note is not None and again.forward_origin is not None  # noqa: PT018
        assert again.video_note.file_unique_id == first.video_note.file_unique_id

    async def test_live_location(self, chat: Driver) -> None:
        """A live location sends edited messages until it is stopped or its time is over."""
        place = {"latitude": 43.25, "longitude": 76.94, "live_period": 900}
        sent = await chat.control("send", bot="marker", person=AIDA, location=place)
        there = {"bot": "marker", "person": AIDA, "message_id": sent["message_id"]}
        chat.time.passed += 10
        await chat.control("edit", **there, location={"latitude": 43.26, "longitude": 76.94})
        _, moved = await chat.updates()
        assert moved["edited_message"]["location"] == {**place, "latitude": 43.26}
        assert moved["edited_message"]["edit_date"] == moved["edited_message"]["date"] + 10
        chat.time.passed += 900
        await chat.control("edit", 409, **there, location={"latitude": 43.27, "longitude": 76.94})
        chat.time.passed -= 900
        await chat.control("edit", **there, location={"live_period": None})
        await chat.control("edit", 409, **there, location={"latitude": 43.27, "longitude": 76.94})

    async def test_edited_text(self, chat: Driver) -> None:
        """A person can edit their own messages, but not the bot's or deleted ones."""
        own = await chat.says("passw0rd")
        await chat.control("edit", bot="marker", person=AIDA, message_id=own, text="password")
        assert (await chat.updates())[-1]["edited_message"]["text"] == "password"
        await chat.do("deleteMessage", chat_id=AIDA, message_id=own)
        await chat.control("edit", 409, bot="marker", person=AIDA, message_id=own, text="x")
        sent = (await chat.do("sendMessage", chat_id=AIDA, text="x"))["message_id"]
        await chat.control("edit", 409, bot="marker", person=AIDA, message_id=sent, text="y")

    async def test_wrong_requests(self, chat: Driver) -> None:
        """The control API refuses wrong requests with a reason."""
        assert "unknown bot" in (await chat.control("send", 404, bot="nobody", person=AIDA, text="x"))["error"]
        assert "unknown person" in (await chat.control("send", 404, bot="marker", person=7, text="x"))["error"]
        assert "exactly one of" in (await chat.control("send", 400, bot="marker", person=AIDA))["error"]
        assert "a token looks like" in (await chat.control("bots", 400, token="x", username="x", name="x"))["error"]
        await chat.control("bots", 409, token="333333:" + "C" * 35, username="marker", name="x")
        await chat.control("send", 400, bot="marker", person=AIDA, text="x" * 4097)
        await chat.control("send", 400, bot="marker", person=AIDA, photo="no base64")
        await chat.control("faults", 400, method="*", kind="earthquake")
        await chat.control("nothing", 404)

    async def test_lists(self, telegram: Driver) -> None:
        """Bots and people can be listed, without tokens."""
        assert [bot["username"] for bot in await telegram.look("bots")] == ["marker", "student"]
        assert [person["id"] for person in await telegram.look("people")] == [AIDA]

    async def test_reset(self, chat: Driver) -> None:
        """After a reset no bot is known, and running polls end with 401."""
        last = (await chat.look("calls"))[-1]["n"]
        poll = asyncio.create_task(chat.call("getUpdates", timeout=50))
        await chat.look("calls", since=last, timeout=50)
        await chat.control("reset")
        assert (await poll)["error_code"] == 401
        assert await chat.look("calls") == []
        assert await chat.refusal("getMe") == "Unauthorized"

    async def test_action_is_seen(self, chat: Driver) -> None:
        """A chat action is shown for five seconds; unknown ones are refused."""
        await chat.do("sendChatAction", chat_id=AIDA, action="upload_photo")
        assert (await chat.screen())["action"] == "upload_photo"
        chat.time.passed += 5
        assert (await chat.screen())["action"] is None
        answer = await chat.refusal("sendChatAction", chat_id=AIDA, action="dancing")
        assert answer == "Bad Request: wrong parameter action in request"


class TestServing:
    async def test_stopping_ends_long_polls(self, simulator: TelegramSimulator) -> None:
        """Stopping the server ends all long polls."""
        async with asyncio.timeout(40), aiohttp.ClientSession() as http:
            async with simulator.serving() as url:
                driver = Driver(url, http, FakeTime())
                await driver.control("bots", token=MARKER, username="marker", name="Marker")
                await driver.control("people", id=AIDA, first_name="Aida")
                poll = asyncio.create_task(driver.call("getUpdates", timeout=50))
                await driver.look("calls", timeout=50)
                seen = simulator.world.journal.changed = WatchedSignal()
                screen = simulator.world.bots[MARKER].screen(simulator.world.people[AIDA]).changed = WatchedSignal()
                watchers = [
                    asyncio.create_task(driver.screen(since=0, timeout=50)),
                    asyncio.create_task(driver.look("calls", since=1, timeout=50)),
                ]
                await asyncio.gather(seen.watched.wait(), screen.watched.wait())
            assert (await poll)["error_code"] == 502
            assert (await watchers[0])["messages"] == []
            assert await watchers[1] == []

    async def test_as_a_program(self) -> None:
        """`python -m sandbox.telegram` prints its URL and ends with 0 on SIGTERM."""
        arguments = ["-m", "sandbox.telegram", "--port", "0", "--bot", f"{MARKER}:marker"]
        program = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
        assert program.stdout is not None
        url = (await program.stdout.readline()).decode().strip()
        async with aiohttp.ClientSession() as http, http.get(f"{url}/bot{MARKER}/getMe") as response:
            assert (await response.json())["result"]["username"] == "marker"
        program.send_signal(signal.SIGTERM)
        assert await program.wait() == 0
