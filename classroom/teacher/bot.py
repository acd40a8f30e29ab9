"""The teacher's bot: the menu, and which handler takes what."""

import asyncio
import functools
import logging
from datetime import timedelta
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler, MessageHandler, filters

from classroom.domain.sessions import Sheet, Teacher
from classroom.error_codes import Code, code_of, noted
from classroom.lms import LmsRefused, LmsUnavailable, SignInNeeded
from classroom.reports.texts import history_texts
from classroom.services import Classroom, typed
from classroom.teacher import hand_marks, opening
from classroom.teacher import sign_in as way_in
from classroom.teacher.board import Boards
from classroom.teacher.hand_marks import HandMarks
from classroom.teacher.opening import Opening
from classroom.teacher.session_buttons import SessionButtons
from classroom.teacher.sign_in import SignIn
from telegram_app.outbox import NOTICE, Button, Item, Keyboard
from telegram_app.people import ConversationStep
from telegram_app.side import SCREEN, TYPED, Context, below, sender, tapped

log = logging.getLogger(__name__)


class TeacherBot:
    """The handlers of the teacher's bot. Each asks first who it is, and whose the session."""

    def __init__(self, room: Classroom, boards: Boards, hand: HandMarks, buttons: SessionButtons) -> None:
        """Take what the bots share, the boards, the lists of students, and the sessions' buttons."""
        self._room = room
        self._side = room.teacher
        self._boards = boards
        self._hand = hand
        self._buttons = buttons
        self._sign_in = SignIn(room)
        self._opening = Opening(room)

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        """Return the handlers, in the order in which they look at an update."""
        located = (TYPED | (filters.UpdateType.EDITED_MESSAGE & filters.ChatType.PRIVATE)) & filters.LOCATION
        commands = {
            "start": self._start,
            "history": self._history,
            "help": self._help,
            "cancel": self._cancel,
        }
        taps = {
            r"^menu$": self._menu,
            r"^take$": self._take,
            r"^history$": self._history,
            r"^out$": self._sign_out,
            r"^open:.+$": self._choose,
            r"^(room|gone):\d{1,3}$": self._in_room,
            r"^(rooms|forget)$": self._rooms,
        }
        return [
            *(CommandHandler(name, handler, filters=TYPED) for name, handler in commands.items()),
            *(CallbackQueryHandler(handler, pattern=pattern) for pattern, handler in taps.items()),
            *self._side.language_handlers(functools.partial(self._show_menu, edit=True)),
            *self._buttons.handlers(),
            MessageHandler(TYPED & filters.CONTACT, self._contact),
            MessageHandler(located, self._located),
            MessageHandler(TYPED & filters.TEXT & ~filters.COMMAND, self._typed),
            MessageHandler(TYPED & ~filters.StatusUpdate.ALL, self._other),
            CallbackQueryHandler(self._side.old_button),
        ]

    # who it is

    async def _teacher(self, update: Update) -> Teacher | None:
        """Return the teacher who sent this; who is none is asked for the way in."""
        teacher = await self._room.store.teacher(sender(update))
        if teacher is None:
            await self._sign_in.ask_phone(sender(update))
        return teacher

    # the menu

    async def _start(self, update: Update, context: Context) -> None:
        if await self._teacher(update) is not None:
            await self._room.set_step(self._side, sender(update), "")
            await self._show_menu(sender(update))

    async def _menu(self, update: Update, context: Context) -> None:
        await tapped(update)
        person = sender(update)
        if await self._teacher(update) is None:
            return
        step = await self._side.step(person)
        await self._room.set_step(self._side, person, "")
        if step is not None and step.name == opening.PLACE:  # the button that asks for a location goes with a message
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
            "Open a session with Take Attendance: subject, batches, the place. Students send the code to @{bot} and"
            " share their location; you confirm them. The report comes 15 seconds after the end, the final one as soon"
            " as everything is settled. /history shows percentages, /language changes the language."
        ).format(bot=self._room.student.username)
        await self._side.outbox.put(Item(person, "send", text))

    async def _cancel(self, update: Update, context: Context) -> None:
        person = sender(update)
        _ = self._side.texts(person)
        await self._room.set_step(self._side, person, "")
        await self._side.outbox.put(Item(person, "send", _("Cancelled."), ask="nothing"))
        if await self._room.store.teacher(person) is not None:
            await self._show_menu(person)

    async def _sign_out(self, update: Update, context: Context) -> None:
        await tapped(update)
        teacher = await self._teacher(update)
        if teacher is not None:
            await self._room.lms.sign_out(teacher)
            await self._room.store.remove_teacher(teacher.telegram_id)
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
        since = (self._room.clock.now() - timedelta(days=self._room.settings.retention_days)).date().isoformat()
        history = await self._room.store.history(teacher.telegram_id, since)
        for text in await asyncio.to_thread(history_texts, _, history):
            await self._side.outbox.put(Item(teacher.telegram_id, "send", text))
        await self._show_menu(teacher.telegram_id)

    # opening

    async def _take(self, update: Update, context: Context) -> None:
        await tapped(update)
        await self._open_or_say(update, "")

    async def _choose(self, update: Update, context: Context) -> None:
        query = await tapped(update)
        await self._open_or_say(update, (query.data or "").removeprefix("open:"))

    async def _open_or_say(self, update: Update, what: str) -> None:
        teacher = await self._teacher(update)
        if teacher is None:
            return
        try:
            if what:
                await self._opening.tapped(teacher, what)
            else:
                await self._opening.begin(teacher)
        except (LmsUnavailable, LmsRefused, SignInNeeded) as error:
            await self._say_lms(teacher, error)

    async def _say_lms(self, teacher: Teacher, error: Exception) -> None:
        """Say what the LMS's answer means for a teacher, and what to do."""
        person = teacher.telegram_id
        _ = self._side.texts(person)
        if isinstance(error, LmsUnavailable):
            await self._show_menu(person, self._unavailable(teacher, error))
            return
        reference = noted(log, code_of(error), f"teacher {person}: {type(error).__name__}: {error}", logging.WARNING)
        await self._room.set_step(self._side, person, "")
        if isinstance(error, SignInNeeded):
            await self._room.store.remove_teacher(person)
            await self._sign_in.ask_phone(person, _("The LMS wants you to sign in again."))
            return
        text = _("The LMS refuses this. Speak to whoever runs it. (reference {reference})")
        await self._say(person, text.format(reference=reference), hide=True)
        await self._show_menu(person)

    def _unavailable(self, teacher: Teacher, error: LmsUnavailable) -> str:
        said = f"teacher {teacher.telegram_id}: {type(error).__name__}: {error}"
        reference = noted(log, code_of(error), said, logging.WARNING)
        _ = self._side.texts(teacher.telegram_id)
        text = _("The LMS does not answer now. Try again in a minute. (reference {reference})")
        return text.format(reference=reference)

    async def _located(self, update: Update, context: Context) -> None:
        step = await self._side.step(sender(update))
        if step is None or step.name != opening.PLACE:
            return
        teacher = await self._teacher(update)
        if teacher is not None:
            await self._opened(teacher, step, update)

    async def _in_room(self, update: Update, context: Context) -> None:
        query = await tapped(update)
        what, _colon, number = (query.data or "").partition(":")
        step = await self._side.step(sender(update))
        teacher = await self._teacher(update)
        if teacher is None or step is None or step.name != opening.PLACE:
            return
        if what == "room":
            await self._opened(teacher, step, None, int(number))
        else:
            await self._opening.forget_room(teacher.telegram_id, int(number), step)

    async def _rooms(self, update: Update, context: Context) -> None:
        query = await tapped(update)
        step = await self._side.step(sender(update))
        if await self._teacher(update) is not None and step is not None and step.name == opening.PLACE:
            await self._opening.show_rooms(sender(update), step.data["rooms"], forget=query.data == "forget")

    async def _opened(self, teacher: Teacher, step: ConversationStep, update: Update | None, number: int = 0) -> None:
        try:
            if update is not None:
                session = await self._opening.located(teacher, update, step)
            else:
                session = await self._opening.in_room(teacher, number, step)
        except LmsUnavailable as error:
            await self._opening.ask_location(teacher.telegram_id, self._unavailable(teacher, error))
            return
        except (LmsRefused, SignInNeeded) as error:
            await self._say_lms(teacher, error)
            return
        if session is not None:
            await self._boards.begin(session)

    # what is typed or sent

    async def _contact(self, update: Update, context: Context) -> None:
        person = sender(update)
        if await self._room.store.teacher(person) is not None or await self._sign_in.phone(update):
            await self._show_menu(person)

    async def _typed(self, update: Update, context: Context) -> None:
        person, text = sender(update), typed(update)
        step = await self._side.step(person)
        name, data = (step.name, step.data) if step is not None else ("", {})
        if name == way_in.PASSWORD:
            await self._sign_in.password(update, data["phone"])
        elif name == way_in.EMAIL:
            if await self._sign_in.email(update, data["phone"]):
                await self._show_menu(person)
        elif await self._teacher(update) is None:
            return
        elif name == opening.PLACE:
            # a computer sends the button's own text; a typed location is no evidence
            _ = self._side.texts(person)
            await self._opening.ask_location(person, _("A text is no location."))
        elif name in (hand_marks.REASON, hand_marks.LIST, opening.ROOM_NAME):
            await self._typed_for_session(update, name, data, text)
        else:
            await self._show_menu(person)

    async def _typed_for_session(self, update: Update, name: str, data: dict[str, Any], text: str) -> None:
        session = await self._buttons.own(update, data["session"])
        if session is None or session.cancelled:
            await self._room.set_step(self._side, sender(update), "")
            return
        if name == hand_marks.LIST:
            await self._hand.show_list(session, 0, query=text, anew=True)
        elif name == hand_marks.REASON:
            await self._hand.mark(session, data["student"], data["status"], text, typed=True)
            await self._boards.show(session)
        else:
            _ = self._side.texts(session.teacher)
            await self._room.set_step(self._side, session.teacher, "")
            saved = await self._opening.save_room(session, text)
            said = _("Saved: next time one tap is enough.") if saved else _("You have saved too many places already.")
            await self._say(session.teacher, said)

    async def _other(self, update: Update, context: Context) -> None:
        """A picture, a sticker, an unknown command; or a password that begins with a slash, which has to go, too."""
        person = sender(update)
        step = await self._side.step(person)
        if step is not None and step.name == way_in.PASSWORD and typed(update):
            await self._sign_in.password(update, step.data["phone"])
        elif await self._teacher(update) is not None:
            await self._show_menu(person)

    # what the LMS says

    async def on_refused(self, sheet: Sheet, why: str) -> None:
        """The LMS refuses a sheet for good: its teacher hears, and finds Try Again on the board."""
        what = f"session {sheet.session}: the LMS refuses sheet {sheet.batch}: {why}"
        noted(log, Code.ATTENDANCE_FAILED, what, logging.WARNING)
        session = await self._room.store.session(sheet.session)
        if session is not None:
            await self._boards.show(session, anew=True)

    async def on_sign_in_needed(self, sheet: Sheet) -> None:
        """Marks wait for the teacher's sign-in."""
        noted(
            log,
            Code.TOKEN_EXPIRED,
            f"session {sheet.session}: sheet {sheet.batch} waits for a sign-in",
            logging.WARNING,
        )
        _ = self._side.texts(sheet.teacher)
        text = _("Marks wait to be written to the LMS, which wants you to sign in again: press /start.")
        await self._room.store.remove_teacher(sheet.teacher)
        await self._side.outbox.put(Item(sheet.teacher, "send", text, lane=NOTICE))
