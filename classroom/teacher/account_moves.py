"""Moving a teacher to another Telegram account: a one-time code, opened in the new one.

The teacher makes it in the old account; where that is lost, an admin of the classroom does, by the phone number.
"""

import asyncio
import logging
from html import escape
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler
from telegram.helpers import create_deep_linked_url

from classroom.domain.sessions import Teacher
from classroom.lms.tables import phone_digits
from classroom.services import Classroom
from classroom.teacher import manual_marks
from classroom.teacher.board import Boards, board_slots
from classroom.verification.reviews import SHOWN
from telegram_app.move_codes import LASTS, MOVE_CODE_LENGTH, MoveCode, MoveCodes, new_move_code
from telegram_app.outbox import NOTICE, Button, Item, Keyboard
from telegram_app.side import SCREEN, TYPED, Context, below, sender, tapped, tapped_data
from telegram_app.typed_codes import codes_in

log = logging.getLogger(__name__)


class AccountMoves:
    """Handles /move and its buttons in the old account, and the code in the new one.

    A move that has begun is finished, also after a restart: sign-in, sessions and their boards, saved places, language.
    """

    def __init__(self, classroom: Classroom, codes: MoveCodes, boards: Boards) -> None:
        self._classroom = classroom
        self._side = classroom.teacher
        self._codes = codes
        self._boards = boards

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        return [
            CommandHandler("move", self._ask, filters=TYPED),
            CallbackQueryHandler(self._make, pattern=r"^move:code$"),
            CallbackQueryHandler(self._revoke, pattern=r"^move:revoke$"),
            CallbackQueryHandler(self._move_here, pattern=f"^move:here:[A-Z0-9]{{{MOVE_CODE_LENGTH}}}$"),
        ]

    async def finish_interrupted(self) -> None:
        """Finish the moves that a previous process began."""
        for move in await asyncio.to_thread(self._codes.begun):
            await self._finish(move)

    async def _ask(self, update: Update, context: Context) -> None:
        person, _ = self._side.who(update)
        if context.args and person in self._classroom.settings.classroom_admins:
            teacher = await self._classroom.store.teacher_with(phone_digits(" ".join(context.args)))
            if teacher is None:
                text = _("No teacher with this phone number is signed in.")
                await self._side.outbox.put(Item(person, "send", text))
            else:
                await self._send_code(person, teacher)
            return
        if await self._classroom.store.teacher(person) is None:
            text = _(
                "Open the link of your move code here, or send the code. You make it with /move in the old account."
            )
            await self._side.outbox.put(Item(person, "send", text))
            return
        await self._side.outbox.put(*below(person, *await self._question(person)))

    async def _question(self, person: int) -> tuple[str, Keyboard]:
        _ = self._side.texts(person)
        text = _(
            "Move your sign-in, sessions and saved places to another Telegram account? You get a code that works once,"
            " within 24 hours. Give it to nobody: who opens it takes over your sessions, and this account loses them."
        )
        buttons = [Button(_("Make Move Code"), "move:code")]
        if await asyncio.to_thread(self._codes.waiting, person, self._classroom.clock.now()) is not None:
            text += "\n\n" + _("A move code is waiting to be used; a new one takes its place.")
            buttons.append(Button(_("Revoke Move Code"), "move:revoke"))
        return text, [buttons, [Button(_("Back"), "menu")]]

    async def _make(self, update: Update, context: Context) -> None:
        await tapped(update)
        person = sender(update)
        teacher = await self._classroom.store.teacher(person)
        if teacher is None:
            await self._side.outbox.put(Item(person, "strip", slot=SCREEN))
        else:
            await self._send_code(person, teacher)

    async def _send_code(self, person: int, teacher: Teacher) -> None:
        """Make a code for a teacher, and send it to the teacher or the admin who asked for it."""
        _ = self._side.texts(person)
        code, expires = new_move_code(), self._classroom.clock.now() + LASTS
        await asyncio.to_thread(self._codes.make, code, teacher.telegram_id, person, expires)
        log.info("teacher %d: move code made by %d", teacher.telegram_id, person)
        link = create_deep_linked_url(self._side.username, code)
        text = _("Move code of {name}: {code}").format(name=escape(teacher.name), code=f"<code>{code}</code>")
        text += "\n" + _("It works once, within 24 hours, in the new Telegram account:") + "\n" + escape(link)
        await self._side.outbox.put(Item(person, "strip", slot=SCREEN), Item(person, "photo", text, qr=link))

    async def _revoke(self, update: Update, context: Context) -> None:
        person, _ = self._side.who(update)
        await tapped(update, _("The move code is revoked."))
        if await asyncio.to_thread(self._codes.revoke, person):
            log.info("teacher %d: move code revoked", person)
        await self._side.outbox.put(Item(person, "edit", *await self._question(person), slot=SCREEN))

    async def offer(self, person: int, text: str) -> bool:
        """Ask in the new account whether to move, if there is a move code in ``text``; False: there is none."""
        _, (sure, words), old = self._side.texts(person), codes_in(text, MOVE_CODE_LENGTH), None
        for code in (*sure, *words):
            if (old := await self._owner(code)) is not None:
                break
        if old is None and not sure:
            return False
        if old is None:
            await self._side.outbox.put(Item(person, "send", self._used_up(person)))
        elif old.telegram_id == person:
            text = _("This code is for your new Telegram account: open its link there.")
            await self._side.outbox.put(Item(person, "send", text))
        elif (refused := await self._refusal(person, old.lms_id)) is not None:
            await self._side.outbox.put(Item(person, "send", refused))
        else:
            text = _("Move the sessions of {name} to this Telegram account? The other account loses them.")
            keyboard: Keyboard = [[Button(_("Move Here"), f"move:here:{code}")], [Button(_("Back"), "menu")]]
            await self._side.outbox.put(*below(person, text.format(name=f"<b>{escape(old.name)}</b>"), keyboard))
        return True

    async def _owner(self, code: str) -> Teacher | None:
        """Return the teacher whom a code moves, if it can be used now: an admin's code ends with the admin."""
        move = await asyncio.to_thread(self._codes.get, code, self._classroom.clock.now())
        if move is None or move.created_by not in (move.person, *self._classroom.settings.classroom_admins):
            return None
        return await self._classroom.store.teacher(move.person)

    def _used_up(self, person: int) -> str:
        _ = self._side.texts(person)
        return _("This move code can't be used any more. Make a new one with /move in the old account.")

    async def _refusal(self, person: int, lms_id: str) -> str | None:
        """Return why this account can't take another teacher's sessions; None: it can."""
        present = await self._classroom.store.teacher(person)
        if present is None or present.lms_id == lms_id:
            return None
        _ = self._side.texts(person)
        return _("This account is signed in as another teacher. Sign out first, then open the link again.")

    async def _move_here(self, update: Update, context: Context) -> None:
        await tapped(update)
        person, code = sender(update), tapped_data(update).rpartition(":")[2]
        old = await self._owner(code)
        refused = await self._refusal(person, old.lms_id) if old is not None else None
        if refused is None and old is not None and old.telegram_id != person:
            begun = await asyncio.to_thread(self._codes.begin, code, person, self._classroom.clock.now())
            if begun is not None:
                await self._finish(begun)
                return
        await self._side.outbox.put(Item(person, "edit", refused or self._used_up(person), slot=SCREEN))

    async def _finish(self, move: MoveCode) -> None:
        """Carry out a move that has begun; each step may be repeated. The last one tells both accounts, once."""
        old, new = move.person, move.moved_to
        if new is None:
            raise ValueError("the move has not begun")
        claims = self._side.claims.keys
        live = [session for session in await self._classroom.store.unfinished() if session.teacher in (old, new)]
        await self._classroom.store.move_teacher(old, new)
        await asyncio.to_thread(self._classroom.rooms.hand_over, old, new)
        await asyncio.to_thread(self._side.people.hand_over, old, new)
        self._side.languages[new] = self._side.languages.get(old, "en")
        _ = self._side.texts(old)
        gone = _("Your sessions were moved to another Telegram account.")
        slots = [slot for session in live for slot in board_slots(session.id)]
        shown = [(each, key) for each in live for key in await asyncio.to_thread(claims, f"{SHOWN}{each.id}-")]
        _ = self._side.texts(new)
        told = [
            *(Item(old, "strip", slot=slot, lane=NOTICE) for slot in slots),
            *(Item(old, "strip", slot=slot) for slot in (SCREEN, manual_marks.SCREEN)),
            *(Item(old, "delete", slot=f"face:{each.id}-{key}") for each, key in shown),
            Item(old, "send", gone, lane=NOTICE),
            Item(new, "edit", _("Your sessions are now in this Telegram account."), slot=SCREEN),
        ]
        if await self._side.outbox.put(*told, when=lambda: self._codes.remove(move.code)):
            log.info("teacher %d: moved to %d", old, new)
        if self._classroom.sync is not None:
            self._classroom.sync.signed_in(new)
        for session in live:
            moved = await self._classroom.store.session(session.id)
            if moved is not None:
                await self._boards.show(moved, anew=True)
