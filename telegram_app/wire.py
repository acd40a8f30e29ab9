"""Parses Telegram's answers to getUpdates: each update by itself, and only those of people in private chats.

python-telegram-bot parses all of an answer or nothing of it, and logs an answer that it can't parse, with what people
typed. So its ``Bot`` never gets the updates: ``PollingRequest`` takes them out of the answer.
"""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from telegram import Bot, Update
from telegram.error import NetworkError
from telegram.request import HTTPXRequest

HTTP_TIMEOUT = 30.0  # seconds
MOST_ID = 2**52  # Telegram's ids have at most 52 bits
NO_UPDATES = b'{"ok": true, "result": []}'
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]', re.DOTALL)
_DEPTH = {"[": 1, "{": 1, "]": -1, "}": -1}
_UPDATE_ID = re.compile(r'"update_id"\s*:\s*(\d{1,16})\b')

_Id = Annotated[int, Field(gt=0, lt=MOST_ID)]
_Time = Annotated[int, Field(ge=0, le=4_102_444_800)]  # the year 2100
_Text = Annotated[str, Field(max_length=20_000)]  # Telegram's own limit is 4096


class _Part(BaseModel):
    """A part of an update: the fields that handlers use. Others are left to python-telegram-bot."""

    model_config = ConfigDict(strict=True, extra="ignore")


class _Person(_Part):
    id: _Id
    is_bot: Literal[False]
    first_name: _Text
    language_code: _Text | None = None


class _Chat(_Part):
    id: _Id
    type: Literal["private"]


class _Entity(_Part):
    type: _Text
    offset: int = Field(ge=0, le=20_000)
    length: int = Field(ge=0, le=20_000)
    url: _Text | None = None


class _Location(_Part):
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    horizontal_accuracy: float | None = Field(None, ge=0)
    live_period: int | None = None


class _Contact(_Part):
    phone_number: _Text
    user_id: _Id | None = None


class _File(_Part):
    file_id: _Text
    file_unique_id: _Text
    file_size: int | None = Field(None, ge=0)
    duration: int | None = Field(None, ge=0)
    file_name: _Text | None = None


class _Shown(_Part):
    """A message of ours that has a button; ``date`` is 0 where Telegram does not show it any more."""

    message_id: _Id
    date: _Time
    chat: _Chat


class _Message(_Shown):
    sender: _Person = Field(alias="from")
    edit_date: _Time | None = None
    text: _Text | None = None
    caption: _Text | None = None
    entities: list[_Entity] = []
    caption_entities: list[_Entity] = []
    location: _Location | None = None
    contact: _Contact | None = None
    video_note: _File | None = None
    document: _File | None = None


class _Tap(_Part):
    id: _Text
    sender: _Person = Field(alias="from")
    data: _Text | None = None
    message: _Shown | None = None


class _Membership(_Part):
    class Status(_Part):
        status: _Text

    date: _Time
    chat: _Chat
    sender: _Person = Field(alias="from")
    new_chat_member: Status


_KINDS: dict[str, type[_Message | _Tap | _Membership]] = {
    Update.MESSAGE: _Message,
    Update.EDITED_MESSAGE: _Message,
    Update.CALLBACK_QUERY: _Tap,
    Update.MY_CHAT_MEMBER: _Membership,
}
KINDS = list(_KINDS)


class PollingRequest(HTTPXRequest):
    """The connection for polling: takes the updates out of Telegram's answers, and keeps the state for /healthz."""

    def __init__(self, proxy: str | None) -> None:
        super().__init__(connection_pool_size=1, connect_timeout=HTTP_TIMEOUT, read_timeout=HTTP_TIMEOUT, proxy=proxy)
        self.batch: list[tuple[int | None, Any]] = []
        self.answered_at: float | None = None  # when a poll was answered last, and its updates were handled
        self.refused = asyncio.Event()  # Telegram does not know the token any more
        self.conflict = False  # another process polls with this bot's token

    def answered(self) -> None:
        """Record progress now. Also called at start, since the first poll may take half a minute."""
        self.answered_at = time.monotonic()

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        status, payload = await super().do_request(*args, **kwargs)
        if status == HTTPStatus.OK:
            self.conflict, self.batch, payload = False, batch_of(payload), NO_UPDATES
        elif status == HTTPStatus.CONFLICT:
            self.answered()  # a restart would not help
            self.conflict = True
        elif status == HTTPStatus.UNAUTHORIZED:
            self.refused.set()
        return status, payload


def batch_of(payload: bytes) -> list[tuple[int | None, Any]]:
    """Return the updates of an answer, each with its id (None: it has none that is valid); unreadable ones are None.

    Raises NetworkError: it is no answer to getUpdates.
    """
    text = payload.decode(errors="replace")
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):  # one of the updates, or something else than Telegram has answered
        if not (parts := list(_split(text))):
            raise NetworkError("the answer to getUpdates can't be read") from None
        return [_readable(part) for part in parts]
    if not isinstance(answer, dict) or not isinstance(updates := answer.get("result"), list):
        raise NetworkError("the answer to getUpdates is no list of updates")
    return [(_id_of(each), each) for each in updates]


def update_of(raw: Any, bot: Bot) -> Update | None:
    """Return an update for the handlers; None if it can't be parsed or is not from a person in a private chat."""
    try:
        json.dumps(raw, ensure_ascii=False, allow_nan=False).encode()  # no half characters and no infinities
        kind = next(each for each in KINDS if each in raw)
        part = _KINDS[kind].model_validate(raw[kind])
        place = part.message if isinstance(part, _Tap) else part
        if place is not None and place.chat.id != part.sender.id:  # a private chat has its person's id
            return None
        return Update.de_json({"update_id": raw["update_id"], kind: raw[kind]}, bot)
    except Exception:  # noqa: BLE001  # whatever pydantic and the library raise for a field of a wrong type or shape
        return None


def _split(text: str) -> Iterator[str]:
    """Yield the elements of the list in an object's field, which need not be valid themselves."""
    depth = begin = 0
    for token in _TOKEN.finditer(text):
        sign = token[0][0]
        if depth == 2 and sign in ",]":
            yield text[begin : token.start()]
            begin = token.end()
        depth += _DEPTH.get(sign, 0)
        if depth == 2 and sign == "[":
            begin = token.end()


def _readable(part: str) -> tuple[int | None, Any]:
    try:
        raw = json.loads(part)
    except (ValueError, RecursionError):
        found = _UPDATE_ID.search(part)
        return (_id_of({"update_id": int(found[1])}) if found else None), None
    return _id_of(raw), raw


def _id_of(raw: Any) -> int | None:
    number = raw.get("update_id") if isinstance(raw, dict) else None
    return number if type(number) is int and 0 < number < MOST_ID else None
