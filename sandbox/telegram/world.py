"""State of the simulated Telegram: people, bots, private chats, messages, files and waiting updates."""

import asyncio
import base64
import hashlib
import itertools
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from sandbox.signal import Clock, Signal
from sandbox.telegram.errors import ApiError
from sandbox.telegram.faults import Faults, RateLimits
from sandbox.telegram.journal import Journal, Taps
from sandbox.telegram.text import Formatted

Json = dict[str, Any]

# An update is kept until it is confirmed, but at most a day (the Bot API on getting updates).
UPDATE_LIFETIME = 24 * 3600
CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
# Update types sent only if requested by name (getUpdates.allowed_updates).
_ON_REQUEST_ONLY = frozenset({"chat_member", "message_reaction", "message_reaction_count"})


@dataclass(slots=True)
class Person:
    """A Telegram user."""

    id: int
    first_name: str
    last_name: str = ""
    username: str = ""
    language_code: str = ""

    def user(self) -> Json:
        """The Bot API's User."""
        optional = {
            "last_name": self.last_name,
            "username": self.username,
            "language_code": self.language_code,
        }
        user: Json = {"id": self.id, "is_bot": False, "first_name": self.first_name}
        return user | {name: value for name, value in optional.items() if value}

    def chat(self) -> Json:
        """The Bot API's Chat of a private chat."""
        return {
            **{name: value for name, value in self.user().items() if name not in ("is_bot", "language_code")},
            "type": "private",
        }


@dataclass(slots=True)
class StoredFile:
    """A file of one bot; its file_id is invalid for other bots."""

    kind: str
    file_id: str
    unique_id: str
    path: str
    content: bytes
    shown: Any = None  # its field in a message: an object, for a photo the list of sizes

    def reference(self) -> Json:
        """Fields common to all file objects of the Bot API."""
        return {"file_id": self.file_id, "file_unique_id": self.unique_id, "file_size": len(self.content)}


@dataclass(slots=True)
class Message:
    """One message of a private chat. `media` has the Bot API's fields of its kind: photo, location, ..."""

    message_id: int
    by_bot: bool
    date: int
    body: Formatted
    media: Json = field(default_factory=dict)
    inline_keyboard: list[list[Json]] = field(default_factory=list)
    has_other_markup: bool = False
    edit_date: int | None = None
    silent: bool = False
    reaction: str | None = None  # the bot's
    extra: Json = field(default_factory=dict)  # forward_origin, via_bot, reply_to_message...

    @property
    def is_text(self) -> bool:
        """Whether it is a plain text message, in which only text can be edited."""
        return not self.media


class Chat:
    """The private chat of one bot with one person who pressed Start."""

    def __init__(self, person: Person, of_all_chats: Signal) -> None:
        self.person = person
        self.blocked = False
        self.messages: dict[int, Message] = {}
        self.reply_keyboard: Json | None = None
        self.reply_keyboard_message: int | None = None
        self.action: tuple[str, float] | None = None  # the chat action, and when it ends
        self.last_answer: Json | None = None  # the pop-up of the last answered tap
        self.menu_button: Json | None = None
        self.changed = Signal(of_all_chats)


