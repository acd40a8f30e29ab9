"""Carries out one row of the outgoing queue with calls of the Bot API."""

import asyncio
import logging
from typing import Any

from telegram import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    InputMediaPhoto,
    KeyboardButton,
    LinkPreviewOptions,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
)
from telegram.constants import ParseMode
from telegram.error import BadRequest
from telegram.ext import ExtBot

from core.clock import Clock
from telegram_app.files import SHIPPED, MakeFile, OnSent
from telegram_app.outbox_table import Outgoing, OutgoingRow
from telegram_app.qr import qr_picture
from telegram_app.rate_limiter import CallOptions

log = logging.getLogger(__name__)


class Sender:
    """Sends, edits and deletes the messages of one bot.

    ``between_sends``: seconds between two new messages in a chat; ``make_file``: reads the files that rows refer to;
    ``on_sent``: called after a file was sent, except shipped ones. Errors that may be temporary are passed on to the
    caller, which repeats the row.
    """

    def __init__(
        self,
        bot: ExtBot[Any],
        queue: Outgoing,
        clock: Clock,
        between_sends: float,
        make_file: MakeFile,
        on_sent: OnSent | None,
    ) -> None:
        self._bot = bot
        self._queue = queue
        self._clock = clock
        self._between_sends = between_sends
        self._make_file = make_file
        self._on_sent = on_sent
        self._last_sent: dict[int, float] = {}  # by chat
        self._uploaded: dict[str, str] = {}  # Telegram's file_id of each shipped picture, by reference

    def too_early_by(self, chat_id: int) -> float:
        """Return the seconds until a new message may be sent to a chat."""
        last = self._last_sent.get(chat_id, float("-inf"))
        return max(0.0, last + self._between_sends - self._clock.monotonic())

    async def perform(self, row: OutgoingRow, options: CallOptions) -> bool:
        """Carry out a row and remove it from the queue; False if Telegram refused it permanently."""
        message_id: int | None = None
        try:
            if row.action == "delete":
                await self._delete(row, options)
            elif row.action == "strip":
                await self._strip(row, options)
            elif row.action == "photo":
                message_id = await self._photo(row, options)
            elif row.action == "react":
                message_id = await self._react(row, options)
            elif row.action == "document":
                await self._document(row, options)
            else:
                message_id = await self._send_or_edit(row, options)
        except BadRequest as error:
            # permanent: repeated calls would be refused as well. The error's text does not quote the message
            log.info("outgoing: chat %d, %s refused: %s", row.chat_id, row.action, error.message)
            await asyncio.to_thread(self._queue.done, row)
            return "not found" in error.message
        await asyncio.to_thread(self._queue.done, row, message_id)
        return True

    async def _delete(self, row: OutgoingRow, options: CallOptions) -> None:
        message_id = row.payload["message_id"]
        if message_id is None and row.slot is not None:
            message_id = await asyncio.to_thread(self._queue.message, row.chat_id, row.slot)
        if message_id is not None:
            await self._bot.delete_message(row.chat_id, message_id, rate_limit_args=options)
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
                    return message_id
                except BadRequest as error:
                    if "not modified" in error.message:
                        return message_id
                    if row.action == "amend":
                        raise
                    log.info("outgoing: chat %d, edit refused (%s), sending a new message", row.chat_id, error.message)
                    await asyncio.sleep(self.too_early_by(row.chat_id))
        return await (self._send if row.payload.get("file") is None else self._photo)(row, options)

    async def _edit(self, row: OutgoingRow, message_id: int, options: CallOptions) -> None:
        text, markup = row.payload["text"], _inline_keyboard(row.payload["buttons"])
        if row.payload.get("qr") is not None:
            picture = await asyncio.to_thread(qr_picture, row.payload["qr"])
            media = InputMediaPhoto(picture, caption=text, parse_mode=ParseMode.HTML)
            await self._bot.edit_message_media(
                media, row.chat_id, message_id, reply_markup=markup, rate_limit_args=options
            )
            return
        # texts and captions need different calls, and the slot may be filled by a message of the other kind
        shape: dict[str, Any] = {"parse_mode": ParseMode.HTML, "reply_markup": markup, "rate_limit_args": options}
        has_caption = row.payload.get("file") is not None
        for is_last in (False, True):
            try:
                if has_caption:
                    await self._bot.edit_message_caption(row.chat_id, message_id, caption=text, **shape)
                else:
                    await self._bot.edit_message_text(text, row.chat_id, message_id, **shape)
                return
            except BadRequest as error:
                if is_last or "in the message to edit" not in error.message:
                    raise
                has_caption = not has_caption

    async def _send(self, row: OutgoingRow, options: CallOptions) -> int:
        message = await self._bot.send_message(
            row.chat_id,
            row.payload["text"],
            parse_mode=ParseMode.HTML,
            reply_markup=_reply_keyboard(row.payload) or _inline_keyboard(row.payload["buttons"]),
            link_preview_options=LinkPreviewOptions(is_disabled=True),
            disable_notification=row.payload.get("quiet"),
            rate_limit_args=options,
        )
        self._last_sent[row.chat_id] = self._clock.monotonic()
        return message.message_id

    async def _photo(self, row: OutgoingRow, options: CallOptions) -> int:
        reference = row.payload.get("file") or ""
        picture = self._uploaded.get(reference) or await self._picture(row)
        if picture is None:
            return await self._send(row, options)
        try:
            message = await self._bot.send_photo(
                row.chat_id,
                picture,
                caption=row.payload["text"],
                parse_mode=ParseMode.HTML,
                reply_markup=_inline_keyboard(row.payload["buttons"]),
                rate_limit_args=options,
            )
        except BadRequest as error:  # the text must arrive even without the picture
            if isinstance(picture, str):  # Telegram does not know the file_id any more: upload the file again
                self._uploaded.pop(reference, None)
                return await self._photo(row, options)
            log.warning("outgoing: chat %d, picture refused (%s), sending the text only", row.chat_id, error.message)
            return await self._send(row, options)
        self._last_sent[row.chat_id] = self._clock.monotonic()
        if reference.startswith(SHIPPED) and message.photo:
            self._uploaded[reference] = message.photo[-1].file_id
        elif reference and self._on_sent is not None:
            await self._on_sent(reference)
        return message.message_id

    async def _picture(self, row: OutgoingRow) -> bytes | None:
        if row.payload.get("qr") is not None:
            return await asyncio.to_thread(qr_picture, row.payload["qr"])
        file = await self._make_file(row.payload["file"])
        return file[1] if file is not None else None

    async def _document(self, row: OutgoingRow, options: CallOptions) -> None:
        file = await self._make_file(row.payload["file"])
        if file is None:
            log.warning("outgoing: chat %d, the file %s does not exist any more", row.chat_id, row.payload["file"])
            return
        name, content = file
        await self._bot.send_document(
            row.chat_id,
            InputFile(content, filename=name),
            caption=row.payload["text"] or None,
            parse_mode=ParseMode.HTML,
            rate_limit_args=options,
        )
        self._last_sent[row.chat_id] = self._clock.monotonic()


def _reply_keyboard(payload: dict[str, Any]) -> ReplyKeyboardMarkup | ReplyKeyboardRemove | None:
    kind, label = payload.get("ask") or (None, "")
    if kind is None:
        return None
    if kind == "nothing":
        return ReplyKeyboardRemove()
    button = KeyboardButton(label, request_contact=kind == "contact", request_location=kind == "location")
    return ReplyKeyboardMarkup([[button]], resize_keyboard=True, one_time_keyboard=True)


def _inline_keyboard(rows: list[list[list[str | None]]] | None) -> InlineKeyboardMarkup | None:
    if not rows:
        return None
    return InlineKeyboardMarkup(
        [[InlineKeyboardButton(text or "", callback_data=data, url=url) for text, data, url in row] for row in rows]
    )
