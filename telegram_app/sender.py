"""Carries out one row of the outgoing queue with calls of the Bot API."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import telegram
from telegram.constants import ParseMode
from telegram.error import BadRequest
from telegram.ext import ExtBot

from core.clock import Clock
from telegram_app.files import SHIPPED, MakeFile, qr_picture
from telegram_app.outbox_table import LANES, Outgoing, OutgoingRow
from telegram_app.rate_limiter import CallOptions, Priority

log = logging.getLogger(__name__)

# A message that the person has deleted, or that can't be edited any more, is sent anew. A notice in one slot is sent so
# only three times in ten minutes: otherwise each update of a living message could send another one.
MOST_RESENT, RESENT_WITHIN = 3, 600.0
LINKS_KEPT = 500
# Actions that tidy the screen; in each lane new messages have priority over them.
_TIDYING = ("strip", "delete")
_PRIORITIES = {  # of new messages, and of tidying, by lane
    "urgent": (Priority.TAP, Priority.TAP),
    "answer": (Priority.ANSWER, Priority.CLEARING),
    "notice": (Priority.RESULT, Priority.TIDYING),
    "later": (Priority.TIDYING, Priority.TIDYING),
}


@dataclass(eq=False)
class Sender:
    """Sends, edits and deletes the messages of one bot.

    ``between_sends``: seconds between two new messages in a chat; ``make_file``: reads the files that rows refer to.
    Errors that may be temporary are passed on to the caller, which repeats the row.
    """

    _bot: ExtBot[Any]
    _queue: Outgoing
    _clock: Clock
    _between_sends: float
    _make_file: MakeFile
    _last_sent: dict[int, float] = field(default_factory=dict)  # by chat
    _uploaded: dict[str, str] = field(default_factory=dict)  # Telegram's file_id of each shipped picture, by reference
    _resent: dict[tuple[int, str], list[float]] = field(default_factory=dict)  # by chat and slot
    # messages by row that could not be removed from the queue yet, as on a full disk: they are not sent again
    _carried_out: dict[int, int | None] = field(default_factory=dict)
    _links: dict[tuple[int, int], str] = field(default_factory=dict)  # of QR codes, by chat and message

    def too_early_by(self, chat_id: int) -> float:
        """Return the seconds until a new message may be sent to a chat."""
        last = self._last_sent.get(chat_id, float("-inf"))
        return max(0.0, last + self._between_sends - self._clock.monotonic())

    async def perform(self, row: OutgoingRow, options: CallOptions) -> bool:
        """Carry out a row and remove it from the queue; False if Telegram refused it permanently."""
        try:
            if row.id not in self._carried_out:
                self._carried_out[row.id] = await self.carry_out(row, options)
        except BadRequest as error:
            # permanent: repeated calls would be refused as well. The error's text does not quote the message
            log.info("outgoing: chat %d, %s refused: %s", row.chat_id, row.action, error.message)
            if row.action in ("delete", "amend") and row.slot is not None:  # deleted already, or too old
                await asyncio.to_thread(self._queue.clear, row.chat_id, row.slot)
            await asyncio.to_thread(self._queue.done, row)
            return "not found" in error.message
        await asyncio.to_thread(self._queue.done, row, self._carried_out[row.id])
        del self._carried_out[row.id]
        return True

    async def carry_out(self, row: OutgoingRow, options: CallOptions) -> int | None:
        """Carry out a row; return the message that it sent or edited, if any."""
        carry_out: dict[str, Callable[[OutgoingRow, CallOptions], Awaitable[int | None]]] = {
            "delete": self._delete,
            "strip": self._strip,
            "photo": self._photo,
            "react": self._react,
            "album": self._files,
            "document": self._files,  # earlier versions queued single documents
        }
        return await carry_out.get(row.action, self._send_or_edit)(row, options)

    async def _delete(self, row: OutgoingRow, options: CallOptions) -> None:
        message_id = row.payload["message_id"]
        if message_id is None and row.slot is not None:
            message_id = await asyncio.to_thread(self._queue.message, row.chat_id, row.slot)
        if message_id is not None:
            try:
                await self._bot.delete_message(row.chat_id, message_id, rate_limit_args=options)
            except BadRequest as error:
                if row.slot is None or "can't be deleted" not in error.message:
                    raise
                # older than 48 hours, such as the menu of a teacher's last lesson: at least its buttons go
                await self._bot.edit_message_reply_markup(row.chat_id, message_id, rate_limit_args=options)
        if row.slot is not None:
            await asyncio.to_thread(self._queue.clear, row.chat_id, row.slot)

    async def _strip(self, row: OutgoingRow, options: CallOptions) -> None:
        slot = row.slot or ""
        message_id = await asyncio.to_thread(self._queue.message, row.chat_id, slot)
        if message_id is None:
            return
        try:
            await self._bot.edit_message_reply_markup(row.chat_id, message_id, rate_limit_args=options)
        except BadRequest as error:  # done before and the answer was lost, or the message was deleted
            log.info("outgoing: chat %d, strip refused: %s", row.chat_id, error.message)
        await asyncio.to_thread(self._queue.clear, row.chat_id, slot)

    async def _react(self, row: OutgoingRow, options: CallOptions) -> int | None:
        message_id, emoji = row.payload["message_id"], row.payload["text"]
        try:
            await self._bot.set_message_reaction(row.chat_id, message_id, emoji, rate_limit_args=options)
        except BadRequest as error:  # the person has deleted the message
            log.info("outgoing: chat %d, reaction refused (%s), sending the text", row.chat_id, error.message)
            await asyncio.sleep(self.too_early_by(row.chat_id))
            row.payload["text"] = row.payload["fallback"]
            return await self._send(row, options)
        return None

    async def _send_or_edit(self, row: OutgoingRow, options: CallOptions) -> int | None:
        if row.action in ("edit", "amend") and row.slot is not None:
            message_id = await asyncio.to_thread(self._queue.message, row.chat_id, row.slot)
            if message_id is None and row.action == "amend":
                return None
            if message_id is not None:
                try:
                    await self._edit(row, message_id, options)
                    return None  # the slot is left as it is: meanwhile a tap may have put another message into it
                except BadRequest as error:
                    if "not modified" in error.message:
                        return None
                    if row.action == "amend" or not self._may_resend(row):
                        raise
                    log.info("outgoing: chat %d, edit refused (%s), sending a new message", row.chat_id, error.message)
                    await asyncio.sleep(self.too_early_by(row.chat_id))
        pictured = row.payload.get("file") or row.payload.get("qr")
        return await (self._photo if pictured else self._send)(row, options)

    def _may_resend(self, row: OutgoingRow) -> bool:
        """Return whether a message that can't be edited is sent anew; counts it. Answers to a person always are."""
        now, key = self._clock.monotonic(), (row.chat_id, row.slot or "")
        self._resent = {each: at for each, at in self._resent.items() if now - at[-1] < RESENT_WITHIN}
        times = self._resent.setdefault(key, [])
        if row.lane > 0 and len(times) >= MOST_RESENT and now - times[-MOST_RESENT] < RESENT_WITHIN:
            return False
        times.append(now)
        return True

    async def _edit(self, row: OutgoingRow, message_id: int, options: CallOptions) -> None:
        text, chat_id, link = row.payload["text"], row.chat_id, row.payload.get("qr")
        shape = _shape(row, options)
        if link is not None and self._links.get((chat_id, message_id)) != link:
            picture = await asyncio.to_thread(qr_picture, link)
            media = telegram.InputMediaPhoto(picture, caption=text, parse_mode=shape.pop("parse_mode"))
            await self._bot.edit_message_media(media, chat_id, message_id, **shape)
            self._keep_link(row, message_id)
            return
        # texts and captions need different calls, and the slot may be filled by a message of the other kind
        has_caption = link is not None or row.payload.get("file") is not None
        for is_last in (False, True):
            try:
                if has_caption:
                    await self._bot.edit_message_caption(chat_id, message_id, caption=text, **shape)
                else:
                    await self._bot.edit_message_text(text, chat_id, message_id, **shape)
                return
            except BadRequest as error:
                if is_last or "in the message to edit" not in error.message:
                    raise
                has_caption = not has_caption

    def _keep_link(self, row: OutgoingRow, message_id: int) -> None:
        """Remember which QR code a message shows: as long as it stays, an edit changes the caption only."""
        if (link := row.payload.get("qr")) is not None:
            self._links = dict(list(self._links.items())[-LINKS_KEPT:]) | {(row.chat_id, message_id): link}

    async def _send(self, row: OutgoingRow, options: CallOptions) -> int:
        shape = _sent(row, options) | {"link_preview_options": telegram.LinkPreviewOptions(is_disabled=True)}
        if (keyboard := _reply_keyboard(row.payload)) is not None:
            shape["reply_markup"] = keyboard
        message = await self._bot.send_message(row.chat_id, row.payload["text"], **shape)
        self._last_sent[row.chat_id] = self._clock.monotonic()
        return message.message_id

    async def _photo(self, row: OutgoingRow, options: CallOptions) -> int:
        reference = row.payload.get("file") or ""
        picture = self._uploaded.get(reference) or await self._picture(row)
        if picture is None:
            return await self._send(row, options)
        try:
            caption = row.payload["text"]
            message = await self._bot.send_photo(row.chat_id, picture, caption=caption, **_sent(row, options))
        except BadRequest as error:  # the text must arrive even without the picture
            if isinstance(picture, str):  # Telegram does not know the file_id any more: upload the file again
                self._uploaded.pop(reference, None)
                return await self._photo(row, options)
            log.warning("outgoing: chat %d, picture refused (%s), sending the text only", row.chat_id, error.message)
            return await self._send(row, options)
        self._last_sent[row.chat_id] = self._clock.monotonic()
        self._keep_link(row, message.message_id)
        if reference.startswith(SHIPPED) and message.photo:
            self._uploaded[reference] = message.photo[-1].file_id
        return message.message_id

    async def _picture(self, row: OutgoingRow) -> bytes | None:
        if row.payload.get("qr") is not None:
            return await asyncio.to_thread(qr_picture, row.payload["qr"])
        file = await self._make_file(row.payload["file"])
        return file[1] if file is not None else None

    async def _files(self, row: OutgoingRow, options: CallOptions) -> int | None:
        """Send an album of documents, the text below the last one; it must arrive even without them."""
        references, text = row.payload.get("files") or [row.payload["file"]], row.payload["text"] or None
        found = [file for each in references if (file := await self._make_file(each)) is not None]
        captions = [None] * (len(found) - 1) + [text]
        media = [
            telegram.InputMediaDocument(content, caption, ParseMode.HTML, filename=name)
            for (name, content), caption in zip(found, captions, strict=bool(found))
        ]
        more: dict[str, Any] = {"disable_notification": row.payload.get("quiet"), "rate_limit_args": options}
        try:
            if len(media) > 1:
                message = (await self._bot.send_media_group(row.chat_id, media, **more))[-1]
            elif media:
                content = media[0].media
                message = await self._bot.send_document(row.chat_id, content, caption=text, **_sent(row, options))
        except BadRequest as error:
            log.warning("outgoing: chat %d, files refused (%s), sending the text only", row.chat_id, error.message)
            media = []
        if not media:
            return await self._send(row, options) if text else None
        # each message of an album counts for Telegram's limit
        self._last_sent[row.chat_id] = self._clock.monotonic() + (len(media) - 1) * self._between_sends
        return message.message_id