class Bot:
    """A bot account with its queue of updates, chats and files. ``changed`` counts changes of all chats."""

    def __init__(self, token: str, username: str, name: str, number: int, changed: Signal) -> None:
        self.id = int(token.partition(":")[0])
        self.token = token
        self.username = username
        self.name = name
        self.chats: dict[int, Chat] = {}  # of people who pressed Start
        self.screens: dict[int, Chat] = {}
        self.files: dict[str, StoredFile] = {}
        self.paths: dict[str, StoredFile] = {}
        # One sequence of message ids for all private chats of a bot, as in a Telegram account.
        self.message_ids = itertools.count(1)
        self.album_ids = itertools.count(13_000_000_000_000)
        # Far from message ids and different for each bot, so that confusing them fails.
        self.next_update_id = 100_000_000 + number * 1_000_000
        self.updates: deque[tuple[float, Json]] = deque()
        self.allowed_updates: frozenset[str] | None = None
        self.poll: asyncio.Future[ApiError | None] | None = None
        self.commands: dict[tuple[str, str], list[Json]] = {}
        self.descriptions: dict[tuple[str, str], str] = {}
        self.menu_button: Json = {"type": "commands"}
        self.changed = changed

    def user(self) -> Json:
        """The Bot API's User of this bot."""
        return {"id": self.id, "is_bot": True, "first_name": self.name, "username": self.username}

    def screen(self, person: Person) -> Chat:
        """The chat as the person sees it, also before Start, when it does not exist for the bot."""
        chat = self.screens.get(person.id)
        if chat is None:
            chat = self.screens[person.id] = Chat(person, self.changed)
        return chat

    def push(self, kind: str, payload: Json, now: float) -> None:
        """Queue an update if its kind is allowed, and wake the poll."""
        allowed = self.allowed_updates
        if (kind in _ON_REQUEST_ONLY) if allowed is None else (kind not in allowed):
            return
        self.updates.append((now, {"update_id": self.next_update_id, kind: payload}))
        self.next_update_id += 1
        self.end_poll(None)

    def end_poll(self, error: ApiError | None) -> None:
        """Wake the waiting getUpdates, or end it with an error."""
        if self.poll is not None and not self.poll.done():
            self.poll.set_result(error)
        self.poll = None

    def confirm(self, offset: int, now: float) -> int:
        """Delete the updates before `offset` as getUpdates does; returns the id to answer from.

        A negative offset keeps only that many of the last ones; an offset far in the future is ignored.
        Source: Client::do_get_updates in telegram-bot-api, TQueue::get in td.
        """
        while self.updates and self.updates[0][0] < now - UPDATE_LIFETIME:
            self.updates.popleft()
        if offset < 0:
            while len(self.updates) > -offset:
                self.updates.popleft()
        if offset <= 0 or offset > self.next_update_id + 10:
            return 0
        while self.updates and self.updates[0][1]["update_id"] < offset:
            self.updates.popleft()
        return offset

    def waiting(self, start: int, limit: int) -> list[Json]:
        """Updates from this id on, oldest first."""
        return [update for _, update in self.updates if update["update_id"] >= start][:limit]

    def store(self, kind: str, content: bytes, name: str) -> StoredFile:
        """Store a file under a new file_id of this bot."""
        number = len(self.files)
        digest = hashlib.sha256(f"{self.id}/{number}".encode()).digest()
        unique = base64.urlsafe_b64encode(hashlib.sha256(content).digest()[:11]).decode().rstrip("=")
        identifier = f"AgAC{base64.urlsafe_b64encode(digest * 2).decode().rstrip('=')}"
        suffix = f".{name.rpartition('.')[2]}" if "." in name else ""
        stored = StoredFile(kind, identifier, f"AQAD{unique}", f"{kind}s/file_{number}{suffix}", content)
        self.files[identifier] = self.paths[stored.path] = stored
        return stored


class TelegramWorld:
    """The whole state of the simulator. `callback_lifetime`: seconds within which a tap can be answered."""

    def __init__(self, clock: Clock, callback_lifetime: float) -> None:
        self.clock = clock
        self.callback_lifetime = callback_lifetime
        self.bots: dict[str, Bot] = {}  # by token
        self.by_username: dict[str, Bot] = {}
        self.people: dict[int, Person] = {}
        self.journal = Journal(clock)
        self.taps = Taps(clock, callback_lifetime)
        self.faults = Faults()
        self.limits = RateLimits()
        self.stopping = False
        self.changed = Signal()  # of what people see: chats, commands, descriptions

    def reset(self) -> None:
        """Delete all state; running polls end with 401."""
        self.end_waiting(ApiError(401, "Unauthorized"))
        self.bots.clear()
        self.by_username.clear()
        self.people.clear()
        self.journal.clear()
        self.taps = Taps(self.clock, self.callback_lifetime)
        self.limits = RateLimits()
        self.changed.bump()

    def end_waiting(self, error: ApiError) -> None:
        """End all long polls (getUpdates with this error) and cut the connections held by faults."""
        self.faults.lift()
        for bot in self.bots.values():
            bot.end_poll(error)
            for screen in bot.screens.values():
                screen.changed.bump()
        self.journal.changed.bump()

    def add_bot(self, token: str, username: str, name: str) -> Bot:
        """Register a bot, or rename the one with this token."""
        bot = self.bots.get(token)
        if bot is None:
            bot = self.bots[token] = Bot(token, username, name, len(self.bots), self.changed)
        self.by_username.pop(bot.username, None)
        bot.username, bot.name = username, name
        self.by_username[username] = bot
        return bot

    def now(self) -> int:
        """Unix time, Telegram's date format."""
        return int(self.clock.wall().timestamp())

    def show(self, bot: Bot, chat: Chat, message: Message) -> Json:
        """The Bot API's Message. Of keyboards it contains only an inline one."""
        shown: Json = {
            "message_id": message.message_id,
            "from": bot.user() if message.by_bot else chat.person.user(),
            "chat": chat.person.chat(),
            "date": message.date,
        }
        if message.edit_date is not None:
            shown["edit_date"] = message.edit_date
        shown |= message.extra | message.media
        text, entities = ("text", "entities") if message.is_text else ("caption", "caption_entities")
        if message.body.text:
            shown[text] = message.body.text
        if message.body.entities:
            shown[entities] = message.body.entities
        if message.inline_keyboard:
            shown["reply_markup"] = {"inline_keyboard": message.inline_keyboard}
        return shown
