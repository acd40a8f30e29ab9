"""The teacher bot: its handlers, the menu, and the steps from "Take Attendance" to the board."""

import asyncio
import functools
import logging
from collections.abc import Awaitable
from datetime import timedelta
from html import escape
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler, MessageHandler, filters

from classroom.domain.sessions import Session, Teacher
from classroom.error_codes import code_of, noted
from classroom.lms import LmsRefused, LmsUnavailable, SignInNeeded
from classroom.lms.tables import FileWrong
from classroom.reports.texts import history_texts
from classroom.services import Classroom, typed
from classroom.teacher import manual_marks, opening
from classroom.teacher import sign_in as sign_in_steps
from classroom.teacher.account_moves import AccountMoves
from classroom.teacher.board import Boards
from classroom.teacher.lms_notices import unavailable_text
from classroom.teacher.manual_marks import ManualMarks
from classroom.teacher.opening import Opening
from classroom.teacher.roster_upload import RosterUpload
from classroom.teacher.session_buttons import SessionButtons, no_place_text
from classroom.teacher.sign_in import SignIn
from telegram_app.outbox import Button, Item, Keyboard
from telegram_app.side import SCREEN, TYPED, Context, below, sender, tapped

log = logging.getLogger(__name__)


class TeacherBot:
    """The handlers of the teacher bot. Each checks that the sender is a teacher, and that the session is theirs."""

    def __init__(
        self,
        classroom: Classroom,
        boards: Boards,
        manual: ManualMarks,
        buttons: SessionButtons,
        moves: AccountMoves,
    ) -> None:
        self._classroom = classroom
        self._side = classroom.teacher
        self._boards = boards
        self._manual = manual
        self._buttons = buttons
        self._moves = moves
        self._sign_in = SignIn(classroom)
        self._opening = Opening(classroom)
        self._upload = RosterUpload(classroom)

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        located = (TYPED | (filters.UpdateType.EDITED_MESSAGE & filters.ChatType.PRIVATE)) & filters.LOCATION
        commands = {"start": self._start, "history": self._history, "help": self._help, "cancel": self._cancel}
        taps = {
            r"^menu$": self._menu,
            r"^history$": self._history,
            r"^out$": self._sign_out,
            r"^(take|open:.+)$": self._choose,
            r"^(room|gone):\d{1,3}$": self._in_room,
            r"^(rooms|forget)$": self._rooms,
        }
        return [
            *(CommandHandler(name, handler, filters=TYPED) for name, handler in commands.items()),
            *(CallbackQueryHandler(handler, pattern=pattern) for pattern, handler in taps.items()),
            *self._side.language_handlers(functools.partial(self._show_menu, edit=True)),
            *self._buttons.handlers(),
            *self._moves.handlers(),
            *self._upload.handlers(),
            MessageHandler(TYPED & filters.CONTACT, self._contact),
            MessageHandler(located, self._located),
            MessageHandler(TYPED & filters.TEXT & ~filters.COMMAND, self._typed),
            MessageHandler(TYPED & ~filters.StatusUpdate.ALL, self._other),
            CallbackQueryHandler(self._side.old_button),
        ]

    async def _teacher(self, update: Update) -> Teacher | None:
        """Return the teacher who sent an update; anybody else is asked to sign in."""
        teacher = await self._classroom.store.teacher(sender(update))
        if teacher is None:
            await self._sign_in.ask_phone(sender(update))
        return teacher

    async def _start(self, update: Update, context: Context) -> None:
        if context.args and await self._moves.offer(sender(update), context.args[0]):
            return
        if await self._teacher(update) is not None:
            await self._classroom.set_step(self._side, sender(update), "")
            await self._show_menu(sender(update))

    async def _menu(self, update: Update, context: Context) -> None:
        await tapped(update)
        person = sender(update)
        if await self._teacher(update) is None:
            return
        step = await self._side.step(person)
        await self._classroom.set_step(self._side, person, "")
        if step is not None and step.name == opening.PLACE:  # the location button is removed with a message
            _ = self._side.texts(person)
            await self._say(person, _("Nothing was opened."), hide=True)
            await self._show_menu(person)
        else:
            await self._show_menu(person, edit=True)

    async def _say(self, person: int, text: str, *, hide: bool = False) -> None:
        await self._side.outbox.put(Item(person, "send", text, ask="nothing" if hide else None))

    async def _show_menu(self, person: int, headline: str = "", *, edit: bool = False) -> None:
        _ = self._side.texts(person)
        what = _("Take attendance: open a session, show the code, see who is in.")
        text = f"{headline}\n\n{what}".strip()
        keyboard: Keyboard = [
            [Button(_("Take Attendance"), "take")],
            [Button(_("History"), "history"), Button(_("Sign Out"), "out")],
        ]
        if edit:
            await self._side.outbox.put(Item(person, "edit", text, keyboard, slot=SCREEN))
        else:
            await self._side.outbox.put(*below(person, text, keyboard))

    async def _help(self, update: Update, context: Context) -> None:
        person = sender(update)
        _ = self._side.texts(person)
        text = _(
            "Open a session with {button}: subject, batches, the place. Students send the code to @{bot} and"
            " share their location; you confirm them. The report comes 15 seconds after the end, the final one as soon"
            " as everything is settled. /history shows percentages, /language changes the language."
        ).format(button=_("Take Attendance"), bot=self._classroom.student.username)
        await self._side.outbox.put(Item(person, "send", text))

    async def _cancel(self, update: Update, context: Context) -> None:
        person = sender(update)
        _ = self._side.texts(person)
        await self._classroom.set_step(self._side, person, "")
        await self._side.outbox.put(Item(person, "send", _("Cancelled."), ask="nothing"))
        if await self._classroom.store.teacher(person) is not None:
            await self._show_menu(person)

    async def _sign_out(self, update: Update, context: Context) -> None:
        await tapped(update)
        teacher = await self._teacher(update)
        if teacher is not None:
            await self._classroom.lms.sign_out(teacher)
            await self._classroom.store.remove_teacher(teacher.telegram_id)
            log.info("teacher %d: signed out", teacher.telegram_id)
            _ = self._side.texts(teacher.telegram_id)
            text = _("You are signed out. What is still on the way to the LMS waits for your next sign-in.")
            await self._side.outbox.put(Item(teacher.telegram_id, "edit", text, slot=SCREEN))

    async def _history(self, update: Update, context: Context) -> None:
        if update.callback_query is not None:
            await tapped(update)
        teacher = await self._teacher(update)
        if teacher is None:
            return
        _ = self._side.texts(teacher.telegram_id)
        kept = timedelta(days=self._classroom.settings.retention_days)
        since = (self._classroom.clock.now() - kept).date().isoformat()
        history = await self._classroom.store.history(teacher.telegram_id, since)
        for text in await asyncio.to_thread(history_texts, _, history):
            await self._side.outbox.put(Item(teacher.telegram_id, "send", text))
        await self._show_menu(teacher.telegram_id)

    async def _choose(self, update: Update, context: Context) -> None:
        query = await tapped(update)
        teacher = await self._teacher(update)
        if teacher is None:
            return
        try:
            if query.data == "take":
                await self._opening.begin(teacher)
            else:
                await self._opening.tapped(teacher, (query.data or "").removeprefix("open:"))
        except (LmsUnavailable, LmsRefused, SignInNeeded) as error:
            await self._report_lms_error(teacher, error)

    async def _report_lms_error(self, teacher: Teacher, error: Exception) -> None:
        """Tell a teacher what an error of the LMS means, and what to do."""
        person = teacher.telegram_id
        _ = self._side.texts(person)
        if isinstance(error, LmsUnavailable):
            await self._show_menu(person, unavailable_text(self._classroom, teacher, error))
            return
        reference = noted(log, code_of(error), f"teacher {person}: {type(error).__name__}: {error}", logging.WARNING)
        await self._classroom.set_step(self._side, person, "")
        if isinstance(error, SignInNeeded):
            await self._classroom.store.remove_teacher(person)
            await self._sign_in.ask_phone(person, _("The LMS wants you to sign in again."))
            return
        text = _("The LMS refuses this. Speak to whoever runs it. (reference {reference})")
        problem = ""
        if isinstance(error, FileWrong):
            text = _("The list of students has a mistake: {problem}. It has to be corrected. (reference {reference})")
            problem = escape(error.problem.text(_))
        await self._say(person, text.format(problem=problem, reference=reference), hide=True)
        await self._show_menu(person)

    async def _located(self, update: Update, context: Context) -> None:
        step = await self._side.step(sender(update))
        if step is None or step.name != opening.PLACE:
            return
        teacher = await self._teacher(update)
        if teacher is not None:
            await self._opened(teacher, self._opening.located(teacher, update, step))

    async def _in_room(self, update: Update, context: Context) -> None:
        query = await tapped(update)
        what, _colon, number = (query.data or "").partition(":")
        step = await self._side.step(sender(update))
        teacher = await self._teacher(update)
        if teacher is None or step is None or step.name != opening.PLACE:
            return
        if what == "room":
            await self._opened(teacher, self._opening.in_room(teacher, int(number), step))
        else:
            await self._opening.delete_room(teacher.telegram_id, int(number), step)

    async def _rooms(self, update: Update, context: Context) -> None:
        query = await tapped(update)
        step = await self._side.step(sender(update))
        if await self._teacher(update) is not None and step is not None and step.name == opening.PLACE:
            await self._opening.show_rooms(sender(update), step.data["rooms"], delete=query.data == "forget")

    async def _opened(self, teacher: Teacher, opening: Awaitable[Session | None]) -> None:
        try:
            session = await opening
        except LmsUnavailable as error:
            await self._opening.ask_location(teacher.telegram_id, unavailable_text(self._classroom, teacher, error))
            return
        except (LmsRefused, SignInNeeded) as error:
            await self._report_lms_error(teacher, error)
            return
        if session is not None:
            await self._boards.begin(session)

    async def _contact(self, update: Update, context: Context) -> None:
        person = sender(update)
        if await self._classroom.store.teacher(person) is not None or await self._sign_in.phone(update):
            await self._show_menu(person)

    async def _typed(self, update: Update, context: Context) -> None:
        person, text = sender(update), typed(update)
        step = await self._side.step(person)
        name, data = (step.name, step.data) if step is not None else ("", {})
        if name == sign_in_steps.PASSWORD:
            await self._sign_in.password(update, data["phone"])
        elif name == sign_in_steps.EMAIL:
            if await self._sign_in.email(update, data["phone"]):
                await self._show_menu(person)
        elif (not name and await self._moves.offer(person, text)) or await self._teacher(update) is None:
            return
        elif name == opening.PLACE:
            # Telegram on a computer sends the button's label; a typed location is no evidence
            _ = self._side.texts(person)
            await self._opening.ask_location(person, _("A text is not a location."))
        elif name in (manual_marks.REASON, manual_marks.LIST, opening.ROOM_NAME):
            await self._typed_for_session(update, name, data, text)
        else:
            await self._show_menu(person)

    async def _typed_for_session(self, update: Update, name: str, data: dict[str, Any], text: str) -> None:
        session = await self._buttons.own(update, data["session"])
        if session is None or session.cancelled:
            await self._classroom.set_step(self._side, sender(update), "")
            return
        if name == manual_marks.LIST:
            await self._manual.show_list(session, 0, query=text, anew=True)
        elif name == manual_marks.REASON:
            await self._manual.mark(session, data["student"], data["status"], text, typed=True)
            await self._boards.show(session)
        else:
            _ = self._side.texts(session.teacher)
            await self._classroom.set_step(self._side, session.teacher, "")
            saved = await self._opening.save_room(session, text)
            text = _("Saved: next time one tap is enough.") if saved else _("You have saved too many places already.")
            await self._say(session.teacher, text if session.place is not None else no_place_text(_))

    async def _other(self, update: Update, context: Context) -> None:
        """Answer a picture, a sticker or an unknown command; or a password that begins with a slash."""
        person = sender(update)
        step = await self._side.step(person)
        if step is not None and step.name == sign_in_steps.PASSWORD and typed(update):
            await self._sign_in.password(update, step.data["phone"])
        elif await self._teacher(update) is not None:
            await self._show_menu(person)
