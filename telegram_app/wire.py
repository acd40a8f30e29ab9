"""Parses Telegram's answers to getUpdates: each update by itself, and only those of people in private chats.

python-telegram-bot parses all of an answer or nothing of it, and logs an answer that it can't parse, with what people
typed. So its ``Bot`` never gets the updates: ``PollingRequest`` takes them out of the answer.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from telegram import Bot, Update
from telegram.error import NetworkError

from telegram_app.metrics import BotMetrics, CountedRequest

HTTP_TIMEOUT = 30.0  # seconds
NO_UPDATES = b'{"ok": true, "result": []}'
_BEGIN = re.compile(r'\s*\{[^\[{]*"result"\s*:\s*(?=\[)')
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]', re.DOTALL)
_DEPTH = {"[": 1, "{": 1, "]": -1, "}": -1}
_UPDATE_ID = re.compile(r'"update_id"\s*:\s*(\d{1,16})\b')


def _number(least: float, most: float, *types: type) -> Callable[[object], bool]:
    return lambda value: type(value) in (types or (int,)) and least <= value <= most  # type: ignore[operator]


def _text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 20_000  # Telegram's own limit is 4096


def _data(value: object) -> bool:
    return _text(value) and str(value).isprintable()  # a "$" in a handler's pattern would let pass a line break


# The fields that handlers use; a "?" marks those that may be absent. The library checks no types.
_id, _count = _number(1, 2**52 - 1), _number(0, 2**52)  # Telegram's ids have at most 52 bits
_time = _number(0, 4_102_444_800)  # until the year 2100
_PERSON = {"id": _id, "is_bot": _number(0, 0, bool), "first_name": _text, "language_code?": _text}
_PLACE = {"chat": {"id": _id, "type": lambda value: value == "private"}, "date": _time}
_ENTITIES = [{"type": _text, "offset": _number(0, 20_000), "length": _number(0, 20_000), "url?": _text}]
_FILE = {"file_id": _text, "file_unique_id": _text, "file_size?": _count, "duration?": _time, "file_name?": _text}
_degrees, _metres = _number(-180, 180, int, float), _number(0, 1e9, int, float)
_LOCATION = {"latitude": _degrees, "longitude": _degrees, "horizontal_accuracy?": _metres, "live_period?": _count}
_CONTACT = {"phone_number": _text, "user_id?": _id}
_SHOWN = _PLACE | {"message_id": _id}  # a message of ours with a button; its date is 0 where it is too old
_MESSAGE = _SHOWN | {"from": _PERSON, "edit_date?": _time, "text?": _text, "caption?": _text, "location?": _LOCATION}
_MESSAGE |= {"entities?": _ENTITIES, "caption_entities?": _ENTITIES, "contact?": _CONTACT}
_MESSAGE |= {"video_note?": _FILE, "document?": _FILE}
_SHAPES: dict[str, Any] = {
    Update.MESSAGE: _MESSAGE,
    Update.EDITED_MESSAGE: _MESSAGE,
    Update.CALLBACK_QUERY: {"id": _text, "from": _PERSON, "data?": _data, "message?": _SHOWN},
    Update.MY_CHAT_MEMBER: _PLACE | {"from": _PERSON, "new_chat_member": {"status": _text}},
}
KINDS = list(_SHAPES)


class PollingRequest(CountedRequest):
    """The connection for polling: takes the updates out of Telegram's answers, and keeps the state for /healthz."""

    def __init__(self, proxy: str | None, metrics: BotMetrics | None = None) -> None:
        more: dict[str, Any] = {"connect_timeout": HTTP_TIMEOUT, "read_timeout": HTTP_TIMEOUT, "proxy": proxy}
        super().__init__(metrics or BotMetrics(), connection_pool_size=1, **more)
        self.batch: list[tuple[int | None, Any]] = []
        self.answered_at: float | None = None  # when a poll was answered last, and its updates were handled
        self.refused = asyncio.Event()  # Telegram does not know the token any more
        self.conflict = False  # another process polls with this bot's token
        self.conflicts = 0  # answers that said so

    def answered(self) -> None:
        """Record progress now. Also called at start, since the first poll may take half a minute."""
        self.answered_at = time.monotonic()

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        status, payload = await super().do_request(*args, **kwargs)
        if status == HTTPStatus.OK:
            self.conflict, self.batch, payload = False, batch_of(payload), NO_UPDATES
        elif status == HTTPStatus.CONFLICT:
            self.answered()  # a restart would not help
            self.conflict, self.conflicts = True, self.conflicts + 1
        elif status == HTTPStatus.UNAUTHORIZED:
            self.refused.set()
        return status, payload


def batch_of(payload: bytes) -> list[tuple[int | None, Any]]:
    """Return the updates of an answer, each with its id (None: it has none that is valid); unreadable ones are None.

    Raises NetworkError: it is no answer to getUpdates.
    """
    text = payload.decode(errors="replace")
    if (begin := _BEGIN.match(text)) is None:
        raise NetworkError("the answer to getUpdates is no list of updates")
    return [_read(part) for part in _split(text[begin.end() :])]


def update_of(raw: Any, bot: Bot) -> Update | None:
    """Return an update for the handlers; None if it can't be parsed or is not from a person in a private chat."""
    try:
        json.dumps(raw, ensure_ascii=False, allow_nan=False).encode()  # no half characters and no infinities
        kind = next((each for each in KINDS if each in raw), "")
        content = raw[kind]
        place = content if kind != Update.CALLBACK_QUERY else content.get("message")
        if not _fits(content, _SHAPES[kind]) or (place and place["chat"]["id"] != content["from"]["id"]):
            return None
        return Update.de_json({"update_id": raw["update_id"], kind: content}, bot)
    except Exception:  # noqa: BLE001  # whatever the library raises for a field of a wrong type or shape
        return None


def _fits(value: Any, shape: Any) -> bool:
    """Say whether a value has the required fields of a shape, and each field fits."""
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(each, shape[0]) for each in value)
    if not isinstance(shape, dict):
        return bool(shape(value))
    names = {name: name.removesuffix("?") for name in shape}
    return isinstance(value, dict) and all(
        _fits(value[own], shape[name]) if value.get(own) is not None else name != own for name, own in names.items()
    )


def _split(text: str) -> Iterator[str]:
    """Yield the elements of a JSON list, which need not be valid themselves."""
    depth = begin = 0
    for token in _TOKEN.finditer(text):
        sign = token[0][0]
        if depth == 1 and sign in ",]" and (element := text[begin : token.start()].strip()):
            yield element
        depth += _DEPTH.get(sign, 0)
        if depth == 0:
            return
        if depth == 1 and sign in ",[":
            begin = token.end()


def _read(part: str) -> tuple[int | None, Any]:
    try:
        raw = json.loads(part)
        number = raw.get("update_id") if isinstance(raw, dict) else None
    except (ValueError, RecursionError):  # too deep, or a number of thousands of digits
        found = _UPDATE_ID.search(part)
        raw, number = None, int(found[1]) if found else None
    return number if _id(number) else None, raw
