"""Invitation codes: made with a link and QR picture, noted, listed, revoked; and the notice when one is redeemed."""

import asyncio
import logging
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from html import escape
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler, ConversationHandler
from telegram.helpers import create_deep_linked_url

from marker.admin.panel import LINE, ON_A_PAGE, PAGE, AdminScreens, Asked, Draw, Drawn
from marker.questions import NOTE, Questions, joined
from marker.services import Services
from storage import NOBODY, CodeUsed, Invitation, StorageUnavailable, UnknownCode
from telegram_app.i18n import Texts
from telegram_app.lines import short, toast
from telegram_app.outbox import NOTICE, Button, Item
from telegram_app.pages import page_of
from telegram_app.side import Context, below, sender, typed_text

log = logging.getLogger(__name__)

LONGEST_NOTE = 60  # characters: it stands in a line of a list
_CODE = rf"(?P<code>[A-Z0-9]{{1,32}}):{PAGE}$"


@dataclass(eq=False)
class Invitations(AdminScreens):
    """Handles the taps that are about codes, and the answer to the question for whom one is."""

    _questions: Questions

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        codes = {"ask": self._ask_revoke, "revoke": self._revoke}
        taps = {r"^adm:code$": self._new_code} | {f"^inv:{name}:{_CODE}": each for name, each in codes.items()}
        return [*self._view_taps(), *self._taps(taps)]

    def views(self) -> dict[str, Draw]:
        return {rf"^adm:codes:{PAGE}$": self._list, f"^inv:card:{_CODE}": self._card}

    def note_handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        """Return the conversation's entry point for the question for whom a code is."""
        guarded = self._guarded(self._ask_note)

        async def handle(update: Update, context: Context) -> str | None:
            await guarded(update, context)
            step = await self._services.step(sender(update))
            return NOTE if step is not None and step.name == NOTE else None

        return [CallbackQueryHandler(handle, f"^inv:note:{_CODE}")]

    def redeemed(self, code: str, username: str) -> list[Item]:
        """Return the notice that a code was redeemed, for the admin who made it, if they still are one."""
        invitation = self._services.storage.invitation(code)
        if invitation is None or not self._services.is_admin(invitation.created_by):
            return []
        _ = self._services.texts(invitation.created_by)
        text = _("{username} has registered with the code {code}.")
        if invitation.note:
            text = _("{username} has registered with the code for {note}.")
        text = text.format(username=escape(username), code=code, note=escape(invitation.note))
        return [Item(invitation.created_by, "send", text, lane=NOTICE)]

    async def _new_code(self, person: int, _: Texts, asked: Asked, context: Context) -> str:
        try:
            code = await asyncio.to_thread(self._services.storage.create_invitation, person)
        except StorageUnavailable:
            log.exception("invitation code not written")
            back = [[Button(_("Back"), "adm:panel")]]
            return await self._show(person, _("That could not be saved. Please try again later."), back)
        log.info("admin %d: new invitation code", person)
        text = _("Invitation code: {code}").format(code=f"<code>{code}</code>")
        text += "\n" + _("It works once. This link does the same with one tap:")
        link = create_deep_linked_url(context.bot.username, code)
        return await self._show_code(person, text, link, code)

    async def _list(self, person: int, _: Texts, asked: Asked) -> Drawn:
        invitations = self._services.storage.invitations().items()
        ordered = sorted(invitations, key=partial(_order, self._services), reverse=True)
        page = page_of(ordered, int(asked["page"]), ON_A_PAGE)
        lines = [_line(self._services, _, code, invitation) for code, invitation in page.shown]
        unused = [code for code, each in page.shown if _is_unused(self._services, each)]
        buttons = [Button(code, f"inv:card:{code}:{page.number}") for code in unused]
        text = "\n".join(lines) or _("No invitation codes yet.")
        return self._list_screen(_, _("Invitations"), page, text, buttons, "adm:codes")

    async def _card(self, person: int, _: Texts, asked: Asked) -> Drawn:
        code, page = asked["code"], asked["page"]
        if (invitation := self._services.storage.invitation(code)) is None:
            return await self._list(person, _, asked)
        text = _line(self._services, _, code, invitation)
        keyboard = [[Button(_("Back"), f"adm:codes:{page}")]]
        if _is_unused(self._services, invitation):
            text += "\n" + escape(create_deep_linked_url(self._services.username, code))
            noting = _("Change Note") if invitation.note else _("Add Note")
            revoke = Button(_("Revoke"), f"inv:ask:{code}:{page}")
            keyboard.insert(0, [revoke, Button(noting, f"inv:note:{code}:{page}")])
        return text, keyboard

    async def _ask_revoke(self, person: int, _: Texts, asked: Asked, context: Context) -> str:
        code, page = asked["code"], asked["page"]
        invitation = self._services.storage.invitation(code)
        if invitation is None or not _is_unused(self._services, invitation):
            return await self._open(person, f"inv:card:{code}:{page}")
        about = _line(self._services, _, code, invitation)
        question = _("Revoke this code? Nobody will be able to register with it.")
        yes = Button(_("Revoke for good"), f"inv:revoke:{code}:{page}")
        await self._show(person, question, [[yes], [Button(_("Back"), f"inv:card:{code}:{page}")]], about)
        return toast(question)

    async def _revoke(self, person: int, _: Texts, asked: Asked, context: Context) -> str:
        code = asked["code"]
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
        return await self._open(person, f"adm:codes:{asked['page']}", headline)

    async def _ask_note(self, person: int, _: Texts, asked: Asked, context: Context) -> str:
        if self._services.storage.invitation(asked["code"]) is None:
            return await self._open(person, f"adm:codes:{asked['page']}")
        question = self._note_question(person, asked["code"])
        await self._questions.ask(person, NOTE, asked, question, in_place=True)
        return toast(question)

    def _note_question(self, person: int, code: str) -> str:
        _ = self._services.texts(person)
        return _("For whom is the code {code}? Send me one line, {most} characters at most.").format(
            code=f"<code>{code}</code>", most=LONGEST_NOTE
        )

    async def take_note(self, update: Update, context: Context) -> str | int:
        person = sender(update)
        _, step = self._services.texts(person), await self._questions.open_step(person, NOTE)
        if step is None:
            return await self._questions.end(person, _("That question has expired. Please begin again."))
        if not self._services.is_admin(person):
            return await self._questions.end(person)
        code, note, problem = step.data["code"], " ".join(typed_text(update).split()), ""
        if await self._questions.is_own_password(person, note):  # of an admin who is a student, too
            problem = await self._questions.delete_stray(update)
        elif len(note) > LONGEST_NOTE:
            problem = _("That is too long for a note.")
        if problem:
            question = joined(problem, self._note_question(person, code))
            return await self._questions.ask(person, NOTE, step.data, question)
        headline = _("The note is saved.")
        try:
            await asyncio.to_thread(self._services.storage.set_note, code, note)
        except UnknownCode:
            headline = ""
        except StorageUnavailable:
            log.exception("note of a code not written")
            headline = _("That could not be saved. Please try again later.")
        text, keyboard = await self._card(person, _, step.data)
        items = below(person, joined(headline, text), keyboard, f"inv:card:{code}:{step.data['page']}", headline)
        await self._services.outbox.put(*items, when=lambda: self._questions.leave(person))
        return ConversationHandler.END


