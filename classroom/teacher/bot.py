"""The teacher bot: its handlers, the menu, and the steps from "Take Attendance" to the board."""

import asyncio
import functools
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler, MessageHandler, filters

from classroom.domain.sessions import Session, Teacher, end_of
from classroom.error_codes import code_of, noted
from classroom.lms import LmsRefused, LmsUnavailable, SignInNeeded
from classroom.lms.tables import FileWrong
from classroom.reports.sending import SessionReports
from classroom.services import PLACE_SLOT, Classroom, typed
from classroom.teacher import manual_marks, opening, without_phones
from classroom.teacher import sign_in as sign_in_steps
from classroom.teacher.account_moves import AccountMoves
from classroom.teacher.board import Boards
from classroom.teacher.lesson_question import LESSON_NAME
from classroom.teacher.manual_marks import ManualMarks
from classroom.teacher.opening import Opening
from classroom.teacher.place import PLACE, PlaceQuestion
from classroom.teacher.register import REGISTER, RegisterDialogue
from classroom.teacher.roster_upload import RosterUpload
from classroom.teacher.session_buttons import SessionButtons
from classroom.teacher.session_list import SessionList
from classroom.teacher.sign_in import SignIn
from classroom.teacher.texts import help_text, unavailable_text
from classroom.teacher.without_phones import WithoutPhones
from telegram_app.i18n import Texts
from telegram_app.outbox import NOTICE, Button, Item, Keyboard
from telegram_app.side import SCREEN, TYPED, Context, below, sender, tapped, tapped_data
from telegram_app.typed_codes import payload

log = logging.getLogger(__name__)

OPENING = (opening.CHOOSING, LESSON_NAME, PLACE, REGISTER, without_phones.DAY)  # steps that no menu interrupts
# Called with the teacher who tapped or sent a command, the teacher's texts, and the data of the tapped button.
ForTeacher = Callable[[Teacher, Texts, str], Coroutine[Any, Any, None]]


