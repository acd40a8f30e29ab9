"""Invitation codes: made with link and QR picture, noted for whom, listed, revoked, told when redeemed."""

import asyncio
import logging
from functools import partial
from html import escape
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler, ConversationHandler, MessageHandler, filters
from telegram.helpers import create_deep_linked_url

from marker.admin.invitation_lines import is_unused, line, order
from marker.admin.screens import AdminScreens, Context, Handler, asked_for, in_pairs, page_of
from marker.menu import fresh_menu
from marker.questions import NEW_PASSWORD, NOTE, PASSWORD, open_step
from storage import CodeUsed, StorageUnavailable, UnknownCode
from telegram_app.i18n import Texts
from telegram_app.outbox import NOTICE, Button, Item, Keyboard
from telegram_app.side import SCREEN, below, sender

log = logging.getLogger(__name__)

DELETE_WITHIN = 5.0  # seconds to wait for Telegram's answer; afterwards it is tried on
LONGEST_NOTE = 60  # characters: it stands in a line of a list
_CODE = r"(?P<code>[A-Z0-9]{1,32}):(?P<page>\d{1,6})$"


class Invitations(AdminScreens):
    """Handles the taps that are about codes, and the answer to the question for whom one is."""

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        """Return the handlers of taps, but for the one that begins the question."""
        taps: dict[str, Handler] = {
            r"^adm:code$": self._new_code,
            r"^adm:codes:(?P<page>\d{1,6})$": self._list,
            f"^inv:card:{_CODE}": self._card,
            f"^inv:ask:{_CODE}": self._ask_revoke,
            f"^inv:revoke:{_CODE}": self._revoke,
        }
        return [CallbackQueryHandler(self._guarded(handler), pattern=pattern) for pattern, handler in taps.items()]

    def question(self) -> CallbackQueryHandler[Any, Any]:
        """Return what begins the question for whom a code is; it leads to the step NOTE."""
        return CallbackQueryHandler(self._guarded(self._ask_note), pattern=f"^inv:note:{_CODE}")

    def answer(self, text: filters.BaseFilter) -> MessageHandler[Any, Any]:
        """Return what takes the answer at the step NOTE."""
        return MessageHandler(text, self._take_note)

    def redeemed(self, code: str, username: str) -> list[Item]:
        """Return what tells the admin who made a code that it was redeemed, where they still are one."""
        invitation = self._services.storage.invitation(code)
        if invitation is None or not self._services.is_admin(invitation.created_by):
            return []
        _ = self._services.texts(invitation.created_by)
        text = _("{username} has registered with the code for {note}.").format(
            username=escape(username), note=escape(invitation.note or code)
        )
        return [Item(invitation.created_by, "send", text, lane=NOTICE)]

    # a new code

    async def _new_code(self, update: Update, context: Context) -> None:
        person = sender(update)
        _ = self._services.texts(person)
        try:
            code = await asyncio.to_thread(self._services.storage.create_invitation, person)
        except StorageUnavailable:
            log.exception("invitation code not written")
            await self._show(person, _("That could not be saved. Please try again later."), self._to_panel(_))
            return
        log.info("admin %d: new invitation code", person)
        link = create_deep_linked_url(context.bot.username, code)
        text = "\n".join(
            (
                _("Invitation code: {code}").format(code=f"<code>{code}</code>"),
                _("It works once. This link does the same with one tap:"),
                escape(link),
            )
        )
        # a message of its own, without buttons, to be forwarded; the panel comes again below it
        panel, keyboard = self._panel_screen(person)
        note = [Button(_("Add Note"), f"inv:note:{code}:0")]
        await self._services.outbox.put(
            Item(person, "strip", slot=SCREEN),
            Item(person, "photo", text, qr=link),
            Item(person, "send", panel, [note, *keyboard], slot=SCREEN),
        )

    # the list and a code's card

    async def _list(self, update: Update, context: Context) -> None:
        await self._show_list(sender(update), int(asked_for(context)["page"]))

    async def _show_list(self, person: int, asked: int, headline: str = "") -> None:
        _ = self._services.texts(person)
        invitations = sorted(
            self._services.storage.invitations().items(), key=partial(order, self._services), reverse=True
        )
        page = page_of(invitations, asked)
        lines = [line(self._services, _, code, invitation) for code, invitation in page.shown]
        buttons = [
            Button(code, f"inv:card:{code}:{page.number}")
            for code, each in page.shown
            if is_unused(self._services, each)
        ]
        text = f"{page.heading(_('Invitations'))}\n" + ("\n".join(lines) or _("No invitation codes yet."))
        keyboard = [*in_pairs(buttons), *page.ways(_, "adm:codes")]
        await self._show(person, f"{headline}\n\n{text}" if headline else text, keyboard)

    async def _card(self, update: Update, context: Context) -> None:
        asked = asked_for(context)
        await self._show_card(sender(update), asked["code"], asked["page"], context)

    async def _show_card(self, person: int, code: str, page: str, context: Context) -> None:
        card = self._card_screen(person, code, page, context)
        if card is None:
            await self._show_list(person, int(page))
        else:
            await self._show(person, *card)

    def _card_screen(self, person: int, code: str, page: str, context: Context) -> tuple[str, Keyboard] | None:
        """Return text and buttons about one code; None where there is none."""
        _ = self._services.texts(person)
        invitation = self._services.storage.invitation(code)
        if invitation is None:
            return None
        text = line(self._services, _, code, invitation)
        keyboard = [[Button(_("Back"), f"adm:codes:{page}")]]
        if is_unused(self._services, invitation):
            text += "\n" + escape(create_deep_linked_url(context.bot.username, code))
            noting = _("Change Note") if invitation.note else _("Add Note")
            keyboard.insert(
                0, [Button(_("Revoke"), f"inv:ask:{code}:{page}"), Button(noting, f"inv:note:{code}:{page}")]
            )
        return text, keyboard

    async def _ask_revoke(self, update: Update, context: Context) -> None:
        person, asked = sender(update), asked_for(context)
        code, page = asked["code"], asked["page"]
        _ = self._services.texts(person)
        invitation = self._services.storage.invitation(code)
        if invitation is None or not is_unused(self._services, invitation):
            await self._show_card(person, code, page, context)
            return
        about = line(self._services, _, code, invitation)
        question = _("Revoke this code? Nobody will be able to register with it.")
        yes, no = (
            Button(_("Revoke for good"), f"inv:revoke:{code}:{page}"),
            Button(_("Back"), f"inv:card:{code}:{page}"),
        )
        await self._show(person, f"{about}\n\n{question}", [[yes], [no]])

    async def _revoke(self, update: Update, context: Context) -> None:
        person, asked = sender(update), asked_for(context)
        code = asked["code"]
        _ = self._services.texts(person)
        before = self._services.storage.invitation(code)
        try:
            await asyncio.to_thread(self._services.storage.revoke, code)
            if before is not None and before.revoked_at is None:  # else a second tap
                log.info("admin %d: invitation code revoked", person)
            headline = _("The code {code} is revoked.").format(code=code)
        except CodeUsed:
            headline = _("The code {code} has been used meanwhile.").format(code=code)
        except UnknownCode:
            headline = ""
        except StorageUnavailable:
            log.exception("revoked code not written")
            headline = _("That could not be saved. Please try again later.")
        await self._show_list(person, int(asked["page"]), headline)

    # for whom a code is

    async def _ask_note(self, update: Update, context: Context) -> str | int | None:
        person, asked = sender(update), asked_for(context)
        step = await asyncio.to_thread(self._services.people.step, person)
        if step is not None and step.name in (PASSWORD, NEW_PASSWORD):
            return None  # the question for a password stands: what is typed next must never become a note
        if self._services.storage.invitation(asked["code"]) is None:
            await self._show_list(person, 0)
            return None
        return await self._ask(person, asked, in_place=True)

    async def _ask(self, person: int, data: dict[str, str], problem: str = "", *, in_place: bool = False) -> str:
        """Write the step down and ask its question, as one transaction."""
        _ = self._services.texts(person)
        question = _("For whom is the code {code}? Send me one line, {most} characters at most.").format(
            code=f"<code>{data['code']}</code>", most=LONGEST_NOTE
        )
        text = f"{problem}\n\n{question}" if problem else question
        keyboard: Keyboard = [[Button(_("Cancel"), "reg:cancel")]]
        items = [Item(person, "edit", text, keyboard, slot=SCREEN)] if in_place else below(person, text, keyboard)

        def write() -> bool:
            self._services.people.set_step(person, NOTE, data, self._services.clock.now())
            return True

        await self._services.outbox.put(*items, when=write)
        return NOTE

    async def _take_note(self, update: Update, context: Context) -> str | int:
        person = sender(update)
        _ = self._services.texts(person)
        step = await open_step(self._services, person, NOTE)
        if step is None or not self._services.is_admin(person):
            expired = _("That question has expired. Please begin again.") if step is None else ""
            return await self._leave(person, await fresh_menu(self._services, person, expired))
        message = update.effective_message
        note = " ".join(((message.text if message is not None else "") or "").split())
        if message is not None and await self._is_own_password(person, note):
            await self._services.outbox.delete(person, message.message_id, DELETE_WITHIN)
            return await self._ask(
                person, step.data, _("I have deleted your last message, since it may hold a password.")
            )
        if len(note) > LONGEST_NOTE:
            return await self._ask(person, step.data, _("That is too long for a note."))
        headline = _("The note is saved.")
        try:
            await asyncio.to_thread(self._services.storage.set_note, step.data["code"], note)
        except UnknownCode:
            headline = ""
        except StorageUnavailable:
            log.exception("note of a code not written")
            headline = _("That could not be saved. Please try again later.")
        card = self._card_screen(person, step.data["code"], step.data["page"], context)
        text, keyboard = card or self._panel_screen(person)
        return await self._leave(person, below(person, f"{headline}\n\n{text}" if headline else text, keyboard))

    async def _is_own_password(self, person: int, text: str) -> bool:
        """Say whether an admin who is a student, too, has typed their password: it must never be kept as a note."""
        if self._services.storage.student(person) is None:
            return False
        password = await asyncio.to_thread(self._services.storage.password, person)
        return text == " ".join(password.split())

    async def _leave(self, person: int, items: list[Item]) -> int:
        def leave() -> bool:
            step = self._services.people.step(person)
            if step is not None and step.name == NOTE:
                self._services.people.clear_step(person)
            return True

        await self._services.outbox.put(*items, when=leave)
        return ConversationHandler.END

    # within

    def _to_panel(self, _: Texts) -> Keyboard:
        return [[Button(_("Back"), "adm:panel")]]