def options_of(row: OutgoingRow) -> CallOptions:
    """Return a row's priority for the rate limiter. ``longest_pause`` is 0: the outbox waits after a 429 by itself."""
    new, tidying = _PRIORITIES[LANES[row.lane]]
    return CallOptions(tidying if row.action in _TIDYING else new, longest_pause=0.0)


def _shape(row: OutgoingRow, options: CallOptions) -> dict[str, Any]:
    """Return the arguments that every call with a text takes."""
    markup = _inline_keyboard(row.payload["buttons"])
    return {"parse_mode": ParseMode.HTML, "reply_markup": markup, "rate_limit_args": options}


def _sent(row: OutgoingRow, options: CallOptions) -> dict[str, Any]:
    """Return the arguments that every call for a new message takes."""
    return _shape(row, options) | {"disable_notification": row.payload.get("quiet")}


def _reply_keyboard(payload: dict[str, Any]) -> telegram.ReplyKeyboardMarkup | telegram.ReplyKeyboardRemove | None:
    kind, label = payload.get("ask") or (None, "")
    if kind is None:
        return None
    if kind == "nothing":
        return telegram.ReplyKeyboardRemove()
    button = telegram.KeyboardButton(label, request_contact=kind == "contact", request_location=kind == "location")
    return telegram.ReplyKeyboardMarkup([[button]], resize_keyboard=True, one_time_keyboard=True)


def _inline_keyboard(rows: list[list[list[str | None]]] | None) -> telegram.InlineKeyboardMarkup | None:
    if not rows:
        return None
    button = telegram.InlineKeyboardButton
    return telegram.InlineKeyboardMarkup(
        [[button(text or "", callback_data=data, url=url) for text, data, url in row] for row in rows]
    )