@dataclass(eq=False)
class TeacherBot:
    """The handlers of the teacher bot. Each checks that the sender is a teacher, and that the session is theirs."""

    _classroom: Classroom
    _boards: Boards
    _manual: ManualMarks
    _buttons: SessionButtons
    _moves: AccountMoves
    _reports: SessionReports

    def __post_init__(self) -> None:
        self._side = self._classroom.teacher
        self.sign_in = SignIn(self._classroom)
        self._side.may_be_password = self.sign_in.may_be_password
        self._opening = Opening(self._classroom, self._show_class)
        self._without_phones = WithoutPhones(self._classroom, self._opening)
        self._lists = SessionList(self._classroom, self._boards)
        self._places = PlaceQuestion(self._classroom)
        self._upload = RosterUpload(self._classroom)
        self._registers = RegisterDialogue(self._classroom, self._reports.files, self.sign_in, self._show_menu)

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        located = (TYPED | (filters.UpdateType.EDITED_MESSAGE & filters.ChatType.PRIVATE)) & filters.LOCATION
        history = self._for_teacher(self._history)
        commands = {"start": self._start, "history": history, "help": self._help, "cancel": self._cancel}
        taps = {
            r"^menu$": self._for_teacher(self._menu),
            r"^history$": history,
            r"^out$": self._for_teacher(self._sign_out),
            r"^sessions$": self._sessions,
            r"^past:\d{1,5}$": self._for_teacher(self._past),
            rf"^(take|open:.+|{without_phones.TAPS})$": self._for_teacher(self._choose),
            r"^((room|gone):\d{1,3}|anyway|rooms|forget)$": self._at_place,
        }
        return [
            *(CommandHandler(name, handler, filters=TYPED) for name, handler in commands.items()),
            *(CallbackQueryHandler(handler, pattern=pattern) for pattern, handler in taps.items()),
            *self._side.language_handlers(functools.partial(self._show_menu, edit=True)),
            *self._buttons.handlers(),
            *self._moves.handlers(),
            *self._upload.handlers(),
            *self._registers.handlers(),
            MessageHandler(TYPED & filters.CONTACT, self._contact),
            MessageHandler(located, self._at_place),
            MessageHandler(TYPED & filters.TEXT & ~filters.COMMAND, self._typed),
            MessageHandler(TYPED & ~filters.StatusUpdate.ALL, self._other),
            CallbackQueryHandler(self._side.old_button),
        ]

    def _for_teacher(self, handler: ForTeacher) -> Callable[[Update, Context], Coroutine[Any, Any, None]]:
        """Return a handler that answers a tap, and passes on the teacher who sent the update."""

        async def handle(update: Update, context: Context) -> None:
            if update.callback_query is not None:
                await tapped(update)
            if (teacher := await self._teacher(update)) is not None:
                await handler(teacher, self._side.texts(teacher.telegram_id), tapped_data(update))

        return handle

    async def _teacher(self, update: Update) -> Teacher | None:
        """Return the teacher who sent an update; anybody else is asked to sign in."""
        if (teacher := await self._classroom.store.teacher(sender(update))) is None:
            await self.sign_in.ask_phone(sender(update))
        return teacher

    async def _start(self, update: Update, context: Context) -> None:
        if context.args and await self._moves.offer(sender(update), payload(context.args)):
            return
        if await self._teacher(update) is not None:
            await self._classroom.set_step(self._side, sender(update), "")
            await self._hide_request(sender(update))
            await self._show_menu(sender(update))
        elif sender(update) in self._classroom.settings.classroom_admins:
            await self._registers.welcome(sender(update), self._upload.help_text(self._side.texts(sender(update))))
        if self._classroom.troubles is not None and sender(update) in self._classroom.settings.classroom_admins:
            await self._classroom.troubles.tell(sender(update))

    async def _menu(self, teacher: Teacher, _: Texts, _data: str) -> None:
        person, headline = teacher.telegram_id, ""
        step = await self._side.step(person)
        await self._classroom.set_step(self._side, person, "")
        if step is not None and step.name == PLACE:
            headline = _("The place was not changed.") if "session" in step.data else _("Nothing was opened.")
            await self._hide_request(person)
        await self._show_menu(person, headline, edit=True)

    async def _hide_request(self, person: int) -> None:
        """Remove the button that shares the location, with its message."""
        await self._side.outbox.put(Item(person, "delete", slot=PLACE_SLOT))

    async def show_menu_after(self, session: Session) -> None:
        """Show the menu below a session's report, once and without ringing, unless the next session is being opened."""
        person, now = session.teacher, self._classroom.clock.now()
        key = f"menu:{session.id}:{end_of(session).isoformat()}"

        def claim() -> bool:  # at the last moment: a tap may begin the next session meanwhile
            step = self._side.people.step(person)
            is_opening = step is not None and step.name in OPENING
            return not is_opening and self._side.claims.claim(key, now)

        if await self._classroom.store.teacher(person) is not None:
            strip, menu = below(person, *await self._menu_of(person))
            menu = replace(menu, lane=NOTICE, quiet=True)  # in the report's lane, so that it comes after it
            await self._side.outbox.put(replace(strip, lane=NOTICE), menu, when=claim)

    async def _show_menu(self, person: int, headline: str = "", *, edit: bool = False) -> None:
        text, keyboard = await self._menu_of(person, headline)
        shown = [Item(person, "edit", text, keyboard, slot=SCREEN)] if edit else below(person, text, keyboard)
        await self._side.outbox.put(*shown)

    async def _menu_of(self, person: int, headline: str = "") -> tuple[str, Keyboard]:
        _ = self._side.texts(person)
        what = _("Take attendance: open a session, show the code, see who is in.")
        text = f"{headline}\n\n{what}".strip()
        keyboard: Keyboard = [
            [Button(_("Take Attendance"), "take")],
            [Button(_("History"), "history"), Button(_("Register"), "register")],
            [Button(_("Sign Out"), "out")],
        ]
        if await self._lists.recent(person):
            keyboard.insert(1, [Button(_("Open Session"), "sessions")])
        return text, keyboard

    async def _sessions(self, update: Update, context: Context) -> None:
        (person, _), recent = self._side.who(update), await self._lists.recent(sender(update))
        await tapped(update, None if recent else _("No session is running."))
        if await self._teacher(update) is None:
            return
        await (self._lists.show(person, recent) if recent else self._show_menu(person, edit=True))

    async def _past(self, teacher: Teacher, _: Texts, data: str) -> None:
        await self._lists.show_past(teacher.telegram_id, int(data.removeprefix("past:")))

    async def _help(self, update: Update, context: Context) -> None:
        person, _ = self._side.who(update)
        text = help_text(_, self._classroom.student.username)
        if person in self._classroom.settings.classroom_admins:
            text += "\n\n" + self._upload.help_text(_)
        await self._side.outbox.put(Item(person, "send", text))

    async def _cancel(self, update: Update, context: Context) -> None:
        person, _ = self._side.who(update)
        await self._classroom.set_step(self._side, person, "")
        if await self._classroom.store.teacher(person) is None:
            await self._side.outbox.put(Item(person, "send", _("Cancelled."), ask="nothing"))
            return
        await self._hide_request(person)
        await self._show_menu(person, _("Cancelled."))

    async def _sign_out(self, teacher: Teacher, _: Texts, _data: str) -> None:
        await asyncio.to_thread(self._classroom.record_deletion, "teachers", teacher.telegram_id)
        await self._classroom.lms.sign_out(teacher)
        await self._classroom.store.remove_teacher(teacher.telegram_id)
        log.info("teacher %d: signed out", teacher.telegram_id)
        text = _("You are signed out. What is not recorded yet waits for your next sign-in.")
        await self._side.outbox.put(Item(teacher.telegram_id, "edit", text, slot=SCREEN))

    async def _history(self, teacher: Teacher, _: Texts, _data: str) -> None:
        await self._reports.send_history(teacher.telegram_id)
        text, keyboard = await self._menu_of(teacher.telegram_id)
        keyboard.insert(1, [Button(_("Open a Lesson"), "past:0")])
        await self._side.outbox.put(*below(teacher.telegram_id, text, keyboard))

    async def _choose(self, teacher: Teacher, _: Texts, data: str) -> None:
        try:
            if data == "take":
                await self._opening.begin(teacher)
            elif data.startswith("byhand:"):
                await self._without_phones.tapped(teacher, data.removeprefix("byhand:"))
            else:
                await self._opening.tapped(teacher, data.removeprefix("open:"))
        except (LmsUnavailable, LmsRefused, SignInNeeded) as error:
            await self._report_lms_error(teacher, error)

    async def _show_class(self, session: Session) -> None:
        await self._boards.show(session)
        await self._buttons.whole_class.show(session, 0, anew=True)

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
            text = _("The LMS wants you to sign in again.") if self._classroom.has_lms else _("Please sign in again.")
            await self.sign_in.ask_phone(person, text)
            return
        text = _("The LMS refuses this. Speak to whoever runs it. (reference {reference})")
        problem = ""
        if isinstance(error, FileWrong):
            text = _("The list of students has a mistake: {problem}. It has to be corrected. (reference {reference})")
            problem = escape(error.problem.text(_))
        await self._hide_request(person)
        await self._show_menu(person, text.format(problem=problem, reference=reference))

    async def _at_place(self, update: Update, context: Context) -> None:
        """Handle a location or a tap that answers the question for the place: of a new session or a running one."""
        step = await self._side.step(sender(update))
        if step is None or step.name != PLACE:
            if update.callback_query is not None:
                await self._side.old_button(update)
            elif update.edited_message is None:  # a live location moves every few seconds
                await self._other(update, context)
            return
        if update.callback_query is not None:
            await tapped(update)
        teacher = await self._teacher(update)
        if teacher is None or (place := await self._places.answered(update, step)) is None:
            return
        if "session" in step.data:
            if (running := await self._buttons.own(update, step.data["session"])) is not None:
                await self._buttons.change_place(running, place)
            return
        try:
            session = await self._opening.open(teacher, step.data, place)
        except LmsUnavailable as error:
            await self._places.request(teacher.telegram_id, unavailable_text(self._classroom, teacher, error))
            return
        except (LmsRefused, SignInNeeded) as error:
            await self._report_lms_error(teacher, error)
            return
        if session is not None:
            await self._boards.show(session)

    async def _contact(self, update: Update, context: Context) -> None:
        person = sender(update)
        if await self._classroom.store.teacher(person) is not None or await self.sign_in.phone(update):
            await self._show_menu(person)

    async def _typed(self, update: Update, context: Context) -> None:
        person, text = sender(update), typed(update)
        step = await self._side.step(person)
        name, data = (step.name, step.data) if step is not None else ("", {})
        if name == sign_in_steps.PASSWORD:
            await self.sign_in.password(update, data["phone"])
        elif name == sign_in_steps.EMAIL:
            if await self.sign_in.email(update, data["phone"]):
                await self._show_menu(person)
        elif name in ("", sign_in_steps.PHONE) and await self._moves.offer(person, text):
            log.debug("person %d: sent a move code", person)
        elif (teacher := await self._teacher(update)) is None:
            return
        elif name == LESSON_NAME:
            await self._choose(teacher, self._side.texts(person), f"open:typed:{text}")
        elif name == PLACE:
            # Telegram on a computer sends the button's label; a typed location is no evidence
            _ = self._side.texts(person)
            await self._places.request(person, _("A text is not a location."))
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
            await self._places.save(session, text)

    async def _other(self, update: Update, context: Context) -> None:
        """Answer a picture, a sticker or an unknown command; or a password that begins with a slash."""
        person = sender(update)
        step = await self._side.step(person)
        if step is not None and step.name == sign_in_steps.PASSWORD and typed(update):
            await self.sign_in.password(update, step.data["phone"])
        elif await self._teacher(update) is not None:
            await self._show_menu(person)
