"""The state of the simulated Telegram: people, bots, private chats, messages, files and waiting updates."""

import asyncio
import base64
import hashlib
import itertools
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from sandbox.telegram.errors import ApiError
from sandbox.telegram.faults import Faults, Limits
from sandbox.telegram.journal import Journal, Taps
from sandbox.telegram.signal import Clock, Signal
from sandbox.telegram.text import Formatted

Json = dict[str, Any]

# An update is kept until it is confirmed, but no longer than a day (the Bot API on getting updates).
UPDATE_LIFETIME = 24 * 3600
CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
# Update types that are not sent unless asked for by name (Update types, getUpdates.allowed_updates).
_ON_REQUEST_ONLY = frozenset({"chat_member", "message_reaction", "message_reaction_count"})


@dataclass(slots=True)
class Person:
    """Somebody with a phone."""

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
    """A file as one bot knows it: a file_id is of no use to another bot."""

    kind: str
    file_id: str
    unique_id: str
    path: str
    content: bytes
    shown: Any = None  # what a message carries for it: an object, for a photo the list of its sizes

    def reference(self) -> Json:
        """The fields that every file object of the Bot API has."""
        return {"file_id": self.file_id, "file_unique_id": self.unique_id, "file_size": len(self.content)}


@dataclass(slots=True)
class Message:
    """One message of a private chat. `media` holds the Bot API's fields of its kind: photo, location, ..."""

    message_id: int
    by_bot: bool
    date: int
    body: Formatted
    media: Json = field(default_factory=dict)
    inline_keyboard: list[list[Json]] = field(default_factory=list)
    has_other_markup: bool = False
    edit_date: int | None = None
    silent: bool = False
    extra: Json = field(default_factory=dict)  # forward_origin, via_bot, reply_to_message...

    @property
    def is_text(self) -> bool:
        """A plain text message: nothing but text may be edited in it."""
        return not self.media


class Chat:
    """The private chat of one bot with one person who pressed Start."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.blocked = False
        self.messages: dict[int, Message] = {}
        self.reply_keyboard: Json | None = None
        self.reply_keyboard_message: int | None = None
        self.action: tuple[str, float] | None = None  # what the bot seems to be doing, and until when
        self.last_answer: Json | None = None  # the pop-up that the last answered tap showed
        self.menu_button: Json | None = None
        self.changed = Signal()


class Bot:
    """A bot account: its queue of updates, chats and files."""

    def __init__(self, token: str, username: str, name: str, number: int) -> None:
        self.id = int(token.partition(":")[0])
        self.token = token
        self.username = username
        self.name = name
        self.chats: dict[int, Chat] = {}  # of those who pressed Start
        self.screens: dict[int, Chat] = {}
        self.files: dict[str, StoredFile] = {}
        self.paths: dict[str, StoredFile] = {}
        # Message ids run through all private chats of a bot, as they do in an account of Telegram's.
        self.message_ids = itertools.count(1)
        # Far from message ids, and different for each bot, so that a mix-up shows.
        self.next_update_id = 100_000_000 + number * 1_000_000
        self.updates: deque[tuple[float, Json]] = deque()
        self.allowed_updates: frozenset[str] | None = None
        self.poll: asyncio.Future[ApiError | None] | None = None
        self.commands: dict[tuple[str, str], list[Json]] = {}
        self.descriptions: dict[tuple[str, str], str] = {}
        self.menu_button: Json = {"type": "commands"}

    def user(self) -> Json:
        """The Bot API's User of this bot."""
        return {"id": self.id, "is_bot": True, "first_name": self.name, "username": self.username}

    def screen(self, person: Person) -> Chat:
        """What this person has on the phone, also before Start, when the bot knows of no chat."""
        chat = self.screens.get(person.id)
        if chat is None:
            chat = self.screens[person.id] = Chat(person)
        return chat

    def push(self, kind: str, payload: Json, now: float) -> None:
        """Queue an update, unless this kind is not among the allowed ones, and wake the poller."""
        allowed = self.allowed_updates
        if (kind in _ON_REQUEST_ONLY) if allowed is None else (kind not in allowed):
            return
        self.updates.append((now, {"update_id": self.next_update_id, kind: payload}))
        self.next_update_id += 1
        self.end_poll(None)

    def end_poll(self, error: ApiError | None) -> None:
        """Let the waiting getUpdates look again, or end it with an error."""
        if self.poll is not None and not self.poll.done():
            self.poll.set_result(error)
        self.poll = None

    def confirm(self, offset: int, now: float) -> int:
        """Forget the updates before `offset` as getUpdates does, and say from which id on to answer.

        A negative offset keeps only so many of the last ones; one far in the future counts as none.
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
        """The updates from this id on, oldest first."""
        return [update for _, update in self.updates if update["update_id"] >= start][:limit]

    def store(self, kind: str, content: bytes, name: str) -> StoredFile:
        """Keep a file under a new file_id of this bot's own."""
        number = len(self.files)
        digest = hashlib.sha256(f"{self.id}/{number}".encode()).digest()
        unique = base64.urlsafe_b64encode(hashlib.sha256(content).digest()[:11]).decode().rstrip("=")
        identifier = f"AgAC{base64.urlsafe_b64encode(digest * 2).decode().rstrip('=')}"
        suffix = f".{name.rpartition('.')[2]}" if "." in name else ""
        stored = StoredFile(kind, identifier, f"AQAD{unique}", f"{kind}s/file_{number}{suffix}", content)
        self.files[identifier] = self.paths[stored.path] = stored
        return stored


class World:
    """Everything the simulator knows. `callback_lifetime` is how long a tap may be answered."""

    def __init__(self, clock: Clock, callback_lifetime: float) -> None:
        self.clock = clock
        self.callback_lifetime = callback_lifetime
        self.bots: dict[str, Bot] = {}  # by token
        self.by_username: dict[str, Bot] = {}
        self.people: dict[int, Person] = {}
        self.journal = Journal(clock)
        self.taps = Taps(clock, callback_lifetime)
        self.faults = Faults()
        self.limits = Limits()
        self.stopping = False

    def reset(self) -> None:
        """Forget everybody and everything; whoever still polls gets 401."""
        self.let_go(ApiError(401, "Unauthorized"))
        self.bots.clear()
        self.by_username.clear()
        self.people.clear()
        self.journal.clear()
        self.taps = Taps(self.clock, self.callback_lifetime)
        self.limits = Limits()

    def let_go(self, error: ApiError) -> None:
        """End all long polls, getUpdates with this error, and cut what a fault holds."""
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
            bot = self.bots[token] = Bot(token, username, name, len(self.bots))
        self.by_username.pop(bot.username, None)
        bot.username, bot.name = username, name
        self.by_username[username] = bot
        return bot

    def now(self) -> int:
        """Unix time, as Telegram writes dates."""
        return int(self.clock.wall().timestamp())

    def show(self, bot: Bot, chat: Chat, message: Message) -> Json:
        """The Bot API's Message. Only an inline keyboard is echoed in it."""
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