def _is_unused(services: Services, invitation: Invitation) -> bool:
    over = invitation.used_by is not None or invitation.revoked_at is not None
    is_new = services.storage.expires_at(invitation) > services.clock.now()
    return is_new and not over and services.is_admin(invitation.created_by)


def _order(services: Services, entry: tuple[str, Invitation]) -> tuple[int, str]:
    """Return a sort key for descending order: unused codes, then used ones, then the rest, each newest first."""
    _code, invitation = entry
    if _is_unused(services, invitation):
        return 2, invitation.created_at
    return (1, invitation.used_at or "") if invitation.used_by is not None else (0, invitation.created_at)


def _line(services: Services, _: Texts, code: str, invitation: Invitation) -> str:
    parts = [f"<code>{code}</code>"]
    if invitation.note:
        parts.append(escape(invitation.note))
    if invitation.used_by == NOBODY:
        parts.append(_("used"))
    elif invitation.used_by is not None:
        student = services.storage.student(invitation.used_by)
        # of a student who was removed, or registered again with another code, only the number is known
        ours = student is not None and student.invitation_code == code
        who = student.username if student is not None and ours else str(invitation.used_by)
        parts.append(_("used by {who}").format(who=short(who, LINE)))
    elif invitation.revoked_at is not None:
        parts.append(_("revoked"))
    elif not services.is_admin(invitation.created_by):
        parts.append(_("of a former admin, not valid"))
    elif not _is_unused(services, invitation):
        parts.append(_("expired"))
    else:
        now = services.clock.now()
        days = (now - datetime.fromisoformat(invitation.created_at)).days
        made = _.ngettext("made {n} day ago", "made {n} days ago", days).format(n=days)
        parts.append(made if days > 0 else _("made today"))
        left = math.ceil((services.storage.expires_at(invitation) - now) / timedelta(days=1))
        parts.append(_.ngettext("{n} day left", "{n} days left", left).format(n=left))
    return ", ".join(parts)
